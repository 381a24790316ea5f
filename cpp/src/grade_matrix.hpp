// The inverse of an active set as the kernels multiply rows with it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "mtpot/maxvol.hpp"

namespace mtpot {

// A^-1 in the strips of the kernels.
class GradeMatrix {
public:
    // For rows in the parameters.
    explicit GradeMatrix(const ActiveSet& active_set);
    // For rows as the kernels leave them: what a row is in the parameters, times A^-1.
    GradeMatrix(const ActiveSet& active_set, const CompiledPotential& compiled);

    MatrixView view() const { return {values_.data(), rows_, strips_}; }

private:
    // values[rows][columns]
    void set(const std::vector<double>& values, std::size_t columns);

    std::size_t rows_, strips_ = 0;
    std::vector<double> values_;
};

// Writes grades[center] of blocks of centers, with rows[blocks][row_size()][lanes].
void grade_blocks(const GradeMatrix& matrix, const CompiledPotential& compiled,
                  std::span<const CenterBlock> blocks, const double* rows, double* grades);

// grades[m] of rows[m * size], row-major.
void grade_rows(const GradeMatrix& matrix, std::span<const double> rows, std::span<double> grades);

}  // namespace mtpot

// The inverse of an active set as the kernels multiply rows with it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/kernels.hpp"
#include "mtpot/maxvol.hpp"
#include "mtpot/potential.hpp"

namespace mtpot {

// A^-1, row-major, its rows padded with zeros to whole tiles.
class GradeMatrix {
public:
    explicit GradeMatrix(const ActiveSet& active_set)
        : size_(active_set.size()),
          stride_((size_ + grade_tile - 1) / grade_tile * grade_tile),
          values_(size_ * stride_, 0.0) {
        for (std::size_t i = 0; i < size_; ++i)
            for (std::size_t k = 0; k < size_; ++k)
                values_[k * stride_ + i] = active_set.inverse_transposed()[i * size_ + k];
    }

    std::size_t size() const { return size_; }
    MatrixView view() const { return {values_.data(), stride_}; }

private:
    std::size_t size_, stride_;
    std::vector<double> values_;
};

// grades[lanes] of rows[parameters][lanes], as the kernels leave them, of centers of one species.
void grade_lanes(const GradeMatrix& matrix, const Potential& potential, int species,
                 const double* rows, double* grades);

// grades[m] of rows[m * size], row-major.
void grade_rows(const GradeMatrix& matrix, std::span<const double> rows, std::span<double> grades);

}  // namespace mtpot

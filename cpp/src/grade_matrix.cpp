#include "grade_matrix.hpp"

#include <algorithm>
#include <array>

#include "mtpot/error.hpp"
#include "parallel.hpp"

namespace mtpot {

// Columns that are not zero: radial coefficients of the species, its energy, linear coefficients.
void grade_lanes(const GradeMatrix& matrix, const Potential& potential, int species,
                 const double* rows, double* grades) {
    const int radial = static_cast<int>(potential.radial_coefficients.size());
    const int share = radial / potential.species_count;
    const int linear = radial + potential.species_count;
    const std::array<ColumnRange, 3> columns{
        ColumnRange{species * share, (species + 1) * share},
        ColumnRange{radial + species, radial + species + 1},
        ColumnRange{linear, static_cast<int>(potential.parameter_count())}};
    kernels().grade(rows, columns.data(), columns.size(), matrix.view(), grades);
}

void grade_rows(const GradeMatrix& matrix, std::span<const double> rows, std::span<double> grades) {
    const Kernels& kernel = kernels();
    const std::size_t size = matrix.size(), lanes = static_cast<std::size_t>(kernel.evaluate.lanes);
    require(rows.size() == size * grades.size(), "one grade is needed for each row");
    const ColumnRange all{0, static_cast<int>(size)};
    Workspace workspace;
    auto* packed = static_cast<double*>(workspace.reserve(size * lanes * sizeof(double)));
    for (std::size_t first = 0; first < grades.size(); first += lanes) {
        const std::size_t count = std::min(lanes, grades.size() - first);
        std::fill_n(packed, size * lanes, 0.0);
        for (std::size_t lane = 0; lane < count; ++lane)
            for (std::size_t k = 0; k < size; ++k)
                packed[k * lanes + lane] = rows[(first + lane) * size + k];
        double found[most_lanes];
        kernel.grade(packed, &all, 1, matrix.view(), found);
        std::copy_n(found, count, grades.data() + first);
    }
}

}  // namespace mtpot

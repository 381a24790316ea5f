#include "grade_matrix.hpp"

#include <algorithm>
#include <array>

#include "mtpot/error.hpp"
#include "parallel.hpp"

namespace mtpot {
namespace {

std::vector<double> inverse_of(const ActiveSet& active_set) {
    const std::size_t size = active_set.size();
    std::vector<double> inverse(size * size);
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t k = 0; k < size; ++k)
            inverse[k * size + i] = active_set.inverse_transposed()[i * size + k];
    return inverse;
}

// Columns that are not zero: radial coefficients of the species, its energy, the terms.
std::array<ColumnRange, 3> columns_of(const CompiledPotential& compiled, int species) {
    const std::size_t radial = compiled.potential.radial_coefficients.size();
    const std::size_t share = radial / compiled.potential.species_count;
    return {ColumnRange{species * share, (species + 1) * share},
            ColumnRange{radial + species, radial + species + 1},
            ColumnRange{compiled.first_term(), compiled.row_size()}};
}

}  // namespace

GradeMatrix::GradeMatrix(const ActiveSet& active_set) : rows_(active_set.size()) {
    set(inverse_of(active_set), active_set.size());
}

GradeMatrix::GradeMatrix(const ActiveSet& active_set, const CompiledPotential& compiled)
    : rows_(compiled.row_size()) {
    const std::vector<double> inverse = inverse_of(active_set);
    const std::size_t size = active_set.size(), first = compiled.first_term();
    std::vector<double> values(rows_ * size, 0.0);
    std::copy_n(inverse.begin(), first * size, values.begin());
    const auto add = [&](std::size_t term, std::size_t scalar, double share) {
        const double* from = inverse.data() + (first + scalar) * size;
        for (std::size_t i = 0; i < size; ++i) values[(first + term) * size + i] += share * from[i];
    };
    const auto& shares = compiled.scalar_shares;
    const std::size_t terms = rows_ - first, scalars = size - first;
    for (std::size_t t = 0; t < terms; ++t) {
        if (shares.empty()) add(t, t, 1.0);
        for (std::size_t alpha = 0; !shares.empty() && alpha < scalars; ++alpha)
            if (shares[t * scalars + alpha] != 0.0) add(t, alpha, shares[t * scalars + alpha]);
    }
    set(values, size);
}

void GradeMatrix::set(const std::vector<double>& values, std::size_t columns) {
    strips_ = (columns + grade_tile - 1) / grade_tile;
    values_.assign(strips_ * rows_ * grade_tile, 0.0);
    for (std::size_t k = 0; k < rows_; ++k)
        for (std::size_t i = 0; i < columns; ++i)
            values_[(i / grade_tile * rows_ + k) * grade_tile + i % grade_tile] =
                values[k * columns + i];
}

void grade_blocks(const GradeMatrix& matrix, const CompiledPotential& compiled,
                  std::span<const CenterBlock> blocks, const double* rows, double* grades) {
    const Kernels& kernel = kernels();
    const std::size_t lanes = static_cast<std::size_t>(kernel.evaluate.lanes);
    for (std::size_t first = 0, last = 0; first < blocks.size(); first = last) {
        const int species = blocks[first].species();
        while (last < blocks.size() && blocks[last].species() == species) ++last;
        const auto columns = columns_of(compiled, species);
        double found[most_together * most_lanes];
        kernel.grade(rows + first * matrix.view().rows * lanes, static_cast<int>(last - first),
                     columns.data(), columns.size(), matrix.view(), found);
        for (std::size_t k = first; k < last; ++k)
            for (int lane = 0; lane < blocks[k].count; ++lane)
                grades[blocks[k].centers[lane]] = found[(k - first) * lanes + lane];
    }
}

void grade_rows(const GradeMatrix& matrix, std::span<const double> rows, std::span<double> grades) {
    const Kernels& kernel = kernels();
    const std::size_t size = matrix.view().rows, lanes = kernel.evaluate.lanes;
    require(rows.size() == size * grades.size(), "one grade is needed for each row");
    const ColumnRange all{0, size};
    const std::size_t together = most_together * lanes;
    Workspace workspace;
    auto* packed = static_cast<double*>(workspace.reserve(size * together * sizeof(double)));
    for (std::size_t first = 0; first < grades.size(); first += together) {
        const std::size_t count = std::min(together, grades.size() - first);
        const std::size_t blocks = (count + lanes - 1) / lanes;
        std::fill_n(packed, size * blocks * lanes, 0.0);
        for (std::size_t row = 0; row < count; ++row)
            for (std::size_t k = 0; k < size; ++k)
                packed[(row / lanes * size + k) * lanes + row % lanes] =
                    rows[(first + row) * size + k];
        double found[most_together * most_lanes];
        kernel.grade(packed, static_cast<int>(blocks), &all, 1, matrix.view(), found);
        std::copy_n(found, count, grades.data() + first);
    }
}

}  // namespace mtpot

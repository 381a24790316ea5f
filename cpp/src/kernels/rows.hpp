// Rows of a block: derivatives of the site energies in the parameters, from what their evaluation
// has at hand: with P_mu(j) = sum_k A_mu,k y_k(j) of the adjoints A, dV/dc = sum_j P_mu(j)
// phi(r_j).
#pragma once

#include "kernels/block.hpp"
#include "kernels/spread.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

// Derivatives in the parameters are found in double precision only.
constexpr bool has_rows = sizeof(Real) == sizeof(double);

// Column of a local radial parameter of centers of one species.
inline std::size_t radial_column(const CompiledPotential& compiled, int species, int w, int p,
                                 int beta) {
    const Potential& potential = compiled.potential;
    const auto pair = static_cast<std::size_t>(species * potential.species_count + w);
    const std::size_t function = pair * compiled.radial_stride + compiled.radial_order[p];
    return function * potential.radial.size + beta;
}

inline std::size_t linear_column(const CompiledPotential& compiled) {
    return compiled.potential.radial_coefficients.size();
}

// The derivatives in the species energies, and the terms of the scalars from the moments or the
// values of the program; all others become zero.
inline void start_rows(const CompiledPotential& compiled, const Block& block, const Vec* values,
                       Vec* rows) {
    clear(rows, compiled.first_term());
    rows[linear_column(compiled) + block.species] = Vec{} + Real(1);
    spread_terms(compiled.spread, values, rows + compiled.first_term());
}

constexpr int most_columns = 8;  // at a time, whose sums stay in registers

// row[columns] += factor * sum over slots of sums[slot] * basis[slot][column].
template <int Columns>
inline void add_columns(int slots, Real factor, const Vec* basis, int size, const Vec* sums,
                        Vec* row) {
    Sums<Columns> columns;
    for (int slot = 0; slot < slots; ++slot, basis += size) {
        MTPOT_UNROLL
        for (int k = 0; k < Columns; ++k) columns[k] += sums[slot] * basis[k];
    }
    for (int k = 0; k < Columns; ++k) row[k] += factor * columns[k];
}

// Adds the derivatives in the coefficients of one radial function; basis[slots][R].
inline void add_radial_rows(const CompiledPotential& compiled, const Block& block, int p,
                            const Vec* basis, const Vec* sums, Vec* rows) {
    const int size = compiled.potential.radial.size;
    const auto factor = static_cast<Real>(compiled.radial_factors[p]);
    for (int w = 0; w < compiled.potential.species_count; ++w)
        for (int first = 0; first < size; first += most_columns) {
            const int slot = block.segments[w], left = size - first;
            Vec* row = rows + radial_column(compiled, block.species, w, p, first);
            with_number(left < most_columns ? left : most_columns, [&]<int N>() {
                if constexpr (N > 0 && N <= most_columns)
                    add_columns<N>(block.segments[w + 1] - slot, factor,
                                   basis + slot * size + first, size, sums + slot, row);
            });
        }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

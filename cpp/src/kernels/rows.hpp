// Rows of a block: derivatives of the site energies in the parameters, from what their evaluation
// has at hand: with P_mu(j) = sum_k A_mu,k y_k(j) of the adjoints A, dV/dc = sum_j P_mu(j)
// phi(r_j).
#pragma once

#include "kernels/block.hpp"
#include "kernels/graph.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

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

// The derivatives in the species energies and the linear coefficients; all others become zero.
inline void start_rows(const CompiledPotential& compiled, const Block& block, const Vec* moments,
                       Vec* rows) {
    clear(rows, compiled.potential.parameter_count());
    Vec* linear = rows + linear_column(compiled);
    linear[block.species] = Vec{} + 1.0;
    for (const auto& scalar : compiled.scalars)
        linear[compiled.potential.species_count + (&scalar - compiled.scalars.data())] =
            moments[scalar.moment];
}

// Adds one tile of neighbors of species w to the derivatives in the radial coefficients.
inline void add_radial_rows(const CompiledPotential& compiled, const Block& block, int w, int slot,
                            const Vec* phi, const Vec* radial_sums, Vec* rows) {
    const int size = compiled.potential.radial.size;
    const double scaling = compiled.potential.scaling;
    for (int p = 0; p < compiled.radial_function_count; ++p) {
        Vec* row = rows + radial_column(compiled, block.species, w, p, 0);
        Vec sum[tile];
        for (int q = 0; q < tile; ++q) sum[q] = scaling * radial_sums[p * tile + q];
        for (int beta = 0; beta < size; ++beta)
            for (int q = 0; q < tile; ++q) row[beta] += sum[q] * phi[(slot + q) * size + beta];
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

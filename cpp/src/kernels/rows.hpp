// Rows of a block: derivatives of the site energies in the parameters, from what their evaluation
// has at hand: with P_mu(j) = sum_k A_mu,k y_k(j) of the adjoints A, dV/dc = sum_j P_mu(j)
// phi(r_j).
#pragma once

#include "kernels/block.hpp"
#include "kernels/graph.hpp"

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

// The derivatives in the species energies and the linear coefficients; all others become zero.
inline void start_rows(const CompiledPotential& compiled, const Block& block, const Vec* moments,
                       Vec* rows) {
    clear(rows, compiled.potential.parameter_count());
    Vec* linear = rows + linear_column(compiled);
    linear[block.species] = Vec{} + Real(1);
    for (const auto& scalar : compiled.scalars)
        linear[compiled.potential.species_count + (&scalar - compiled.scalars.data())] =
            moments[scalar.moment];
}

// Adds the derivatives in the coefficients of one radial function; basis[slots][R].
inline void add_radial_rows(const CompiledPotential& compiled, const Block& block, int p,
                            const Vec* basis, const Vec* sums, Vec* rows) {
    const int size = compiled.potential.radial.size;
    for (int w = 0; w < compiled.potential.species_count; ++w) {
        Vec* row = rows + radial_column(compiled, block.species, w, p, 0);
        for (int slot = block.segments[w]; slot < block.segments[w + 1]; ++slot) {
            const Vec sum = static_cast<Real>(compiled.potential.scaling) * sums[slot];
            const Vec* phi = basis + slot * size;
            for (int beta = 0; beta < size; ++beta) row[beta] += sum * phi[beta];
        }
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

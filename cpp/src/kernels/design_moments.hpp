// Moments of a block in a form that is linear in the radial coefficients, for tangents.
//
// The radial coefficients c enter through the moments, which are linear in them: with the basis
// moments Q(w, beta, k), sums of phi_beta y_k over neighbors of species w, moments are
// m(mu, k) = sum c Q and dV/dc = sum_k dV/dm(mu, k) Q(w, beta, k).
#pragma once

#include "kernels/design_angular.hpp"
#include "kernels/gather.hpp"
#include "kernels/graph.hpp"
#include "kernels/radial_functions.hpp"
#include "kernels/rows.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

struct DesignSize {
    int species_count, functions, size, radial_rows, scalars, rows;
    std::size_t angular, slots;

    DesignSize(const CompiledPotential& compiled, std::size_t pairs)
        : species_count(compiled.potential.species_count),
          functions(compiled.radial_function_count),
          size(compiled.potential.radial.size),
          radial_rows(species_count * functions * size),
          scalars(static_cast<int>(compiled.scalars.size())),
          rows(radial_rows + scalars + 1),
          angular(static_cast<std::size_t>(compiled.max_degree + 1) * (compiled.max_degree + 1)),
          slots(max_slots(species_count, pairs)) {}
};

struct MomentSpace {
    Block block;
    GatherSpace gather;
    Vec *phi, *dphi;  // [slots][R], times scaling
    Vec *values, *derivatives, *cores;
    Vec* basis_moments;  // [C][R][angular]: sum of phi_beta y over neighbors of one species
    Vec *moments, *adjoints, *row_adjoints;
    Vec* angular;  // functions, [degrees^2][tile]

    MomentSpace(Arena& arena, const CompiledPotential& compiled, const DesignSize& n,
                std::size_t pairs)
        : gather(arena, n.species_count, pairs) {
        block = carve_block(arena, n.species_count, pairs);
        phi = arena.take<Vec>(n.slots * n.size);
        dphi = arena.take<Vec>(n.slots * n.size);
        values = arena.take<Vec>(n.slots * n.functions);
        derivatives = arena.take<Vec>(n.slots * n.functions);
        cores = arena.take<Vec>(n.slots);
        basis_moments = arena.take<Vec>(n.species_count * n.size * n.angular);
        moments = arena.take<Vec>(compiled.moment_count);
        adjoints = arena.take<Vec>(compiled.moment_count);
        row_adjoints = arena.take<Vec>(compiled.moment_count);
        angular = arena.take<Vec>(n.angular * tile);
    }
};

inline void basis_functions(const CompiledPotential& compiled, const DesignSize& n,
                            MomentSpace& space) {
    const RadialBasis& basis = compiled.potential.radial;
    radial::Registry::visit(basis.kind, [&](auto kind) {
        for (int slot = 0; slot < space.block.slots; ++slot) {
            typename decltype(kind)::template Sequence<Vec> phi(basis, space.block.distance[slot]);
            for (int k = slot * n.size; k < (slot + 1) * n.size; ++k, phi.advance()) {
                space.phi[k] = compiled.potential.scaling * phi.value;
                space.dphi[k] = compiled.potential.scaling * phi.derivative;
            }
        }
    });
}

inline void sum_basis_moments(const CompiledPotential& compiled, const DesignSize& n,
                              MomentSpace& space) {
    clear(space.basis_moments, n.species_count * n.size * n.angular);
    for (int w = 0; w < n.species_count; ++w)
        for (int slot = space.block.segments[w]; slot < space.block.segments[w + 1]; slot += tile) {
            angular_functions(space.block, slot, compiled.max_degree, space.angular);
            for (int beta = 0; beta < n.size; ++beta) {
                Vec* sums = space.basis_moments + (w * n.size + beta) * n.angular;
                Vec phi[tile];
                for (int q = 0; q < tile; ++q) phi[q] = space.phi[(slot + q) * n.size + beta];
                for (std::size_t k = 0; k < n.angular; ++k)
                    for (int q = 0; q < tile; ++q) sums[k] += phi[q] * space.angular[k * tile + q];
            }
        }
}

// moments(mu, k) = sum_{w, beta} c basis_moments(w, beta, k). The scaling is in the basis moments
// already, so these are the potential's own coefficients.
inline void combine_moments(const CompiledPotential& compiled, const DesignSize& n,
                            MomentSpace& space) {
    const double* coefficients = compiled.potential.radial_coefficients.data();
    clear(space.moments, compiled.component_count);
    for (int p = 0; p < n.functions; ++p) {
        Vec* moments = space.moments + compiled.component_offsets[p];
        const int* angular = compiled.angular.data() + compiled.component_offsets[p];
        for (int w = 0; w < n.species_count; ++w)
            for (int beta = 0; beta < n.size; ++beta) {
                const double c =
                    coefficients[radial_column(compiled, space.block.species, w, p, beta)];
                const Vec* sums = space.basis_moments + (w * n.size + beta) * n.angular;
                for (int k = 0; k < compiled.component_counts[p]; ++k)
                    moments[k] += c * sums[angular[k]];
            }
    }
}

// Everything of the block that depends on the sites alone: moments, adjoints, site energies.
inline Status prepare(const CompiledPotential& compiled, const DesignSize& n,
                      const CenterBlock& input, MomentSpace& space, Vec& energy) {
    const Status status = gather(space.block, space.gather, compiled, input);
    if (status != Status::done) return status;
    energy = Vec{} + compiled.potential.species_energies[space.block.species];
    if (!core(compiled, space.block, space.cores, energy)) clear(space.cores, space.block.slots);
    radial_functions(compiled, space.block, {space.values, space.derivatives, nullptr});
    basis_functions(compiled, n, space);
    sum_basis_moments(compiled, n, space);
    combine_moments(compiled, n, space);
    forward(compiled, space.moments);
    energy_and_adjoints(compiled, space.moments, space.adjoints, energy);
    return Status::done;
}

// dV/dc of the local radial parameter (w, p, beta).
inline Vec radial_derivative(const CompiledPotential& compiled, const DesignSize& n,
                             const MomentSpace& space, int w, int p, int beta) {
    const Vec* sums = space.basis_moments + (w * n.size + beta) * n.angular;
    const Vec* adjoints = space.adjoints + compiled.component_offsets[p];
    const int* angular = compiled.angular.data() + compiled.component_offsets[p];
    Vec derivative{};
    for (int k = 0; k < compiled.component_counts[p]; ++k)
        derivative += adjoints[k] * sums[angular[k]];
    return derivative;
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

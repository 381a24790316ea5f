// Site energies, pair gradients and rows of a block.
#pragma once

#include "kernels/graph.hpp"
#include "kernels/pairs.hpp"
#include "kernels/rows.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

struct EvaluateSpace {
    Block block;
    GatherSpace gather;
    Vec *values, *derivatives, *cores, *phi;
    Vec *moments, *adjoints;
    Vec *monomial, *monomial_sums, *radial_sums;

    EvaluateSpace(Arena& arena, const CompiledPotential& compiled, std::size_t pairs) {
        const int species_count = compiled.potential.species_count;
        const std::size_t slots = max_slots(species_count, pairs);
        const std::size_t functions = compiled.radial_function_count;
        const std::size_t orders = compiled.max_nu + 1;
        block = carve_block(arena, gather, species_count, pairs);
        values = arena.take<Vec>(slots * functions);
        derivatives = arena.take<Vec>(slots * functions);
        cores = arena.take<Vec>(slots);
        phi = arena.take<Vec>(slots * compiled.potential.radial.size);
        moments = arena.take<Vec>(compiled.moment_count);
        adjoints = arena.take<Vec>(compiled.moment_count);
        monomial = arena.take<Vec>(orders * orders * tile);
        monomial_sums = arena.take<Vec>(orders * orders * tile);
        radial_sums = arena.take<Vec>(functions * tile);
    }
};

// dV/dr = (radial - r̂·g / r) r̂ + g / r, where g is the gradient of the monomials on the unit
// sphere's surrounding space and radial = sum_mu f'_mu P_mu.
inline void tile_gradient(const CompiledPotential& compiled, const EvaluateSpace& space, int slot,
                          Vec* gradient) {
    const Block& block = space.block;
    const int functions = compiled.radial_function_count;
    for (int q = 0; q < tile; ++q) {
        const int s = slot + q;
        Vec radial = space.cores[s];
        for (int p = 0; p < functions; ++p)
            radial += space.derivatives[s * functions + p] * space.radial_sums[p * tile + q];
        Vec &gx = gradient[q], &gy = gradient[tile + q], &gz = gradient[2 * tile + q];
        const Vec along = gx * block.x[s] + gy * block.y[s] + gz * block.z[s];
        radial -= along * block.inverse[s];
        gx = radial * block.x[s] + gx * block.inverse[s];
        gy = radial * block.y[s] + gy * block.inverse[s];
        gz = radial * block.z[s] + gz * block.inverse[s];
    }
}

inline void scatter_gradients(const Block& block, int slot, const Vec* gradient, double* out) {
    const double* g = reinterpret_cast<const double*>(gradient);
    for (int q = 0; q < tile; ++q)
        for (int lane = 0; lane < lanes; ++lane) {
            const std::int64_t pair = block.pairs[(slot + q) * lanes + lane];
            if (pair < 0) continue;
            for (int d = 0; d < 3; ++d) out[3 * pair + d] = g[(d * tile + q) * lanes + lane];
        }
}

inline void clear_gradients(const CenterBlock& input, double* out) {
    for (int lane = 0; lane < input.count; ++lane) {
        const std::int64_t* offsets = input.neighborhoods->offsets.data() + input.centers[lane];
        for (std::int64_t k = 3 * offsets[0]; k < 3 * offsets[1]; ++k) out[k] = 0.0;
    }
}

// Moments, their adjoints and the energies.
inline void evaluate_sites(const CompiledPotential& compiled, const EvaluateSpace& space,
                           bool keep_basis, Vec& energy) {
    const Block& block = space.block;
    energy = Vec{} + compiled.potential.species_energies[block.species];
    radial_functions(compiled, block, space.values, space.derivatives, space.cores,
                     keep_basis ? space.phi : nullptr, energy);
    clear(space.moments, compiled.component_count);
    for (int slot = 0; slot < block.slots; slot += tile) {
        monomials(block, slot, compiled.max_nu, space.monomial);
        accumulate_moments(compiled, space.values + slot * compiled.radial_function_count,
                           space.monomial, space.moments);
    }
    forward(compiled, space.moments);
    energy_and_adjoints(compiled, space.moments, space.adjoints, energy);
}

// From the adjoints back to the neighbors of species w, a tile at a time.
inline void evaluate_pairs(const CompiledPotential& compiled, const EvaluateSpace& space, int w,
                           const SiteOutputs& out) {
    const Block& block = space.block;
    const int functions = compiled.radial_function_count;
    for (int slot = block.segments[w]; slot < block.segments[w + 1]; slot += tile) {
        Vec gradient[3 * tile]{};
        if (functions > 0) {
            monomials(block, slot, compiled.max_nu, space.monomial);
            contract_adjoints(compiled, space.values + slot * functions, space.monomial,
                              space.adjoints, space.radial_sums, space.monomial_sums);
            if (out.rows)
                add_radial_rows(compiled, block, w, slot, space.phi, space.radial_sums,
                                reinterpret_cast<Vec*>(out.rows));
            if (out.pair_gradients)
                monomial_gradient(block, slot, compiled.max_nu, space.monomial, space.monomial_sums,
                                  gradient);
        }
        if (!out.pair_gradients) continue;
        tile_gradient(compiled, space, slot, gradient);
        scatter_gradients(block, slot, gradient, out.pair_gradients);
    }
}

Status evaluate(const CompiledPotential& compiled, const CenterBlock& input, void* workspace,
                const SiteOutputs& out) {
    Arena arena(workspace);
    const std::size_t pairs = longest_list(input);
    EvaluateSpace space(arena, compiled, pairs);
    const Status status = gather(space.block, space.gather, compiled, input, pairs);
    if (status != Status::done) return status;

    Vec energy;
    evaluate_sites(compiled, space, out.rows != nullptr, energy);
    for (int lane = 0; out.site_energies && lane < input.count; ++lane)
        out.site_energies[input.centers[lane]] = energy[lane];

    if (out.rows)
        start_rows(compiled, space.block, space.moments, reinterpret_cast<Vec*>(out.rows));
    if (out.pair_gradients) clear_gradients(input, out.pair_gradients);
    if (!out.rows && !out.pair_gradients) return Status::done;
    for (int w = 0; w < compiled.potential.species_count; ++w)
        evaluate_pairs(compiled, space, w, out);
    return Status::done;
}

std::size_t evaluate_bytes(const CompiledPotential& compiled, std::size_t pairs) {
    Arena arena(nullptr);
    EvaluateSpace space(arena, compiled, pairs);
    return arena.used();
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// Site energies, pair gradients and rows of a block.
#pragma once

#include "kernels/gather.hpp"
#include "kernels/graph.hpp"
#include "kernels/pairs.hpp"
#include "kernels/program.hpp"
#include "kernels/rows.hpp"
#include "kernels/sums.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

struct EvaluateSpace {
    Block block;
    GatherSpace gather;
    RadialValues radial;
    AngularSpace angular;
    Vec* cores;
    Vec* radial_sums;  // [K]
    Vec *moments, *adjoints;
    bool has_core = false;

    EvaluateSpace(Arena& arena, const CompiledPotential& compiled, std::size_t pairs)
        : gather(arena, compiled.potential.species_count, pairs) {
        const int species_count = compiled.potential.species_count;
        const std::size_t slots = max_slots(species_count, pairs);
        const std::size_t functions = compiled.radial_function_count;
        block = carve_block(arena, species_count, pairs);
        radial.values = arena.take<Vec>(slots * functions);
        radial.derivatives = arena.take<Vec>(slots * functions);
        radial.basis = arena.take<Vec>(slots * compiled.potential.radial.size);
        angular.powers = arena.take<Vec>(slots * (compiled.max_degree + 1));
        angular.real = arena.take<Vec>(slots);
        angular.imaginary = arena.take<Vec>(slots);
        cores = arena.take<Vec>(slots);
        radial_sums = arena.take<Vec>(functions);
        if (compiled.program) {
            moments = arena.take<Vec>(compiled.program->value_count);
            adjoints = moments + compiled.component_count;
        } else {
            moments = arena.take<Vec>(compiled.moment_count);
            adjoints = arena.take<Vec>(compiled.moment_count);
        }
    }
};

// dV/dr = (radial - r̂·g / r) r̂ + g / r, where g is the gradient in the direction r̂ as if it
// filled all space, and radial = sum_mu f'_mu P_mu.
inline void project(const Block& block, int slot, const Contracted& sums, Vec radial,
                    Vec (&gradient)[3]) {
    const Vec x = block.x[slot], y = block.y[slot], z = block.z[slot];
    const Vec inverse = block.inverse[slot];
    const Vec outward = radial - (sums.x * x + sums.y * y + sums.z * z) * inverse;
    gradient[0] = outward * x + sums.x * inverse;
    gradient[1] = outward * y + sums.y * inverse;
    gradient[2] = outward * z + sums.z * inverse;
}

inline void clear_gradients(const CenterBlock& input, double* out) {
    for (int lane = 0; lane < input.count; ++lane) {
        const std::int64_t* offsets = input.neighborhoods->offsets.data() + input.centers[lane];
        for (std::int64_t k = 3 * offsets[0]; k < 3 * offsets[1]; ++k) out[k] = 0.0;
    }
}

// Moments, their adjoints if these are wanted, and the energies without those of the species.
inline void evaluate_sites(const CompiledPotential& compiled, EvaluateSpace& space, bool adjoints,
                           Vec& energy) {
    const Block& block = space.block;
    energy = Vec{};
    space.has_core = core(compiled, block, space.cores, energy);
    radial_functions(compiled, block, space.radial);
    moments_of(compiled, block, space.radial.values, space.angular, space.moments);
    if (compiled.program) {
        energy_and_adjoints(*compiled.program, constants(compiled).program.data(), space.moments,
                            adjoints, energy);
    } else {
        forward(compiled, space.moments);
        energy_and_adjoints(compiled, space.moments, space.adjoints, energy);
    }
}

// From the adjoints back to the neighbors of species w in one slot.
inline void evaluate_slot(const CompiledPotential& compiled, const EvaluateSpace& space,
                          const CenterBlock& input, int w, int slot, const SiteOutputs& out,
                          LaneSums& lane_sums) {
    const Block& block = space.block;
    const int functions = compiled.radial_function_count;
    Contracted sums{space.radial_sums, {}, {}, {}};
    contract(compiled, block, slot, space.radial.values + slot, space.adjoints, sums);
    if constexpr (has_rows) {
        for (int p = 0; out.rows && p < functions; ++p)
            add_radial_row(compiled, block, {w, p, slot}, space.radial.basis, sums.radial_sums[p],
                           reinterpret_cast<Vec*>(out.rows));
    }
    if (!out.wants_gradients()) return;
    const Vec* slopes = space.radial.derivatives + slot;
    Vec radial = space.has_core ? space.cores[slot] : Vec{};
    for (int p = 0; p < functions; ++p) radial += slopes[p * block.slots] * sums.radial_sums[p];
    Vec gradient[3];
    project(block, slot, sums, radial, gradient);
    if (out.pair_gradients)
        scatter_to_pairs(block, input, slot, gradient, out.pair_gradients);
    else
        scatter_to_atoms(block, input, slot, gradient, *out.sums, lane_sums);
}

Status evaluate(const CompiledPotential& compiled, const CenterBlock& input, void* workspace,
                SiteOutputs& out) {
    Arena arena(workspace);
    EvaluateSpace space(arena, compiled, longest_list(input));
    if (!out.rows) space.radial.basis = nullptr;
    const Status status = gather(space.block, space.gather, compiled, input);
    if (status != Status::done) return status;

    Vec energy;
    const bool backward = out.rows || out.wants_gradients();
    evaluate_sites(compiled, space, backward, energy);
    const double own = compiled.potential.species_energies[space.block.species];
    for (int lane = 0; lane < lanes; ++lane)
        out.energies[lane] = own + static_cast<double>(energy[lane]);
    if (!backward) return Status::done;

    if constexpr (has_rows) {
        if (out.rows)
            start_rows(compiled, space.block, space.moments, reinterpret_cast<Vec*>(out.rows));
    }
    if (out.pair_gradients) clear_gradients(input, out.pair_gradients);
    LaneSums sums;
    for (int w = 0; w < compiled.potential.species_count; ++w)
        for (int slot = space.block.segments[w]; slot < space.block.segments[w + 1]; ++slot)
            evaluate_slot(compiled, space, input, w, slot, out, sums);
    if (out.sums && out.wants_gradients()) finish_sums(input, sums, *out.sums);
    return Status::done;
}

std::size_t evaluate_bytes(const CompiledPotential& compiled, std::size_t pairs) {
    Arena arena(nullptr);
    EvaluateSpace space(arena, compiled, pairs);
    return arena.used();
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// Site energies, pair gradients and rows of a block.
#pragma once

#include "kernels/constants.hpp"
#include "kernels/gather.hpp"
#include "kernels/graph.hpp"
#include "kernels/moments.hpp"
#include "kernels/program.hpp"
#include "kernels/radial_functions.hpp"
#include "kernels/rows.hpp"
#include "kernels/spread.hpp"
#include "kernels/sums.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

struct EvaluateSpace {
    Block block;
    GatherSpace gather;
    RadialValues radial;
    AzimuthSpace azimuth;
    SlotGradients gradients;
    Vec* sums;  // [slots], of one radial function
    Vec *moments, *adjoints;
    Vec* terms;  // of the ensemble's spread
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
        azimuth.real = arena.take<Vec>(slots);
        azimuth.imaginary = arena.take<Vec>(slots);
        for (Vec** array : {&gradients.x, &gradients.y, &gradients.z, &gradients.radial, &sums})
            *array = arena.take<Vec>(slots);
        if (compiled.program) {
            moments = arena.take<Vec>(compiled.program->value_count);
            adjoints = moments + compiled.component_count;
        } else {
            moments = arena.take<Vec>(compiled.moment_count);
            adjoints = arena.take<Vec>(compiled.moment_count);
        }
        terms = arena.take<Vec>(compiled.spread.term_count());
    }
};

// Makes of g = dV/dr̂ and radial the gradients dV/dr = (radial - r̂·g / r) r̂ + g / r, in their place.
// A function of its own keeps its loop's pointers in registers.
[[gnu::noinline]] inline Gradients project(const Block& block, const SlotGradients& g) {
    for (int slot = 0; slot < block.slots; ++slot) {
        const Vec x = block.x[slot], y = block.y[slot], z = block.z[slot];
        const Vec inverse = block.inverse[slot];
        const Vec along = g.x[slot] * x + g.y[slot] * y + g.z[slot] * z;
        const Vec outward = g.radial[slot] - along * inverse;
        g.x[slot] = outward * x + g.x[slot] * inverse;
        g.y[slot] = outward * y + g.y[slot] * inverse;
        g.z[slot] = outward * z + g.z[slot] * inverse;
    }
    return {g.x, g.y, g.z};
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
    space.has_core = core(compiled, block, space.gradients.radial, energy);
    radial_functions(compiled, block, space.radial);
    moments_of(compiled, block, space.radial.values, space.azimuth, space.moments);
    if (compiled.program) {
        energy_and_adjoints(*compiled.program, constants(compiled).program.data(), space.moments,
                            adjoints, energy);
    } else {
        forward(compiled, space.moments);
        energy_and_adjoints(compiled, space.moments, space.adjoints, energy);
    }
}

// Rows without gradients.
inline void add_all_rows(const CompiledPotential& compiled, EvaluateSpace& space, double* rows) {
    if constexpr (has_rows)
        for (int p = 0; p < compiled.radial_function_count; ++p) {
            contractions_of(space.block, compiled.highest_degrees[p],
                            space.adjoints + compiled.component_offsets[p], space.sums);
            add_radial_rows(compiled, space.block, p, space.radial.basis, space.sums,
                            reinterpret_cast<Vec*>(rows));
        }
}

// From the adjoints back to the neighbors; gradients.radial holds the core's slopes on entry.
inline void add_all_gradients(const CompiledPotential& compiled, EvaluateSpace& space,
                              double* rows) {
    const Block& block = space.block;
    const SlotGradients& out = space.gradients;
    bool fresh = !space.has_core && compiled.max_degree > 0;
    if (!fresh) {
        for (Vec* array : {out.x, out.y, out.z}) clear(array, block.slots);
        if (!space.has_core) clear(out.radial, block.slots);
    }
    for (int p = 0; p < compiled.radial_function_count; ++p) {
        const RadialFunction f{space.radial.values + p * block.slots,
                               space.radial.derivatives + p * block.slots};
        gradients_of(block, compiled.highest_degrees[p],
                     space.adjoints + compiled.component_offsets[p], f, fresh, out,
                     rows ? space.sums : nullptr);
        fresh = false;
        if constexpr (has_rows)
            if (rows)
                add_radial_rows(compiled, block, p, space.radial.basis, space.sums,
                                reinterpret_cast<Vec*>(rows));
    }
}

Status evaluate(const CompiledPotential& compiled, const CenterBlock& input, void* workspace,
                SiteOutputs& out) {
    Arena arena(workspace);
    EvaluateSpace space(arena, compiled, longest_list(input));
    if (!out.rows) space.radial.basis = nullptr;
    if (!out.wants_gradients()) space.radial.derivatives = nullptr;
    const Status status = gather(space.block, space.gather, compiled, input);
    if (status != Status::done) return status;

    Vec energy;
    const bool backward = out.rows || out.wants_gradients();
    evaluate_sites(compiled, space, backward, energy);
    const double own = compiled.potential.species_energies[space.block.species];
    for (int lane = 0; lane < lanes; ++lane)
        out.energies[lane] = own + static_cast<double>(energy[lane]);
    if (out.deviations) deviations(compiled, space.moments, space.terms, out.deviations);
    if (!backward) return Status::done;

    if constexpr (has_rows) {
        if (out.rows)
            start_rows(compiled, space.block, space.moments, reinterpret_cast<Vec*>(out.rows));
    }
    if (!out.wants_gradients()) {
        add_all_rows(compiled, space, out.rows);
        return Status::done;
    }
    add_all_gradients(compiled, space, out.rows);
    const Gradients gradients = project(space.block, space.gradients);
    if (out.sums) scatter_to_atoms(space.block, input, gradients, *out.sums);
    if (out.pair_gradients) {
        clear_gradients(input, out.pair_gradients);
        scatter_to_pairs(space.block, input, gradients, out.pair_gradients);
    }
    return Status::done;
}

std::size_t evaluate_bytes(const CompiledPotential& compiled, std::size_t pairs) {
    Arena arena(nullptr);
    EvaluateSpace space(arena, compiled, pairs);
    return arena.used();
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

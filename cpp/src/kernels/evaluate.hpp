// Site energies, pair gradients and rows of a block.
#pragma once

#include "kernels/graph.hpp"
#include "kernels/pairs.hpp"
#include "kernels/program.hpp"
#include "kernels/rows.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

struct EvaluateSpace {
    Block block;
    GatherSpace gather;
    RadialValues radial;
    Vec* cores;
    Vec *moments, *adjoints;
    bool has_core = false;

    EvaluateSpace(Arena& arena, const CompiledPotential& compiled, std::size_t pairs) {
        const int species_count = compiled.potential.species_count;
        const std::size_t slots = max_slots(species_count, pairs);
        const std::size_t functions = compiled.radial_function_count;
        block = carve_block(arena, gather, species_count, pairs);
        radial.values = arena.take<Vec>(slots * functions);
        radial.derivatives = arena.take<Vec>(slots * functions);
        radial.basis = arena.take<Vec>(slots * compiled.potential.radial.size);
        cores = arena.take<Vec>(slots);
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
template <int Slots>
inline void project(const Block& block, int slot, const Contracted<Slots>& sums, const Vec* radial,
                    Vec (&gradient)[3][Slots]) {
    for (int q = 0; q < Slots; ++q) {
        const int s = slot + q;
        const Vec x = block.x[s], y = block.y[s], z = block.z[s], inverse = block.inverse[s];
        const Vec along = sums.x[q] * x + sums.y[q] * y + sums.z[q] * z;
        const Vec outward = radial[q] - along * inverse;
        gradient[0][q] = outward * x + sums.x[q] * inverse;
        gradient[1][q] = outward * y + sums.y[q] * inverse;
        gradient[2][q] = outward * z + sums.z[q] * inverse;
    }
}

template <int Slots>
inline void scatter_gradients(const Block& block, int slot, const Vec (&gradient)[3][Slots],
                              double* out) {
    for (int q = 0; q < Slots; ++q)
        for (int lane = 0; lane < lanes; ++lane) {
            const std::int64_t pair = block.pairs[(slot + q) * lanes + lane];
            if (pair < 0) continue;
            for (int d = 0; d < 3; ++d) out[3 * pair + d] = gradient[d][q][lane];
        }
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
    clear(space.moments, compiled.component_count);
    for (int slot = 0; slot < block.slots; slot += tile)
        accumulate_moments(compiled, block, slot,
                           space.radial.values + slot * compiled.radial_function_count,
                           space.moments);
    if (compiled.program) {
        energy_and_adjoints(*compiled.program, constants(compiled).program.data(), space.moments,
                            adjoints, energy);
    } else {
        forward(compiled, space.moments);
        energy_and_adjoints(compiled, space.moments, space.adjoints, energy);
    }
}

// From the adjoints back to a few neighbors of species w.
inline void evaluate_slots(const CompiledPotential& compiled, const EvaluateSpace& space, int w,
                           int slot, const SiteOutputs& out) {
    constexpr int slots = slots_in_registers;
    const int functions = compiled.radial_function_count;
    const Vec* values = space.radial.values + slot * functions;
    const Vec* derivatives = space.radial.derivatives + slot * functions;
    Contracted<slots> sums{};
    Vec radial[slots]{};
    for (int q = 0; q < slots && space.has_core; ++q) radial[q] = space.cores[slot + q];
    for_each_group<group>(functions, [&](int first, int count) {
        for (auto& of_function : sums.radial_sums)
            for (Vec& sum : of_function) sum = Vec{};
        contract_group(compiled, space.block, slot, values, space.adjoints, first, count, sums);
        for (int p = 0; p < count; ++p)
            for (int q = 0; q < slots; ++q)
                radial[q] += derivatives[q * functions + first + p] * sums.radial_sums[p][q];
        if constexpr (has_rows) {
            if (out.rows)
                for (int p = 0; p < count; ++p)
                    add_radial_row(compiled, space.block, {w, first + p, slot}, space.radial.basis,
                                   sums.radial_sums[p], reinterpret_cast<Vec*>(out.rows));
        }
    });
    if (!out.pair_gradients) return;
    Vec gradient[3][slots];
    project(space.block, slot, sums, radial, gradient);
    scatter_gradients(space.block, slot, gradient, out.pair_gradients);
}

Status evaluate(const CompiledPotential& compiled, const CenterBlock& input, void* workspace,
                const SiteOutputs& out) {
    Arena arena(workspace);
    const std::size_t pairs = longest_list(input);
    EvaluateSpace space(arena, compiled, pairs);
    if (!out.rows) space.radial.basis = nullptr;
    const Status status = gather(space.block, space.gather, compiled, input, pairs);
    if (status != Status::done) return status;

    Vec energy;
    const bool backward = out.rows || out.pair_gradients;
    evaluate_sites(compiled, space, backward, energy);
    const double own = compiled.potential.species_energies[space.block.species];
    for (int lane = 0; out.site_energies && lane < input.count; ++lane)
        out.site_energies[input.centers[lane]] = own + static_cast<double>(energy[lane]);
    if (!backward) return Status::done;

    if constexpr (has_rows) {
        if (out.rows)
            start_rows(compiled, space.block, space.moments, reinterpret_cast<Vec*>(out.rows));
    }
    if (out.pair_gradients) clear_gradients(input, out.pair_gradients);
    for (int w = 0; w < compiled.potential.species_count; ++w)
        for (int slot = space.block.segments[w]; slot < space.block.segments[w + 1];
             slot += slots_in_registers)
            evaluate_slots(compiled, space, w, slot, out);
    return Status::done;
}

std::size_t evaluate_bytes(const CompiledPotential& compiled, std::size_t pairs) {
    Arena arena(nullptr);
    EvaluateSpace space(arena, compiled, pairs);
    return arena.used();
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

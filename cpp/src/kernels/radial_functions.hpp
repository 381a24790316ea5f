// Radial functions of a block, and the part of the energy without parameters.
#pragma once

#include <utility>

#include "kernels/block.hpp"
#include "kernels/constants.hpp"
#include "radial/registry.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int radial_group = 4;                           // functions summed in registers at once
constexpr int radial_slots = vector_bytes == 64 ? 2 : 1;  // of so many slots: 32 registers or 16
static_assert(tile % radial_slots == 0);

// Radial functions of a block and, unless null, their derivatives, [K][slots], and the basis
// [slots][R].
struct RadialValues {
    Vec *values, *derivatives, *basis;
};

template <class Kind, std::size_t... Q>
inline auto sequences(const RadialBasis& basis, Kind, const Vec* distance,
                      std::index_sequence<Q...>) {
    using Sequence = typename Kind::template Sequence<Vec>;
    struct List {
        Sequence of[sizeof...(Q)];
    };
    return List{{Sequence(basis, distance[Q])...}};
}

template <int N, bool Derivatives, class Kind>
inline void sum_radial_functions(const CompiledPotential& compiled, Kind kind, const Vec* distance,
                                 const Real* c, int stride, Vec* values, Vec* derivatives) {
    constexpr int slots = radial_slots;
    const RadialBasis& basis = compiled.potential.radial;
    auto phi = sequences(basis, kind, distance, std::make_index_sequence<slots>());
    Sums<N * slots> value, derivative;
    for (int beta = 0; beta < basis.size; ++beta)
        for (int q = 0; q < slots; ++q) {
            for (int p = 0; p < N; ++p) {
                value[p * slots + q] += c[p * basis.size + beta] * phi.of[q].value;
                if (Derivatives)
                    derivative[p * slots + q] += c[p * basis.size + beta] * phi.of[q].derivative;
            }
            phi.of[q].advance();
        }
    for (int p = 0; p < N; ++p)
        for (int q = 0; q < slots; ++q) {
            values[p * stride + q] = value[p * slots + q];
            if (Derivatives) derivatives[p * stride + q] = derivative[p * slots + q];
        }
}

template <class Kind>
inline void keep_basis(const RadialBasis& basis, Kind, const Block& block, Vec* out) {
    for (int slot = 0; slot < block.slots; ++slot) {
        typename Kind::template Sequence<Vec> phi(basis, block.distance[slot]);
        for (int beta = 0; beta < basis.size; ++beta, phi.advance())
            out[slot * basis.size + beta] = phi.value;
    }
}

inline int least(int a, int b) {
    return a < b ? a : b;
}

template <bool Derivatives>
inline void radial_functions_of(const CompiledPotential& compiled, const Block& block,
                                const RadialValues& out) {
    const RadialBasis& basis = compiled.potential.radial;
    const int functions = compiled.radial_function_count, size = basis.size;
    const int species_count = compiled.potential.species_count;
    radial::Registry::visit(basis.kind, [&](auto kind) {
        for (int w = 0; w < species_count; ++w) {
            const Real* c = constants(compiled).radial.data() +
                            (block.species * species_count + w) * functions * size;
            for (int first = 0; first < functions; first += radial_group)
                with_number(least(functions - first, radial_group), [&]<int N>() {
                    if constexpr (N > 0 && N <= radial_group)
                        for (int slot = block.segments[w]; slot < block.segments[w + 1];
                             slot += radial_slots)
                            sum_radial_functions<N, Derivatives>(
                                compiled, kind, block.distance + slot, c + first * size,
                                block.slots, out.values + first * block.slots + slot,
                                out.derivatives + first * block.slots + slot);
                });
        }
        if (out.basis) keep_basis(basis, kind, block, out.basis);
    });
}

inline void radial_functions(const CompiledPotential& compiled, const Block& block,
                             const RadialValues& out) {
    if (out.derivatives)
        radial_functions_of<true>(compiled, block, out);
    else
        radial_functions_of<false>(compiled, block, out);
}

// Whether any lane of these slots is nearer.
inline bool any_nearer(const Vec* distance, int slots, double limit) {
    Vec shortest = Vec{} + static_cast<Real>(limit);
    for (int slot = 0; slot < slots; ++slot)
        shortest = distance[slot] < shortest ? distance[slot] : shortest;
    bool nearer = false;
    for (int lane = 0; lane < lanes; ++lane) nearer |= shortest[lane] < static_cast<Real>(limit);
    return nearer;
}

// Half of the repulsion of nuclei. Few pairs are that near, so it is done for one at a time.
inline void add_zbl(const Zbl& zbl, const Block& block, int w, Vec* slopes, Vec& energy) {
    const double outer = zbl.radii(block.species, w).outer;
    for (int slot = block.segments[w]; slot < block.segments[w + 1]; ++slot)
        for (int lane = 0; lane < lanes; ++lane) {
            const auto r = static_cast<double>(block.distance[slot][lane]);
            if (r >= outer) continue;
            double e, d;
            zbl.evaluate(block.species, w, r, e, d);
            energy[lane] += static_cast<Real>(0.5 * e);
            slopes[slot][lane] += static_cast<Real>(0.5 * d);
        }
}

// The same for all neighbors. The slopes hold numbers if `present`; returns whether they do now. A
// function of its own keeps it out of the way of potentials without a core.
[[gnu::noinline]] inline bool add_zbl(const Zbl& zbl, const Block& block, bool present, Vec* slopes,
                                      Vec& energy) {
    for (int w = 0; w < zbl.species_count(); ++w) {
        const int first = block.segments[w], slots = block.segments[w + 1] - first;
        const double outer = zbl.radii(block.species, w).outer;
        if (!any_nearer(block.distance + first, slots, outer)) continue;
        if (!present) clear(slopes, block.slots);
        present = true;
        add_zbl(zbl, block, w, slopes, energy);
    }
    return present;
}

// The part of the energy without parameters is added, its dE/dr written; false if there is none.
inline bool core(const CompiledPotential& compiled, const Block& block, Vec* slopes, Vec& energy) {
    if (compiled.potential.bare) return false;
    bool present = false;
    radial::Registry::visit(compiled.potential.radial.kind, [&](auto kind) {
        if constexpr (kind.has_core) {
            present = true;
            for (int slot = 0; slot < block.slots; ++slot) {
                Vec e;
                kind.core(compiled.potential.radial, block.distance[slot], e, slopes[slot]);
                energy += e;
            }
        }
    });
    const auto& zbl = compiled.potential.zbl;
    return zbl ? add_zbl(*zbl, block, present, slopes, energy) : present;
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

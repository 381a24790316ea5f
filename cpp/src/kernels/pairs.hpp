// Loops over the pairs of a block: radial functions, moments, and the way back to pair vectors.
#pragma once

#include <utility>

#include "kernels/harmonics.hpp"
#include "radial/registry.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int group = 6;         // radial functions whose moments are summed in one pass
constexpr int radial_group = 4;  // radial functions whose values are summed in registers

// Calls body(first, count) for groups of at most Size radial functions.
template <int Size, class Body>
void for_each_group(int functions, Body&& body) {
    for (int first = 0; first < functions; first += Size)
        body(first, functions - first < Size ? functions - first : Size);
}

// Calls body(l0, l1, n) for each range of degrees from m on in which the first n of the radial
// functions from `first` on have components.
template <class Body>
inline void for_each_range(const int* highest, int first, int functions, int m, Body&& body) {
    int begin = m;
    for (int n = functions; n > 0; --n) {
        const int end = highest[first + n - 1] + 1;
        if (end > begin) {
            body(begin, end, n);
            begin = end;
        }
    }
}

// Where the values of radial functions go: f_mu and f'_mu, [slots][K], and the basis [slots][R]
// unless it is null.
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

template <int N, class Kind>
inline void sum_radial_functions(const CompiledPotential& compiled, Kind kind, const Vec* distance,
                                 const Real* c, Vec* values, Vec* derivatives) {
    constexpr int slots = slots_in_registers;
    const RadialBasis& basis = compiled.potential.radial;
    const int functions = compiled.radial_function_count;
    auto phi = sequences(basis, kind, distance, std::make_index_sequence<slots>());
    Vec value[N][slots]{}, derivative[N][slots]{};
    for (int beta = 0; beta < basis.size; ++beta)
        for (int q = 0; q < slots; ++q) {
            for (int p = 0; p < N; ++p) {
                value[p][q] += c[p * basis.size + beta] * phi.of[q].value;
                derivative[p][q] += c[p * basis.size + beta] * phi.of[q].derivative;
            }
            phi.of[q].advance();
        }
    for (int p = 0; p < N; ++p)
        for (int q = 0; q < slots; ++q) {
            values[q * functions + p] = value[p][q];
            derivatives[q * functions + p] = derivative[p][q];
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

inline void radial_functions(const CompiledPotential& compiled, const Block& block,
                             const RadialValues& out) {
    const RadialBasis& basis = compiled.potential.radial;
    const int functions = compiled.radial_function_count, size = basis.size;
    const int species_count = compiled.potential.species_count;
    radial::Registry::visit(basis.kind, [&](auto kind) {
        for (int w = 0; w < species_count; ++w) {
            const Real* c = constants(compiled).radial.data() +
                            (block.species * species_count + w) * functions * size;
            for_each_group<radial_group>(functions, [&](int first, int count) {
                with_count<radial_group>(count, [&]<int N>() {
                    for (int slot = block.segments[w]; slot < block.segments[w + 1];
                         slot += slots_in_registers) {
                        const int place = slot * functions + first;
                        sum_radial_functions<N>(compiled, kind, block.distance + slot,
                                                c + first * size, out.values + place,
                                                out.derivatives + place);
                    }
                });
            });
        }
        if (out.basis) keep_basis(basis, kind, block, out.basis);
    });
}

// The part of the energy without parameters is added, its dE/dr written; false if there is none.
inline bool core(const CompiledPotential& compiled, const Block& block, Vec* slopes, Vec& energy) {
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
    return present;
}

// moments += f_mu * harmonics, over one tile of slots; values[slots][K].
inline void accumulate_moments(const CompiledPotential& compiled, const Block& block, int slot,
                               const Vec* values, Vec* moments) {
    const int functions = compiled.radial_function_count;
    const int* highest = compiled.highest_degrees.data();
    const Real* kappa = constants(compiled).kappa.data();
    for_each_group<group>(functions, [&](int first, int present) {
        const Vec* f = values + first;
        Azimuth<tile> azimuth;
        for (int m = 0; m <= highest[first]; ++m) {
            Polar<tile> polar;
            for_each_range(highest, first, present, m, [&](int l0, int l1, int n) {
                with_count<group>(n, [&]<int N>() {
                    for (int l = l0; l < l1; ++l) {
                        Vec* sums = moments + harmonics::index(l, m);
                        Vec real[tile], imaginary[tile];
                        for (int q = 0; q < tile; ++q) {
                            real[q] = polar.value[q] * azimuth.real[q];
                            imaginary[q] = polar.value[q] * azimuth.imaginary[q];
                        }
                        for (int p = 0; p < N; ++p) {
                            Vec* sum = sums + compiled.component_offsets[first + p];
                            Vec a = sum[0];
                            for (int q = 0; q < tile; ++q) a += f[q * functions + p] * real[q];
                            sum[0] = a;
                            if (m == 0) continue;
                            Vec b = sum[1];
                            for (int q = 0; q < tile; ++q) b += f[q * functions + p] * imaginary[q];
                            sum[1] = b;
                        }
                        polar.advance(block.z + slot, kappa[kappa_index(l, m)]);
                    }
                });
            });
            azimuth.advance(block.x + slot, block.y + slot);
        }
    });
}

// What the adjoints A of the moments make of a neighbor: P_mu = sum_k A_{mu,k} y_k, and the
// gradient of sum_mu f_mu A_{mu,k} y_k in the direction, as if y were functions of all space.
template <int Slots>
struct Contracted {
    Vec radial_sums[group][Slots];
    Vec x[Slots], y[Slots], z[Slots];
};

template <int Slots>
inline void contract_group(const CompiledPotential& compiled, const Block& block, int slot,
                           const Vec* values, const Vec* adjoints, int first, int present,
                           Contracted<Slots>& out) {
    const int functions = compiled.radial_function_count;
    const int* highest = compiled.highest_degrees.data();
    const Real* kappa = constants(compiled).kappa.data();
    const Vec* f = values + first;
    Azimuth<Slots> azimuth;
    for (int m = 0; m <= highest[first]; ++m) {
        PolarWithSlope<Slots> polar;
        Vec power[2][Slots]{}, slope[2][Slots]{};  // sums over l of G P and G dP/dz
        for_each_range(highest, first, present, m, [&](int l0, int l1, int n) {
            with_count<group>(n, [&]<int N>() {
                Vec sums[N][Slots];
                for (int p = 0; p < N; ++p)
                    for (int q = 0; q < Slots; ++q) sums[p][q] = out.radial_sums[p][q];
                for (int l = l0; l < l1; ++l) {
                    const Vec* a = adjoints + harmonics::index(l, m);
                    Vec real[Slots], weight[Slots]{};
                    for (int q = 0; q < Slots; ++q) real[q] = polar.value[q] * azimuth.real[q];
                    for (int p = 0; p < N; ++p) {
                        const Vec adjoint = a[compiled.component_offsets[first + p]];
                        for (int q = 0; q < Slots; ++q) {
                            sums[p][q] += adjoint * real[q];
                            weight[q] += adjoint * f[q * functions + p];
                        }
                    }
                    for (int q = 0; q < Slots; ++q) {
                        power[0][q] += weight[q] * polar.value[q];
                        slope[0][q] += weight[q] * polar.slope[q];
                    }
                    if (m > 0) {
                        for (int q = 0; q < Slots; ++q) {
                            real[q] = polar.value[q] * azimuth.imaginary[q];
                            weight[q] = Vec{};
                        }
                        for (int p = 0; p < N; ++p) {
                            const Vec adjoint = a[compiled.component_offsets[first + p] + 1];
                            for (int q = 0; q < Slots; ++q) {
                                sums[p][q] += adjoint * real[q];
                                weight[q] += adjoint * f[q * functions + p];
                            }
                        }
                        for (int q = 0; q < Slots; ++q) {
                            power[1][q] += weight[q] * polar.value[q];
                            slope[1][q] += weight[q] * polar.slope[q];
                        }
                    }
                    polar.advance(block.z + slot, kappa[kappa_index(l, m)]);
                }
                for (int p = 0; p < N; ++p)
                    for (int q = 0; q < Slots; ++q) out.radial_sums[p][q] = sums[p][q];
            });
        });
        for (int q = 0; q < Slots; ++q) {
            const Vec lower_real = static_cast<Real>(m) * azimuth.lower_real[q];
            const Vec lower_imaginary = static_cast<Real>(m) * azimuth.lower_imaginary[q];
            out.x[q] += power[0][q] * lower_real + power[1][q] * lower_imaginary;
            out.y[q] += power[1][q] * lower_real - power[0][q] * lower_imaginary;
            out.z[q] += slope[0][q] * azimuth.real[q] + slope[1][q] * azimuth.imaginary[q];
        }
        azimuth.advance(block.x + slot, block.y + slot);
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

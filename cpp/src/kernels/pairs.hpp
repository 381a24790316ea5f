// Loops over the pairs of a block: radial functions, moments, and the way back to pair vectors.
#pragma once

#include <utility>

#include "kernels/angular.hpp"
#include "radial/registry.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int radial_group = 4;                           // functions summed in registers at once
constexpr int radial_slots = vector_bytes == 64 ? 2 : 1;  // of so many slots: 32 registers or 16
static_assert(tile % radial_slots == 0);

// Radial functions of a block and their derivatives, [K][slots], and the basis [slots][R] unless
// it is null.
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
                                 const Real* c, int stride, Vec* values, Vec* derivatives) {
    constexpr int slots = radial_slots;
    const RadialBasis& basis = compiled.potential.radial;
    auto phi = sequences(basis, kind, distance, std::make_index_sequence<slots>());
    Sums<N * slots> value, derivative;
    for (int beta = 0; beta < basis.size; ++beta)
        for (int q = 0; q < slots; ++q) {
            for (int p = 0; p < N; ++p) {
                value[p * slots + q] += c[p * basis.size + beta] * phi.of[q].value;
                derivative[p * slots + q] += c[p * basis.size + beta] * phi.of[q].derivative;
            }
            phi.of[q].advance();
        }
    for (int p = 0; p < N; ++p)
        for (int q = 0; q < slots; ++q) {
            values[p * stride + q] = value[p * slots + q];
            derivatives[p * stride + q] = derivative[p * slots + q];
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

inline void radial_functions(const CompiledPotential& compiled, const Block& block,
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
                            sum_radial_functions<N>(compiled, kind, block.distance + slot,
                                                    c + first * size, block.slots,
                                                    out.values + first * block.slots + slot,
                                                    out.derivatives + first * block.slots + slot);
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

// z^k of a block's slots [slots][max_degree + 1], and (x + iy)^m of all of them.
struct AngularSpace {
    Vec *powers, *real, *imaginary;
};
struct AngularView {
    const Vec *powers, *real, *imaginary;
};

inline void start_angular(const Block& block, int max_degree, const AngularSpace& space) {
    for (int slot = 0; slot < block.slots; ++slot) {
        Vec power = Vec{} + Real(1);
        space.real[slot] = power;
        space.imaginary[slot] = Vec{};
        for (int k = 0; k <= max_degree; ++k) {
            space.powers[slot * (max_degree + 1) + k] = power;
            power *= block.z[slot];
        }
    }
}

inline void advance_azimuth(const Block& block, const AngularSpace& space) {
    for (int slot = 0; slot < block.slots; ++slot)
        advance_power(block.x[slot], block.y[slot], space.real[slot], space.imaginary[slot]);
}

// Moments of one function and one m: sums over all slots of f (x + iy)^m z^k, k = 0 ... K.
template <int K>
inline void sum_moments(int slots, const Vec* f, const AngularView& space, int stride, Vec* out) {
    Sums<K + 1> real, imaginary;
    for (int slot = 0; slot < slots; ++slot) {
        const Vec a = f[slot] * space.real[slot], b = f[slot] * space.imaginary[slot];
        const Vec* power = space.powers + slot * stride;
        MTPOT_UNROLL
        for (int k = 0; k <= K; ++k) {
            real[k] += a * power[k];
            imaginary[k] += b * power[k];
        }
    }
    MTPOT_UNROLL
    for (int k = 0; k <= K; ++k) {
        out[2 * k] = real[k];
        out[2 * k + 1] = imaginary[k];
    }
}

// The same for m = 0, which has no imaginary part.
template <int K>
inline void sum_axial_moments(int slots, const Vec* f, const Vec* powers, int stride, Vec* out) {
    Sums<K + 1> sums;
    for (int slot = 0; slot < slots; ++slot) {
        MTPOT_UNROLL
        for (int k = 0; k <= K; ++k) sums[k] += f[slot] * powers[slot * stride + k];
    }
    MTPOT_UNROLL
    for (int k = 0; k <= K; ++k) out[k] = sums[k];
}

// Powers from first to at most most_known more, up to last.
struct PowerRange {
    int m, first, last, stride;
};

inline void sum_powers(int slots, const Vec* f, const AngularSpace& space, PowerRange range,
                       Vec* out) {
    const Vec* powers = space.powers + range.first;
    with_number(least(range.last - range.first, most_known), [&]<int K>() {
        if (range.m == 0)
            sum_axial_moments<K>(slots, f, powers, range.stride, out + range.first);
        else
            sum_moments<K>(slots, f, {powers, space.real, space.imaginary}, range.stride,
                           out + 2 * range.first);
    });
}

inline void moments_of(const CompiledPotential& compiled, const Block& block, const Vec* values,
                       const AngularSpace& space, Vec* moments) {
    const int stride = compiled.max_degree + 1;
    start_angular(block, compiled.max_degree, space);
    for (int m = 0; m <= compiled.max_degree; ++m) {
        if (m > 0) advance_azimuth(block, space);
        for (int p = 0; p < compiled.radial_function_count; ++p) {
            const int highest = compiled.highest_degrees[p];
            if (highest < m) break;
            const Vec* f = values + p * block.slots;
            Vec* out = moments + compiled.component_offsets[p] + azimuth_offset(highest, m);
            for (int k = 0; k <= highest - m; k += most_known + 1)
                sum_powers(block.slots, f, space, {m, k, highest - m, stride}, out);
        }
    }
}

// What the adjoints A of the moments make of a neighbor: P_mu = sum_i A_{mu,i} y_i, and the
// gradient of sum_mu f_mu A_{mu,i} y_i in the direction, as if y were functions of all space.
struct Contracted {
    Vec* radial_sums;  // [K]
    Vec x, y, z;
};

// Polynomials in z, sums over k of A_k z^k, summed over the functions with weights f; and their
// derivatives.
struct AzimuthSums {
    Vec real{}, imaginary{}, real_slope{}, imaginary_slope{};
};

// By Horner's rule, for one function and one m; returns its share in P.
[[gnu::always_inline]] inline Vec add_polynomials(int degree, const Vec* adjoints, Vec f, Vec z,
                                                  Vec azimuth_real, Vec azimuth_imaginary,
                                                  AzimuthSums& sums) {
    Vec real = adjoints[2 * degree], imaginary = adjoints[2 * degree + 1];
    Vec real_slope{}, imaginary_slope{};
    MTPOT_UNROLL
    for (int k = degree - 1; k >= 0; --k) {
        real_slope = real_slope * z + real;
        imaginary_slope = imaginary_slope * z + imaginary;
        real = real * z + adjoints[2 * k];
        imaginary = imaginary * z + adjoints[2 * k + 1];
    }
    sums.real += f * real;
    sums.imaginary += f * imaginary;
    sums.real_slope += f * real_slope;
    sums.imaginary_slope += f * imaginary_slope;
    return real * azimuth_real + imaginary * azimuth_imaginary;
}

// The same for m = 0.
[[gnu::always_inline]] inline Vec add_axial_polynomial(int degree, const Vec* adjoints, Vec f,
                                                       Vec z, Vec& slopes) {
    Vec value = adjoints[degree], slope{};
    MTPOT_UNROLL
    for (int k = degree - 1; k >= 0; --k) {
        slope = slope * z + value;
        value = value * z + adjoints[k];
    }
    slopes += f * slope;
    return value;
}

// Calls body with the degree of a polynomial, known to the compiler unless it is high.
template <class Body>
inline void with_degree(int degree, Body&& body) {
    if (degree > most_known) return body(degree);
    with_number(degree, [&]<int K>() { body(K); });
}

// values[K][slots], of this slot.
inline void contract(const CompiledPotential& compiled, const Block& block, int slot,
                     const Vec* values, const Vec* adjoints, Contracted& out) {
    const int functions = compiled.radial_function_count;
    const int* highest = compiled.highest_degrees.data();
    const int* offsets = compiled.component_offsets.data();
    const Vec x = block.x[slot], y = block.y[slot], z = block.z[slot];
    out.x = out.y = out.z = Vec{};
    for (int p = 0; p < functions; ++p)
        with_degree(highest[p], [&](int degree) __attribute__((always_inline)) {
            out.radial_sums[p] = add_axial_polynomial(degree, adjoints + offsets[p],
                                                      values[p * block.slots], z, out.z);
        });
    Vec real = Vec{} + Real(1), imaginary{};  // (x + iy)^m
    for (int m = 1; m <= compiled.max_degree; ++m) {
        const Vec lower_real = static_cast<Real>(m) * real;  // of its derivative
        const Vec lower_imaginary = static_cast<Real>(m) * imaginary;
        advance_power(x, y, real, imaginary);
        AzimuthSums sums;
        for (int p = 0; p < functions && highest[p] >= m; ++p) {
            const Vec* a = adjoints + offsets[p] + azimuth_offset(highest[p], m);
            with_degree(highest[p] - m, [&](int degree) __attribute__((always_inline)) {
                out.radial_sums[p] +=
                    add_polynomials(degree, a, values[p * block.slots], z, real, imaginary, sums);
            });
        }
        out.x += sums.real * lower_real + sums.imaginary * lower_imaginary;
        out.y += sums.imaginary * lower_real - sums.real * lower_imaginary;
        out.z += sums.real_slope * real + sums.imaginary_slope * imaginary;
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

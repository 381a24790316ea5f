// Moments of a block, and the way back from their adjoints to the pairs.
//
// The components of a radial function f of highest degree L are the sums over neighbors of
// f z^k (x + iy)^m, k + m <= L, ordered by m, then k, real part before imaginary part
// (harmonics.hpp).
#pragma once

#include <type_traits>

#include "compiled.hpp"
#include "kernels/block.hpp"
#include "kernels/complex.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int most_sums = vector_bytes == 64 ? 22 : 10;  // that stay in registers

constexpr int sums_of(bool axial, int degree) {
    return (axial ? 1 : 2) * (degree + 1);
}

// Sums of so many m, with powers of z up to `degree` at the first of them, which is 0 if axial.
constexpr int sums_of(bool axial, int degree, int count) {
    int sums = 0;
    for (int a = 0; a < count; ++a) sums += sums_of(axial && a == 0, degree - a);
    return sums;
}

// For how many m sums are formed in one pass over the slots.
constexpr int azimuths_at_once(bool axial, int degree) {
    int count = 1;
    while (count <= degree && sums_of(axial, degree, count + 1) <= most_sums) ++count;
    return count;
}

// f (x + iy)^m of a block's slots, between two passes.
struct AzimuthSpace {
    Vec *real, *imaginary;
};

// One pass over the slots; `out` begins at its first m.
template <bool Axial, int Degree>
inline void sum_azimuths(const Block& block, const Vec* f, const AzimuthSpace& space, Vec* out) {
    constexpr int count = azimuths_at_once(Axial, Degree);
    constexpr int total = sums_of(Axial, Degree, count);
    Sums<total> sums;
    for (int slot = 0; slot < block.slots; ++slot) {
        const Vec x = block.x[slot], y = block.y[slot], z = block.z[slot];
        Complex azimuth[count + 1];
        azimuth[0] =
            Axial ? Complex{f[slot], Vec{}} : Complex{space.real[slot], space.imaginary[slot]};
        for (int a = 0; a < count; ++a)
            azimuth[a + 1] = Axial && a == 0 ? Complex{x * azimuth[0].real, y * azimuth[0].real}
                                             : times(x, y, azimuth[a]);
        Vec power{};
        MTPOT_UNROLL
        for (int k = 0; k <= Degree; ++k) {
            power = k < 2 ? z : power * z;
            int first = 0;
            MTPOT_UNROLL
            for (int a = 0; a < count; ++a) {
                if (a + k > Degree) break;
                const bool axial = Axial && a == 0;
                const int place = first + (axial ? k : 2 * k);
                sums[place] += k == 0 ? azimuth[a].real : azimuth[a].real * power;
                if (!axial)
                    sums[place + 1] += k == 0 ? azimuth[a].imaginary : azimuth[a].imaginary * power;
                first += sums_of(axial, Degree - a);
            }
        }
        if (count > Degree) continue;
        space.real[slot] = azimuth[count].real;
        space.imaginary[slot] = azimuth[count].imaginary;
    }
    MTPOT_UNROLL
    for (int k = 0; k < total; ++k) out[k] = sums[k];
}

// The same for a highest degree that the compiler does not know, slowly.
inline void sum_high_degrees(const Block& block, const Vec* f, int highest, Vec* out) {
    clear(out, static_cast<std::size_t>(highest + 1) * (highest + 1));
    for (int slot = 0; slot < block.slots; ++slot) {
        Complex azimuth{f[slot], Vec{}};
        for (int m = 0; m <= highest; ++m) {
            Vec power = Vec{} + Real(1);
            Vec* sums = out + azimuth_offset(highest, m);
            for (int k = 0; k <= highest - m; ++k, power *= block.z[slot]) {
                sums[m > 0 ? 2 * k : k] += azimuth.real * power;
                if (m > 0) sums[2 * k + 1] += azimuth.imaginary * power;
            }
            azimuth = times(block.x[slot], block.y[slot], azimuth);
        }
    }
}

inline void sum_components(const Block& block, const Vec* f, int highest, const AzimuthSpace& space,
                           Vec* out) {
    if (highest > most_known) return sum_high_degrees(block, f, highest, out);
    with_number(highest, [&]<int L>() { sum_azimuths<true, L>(block, f, space, out); });
    for (int m = azimuths_at_once(true, highest); m <= highest;
         m += azimuths_at_once(false, highest - m))
        with_number(highest - m, [&]<int K>() {
            sum_azimuths<false, K>(block, f, space, out + azimuth_offset(highest, m));
        });
}

inline void moments_of(const CompiledPotential& compiled, const Block& block, const Vec* values,
                       const AzimuthSpace& space, Vec* moments) {
    for (int p = 0; p < compiled.radial_function_count; ++p)
        sum_components(block, values + p * block.slots, compiled.highest_degrees[p], space,
                       moments + compiled.component_offsets[p]);
}

// dV/dr̂ of a block's slots as if V filled all of space, and dV/dr.
struct SlotGradients {
    Vec *x, *y, *z, *radial;
};

// What the adjoints A of one radial function's components make of a neighbor: the sum of A_i y_i,
// and its gradient in the direction, as if y filled all of space.
struct Contracted {
    Vec value, x{}, y{}, z;
};

// A polynomial in z with the coefficients a[0], a[stride], ..., and its derivative, by Horner's
// rule. A degree is a number here, or a type that stands for one.
template <class Degree>
[[gnu::always_inline]] inline void polynomial(Degree degree, const Vec* a, int stride, Vec z,
                                              Vec& value, Vec& slope) {
    value = a[degree * stride];
    slope = Vec{};
    MTPOT_UNROLL
    for (int k = degree - 1; k >= 0; --k) {
        slope = k == degree - 1 ? value : slope * z + value;
        value = value * z + a[k * stride];
    }
}

// The part of one m > 0, with (x + iy)^m and m (x + iy)^(m - 1). Products are added one by one:
// each addition is part of the product then.
template <class Degree>
[[gnu::always_inline]] inline void add_azimuth(Degree degree, const Vec* adjoints, Vec z,
                                               const Complex& power, const Complex& lower,
                                               Contracted& out) {
    Complex value, slope;
    polynomial(degree, adjoints, 2, z, value.real, slope.real);
    polynomial(degree, adjoints + 1, 2, z, value.imaginary, slope.imaginary);
    out.value += value.real * power.real;
    out.value += value.imaginary * power.imaginary;
    out.x += value.real * lower.real;
    out.x += value.imaginary * lower.imaginary;
    out.y += value.imaginary * lower.real;
    out.y -= value.real * lower.imaginary;
    if (degree == 0) return;
    out.z += slope.real * power.real;
    out.z += slope.imaginary * power.imaginary;
}

template <int L>
[[gnu::always_inline]] inline Contracted contract(const Block& block, int slot,
                                                  const Vec* adjoints) {
    const Vec x = block.x[slot], y = block.y[slot], z = block.z[slot];
    Contracted out;
    polynomial(std::integral_constant<int, L>(), adjoints, 1, z, out.value, out.z);
    Complex power = one();
    const auto add = [&]<int M>(std::integral_constant<int, M>) __attribute__((always_inline)) {
        const Complex lower = Real(M) * power;
        power = M == 1 ? Complex{x, y} : times(x, y, power);
        add_azimuth(std::integral_constant<int, L - M>(), adjoints + azimuth_offset(L, M), z, power,
                    lower, out);
    };
    [&]<int... M>(std::integer_sequence<int, M...>) __attribute__((always_inline)) {
        (add(std::integral_constant<int, M + 1>()), ...);
    }(std::make_integer_sequence<int, L>());
    return out;
}

inline Contracted contract_high_degrees(const Block& block, int slot, int highest,
                                        const Vec* adjoints) {
    Contracted out;
    polynomial(highest, adjoints, 1, block.z[slot], out.value, out.z);
    Complex power = one();
    for (int m = 1; m <= highest; ++m) {
        const Complex lower = Real(m) * power;
        power = times(block.x[slot], block.y[slot], power);
        add_azimuth(highest - m, adjoints + azimuth_offset(highest, m), block.z[slot], power, lower,
                    out);
    }
    return out;
}

// Values and derivatives of one radial function.
struct RadialFunction {
    const Vec *values, *derivatives;
};

// Adds the share of one radial function to the gradients, or sets them to it if they are fresh; the
// sums of A_i y_i go to `sums` unless it is null.
template <class Contract>
inline void add_gradients(int slots, const RadialFunction& f, bool fresh, const SlotGradients& out,
                          Vec* sums, Contract&& contract_slot) {
    for (int slot = 0; slot < slots; ++slot) {
        const Contracted c = contract_slot(slot);
        const Vec value = f.values[slot], slope = f.derivatives[slot];
        out.x[slot] = fresh ? value * c.x : out.x[slot] + value * c.x;
        out.y[slot] = fresh ? value * c.y : out.y[slot] + value * c.y;
        out.z[slot] = fresh ? value * c.z : out.z[slot] + value * c.z;
        out.radial[slot] = fresh ? slope * c.value : out.radial[slot] + slope * c.value;
        if (sums) sums[slot] = c.value;
    }
}

// The same for a function whose only component has no direction; the gradients are not fresh, as
// functions stand by falling degree.
inline void add_axial_gradients(int slots, const RadialFunction& f, Vec adjoint,
                                const SlotGradients& out, Vec* sums) {
    for (int slot = 0; slot < slots; ++slot) {
        out.radial[slot] += f.derivatives[slot] * adjoint;
        if (sums) sums[slot] = adjoint;
    }
}

inline void gradients_of(const Block& block, int highest, const Vec* adjoints,
                         const RadialFunction& f, bool fresh, const SlotGradients& out, Vec* sums) {
    if (highest > most_known)
        return add_gradients(block.slots, f, fresh, out, sums, [&](int slot) {
            return contract_high_degrees(block, slot, highest, adjoints);
        });
    with_number(highest, [&]<int L>() {
        if constexpr (L == 0)
            add_axial_gradients(block.slots, f, *adjoints, out, sums);
        else
            add_gradients(block.slots, f, fresh, out, sums,
                          [&](int slot) { return contract<L>(block, slot, adjoints); });
    });
}

// The sums of A_i y_i alone.
inline void contractions_of(const Block& block, int highest, const Vec* adjoints, Vec* sums) {
    if (highest > most_known) {
        for (int slot = 0; slot < block.slots; ++slot)
            sums[slot] = contract_high_degrees(block, slot, highest, adjoints).value;
        return;
    }
    with_number(highest, [&]<int L>() {
        for (int slot = 0; slot < block.slots; ++slot)
            sums[slot] = contract<L>(block, slot, adjoints).value;
    });
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// Harmonics of the neighbors' directions, degree by degree for one m after the other; see
// harmonics.hpp of the engine for their order and scale.
#pragma once

#include "harmonics.hpp"
#include "kernels/block.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

inline const Constants<double>& constants(const CompiledPotential& compiled, double) {
    return compiled.constants;
}
inline const Constants<float>& constants(const CompiledPotential& compiled, float) {
    return compiled.single_constants;
}
inline const Constants<Real>& constants(const CompiledPotential& compiled) {
    return constants(compiled, Real());
}

constexpr int kappa_index(int l, int m) {
    return l * (l + 1) / 2 + m;
}

// (x + iy)^m of some slots, for m = 0, 1, 2, ...
template <int Slots>
struct Azimuth {
    Vec real[Slots], imaginary[Slots];
    Vec lower_real[Slots], lower_imaginary[Slots];  // of m - 1

    Azimuth() {
        for (int q = 0; q < Slots; ++q) {
            real[q] = Vec{} + Real(1);
            imaginary[q] = lower_real[q] = lower_imaginary[q] = Vec{};
        }
    }

    void advance(const Vec* x, const Vec* y) {
        for (int q = 0; q < Slots; ++q) {
            lower_real[q] = real[q];
            lower_imaginary[q] = imaginary[q];
            real[q] = x[q] * lower_real[q] - y[q] * lower_imaginary[q];
            imaginary[q] = x[q] * lower_imaginary[q] + y[q] * lower_real[q];
        }
    }
};

// P_l^m(z) of some slots, for l = m, m + 1, ...
template <int Slots>
struct Polar {
    Vec value[Slots], before[Slots];

    Polar() {
        for (int q = 0; q < Slots; ++q) {
            value[q] = Vec{} + Real(1);
            before[q] = Vec{};
        }
    }

    void advance(const Vec* z, Real kappa) {
        for (int q = 0; q < Slots; ++q) {
            const Vec next = z[q] * value[q] - kappa * before[q];
            before[q] = value[q];
            value[q] = next;
        }
    }
};

// The same with derivatives in z.
template <int Slots>
struct PolarWithSlope : Polar<Slots> {
    Vec slope[Slots], slope_before[Slots];

    PolarWithSlope() {
        for (int q = 0; q < Slots; ++q) slope[q] = slope_before[q] = Vec{};
    }

    void advance(const Vec* z, Real kappa) {
        for (int q = 0; q < Slots; ++q) {
            const Vec next = z[q] * slope[q] + (this->value[q] - kappa * slope_before[q]);
            slope_before[q] = slope[q];
            slope[q] = next;
        }
        Polar<Slots>::advance(z, kappa);
    }
};

// harmonics[k][tile] of the slots slot ... slot + tile - 1.
inline void harmonics_of(const CompiledPotential& compiled, const Block& block, int slot,
                         Vec* out) {
    const Real* kappa = constants(compiled).kappa.data();
    Azimuth<tile> azimuth;
    for (int m = 0; m <= compiled.max_degree; ++m) {
        Polar<tile> polar;
        for (int l = m; l <= compiled.max_degree; ++l) {
            Vec* real = out + harmonics::index(l, m) * tile;
            for (int q = 0; q < tile; ++q) real[q] = polar.value[q] * azimuth.real[q];
            for (int q = 0; q < tile && m > 0; ++q)
                real[tile + q] = polar.value[q] * azimuth.imaginary[q];
            polar.advance(block.z + slot, kappa[kappa_index(l, m)]);
        }
        azimuth.advance(block.x + slot, block.y + slot);
    }
}

// slopes[k][3] of one slot: gradients on the unit sphere, tangential.
inline void harmonic_slopes(const CompiledPotential& compiled, const Block& block, int slot,
                            Vec* slopes) {
    const Real* kappa = constants(compiled).kappa.data();
    const Vec x = block.x[slot], y = block.y[slot], z = block.z[slot];
    const auto put = [&](int k, Vec gx, Vec gy, Vec gz) {
        const Vec along = gx * x + gy * y + gz * z;
        slopes[3 * k] = gx - along * x;
        slopes[3 * k + 1] = gy - along * y;
        slopes[3 * k + 2] = gz - along * z;
    };
    Azimuth<1> azimuth;
    for (int m = 0; m <= compiled.max_degree; ++m) {
        PolarWithSlope<1> polar;
        for (int l = m; l <= compiled.max_degree; ++l) {
            const Vec power = static_cast<Real>(m) * polar.value[0], slope = polar.slope[0];
            const Vec real = power * azimuth.lower_real[0];
            const Vec imaginary = power * azimuth.lower_imaginary[0];
            put(harmonics::index(l, m), real, -imaginary, slope * azimuth.real[0]);
            if (m > 0)
                put(harmonics::index(l, m, true), imaginary, real, slope * azimuth.imaginary[0]);
            polar.advance(&z, kappa[kappa_index(l, m)]);
        }
        azimuth.advance(&x, &y);
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

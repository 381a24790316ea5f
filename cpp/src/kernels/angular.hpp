// The angular functions of components, z^k Re (x + iy)^m and z^k Im (x + iy)^m of the neighbors'
// directions; see harmonics.hpp for their order.
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

// From (x + iy)^m to the next power.
inline void advance_power(Vec x, Vec y, Vec& real, Vec& imaginary) {
    const Vec next = x * real - y * imaginary;
    imaginary = x * imaginary + y * real;
    real = next;
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
            advance_power(x[q], y[q], real[q], imaginary[q]);
        }
    }
};

// angular[i][tile] of the slots slot ... slot + tile - 1.
inline void angular_functions(const Block& block, int slot, int max_degree, Vec* out) {
    const Vec* z = block.z + slot;
    Azimuth<tile> azimuth;
    for (int m = 0; m <= max_degree; ++m) {
        Vec* lowest = out + harmonics::index(m, m) * tile;
        for (int q = 0; q < tile; ++q) lowest[q] = azimuth.real[q];
        for (int q = 0; q < tile && m > 0; ++q) lowest[tile + q] = azimuth.imaginary[q];
        for (int l = m + 1; l <= max_degree; ++l) {
            const Vec* lower = out + harmonics::index(l - 1, m) * tile;
            Vec* next = out + harmonics::index(l, m) * tile;
            for (int i = 0; i < (m > 0 ? 2 * tile : tile); ++i) next[i] = z[i % tile] * lower[i];
        }
        azimuth.advance(block.x + slot, block.y + slot);
    }
}

// slopes[i][3] of one slot: gradients on the unit sphere, tangential.
inline void angular_slopes(const Block& block, int slot, int max_degree, Vec* slopes) {
    const Vec x = block.x[slot], y = block.y[slot], z = block.z[slot];
    const auto put = [&](int i, Vec gx, Vec gy, Vec gz) {
        const Vec along = gx * x + gy * y + gz * z;
        slopes[3 * i] = gx - along * x;
        slopes[3 * i + 1] = gy - along * y;
        slopes[3 * i + 2] = gz - along * z;
    };
    Azimuth<1> azimuth;
    for (int m = 0; m <= max_degree; ++m) {
        Vec power = Vec{} + Real(1), slope{};  // z^k and its derivative
        for (int l = m; l <= max_degree; ++l) {
            const Vec turned = static_cast<Real>(m) * power;
            const Vec real = turned * azimuth.lower_real[0];
            const Vec imaginary = turned * azimuth.lower_imaginary[0];
            put(harmonics::index(l, m), real, -imaginary, slope * azimuth.real[0]);
            if (m > 0)
                put(harmonics::index(l, m, true), imaginary, real, slope * azimuth.imaginary[0]);
            slope = static_cast<Real>(l - m + 1) * power;
            power *= z;
        }
        azimuth.advance(&x, &y);
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// The angular functions of components, z^k Re (x + iy)^m and z^k Im (x + iy)^m of the neighbors'
// directions, and their slopes; see harmonics.hpp for their order.
#pragma once

#include "harmonics.hpp"
#include "kernels/block.hpp"
#include "kernels/complex.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

// angular[i][tile] of the slots slot ... slot + tile - 1.
inline void angular_functions(const Block& block, int slot, int max_degree, Vec* out) {
    const Vec* z = block.z + slot;
    Complex power[tile];  // (x + iy)^m
    for (Complex& each : power) each = one();
    for (int m = 0; m <= max_degree; ++m) {
        Vec* lowest = out + harmonics::index(m, m) * tile;
        for (int q = 0; q < tile; ++q) lowest[q] = power[q].real;
        for (int q = 0; q < tile && m > 0; ++q) lowest[tile + q] = power[q].imaginary;
        for (int l = m + 1; l <= max_degree; ++l) {
            const Vec* lower = out + harmonics::index(l - 1, m) * tile;
            Vec* next = out + harmonics::index(l, m) * tile;
            for (int i = 0; i < (m > 0 ? 2 * tile : tile); ++i) next[i] = z[i % tile] * lower[i];
        }
        for (int q = 0; q < tile; ++q)
            power[q] = times(block.x[slot + q], block.y[slot + q], power[q]);
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
    Complex azimuth = one(), lower;  // (x + iy)^m and the power before
    for (int m = 0; m <= max_degree; ++m) {
        Vec power = Vec{} + Real(1), slope{};  // z^k and its derivative
        for (int l = m; l <= max_degree; ++l) {
            const Vec turned = static_cast<Real>(m) * power;
            const Vec real = turned * lower.real;
            const Vec imaginary = turned * lower.imaginary;
            put(harmonics::index(l, m), real, -imaginary, slope * azimuth.real);
            if (m > 0)
                put(harmonics::index(l, m, true), imaginary, real, slope * azimuth.imaginary);
            slope = static_cast<Real>(l - m + 1) * power;
            power *= z;
        }
        lower = azimuth;
        azimuth = times(x, y, azimuth);
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// Gram matrices of tangents.
#pragma once

#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

// gram += rows^T rows for the tiles on and above the diagonal.
void accumulate_gram(const double* rows, std::size_t count, std::size_t stride, double* gram) {
    constexpr std::size_t wide = 16, high = 4;
    static_assert(wide % lanes == 0);
    constexpr int vectors = wide / lanes;
    for (std::size_t i = 0; i < stride; i += high)
        for (std::size_t j = i / wide * wide; j < stride; j += wide) {
            Vec sum[high][vectors];
            for (std::size_t a = 0; a < high; ++a)
                for (int v = 0; v < vectors; ++v)
                    sum[a][v] =
                        *reinterpret_cast<const Vec*>(gram + (i + a) * stride + j + v * lanes);
            for (std::size_t m = 0; m < count; ++m) {
                const double* row = rows + m * stride;
                Vec right[vectors];
                for (int v = 0; v < vectors; ++v)
                    right[v] = *reinterpret_cast<const Vec*>(row + j + v * lanes);
                for (std::size_t a = 0; a < high; ++a)
                    for (int v = 0; v < vectors; ++v) sum[a][v] += row[i + a] * right[v];
            }
            for (std::size_t a = 0; a < high; ++a)
                for (int v = 0; v < vectors; ++v)
                    *reinterpret_cast<Vec*>(gram + (i + a) * stride + j + v * lanes) = sum[a][v];
        }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

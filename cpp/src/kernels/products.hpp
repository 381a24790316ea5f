// Products of matrices: Gram matrices of tangents, and grades of rows.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

typedef decltype(Vec{} < Vec{}) Mask;  // comparisons: 0 or -1

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

constexpr int blocks_at_once = vector_bytes == 64 ? 4 : 3;  // sums of a strip in registers

// The largest |product| of each lane so far, and where one was no number.
struct Largest {
    Vec value;
    Mask undefined;
};

// Raises the largest of so many blocks by the products with one strip of the matrix.
template <int Blocks>
inline void raise_largest(const double* rows, const ColumnRange* ranges, std::size_t range_count,
                          const double* strip, std::size_t row_size, Largest* largest) {
    const Vec* row = reinterpret_cast<const Vec*>(rows);
    Sums<Blocks * grade_tile> sums;
    for (std::size_t range = 0; range < range_count; ++range)
        for (std::size_t k = ranges[range].first; k < ranges[range].last; ++k) {
            MTPOT_UNROLL
            for (int i = 0; i < grade_tile; ++i) {
                const double factor = strip[k * grade_tile + i];
                MTPOT_UNROLL
                for (int b = 0; b < Blocks; ++b)
                    sums[b * grade_tile + i] += factor * row[b * row_size + k];
            }
        }
    for (int b = 0; b < Blocks; ++b)
        for (int i = 0; i < grade_tile; ++i) {
            const Vec sum = sums[b * grade_tile + i], product = sum < 0.0 ? -sum : sum;
            largest[b].value = product > largest[b].value ? product : largest[b].value;
            largest[b].undefined |= sum != sum;
        }
}

// A strip of the matrix stays in the innermost cache while all blocks pass by.
void grade(const double* rows, int blocks, const ColumnRange* ranges, std::size_t range_count,
           const MatrixView& matrix, double* grades) {
    Largest largest[most_together]{};
    for (std::size_t s = 0; s < matrix.strips; ++s) {
        const double* strip = matrix.values + s * matrix.rows * grade_tile;
        for (int first = 0; first < blocks; first += blocks_at_once) {
            const int left = blocks - first;
            const double* own = rows + static_cast<std::size_t>(first) * matrix.rows * lanes;
            with_number(left < blocks_at_once ? left : blocks_at_once, [&]<int N>() {
                if constexpr (N > 0 && N <= blocks_at_once)
                    raise_largest<N>(own, ranges, range_count, strip, matrix.rows, largest + first);
            });
        }
    }
    for (int k = 0; k < blocks * lanes; ++k) {
        const Largest& own = largest[k / lanes];
        grades[k] = own.undefined[k % lanes] ? __builtin_nan("") : own.value[k % lanes];
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

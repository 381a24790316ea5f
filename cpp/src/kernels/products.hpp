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

// Raises the largest |product| by those of one tile of the matrix's columns, and counts NaN.
inline void raise_largest(const double* rows, const ColumnRange* ranges, std::size_t range_count,
                          const double* matrix, std::size_t stride, Vec& largest, Mask& undefined) {
    constexpr int wide = grade_tile;
    const Vec* row = reinterpret_cast<const Vec*>(rows);
    Vec sum[wide]{};
    for (std::size_t range = 0; range < range_count; ++range)
        for (int k = ranges[range].first; k < ranges[range].last; ++k) {
            const double* column = matrix + k * stride;
            for (int i = 0; i < wide; ++i) sum[i] += column[i] * row[k];
        }
    for (int i = 0; i < wide; ++i) {
        const Vec product = sum[i] < 0.0 ? -sum[i] : sum[i];
        largest = product > largest ? product : largest;
        undefined |= sum[i] != sum[i];
    }
}

void grade(const double* rows, const ColumnRange* ranges, std::size_t range_count,
           const MatrixView& matrix, double* grades) {
    Vec largest{};
    Mask undefined{};
    for (std::size_t i = 0; i < matrix.stride; i += grade_tile)
        raise_largest(rows, ranges, range_count, matrix.values + i, matrix.stride, largest,
                      undefined);
    for (int lane = 0; lane < lanes; ++lane)
        grades[lane] = undefined[lane] ? __builtin_nan("") : largest[lane];
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

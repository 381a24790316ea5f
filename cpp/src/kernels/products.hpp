// Products of matrices: Gram matrices of tangents, and grades of rows.
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

typedef double UnalignedVec __attribute__((vector_size(8 * MTPOT_LANES), aligned(8)));

// Dot products of `High` rows with `Wide` rows of another matrix, all of one size.
template <int High, int Wide>
inline void dot_products(const double* rows, const double* others, std::size_t size,
                         double (*out)[Wide]) {
    Vec sum[High][Wide]{};
    std::size_t k = 0;
    for (; k + lanes <= size; k += lanes)
        for (int b = 0; b < Wide; ++b) {
            const Vec other = *reinterpret_cast<const UnalignedVec*>(others + b * size + k);
            for (int a = 0; a < High; ++a)
                sum[a][b] += *reinterpret_cast<const UnalignedVec*>(rows + a * size + k) * other;
        }
    for (int a = 0; a < High; ++a)
        for (int b = 0; b < Wide; ++b) {
            out[a][b] = 0.0;
            for (int lane = 0; lane < lanes; ++lane) out[a][b] += sum[a][b][lane];
            for (std::size_t rest = k; rest < size; ++rest)
                out[a][b] += rows[a * size + rest] * others[b * size + rest];
        }
}

template <int High, int Wide>
inline void raise_largest(const double* rows, const double* others, std::size_t size,
                          double* largest) {
    double products[High][Wide];
    dot_products<High, Wide>(rows, others, size, products);
    for (int a = 0; a < High; ++a)
        for (int b = 0; b < Wide; ++b) {
            const double product = __builtin_fabs(products[a][b]);
            // Written so that a NaN, once there, stays.
            if (!(product <= largest[a]) && largest[a] == largest[a]) largest[a] = product;
        }
}

template <int High>
inline void largest_of(const double* rows, const double* others, std::size_t size,
                       double* largest) {
    for (int a = 0; a < High; ++a) largest[a] = 0.0;
    std::size_t i = 0;
    for (; i + 2 <= size; i += 2) raise_largest<High, 2>(rows, others + i * size, size, largest);
    if (i < size) raise_largest<High, 1>(rows, others + i * size, size, largest);
}

// largest[m] = max_i |rows_m . others_i| for rows [count][size] and others [size][size].
void largest_products(const double* rows, std::size_t count, const double* others, std::size_t size,
                      double* largest) {
    constexpr int high = lanes == 8 ? 8 : 4;
    std::size_t m = 0;
    for (; m + high <= count; m += high)
        largest_of<high>(rows + m * size, others, size, largest + m);
    for (; m < count; ++m) largest_of<1>(rows + m * size, others, size, largest + m);
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

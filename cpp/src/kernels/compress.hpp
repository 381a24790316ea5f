// Doubles as wide as a register, and how those of them that pass a test are put side by side: the
// one thing here for which each instruction set has its own way.
#pragma once

#if MTPOT_VECTOR_BYTES >= 32
#include <immintrin.h>
#endif

#include <array>

#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int chunk = vector_bytes / sizeof(double);
typedef double Chunk __attribute__((vector_size(8 * chunk)));
typedef std::int32_t Numbers __attribute__((vector_size(4 * chunk)));

constexpr unsigned all_bits = (1u << chunk) - 1;

#if MTPOT_VECTOR_BYTES == 64

inline unsigned bits_below(Chunk values, double limit) {
    return _mm512_cmp_pd_mask(values, _mm512_set1_pd(limit), _CMP_LT_OQ);
}

inline unsigned bits_equal(Numbers values, std::int32_t number) {
    return _mm256_cmpeq_epi32_mask(reinterpret_cast<__m256i>(values), _mm256_set1_epi32(number));
}

inline Chunk pack(Chunk values, unsigned bits) {
    return _mm512_maskz_compress_pd(static_cast<__mmask8>(bits), values);
}

inline Numbers pack(Numbers values, unsigned bits) {
    return reinterpret_cast<Numbers>(_mm256_maskz_compress_epi32(
        static_cast<__mmask8>(bits), reinterpret_cast<__m256i>(values)));
}

#elif MTPOT_VECTOR_BYTES == 32

// Places of the bits that are set, as 32-bit halves of doubles; what stands behind them stays.
constexpr auto packing = [] {
    std::array<std::array<std::int32_t, 8>, 16> table{};
    for (int bits = 0; bits < 16; ++bits) {
        for (int half = 0; half < 8; ++half) table[bits][half] = half;
        for (int place = 0, next = 0; place < 4; ++place)
            if (bits >> place & 1) {
                table[bits][2 * next] = 2 * place;
                table[bits][2 * next + 1] = 2 * place + 1;
                ++next;
            }
    }
    return table;
}();

inline unsigned bits_below(Chunk values, double limit) {
    return static_cast<unsigned>(
        _mm256_movemask_pd(_mm256_cmp_pd(values, _mm256_set1_pd(limit), _CMP_LT_OQ)));
}

inline unsigned bits_equal(Numbers values, std::int32_t number) {
    const __m128i equal =
        _mm_cmpeq_epi32(reinterpret_cast<__m128i>(values), _mm_set1_epi32(number));
    return static_cast<unsigned>(_mm_movemask_ps(_mm_castsi128_ps(equal)));
}

inline Chunk pack(Chunk values, unsigned bits) {
    const auto* places = reinterpret_cast<const __m256i*>(packing[bits].data());
    return reinterpret_cast<Chunk>(
        _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(values), _mm256_loadu_si256(places)));
}

inline Numbers pack(Numbers values, unsigned bits) {
    const Chunk wide =
        reinterpret_cast<Chunk>(_mm256_cvtepi32_epi64(reinterpret_cast<__m128i>(values)));
    typedef std::int64_t Wide __attribute__((vector_size(32)));
    return __builtin_convertvector(reinterpret_cast<Wide>(pack(wide, bits)), Numbers);
}

#else

template <class Test>
inline unsigned bits_where(Test&& test) {
    unsigned bits = 0;
    for (int k = 0; k < chunk; ++k) bits |= static_cast<unsigned>(test(k)) << k;
    return bits;
}

inline unsigned bits_below(Chunk values, double limit) {
    return bits_where([&](int k) { return values[k] < limit; });
}

inline unsigned bits_equal(Numbers values, std::int32_t number) {
    return bits_where([&](int k) { return values[k] == number; });
}

template <class Values>
inline Values pack(Values values, unsigned bits) {
    Values packed{};
    for (int k = 0, next = 0; k < chunk; ++k)
        if (bits >> k & 1) packed[next++] = values[k];
    return packed;
}

#endif

}  // namespace
}  // namespace mtpot::MTPOT_ISA

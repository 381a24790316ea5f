// The terms that scalars are made of, and how far the members of an ensemble are from the energy.
#pragma once

#include "compiled.hpp"
#include "kernels/constants.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int most_members = 8;  // at a time, whose sums stay in registers

// The terms' values, each of which all members read.
inline void spread_terms(const Spread& spread, const Vec* values, Vec* terms) {
    for (const auto& [left, right, width] : spread.invariants) {
        Vec sum{};
        for (int k = 0; k < width; ++k) sum += values[left + k] * values[right + k];
        *terms++ = sum;
    }
    for (const int value : spread.linear) *terms++ = values[value];
}

// out[members][lanes] of the members [first, first + Count).
template <int Count>
inline void add_members(const Vec* terms, std::size_t term_count, const Real* coefficients,
                        int stride, double* out) {
    Sums<Count> sums;
    for (std::size_t t = 0; t < term_count; ++t, coefficients += stride) {
        MTPOT_UNROLL
        for (int m = 0; m < Count; ++m) sums[m] += coefficients[m] * terms[t];
    }
    for (int m = 0; m < Count; ++m)
        for (int lane = 0; lane < lanes; ++lane)
            out[m * lanes + lane] = static_cast<double>(sums[m][lane]);
}

// Deviations of the members without those of the species; `values` are those of the program, or
// the moments of the list.
inline void deviations(const CompiledPotential& compiled, const Vec* values, Vec* terms,
                       double* out) {
    const Spread& spread = compiled.spread;
    spread_terms(spread, values, terms);
    const Real* coefficients = constants(compiled).spread.data();
    for (int first = 0; first < spread.members; first += most_members) {
        const int left = spread.members - first;
        with_number(left < most_members ? left : most_members, [&]<int N>() {
            if constexpr (N > 0 && N <= most_members)
                add_members<N>(terms, spread.term_count(), coefficients + first, spread.members,
                               out + first * lanes);
        });
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// Lanes: one SIMD lane, one center. Everything in this folder but kernels.hpp is compiled once
// for each instruction set, in a namespace of its own and with internal linkage, as the bases in
// src/radial, so that the linker cannot merge code for a wide set into the path of a narrow one;
// the test kernels_export_nothing looks at the objects.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int lanes = MTPOT_LANES;  // at most most_lanes of kernels.hpp
typedef double Vec __attribute__((vector_size(8 * MTPOT_LANES)));
typedef std::int64_t Mask __attribute__((vector_size(8 * MTPOT_LANES)));  // comparisons: 0 or -1

// Slots (neighbors of all lanes) that the loops over pairs take at once.
constexpr int tile = 4;

constexpr std::size_t round_up(std::size_t n, std::size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

// Hands out aligned pieces of one block of memory; with a null base it only counts.
class Arena {
public:
    explicit Arena(void* base) : base_(static_cast<char*>(base)) {}

    template <class T>
    T* take(std::size_t count) {
        T* piece = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
        used_ += round_up(count * sizeof(T), 64);
        return piece;
    }
    std::size_t used() const { return used_; }

private:
    char* base_;
    std::size_t used_ = 0;
};

inline void clear(Vec* values, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) values[k] = Vec{};
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

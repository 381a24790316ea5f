// Lanes: one SIMD lane, one center. Everything in this folder but kernels.hpp is compiled once
// for each instruction set and precision, in a namespace of its own and with internal linkage, as
// the bases in src/radial, so that the linker cannot merge code for a wide set into the path of a narrow one;
// the test kernels_export_nothing looks at the objects.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mtpot::MTPOT_ISA {
namespace {

typedef MTPOT_REAL Real;
constexpr int vector_bytes = MTPOT_VECTOR_BYTES;
constexpr int lanes = vector_bytes / sizeof(Real);  // at most most_lanes of kernels.hpp
typedef Real Vec __attribute__((vector_size(vector_bytes)));

// With 32 registers the sums of two slots stay in them, with 16 those of one.
constexpr int slots_in_registers = vector_bytes == 64 ? 2 : 1;

// Slots (neighbors of all lanes) that the loops over pairs take at once.
constexpr int tile = 4;
static_assert(tile % slots_in_registers == 0);

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

// Calls body with a compile-time count 1 ... N.
template <int N, class Body>
inline void with_count(int count, Body&& body) {
    if constexpr (N > 1) {
        if (count < N) return with_count<N - 1>(count, body);
    }
    body.template operator()<N>();
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

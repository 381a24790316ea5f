// Lanes: one SIMD lane, one center. Everything in this folder but kernels.hpp is compiled once
// for each instruction set and precision, in a namespace of its own and with internal linkage, as
// the bases in src/radial, so that the linker cannot merge code for a wide set into the path of a
// narrow one; the test kernels_export_nothing looks at the objects.
#pragma once

#include <cstddef>
#include <cstdint>

// Before loops of a known length whose sums must stay in registers.
#define MTPOT_UNROLL _Pragma("GCC unroll 32")

namespace mtpot::MTPOT_ISA {
namespace {

typedef MTPOT_REAL Real;
constexpr int vector_bytes = MTPOT_VECTOR_BYTES;
constexpr int lanes = vector_bytes / sizeof(Real);  // at most most_lanes of kernels.hpp
typedef Real Vec __attribute__((vector_size(vector_bytes)));

// Slots (neighbors of all lanes) come in multiples of so many, which some loops take at once.
constexpr int tile = 2;

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

// Sums that start from zero. An array in braces would be cleared as memory, slowly, and stay there.
template <int N>
struct Sums {
    Vec of[N];

    Sums() {
        MTPOT_UNROLL
        for (int k = 0; k < N; ++k) of[k] = Vec{};
    }
    Vec& operator[](int k) { return of[k]; }
    const Vec& operator[](int k) const { return of[k]; }
};

inline void clear(Vec* values, std::size_t count) {
    for (std::size_t k = 0; k < count; ++k) values[k] = Vec{};
}

constexpr int most_known = 15;

// Calls body with a number 0 ... most_known that the compiler knows.
template <class Body>
inline void with_number(int n, Body&& body) {
    switch (n) {
        case 0:
            return body.template operator()<0>();
        case 1:
            return body.template operator()<1>();
        case 2:
            return body.template operator()<2>();
        case 3:
            return body.template operator()<3>();
        case 4:
            return body.template operator()<4>();
        case 5:
            return body.template operator()<5>();
        case 6:
            return body.template operator()<6>();
        case 7:
            return body.template operator()<7>();
        case 8:
            return body.template operator()<8>();
        case 9:
            return body.template operator()<9>();
        case 10:
            return body.template operator()<10>();
        case 11:
            return body.template operator()<11>();
        case 12:
            return body.template operator()<12>();
        case 13:
            return body.template operator()<13>();
        case 14:
            return body.template operator()<14>();
        default:
            return body.template operator()<15>();
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// Complex numbers, lane by lane, and products with x + iy, of which azimuths are made.
#pragma once

#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

struct Complex {
    Vec real{}, imaginary{};
};

inline Complex operator*(Real factor, const Complex& c) {
    return {factor * c.real, factor * c.imaginary};
}

// (x + iy) c.
inline Complex times(Vec x, Vec y, const Complex& c) {
    return {x * c.real - y * c.imaginary, x * c.imaginary + y * c.real};
}

inline Complex one() {
    return {Vec{} + Real(1), Vec{}};
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

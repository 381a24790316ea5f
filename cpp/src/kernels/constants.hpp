// The numbers of a potential in the precision of the kernels.
#pragma once

#include "compiled.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

inline const Constants<double>& constants(const CompiledPotential& compiled, double) {
    return compiled.constants;
}
inline const Constants<float>& constants(const CompiledPotential& compiled, float) {
    return compiled.single_constants;
}
inline const Constants<Real>& constants(const CompiledPotential& compiled) {
    return constants(compiled, Real());
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

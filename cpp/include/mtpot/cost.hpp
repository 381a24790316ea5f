// What an evaluation costs, without measuring it.
#pragma once

#include "mtpot/potential.hpp"

namespace mtpot {

// Both are for energies and forces of one center with so many neighbors inside the cutoff, and take
// as long as compiling the potential without its coefficients: scalars whose xi is zero cost
// nothing, all others whatever their xi.
struct Cost {
    // Of the engine's own arithmetic, a fused multiply-add counted as two; loads, comparisons and
    // padding are not in it.
    double floating_point_operations;
    // Nanoseconds that it takes on the processor to which its weights were fitted (AVX-512, double
    // precision); elsewhere about in proportion to time.
    double effort;
};

Cost cost(const Potential& potential, double neighbors);

}  // namespace mtpot

// What an evaluation costs, without measuring it.
#pragma once

#include "mtpot/potential.hpp"

namespace mtpot {

// Operations for energies and forces of one center with so many neighbors inside the cutoff, in
// proportion to time: one is a multiply-add of the loops over pairs, and steps that wait for memory
// count for more than their arithmetic. Scalars whose xi is zero cost nothing. Takes about as long
// as compiling the potential for evaluation.
double operations(const Potential& potential, double neighbors);

}  // namespace mtpot

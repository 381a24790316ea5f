// What an evaluation costs, without measuring it.
#pragma once

#include "mtpot/potential.hpp"

namespace mtpot {

// Operations that energies and forces of one center with so many neighbors inside the cutoff take,
// in units of a multiply-add of the kernels; steps that wait for memory count more than their
// arithmetic. An estimate that ranks potentials: scalars whose xi is zero cost nothing.
double operations(const Potential& potential, double neighbors);

}  // namespace mtpot

// From pair couplings to the straight line of sums that kernels run.
#pragma once

#include <functional>

#include "harmonic_form.hpp"
#include "program.hpp"

namespace mtpot {

// The component of radial function mu that has an angular function of harmonics.hpp.
using ComponentNumber = std::function<int(int mu, int angular)>;

Program compile_program(const HarmonicForm& form, const ComponentNumber& component,
                        int component_count);

}  // namespace mtpot

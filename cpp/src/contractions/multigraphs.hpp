// The scalars of a level rule as graphs: which there are, not yet how to compute them.
#pragma once

#include <vector>

#include "contractions/diagram.hpp"
#include "mtpot/contractions.hpp"

namespace mtpot::generator {

// Every scalar is a product of connected ones. Both lists are ordered by level, then by the
// number of factors, so that the lists of a lower level begin those of a higher one.
struct Multigraphs {
    std::vector<Diagram> connected;         // canonical
    std::vector<std::vector<int>> scalars;  // indices into `connected`, ascending

    explicit Multigraphs(const LevelRule& rule);
};

}  // namespace mtpot::generator

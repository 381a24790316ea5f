// The version line of potential files.
#pragma once

#include <string>

#include "mtpot/potential.hpp"

namespace mtpot {

inline const std::string plain_version = "1.1.0";
// Of a file that other programs would misread: its energies depend on a section that they would
// drop, or a section stands where they expect the active set.
inline const std::string extended_version = "1.1.0+mtpot";

inline bool needs_extended_version(const Potential& potential, bool selection) {
    return potential.zbl || (potential.ensemble && selection);
}

}  // namespace mtpot

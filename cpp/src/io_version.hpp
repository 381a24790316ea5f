// The version line of potential files.
#pragma once

#include <string>

namespace mtpot {

inline const std::string plain_version = "1.1.0";
// Of a file whose energies depend on sections that other programs would drop.
inline const std::string extended_version = "1.1.0+mtpot";

}  // namespace mtpot

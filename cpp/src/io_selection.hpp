// The selection section of an .almtp file.
#pragma once

#include <string>

#include "mtpot/io.hpp"
#include "scanner.hpp"

namespace mtpot {

// The section from behind its first line "#MVS_v1.1" to the end of the file.
Selection read_selection(Scanner& scanner, std::size_t parameter_count);

// InputError unless the selection fits the parameters and its origins its configurations.
void check(const Selection& selection, std::size_t parameter_count);

void append_selection(std::string& content, const Selection& selection);

// Appends the number with this many digits behind the point, "1.5e+00".
void append_number(std::string& content, double number, int digits);

}  // namespace mtpot

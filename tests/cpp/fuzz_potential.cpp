// Whatever the bytes, reading a potential gives a FormatError or a potential that is written and
// read back to the same bytes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "mtpot/error.hpp"
#include "mtpot/io.hpp"

namespace {

std::string rewrite(const std::string& content) {
    const mtpot::PotentialFile file = mtpot::parse_potential(content, "fuzz.almtp");
    return mtpot::format_potential(file.potential, file.selection ? &*file.selection : nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string first;
    try {
        first = rewrite(std::string(reinterpret_cast<const char*>(data), size));
    } catch (const mtpot::FormatError&) {
        return 0;
    }
    if (rewrite(first) != first) std::abort();
    return 0;
}

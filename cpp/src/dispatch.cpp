#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "mtpot/error.hpp"
#include "mtpot/evaluate.hpp"

namespace mtpot {

namespace portable {
extern const Kernels table;
}
#ifdef MTPOT_X86
namespace avx2 {
extern const Kernels table;
}
namespace avx512 {
extern const Kernels table;
}
#endif

namespace {

// The widest first; "sse2" is what "portable" becomes on x86-64.
std::vector<const Kernels*> available() {
    std::vector<const Kernels*> list;
#ifdef MTPOT_X86
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (avx2 && avx512) list.push_back(&avx512::table);
    if (avx2) list.push_back(&avx2::table);
#endif
    list.push_back(&portable::table);
    return list;
}

const Kernels& choose() {
    const auto list = available();
    const char* wanted = std::getenv("MTPOT_SIMD");
    if (wanted == nullptr || *wanted == '\0') return *list.front();
    std::string name = wanted;
#ifdef MTPOT_X86
    if (name == "sse2") name = "portable";
#endif
    const auto found = std::find_if(list.begin(), list.end(),
                                    [&](const Kernels* each) { return each->name == name; });
    if (found != list.end()) return **found;
    std::string names;
    for (const auto* each : list) names += (names.empty() ? "" : ", ") + std::string(each->name);
#ifdef MTPOT_X86
    names.replace(names.find("portable"), std::string("portable").size(), "sse2");
#endif
    throw InputError("MTPOT_SIMD=" + std::string(wanted) + ": this processor and build have " +
                     names);
}

}  // namespace

const Kernels& kernels() {
    static const Kernels& chosen = choose();
    return chosen;
}

std::string simd_name() {
    return kernels().name;
}

}  // namespace mtpot

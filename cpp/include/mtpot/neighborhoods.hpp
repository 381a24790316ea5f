// Many centers with the vectors to their neighbors, in compressed-row form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mtpot {

// A view; the arrays belong to the caller. Pairs at or beyond the cutoff are allowed and
// contribute nothing, so a list with a skin can be passed as it is.
struct Neighborhoods {
    std::span<const std::int32_t> species;           // [centers], type of center i
    std::span<const std::int64_t> offsets;           // [centers + 1], first pair of each center
    std::span<const std::int32_t> neighbors;         // [pairs], the neighbor's atom
    std::span<const std::int32_t> neighbor_species;  // [pairs]
    std::span<const double> vectors;                 // [3 * pairs], r_ij = r_j - r_i in angstrom
    std::span<const std::int32_t> atoms = {};        // [centers], their atoms; empty: 0, 1, 2, ...

    std::size_t atom(std::size_t center) const {
        return atoms.empty() ? center : static_cast<std::size_t>(atoms[center]);
    }
    std::size_t center_count() const { return species.size(); }
    std::size_t pair_count() const { return neighbor_species.size(); }
};

// InputError unless the sizes of the arrays agree and the offsets increase within the pairs: what
// memory depends on and costs little to check. Types and distances are checked while evaluating.
void check(const Neighborhoods& neighborhoods);

// Neighborhoods that own their arrays, built from an unsorted full list of pairs among
// `species.size()` atoms, every one of them a center. InputError if sizes disagree or an index is
// out of range.
class OwnedNeighborhoods {
public:
    OwnedNeighborhoods(std::span<const std::int32_t> species, std::span<const std::int64_t> centers,
                       std::span<const std::int64_t> neighbors, std::span<const double> vectors);

    Neighborhoods view() const;
    std::size_t atom_count() const { return species_.size(); }

private:
    std::vector<std::int32_t> species_;
    std::vector<std::int64_t> offsets_;
    std::vector<std::int32_t> neighbors_;
    std::vector<std::int32_t> neighbor_species_;
    std::vector<double> vectors_;
};

}  // namespace mtpot

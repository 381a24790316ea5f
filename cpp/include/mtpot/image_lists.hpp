// Neighbor lists of atoms and their periodic images, from the pairs that a search has found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace mtpot {

// Atoms 0, 1, ... are centers with full lists; behind them stand the images that lists name, as
// ghosts. A list is in increasing order, and ghosts are in that of their owners and shifts, so that
// sums over the neighbors inside a distance do not depend on how far lists reach beyond it.
class ImageLists {
public:
    // Every pair once: atoms pairs[2 k] = i and pairs[2 k + 1] = j with the image of j that is
    // shifted by S = shifts[3 k ...] cell vectors. InputError if sizes disagree or an index is out
    // of range.
    ImageLists(std::size_t atom_count, std::span<const std::int64_t> pairs,
               std::span<const std::int32_t> shifts);
    ImageLists(const ImageLists&) = delete;
    ImageLists& operator=(const ImageLists&) = delete;

    std::size_t atom_count() const { return centers_.size(); }
    std::size_t ghost_count() const { return owners_.size(); }
    std::size_t entry_count() const { return neighbors_.size(); }

    std::span<const std::int32_t> owners() const { return owners_; }  // [ghosts]
    std::span<const std::int32_t> shifts() const { return shifts_; }  // [3 * ghosts]

    const int* centers() const { return centers_.data(); }         // [atoms]
    const int* neighbor_counts() const { return counts_.data(); }  // [atoms]
    const int* const* neighbors() const { return first_.data(); }  // [atoms]

    // values[3 * (atoms + ghosts)]: adds the vectors of ghosts to those of their owners.
    void fold(std::span<double> values) const;

private:
    struct Images;

    void number_ghosts(const Images& images);
    void fill_lists(const Images& images, std::span<const std::int64_t> pairs,
                    std::span<const std::int32_t> shifts);

    std::vector<int> centers_, counts_, neighbors_;
    std::vector<const int*> first_;
    std::vector<std::int32_t> owners_, shifts_;
};

}  // namespace mtpot

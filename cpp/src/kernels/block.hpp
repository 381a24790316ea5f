// Neighbors of a block of centers in structure-of-arrays form: slot by slot, one lane a center,
// sorted by the neighbor's species, padded with neighbors at the cutoff where every radial
// function is zero.
#pragma once

#include "kernels/kernels.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

struct Block {
    int species;                 // of the centers
    int slots;                   // a multiple of the tile
    int* segments;               // [C + 1], first slot of each neighbor species
    std::size_t partner_stride;  // at least the slots
    std::int32_t* partners;      // [lanes][partner_stride]
    Vec *x, *y, *z;              // [slots], unit vectors
    Vec *distance, *inverse;     // [slots], r and 1/r

    // The neighbor's atom in a list, else the pair counted from the center's first; -1 for padding.
    std::int32_t partner(int slot, int lane) const {
        return partners[lane * partner_stride + slot];
    }
};

inline std::size_t longest_list(const CenterBlock& input) {
    std::size_t longest = 0;
    for (int lane = 0; lane < input.count; ++lane) {
        const std::size_t count = input.pair_count(lane);
        longest = count > longest ? count : longest;
    }
    return longest;
}

// A slot holds a neighbor of some lane; every species present is padded to whole tiles.
inline std::size_t max_slots(int species_count, std::size_t pairs) {
    const std::size_t lists = species_count < lanes ? species_count : lanes;
    return round_up(lists * pairs, tile) + static_cast<std::size_t>(species_count) * tile;
}

inline Block carve_block(Arena& arena, int species_count, std::size_t pairs) {
    const std::size_t slots = max_slots(species_count, pairs);
    Block block{};
    block.segments = arena.take<int>(species_count + 1);
    block.partner_stride = slots;
    block.partners = arena.take<std::int32_t>(slots * lanes);
    for (Vec** array : {&block.x, &block.y, &block.z, &block.distance, &block.inverse})
        *array = arena.take<Vec>(slots + lanes);  // filled by whole squares of slots and lanes
    return block;
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

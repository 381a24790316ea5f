// Gathers the neighbors of a block of centers into structure-of-arrays form: slot by slot, one
// lane a center, sorted by the neighbor's species, padded with neighbors at the cutoff where
// every radial function is zero.
#pragma once

#include <cmath>

#include "kernels/kernels.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr double shortest_squared = 1e-12;  // angstrom^2: two atoms at one place
constexpr double longest_squared = 1e300;

struct Block {
    int species;              // of the centers
    int slots;                // a multiple of the tile
    int* segments;            // [C + 1], first slot of each neighbor species
    std::int64_t* pairs;      // [slots][lanes], -1 for padding
    Vec *x, *y, *z;           // [slots], unit vectors
    Vec *distance, *inverse;  // [slots], r and 1/r
};

struct GatherSpace {
    std::int64_t* accepted;  // [lanes][pairs]
    int* counts;             // [lanes][C]
};

inline std::size_t longest_list(const CenterBlock& input) {
    std::int64_t longest = 0;
    for (int lane = 0; lane < input.count; ++lane) {
        const std::int64_t* offsets = input.neighborhoods->offsets.data() + input.centers[lane];
        const std::int64_t count = offsets[1] - offsets[0];
        longest = count > longest ? count : longest;
    }
    return static_cast<std::size_t>(longest);
}

// A slot holds a neighbor of some lane; every species present is padded to whole tiles.
inline std::size_t max_slots(int species_count, std::size_t pairs) {
    const std::size_t lists = species_count < lanes ? species_count : lanes;
    return round_up(lists * pairs, tile) + static_cast<std::size_t>(species_count) * tile;
}

inline Block carve_block(Arena& arena, GatherSpace& space, int species_count, std::size_t pairs) {
    const std::size_t slots = max_slots(species_count, pairs);
    Block block{};
    block.segments = arena.take<int>(species_count + 1);
    block.pairs = arena.take<std::int64_t>(slots * lanes);
    for (Vec** array : {&block.x, &block.y, &block.z, &block.distance, &block.inverse})
        *array = arena.take<Vec>(slots);
    space.accepted = arena.take<std::int64_t>(lanes * pairs);
    space.counts = arena.take<int>(lanes * species_count);
    return block;
}

// Pairs of one center inside the cutoff, counted by species.
inline Status accept(const Neighborhoods& all, std::int64_t first, std::int64_t last, double cutoff,
                     int species_count, std::int64_t* accepted, int* counts) {
    const double* vectors = all.vectors.data();
    const std::int32_t* species = all.neighbor_species.data();
    const double cutoff_squared = cutoff * cutoff;
    bool sound = true, known = true;
    std::int64_t count = 0;
    for (std::int64_t p = first; p < last; ++p) {
        const double *v = vectors + 3 * p, squared = v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
        sound &= squared >= shortest_squared && squared <= longest_squared;
        known &= static_cast<unsigned>(species[p]) < static_cast<unsigned>(species_count);
        accepted[count] = p;
        count += squared < cutoff_squared;
    }
    if (!known) return Status::bad_species;
    if (!sound) return Status::bad_geometry;
    for (std::int64_t k = 0; k < count; ++k) ++counts[species[accepted[k]]];
    return Status::done;
}

inline void place_segments(Block& block, const int* counts, int species_count) {
    block.segments[0] = 0;
    for (int w = 0; w < species_count; ++w) {
        int longest = 0;
        for (int lane = 0; lane < lanes; ++lane) {
            const int count = counts[lane * species_count + w];
            longest = count > longest ? count : longest;
        }
        block.segments[w + 1] =
            block.segments[w] + static_cast<int>(round_up(static_cast<std::size_t>(longest), tile));
    }
    block.slots = block.segments[species_count];
}

inline void pad(Block& block, double cutoff) {
    for (int slot = 0; slot < block.slots; ++slot) {
        block.x[slot] = Vec{} + static_cast<Real>(cutoff);
        block.y[slot] = block.z[slot] = Vec{};
        for (int lane = 0; lane < lanes; ++lane) block.pairs[slot * lanes + lane] = -1;
    }
}

inline void fill_lane(Block& block, const Neighborhoods& all, int lane,
                      const std::int64_t* accepted, int* counts, int species_count) {
    const double* vectors = all.vectors.data();
    const std::int32_t* species = all.neighbor_species.data();
    int total = 0;
    for (int w = 0; w < species_count; ++w) {
        total += counts[w];
        counts[w] = block.segments[w];  // from here on the next free slot
    }
    Real *x = reinterpret_cast<Real*>(block.x), *y = reinterpret_cast<Real*>(block.y),
         *z = reinterpret_cast<Real*>(block.z);
    for (int k = 0; k < total; ++k) {
        const std::int64_t p = accepted[k];
        const std::size_t place = static_cast<std::size_t>(counts[species[p]]++) * lanes + lane;
        x[place] = static_cast<Real>(vectors[3 * p]);
        y[place] = static_cast<Real>(vectors[3 * p + 1]);
        z[place] = static_cast<Real>(vectors[3 * p + 2]);
        block.pairs[place] = p;
    }
}

// Vectors become unit vectors with their lengths; plain loops that the compiler vectorizes.
inline void normalize(Block& block) {
    const int count = block.slots * lanes;
    Real *x = reinterpret_cast<Real*>(block.x), *y = reinterpret_cast<Real*>(block.y),
         *z = reinterpret_cast<Real*>(block.z);
    Real* distance = reinterpret_cast<Real*>(block.distance);
    Real* inverse = reinterpret_cast<Real*>(block.inverse);
    for (int k = 0; k < count; ++k) {
        distance[k] = std::sqrt(x[k] * x[k] + y[k] * y[k] + z[k] * z[k]);
        inverse[k] = 1 / distance[k];
        x[k] *= inverse[k];
        y[k] *= inverse[k];
        z[k] *= inverse[k];
    }
}

inline Status gather(Block& block, const GatherSpace& space, const CompiledPotential& compiled,
                     const CenterBlock& input, std::size_t pairs) {
    const Neighborhoods& all = *input.neighborhoods;
    const int species_count = compiled.potential.species_count;
    const double cutoff = compiled.potential.radial.cutoff;
    block.species = all.species[input.centers[0]];
    for (int k = 0; k < lanes * species_count; ++k) space.counts[k] = 0;
    for (int lane = 0; lane < input.count; ++lane) {
        const std::int64_t* offsets = all.offsets.data() + input.centers[lane];
        const Status status =
            accept(all, offsets[0], offsets[1], cutoff, species_count,
                   space.accepted + lane * pairs, space.counts + lane * species_count);
        if (status != Status::done) return status;
    }
    place_segments(block, space.counts, species_count);
    pad(block, cutoff);
    for (int lane = 0; lane < input.count; ++lane)
        fill_lane(block, all, lane, space.accepted + lane * pairs,
                  space.counts + lane * species_count, species_count);
    normalize(block);
    return Status::done;
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

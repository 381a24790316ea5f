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
    std::int32_t* partners;   // [slots][lanes], see Pair; -1 for padding
    Vec *x, *y, *z;           // [slots], unit vectors
    Vec *distance, *inverse;  // [slots], r and 1/r
};

// Pairs of one center inside the cutoff: of one species at once in their places in the block, of
// several one after the other, to be sorted.
struct Accepted {
    Real *x, *y, *z;
    std::int32_t* partners;
    std::int32_t* species;  // only if there are several
    int* counts;            // [C]
    int count;
};

struct GatherSpace {
    Accepted lane[lanes];
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

inline Block carve_block(Arena& arena, GatherSpace& space, int species_count, std::size_t pairs) {
    const std::size_t slots = max_slots(species_count, pairs);
    Block block{};
    block.segments = arena.take<int>(species_count + 1);
    block.partners = arena.take<std::int32_t>(slots * lanes);
    for (Vec** array : {&block.x, &block.y, &block.z, &block.distance, &block.inverse})
        *array = arena.take<Vec>(slots);
    for (int k = 0; k < lanes; ++k) {
        Accepted& lane = space.lane[k];
        lane.counts = arena.take<int>(species_count);
        if (species_count == 1) {
            lane.x = reinterpret_cast<Real*>(block.x) + k;
            lane.y = reinterpret_cast<Real*>(block.y) + k;
            lane.z = reinterpret_cast<Real*>(block.z) + k;
            lane.partners = block.partners + k;
            continue;
        }
        for (Real** array : {&lane.x, &lane.y, &lane.z})
            *array = arena.take<Real>(pairs + 1);  // one is written ahead
        lane.partners = arena.take<std::int32_t>(pairs + 1);
        lane.species = arena.take<std::int32_t>(pairs + 1);
    }
    return block;
}

struct Pair {
    double x, y, z;
    std::int32_t
        partner;  // the neighbor's atom in a list, else the pair counted from the center's first
    std::int32_t species;
};

// The pairs of a center of neighborhoods.
struct VectorPairs {
    const double* vectors;
    const std::int32_t* species;
    std::int64_t first;

    VectorPairs(const Neighborhoods& all, std::int32_t center)
        : vectors(all.vectors.data()),
          species(all.neighbor_species.data()),
          first(all.offsets[center]) {}

    Pair operator[](std::size_t k) const {
        const std::int64_t p = first + static_cast<std::int64_t>(k);
        const double* v = vectors + 3 * p;
        return {v[0], v[1], v[2], static_cast<std::int32_t>(k), species[p]};
    }
};

// The pairs of a center with a list of atoms.
struct ListPairs {
    const AtomList& list;
    const int* entries;
    double x, y, z;

    ListPairs(const AtomList& all, std::int32_t center)
        : list(all),
          entries(all.neighbors[center]),
          x(all.positions[3 * static_cast<std::size_t>(center)]),
          y(all.positions[3 * static_cast<std::size_t>(center) + 1]),
          z(all.positions[3 * static_cast<std::size_t>(center) + 2]) {}

    Pair operator[](std::size_t k) const {
        const std::int32_t j = entries[k] & list.mask;
        const double* v = list.positions + 3 * static_cast<std::size_t>(j);
        return {v[0] - x, v[1] - y, v[2] - z, j, list.species[list.types[j]]};
    }
};

// The bits of numbers that are not negative stand in their order, those of NaN at an end of it:
// whole numbers are compared faster, and nothing that is not a number passes unseen.
inline std::int64_t bits_of(double number) {
    return __builtin_bit_cast(std::int64_t, number);
}

// Without a branch, since a third of a list with a skin lies beyond the cutoff.
template <bool OneSpecies, class Pairs>
inline Status accept(const Pairs& pairs, std::size_t count, double cutoff, int species_count,
                     Accepted& out) {
    constexpr int stride = OneSpecies ? lanes : 1;
    const std::int64_t cutoff_squared = bits_of(cutoff * cutoff);
    std::int64_t shortest = bits_of(longest_squared), longest = 0;
    bool known = true;
    int accepted = 0;
    for (std::size_t k = 0; k < count; ++k) {
        const Pair pair = pairs[k];
        const std::int64_t squared = bits_of(pair.x * pair.x + pair.y * pair.y + pair.z * pair.z);
        const bool inside = squared < cutoff_squared;
        shortest = squared < shortest ? squared : shortest;
        longest = squared > longest ? squared : longest;
        known &=
            !inside | (static_cast<unsigned>(pair.species) < static_cast<unsigned>(species_count));
        out.x[accepted * stride] = static_cast<Real>(pair.x);
        out.y[accepted * stride] = static_cast<Real>(pair.y);
        out.z[accepted * stride] = static_cast<Real>(pair.z);
        out.partners[accepted * stride] = pair.partner;
        if (!OneSpecies) out.species[accepted] = pair.species;
        accepted += inside;
    }
    if (!known) return Status::bad_species;
    if (shortest < bits_of(shortest_squared) || longest > bits_of(longest_squared))
        return Status::bad_geometry;
    out.count = accepted;
    if (OneSpecies) {
        out.counts[0] = accepted;
        return Status::done;
    }
    for (int w = 0; w < species_count; ++w) out.counts[w] = 0;
    for (int k = 0; k < accepted; ++k) ++out.counts[out.species[k]];
    return Status::done;
}

template <class Pairs>
inline Status accept(const Pairs& pairs, std::size_t count, const Potential& potential,
                     Accepted& out) {
    const double cutoff = potential.radial.cutoff;
    const int species_count = potential.species_count;
    return species_count == 1 ? accept<true>(pairs, count, cutoff, 1, out)
                              : accept<false>(pairs, count, cutoff, species_count, out);
}

inline Status accept_center(const Potential& potential, const CenterBlock& input, int lane,
                            Accepted& out) {
    const std::int32_t center = input.centers[lane];
    const std::size_t count = input.pair_count(lane);
    if (!input.list)
        return accept(VectorPairs(*input.neighborhoods, center), count, potential, out);
    const ListPairs pairs(*input.list, center);
    if (!std::isfinite(pairs.x + pairs.y + pairs.z)) return Status::bad_geometry;
    return accept(pairs, count, potential, out);
}

inline void place_segments(Block& block, const GatherSpace& space, int count, int species_count) {
    block.segments[0] = 0;
    for (int w = 0; w < species_count; ++w) {
        int longest = 0;
        for (int lane = 0; lane < count; ++lane) {
            const int present = space.lane[lane].counts[w];
            longest = present > longest ? present : longest;
        }
        block.segments[w + 1] =
            block.segments[w] + static_cast<int>(round_up(static_cast<std::size_t>(longest), tile));
    }
    block.slots = block.segments[species_count];
}

inline void pad_lane(Block& block, int lane, int begin, int end, double cutoff) {
    for (int slot = begin; slot < end; ++slot) {
        block.x[slot][lane] = static_cast<Real>(cutoff);
        block.y[slot][lane] = block.z[slot][lane] = 0;
        block.partners[slot * lanes + lane] = -1;
    }
}

// Sorts a lane by species.
inline void fill_lane(Block& block, int lane, const Accepted& from, int species_count,
                      double cutoff) {
    Real *x = reinterpret_cast<Real*>(block.x), *y = reinterpret_cast<Real*>(block.y),
         *z = reinterpret_cast<Real*>(block.z);
    for (int w = 0; w < species_count; ++w) {
        const int first = block.segments[w];
        pad_lane(block, lane, first + from.counts[w], block.segments[w + 1], cutoff);
        from.counts[w] = first;  // from here on the next free slot
    }
    for (int k = 0; k < from.count; ++k) {
        const int slot = from.counts[from.species[k]]++;
        const std::size_t place = static_cast<std::size_t>(slot) * lanes + lane;
        x[place] = from.x[k];
        y[place] = from.y[k];
        z[place] = from.z[k];
        block.partners[place] = from.partners[k];
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

inline Status gather(Block& block, GatherSpace& space, const CompiledPotential& compiled,
                     const CenterBlock& input) {
    const int species_count = compiled.potential.species_count;
    const double cutoff = compiled.potential.radial.cutoff;
    block.species = input.species();
    for (int lane = 0; lane < input.count; ++lane) {
        const Status status = accept_center(compiled.potential, input, lane, space.lane[lane]);
        if (status != Status::done) return status;
    }
    place_segments(block, space, input.count, species_count);
    for (int lane = 0; lane < lanes; ++lane) {
        Accepted& accepted = space.lane[lane];
        if (lane >= input.count)
            pad_lane(block, lane, 0, block.slots, cutoff);
        else if (species_count == 1)
            pad_lane(block, lane, accepted.count, block.slots, cutoff);
        else
            fill_lane(block, lane, accepted, species_count, cutoff);
    }
    normalize(block);
    return Status::done;
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

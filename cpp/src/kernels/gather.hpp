// Fills a block: the pairs inside the cutoff of every center, sorted by species, then transposed
// so that each center has its lane.
#pragma once

#include <cmath>
#include <cstring>
#include <utility>

#include "kernels/block.hpp"
#include "kernels/compress.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr double shortest_squared = 1e-12;  // angstrom^2: two atoms at one place
constexpr double longest_squared = 1e300;

// Neighbors of one center and one species inside the cutoff.
struct Accepted {
    Real *x, *y, *z;
    std::int32_t* partners;
    int count;
};

struct GatherSpace {
    Accepted* accepted;  // [C][lanes]

    GatherSpace(Arena& arena, int species_count, std::size_t pairs)
        : accepted(arena.take<Accepted>(static_cast<std::size_t>(species_count) * lanes)) {
        // Whole registers are read and written, beyond the last neighbor.
        const std::size_t room = round_up(pairs, lanes) + lanes;
        auto* numbers = arena.take<Real>(3 * room * species_count * lanes);
        auto* partners = arena.take<std::int32_t>(room * species_count * lanes);
        for (int k = 0; accepted && k < species_count * lanes; ++k, numbers += 3 * room)
            accepted[k] = {numbers, numbers + room, numbers + 2 * room, partners + k * room, 0};
    }
};

// As many pairs of a center as a register has doubles.
struct Pairs {
    Chunk x, y, z;
    Numbers partners;  // see Block
    Numbers species;
};

// Calls body with the numbers 0 ... chunk - 1.
template <class Body>
inline auto with_places(Body&& body) {
    return [&]<int... K>(std::integer_sequence<int, K...>) {
        return body.template operator()<K...>();
    }(std::make_integer_sequence<int, chunk>());
}

// Number of the pair in one place; behind the last pair of all this is repeated.
template <bool Whole>
inline int pair_at(int place, int first, int count) {
    return Whole || first + place < count ? first + place : count - 1;
}

// The pairs of a center of neighborhoods.
struct VectorPairs {
    const double* vectors;
    const std::int32_t* species;

    VectorPairs(const Neighborhoods& all, std::int32_t center)
        : vectors(all.vectors.data() + 3 * all.offsets[center]),
          species(all.neighbor_species.data() + all.offsets[center]) {}

    template <bool Whole>
    Pairs take(int first, int count) const {
        return with_places([&]<int... K>() -> Pairs {
            const auto pair = [&](int place) {
                return static_cast<std::size_t>(pair_at<Whole>(place, first, count));
            };
            return {Chunk{vectors[3 * pair(K)]...}, Chunk{vectors[3 * pair(K) + 1]...},
                    Chunk{vectors[3 * pair(K) + 2]...}, Numbers{(first + K)...},
                    Numbers{species[pair(K)]...}};
        });
    }
};

// The pairs of a center with a list of atoms.
template <bool OneSpecies>
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

    template <bool Whole>
    Pairs take(int first, int count) const {
        return with_places([&]<int... K>() {
            const auto atom = [&](int place) {
                return entries[pair_at<Whole>(place, first, count)] & list.mask;
            };
            const auto place_of = [&](int place) {
                return list.positions + 3 * static_cast<std::size_t>(atom(place));
            };
            Pairs pairs{Chunk{place_of(K)[0]...} - x, Chunk{place_of(K)[1]...} - y,
                        Chunk{place_of(K)[2]...} - z, Numbers{}, Numbers{}};
            if constexpr (Whole)
                std::memcpy(&pairs.partners, entries + first, sizeof pairs.partners);
            else
                pairs.partners = Numbers{atom(K)...};
            pairs.partners &= list.mask;
            if constexpr (!OneSpecies)
                pairs.species = Numbers{list.species[list.types[atom(K)]]...};
            return pairs;
        });
    }
};

inline void store(Chunk values, Real* out) {
    typedef Real Values __attribute__((vector_size(sizeof(Real) * chunk)));
    const auto converted = __builtin_convertvector(values, Values);
    std::memcpy(out, &converted, sizeof converted);
}

inline void append(const Pairs& pairs, unsigned bits, Accepted& out) {
    store(pack(pairs.x, bits), out.x + out.count);
    store(pack(pairs.y, bits), out.y + out.count);
    store(pack(pairs.z, bits), out.z + out.count);
    const Numbers partners = pack(pairs.partners, bits);
    std::memcpy(out.partners + out.count, &partners, sizeof partners);
    out.count += __builtin_popcount(bits);
}

inline void append_one(const Pairs& pairs, int place, Accepted& out) {
    out.x[out.count] = static_cast<Real>(pairs.x[place]);
    out.y[out.count] = static_cast<Real>(pairs.y[place]);
    out.z[out.count] = static_cast<Real>(pairs.z[place]);
    out.partners[out.count] = pairs.partners[place];
    ++out.count;
}

constexpr int most_passes = 4;  // over the species of a register; with more, pairs go one by one

// What is known of all pairs of a center so far.
struct Survey {
    Chunk shortest = Chunk{} + longest_squared, total{};  // of squared distances
    bool strangers = false;                               // inside the cutoff, of no known species

    Status status() const {
        if (strangers) return Status::bad_species;
        // What is not a number is in the total, too.
        const bool good = bits_below(shortest, shortest_squared) == 0 &&
                          bits_below(total, longest_squared) == all_bits;
        return good ? Status::done : Status::bad_geometry;
    }
};

template <bool OneSpecies>
inline void accept_pairs(const Pairs& pairs, unsigned present, const Potential& potential,
                         Survey& survey, Accepted* out) {
    const Chunk squared = pairs.x * pairs.x + pairs.y * pairs.y + pairs.z * pairs.z;
    survey.shortest = squared < survey.shortest ? squared : survey.shortest;
    survey.total += squared;
    const double cutoff = potential.radial.cutoff;
    unsigned inside = bits_below(squared, cutoff * cutoff) & present;
    const int species_count = OneSpecies ? 1 : potential.species_count;
    for (int w = 0; species_count <= most_passes && w < species_count; ++w) {
        const unsigned own = inside & bits_equal(pairs.species, w);
        if (OneSpecies || own) append(pairs, own, out[w * lanes]);
        inside &= ~own;
    }
    for (; inside; inside &= inside - 1) {
        const int place = __builtin_ctz(inside);
        const std::int32_t w = pairs.species[place];
        if (static_cast<unsigned>(w) < static_cast<unsigned>(species_count))
            append_one(pairs, place, out[w * lanes]);
        else
            survey.strangers = true;
    }
}

// Every species of `out` stands `lanes` behind the one before.
template <bool OneSpecies, class Source>
inline Status accept(const Source& source, int count, const Potential& potential, Accepted* out) {
    Survey survey;
    Accepted* target = out;
    Accepted first = *out;  // its own, so that stores of numbers do not make it be read again
    if (OneSpecies) target = &first;
    int k = 0;
    for (; k + chunk <= count; k += chunk)
        accept_pairs<OneSpecies>(source.template take<true>(k, count), all_bits, potential, survey,
                                 target);
    if (k < count)
        accept_pairs<OneSpecies>(source.template take<false>(k, count), (1u << (count - k)) - 1,
                                 potential, survey, target);
    if (OneSpecies) *out = first;
    return survey.status();
}

inline Status accept_center(const Potential& potential, const CenterBlock& input, int lane,
                            Accepted* out) {
    const std::int32_t center = input.centers[lane];
    const int count = static_cast<int>(input.pair_count(lane));
    for (int w = 0; w < potential.species_count; ++w) out[w * lanes].count = 0;
    if (!input.list) {
        const VectorPairs pairs(*input.neighborhoods, center);
        return potential.species_count == 1 ? accept<true>(pairs, count, potential, out)
                                            : accept<false>(pairs, count, potential, out);
    }
    const double* place = input.list->positions + 3 * static_cast<std::size_t>(center);
    if (!std::isfinite(place[0] + place[1] + place[2])) return Status::bad_geometry;
    if (input.one_species)
        return accept<true>(ListPairs<true>(*input.list, center), count, potential, out);
    return accept<false>(ListPairs<false>(*input.list, center), count, potential, out);
}

inline void place_segments(Block& block, const GatherSpace& space, int count, int species_count) {
    block.segments[0] = 0;
    for (int w = 0; w < species_count; ++w) {
        int longest = 0;
        for (int lane = 0; lane < count; ++lane) {
            const int present = space.accepted[w * lanes + lane].count;
            longest = present > longest ? present : longest;
        }
        block.segments[w + 1] =
            block.segments[w] + static_cast<int>(round_up(static_cast<std::size_t>(longest), tile));
    }
    block.slots = block.segments[species_count];
}

inline void pad(Accepted& lane, int slots, double cutoff) {
    for (int k = lane.count; k < slots; ++k) {
        lane.x[k] = static_cast<Real>(cutoff);
        lane.y[k] = lane.z[k] = 0;
        lane.partners[k] = -1;
    }
}

// Exchanges the squares beside the diagonal of squares of 2 * Half rows.
template <int Half, int... Column>
inline void exchange(Vec (&rows)[lanes], std::integer_sequence<int, Column...>) {
    MTPOT_UNROLL
    for (int k = 0; k < lanes; ++k) {
        if (k & Half) continue;
        const Vec upper = rows[k], lower = rows[k + Half];
        rows[k] = __builtin_shufflevector(upper, lower,
                                          (Column & Half ? lanes + Column - Half : Column)...);
        rows[k + Half] = __builtin_shufflevector(
            upper, lower, (Column & Half ? lanes + Column : Column + Half)...);
    }
}

template <int Half = 1>
inline void transpose(Vec (&rows)[lanes]) {
    exchange<Half>(rows, std::make_integer_sequence<int, lanes>());
    if constexpr (2 * Half < lanes) transpose<2 * Half>(rows);
}

// out[slot][lane] = list of the lane [slot]; up to lanes - 1 slots more are written.
template <class ListOf>
inline void transpose_lists(int slots, ListOf&& list_of, Vec* out) {
    for (int first = 0; first < slots; first += lanes) {
        Vec rows[lanes];
        MTPOT_UNROLL
        for (int lane = 0; lane < lanes; ++lane)
            std::memcpy(&rows[lane], list_of(lane) + first, sizeof(Vec));
        transpose(rows);
        MTPOT_UNROLL
        for (int k = 0; k < lanes; ++k) out[first + k] = rows[k];
    }
}

inline void fill_segment(Block& block, int first, int slots, Accepted* accepted, double cutoff) {
    for (int lane = 0; lane < lanes; ++lane) {
        pad(accepted[lane], slots, cutoff);
        std::memcpy(block.partners + lane * block.partner_stride + first, accepted[lane].partners,
                    sizeof(std::int32_t) * slots);
    }
    transpose_lists(slots, [&](int lane) { return accepted[lane].x; }, block.x + first);
    transpose_lists(slots, [&](int lane) { return accepted[lane].y; }, block.y + first);
    transpose_lists(slots, [&](int lane) { return accepted[lane].z; }, block.z + first);
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
    block.species = input.species();
    for (int lane = 0; lane < input.count; ++lane) {
        const Status status = accept_center(compiled.potential, input, lane, space.accepted + lane);
        if (status != Status::done) return status;
    }
    for (int w = 0; w < species_count; ++w)
        for (int lane = input.count; lane < lanes; ++lane)
            space.accepted[w * lanes + lane].count = 0;
    place_segments(block, space, input.count, species_count);
    for (int w = 0; w < species_count; ++w)
        fill_segment(block, block.segments[w], block.segments[w + 1] - block.segments[w],
                     space.accepted + w * lanes, compiled.potential.radial.cutoff);
    normalize(block);
    return Status::done;
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

#include "chunk.hpp"

#include <cmath>

#include "mtpot/error.hpp"

namespace mtpot {

void Chunk::gather(const AtomList& list, std::span<const int> centers, double cutoff) {
    reserve_for(list, centers);
    center_count_ = centers.size();
    pair_count_ = 0;
    offsets_[0] = 0;
    for (std::size_t c = 0; c < centers.size(); ++c) {
        atoms_[c] = centers[c];
        species_[c] = list.species[list.types[centers[c]]];
        pair_count_ = gather_center(list, centers[c], cutoff * cutoff, pair_count_);
        offsets_[c + 1] = static_cast<std::int64_t>(pair_count_);
    }
}

void Chunk::reserve_for(const AtomList& list, std::span<const int> centers) {
    std::size_t pairs = 1;  // gather_center() writes one entry ahead
    for (const int i : centers) pairs += static_cast<std::size_t>(list.neighbor_count[i]);
    reserve(species_, centers.size());
    reserve(atoms_, centers.size());
    reserve(offsets_, centers.size() + 1);
    reserve(energies_, centers.size());
    reserve(grades_, centers.size());
    reserve(neighbors_, pairs);
    reserve(neighbor_species_, pairs);
    reserve(vectors_, 3 * pairs);
    reserve(gradients_, 3 * pairs);
}

// Without a branch, since more than half of a list with a skin lies beyond the cutoff. Comparisons
// with NaN are false, so such a pair is passed on, and the engine says what is wrong.
std::size_t Chunk::gather_center(const AtomList& list, int i, double cutoff_squared,
                                 std::size_t pair) {
    const double* x = list.positions;
    const double* xi = x + 3 * static_cast<std::size_t>(i);
    if (!std::isfinite(xi[0] + xi[1] + xi[2]))
        throw NumericalError("the position of an atom is not a finite number");
    const int *entries = list.neighbors[i], count = list.neighbor_count[i];
    std::int32_t *neighbors = neighbors_.data(), *species = neighbor_species_.data();
    double* vectors = vectors_.data();
    for (int k = 0; k < count; ++k) {
        const int j = entries[k] & list.mask;
        const double* xj = x + 3 * static_cast<std::size_t>(j);
        const double dx = xj[0] - xi[0], dy = xj[1] - xi[1], dz = xj[2] - xi[2];
        vectors[3 * pair] = dx;
        vectors[3 * pair + 1] = dy;
        vectors[3 * pair + 2] = dz;
        neighbors[pair] = j;
        species[pair] = list.species[list.types[j]];
        pair += !(dx * dx + dy * dy + dz * dz >= cutoff_squared);
    }
    return pair;
}

Neighborhoods Chunk::view() const {
    return {{species_.data(), center_count_},   {offsets_.data(), center_count_ + 1},
            {neighbors_.data(), pair_count_},   {neighbor_species_.data(), pair_count_},
            {vectors_.data(), 3 * pair_count_}, {atoms_.data(), center_count_}};
}

Evaluator::Result Chunk::result() {
    return {{energies_.data(), center_count_}, {gradients_.data(), 3 * pair_count_}};
}

std::span<double> Chunk::grades() {
    return {grades_.data(), center_count_};
}

std::span<double> Chunk::rows(std::size_t parameters) {
    return {reserve(rows_, center_count_ * parameters), center_count_ * parameters};
}

double Chunk::memory_usage() const {
    return static_cast<double>(
        sizeof(std::int32_t) *
            (species_.size() + atoms_.size() + neighbors_.size() + neighbor_species_.size()) +
        sizeof(double) * (offsets_.size() + vectors_.size() + gradients_.size() + energies_.size() +
                          grades_.size() + rows_.size()));
}

}  // namespace mtpot

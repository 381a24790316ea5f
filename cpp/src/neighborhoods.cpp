#include "mtpot/neighborhoods.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "mtpot/error.hpp"

namespace mtpot {
namespace {

void check_indices(std::span<const std::int64_t> indices, std::size_t atom_count) {
    for (const auto index : indices)
        if (index < 0 || static_cast<std::size_t>(index) >= atom_count)
            throw InputError("a pair names atom " + std::to_string(index) + ", but there are " +
                             std::to_string(atom_count) + " atoms");
}

}  // namespace

void check(const Neighborhoods& neighborhoods) {
    const auto& offsets = neighborhoods.offsets;
    const std::size_t pairs = neighborhoods.pair_count();
    require(neighborhoods.neighbors.size() == pairs && neighborhoods.vectors.size() == 3 * pairs,
            "neighbors, their species and vectors must describe the same number of pairs");
    require(
        neighborhoods.atoms.empty() || neighborhoods.atoms.size() == neighborhoods.center_count(),
        "every center needs its atom");
    if (neighborhoods.center_count() == 0) return;
    require(offsets.size() == neighborhoods.center_count() + 1,
            "there must be one offset more than centers");
    require(offsets.front() >= 0 && offsets.back() <= static_cast<std::int64_t>(pairs) &&
                std::is_sorted(offsets.begin(), offsets.end()),
            "offsets must increase and lie within the pairs");
}

OwnedNeighborhoods::OwnedNeighborhoods(std::span<const std::int32_t> species,
                                       std::span<const std::int64_t> centers,
                                       std::span<const std::int64_t> neighbors,
                                       std::span<const double> vectors)
    : species_(species.begin(), species.end()),
      offsets_(species.size() + 1, 0),
      neighbors_(centers.size()),
      neighbor_species_(centers.size()),
      vectors_(3 * centers.size()) {
    require(species.size() <= std::numeric_limits<std::int32_t>::max(), "too many atoms");
    require(neighbors.size() == centers.size() && vectors.size() == 3 * centers.size(),
            "centers, neighbors and vectors must describe the same number of pairs");
    check_indices(centers, species.size());
    check_indices(neighbors, species.size());
    for (const auto center : centers) ++offsets_[center + 1];
    for (std::size_t i = 0; i < species.size(); ++i) offsets_[i + 1] += offsets_[i];
    std::vector<std::int64_t> next(offsets_.begin(), offsets_.end() - 1);
    for (std::size_t pair = 0; pair < centers.size(); ++pair) {
        const auto place = next[centers[pair]]++;
        neighbors_[place] = static_cast<std::int32_t>(neighbors[pair]);
        neighbor_species_[place] = species[neighbors[pair]];
        std::copy_n(vectors.begin() + 3 * pair, 3, vectors_.begin() + 3 * place);
    }
}

Neighborhoods OwnedNeighborhoods::view() const {
    return {species_, offsets_, neighbors_, neighbor_species_, vectors_};
}

}  // namespace mtpot

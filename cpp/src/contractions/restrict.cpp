#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>

#include "mtpot/contractions.hpp"
#include "mtpot/error.hpp"

namespace mtpot {
namespace {

void check_kept(std::span<const int> kept, std::size_t scalar_count) {
    require(!kept.empty(), "at least one scalar must be kept");
    const bool ascending =
        std::adjacent_find(kept.begin(), kept.end(), std::greater_equal<int>()) == kept.end();
    require(ascending, "the scalars to keep must be in ascending order, each once");
    require(kept.front() >= 0 && static_cast<std::size_t>(kept.back()) < scalar_count,
            "the scalars to keep must be between 0 and " + std::to_string(scalar_count - 1));
}

// Moments are complete before they are read, so one pass from the end reaches all that is needed.
std::vector<char> needed_moments(const Contractions& contractions, std::span<const int> kept) {
    std::vector<char> needed(contractions.moment_count, false);
    for (const int scalar : kept) needed[contractions.scalars[scalar]] = true;
    for (auto p = contractions.products.rbegin(); p != contractions.products.rend(); ++p)
        if (needed[p->target]) needed[p->left] = needed[p->right] = true;
    return needed;
}

// New numbers of those that are kept, -1 for the others.
std::vector<int> numbered(const std::vector<char>& kept) {
    std::vector<int> numbers(kept.size(), -1);
    int count = 0;
    for (std::size_t k = 0; k < kept.size(); ++k)
        if (kept[k]) numbers[k] = count++;
    return numbers;
}

std::vector<char> needed_functions(const Contractions& contractions,
                                   const std::vector<char>& needed) {
    std::vector<char> result(contractions.radial_function_count(), false);
    for (std::size_t k = 0; k < contractions.basics.size(); ++k)
        if (needed[k]) result[contractions.basics[k].mu] = true;
    return result;
}

}  // namespace

Restriction restrict_to(const Contractions& contractions, std::span<const int> kept) {
    check_kept(kept, contractions.scalars.size());
    const std::vector<char> needed = needed_moments(contractions, kept);
    const std::vector<char> used = needed_functions(contractions, needed);
    const std::vector<int> moment = numbered(needed), function = numbered(used);
    Restriction result;
    for (std::size_t mu = 0; mu < used.size(); ++mu)
        if (used[mu]) result.radial_functions.push_back(static_cast<int>(mu));
    Contractions& left = result.contractions;
    left.moment_count = static_cast<int>(std::count(needed.begin(), needed.end(), true));
    for (std::size_t k = 0; k < contractions.basics.size(); ++k) {
        const auto& [mu, a, b, c] = contractions.basics[k];
        if (needed[k]) left.basics.push_back({function[mu], a, b, c});
    }
    for (const auto& p : contractions.products)
        if (needed[p.target])
            left.products.push_back(
                {moment[p.left], moment[p.right], p.multiplier, moment[p.target]});
    for (const int scalar : kept) left.scalars.push_back(moment[contractions.scalars[scalar]]);
    return result;
}

}  // namespace mtpot

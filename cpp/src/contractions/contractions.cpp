#include "mtpot/contractions.hpp"

#include <algorithm>
#include <cstddef>
#include <string>

#include "mtpot/error.hpp"

namespace mtpot {
namespace {

// Far above any potential, and low enough that no sum of levels overflows.
constexpr int largest_exponent = 100;
constexpr int largest_level = 10'000;

void check_basics(const Contractions& contractions) {
    for (std::size_t i = 0; i < contractions.basics.size(); ++i) {
        const auto& [mu, a, b, c] = contractions.basics[i];
        const auto [least, most] = std::minmax({mu, a, b, c});
        if (least < 0 || most > largest_exponent)
            throw InputError("basic moment " + std::to_string(i) + " has an index outside 0 to " +
                             std::to_string(largest_exponent));
    }
    require(contractions.moment_count >= 0 &&
                contractions.basics.size() <= static_cast<std::size_t>(contractions.moment_count),
            "there are fewer moments (" + std::to_string(contractions.moment_count) +
                ") than basic moments (" + std::to_string(contractions.basics.size()) + ")");
}

std::string product_name(std::size_t position) {
    return "product " + std::to_string(position);
}

// Messages are made only when one is needed: there can be hundreds of thousands of products.
void check_indices(const Contractions& contractions) {
    const int basic_count = static_cast<int>(contractions.basics.size());
    const int count = contractions.moment_count;
    for (std::size_t i = 0; i < contractions.products.size(); ++i) {
        const auto& [left, right, multiplier, target] = contractions.products[i];
        const auto [least, most] = std::minmax({left, right, target});
        if (least < 0 || most >= count)
            throw InputError(product_name(i) + " has a moment outside 0 to " +
                             std::to_string(count - 1));
        if (target < basic_count)
            throw InputError(product_name(i) + " adds to basic moment " + std::to_string(target) +
                             "; only other moments are sums of products");
    }
}

// For each moment the number of products up to the last one that adds to it; 0 if none does.
std::vector<std::size_t> completed_at(const Contractions& contractions) {
    std::vector<std::size_t> result(contractions.moment_count, 0);
    for (std::size_t i = 0; i < contractions.products.size(); ++i)
        result[contractions.products[i].target] = i + 1;
    return result;
}

void check_order(const Contractions& contractions) {
    const std::vector<std::size_t> completed = completed_at(contractions);
    for (std::size_t k = contractions.basics.size(); k < completed.size(); ++k)
        if (completed[k] == 0)
            throw InputError("moment " + std::to_string(k) +
                             " is neither basic nor a sum of products");
    for (std::size_t i = 0; i < contractions.products.size(); ++i) {
        const auto& [left, right, multiplier, target] = contractions.products[i];
        for (const int operand : {left, right})
            if (completed[operand] > i)
                throw InputError(product_name(i) + " reads moment " + std::to_string(operand) +
                                 " before it is complete");
    }
}

void check_scalars(const Contractions& contractions) {
    std::vector<bool> seen(contractions.moment_count, false);
    for (const int moment : contractions.scalars) {
        if (moment < 0 || moment >= contractions.moment_count)
            throw InputError("scalar moment " + std::to_string(moment) + " is outside 0 to " +
                             std::to_string(contractions.moment_count - 1));
        if (seen[moment])
            throw InputError("scalar moment " + std::to_string(moment) + " stands twice");
        seen[moment] = true;
    }
}

// lev of a product is the sum of its factors'.
std::vector<int> moment_levels(const Contractions& contractions) {
    std::vector<int> levels(contractions.moment_count, 0);
    for (std::size_t i = 0; i < contractions.basics.size(); ++i)
        levels[i] = contractions.basics[i].level();
    for (const auto& [left, right, multiplier, target] : contractions.products)
        levels[target] = std::clamp(levels[left] + levels[right], levels[target], largest_level);
    return levels;
}

}  // namespace

int Contractions::radial_function_count() const {
    int count = 0;
    for (const BasicMoment& basic : basics) count = std::max(count, basic.mu + 1);
    return count;
}

int Contractions::level() const {
    const std::vector<int> levels = moment_levels(*this);
    int largest = 0;
    for (const int moment : scalars) largest = std::max(largest, levels[moment]);
    return largest;
}

void check(const Contractions& contractions) {
    check_basics(contractions);
    check_indices(contractions);
    check_order(contractions);
    check_scalars(contractions);
}

}  // namespace mtpot

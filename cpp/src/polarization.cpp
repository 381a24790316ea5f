#include "polarization.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

namespace mtpot {
namespace {

constexpr unsigned subset_count = 1u << most_factors;

}  // namespace

Polarization::Polarization(const Contractions& source, const ScalarWeights& weights)
    : source_(source),
      sets_(weights.sets),
      weights_(source.moment_count),
      jets_(source.moment_count) {
    for (const auto& basic : source_.basics)
        basics_.push_back(harmonics::monomial_in_harmonics(basic.a, basic.b, basic.c));
    std::vector<char> needed(source_.moment_count, false);
    for (std::size_t alpha = 0; alpha < source_.scalars.size(); ++alpha) {
        const int moment = source_.scalars[alpha];
        auto& all = weights_[moment];
        all.insert(all.end(), weights.of[alpha].begin(), weights.of[alpha].end());
        needed[moment] |= !all.empty();
    }
    for (auto p = source_.products.rbegin(); p != source_.products.rend(); ++p)
        if (needed[p->target]) {
            needed[p->left] = needed[p->right] = true;
            products_.push_back(*p);
        }
    std::reverse(products_.begin(), products_.end());
}

std::vector<Polarization::Part> Polarization::parts(const Directions& directions) {
    const unsigned all = (1u << directions.channels.size()) - 1;
    evaluate(directions, false);
    auto values = sums(all, false);
    evaluate(directions, true);
    const auto magnitudes = sums(all, true);
    std::vector<Part> result;
    for (std::size_t set = 0; set < sets_; ++set) {
        const auto& bounds = magnitudes[set];
        const auto largest = std::max_element(bounds.begin(), bounds.end());
        result.push_back({std::move(values[set]), largest == bounds.end() ? 0.0 : *largest});
    }
    return result;
}

void Polarization::evaluate(const Directions& directions, bool magnitudes) {
    samples_ = directions.samples;
    for (const int moment : touched_) jets_[moment] = {};
    touched_.clear();
    pool_.clear();
    set_basics(directions, magnitudes);
    for (const auto& product : products_)
        if (jets_[product.left].subsets && jets_[product.right].subsets)
            add_product(product, magnitudes ? std::abs(product.multiplier) : product.multiplier);
}

std::vector<std::vector<double>> Polarization::sums(unsigned all, bool magnitudes) {
    std::vector<std::vector<double>> result(sets_);
    for (const int moment : touched_) {
        if (!(jets_[moment].subsets >> all & 1u)) continue;
        const double* value = at(moment, all);
        for (const auto& [set, signed_weight] : weights_[moment]) {
            const double weight = magnitudes ? std::abs(signed_weight) : signed_weight;
            auto& sum = result[set];
            sum.resize(samples_);
            for (std::size_t s = 0; s < samples_; ++s) sum[s] += weight * value[s];
        }
    }
    return result;
}

void Polarization::set_basics(const Directions& directions, bool magnitudes) {
    for (std::size_t i = 0; i < directions.channels.size(); ++i) {
        const auto [mu, l] = directions.channels[i];
        for (std::size_t k = 0; k < basics_.size(); ++k) {
            const auto& basic = source_.basics[k];
            if (basic.mu != mu || basic.nu() < l || (basic.nu() - l) % 2 != 0) continue;
            double* value = at(static_cast<int>(k), 1u << i);
            for (const auto& [index, factor] : basics_[k]) {
                const int position = index - l * l;
                if (position < 0 || position > 2 * l) continue;
                const double* u = directions.harmonics[i][position].data();
                for (std::size_t s = 0; s < samples_; ++s)
                    value[s] += magnitudes ? std::abs(factor * u[s]) : factor * u[s];
            }
        }
    }
}

void Polarization::add_product(const Product& product, double multiplier) {
    const unsigned rights = jets_[product.right].subsets;
    for (unsigned lefts = jets_[product.left].subsets; lefts; lefts &= lefts - 1) {
        const auto left = static_cast<unsigned>(std::countr_zero(lefts));
        for (unsigned rest = rights; rest; rest &= rest - 1) {
            const auto right = static_cast<unsigned>(std::countr_zero(rest));
            if (left & right) continue;
            double* target = at(product.target, left | right);
            const double *a = at(product.left, left), *b = at(product.right, right);
            for (std::size_t s = 0; s < samples_; ++s) target[s] += multiplier * a[s] * b[s];
        }
    }
}

// The pool may move when a moment is touched for the first time.
double* Polarization::at(int moment, unsigned subset) {
    Jet& jet = jets_[moment];
    if (jet.subsets == 0) {
        jet.first = pool_.size();
        pool_.resize(pool_.size() + subset_count * samples_, 0.0);
        touched_.push_back(moment);
    }
    jet.subsets |= 1u << subset;
    return pool_.data() + jet.first + subset * samples_;
}

}  // namespace mtpot

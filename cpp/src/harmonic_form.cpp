#include "harmonic_form.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "polarization.hpp"

namespace mtpot {
namespace {

using Factors = std::vector<Channel>;  // sorted; before blocks() l is the rank nu of the moment

// Which factors each moment of the list has; none where that is not the same in all of its terms,
// or where they are too many.
std::vector<std::optional<Factors>> factors_of_moments(const Contractions& list) {
    std::vector<std::optional<Factors>> factors(list.moment_count);
    std::vector<char> seen(list.moment_count, false);
    for (std::size_t k = 0; k < list.basics.size(); ++k)
        factors[k] = Factors{{list.basics[k].mu, list.basics[k].nu()}};
    for (const auto& [left, right, multiplier, target] : list.products) {
        std::optional<Factors> merged;
        if (factors[left] && factors[right] &&
            factors[left]->size() + factors[right]->size() <= most_factors) {
            merged = factors[left];
            merged->insert(merged->end(), factors[right]->begin(), factors[right]->end());
            std::sort(merged->begin(), merged->end());
        }
        if (!seen[target])
            factors[target] = merged;
        else if (factors[target] != merged)
            factors[target].reset();
        seen[target] = true;
    }
    return factors;
}

// Every M_{mu,nu} of some factors replaced by each A_{mu,l} in it.
void add_blocks(Factors factors, std::size_t position, std::set<Factors>& blocks) {
    if (position == factors.size()) {
        std::sort(factors.begin(), factors.end());
        blocks.insert(factors);
        return;
    }
    for (; factors[position].l >= 0; factors[position].l -= 2)
        add_blocks(factors, position + 1, blocks);
}

// The energy, the members' deviations and, if wanted, each scalar by itself.
ScalarWeights weights_of(const Potential& potential, bool scalars) {
    const auto sets = linear_coefficient_sets(potential);
    ScalarWeights weights{sets.size(), {}};
    weights.of.resize(potential.contractions->scalars.size());
    for (std::size_t alpha = 0; alpha < weights.of.size(); ++alpha) {
        auto& own = weights.of[alpha];
        for (std::size_t k = 0; k < sets.size(); ++k)
            if (sets[k][alpha] != 0.0) own.push_back({k, sets[k][alpha]});
        if (scalars) own.push_back({weights.sets++, 1.0});
    }
    return weights;
}

std::optional<std::set<Factors>> blocks_of(const Contractions& list, const ScalarWeights& weights) {
    const auto factors = factors_of_moments(list);
    std::set<Factors> sources, blocks;
    for (std::size_t alpha = 0; alpha < list.scalars.size(); ++alpha) {
        if (weights.of[alpha].empty()) continue;
        const auto& of_scalar = factors[list.scalars[alpha]];
        if (!of_scalar) return std::nullopt;
        sources.insert(*of_scalar);
    }
    for (const auto& source : sources) {
        for (const auto& factor : source)
            if (factor.l > harmonics::most_degree) return std::nullopt;
        add_blocks(source, 0, blocks);
    }
    return blocks;
}

// Two tensors whose scalar product is an invariant of a block.
struct Tensor {
    Channel first{-1, 0};
    std::optional<Channel> second;
    auto operator<=>(const Tensor&) const = default;

    int least() const { return second ? std::abs(first.l - second->l) : first.l; }
    int most() const { return second ? first.l + second->l : first.l; }
    // The product of a channel with itself has even degrees only.
    int step() const { return second && *second == first ? 2 : 1; }
    int products() const {
        if (!second) return 0;
        const int width = 2 * first.l + 1;
        return step() == 2 ? width * (width + 1) / 2 : width * (2 * second->l + 1);
    }
};

struct Split {
    Tensor left;
    std::optional<Tensor> right;  // none for a block of one factor

    // Factors of the block in the order in which the tensors take them.
    Factors order() const {
        Factors result{left.first};
        if (left.second) result.push_back(*left.second);
        if (right) result.push_back(right->first);
        if (right && right->second) result.push_back(*right->second);
        return result;
    }

    // Degrees in which both have a tensor of one parity.
    std::vector<int> degrees() const {
        if (!right) return left.first.l == 0 ? std::vector<int>{0} : std::vector<int>{};
        std::vector<int> result;
        int sum = 0;
        for (const auto& factor : order()) sum += factor.l;
        if (sum % 2 != 0) return result;
        const int last = std::min(left.most(), right->most());
        for (int l = std::max(left.least(), right->least()); l <= last; ++l)
            if ((l - left.least()) % left.step() == 0 && (l - right->least()) % right->step() == 0)
                result.push_back(l);
        return result;
    }
};

Tensor pair_of(Channel a, Channel b) {
    return {std::min(a, b), std::max(a, b)};
}

std::vector<Split> splits_of(const Factors& f) {
    if (f.size() == 1) return {{{f[0], {}}, {}}};
    if (f.size() == 2) return {{{f[0], {}}, Tensor{f[1], {}}}};
    if (f.size() == 3)
        return {{pair_of(f[0], f[1]), Tensor{f[2], {}}},
                {pair_of(f[0], f[2]), Tensor{f[1], {}}},
                {pair_of(f[1], f[2]), Tensor{f[0], {}}}};
    return {{pair_of(f[0], f[1]), pair_of(f[2], f[3])},
            {pair_of(f[0], f[2]), pair_of(f[1], f[3])},
            {pair_of(f[0], f[3]), pair_of(f[1], f[2])}};
}

// Chooses how to split the blocks so that few pairs are coupled: pairs and degrees that other
// blocks need anyway are free.
class SplitChoice {
public:
    explicit SplitChoice(const std::set<Factors>& blocks) {
        for (const auto& block : blocks) candidates_.push_back(splits_of(block));
        chosen_.assign(candidates_.size(), -1);
        for (int sweep = 0; sweep < 20; ++sweep)
            if (!improve()) break;
    }

    const Split& operator[](std::size_t block) const { return candidates_[block][chosen_[block]]; }

private:
    bool improve() {
        bool changed = false;
        for (std::size_t block = 0; block < candidates_.size(); ++block) {
            if (chosen_[block] >= 0) count(candidates_[block][chosen_[block]], -1);
            int best = 0;
            for (int k = 1; k < static_cast<int>(candidates_[block].size()); ++k)
                if (cost(candidates_[block][k]) < cost(candidates_[block][best])) best = k;
            changed |= best != chosen_[block];
            chosen_[block] = best;
            count(candidates_[block][best], 1);
        }
        return changed;
    }

    template <class Body>
    static void for_each_pair(const Split& split, Body&& body) {
        if (split.left.second) body(split.left);
        if (split.right && split.right->second && *split.right != split.left) body(*split.right);
    }

    void count(const Split& split, int change) {
        for_each_pair(split, [&](const Tensor& pair) {
            pairs_[pair] += change;
            for (const int l : split.degrees()) couplings_[{pair, l}] += change;
        });
    }

    // Multiplications that it takes besides what is there already, forward and back.
    double cost(const Split& split) {
        double sum = 0.0;
        const auto degrees = split.degrees();
        for (const int l : degrees) sum += 2.0 * (2 * l + 1);
        for_each_pair(split, [&](const Tensor& pair) {
            if (pairs_[pair] == 0) sum += 3.0 * pair.products();
            for (const int l : degrees)
                if (couplings_[{pair, l}] == 0)
                    sum += 4.0 * (2 * l + 1) * std::min(pair.first.l, pair.second->l) + 2.0;
        });
        return sum;
    }

    std::vector<std::vector<Split>> candidates_;
    std::vector<int> chosen_;
    std::map<Tensor, int> pairs_;
    std::map<std::pair<Tensor, int>, int> couplings_;
};

Directions random_directions(const Factors& block, std::size_t samples, std::mt19937& random) {
    Directions directions{block, samples, {}};
    for (std::size_t i = 0; i < block.size(); ++i) {
        directions.harmonics[i].resize(2 * block[i].l + 1);
        for (auto& numbers : directions.harmonics[i])
            for (std::size_t s = 0; s < samples; ++s)
                numbers.push_back(static_cast<double>(random()) / 2147483648.0 - 1.0);
    }
    return directions;
}

// The invariants of one split, linear in each of some directions as Polarization has it.
class PolarizedInvariants {
public:
    PolarizedInvariants(const Split& split, const Directions& directions)
        : split_(split), directions_(directions) {}

    double value(int degree, std::size_t sample) const {
        const Factors order = split_.order();
        std::vector<int> factor(order.size());
        for (std::size_t k = 0; k < factor.size(); ++k) factor[k] = static_cast<int>(k);
        double sum = 0.0;
        do {
            bool fits = true;
            for (std::size_t k = 0; k < factor.size(); ++k)
                fits &= directions_.channels[factor[k]] == order[k];
            if (fits) sum += product(factor, degree, sample);
        } while (std::next_permutation(factor.begin(), factor.end()));
        return sum;
    }

private:
    double product(const std::vector<int>& factor, int degree, std::size_t sample) const {
        const std::size_t middle = split_.left.second ? 2 : 1;
        const auto left = tensor(factor.data(), middle, degree, sample);
        if (!split_.right) return left[0];
        const auto right = tensor(factor.data() + middle, factor.size() - middle, degree, sample);
        double sum = 0.0;
        for (std::size_t m = 0; m < left.size(); ++m) sum += left[m] * right[m];
        return sum;
    }

    std::vector<double> tensor(const int* factor, std::size_t count, int degree,
                               std::size_t sample) const {
        std::vector<double> result(2 * degree + 1, 0.0);
        const auto& u = directions_.harmonics[factor[0]];
        if (count == 1) {
            for (std::size_t m = 0; m < result.size(); ++m) result[m] = u[m][sample];
            return result;
        }
        const auto& v = directions_.harmonics[factor[1]];
        const int l1 = directions_.channels[factor[0]].l, l2 = directions_.channels[factor[1]].l;
        for (const auto& term : coupling(l1, l2, degree))
            result[term.target] += term.coefficient * u[term.left][sample] * v[term.right][sample];
        return result;
    }

    static const std::vector<harmonics::CouplingTerm>& coupling(int l1, int l2, int l) {
        thread_local std::map<std::array<int, 3>, std::vector<harmonics::CouplingTerm>> known;
        auto& terms = known[{l1, l2, l}];
        if (terms.empty()) terms = harmonics::coupling(l1, l2, l);
        return terms;
    }

    const Split& split_;
    const Directions& directions_;
};

// A block's part of the energy at random directions, to which its invariants are fitted.
struct Sampled {
    Directions directions;
    std::vector<Polarization::Part> parts;  // of the potential, then of the further sets
};

constexpr double negligible = 1e-14, tolerated = 1e-12;  // relative to the bound of a part

// Coefficients of the invariants, a column for each part.
std::optional<Eigen::MatrixXd> fit(const Split& split, const Sampled& sampled) {
    const PolarizedInvariants invariants(split, sampled.directions);
    const auto degrees = split.degrees();
    if (degrees.empty()) return std::nullopt;
    const auto rows = static_cast<Eigen::Index>(sampled.directions.samples);
    Eigen::MatrixXd matrix(rows, static_cast<Eigen::Index>(degrees.size()));
    for (Eigen::Index s = 0; s < rows; ++s)
        for (std::size_t k = 0; k < degrees.size(); ++k)
            matrix(s, static_cast<Eigen::Index>(k)) = invariants.value(degrees[k], s);
    Eigen::ColPivHouseholderQR<Eigen::MatrixXd> solver(matrix);
    solver.setThreshold(1e-10);  // some invariants of equal factors depend on the others
    Eigen::MatrixXd solution(matrix.cols(), static_cast<Eigen::Index>(sampled.parts.size()));
    for (Eigen::Index k = 0; k < solution.cols(); ++k) {
        const auto& part = sampled.parts[static_cast<std::size_t>(k)];
        solution.col(k).setZero();
        if (part.values.empty()) continue;
        const Eigen::Map<const Eigen::VectorXd> values(part.values.data(), rows);
        solution.col(k) = solver.solve(values);
        const double residual = (matrix * solution.col(k) - values).cwiseAbs().maxCoeff();
        if (!(residual <= tolerated * part.bound)) return std::nullopt;
    }
    return solution;
}

// Numbers channels and tensors as they come.
class FormBuilder {
public:
    // `fitted`: a row for each degree, a column for the potential and each further set.
    void add(const Split& split, const std::vector<int>& degrees, const Eigen::MatrixXd& fitted) {
        for (std::size_t k = 0; k < degrees.size(); ++k) {
            const Eigen::VectorXd coefficients = fitted.row(static_cast<Eigen::Index>(k));
            if (coefficients.isZero(0.0)) continue;
            if (!split.right)
                linear_.push_back({channel(split.left.first),
                                   coefficients[0],
                                   {coefficients.begin() + 1, coefficients.end()}});
            else
                add_square(element(split.left, degrees[k]), element(*split.right, degrees[k]),
                           coefficients);
        }
    }

    HarmonicForm finish() && {
        HarmonicForm form;
        form.channels = channels_;
        for (const auto& [element, used] : elements_) form.elements.push_back(element);
        const auto position = [&](const Element& element) {
            return static_cast<int>(std::distance(elements_.begin(), elements_.find(element)));
        };
        for (const auto& [pair, coefficients] : squares_)
            form.squares.push_back({position(pair.first),
                                    position(pair.second),
                                    coefficients[0],
                                    {coefficients.begin() + 1, coefficients.end()}});
        form.linear = linear_;
        return form;
    }

private:
    int channel(Channel c) {
        const auto found = std::find(channels_.begin(), channels_.end(), c);
        if (found == channels_.end()) channels_.push_back(c);
        return static_cast<int>(
            std::distance(channels_.begin(), std::find(channels_.begin(), channels_.end(), c)));
    }

    void add_square(const Element& a, const Element& b, const Eigen::VectorXd& coefficients) {
        const auto [square, fresh] = squares_.try_emplace({std::min(a, b), std::max(a, b)});
        if (fresh)
            square->second = coefficients;
        else
            square->second += coefficients;
    }

    Element element(const Tensor& tensor, int l) {
        const int first = channel(tensor.first);
        const Element result{first, tensor.second ? channel(*tensor.second) : -1, l};
        elements_[result] = true;
        return result;
    }

    std::vector<Channel> channels_;
    std::map<Element, bool> elements_;
    std::map<std::pair<Element, Element>, Eigen::VectorXd> squares_;
    std::vector<HarmonicForm::Linear> linear_;
};

std::size_t most_invariants(const Factors& block) {
    std::size_t most = 0;
    for (const auto& split : splits_of(block)) most = std::max(most, split.degrees().size());
    return most;
}

bool is_negligible(const Polarization::Part& part) {
    return std::all_of(part.values.begin(), part.values.end(),
                       [&](double value) { return std::abs(value) <= negligible * part.bound; });
}

bool are_finite(const std::vector<Polarization::Part>& parts) {
    return std::all_of(parts.begin(), parts.end(),
                       [](const auto& part) { return std::isfinite(part.bound); });
}

std::optional<HarmonicForm> form_of(const Potential& potential, const ScalarWeights& weights) {
    auto blocks = blocks_of(*potential.contractions, weights);
    if (!blocks) return std::nullopt;
    Polarization polarization(*potential.contractions, weights);
    std::mt19937 random(1);
    std::vector<Sampled> sampled;
    for (auto block = blocks->begin(); block != blocks->end();) {
        const std::size_t invariants = most_invariants(*block);
        const auto directions = random_directions(*block, 2 * invariants + 2, random);
        auto parts = polarization.parts(directions);
        if (!are_finite(parts)) return std::nullopt;
        if (std::all_of(parts.begin(), parts.end(), is_negligible)) {
            block = blocks->erase(block);
            continue;
        }
        if (invariants == 0) return std::nullopt;
        sampled.push_back({directions, std::move(parts)});
        ++block;
    }
    const SplitChoice splits(*blocks);
    FormBuilder builder;
    for (std::size_t b = 0; b < sampled.size(); ++b) {
        const auto fitted = fit(splits[b], sampled[b]);
        if (!fitted) return std::nullopt;
        builder.add(splits[b], splits[b].degrees(), *fitted);
    }
    return std::move(builder).finish();
}

}  // namespace

std::optional<HarmonicForm> harmonic_form(const Potential& potential) {
    return form_of(potential, weights_of(potential, false));
}

std::optional<HarmonicForm> harmonic_form_of_scalars(const Potential& potential) {
    return form_of(potential, weights_of(potential, true));
}

std::optional<HarmonicForm> harmonic_shape(const Potential& potential) {
    auto blocks = blocks_of(*potential.contractions, weights_of(potential, false));
    if (!blocks) return std::nullopt;
    std::erase_if(*blocks, [](const Factors& block) { return most_invariants(block) == 0; });
    const SplitChoice splits(*blocks);
    FormBuilder builder;
    for (std::size_t b = 0; b < blocks->size(); ++b) {
        const auto degrees = splits[b].degrees();
        const auto count = static_cast<Eigen::Index>(degrees.size());
        builder.add(splits[b], degrees, Eigen::MatrixXd::Ones(count, 1));
    }
    return std::move(builder).finish();
}

}  // namespace mtpot

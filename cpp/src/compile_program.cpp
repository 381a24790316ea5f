#include "compile_program.hpp"

#include <algorithm>
#include <map>

#include "harmonics.hpp"

namespace mtpot {
namespace {

constexpr int most_products = 320;  // of pairs at a time: what stays in the innermost cache

struct WeightedIndex {
    int index;
    double coefficient;
};

struct IndexPair {
    int left, right;
};

template <class Term>
struct Sum {
    int target;
    std::vector<Term> terms;
};

using LinearSum = Sum<WeightedIndex>;
using BilinearSum = Sum<IndexPair>;

template <class Term>
void sort_by_size(std::vector<Sum<Term>>& sums) {
    std::stable_sort(sums.begin(), sums.end(),
                     [](const auto& a, const auto& b) { return a.terms.size() < b.terms.size(); });
}

class ProgramCompiler {
public:
    ProgramCompiler(const HarmonicForm& form, const ComponentNumber& component, int component_count)
        : form_(form), component_(component) {
        program_.component_count = component_count;
        place_tensors();
    }

    Program compile() {
        make_harmonics();
        for (const auto& batch : batches_) couple(batch);
        square();
        for (const auto& term : form_.linear)
            program_.linear.push_back({channel_values_[term.channel], term.coefficient});
        for (const auto& square : form_.squares)
            program_.squares.push_back({element_values_[square.left], element_values_[square.right],
                                        2 * form_.elements[square.left].l + 1});
        runs_ = &program_.backward;
        for (const auto& batch : batches_) couple_back(batch);
        make_harmonics_back();
        return std::move(program_);
    }

private:
    struct Pair {
        int first, second;          // channels
        std::vector<int> elements;  // of the form
        int scratch;                // value that is their first product
    };
    using Batch = std::vector<Pair>;  // coupled together; all batches share the scratch values

    int width(int channel) const { return 2 * form_.channels[channel].l + 1; }
    int adjoint(int tensor_value) const { return tensor_value + program_.tensor_count; }

    void place_tensors() {
        int next = program_.first_tensor();
        for (std::size_t c = 0; c < form_.channels.size(); ++c) {
            channel_values_.push_back(next);
            next += width(static_cast<int>(c));
        }
        std::vector<Pair> pairs;
        for (std::size_t e = 0; e < form_.elements.size(); ++e) {
            const auto& element = form_.elements[e];
            if (element.second < 0) {
                element_values_.push_back(channel_values_[element.first]);
                continue;
            }
            element_values_.push_back(next);
            next += 2 * element.l + 1;
            if (pairs.empty() || pairs.back().first != element.first ||
                pairs.back().second != element.second)
                pairs.push_back({element.first, element.second, {}, 0});
            pairs.back().elements.push_back(static_cast<int>(e));
        }
        program_.tensor_count = next - program_.first_tensor();
        program_.value_count = next + program_.tensor_count;
        place_products(pairs);
    }

    void place_products(const std::vector<Pair>& pairs) {
        const int scratch = program_.value_count;
        int used = most_products;
        for (Pair pair : pairs) {
            const int products = width(pair.first) * width(pair.second);
            if (used + products > most_products) {
                batches_.emplace_back();
                used = 0;
            }
            pair.scratch = scratch + used;
            used += products;
            program_.value_count = std::max(program_.value_count, scratch + used);
            batches_.back().push_back(pair);
        }
    }

    void emit(std::vector<LinearSum> sums) {
        sort_by_size(sums);
        for (const auto& sum : sums) {
            add_run(Run::Kind::linear, static_cast<int>(sum.terms.size()));
            program_.indices.push_back(sum.target);
            for (const auto& [index, coefficient] : sum.terms) {
                program_.indices.push_back(index);
                program_.coefficients.push_back(coefficient);
            }
        }
    }

    void emit(std::vector<BilinearSum> sums) {
        sort_by_size(sums);
        for (const auto& sum : sums) {
            add_run(Run::Kind::bilinear, static_cast<int>(sum.terms.size()));
            program_.indices.push_back(sum.target);
            for (const auto& [left, right] : sum.terms)
                program_.indices.insert(program_.indices.end(), {left, right});
        }
    }

    void add_run(Run::Kind kind, int size) {
        if (runs_->empty() || runs_->back().kind != kind || runs_->back().size != size)
            runs_->push_back({kind, size, 0});
        ++runs_->back().outputs;
    }

    // Calls body(component, value, coefficient) for what the channels' harmonics are made of.
    template <class Body>
    void for_each_harmonic_term(Body&& body) const {
        for (std::size_t c = 0; c < form_.channels.size(); ++c) {
            const auto [mu, l] = form_.channels[c];
            for (int position = 0; position <= 2 * l; ++position)
                for (const auto& term : harmonics::harmonic(l, position))
                    body(component_(mu, term.index), channel_values_[c] + position,
                         term.coefficient);
        }
    }

    void make_harmonics() {
        std::map<int, std::map<int, double>> sums;
        for_each_harmonic_term(
            [&](int component, int value, double c) { sums[value][component] = c; });
        emit(linear_sums(sums));
    }

    // Components that no channel uses have adjoints that are zero: sums without terms.
    void make_harmonics_back() {
        std::map<int, std::map<int, double>> sums;
        for (int k = 0; k < program_.component_count; ++k) sums[program_.component_count + k] = {};
        for_each_harmonic_term([&](int component, int value, double c) {
            sums[program_.component_count + component][adjoint(value)] = c;
        });
        emit(linear_sums(sums));
    }

    // Products of equal channels stand once: i <= j.
    int product(const Pair& pair, int i, int j) const {
        if (pair.first == pair.second && i > j) std::swap(i, j);
        return pair.scratch + i * width(pair.second) + j;
    }

    // Calls body(target value, i, j, coefficient) for everything that a pair couples to.
    template <class Body>
    void for_each_coupling(const Pair& pair, Body&& body) const {
        const int l1 = form_.channels[pair.first].l, l2 = form_.channels[pair.second].l;
        for (const int e : pair.elements)
            for (const auto& term : harmonics::coupling(l1, l2, form_.elements[e].l))
                body(element_values_[e] + term.target, term.left, term.right, term.coefficient);
    }

    void couple(const Batch& batch) {
        std::map<int, std::map<int, double>> sums;
        std::map<int, IndexPair> products;
        for (const auto& pair : batch)
            for_each_coupling(pair, [&](int target, int i, int j, double coefficient) {
                const int p = product(pair, i, j);
                sums[target][p] += coefficient;
                products[p] = {channel_values_[pair.first] + i, channel_values_[pair.second] + j};
            });
        for (const auto& [target, factors] : products) {
            add_run(Run::Kind::products, 1);
            program_.indices.insert(program_.indices.end(), {target, factors.left, factors.right});
        }
        emit(linear_sums(sums));
    }

    void couple_back(const Batch& batch) {
        std::map<int, std::map<int, double>> sums;
        std::map<int, IndexPair> products;
        for (const auto& pair : batch)
            for_each_coupling(pair, [&](int target, int i, int j, double coefficient) {
                const bool square = pair.first == pair.second && i == j;
                const int p = product(pair, i, j);
                sums[p][adjoint(target)] += (square ? 2.0 : 1.0) * coefficient;
                products[p] = {channel_values_[pair.first] + i, channel_values_[pair.second] + j};
            });
        emit(linear_sums(sums));
        std::map<int, std::vector<IndexPair>> adjoints;
        for (const auto& [p, factors] : products) {
            adjoints[adjoint(factors.left)].push_back({p, factors.right});
            if (factors.left != factors.right)
                adjoints[adjoint(factors.right)].push_back({p, factors.left});
        }
        std::vector<BilinearSum> bilinear;
        for (auto& [target, terms] : adjoints) bilinear.push_back({target, std::move(terms)});
        emit(std::move(bilinear));
    }

    static std::vector<LinearSum> linear_sums(const std::map<int, std::map<int, double>>& sums) {
        std::vector<LinearSum> result;
        for (const auto& [target, terms] : sums) {
            result.push_back({target, {}});
            for (const auto& [index, coefficient] : terms)
                result.back().terms.push_back({index, coefficient});
        }
        return result;
    }

    // Adjoints of the tensors: the quadratic form's matrix times the tensors.
    void square() {
        std::map<int, std::vector<WeightedIndex>> rows;  // by value of the tensor
        for (const auto& square : form_.squares) {
            const int left = element_values_[square.left], right = element_values_[square.right];
            const double coefficient = (left == right ? 2.0 : 1.0) * square.coefficient;
            rows[left].push_back({right, coefficient});
            if (left != right) rows[right].push_back({left, coefficient});
        }
        std::vector<LinearSum> unused;
        for (std::size_t c = 0; c < form_.channels.size(); ++c)
            if (!rows.contains(channel_values_[c]))
                for (int m = 0; m < width(static_cast<int>(c)); ++m)
                    unused.push_back({adjoint(channel_values_[c] + m), {}});
        emit(std::move(unused));
        for (int size = 1; size <= widest_run; ++size)
            for (const auto& [value, terms] : rows) emit_wide(value, terms, size);
    }

    // The parts of one tensor whose size is this.
    void emit_wide(int value, const std::vector<WeightedIndex>& terms, int size) {
        const int all = width_of(value), parts = (all + widest_run - 1) / widest_run;
        for (int part = 0; part < parts; ++part) {
            const int first = all * part / parts, last = all * (part + 1) / parts;
            if (last - first != size) continue;
            add_run(Run::Kind::wide, size);
            program_.indices.push_back(adjoint(value) + first);
            program_.indices.push_back(static_cast<int>(terms.size()));
            for (const auto& [index, coefficient] : terms) {
                program_.indices.push_back(index + first);
                program_.coefficients.push_back(coefficient);
            }
        }
    }

    int width_of(int value) const {
        const auto found = std::find(element_values_.begin(), element_values_.end(), value);
        return 2 * form_.elements[found - element_values_.begin()].l + 1;
    }

    const HarmonicForm& form_;
    const ComponentNumber& component_;
    Program program_;
    std::vector<Run>* runs_ = &program_.forward;
    std::vector<int> channel_values_, element_values_;  // of their first components
    std::vector<Batch> batches_;
};

}  // namespace

Program compile_program(const HarmonicForm& form, const ComponentNumber& component,
                        int component_count) {
    return ProgramCompiler(form, component, component_count).compile();
}

}  // namespace mtpot

#include "compiled.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "compile_program.hpp"
#include "harmonic_form.hpp"
#include "harmonics.hpp"

namespace mtpot {
namespace {

// Renumbers the file's moments while it collects components and what basic moments are made of.
class Compiler {
public:
    explicit Compiler(const Potential& potential) : source_(*potential.contractions) {
        result_.potential = potential;
        result_.radial_stride = potential.radial_function_count();
        result_.spread.members = static_cast<int>(potential.member_count());
        weights_.assign(source_.moment_count, 0.0);
        for (std::size_t alpha = 0; alpha < source_.scalars.size(); ++alpha)
            weights_[source_.scalars[alpha]] += potential.linear_coefficients[alpha];
        terms_of_.resize(source_.moment_count);
        for (std::size_t p = 0; p < source_.products.size(); ++p)
            terms_of_[source_.products[p].target].push_back(static_cast<int>(p));
    }

    CompiledPotential for_evaluation(const std::optional<HarmonicForm>& form) {
        if (form) return from_form(*form, result_.spread.members > 0);
        if (result_.spread.members == 0) fold_last_level();
        mark_needed();
        lay_out_radial_functions(highest_ranks());
        number_moments();
        emit_nodes();
        if (result_.spread.members > 0) spread_of_scalars();
        for (std::size_t k = 0; k < weights_.size(); ++k)
            if (weights_[k] != 0.0) result_.linear.push_back({number_[k], weights_[k]});
        for (const auto& [pair, coefficient] : folded_)
            result_.quadratic.push_back({number_[pair[0]], number_[pair[1]], coefficient});
        std::sort(result_.quadratic.begin(), result_.quadratic.end(), by_moments);
        return finish();
    }

    CompiledPotential for_design() {
        needed_.assign(source_.moment_count, true);
        lay_out_radial_functions(highest_ranks());
        number_moments();
        emit_nodes();
        for (std::size_t k = 0; k < weights_.size(); ++k)
            if (weights_[k] != 0.0) result_.linear.push_back({number_[k], weights_[k]});
        spread_of_scalars();
        for (const int scalar : source_.scalars) result_.scalars.push_back(scalar_program(scalar));
        for (int p = 0; p < result_.radial_function_count; ++p)
            result_.tangents.push_back(tangent_program(p));
        return finish();
    }

    CompiledPotential from_form(HarmonicForm form, bool terms) {
        std::vector<int> highest(result_.radial_stride, -1);
        for (const auto& [mu, l] : form.channels) highest[mu] = std::max(highest[mu], l);
        lay_out_radial_functions(highest);
        scale(form);
        const auto numbering = [&](int mu, int angular) {
            return component(position_[mu], angular);
        };
        result_.program = compile_program(form, numbering, result_.component_count);
        result_.constants.program = result_.program->coefficients;
        if (terms) spread_of_form(form);
        return finish();
    }

private:
    static bool by_moments(const Term& a, const Term& b) {
        return std::pair(a.left, a.right) < std::pair(b.left, b.right);
    }

    bool is_basic(int k) const { return k < static_cast<int>(source_.basics.size()); }

    // Products that only the energy reads become quadratic terms of the energy.
    void fold_last_level() {
        std::vector<char> read(source_.moment_count, false);
        for (const auto& product : source_.products)
            read[product.left] = read[product.right] = true;
        for (int k = 0; k < source_.moment_count; ++k) {
            if (is_basic(k) || read[k] || weights_[k] == 0.0) continue;
            for (const int p : terms_of_[k]) {
                const auto& product = source_.products[p];
                const auto [low, high] = std::minmax(product.left, product.right);
                folded_[{low, high}] += weights_[k] * product.multiplier;
            }
            weights_[k] = 0.0;
        }
        std::erase_if(folded_, [](const auto& entry) { return entry.second == 0.0; });
    }

    // Products stand in an order in which everything is complete before it is read, so one pass
    // from the end reaches all that the energy depends on.
    void mark_needed() {
        needed_.assign(source_.moment_count, false);
        for (std::size_t k = 0; k < weights_.size(); ++k) needed_[k] = weights_[k] != 0.0;
        if (result_.spread.members > 0)
            for (const int scalar : source_.scalars) needed_[scalar] = true;
        for (const auto& [pair, coefficient] : folded_) needed_[pair[0]] = needed_[pair[1]] = true;
        for (auto p = source_.products.rbegin(); p != source_.products.rend(); ++p)
            if (needed_[p->target]) needed_[p->left] = needed_[p->right] = true;
    }

    void spread_of_form(const HarmonicForm& form) {
        result_.spread.invariants = result_.program->squares;
        for (const auto& term : result_.program->linear)
            result_.spread.linear.push_back(term.tensor);
        const auto take = [&](const std::vector<double>& further) {
            const auto scalars = further.begin() + result_.spread.members;
            auto &members = result_.constants.spread, &shares = result_.scalar_shares;
            members.insert(members.end(), further.begin(), scalars);
            shares.insert(shares.end(), scalars, further.end());
        };
        for (const auto& square : form.squares) take(square.further);
        for (const auto& term : form.linear) take(term.further);
    }

    // Of a list: the scalars stand among its moments.
    void spread_of_scalars() {
        const auto sets = linear_coefficient_sets(result_.potential);
        for (std::size_t alpha = 0; alpha < source_.scalars.size(); ++alpha) {
            result_.spread.linear.push_back(number_[source_.scalars[alpha]]);
            for (std::size_t k = 1; k < sets.size(); ++k)
                result_.constants.spread.push_back(sets[k][alpha]);
        }
    }

    // Brings the coefficients of each radial function near 1 by a power of two, which the form's
    // coefficients take back: exact, and in single precision nothing leaves the range of numbers.
    void scale(HarmonicForm& form) {
        const int size = result_.potential.radial.size, functions = result_.radial_function_count;
        auto& radial = result_.constants.radial;
        std::vector<int> exponents(functions, 0);
        for (int p = 0; p < functions; ++p) {
            double largest = 0.0;
            const auto for_each = [&](auto&& body) {
                for (std::size_t k = static_cast<std::size_t>(p) * size; k < radial.size();
                     k += static_cast<std::size_t>(functions) * size)
                    for (int beta = 0; beta < size; ++beta) body(radial[k + beta]);
            };
            for_each([&](double c) { largest = std::max(largest, std::abs(c)); });
            if (largest == 0.0) continue;
            std::frexp(largest, &exponents[p]);
            for_each([&](double& c) { c = std::ldexp(c, -exponents[p]); });
            result_.radial_factors[p] = std::ldexp(result_.radial_factors[p], -exponents[p]);
        }
        const auto exponent_of = [&](int channel) {
            return channel < 0 ? 0 : exponents[position_[form.channels[channel].mu]];
        };
        const auto scale_term = [](auto& term, int exponent) {
            term.coefficient = std::ldexp(term.coefficient, exponent);
            for (double& coefficient : term.further)
                coefficient = std::ldexp(coefficient, exponent);
        };
        for (auto& square : form.squares) {
            int exponent = 0;
            for (const int e : {square.left, square.right})
                exponent +=
                    exponent_of(form.elements[e].first) + exponent_of(form.elements[e].second);
            scale_term(square, exponent);
        }
        for (auto& term : form.linear) scale_term(term, exponent_of(term.channel));
    }

    CompiledPotential finish() {
        const auto& constants = result_.constants;
        const auto single = [](const std::vector<double>& numbers) {
            return std::vector<float>(numbers.begin(), numbers.end());
        };
        result_.single_constants = {single(constants.radial), single(constants.program),
                                    single(constants.spread)};
        return std::move(result_);
    }

    // By mu, -1 where it is not in use.
    std::vector<int> highest_ranks() const {
        std::vector<int> highest(result_.radial_stride, -1);
        for (std::size_t k = 0; k < source_.basics.size(); ++k) {
            const auto& basic = source_.basics[k];
            if (needed_[k]) highest[basic.mu] = std::max(highest[basic.mu], basic.nu());
        }
        return highest;
    }

    // The components of one mu fill all degrees up to its highest; mu with higher degrees come
    // first, so that the mu present at a degree are always the first few.
    void lay_out_radial_functions(const std::vector<int>& highest) {
        auto& order = result_.radial_order;
        for (std::size_t mu = 0; mu < highest.size(); ++mu)
            if (highest[mu] >= 0) order.push_back(static_cast<int>(mu));
        std::stable_sort(order.begin(), order.end(),
                         [&](int a, int b) { return highest[a] > highest[b]; });
        position_.assign(highest.size(), -1);
        for (const int mu : order) {
            const int count = (highest[mu] + 1) * (highest[mu] + 1);
            number_components(highest[mu]);
            position_[mu] = static_cast<int>(result_.component_counts.size());
            result_.highest_degrees.push_back(highest[mu]);
            result_.component_counts.push_back(count);
            result_.component_offsets.push_back(result_.component_count);
            result_.component_count += count;
            result_.max_degree = std::max(result_.max_degree, highest[mu]);
        }
        result_.radial_function_count = static_cast<int>(order.size());
        result_.radial_factors.assign(order.size(), result_.potential.scaling);
        result_.moment_count = result_.component_count;
        fold_radial_coefficients();
    }

    void number_components(int highest) {
        for (int m = 0; m <= highest; ++m)
            for (int l = m; l <= highest; ++l)
                for (const bool imaginary : {false, true})
                    if (m > 0 || !imaginary)
                        result_.angular.push_back(harmonics::index(l, m, imaginary));
    }

    // The component of a radial function that has an angular function.
    int component(int position, int angular) const {
        const auto first = result_.angular.begin() + result_.component_offsets[position];
        const auto last = first + result_.component_counts[position];
        return static_cast<int>(std::find(first, last, angular) - result_.angular.begin());
    }

    void fold_radial_coefficients() {
        const auto& potential = result_.potential;
        const int size = potential.radial.size;
        const int pairs = potential.species_count * potential.species_count;
        for (int pair = 0; pair < pairs; ++pair)
            for (const int mu : result_.radial_order)
                for (int beta = 0; beta < size; ++beta)
                    result_.constants.radial.push_back(
                        potential.scaling *
                        potential.radial_coefficients[(pair * result_.radial_stride + mu) * size +
                                                      beta]);
    }

    // Some basic moments are components as they are.
    int basic_moment(const BasicMoment& m) {
        const int position = position_[m.mu];
        const auto terms = harmonics::monomial(m.a, m.b, m.c);
        if (terms.size() == 1 && terms[0].coefficient == 1.0)
            return component(position, terms[0].index);
        result_.expansions.push_back({result_.moment_count,
                                      static_cast<int>(result_.expansion_terms.size()),
                                      static_cast<int>(terms.size())});
        for (const auto& [index, coefficient] : terms)
            result_.expansion_terms.push_back({component(position, index), coefficient});
        return result_.moment_count++;
    }

    // A file may list products of one target anywhere before it is read; numbering targets by
    // their last product keeps every node behind what it reads.
    void number_moments() {
        number_.assign(source_.moment_count, -1);
        for (std::size_t k = 0; k < source_.basics.size(); ++k)
            if (needed_[k]) number_[k] = basic_moment(source_.basics[k]);
        for (std::size_t p = 0; p < source_.products.size(); ++p) {
            const int k = source_.products[p].target;
            if (!needed_[k] || terms_of_[k].back() != static_cast<int>(p)) continue;
            number_[k] = result_.moment_count++;
            targets_.push_back(k);
        }
    }

    void emit_nodes() {
        for (const int k : targets_) {
            std::map<std::array<int, 2>, double> merged;
            for (const int p : terms_of_[k]) {
                const auto& product = source_.products[p];
                const auto [low, high] = std::minmax(number_[product.left], number_[product.right]);
                merged[{low, high}] += product.multiplier;
            }
            const int first = static_cast<int>(result_.terms.size());
            for (const auto& [pair, multiplier] : merged)
                result_.terms.push_back({pair[0], pair[1], multiplier});
            const int count = static_cast<int>(merged.size());
            result_.nodes.push_back({number_[k], first, count});
        }
    }

    // Everything that one scalar depends on, walked from its moment down.
    ScalarProgram scalar_program(int scalar) {
        ScalarProgram program;
        program.moment = number_[scalar];
        std::vector<char> reached(result_.moment_count, false);
        reached[program.moment] = true;
        for (int n = static_cast<int>(result_.nodes.size()) - 1; n >= 0; --n) {
            const auto& node = result_.nodes[n];
            if (!reached[node.target]) continue;
            program.nodes.push_back(n);
            for (int t = node.first; t < node.first + node.count; ++t)
                reached[result_.terms[t].left] = reached[result_.terms[t].right] = true;
        }
        for (int e = static_cast<int>(result_.expansions.size()) - 1; e >= 0; --e) {
            const auto& expansion = result_.expansions[e];
            if (!reached[expansion.target]) continue;
            program.expansions.push_back(e);
            reach_components(expansion, reached);
        }
        for (int k = 0; k < result_.moment_count; ++k)
            if (reached[k]) {
                program.touched.push_back(k);
                if (k < result_.component_count) program.components.push_back(k);
            }
        return program;
    }

    void reach_components(const Expansion& expansion, std::vector<char>& reached) const {
        for (int t = expansion.first; t < expansion.first + expansion.count; ++t)
            reached[result_.expansion_terms[t].moment] = true;
    }

    bool any_operand(const Node& node, const std::vector<char>& flags) const {
        for (int t = node.first; t < node.first + node.count; ++t)
            if (flags[result_.terms[t].left] || flags[result_.terms[t].right]) return true;
        return false;
    }

    // Moments that change with the components of one radial function.
    std::vector<char> changed_moments(int p) const {
        std::vector<char> changed(result_.moment_count, false);
        std::fill_n(changed.begin() + result_.component_offsets[p], result_.component_counts[p],
                    true);
        for (const auto& e : result_.expansions)
            changed[e.target] = changed[result_.expansion_terms[e.first].moment];
        for (const auto& node : result_.nodes) changed[node.target] = any_operand(node, changed);
        return changed;
    }

    TangentProgram tangent_program(int p) const {
        TangentProgram program;
        const std::vector<char> changed = changed_moments(p);
        std::vector<char> read(result_.moment_count, false);
        for (const auto& term : result_.terms) read[term.left] = read[term.right] = true;
        for (std::size_t e = 0; e < result_.expansions.size(); ++e)
            if (changed[result_.expansions[e].target])
                program.expansions.push_back(static_cast<int>(e));
        for (std::size_t n = 0; n < result_.nodes.size(); ++n) {
            const int target = result_.nodes[n].target;
            if (changed[target] && read[target]) program.nodes.push_back(static_cast<int>(n));
        }
        go_back(changed, program);
        return program;
    }

    void go_back(const std::vector<char>& changed, TangentProgram& program) const {
        std::vector<char> reached(result_.moment_count, false);
        for (int n = static_cast<int>(result_.nodes.size()) - 1; n >= 0; --n) {
            const auto& node = result_.nodes[n];
            if (!reached[node.target] && !any_operand(node, changed)) continue;
            program.back.push_back({n, reached[node.target] != 0});
            for (int t = node.first; t < node.first + node.count; ++t)
                reached[result_.terms[t].left] = reached[result_.terms[t].right] = true;
        }
        for (int e = static_cast<int>(result_.expansions.size()) - 1; e >= 0; --e) {
            const auto& expansion = result_.expansions[e];
            if (!reached[expansion.target]) continue;
            program.back_expansions.push_back(e);
            reach_components(expansion, reached);
        }
        for (int k = 0; k < result_.moment_count; ++k)
            if (reached[k]) {
                program.touched.push_back(k);
                if (k < result_.component_count) program.components.push_back(k);
            }
    }

    const Contractions& source_;
    CompiledPotential result_;
    std::vector<double> weights_;                  // of moments in the energy
    std::vector<std::vector<int>> terms_of_;       // products of each target
    std::map<std::array<int, 2>, double> folded_;  // quadratic terms of the energy
    std::vector<char> needed_;
    std::vector<int> position_;  // of mu in radial_order
    std::vector<int> number_;    // the file's moment -> ours
    std::vector<int> targets_;
};

}  // namespace

CompiledPotential compile_for_evaluation(const Potential& potential) {
    return Compiler(potential).for_evaluation(harmonic_form(potential));
}

CompiledPotential compile_for_cost(const Potential& potential) {
    const auto shape = harmonic_shape(potential);  // it knows nothing of members
    Compiler compiler(potential);
    return shape ? compiler.from_form(*shape, false) : compiler.for_evaluation(shape);
}

CompiledPotential compile_for_design(const Potential& potential) {
    return Compiler(potential).for_design();
}

CompiledPotential compile_for_rows(const Potential& potential) {
    const auto form = harmonic_form_of_scalars(potential);
    return form ? Compiler(potential).from_form(*form, true) : compile_for_design(potential);
}

void CompiledPotential::add_row(const double* found, double* row) const {
    const std::size_t first = first_term(), term_count = spread.term_count();
    for (std::size_t k = 0; k < first; ++k) row[k] += found[k];
    if (scalar_shares.empty())
        for (std::size_t t = 0; t < term_count; ++t) row[first + t] += found[first + t];
    const std::size_t scalar_count = potential.parameter_count() - first;
    for (std::size_t k = 0; k < scalar_shares.size(); ++k)
        row[first + k % scalar_count] += scalar_shares[k] * found[first + k / scalar_count];
}

}  // namespace mtpot

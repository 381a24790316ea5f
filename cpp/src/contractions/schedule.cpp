#include "contractions/schedule.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace mtpot::generator {
namespace {

std::int64_t factorial(int n) {
    return n < 2 ? 1 : n * factorial(n - 1);
}

// In how many ways a + b + c indices take the axis x a times, y b times and z c times.
int multinomial(int a, int b, int c) {
    return static_cast<int>(factorial(a + b + c) / (factorial(a) * factorial(b) * factorial(c)));
}

struct CutBond {
    int left_node, right_node;  // numbers within the two parts
    int multiplicity;
};

// A diagram in two parts, and the sum over the axes of the bonds between them.
class Cut {
public:
    Cut(const Diagram& diagram, unsigned mask)
        : left_(induced(diagram, mask)), right_(induced(diagram, ~mask)) {
        int left_node = 0;
        for (int i = 0; i < diagram.size; ++i) {
            if (!(mask >> i & 1U)) continue;
            int right_node = 0;
            for (int j = 0; j < diagram.size; ++j) {
                if (mask >> j & 1U) continue;
                if (const int m = diagram.bond(i, j)) bonds_.push_back({left_node, right_node, m});
                ++right_node;
            }
            ++left_node;
        }
    }

    // Calls visit(left, right, multiplicity) for every assignment of axes.
    template <class Visit>
    void each_assignment(Visit visit) {
        assign(0, 1, visit);
    }

private:
    template <class Visit>
    void assign(std::size_t bond, int multiplicity, Visit& visit) {
        if (bond == bonds_.size()) {
            visit(left_, right_, multiplicity);
            return;
        }
        const int m = bonds_[bond].multiplicity;
        for (int a = m; a >= 0; --a)
            for (int b = m - a; b >= 0; --b) {
                const int c = m - a - b;
                add_legs(bonds_[bond], a, b, c);
                assign(bond + 1, multiplicity * multinomial(a, b, c), visit);
                add_legs(bonds_[bond], -a, -b, -c);
            }
    }

    void add_legs(const CutBond& bond, int a, int b, int c) {
        for (Exponents* legs :
             {&left_.nodes[bond.left_node].legs, &right_.nodes[bond.right_node].legs}) {
            (*legs)[0] = static_cast<std::uint8_t>((*legs)[0] + a);
            (*legs)[1] = static_cast<std::uint8_t>((*legs)[1] + b);
            (*legs)[2] = static_cast<std::uint8_t>((*legs)[2] + c);
        }
    }

    Diagram left_, right_;
    std::vector<CutBond> bonds_;
};

// Assignments of axes to the bonds that this split cuts.
double assignments(const Diagram& diagram, unsigned mask) {
    double count = 1;
    for (int i = 0; i < diagram.size; ++i)
        for (int j = 0; j < i; ++j) {
            if ((mask >> i & 1U) == (mask >> j & 1U)) continue;
            const int m = diagram.bond(i, j);
            count *= (m + 1) * (m + 2) / 2;
        }
    return count;
}

// The splits worth trying: one with many more assignments than the leanest never pays, and
// counting its products would take most of the time.
std::vector<unsigned> lean_splits(const Diagram& diagram) {
    constexpr double most_over_least = 10;
    const unsigned end = 1U << (diagram.size - 1);  // the last node stays on the right
    double least = std::numeric_limits<double>::max();
    for (unsigned mask = 1; mask < end; ++mask) least = std::min(least, assignments(diagram, mask));
    std::vector<unsigned> result;
    for (unsigned mask = 1; mask < end; ++mask)
        if (assignments(diagram, mask) <= most_over_least * least) result.push_back(mask);
    return result;
}

// Adds up terms of equal operands.
void merge(std::vector<DiagramProduct>& terms) {
    const auto operands = [](const DiagramProduct& term) {
        return std::pair(term.left, term.right);
    };
    std::sort(terms.begin(), terms.end(), [&](const DiagramProduct& a, const DiagramProduct& b) {
        return operands(a) < operands(b);
    });
    std::size_t kept = 0;
    for (const DiagramProduct& term : terms) {
        if (kept > 0 && operands(terms[kept - 1]) == operands(term))
            terms[kept - 1].multiplicity += term.multiplicity;
        else
            terms[kept++] = term;
    }
    terms.resize(kept);
    terms.shrink_to_fit();
}

}  // namespace

DiagramId Schedule::number(const Diagram& diagram) {
    const Diagram key = canonical(diagram);
    const auto [found, is_new] = numbers_.try_emplace(key, static_cast<int>(entries_.size()));
    if (is_new) entries_.push_back({.diagram = key, .terms = {}});
    return found->second;
}

std::vector<DiagramProduct> Schedule::split(DiagramId id, unsigned mask) {
    std::vector<DiagramProduct> terms;
    Cut(entries_[id].diagram, mask)
        .each_assignment([&](const Diagram& left, const Diagram& right, int multiplicity) {
            const auto [first, second] = std::minmax({number(left), number(right)});
            terms.push_back({first, second, multiplicity});
        });
    merge(terms);
    return terms;
}

// Products that `terms` would add to those that exist.
std::size_t Schedule::cost(const std::vector<DiagramProduct>& terms) {
    ++counts_;
    std::size_t sum = terms.size();
    for (const DiagramProduct& term : terms) sum += added_cost(term.left) + added_cost(term.right);
    return sum;
}

std::size_t Schedule::added_cost(DiagramId id) {
    Entry& entry = entries_[id];
    if (entry.built || std::exchange(entry.counted_in, counts_) == counts_) return 0;
    std::size_t sum = entry.terms.size();
    for (const DiagramProduct& term : entry.terms)
        sum += added_cost(term.left) + added_cost(term.right);
    return sum;
}

// Chooses the split that adds fewest products now; a single node has none.
void Schedule::plan(DiagramId id) {
    if (entries_[id].diagram.size == 1 || !entries_[id].terms.empty()) return;
    std::size_t least = std::numeric_limits<std::size_t>::max();
    for (const unsigned mask : lean_splits(entries_[id].diagram)) {
        std::vector<DiagramProduct> terms = split(id, mask);
        if (terms.size() >= least) continue;
        for (const DiagramProduct& term : terms) {
            plan(term.left);
            plan(term.right);
        }
        const std::size_t added = cost(terms);
        if (added >= least) continue;
        least = added;
        entries_[id].terms = std::move(terms);
    }
}

void Schedule::build(DiagramId id) {
    if (entries_[id].built) return;
    entries_[id].built = true;
    for (const DiagramProduct& term : entries_[id].terms) {
        build(term.left);
        build(term.right);
    }
    if (entries_[id].diagram.size > 1) steps_.push_back(id);
}

DiagramId Schedule::build(const Diagram& diagram) {
    const DiagramId id = number(diagram);
    plan(id);
    build(id);
    return id;
}

}  // namespace mtpot::generator

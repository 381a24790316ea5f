// Scalars of the moments M_{mu,nu}: the lists that potential files hold, and their generator.
//
// Shapeev, Multiscale Model. Simul. 14 (2016) 1153: lev M_{mu,nu} = 2 + 4 mu + nu; a scalar's
// level is the sum over its factors.
#pragma once

#include <memory>
#include <span>
#include <vector>

namespace mtpot {

// Component of M_{mu,nu}, nu = a + b + c: sum over neighbors of f_mu(r) x^a y^b z^c / r^nu.
struct BasicMoment {
    int mu, a, b, c;
    int nu() const { return a + b + c; }
    int level() const { return 2 + 4 * mu + nu(); }
    bool operator==(const BasicMoment&) const = default;
};

// moments[target] += multiplier * moments[left] * moments[right], in the order of the list.
struct Product {
    int left, right, multiplier, target;
    bool operator==(const Product&) const = default;
};

// Moments 0 ... basics.size() - 1 are the basic ones; the others are built by the products.
struct Contractions {
    std::vector<BasicMoment> basics;
    std::vector<Product> products;
    std::vector<int> scalars;  // which moments are the scalar basis functions B_alpha
    int moment_count = 0;

    int radial_function_count() const;  // largest mu + 1
    int level() const;                  // largest level of a scalar
    bool operator==(const Contractions&) const = default;
};

// InputError unless indices are in range, every product reads moments that are complete by then
// (basic, or no later product adds to them) and adds to a moment that is not basic, every other
// moment is a sum of products, every mu and
// exponent is between 0 and 100, and the scalars are distinct moments.
void check(const Contractions& contractions);

struct LevelRule {
    int level;
    int max_factors = 4;
    int max_mu = 5;
    int max_nu = 10;
};

// All scalars of level <= rule.level within the caps: the non-isomorphic loopless multigraphs
// on at most max_factors nodes, node labels mu <= max_mu, degrees nu <= max_nu, with
// level = sum over nodes (2 + 4 mu) + 2 * edges. Results are cached for the process.
// The scalars stand in the order of their level: those of a lower level, same caps, come first.
// InputError if level is odd, below 2 or above 32, or a cap is out of range.
std::shared_ptr<const Contractions> generate(const LevelRule& rule);

// Contractions for some of the scalars, and the former numbers of the radial functions in use.
struct Restriction {
    Contractions contractions;
    std::vector<int> radial_functions;  // mu before, by mu now
};

// Keeps the scalars at these positions, in ascending order; leaves out products, moments, basic
// moments and radial functions that none of them needs, and numbers the others anew, in the same
// order. InputError if no position is given, or they are out of range or out of order.
Restriction restrict_to(const Contractions& contractions, std::span<const int> kept);

}  // namespace mtpot

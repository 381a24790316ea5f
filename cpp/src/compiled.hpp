// A potential as the kernels evaluate it: components, folded coefficients, and the graph from the
// components to the energy.
//
// A radial function has the components of all degrees up to the highest in use; harmonics.hpp says
// what they are. Those of one m stand together, by rising k, real and imaginary part in turn. For
// energies and forces the graph is a program of pair couplings; for derivatives in the parameters,
// and for lists that have no such form, it is the list of products itself.
//
// Moments of a list are numbered: components, the list's own basic moments, products.
#pragma once

#include <optional>
#include <vector>

#include "mtpot/potential.hpp"
#include "program.hpp"

namespace mtpot {

// Position of the first component of an m > 0 among those of one radial function.
constexpr int azimuth_offset(int highest_degree, int m) {
    return m == 0 ? 0 : 2 * m * (highest_degree + 1) - m * (m - 1) - highest_degree - 1;
}

struct LinearTerm {  // coefficient * moments[moment]
    int moment;
    double coefficient;
};

// moments[target] = sum of linear terms [first, first + count), a basic moment in components.
struct Expansion {
    int target, first, count;
};

struct Term {  // coefficient * moments[left] * moments[right]
    int left, right;
    double coefficient;
};

struct Node {  // moments[target] = sum of terms [first, first + count)
    int target, first, count;
};

// How to obtain d B_alpha / d(components): nodes and expansions in reverse order, and
// the components that B_alpha depends on.
struct ScalarProgram {
    int moment;
    std::vector<int> nodes;       // indices into nodes, last first
    std::vector<int> expansions;  // indices into expansions, last first
    std::vector<int> touched;     // every moment whose adjoint must start from zero
    std::vector<int> components;  // that B_alpha depends on
};

// How a change of the components of one radial function changes the adjoints of all
// moments, and so the gradient of the energy: only what such a change can reach.
struct TangentProgram {
    struct Back {
        int node;
        bool reached;  // whether the node's own adjoint changes
    };
    std::vector<int> expansions;       // whose targets change
    std::vector<int> nodes;            // whose targets change and are read
    std::vector<Back> back;            // nodes that pass a change of adjoints on, last first
    std::vector<int> back_expansions;  // last first
    std::vector<int> touched;          // every moment whose adjoint's change starts from zero
    std::vector<int> components;       // whose adjoints change
};

// By how much the members of an ensemble differ in the energy of a site: a sum of terms, each with
// a coefficient for every member. The energies of the species come on top.
struct Spread {
    int members = 0;
    std::vector<Program::Invariant> invariants;  // in the values of the program
    std::vector<int> linear;                     // values of the program, or moments of the list

    std::size_t term_count() const { return invariants.size() + linear.size(); }
};

// Numbers that the inner loops read, in their precision.
template <class Real>
struct Constants {
    std::vector<Real> radial;   // scaling * c, [C (center)][C (neighbor)][radial functions][R]
    std::vector<Real> program;  // coefficients in the order of their use
    std::vector<Real> spread;   // [terms][members]
};

struct CompiledPotential {
    Potential potential;
    int max_degree = 0;
    int radial_function_count = 0;       // those in use, by decreasing highest degree
    std::vector<int> radial_order;       // their mu in the potential
    int radial_stride = 0;               // radial functions in the potential: K
    std::vector<int> highest_degrees;    // of each
    std::vector<int> component_counts;   // (highest degree + 1)^2
    std::vector<int> component_offsets;  // their first components
    int component_count = 0;
    std::vector<int> angular;  // of each component: index of its angular function, harmonics.hpp
    Constants<double> constants;
    Constants<float> single_constants;

    // Pair couplings; without them the list of products follows.
    std::optional<Program> program;

    Spread spread;  // of no members without an ensemble

    int moment_count = 0;
    std::vector<LinearTerm> expansion_terms;
    std::vector<Expansion> expansions;
    std::vector<Node> nodes;
    std::vector<Term> terms;
    // V = e + sum of linear + sum of quadratic terms.
    std::vector<LinearTerm> linear;
    std::vector<Term> quadratic;

    // For derivatives in the parameters only.
    std::vector<ScalarProgram> scalars;
    std::vector<TangentProgram> tangents;  // of each radial function in use
};

// For energies and forces: linear coefficients folded in, what no output needs left out.
CompiledPotential compile_for_evaluation(const Potential& potential);

// The same graph with coefficients that mean nothing, which is found much faster.
CompiledPotential compile_for_cost(const Potential& potential);

// For derivatives in the parameters: every scalar kept apart.
CompiledPotential compile_for_design(const Potential& potential);

}  // namespace mtpot

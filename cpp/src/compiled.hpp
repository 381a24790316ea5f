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

// What the scalars of a site are linear combinations of, and with them by how much the members of
// an ensemble differ in its energy; there the energies of the species come on top.
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
    std::vector<Real> spread;   // coefficients in the members' deviations, [terms][members]
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
    std::vector<double> radial_factors;  // of c in each radial function as it is evaluated
    int component_count = 0;
    std::vector<int> angular;  // of each component: index of its angular function, harmonics.hpp
    Constants<double> constants;
    Constants<float> single_constants;

    // Pair couplings; without them the list of products follows.
    std::optional<Program> program;

    Spread spread;  // without terms if neither members nor rows are wanted
    // Coefficients of the terms in the scalars, [terms][scalars]; empty: the terms are the scalars.
    std::vector<double> scalar_shares;

    int moment_count = 0;
    std::vector<LinearTerm> expansion_terms;
    std::vector<Expansion> expansions;
    std::vector<Node> nodes;
    std::vector<Term> terms;
    // V = e + sum of linear + sum of quadratic terms.
    std::vector<LinearTerm> linear;
    std::vector<Term> quadratic;

    // For derivatives of forces in the parameters only.
    std::vector<ScalarProgram> scalars;
    std::vector<TangentProgram> tangents;  // of each radial function in use

    // A site's row as the kernels leave it: derivatives in the radial coefficients and the species'
    // energies, then the terms.
    std::size_t first_term() const {
        return potential.radial_coefficients.size() +
               static_cast<std::size_t>(potential.species_count);
    }
    std::size_t row_size() const { return first_term() + spread.term_count(); }
    // row[parameters] += what a row of the kernels, [row_size()], is in the parameters.
    void add_row(const double* found, double* row) const;
};

// For energies and forces: linear coefficients folded in, what no output needs left out.
CompiledPotential compile_for_evaluation(const Potential& potential);

// The same graph with coefficients that mean nothing, which is found much faster.
CompiledPotential compile_for_cost(const Potential& potential);

// For derivatives in the parameters: every scalar kept apart, as the terms of rows.
CompiledPotential compile_for_design(const Potential& potential);

// For energies, forces and rows in the least time: pair couplings, if the potential has that form.
CompiledPotential compile_for_rows(const Potential& potential);

}  // namespace mtpot

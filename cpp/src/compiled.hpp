// A potential as the kernels evaluate it: reduced moments, a pruned product graph, folded
// coefficients.
//
// |r̂| = 1 lets every component of M_{mu,nu} follow from those with c in {0, 1}, of which there
// are 2 nu + 1 for each order nu: m(a,b,c) = m(a,b,c-2) - m(a+2,b,c-2) - m(a,b+2,c-2). Only these
// reduced components are summed over neighbors. For one mu they stand in the order
//   nu = 0, 1, ...;  x^(nu-b) y^b for b = 0 ... nu, then x^(nu-1-b) y^b z for b = 0 ... nu-1,
// so that order nu starts at nu^2 and the order of all of them is that of the monomials.
//
// Moments are numbered: reduced components, expanded components (c >= 2), products.
#pragma once

#include <vector>

#include "mtpot/potential.hpp"

namespace mtpot {

struct Expansion {  // moments[target] = moments[lower] - moments[x] - moments[y]
    int target, lower, x, y;
};

struct Term {  // coefficient * moments[left] * moments[right]
    int left, right;
    double coefficient;
};

struct Node {  // moments[target] = sum of terms [first, first + count)
    int target, first, count;
};

struct LinearTerm {  // coefficient * moments[moment]
    int moment;
    double coefficient;
};

// How to obtain d B_alpha / d(reduced components): nodes and expansions in reverse order, and
// the reduced components that B_alpha depends on.
struct ScalarProgram {
    int moment;
    std::vector<int> nodes;       // indices into nodes, last first
    std::vector<int> expansions;  // indices into expansions, last first
    std::vector<int> touched;     // every moment whose adjoint must start from zero
    std::vector<int> components;  // reduced components
};

// How a change of the reduced components of one radial function changes the adjoints of all
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
    std::vector<int> components;       // reduced components whose adjoints change
};

struct CompiledPotential {
    Potential potential;
    int max_nu = 0;
    int radial_function_count = 0;       // those in use, by decreasing highest order
    std::vector<int> radial_order;       // their mu in the potential
    int radial_stride = 0;               // radial functions in the potential: K
    std::vector<int> component_counts;   // (highest order + 1)^2 of each
    std::vector<int> component_offsets;  // their first reduced components
    int component_count = 0;
    int moment_count = 0;
    std::vector<Expansion> expansions;
    std::vector<Node> nodes;
    std::vector<Term> terms;
    // V = e + sum of linear + sum of quadratic terms.
    std::vector<LinearTerm> linear;
    std::vector<Term> quadratic;
    // scaling * c, [C (center)][C (neighbor)][radial_function_count][R], in radial_order.
    std::vector<double> coefficients;

    // For derivatives in the parameters only.
    std::vector<ScalarProgram> scalars;
    std::vector<TangentProgram> tangents;  // of each radial function in use
};

// For energies and forces: linear coefficients folded in, what no output needs left out.
CompiledPotential compile_for_evaluation(const Potential& potential);

// For derivatives in the parameters: every scalar kept apart.
CompiledPotential compile_for_design(const Potential& potential);

}  // namespace mtpot

// The list of products of a block: forward, adjoint, and their tangents along one direction.
#pragma once

#include "compiled.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

inline Real factor_of(const Term& term) {
    return static_cast<Real>(term.coefficient);
}

inline void expand(const CompiledPotential& compiled, const Expansion& e, Vec* moments) {
    const LinearTerm* terms = compiled.expansion_terms.data();
    Vec sum{};
    for (int t = e.first; t < e.first + e.count; ++t)
        sum += static_cast<Real>(terms[t].coefficient) * moments[terms[t].moment];
    moments[e.target] = sum;
}

inline void expand_back(const CompiledPotential& compiled, const Expansion& e, Vec* adjoints) {
    const LinearTerm* terms = compiled.expansion_terms.data();
    const Vec adjoint = adjoints[e.target];
    for (int t = e.first; t < e.first + e.count; ++t)
        adjoints[terms[t].moment] += static_cast<Real>(terms[t].coefficient) * adjoint;
}

inline void node_back(const Node& node, const Term* terms, const Vec* moments, Vec* adjoints) {
    const Vec adjoint = adjoints[node.target];
    for (int t = node.first; t < node.first + node.count; ++t) {
        const Vec weighted = factor_of(terms[t]) * adjoint;
        adjoints[terms[t].left] += weighted * moments[terms[t].right];
        adjoints[terms[t].right] += weighted * moments[terms[t].left];
    }
}

// Products from the components.
inline void forward(const CompiledPotential& compiled, Vec* moments) {
    for (const auto& e : compiled.expansions) expand(compiled, e, moments);
    const Term* terms = compiled.terms.data();
    for (const auto& node : compiled.nodes) {
        Vec sum{};
        for (int t = node.first; t < node.first + node.count; ++t)
            sum += factor_of(terms[t]) * moments[terms[t].left] * moments[terms[t].right];
        moments[node.target] = sum;
    }
}

// Adds the energy of the graph and leaves dV/d(moments) in adjoints.
inline void energy_and_adjoints(const CompiledPotential& compiled, const Vec* moments,
                                Vec* adjoints, Vec& energy) {
    clear(adjoints, compiled.moment_count);
    for (const auto& term : compiled.linear) {
        const auto c = static_cast<Real>(term.coefficient);
        energy += c * moments[term.moment];
        adjoints[term.moment] += c;
    }
    for (const auto& term : compiled.quadratic) {
        const Vec left = factor_of(term) * moments[term.left], right = moments[term.right];
        energy += left * right;
        adjoints[term.left] += factor_of(term) * right;
        adjoints[term.right] += left;
    }
    const Term* terms = compiled.terms.data();
    for (auto n = compiled.nodes.size(); n-- > 0;)
        node_back(compiled.nodes[n], terms, moments, adjoints);
    for (auto e = compiled.expansions.size(); e-- > 0;)
        expand_back(compiled, compiled.expansions[e], adjoints);
}

// d B_alpha / d(moments) into adjoints; only what the program touches is written.
inline void scalar_adjoints(const CompiledPotential& compiled, const ScalarProgram& program,
                            const Vec* moments, Vec* adjoints) {
    for (const int k : program.touched) adjoints[k] = Vec{};
    adjoints[program.moment] = Vec{} + Real(1);
    for (const int n : program.nodes)
        node_back(compiled.nodes[n], compiled.terms.data(), moments, adjoints);
    for (const int e : program.expansions) expand_back(compiled, compiled.expansions[e], adjoints);
}

// Changes of the moments along the direction of the components of one radial function
// that stands in moment_tangents on entry (zero elsewhere).
inline void moment_tangents(const CompiledPotential& compiled, const TangentProgram& program,
                            const Vec* moments, Vec* tangents) {
    for (const int k : program.expansions) expand(compiled, compiled.expansions[k], tangents);
    const Term* terms = compiled.terms.data();
    for (const int n : program.nodes) {
        const auto& node = compiled.nodes[n];
        Vec sum{};
        for (int t = node.first; t < node.first + node.count; ++t) {
            const int left = terms[t].left, right = terms[t].right;
            sum += factor_of(terms[t]) *
                   (tangents[left] * moments[right] + moments[left] * tangents[right]);
        }
        tangents[node.target] = sum;
    }
}

// The same for the adjoints: with moment_tangents(), a Hessian-vector product.
inline void adjoint_tangents(const CompiledPotential& compiled, const TangentProgram& program,
                             const Vec* moments, const Vec* adjoints, const Vec* tangents,
                             Vec* out) {
    for (const int k : program.touched) out[k] = Vec{};
    const Term* terms = compiled.terms.data();
    for (const auto& [n, reached] : program.back) {
        const auto& node = compiled.nodes[n];
        const Vec adjoint = adjoints[node.target];
        for (int t = node.first; t < node.first + node.count; ++t) {
            const Vec weighted = factor_of(terms[t]) * adjoint;
            out[terms[t].left] += weighted * tangents[terms[t].right];
            out[terms[t].right] += weighted * tangents[terms[t].left];
        }
        if (reached) node_back(node, terms, moments, out);
    }
    for (const int e : program.back_expansions) expand_back(compiled, compiled.expansions[e], out);
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

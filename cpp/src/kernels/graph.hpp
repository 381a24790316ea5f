// The product graph of a block: forward, adjoint, and their tangents along one direction.
#pragma once

#include "compiled.hpp"
#include "kernels/vec.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

inline void expand(const CompiledPotential& compiled, Vec* moments) {
    for (const auto& e : compiled.expansions)
        moments[e.target] = moments[e.lower] - moments[e.x] - moments[e.y];
}

inline void expand_back(const Expansion& e, Vec* adjoints) {
    const Vec adjoint = adjoints[e.target];
    adjoints[e.lower] += adjoint;
    adjoints[e.x] -= adjoint;
    adjoints[e.y] -= adjoint;
}

inline void node_back(const Node& node, const Term* terms, const Vec* moments, Vec* adjoints) {
    const Vec adjoint = adjoints[node.target];
    for (int t = node.first; t < node.first + node.count; ++t) {
        const Vec weighted = terms[t].coefficient * adjoint;
        adjoints[terms[t].left] += weighted * moments[terms[t].right];
        adjoints[terms[t].right] += weighted * moments[terms[t].left];
    }
}

// Products from the reduced components.
inline void forward(const CompiledPotential& compiled, Vec* moments) {
    expand(compiled, moments);
    const Term* terms = compiled.terms.data();
    for (const auto& node : compiled.nodes) {
        Vec sum{};
        for (int t = node.first; t < node.first + node.count; ++t)
            sum += terms[t].coefficient * moments[terms[t].left] * moments[terms[t].right];
        moments[node.target] = sum;
    }
}

// Adds the energy of the graph and leaves dV/d(moments) in adjoints.
inline void energy_and_adjoints(const CompiledPotential& compiled, const Vec* moments,
                                Vec* adjoints, Vec& energy) {
    clear(adjoints, compiled.moment_count);
    for (const auto& term : compiled.linear) {
        energy += term.coefficient * moments[term.moment];
        adjoints[term.moment] += term.coefficient;
    }
    for (const auto& term : compiled.quadratic) {
        const Vec left = term.coefficient * moments[term.left], right = moments[term.right];
        energy += left * right;
        adjoints[term.left] += term.coefficient * right;
        adjoints[term.right] += left;
    }
    const Term* terms = compiled.terms.data();
    for (auto n = compiled.nodes.size(); n-- > 0;)
        node_back(compiled.nodes[n], terms, moments, adjoints);
    for (auto e = compiled.expansions.size(); e-- > 0;)
        expand_back(compiled.expansions[e], adjoints);
}

// d B_alpha / d(moments) into adjoints; only what the program touches is written.
inline void scalar_adjoints(const CompiledPotential& compiled, const ScalarProgram& program,
                            const Vec* moments, Vec* adjoints) {
    for (const int k : program.touched) adjoints[k] = Vec{};
    adjoints[program.moment] = Vec{} + 1.0;
    for (const int n : program.nodes)
        node_back(compiled.nodes[n], compiled.terms.data(), moments, adjoints);
    for (const int e : program.expansions) expand_back(compiled.expansions[e], adjoints);
}

// Changes of the moments along the direction of the reduced components of one radial function
// that stands in moment_tangents on entry (zero elsewhere).
inline void moment_tangents(const CompiledPotential& compiled, const TangentProgram& program,
                            const Vec* moments, Vec* tangents) {
    for (const int k : program.expansions) {
        const auto& e = compiled.expansions[k];
        tangents[e.target] = tangents[e.lower] - tangents[e.x] - tangents[e.y];
    }
    const Term* terms = compiled.terms.data();
    for (const int n : program.nodes) {
        const auto& node = compiled.nodes[n];
        Vec sum{};
        for (int t = node.first; t < node.first + node.count; ++t) {
            const int left = terms[t].left, right = terms[t].right;
            sum += terms[t].coefficient *
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
            const Vec weighted = terms[t].coefficient * adjoint;
            out[terms[t].left] += weighted * tangents[terms[t].right];
            out[terms[t].right] += weighted * tangents[terms[t].left];
        }
        if (reached) node_back(node, terms, moments, out);
    }
    for (const int e : program.back_expansions) expand_back(compiled.expansions[e], out);
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

#include "mtpot/cost.hpp"

#include "compiled.hpp"

namespace mtpot {
namespace {

// Multiply-adds of the kernels, forward and back; the weights of gathering are measured.
constexpr double per_neighbor = 660.0;
constexpr double per_radial_coefficient = 7.0;  // value and derivative
constexpr double per_monomial = 15.0;            // made twice, and its gradient
constexpr double per_component = 3.0;           // moment, and two sums with its adjoint
constexpr double per_expansion = 6.0;
constexpr double per_term = 19.0;       // forward, and back to both factors
constexpr double per_quadratic = 19.0;  // no forward value

double pair_operations(const CompiledPotential& compiled) {
    const double size = compiled.potential.radial.size, orders = compiled.max_nu + 1;
    return per_neighbor + per_radial_coefficient * size * compiled.radial_function_count +
           per_monomial * orders * orders + per_component * compiled.component_count;
}

double graph_operations(const CompiledPotential& compiled) {
    return per_expansion * static_cast<double>(compiled.expansions.size()) +
           per_term * static_cast<double>(compiled.terms.size()) +
           per_quadratic * static_cast<double>(compiled.quadratic.size());
}

}  // namespace

double operations(const Potential& potential, double neighbors) {
    const CompiledPotential compiled = compile_for_evaluation(potential);
    return neighbors * pair_operations(compiled) + graph_operations(compiled);
}

}  // namespace mtpot

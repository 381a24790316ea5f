#include "mtpot/cost.hpp"

#include "compiled.hpp"

namespace mtpot {
namespace {

// Fitted to the times of 105 potentials of levels 8 to 20 (AVX-512, double precision); the unit is
// a multiply-add of a component. Gathering waits for memory, products for their operands, and so
// they weigh more than their arithmetic.
constexpr double per_neighbor = 660.0;
constexpr double per_radial_coefficient = 7.0;
constexpr double per_monomial = 15.0;
constexpr double per_component = 3.0;  // moment, and two sums with its adjoint
constexpr double per_expansion = 6.0;
constexpr double per_product = 19.0;

double pair_operations(const CompiledPotential& compiled) {
    const double size = compiled.potential.radial.size, orders = compiled.max_nu + 1;
    return per_neighbor + per_radial_coefficient * size * compiled.radial_function_count +
           per_monomial * orders * orders + per_component * compiled.component_count;
}

double graph_operations(const CompiledPotential& compiled) {
    const auto products = compiled.terms.size() + compiled.quadratic.size();
    return per_expansion * static_cast<double>(compiled.expansions.size()) +
           per_product * static_cast<double>(products);
}

}  // namespace

double operations(const Potential& potential, double neighbors) {
    const CompiledPotential compiled = compile_for_evaluation(potential);
    return neighbors * pair_operations(compiled) + graph_operations(compiled);
}

}  // namespace mtpot

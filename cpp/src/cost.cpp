#include "mtpot/cost.hpp"

#include "compiled.hpp"

namespace mtpot {
namespace {

// Multiply-adds of a pair, multiplications counted as such.
double count_pair(const CompiledPotential& compiled) {
    const double size = compiled.potential.radial.size;
    const double functions = compiled.radial_function_count;
    double count = 39.0;  // vector, length, projection, force, virial
    count += 3.0 * size + 2.0 * size * functions;
    for (const int highest : compiled.highest_degrees) {
        const double l = highest;
        // Moments (l + 1)^2 + 5 l - 3, the way back 2 (l - 1)^2 + 16 l - 5.
        count +=
            l == 0 ? 2.0 : (l + 1.0) * (l + 1.0) + 2.0 * (l - 1.0) * (l - 1.0) + 21.0 * l - 8.0;
    }
    return count;
}

double count_runs(const std::vector<Run>& runs, const int*& index) {
    double count = 0.0;
    for (const Run& run : runs)
        for (int output = 0; output < run.outputs; ++output) switch (run.kind) {
                case Run::Kind::linear:
                    count += run.size;
                    index += run.size + 1;
                    break;
                case Run::Kind::products:
                    count += 1.0;
                    index += 3;
                    break;
                case Run::Kind::bilinear:
                    count += run.size;
                    index += 2 * run.size + 1;
                    break;
                case Run::Kind::wide:
                    count += static_cast<double>(run.size) * index[1];
                    index += index[1] + 2;
                    break;
            }
    return count;
}

double count_graph(const CompiledPotential& compiled) {
    if (compiled.program) {
        const int* index = compiled.program->indices.data();
        const double forward = count_runs(compiled.program->forward, index);
        return forward + count_runs(compiled.program->backward, index) +
               compiled.program->tensor_count;
    }
    return 2.0 * static_cast<double>(compiled.expansion_terms.size()) +
           5.0 * static_cast<double>(compiled.terms.size()) +
           4.0 * static_cast<double>(compiled.quadratic.size());
}

}  // namespace

Cost cost(const Potential& potential, double neighbors) {
    const CompiledPotential compiled = compile_for_cost(potential);
    const double graph = count_graph(compiled);
    const double functions = compiled.radial_function_count;
    // By benchmarks/cost_weights.py, which prints these numbers, on an AMD Zen 5.
    const double pair = 4.91 + 0.0352 * functions * (compiled.potential.radial.size + 9.7) +
                        0.0651 * compiled.component_count;
    return {2.0 * (neighbors * count_pair(compiled) + graph), neighbors * pair + 0.0673 * graph};
}

}  // namespace mtpot

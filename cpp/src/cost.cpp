#include "mtpot/cost.hpp"

#include "compiled.hpp"

namespace mtpot {
namespace {

// Multiply-adds, multiplications counted as such.
struct Counts {
    double pair = 0.0;       // whatever the potential
    double radial = 0.0;     // of a pair
    double angular = 0.0;    // of a pair: sums over z and m
    double component = 0.0;  // of a pair: moments and polynomials of their adjoints
    double graph = 0.0;      // of a center
};

Counts count_pair(const CompiledPotential& compiled) {
    const double size = compiled.potential.radial.size;
    const double functions = compiled.radial_function_count;
    Counts counts;
    counts.pair = 30.0;  // vector, length, projection, force, virial
    counts.radial = 3.0 * size + 2.0 * size * functions + functions;
    counts.angular = 16.0 * compiled.max_degree;  // powers of x + iy and z, gradient of each m
    for (const int highest : compiled.highest_degrees) counts.angular += 8.0 * highest + 3.0;
    counts.component = 3.0 * compiled.component_count;
    return counts;
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
    Counts counts = count_pair(compiled);
    counts.graph = count_graph(compiled);
    const double arithmetic =
        neighbors * (counts.pair + counts.radial + counts.angular + counts.component) +
        counts.graph;
    // Fitted to the times of templates of levels 8 to 20 and parts of them (AVX-512, double
    // precision).
    const double effort = neighbors * (260.0 + counts.radial + counts.angular + counts.component) +
                          2.5 * counts.graph;
    return {2.0 * arithmetic, effort};
}

}  // namespace mtpot

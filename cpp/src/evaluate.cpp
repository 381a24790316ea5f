#include "mtpot/evaluate.hpp"

#include "compiled.hpp"
#include "mtpot/error.hpp"
#include "parallel.hpp"

namespace mtpot {

Evaluator::Evaluator(const Potential& potential) {
    check(potential);
    require(potential.trained, "the potential is untrained: it has no parameters to evaluate");
    compiled_ = std::make_shared<const CompiledPotential>(compile_for_evaluation(potential));
}

const Potential& Evaluator::potential() const {
    return compiled_->potential;
}

void Evaluator::evaluate(const Neighborhoods& neighborhoods, const Result& result,
                         int threads) const {
    const Kernels& kernel = kernels();
    require(result.site_energies.size() == neighborhoods.center_count() &&
                result.pair_gradients.size() == 3 * neighborhoods.pair_count(),
            "the result's arrays do not fit the neighborhoods");
    const BlockPlan plan(neighborhoods, potential().species_count, kernel.lanes);
    for_each_block(plan, kernel.evaluate_bytes(*compiled_, plan.longest_list()), threads,
                   [&](const CenterBlock& block, void* workspace) {
                       return kernel.evaluate(*compiled_, block, workspace,
                                              result.site_energies.data(),
                                              result.pair_gradients.data());
                   });
}

void assemble_forces(const Neighborhoods& neighborhoods, std::span<const double> pair_gradients,
                     std::span<double> forces, std::array<double, 9>& virial) {
    check(neighborhoods);
    require(pair_gradients.size() == 3 * neighborhoods.pair_count() &&
                forces.size() >= 3 * neighborhoods.center_count(),
            "the arrays of gradients and forces do not fit the neighborhoods");
    for (const auto neighbor : neighborhoods.neighbors)
        if (neighbor < 0 || 3 * static_cast<std::size_t>(neighbor) >= forces.size())
            throw InputError("a neighbor is none of the atoms");
    for (std::size_t i = 0; i < neighborhoods.center_count(); ++i) {
        double on_center[3] = {0.0, 0.0, 0.0};
        for (auto pair = neighborhoods.offsets[i]; pair < neighborhoods.offsets[i + 1]; ++pair) {
            const double* g = pair_gradients.data() + 3 * pair;
            const double* r = neighborhoods.vectors.data() + 3 * pair;
            double* on_neighbor = forces.data() + 3 * std::size_t(neighborhoods.neighbors[pair]);
            for (int a = 0; a < 3; ++a) {
                on_center[a] += g[a];
                on_neighbor[a] -= g[a];
                for (int b = 0; b < 3; ++b) virial[3 * a + b] -= r[a] * g[b];
            }
        }
        for (int a = 0; a < 3; ++a) forces[3 * i + a] += on_center[a];
    }
}

}  // namespace mtpot

#include "mtpot/evaluate.hpp"

#include "compiled.hpp"
#include "mtpot/error.hpp"
#include "parallel.hpp"

namespace mtpot {
namespace {

// Harmonics of higher degrees are differences of powers that agree in most of their digits.
constexpr int most_mixed_degree = 10;

void check_atoms(std::span<const std::int32_t> atoms, std::size_t count) {
    bool sound = true;
    for (const auto atom : atoms) sound &= atom >= 0 && static_cast<std::size_t>(atom) < count;
    require(sound, "a pair or center names none of the atoms");
}

}  // namespace

Precision precision_named(std::string_view name) {
    if (name == "double") return Precision::full;
    if (name == "mixed") return Precision::mixed;
    throw InputError("precision must be double or mixed, not " + std::string(name));
}

Evaluator::Evaluator(const Potential& potential, Precision precision) : precision_(precision) {
    check(potential);
    require(potential.trained, "the potential is untrained: it has no parameters to evaluate");
    compiled_ = std::make_shared<const CompiledPotential>(compile_for_evaluation(potential));
    if (compiled_->max_degree > most_mixed_degree) precision_ = Precision::full;
}

const Potential& Evaluator::potential() const {
    return compiled_->potential;
}

bool Evaluator::couples_pairs() const {
    return compiled_->program.has_value();
}

void Evaluator::Result::check(const Neighborhoods& neighborhoods) const {
    require(site_energies.size() == neighborhoods.center_count() &&
                pair_gradients.size() == 3 * neighborhoods.pair_count(),
            "the result's arrays do not fit the neighborhoods");
}

void Evaluator::evaluate(const Neighborhoods& neighborhoods, const Result& result,
                         int threads) const {
    const EvaluateKernel& kernel =
        precision_ == Precision::mixed ? *kernels().evaluate_mixed : kernels().evaluate;
    result.check(neighborhoods);
    const BlockPlan& plan = plan_blocks(neighborhoods, potential().species_count, kernel.lanes);
    for_each_block(plan, kernel.bytes(*compiled_, plan.longest_list()), threads,
                   [&](const CenterBlock& block, void* workspace) {
                       SiteOutputs out;
                       out.pair_gradients = result.pair_gradients.data();
                       const Status status = kernel.run(*compiled_, block, workspace, out);
                       for (int lane = 0; status == Status::done && lane < block.count; ++lane)
                           result.site_energies[block.centers[lane]] = out.energies[lane];
                       return status;
                   });
}

void add_forces(const Neighborhoods& neighborhoods, std::span<const double> pair_gradients,
                std::span<double> forces) {
    check(neighborhoods);
    require(pair_gradients.size() == 3 * neighborhoods.pair_count(),
            "the gradients do not fit the neighborhoods");
    const std::size_t atoms = forces.size() / 3;
    check_atoms(neighborhoods.neighbors, atoms);
    check_atoms(neighborhoods.atoms, atoms);
    require(!neighborhoods.atoms.empty() || neighborhoods.center_count() <= atoms,
            "there are more centers than atoms");
    for (std::size_t i = 0; i < neighborhoods.center_count(); ++i) {
        double on_center[3] = {0.0, 0.0, 0.0};
        for (auto pair = neighborhoods.offsets[i]; pair < neighborhoods.offsets[i + 1]; ++pair) {
            const double* g = pair_gradients.data() + 3 * pair;
            double* on_neighbor = forces.data() + 3 * std::size_t(neighborhoods.neighbors[pair]);
            for (int a = 0; a < 3; ++a) {
                on_center[a] += g[a];
                on_neighbor[a] -= g[a];
            }
        }
        for (int a = 0; a < 3; ++a) forces[3 * neighborhoods.atom(i) + a] += on_center[a];
    }
}

std::array<double, 9> virial(const Neighborhoods& neighborhoods,
                             std::span<const double> pair_gradients) {
    check(neighborhoods);
    require(pair_gradients.size() == neighborhoods.vectors.size(),
            "the gradients do not fit the neighborhoods");
    std::array<double, 9> sum{};
    if (neighborhoods.center_count() == 0) return sum;
    const double *r = neighborhoods.vectors.data(), *g = pair_gradients.data();
    for (auto pair = neighborhoods.offsets.front(); pair < neighborhoods.offsets.back(); ++pair)
        for (int a = 0; a < 3; ++a)
            for (int b = 0; b < 3; ++b) sum[3 * a + b] -= r[3 * pair + a] * g[3 * pair + b];
    return sum;
}

}  // namespace mtpot

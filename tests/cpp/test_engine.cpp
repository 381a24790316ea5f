// Runs the engine's paths through blocks, padding and threads, for the sanitizers to watch, and
// checks what needs no oracle: concurrent calls give the same bits, and the derivatives of a
// structure agree with its energy and forces.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <random>
#include <thread>
#include <vector>

#include "mtpot/contractions.hpp"
#include "mtpot/design.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/maxvol.hpp"
#include "mtpot/potential.hpp"

namespace {

constexpr int species_count = 2;
constexpr std::size_t atoms = 21;  // not a multiple of any number of lanes

void expect(bool condition, const char* what) {
    if (condition) return;
    std::printf("failed: %s\n", what);
    std::exit(1);
}

mtpot::Potential random_potential(const std::string& basis, std::mt19937& random) {
    mtpot::Potential potential;
    potential.species_count = species_count;
    potential.radial = mtpot::make_radial_basis(basis, 1.5, 4.0, 5);
    potential.contractions =
        std::make_shared<const mtpot::Contractions>(mtpot::generate({.level = 10}));
    potential.scaling = 0.05;
    std::normal_distribution<double> normal(0.0, 0.1);
    std::vector<double> parameters(potential.parameter_count());
    for (double& value : parameters) value = normal(random);
    return potential.with_parameters(parameters);
}

// Atoms in a box without periodicity; every pair is listed, also those beyond the cutoff.
mtpot::OwnedNeighborhoods random_cluster(std::mt19937& random) {
    std::uniform_real_distribution<double> uniform(0.0, 8.0);
    std::vector<std::int32_t> species;
    std::vector<double> positions(3 * atoms);
    for (double& x : positions) x = uniform(random);
    for (std::size_t i = 0; i < atoms; ++i) species.push_back(static_cast<int>(i % species_count));
    std::vector<std::int64_t> centers, neighbors;
    std::vector<double> vectors;
    for (std::size_t i = 0; i < atoms; ++i)
        for (std::size_t j = 0; j < atoms; ++j) {
            if (i == j) continue;
            centers.push_back(static_cast<std::int64_t>(i));
            neighbors.push_back(static_cast<std::int64_t>(j));
            for (std::size_t d = 0; d < 3; ++d)
                vectors.push_back(positions[3 * j + d] - positions[3 * i + d]);
        }
    return {species, centers, neighbors, vectors};
}

struct Results {
    std::vector<double> energies, gradients;
    bool operator==(const Results&) const = default;
};

Results evaluate(const mtpot::Evaluator& evaluator, const mtpot::Neighborhoods& cluster) {
    Results results{std::vector<double>(cluster.center_count()),
                    std::vector<double>(3 * cluster.pair_count())};
    evaluator.evaluate(cluster, {results.energies, results.gradients}, 1);
    return results;
}

void test_concurrent_calls(const mtpot::Potential& potential, const mtpot::Neighborhoods& cluster) {
    const mtpot::Evaluator evaluator(potential);
    const Results serial = evaluate(evaluator, cluster);
    std::array<Results, 4> results;
    std::vector<std::thread> threads;
    for (auto& each : results) threads.emplace_back([&] { each = evaluate(evaluator, cluster); });
    for (auto& thread : threads) thread.join();
    for (const auto& each : results) expect(each == serial, "concurrent calls equal a serial one");
}

void test_design(const mtpot::Potential& potential, const mtpot::Neighborhoods& cluster) {
    const mtpot::Design design(potential);
    const std::size_t parameters = design.parameter_count(), values = 1 + 3 * atoms + 6;
    std::vector<double> rows(atoms * parameters), tangents(values * parameters), found(values);
    design.rows(cluster, rows, 1);
    design.tangents(cluster, tangents, found);
    for (std::size_t k = 0; k < parameters; ++k) {
        double sum = 0.0;
        for (std::size_t i = 0; i < atoms; ++i) sum += rows[i * parameters + k];
        expect(std::abs(sum - tangents[k]) <= 1e-10 * (1.0 + std::abs(sum)),
               "rows of sites add up to the tangent of the energy");
    }
    const Results results = evaluate(mtpot::Evaluator(potential), cluster);
    std::vector<double> forces(3 * atoms, 0.0);
    std::array<double, 9> virial{};
    mtpot::assemble_forces(cluster, results.gradients, forces, virial);
    double largest = 0.0;
    for (const double force : forces) largest = std::max(largest, std::abs(force));
    for (std::size_t k = 0; k < forces.size(); ++k)
        expect(std::abs(forces[k] - found[1 + k]) <= 1e-12 * largest,
               "forces of design and evaluator agree");

    const std::vector<double> weights(atoms, 0.01), labels(3 * atoms, 0.0);
    const mtpot::LabeledFrame frame{cluster, 1.0, labels, {}, 1.0, weights, 0.001};
    const std::vector<mtpot::LabeledFrame> frames(3, frame);
    const auto gram = design.normal_equations(frames, mtpot::Design::Columns::all, 1);
    expect(gram.size() == (parameters + 1) * (parameters + 1), "one column more than parameters");

    mtpot::ActiveSet active(parameters);
    active.select(rows, 1.001);
    std::vector<double> grades(atoms);
    active.grade(rows, grades);
    for (const double grade : grades) expect(grade <= 1.001 + 1e-8, "own rows do not extrapolate");
}

}  // namespace

int main() try {
    std::mt19937 random(7);
    const auto cluster = random_cluster(random);
    for (const auto& basis : mtpot::radial_basis_names()) {
        const auto potential = random_potential(basis, random);
        test_concurrent_calls(potential, cluster.view());
        test_design(potential, cluster.view());
    }
    std::printf("the engine holds (%s)\n", mtpot::simd_name().c_str());
} catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
}

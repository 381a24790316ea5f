// Runs the engine's paths through blocks, padding and threads, for the sanitizers to watch, and
// checks what needs no oracle: concurrent calls give the same bits, the derivatives of a structure
// agree with its energy, forces and virial, and views of every size are taken or refused.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#ifdef MTPOT_SPARSE_ARRAYS
#include <sys/mman.h>
#endif

#include "mtpot/design.hpp"
#include "mtpot/error.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/maxvol.hpp"
#include "mtpot/potential.hpp"
#include "support.hpp"

namespace {

constexpr std::size_t atoms = 21;  // not a multiple of any number of lanes
constexpr std::size_t virial_components = 6;

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

struct Totals {
    std::vector<double> forces;
    std::array<double, 9> virial{};
    bool operator==(const Totals&) const = default;
};

Totals assemble(const mtpot::Neighborhoods& cluster, std::span<const double> gradients) {
    Totals totals{std::vector<double>(3 * cluster.center_count(), 0.0)};
    mtpot::add_forces(cluster, gradients, totals.forces);
    totals.virial = mtpot::virial(cluster, gradients);
    return totals;
}

// Derivatives of the energy, the forces and the virial, and these quantities themselves.
struct Tangents {
    std::vector<double> matrix, predictions;
    bool operator==(const Tangents&) const = default;
};

Tangents tangents(const mtpot::Design& design, const mtpot::Neighborhoods& cluster) {
    const std::size_t values = 1 + 3 * cluster.center_count() + virial_components;
    Tangents result{std::vector<double>(values * design.parameter_count()),
                    std::vector<double>(values)};
    design.tangents(cluster, mtpot::Design::Columns::all, result.matrix, result.predictions);
    return result;
}

std::vector<double> rows(const mtpot::Design& design, const mtpot::Neighborhoods& cluster) {
    std::vector<double> result(cluster.center_count() * design.parameter_count());
    design.rows(cluster, result, 1);
    return result;
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

void test_rows(const mtpot::Potential& potential, const mtpot::Neighborhoods& cluster) {
    const mtpot::Design design(potential);
    const std::vector<double> all = rows(design, cluster);
    const Tangents derivatives = tangents(design, cluster);
    const std::size_t parameters = design.parameter_count();
    for (std::size_t k = 0; k < parameters; ++k) {
        double sum = 0.0;
        for (std::size_t i = 0; i < atoms; ++i) sum += all[i * parameters + k];
        expect(std::abs(sum - derivatives.matrix[k]) <= 1e-10 * (1.0 + std::abs(sum)),
               "rows of sites add up to the tangent of the energy");
    }
}

void test_predictions(const mtpot::Potential& potential, const mtpot::Neighborhoods& cluster) {
    const Tangents found = tangents(mtpot::Design(potential), cluster);
    const Results results = evaluate(mtpot::Evaluator(potential), cluster);
    const Totals totals = assemble(cluster, results.gradients);
    double energy = 0.0;
    for (const double each : results.energies) energy += each;
    expect(close(found.predictions[0], energy, atoms * largest(results.energies)),
           "energies of design and evaluator agree");
    for (std::size_t k = 0; k < 3 * atoms; ++k)
        expect(close(found.predictions[1 + k], totals.forces[k], largest(totals.forces)),
               "forces of design and evaluator agree");
    constexpr std::size_t voigt[] = {0, 4, 8, 5, 2, 1};  // xx yy zz yz xz xy
    for (std::size_t k = 0; k < virial_components; ++k)
        expect(close(found.predictions[1 + 3 * atoms + k], totals.virial[voigt[k]],
                     largest(totals.virial)),
               "virials of design and evaluator agree");
}

// Labels and weights of every kind, one atom without a force.
struct Labels {
    std::vector<double> forces, force_weights;
    std::array<double, virial_components> virial;

    explicit Labels(std::mt19937& random) : forces(3 * atoms), force_weights(atoms) {
        std::uniform_real_distribution<double> uniform(0.1, 1.0);
        for (double& force : forces) force = uniform(random);
        for (double& weight : force_weights) weight = uniform(random);
        for (double& component : virial) component = uniform(random);
        force_weights[3] = 0.0;
    }

    mtpot::LabeledFrame frame(const mtpot::Neighborhoods& cluster) const {
        return {cluster, 1.5, forces, virial, 0.7, force_weights, 0.01};
    }
};

// The weighted matrix [J | label - prediction] of a frame, row by row.
std::vector<std::vector<double>> weighted_tangents(const Tangents& found, std::size_t parameters,
                                                   const mtpot::LabeledFrame& frame) {
    std::vector<double> labels{frame.energy}, weights{frame.energy_weight};
    labels.insert(labels.end(), frame.forces.begin(), frame.forces.end());
    labels.insert(labels.end(), frame.virial.begin(), frame.virial.end());
    for (std::size_t k = 0; k < frame.forces.size(); ++k)
        weights.push_back(frame.force_weights[k / 3]);
    for (std::size_t k = 0; k < virial_components; ++k)  // yz, xz and xy stand for two of nine
        weights.push_back(frame.virial_weight * (k < 3 ? 1.0 : 2.0));
    std::vector<std::vector<double>> matrix;
    for (std::size_t k = 0; k < labels.size(); ++k) {
        const auto begin = found.matrix.begin() + static_cast<std::ptrdiff_t>(k * parameters);
        matrix.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(parameters));
        matrix.back().push_back(labels[k] - found.predictions[k]);
        for (double& value : matrix.back()) value *= std::sqrt(weights[k]);
    }
    return matrix;
}

void expect_gram(std::span<const double> gram, const std::vector<std::vector<double>>& matrix,
                 double copies) {
    const std::size_t size = matrix[0].size();
    expect(gram.size() == size * size, "one column more than parameters");
    std::vector<double> target(size * size, 0.0);
    for (const auto& row : matrix)
        for (std::size_t i = 0; i < size; ++i)
            for (std::size_t j = 0; j < size; ++j) target[i * size + j] += copies * row[i] * row[j];
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = 0; j < size; ++j) {
            const double scale = std::sqrt(target[i * size + i] * target[j * size + j]);
            expect(close(gram[i * size + j], target[i * size + j], 10.0 * scale),
                   "normal equations are the product of the weighted tangents");
        }
}

void test_normal_equations(const mtpot::Potential& potential, const mtpot::Neighborhoods& cluster,
                           std::mt19937& random) {
    const mtpot::Design design(potential);
    const Labels labels(random);
    const std::vector<mtpot::LabeledFrame> frames(3, labels.frame(cluster));
    auto matrix = weighted_tangents(tangents(design, cluster), design.parameter_count(), frames[0]);
    using enum mtpot::Design::Columns;
    // One thread: the thread sanitizer does not see how OpenMP's threads wait for each other.
    expect_gram(design.normal_equations(frames, all, 1), matrix, 3.0);
    const auto radial = static_cast<std::ptrdiff_t>(potential.radial_coefficients.size());
    for (auto& row : matrix) row.erase(row.begin(), row.begin() + radial);
    expect_gram(design.normal_equations(frames, linear, 1), matrix, 3.0);
}

void test_grades(const mtpot::Potential& potential, const mtpot::Neighborhoods& cluster) {
    const mtpot::Design design(potential);
    const std::vector<double> all = rows(design, cluster);
    mtpot::ActiveSet active(design.parameter_count());
    active.select(all, 1.001);
    std::vector<double> grades(atoms);
    active.grade(all, grades);
    for (const double grade : grades) expect(grade <= 1.001 + 1e-8, "own rows do not extrapolate");
}

// Without linear coefficients the evaluator leaves out all moments; species and cores remain.
void test_pruned(mtpot::Potential potential, const mtpot::Neighborhoods& cluster) {
    std::fill(potential.linear_coefficients.begin(), potential.linear_coefficients.end(), 0.0);
    const Results results = evaluate(mtpot::Evaluator(potential), cluster);
    for (std::size_t i = 0; i < atoms; ++i) {
        double target = potential.species_energies[cluster.species[i]], scale = std::abs(target);
        for (auto pair = cluster.offsets[i]; pair < cluster.offsets[i + 1]; ++pair) {
            const double* r = cluster.vectors.data() + 3 * pair;
            const double distance = std::hypot(r[0], r[1], r[2]);
            double energy = 0.0, slope = 0.0, pair_energy = 0.0, pair_slope = 0.0;
            if (distance < potential.radial.cutoff) potential.radial.core(distance, energy, slope);
            if (potential.zbl)
                potential.zbl->evaluate(cluster.species[i], cluster.neighbor_species[pair],
                                        distance, pair_energy, pair_slope);
            energy += 0.5 * pair_energy;
            slope += 0.5 * pair_slope;
            target += energy;
            scale += std::abs(energy);
            for (int d = 0; d < 3; ++d)
                expect(close(results.gradients[3 * pair + d], slope * r[d] / distance,
                             10.0 * std::abs(slope)),
                       "without moments only cores exert forces");
        }
        expect(close(results.energies[i], target, 10.0 * scale),
               "without moments the energy is that of species and cores");
    }
}

// All three ways through the engine, and what they give for centers without a pair.
void expect_lone(const mtpot::Potential& potential, const mtpot::Neighborhoods& lone) {
    const mtpot::Design design(potential);
    const Results results = evaluate(mtpot::Evaluator(potential), lone);
    for (std::size_t i = 0; i < lone.center_count(); ++i)
        expect(results.energies[i] == potential.species_energies[lone.species[i]],
               "a lone atom has the energy of its species");
    const Totals totals = assemble(lone, results.gradients);
    expect(largest(totals.forces) == 0.0 && largest(totals.virial) == 0.0,
           "lone atoms feel no force");
    const std::size_t parameters = design.parameter_count();
    const std::vector<double> all = rows(design, lone);
    expect(
        std::count(all.begin(), all.end(), 1.0) == std::ssize(lone.species) &&
            std::count(all.begin(), all.end(), 0.0) == std::ssize(all) - std::ssize(lone.species),
        "the row of a lone atom names its species alone");
    const Tangents derivatives = tangents(design, lone);
    expect(largest(std::span(derivatives.matrix).subspan(parameters)) == 0.0,
           "no parameter moves a lone atom");
}

void test_empty(const mtpot::Potential& potential) {
    expect_lone(potential, {});
    const mtpot::OwnedNeighborhoods no_atoms({}, {}, {}, {});
    expect_lone(potential, no_atoms.view());
    const std::vector<std::int32_t> species{1, 0, 1};
    const mtpot::OwnedNeighborhoods no_pairs(species, {}, {}, {});
    expect_lone(potential, no_pairs.view());
    const auto gram = mtpot::Design(potential).normal_equations({}, mtpot::Design::Columns::all, 2);
    expect(!gram.empty() && largest(gram) == 0.0, "no frame adds nothing");
}

// Two atoms and the pairs between them, as arrays that can be spoilt one at a time.
struct Dimer {
    std::vector<std::int32_t> species{0, 1}, neighbors{1, 0}, neighbor_species{1, 0};
    std::vector<std::int64_t> offsets{0, 1, 2};
    std::vector<double> vectors{2.0, 0.5, 0.0, -2.0, -0.5, 0.0};

    mtpot::Neighborhoods view() const {
        return {species, offsets, neighbors, neighbor_species, vectors};
    }
};

void expect_refused_everywhere(const mtpot::Potential& potential, const Dimer& dimer,
                               const char* what) {
    const mtpot::Neighborhoods view = dimer.view();
    expect_refused([&] { mtpot::check(view); }, what);
    expect_refused([&] { evaluate(mtpot::Evaluator(potential), view); }, what);
    expect_refused([&] { rows(mtpot::Design(potential), view); }, what);
    expect_refused([&] { tangents(mtpot::Design(potential), view); }, what);
    const std::vector<double> gradients(3 * view.pair_count(), 0.0);
    expect_refused([&] { assemble(view, gradients); }, what);
}

void test_offsets(const mtpot::Potential& potential) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    const std::vector<std::int64_t> wrong[] = {
        {0, 3000000, 1}, {0, 2, 1}, {0, 1, 3},    {-1, 1, 2}, {0, 1, most},
        {0, -1, 2},      {0, 2},    {0, 1, 2, 2}, {0},        {}};
    for (const auto& offsets : wrong) {
        Dimer dimer;
        dimer.offsets = offsets;
        expect_refused_everywhere(potential, dimer, "a view with wrong offsets");
    }
}

void test_sizes(const mtpot::Potential& potential) {
    Dimer few_neighbors, many_types, few_vectors, flat_vectors;
    few_neighbors.neighbors.pop_back();
    many_types.neighbor_species.push_back(0);
    few_vectors.vectors.resize(3);
    flat_vectors.vectors.resize(4);
    for (const Dimer& dimer : {few_neighbors, many_types, few_vectors, flat_vectors})
        expect_refused_everywhere(potential, dimer, "a view whose arrays disagree");
    mtpot::check(Dimer().view());
}

void test_neighbors(const mtpot::Potential& potential) {
    for (const std::int32_t neighbor : {-1, 2, std::numeric_limits<std::int32_t>::max()}) {
        Dimer dimer;
        dimer.neighbors[1] = neighbor;
        const std::vector<double> gradients(6, 0.0);
        expect_refused([&] { tangents(mtpot::Design(potential), dimer.view()); },
                       "tangents of a neighbor that is none of the centers");
        expect_refused([&] { assemble(dimer.view(), gradients); },
                       "forces on a neighbor that is none of the centers");
    }
}

#ifdef MTPOT_SPARSE_ARRAYS
// Zeros in address space alone: memory is taken where something is written.
template <class Number>
class SparseArray {
public:
    explicit SparseArray(std::size_t size) : size_(size) {
        void* memory = mmap(nullptr, size_ * sizeof(Number), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory != MAP_FAILED) data_ = static_cast<Number*>(memory);
    }
    ~SparseArray() {
        if (data_) munmap(data_, size_ * sizeof(Number));
    }
    SparseArray(const SparseArray&) = delete;
    SparseArray& operator=(const SparseArray&) = delete;

    explicit operator bool() const { return data_ != nullptr; }
    std::span<Number> all() const { return {data_, size_}; }
    std::span<Number> from(std::size_t first) const { return all().subspan(first); }

private:
    std::size_t size_;
    Number* data_ = nullptr;
};

// A pair's index that does not fit 32 bits gives the same bits as a small one.
void test_many_pairs(const mtpot::Potential& potential) {
    constexpr std::size_t first = (std::size_t{1} << 31) + 5, pairs = first + 2;
    const SparseArray<double> vectors(3 * pairs), gradients(3 * pairs);
    const SparseArray<std::int32_t> neighbors(pairs), types(pairs);
    if (!vectors || !gradients || !neighbors || !types) {
        std::printf("no address space for 2^31 pairs: not tested\n");
        return;
    }
    const Dimer dimer;
    std::copy(dimer.vectors.begin(), dimer.vectors.end(), vectors.from(3 * first).begin());
    std::copy(dimer.neighbors.begin(), dimer.neighbors.end(), neighbors.from(first).begin());
    std::copy(dimer.neighbor_species.begin(), dimer.neighbor_species.end(),
              types.from(first).begin());
    const std::vector<std::int64_t> offsets{first, first + 1, pairs};
    const mtpot::Neighborhoods many{dimer.species, offsets, neighbors.all(), types.all(),
                                    vectors.all()};

    const mtpot::Evaluator evaluator(potential);
    const Results few = evaluate(evaluator, dimer.view());
    std::vector<double> energies(2);
    evaluator.evaluate(many, {energies, gradients.all()}, 1);
    expect(energies == few.energies && std::ranges::equal(gradients.from(3 * first), few.gradients),
           "energies and gradients beyond 2^31 pairs");
    expect(assemble(many, gradients.all()) == assemble(dimer.view(), few.gradients),
           "forces beyond 2^31 pairs");
    const mtpot::Design design(potential);
    expect(rows(design, many) == rows(design, dimer.view()), "rows beyond 2^31 pairs");
    expect(tangents(design, many) == tangents(design, dimer.view()), "tangents beyond 2^31 pairs");
}
#else
void test_many_pairs(const mtpot::Potential&) {}
#endif

}  // namespace

int main() try {
    std::mt19937 random(7);
    const auto cluster = random_cluster(random);
    std::vector<mtpot::Potential> potentials;
    for (const auto& basis : mtpot::radial_basis_names())
        potentials.push_back(random_potential(basis, random));
    potentials.push_back(with_core(potentials.front()));
    for (const auto& potential : potentials) {
        test_concurrent_calls(potential, cluster.view());
        test_rows(potential, cluster.view());
        test_predictions(potential, cluster.view());
        test_normal_equations(potential, cluster.view(), random);
        test_grades(potential, cluster.view());
        test_pruned(potential, cluster.view());
        test_empty(potential);
    }
    const auto potential = random_potential(mtpot::radial_basis_names().front(), random);
    test_offsets(potential);
    test_sizes(potential);
    test_neighbors(potential);
    test_many_pairs(potential);
    std::printf("the engine holds (%s)\n", mtpot::simd_name().c_str());
} catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
}

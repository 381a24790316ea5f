// Atoms with neighbor lists: the sums are those of the pairs that the engine evaluates, on any
// threads; a step like the one before it takes no memory; what does not fit is
// refused.

#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <new>
#include <numeric>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "mtpot/design.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/grade.hpp"
#include "mtpot/image_lists.hpp"
#include "mtpot/list_evaluator.hpp"
#include "mtpot/maxvol.hpp"
#include "support.hpp"

namespace {

std::atomic<long> allocations = 0;

void* allocate(std::size_t bytes, std::size_t alignment) {
    ++allocations;
    const std::size_t whole = (bytes + alignment) / alignment * alignment;
    return std::aligned_alloc(alignment, whole);
}

void* allocate_or_throw(std::size_t bytes, std::size_t alignment) {
    void* memory = allocate(bytes, alignment);
    if (!memory) throw std::bad_alloc();
    return memory;
}

}  // namespace

// Every form for single objects; those for arrays call them.
void* operator new(std::size_t bytes) {
    return allocate_or_throw(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes, alignof(std::max_align_t));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return allocate_or_throw(bytes, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(bytes, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
    std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    std::free(memory);
}

namespace {

// The thread sanitizer does not see how OpenMP's threads wait for each other.
#ifdef __SANITIZE_THREAD__
constexpr int most_threads = 1;
#else
constexpr int most_threads = 3;
#endif

constexpr int side = 5;
constexpr int atoms = side * side * side;  // worth several threads
constexpr double spacing = 2.3, edge = side * spacing, cutoff = 4.0;

// A cubic cell whose atoms have left the places of a lattice, and some of them the cell.
struct Crystal {
    std::vector<double> positions = std::vector<double>(3 * atoms);
    std::vector<int> types = std::vector<int>(atoms);

    explicit Crystal(std::mt19937& random, int count = species_count) {
        std::uniform_real_distribution<double> shift(-0.3, 0.3);
        std::uniform_int_distribution<int> species(0, count - 1);
        for (int i = 0; i < atoms; ++i) {
            const int place[3] = {i % side, i / side % side, i / side / side};
            types[i] = species(random);
            for (int d = 0; d < 3; ++d) positions[3 * i + d] = spacing * place[d] + shift(random);
        }
        for (int i = 0; i < atoms; i += 7) positions[3 * i + i % 3] -= 2.0 * edge;
    }

    double between(int i, int j, int d, int shift) const {
        return positions[3 * j + d] - positions[3 * i + d] + edge * shift;
    }
};

struct Pairs {
    std::vector<std::int64_t> pairs;
    std::vector<std::int32_t> shifts;
};

// Every pair within reach once: the image of j nearest to i is the only one, as the cell is large.
Pairs search(const Crystal& crystal, double reach) {
    Pairs found;
    for (int i = 0; i < atoms; ++i)
        for (int j = 0; j < i; ++j) {
            std::array<int, 3> shift;
            double squared = 0.0;
            for (int d = 0; d < 3; ++d) {
                shift[d] = -static_cast<int>(std::lround(crystal.between(i, j, d, 0) / edge));
                squared += std::pow(crystal.between(i, j, d, shift[d]), 2);
            }
            if (squared >= reach * reach) continue;
            found.pairs.insert(found.pairs.end(), {i, j});
            found.shifts.insert(found.shifts.end(), shift.begin(), shift.end());
        }
    return found;
}

mtpot::ImageLists make_lists(const Crystal& crystal, double reach) {
    const Pairs found = search(crystal, reach);
    return {atoms, found.pairs, found.shifts};
}

constexpr int species[] = {0, 1, 2, 3, 4, 5};

// The atoms of a crystal with their images, as an AtomList views them.
struct System {
    mtpot::ImageLists lists;
    std::vector<double> positions;
    std::vector<int> types;

    System(const Crystal& crystal, double reach)
        : lists(make_lists(crystal, reach)), positions(crystal.positions), types(crystal.types) {
        for (std::size_t g = 0; g < lists.ghost_count(); ++g) {
            const int owner = lists.owners()[g];
            types.push_back(crystal.types[owner]);
            for (int d = 0; d < 3; ++d)
                positions.push_back(crystal.positions[3 * owner + d] +
                                    edge * lists.shifts()[3 * g + d]);
        }
    }

    mtpot::AtomList list() const {
        return {types.size(),    positions.data(),        types.data(),     species, atoms,
                lists.centers(), lists.neighbor_counts(), lists.neighbors()};
    }
};

enum class Extra { none, grades, row };

struct Sums {
    std::vector<double> forces, site_energies, atom_virials, centroid_virials, grades, row,
        deviations;  // empty: not wanted
    std::array<double, 6> virial{};
    double energy = 0.0;

    void clear(std::size_t count, std::size_t parameters) {
        forces.assign(3 * count, 0.0);
        site_energies.assign(count, 0.0);
        atom_virials.assign(6 * count, 0.0);
        centroid_virials.assign(9 * count, 0.0);
        grades.assign(count, 0.0);
        row.assign(parameters, 0.0);
        virial.fill(0.0);
        energy = 0.0;
    }

    mtpot::ListResults results(Extra extra) {
        return {forces.data(),
                &energy,
                virial.data(),
                site_energies.data(),
                atom_virials.data(),
                centroid_virials.data(),
                extra == Extra::grades ? grades.data() : nullptr,
                extra == Extra::row ? row.data() : nullptr,
                deviations.empty() ? nullptr : deviations.data()};
    }
};

struct Engine {
    mtpot::Potential potential;
    mtpot::ActiveSet active;
    mtpot::Evaluator evaluator;
    mtpot::Grader grader;
    mtpot::Design design;

    explicit Engine(const mtpot::Potential& from)
        : potential(from),
          active(from.parameter_count()),
          evaluator(from),
          grader(from, active),
          design(from) {}

    mtpot::ListEvaluator lists() const { return mtpot::ListEvaluator(evaluator, grader, design); }
};

Sums evaluate(const Engine& engine, const System& system, Extra extra, int threads) {
    mtpot::ListEvaluator evaluator = engine.lists();
    Sums sums;
    sums.clear(system.types.size(), engine.potential.parameter_count());
    evaluator.evaluate(system.list(), sums.results(extra), threads);
    return sums;
}

void expect_close(std::span<const double> values, std::span<const double> targets,
                  const char* what) {
    expect(values.size() == targets.size(), what);
    for (std::size_t k = 0; k < values.size(); ++k)
        expect(std::abs(values[k] - targets[k]) <= 5e-13 * (1.0 + largest(targets)), what);
}

void expect_equal(const Sums& a, const Sums& b) {
    expect_close(a.forces, b.forces, "forces of any number of threads are the same");
    expect_close(a.virial, b.virial, "virials of any number of threads are the same");
    expect_close({&a.energy, 1}, {&b.energy, 1}, "energies of any number of threads are the same");
    expect_close(a.site_energies, b.site_energies, "site energies are the same");
    expect_close(a.atom_virials, b.atom_virials, "virials of atoms are the same");
    expect_close(a.centroid_virials, b.centroid_virials, "centroid virials are the same");
    expect_close(a.grades, b.grades, "grades are the same");
    expect_close(a.row, b.row, "sums of rows are the same");
}

// The engine's own input, made from the same pairs without images.
mtpot::OwnedNeighborhoods neighborhoods(const Crystal& crystal) {
    const Pairs found = search(crystal, cutoff);
    std::vector<std::int64_t> centers, neighbors;
    std::vector<double> vectors;
    for (std::size_t k = 0; 2 * k < found.pairs.size(); ++k)
        for (const int sign : {1, -1}) {
            const auto i = static_cast<int>(found.pairs[2 * k]);
            const auto j = static_cast<int>(found.pairs[2 * k + 1]);
            centers.push_back(sign > 0 ? i : j);
            neighbors.push_back(sign > 0 ? j : i);
            for (int d = 0; d < 3; ++d)
                vectors.push_back(sign * crystal.between(i, j, d, found.shifts[3 * k + d]));
        }
    return {crystal.types, centers, neighbors, vectors};
}

void test_sums(const Engine& engine, const Crystal& crystal) {
    const auto owned = neighborhoods(crystal);
    const auto view = owned.view();
    std::vector<double> energies(atoms), gradients(3 * view.pair_count()), forces(3 * atoms, 0.0);
    engine.evaluator.evaluate(view, {energies, gradients}, 1);
    mtpot::add_forces(view, gradients, forces);
    const auto virial = mtpot::virial(view, gradients);

    const System system(crystal, cutoff + 0.7);
    Sums sums = evaluate(engine, system, Extra::none, 1);
    system.lists.fold(sums.forces);
    expect_close(std::span(sums.forces).first(3 * atoms), forces, "forces are those of the pairs");
    expect_close(std::span(sums.site_energies).first(atoms), energies, "so are site energies");
    const double target[6] = {virial[0], virial[4], virial[8], virial[1], virial[2], virial[5]};
    expect_close(sums.virial, target, "so is the virial");
    expect_close({&sums.energy, 1}, std::array{std::reduce(energies.begin(), energies.end())},
                 "so is the energy");
    for (int k = 0; k < 6; ++k) {
        double atom = 0.0, centroid = 0.0;
        for (std::size_t i = 0; i < system.types.size(); ++i) {
            atom += sums.atom_virials[6 * i + k];
            centroid += sums.centroid_virials[9 * i + k];
        }
        expect(close(atom, sums.virial[k], 1.0 + std::abs(sums.virial[k])) &&
                   close(centroid, sums.virial[k], 1.0 + std::abs(sums.virial[k])),
               "virials of atoms add up to that of the structure");
    }
}

void test_grades_and_rows(const Engine& engine, const Crystal& crystal) {
    const auto owned = neighborhoods(crystal);
    const std::size_t size = engine.design.parameter_count();
    std::vector<double> grades(atoms), rows(atoms * size), sum(size, 0.0);
    engine.grader.grades(owned.view(), grades, 1);
    engine.design.rows(owned.view(), rows, 1);
    for (std::size_t k = 0; k < rows.size(); ++k) sum[k % size] += rows[k];
    const System system(crystal, cutoff);
    const Sums graded = evaluate(engine, system, Extra::grades, 1);
    expect_close(std::span(graded.grades).first(atoms), grades, "grades are those of the sites");
    const Sums summed = evaluate(engine, system, Extra::row, 1);
    expect_close(summed.row, sum, "the row is the sum of those of the sites");
}

void test_threads(const Engine& engine, const Crystal& crystal) {
    const System system(crystal, cutoff + 0.5);
    for (const Extra extra : {Extra::none, Extra::grades, Extra::row}) {
        const Sums target = evaluate(engine, system, extra, 1);
        for (int threads = 1; threads <= most_threads; ++threads)
            expect_equal(evaluate(engine, system, extra, threads), target);
    }
}

void test_lists_beyond_the_cutoff(const Engine& engine, const Crystal& crystal) {
    const auto first = [](const std::vector<double>& all, std::size_t count) {
        return std::vector<double>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
    };
    const System near(crystal, cutoff), far(crystal, cutoff + 1.0);
    expect(far.lists.entry_count() > near.lists.entry_count(), "a skin adds neighbors");
    Sums a = evaluate(engine, near, Extra::none, 1);
    Sums b = evaluate(engine, far, Extra::none, 1);
    near.lists.fold(a.forces);
    far.lists.fold(b.forces);
    expect(first(a.forces, 3 * atoms) == first(b.forces, 3 * atoms) &&
               first(a.site_energies, atoms) == first(b.site_energies, atoms) &&
               a.virial == b.virial && a.energy == b.energy,
           "lists beyond the cutoff change no bit");
}

void test_parts(const Engine& engine, const Crystal& crystal) {
    const System system(crystal, cutoff);
    const Sums whole = evaluate(engine, system, Extra::none, 1);
    mtpot::ListEvaluator evaluator = engine.lists();
    Sums sums;
    sums.clear(system.types.size(), engine.potential.parameter_count());
    constexpr int part = 40;
    auto list = system.list();
    list.center_count = part;
    evaluator.evaluate(list, sums.results(Extra::none), 1);
    list.center_count = atoms - part;
    list.centers += part;
    evaluator.evaluate(list, sums.results(Extra::none), 1);
    expect_equal(sums, whole);
}

void test_mask(const Engine& engine, const Crystal& crystal) {
    const System system(crystal, cutoff);
    const Sums target = evaluate(engine, system, Extra::none, 1);
    constexpr int mask = 0x3fffffff;
    std::vector<std::vector<int>> marked;
    std::vector<const int*> pointers;
    for (int i = 0; i < atoms; ++i) {
        const int* begin = system.lists.neighbors()[i];
        marked.emplace_back(begin, begin + system.lists.neighbor_counts()[i]);
        for (int& entry : marked.back()) entry |= ~mask;
        pointers.push_back(marked.back().data());
    }
    auto list = system.list();
    list.neighbors = pointers.data();
    list.mask = mask;
    mtpot::ListEvaluator evaluator = engine.lists();
    Sums sums;
    sums.clear(system.types.size(), engine.potential.parameter_count());
    evaluator.evaluate(list, sums.results(Extra::none), 1);
    expect_equal(sums, target);
}

void test_memory_is_kept(const Engine& engine, const Crystal& crystal) {
    System system(crystal, cutoff + 1.0);
    Sums sums;
    sums.clear(system.types.size(), engine.potential.parameter_count());
    for (const Extra extra : {Extra::none, Extra::grades, Extra::row})
        for (const int threads : {1, most_threads}) {
            mtpot::ListEvaluator evaluator = engine.lists();
            evaluator.evaluate(system.list(), sums.results(extra), threads);
            for (double& x : system.positions) x *= 1.0001;
            const long before = allocations;
            evaluator.evaluate(system.list(), sums.results(extra), threads);
            expect(allocations == before, "a second step takes no memory");
        }
}

// Neighbors of species that are none are refused inside the cutoff, and do not matter beyond it.
void test_wrong_neighbors(const Engine& engine, const System& system) {
    auto list = system.list();
    int center = 0;
    while (system.types[center] != 0) ++center;
    list.center_count = 1;
    list.centers = &center;
    std::vector<double> far = system.positions;
    for (std::size_t k = 0; k < system.types.size(); ++k)
        if (system.types[k] != 0) far[3 * k] += 1e3;
    for (const int type : {-1, engine.potential.species_count}) {
        const int wrong[species_count] = {0, type};
        list.species = wrong;
        mtpot::ListEvaluator evaluator = engine.lists();
        list.positions = system.positions.data();
        expect_refused([&] { evaluator.evaluate(list, {}); }, "a neighbor of no species");
        list.positions = far.data();
        evaluator.evaluate(list, {});
    }
}

void test_refusals(const Engine& engine, const Crystal& crystal) {
    const System sound(crystal, cutoff);
    const auto spoilt = [&](auto&& spoil) {
        System system(crystal, cutoff);
        spoil(system);
        evaluate(engine, system, Extra::none, most_threads);
    };
    using mtpot::NumericalError;
    for (const double number :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
        expect_refused<NumericalError>(
            [&] { spoilt([&](System& system) { system.positions[17] = number; }); },
            "a position that is not finite");
    expect_refused<NumericalError>(
        [&] {
            spoilt([](System& system) {
                const int neighbor = system.lists.neighbors()[0][0];
                for (int d = 0; d < 3; ++d)
                    system.positions[d] = system.positions[3 * neighbor + d];
            });
        },
        "two atoms at one place");
    for (const int type : {-1, species_count}) {
        const int wrong[species_count] = {0, type};
        auto list = sound.list();
        list.species = wrong;
        mtpot::ListEvaluator evaluator = engine.lists();
        expect_refused([&] { evaluator.evaluate(list, {}); }, "a center of a species that is none");
    }
    test_wrong_neighbors(engine, sound);
    mtpot::ListEvaluator plain(engine.evaluator);
    std::vector<double> numbers(1000);
    mtpot::ListResults graded{}, summed{};
    graded.grades = summed.row = numbers.data();
    expect_refused([&] { plain.evaluate(sound.list(), graded); }, "grades without a grader");
    expect_refused([&] { plain.evaluate(sound.list(), summed); }, "rows without a design");
}

void test_pairs_that_do_not_fit() {
    const auto make = [](std::vector<std::int64_t> pairs, std::vector<std::int32_t> shifts) {
        expect_refused([&] { mtpot::ImageLists(2, pairs, shifts); }, "pairs that do not fit");
    };
    make({0, 2}, {0, 0, 0});
    make({-1, 0}, {0, 0, 0});
    make({0, 1}, {0, 0});
    make({0, 1, 0}, {0, 0, 0});
    make({0, 1}, {0, 0, std::numeric_limits<std::int32_t>::min()});
    const mtpot::ImageLists none(0, {}, {});
    expect(none.atom_count() == 0 && none.ghost_count() == 0, "no atoms have no images");
}

void test_no_atoms(const Engine& engine) {
    mtpot::ListEvaluator evaluator = engine.lists();
    const mtpot::ImageLists none(0, {}, {});
    double energy = 0.0;
    mtpot::ListResults results{};
    results.energy = &energy;
    evaluator.evaluate(
        {0, nullptr, nullptr, species, 0, none.centers(), none.neighbor_counts(), none.neighbors()},
        results);
    expect(energy == 0.0, "no atoms have no energy");
}

// What one pass says of the members is the difference of their own energies.
void test_members(const mtpot::Potential& from, const Crystal& crystal, std::mt19937& random) {
    constexpr std::size_t members = 11;  // more than a kernel takes at a time
    std::uniform_real_distribution<double> factor(0.9, 1.1);
    mtpot::Ensemble ensemble;
    const std::vector<double> parameters = from.parameters();
    for (std::size_t m = 0; m < members; ++m)
        for (std::size_t k = from.radial_coefficients.size(); k < parameters.size(); ++k)
            ensemble.members.push_back(parameters[k] * factor(random));
    mtpot::Potential potential = from;
    potential.ensemble = std::make_shared<const mtpot::Ensemble>(std::move(ensemble));
    const Engine engine(potential);
    const System system(crystal, cutoff);
    const auto energies_of = [&](const mtpot::Potential& one) {
        auto sums = evaluate(Engine(one), system, Extra::none, 1);
        sums.site_energies.resize(atoms);
        return sums.site_energies;
    };
    const std::vector<double> own = energies_of(from);
    std::vector<double> expected(members * atoms);
    for (std::size_t m = 0; m < members; ++m) {
        const auto energies = energies_of(member(potential, m));
        for (int i = 0; i < atoms; ++i) expected[i * members + m] = energies[i] - own[i];
    }
    for (const Extra extra : {Extra::none, Extra::grades, Extra::row})
        for (const int threads : {1, most_threads}) {
            mtpot::ListEvaluator evaluator = engine.lists();
            Sums sums;
            sums.clear(system.types.size(), potential.parameter_count());
            sums.deviations.assign(members * atoms, -1.0);
            evaluator.evaluate(system.list(), sums.results(extra), threads);
            expect_close(sums.deviations, expected, "deviations are those of the members");
            expect_close(std::span(sums.site_energies).first(atoms), own, "energies are the same");
        }
}

// Few species and many, and potentials of which little is left.
void test_other_potentials(const std::string& basis, std::mt19937& random) {
    for (const int count : {1, 3, 6}) {
        const Crystal crystal(random, count);
        const Engine engine(random_potential(basis, random, count, 6));
        test_sums(engine, crystal);
        test_grades_and_rows(engine, crystal);
        test_threads(engine, crystal);
        test_lists_beyond_the_cutoff(engine, crystal);
    }
    const Crystal crystal(random);
    const Engine one(random_potential(basis, random, 1));
    test_wrong_neighbors(one, System(crystal, cutoff));
    const Engine pairs_alone(random_potential(basis, random, species_count, 2));
    test_sums(pairs_alone, crystal);
    const auto some = random_potential(basis, random);
    std::vector<double> parameters = some.parameters();
    std::fill(parameters.end() - static_cast<std::ptrdiff_t>(some.linear_coefficients.size()),
              parameters.end(), 0.0);
    const Engine nothing(some.with_parameters(parameters));
    test_sums(nothing, crystal);
    const Engine repulsive(with_core(some));
    test_sums(repulsive, crystal);
    test_grades_and_rows(repulsive, crystal);
    test_threads(repulsive, crystal);
}

}  // namespace

int main() try {
    std::mt19937 random(11);
    const Crystal crystal(random);
    for (const auto& basis : mtpot::radial_basis_names()) {
        const Engine engine(random_potential(basis, random));
        test_sums(engine, crystal);
        test_grades_and_rows(engine, crystal);
        test_threads(engine, crystal);
        test_lists_beyond_the_cutoff(engine, crystal);
        test_parts(engine, crystal);
        test_mask(engine, crystal);
        test_memory_is_kept(engine, crystal);
        test_refusals(engine, crystal);
        test_no_atoms(engine);
        test_other_potentials(basis, random);
        test_members(random_potential(basis, random), crystal, random);
    }
    test_pairs_that_do_not_fit();
    std::printf("lists hold\n");
} catch (const std::exception& error) {
    std::printf("%s\n", error.what());
    return 1;
}

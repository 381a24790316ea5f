#include "mtpot/list_evaluator.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <string>
#include <utility>

#include "chunk.hpp"
#include "mtpot/error.hpp"
#include "pair_virials.hpp"
#include "parallel.hpp"

namespace mtpot {
namespace {

constexpr std::size_t least_share = 16;  // centers that are worth a thread: some of the blocks

#ifdef _OPENMP
int thread_number() {
    return omp_get_thread_num();
}
int team_size() {
    return omp_get_num_threads();
}
#else
int thread_number() {
    return 0;
}
int team_size() {
    return 1;
}
#endif

double sum(std::span<const double> values) {
    double total = 0.0;
    for (const double value : values) total += value;
    return total;
}

std::size_t divide_up(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}

// No larger than asked for, and the same number of chunks for every thread.
std::size_t chunk_size(std::size_t centers, int threads, const Effort& effort) {
    const auto team = static_cast<std::size_t>(threads);
    const std::size_t most = team * static_cast<std::size_t>(std::max(effort.chunk_size, 1));
    const std::size_t rounds = std::max<std::size_t>(divide_up(centers, most), 1);
    return std::max<std::size_t>(divide_up(centers, team * rounds), 1);
}

double* cleared(std::vector<double>& values, std::size_t count, const double* wanted) {
    if (!wanted) return nullptr;
    double* data = reserve(values, count);
    std::fill_n(data, count, 0.0);
    return data;
}

void add_row_sum(const Design& design, Chunk& chunk, double* sums) {
    const std::size_t size = design.parameter_count();
    const auto rows = chunk.rows(size);
    design.evaluate(chunk.view(), chunk.result(), rows, 1);
    for (std::size_t first = 0; first < rows.size(); first += size)
        for (std::size_t k = 0; k < size; ++k) sums[k] += rows[first + k];
}

}  // namespace

// A chunk in the making, and the sums that threads must not share; the first thread adds to the
// caller's arrays directly.
struct ListEvaluator::Thread {
    Chunk chunk;
    std::vector<double> forces, atom_virials, centroid_virials, row;
    std::array<double, 6> virial;
    std::exception_ptr failure;

    ListResults start(const ListResults& shared, std::size_t atoms, std::size_t parameters,
                      bool first) {
        virial.fill(0.0);
        ListResults own = shared;
        if (own.virial) own.virial = virial.data();
        if (first) return own;
        own.forces = cleared(forces, 3 * atoms, shared.forces);
        own.atom_virials = cleared(atom_virials, 6 * atoms, shared.atom_virials);
        own.centroid_virials = cleared(centroid_virials, 9 * atoms, shared.centroid_virials);
        own.row = cleared(row, parameters, shared.row);
        return own;
    }

    // No exception may leave a parallel region; after the first, nothing more is done.
    template <class Work>
    void guard(Work&& work) {
        if (failure) return;
        try {
            work();
        } catch (...) {
            failure = std::current_exception();
        }
    }

    // Adds the results of the chunk that has been evaluated, and returns its energy.
    double tally(const ListResults& results, std::size_t atoms) {
        const auto view = chunk.view();
        const auto [energies, gradients] = chunk.result();
        if (results.forces) add_forces(view, gradients, {results.forces, 3 * atoms});
        if (results.virial) add_virial(view, gradients, results.virial);
        if (results.atom_virials) add_atom_virials(view, gradients, results.atom_virials);
        if (results.centroid_virials)
            add_centroid_virials(view, gradients, results.centroid_virials);
        for (std::size_t c = 0; c < energies.size(); ++c) {
            if (results.site_energies) results.site_energies[view.atom(c)] += energies[c];
            if (results.grades) results.grades[view.atom(c)] = chunk.grades()[c];
        }
        return sum(energies);
    }
};

ListEvaluator::ListEvaluator(Evaluator evaluator, std::optional<Grader> grader,
                             std::optional<Design> design)
    : evaluator_(std::move(evaluator)), grader_(std::move(grader)), design_(std::move(design)) {}

ListEvaluator::~ListEvaluator() = default;

void ListEvaluator::evaluate(const AtomList& list, const ListResults& results,
                             const Effort& effort) {
    require(!results.grades || grader_, "grades need a grader");
    require(!results.row || design_, "rows need a design");
    require(!results.row || !results.grades, "a pass gives grades or rows, not both");
    order_centers(list);
    const int threads = useful_threads(effort.threads, order_.size() / least_share);
    threads_.resize(static_cast<std::size_t>(threads));
    const int team = evaluate_chunks(list, results, chunk_size(order_.size(), threads, effort));
    for (int t = 0; t < team; ++t)
        if (threads_[t].failure) std::rethrow_exception(threads_[t].failure);
    if (results.energy) *results.energy += sum(chunk_energies_);
    merge(results, list.atom_count, team);
}

int ListEvaluator::evaluate_chunks(const AtomList& list, const ListResults& results,
                                   std::size_t size) {
    const auto chunks = static_cast<int>(divide_up(order_.size(), size));
    const auto threads = static_cast<int>(threads_.size());
    chunk_energies_.assign(chunks, 0.0);
    int team = 1;
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        const int me = thread_number();
        if (me == 0) team = team_size();
        Thread& thread = threads_[me];
        ListResults own{};
        thread.failure = nullptr;
        thread.guard([&] {
            own = thread.start(results, list.atom_count, potential().parameter_count(), me == 0);
        });
#pragma omp for schedule(static)
        for (int c = 0; c < chunks; ++c)
            thread.guard([&] {
                const std::size_t first = c * size;
                const std::size_t count = std::min(size, order_.size() - first);
                thread.chunk.gather(list, {order_.data() + first, count},
                                    potential().radial.cutoff);
                evaluate_chunk(thread.chunk, own);
                chunk_energies_[c] = thread.tally(own, list.atom_count);
            });
    }
    return team;
}

void ListEvaluator::evaluate_chunk(Chunk& chunk, const ListResults& results) const {
    if (results.grades)
        grader_->evaluate(chunk.view(), chunk.result(), chunk.grades(), 1);
    else if (results.row)
        add_row_sum(*design_, chunk, results.row);
    else
        evaluator_.evaluate(chunk.view(), chunk.result(), 1);
}

// By species, so that the engine's blocks, which are of one species each, are full.
void ListEvaluator::order_centers(const AtomList& list) {
    const int count = potential().species_count;
    const auto species_of = [&](int center) { return list.species[list.types[center]]; };
    places_.assign(count + 1, 0);
    for (int c = 0; c < list.center_count; ++c) {
        const int species = species_of(list.centers[c]);
        require(species >= 0 && species < count,
                "a center's type is not one of the potential's species");
        ++places_[species + 1];
    }
    for (int z = 0; z < count; ++z) places_[z + 1] += places_[z];
    order_.resize(static_cast<std::size_t>(list.center_count));
    for (int c = 0; c < list.center_count; ++c)
        order_[places_[species_of(list.centers[c])]++] = list.centers[c];
}

void ListEvaluator::merge(const ListResults& results, std::size_t atoms, int team) const {
    for (int t = 0; results.virial && t < team; ++t)
        for (int k = 0; k < 6; ++k) results.virial[k] += threads_[t].virial[k];
    if (team == 1) return;
    const auto add_all = [&](double* sums, std::vector<double> Thread::* terms, std::size_t count) {
        if (!sums) return;
#pragma omp parallel for schedule(static) num_threads(team)
        for (std::size_t k = 0; k < count; ++k)
            for (int t = 1; t < team; ++t) sums[k] += (threads_[t].*terms)[k];
    };
    add_all(results.forces, &Thread::forces, 3 * atoms);
    add_all(results.atom_virials, &Thread::atom_virials, 6 * atoms);
    add_all(results.centroid_virials, &Thread::centroid_virials, 9 * atoms);
    add_all(results.row, &Thread::row, potential().parameter_count());
}

double ListEvaluator::memory_usage() const {
    double bytes = static_cast<double>(sizeof(int) * order_.capacity());
    for (const auto& thread : threads_)
        bytes += thread.chunk.memory_usage() +
                 static_cast<double>(sizeof(double) *
                                     (thread.forces.size() + thread.atom_virials.size() +
                                      thread.centroid_virials.size() + thread.row.size()));
    return bytes;
}

}  // namespace mtpot

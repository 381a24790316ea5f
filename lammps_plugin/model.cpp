#include "model.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <array>
#include <cmath>
#include <exception>
#include <optional>
#include <span>

#include "chunk.h"
#include "mtpot/design.hpp"
#include "mtpot/error.hpp"
#include "mtpot/grade.hpp"
#include "mtpot/io.hpp"

namespace mtpot_lammps {
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

// More only cost memory, and a system that has no more of them ends the process.
int useful_threads(int threads, std::size_t centers) {
#ifdef _OPENMP
    const auto work = static_cast<int>(std::clamp<std::size_t>(centers / least_share, 1, 1 << 16));
    return std::clamp(threads, 1, std::min(4 * omp_get_num_procs(), work));
#else
    return 1;
#endif
}

// No larger than asked for, and the same number of chunks for every thread.
std::size_t chunk_size(std::size_t centers, int threads, int largest) {
    const auto ceil = [](std::size_t a, std::size_t b) { return (a + b - 1) / b; };
    const auto team = static_cast<std::size_t>(threads);
    const std::size_t rounds = std::max<std::size_t>(ceil(centers, team * largest), 1);
    return std::max<std::size_t>(ceil(centers, team * rounds), 1);
}

void add_virial(const mtpot::Neighborhoods& view, std::span<const double> gradients,
                double* virial) {
    const auto w = mtpot::virial(view, gradients);
    const int order[6] = {0, 4, 8, 1, 2, 5};
    for (int k = 0; k < 6; ++k) virial[k] += w[order[k]];
}

template <class Use>
void for_each_pair(const mtpot::Neighborhoods& view, std::span<const double> gradients, Use&& use) {
    for (std::size_t c = 0; c < view.center_count(); ++c)
        for (auto pair = view.offsets[c]; pair < view.offsets[c + 1]; ++pair)
            use(view.atom(c), static_cast<std::size_t>(view.neighbors[pair]),
                view.vectors.data() + 3 * pair, gradients.data() + 3 * pair);
}

void add_atom_virials(const mtpot::Neighborhoods& view, std::span<const double> gradients,
                      double* virials) {
    for_each_pair(view, gradients,
                  [&](std::size_t i, std::size_t j, const double* r, const double* g) {
                      const double term[6] = {
                          r[0] * g[0],
                          r[1] * g[1],
                          r[2] * g[2],
                          0.5 * (r[0] * g[1] + r[1] * g[0]),
                          0.5 * (r[0] * g[2] + r[2] * g[0]),
                          0.5 * (r[1] * g[2] + r[2] * g[1]),
                      };
                      for (int k = 0; k < 6; ++k) {
                          virials[6 * i + k] -= 0.5 * term[k];
                          virials[6 * j + k] -= 0.5 * term[k];
                      }
                  });
}

// With V_i at the place of center i, its force on neighbor j has the lever r_ij, and the flux
// sum_j W_j v_j of W_j = -sum_i r_ij (x) dV_i/dr_ij is that of the energies V_i: Fan et al., Phys.
// Rev. B 92 (2015) 094301, eq. 20; Surblys et al., Phys. Rev. E 99 (2019) 051301.
void add_centroid_virials(const mtpot::Neighborhoods& view, std::span<const double> gradients,
                          double* virials) {
    for_each_pair(
        view, gradients, [&](std::size_t, std::size_t j, const double* r, const double* g) {
            const double term[9] = {r[0] * g[0], r[1] * g[1], r[2] * g[2], r[0] * g[1], r[0] * g[2],
                                    r[1] * g[2], r[1] * g[0], r[2] * g[0], r[2] * g[1]};
            for (int k = 0; k < 9; ++k) virials[9 * j + k] -= term[k];
        });
}

}  // namespace

struct Model::Engine {
    std::string path;
    mtpot::PotentialFile file;
    mtpot::Evaluator evaluator;
    std::optional<mtpot::Grader> grader;  // for grades
    std::optional<mtpot::Design> design;  // for grades in configuration mode

    Engine(const std::string& content, const std::string& from, bool graded)
        : path(from), file(mtpot::parse_potential(content, from)), evaluator(file.potential) {
        if (!graded) return;
        mtpot::require(file.selection.has_value(),
                       from +
                           ": has no active set, which extrapolation grades need; train with "
                           "--active-set nbh (or cfg) and use the .almtp file");
        grader.emplace(file.potential, file.selection->active_set);
        if (!file.selection->per_site()) design.emplace(file.potential);
    }

    void evaluate(Chunk& chunk, const Results& results) const {
        if (results.grades)
            grader->evaluate(chunk.view(), chunk.result(), chunk.grades(), 1);
        else if (results.row)
            add_rows(chunk, results.row);
        else
            evaluator.evaluate(chunk.view(), chunk.result(), 1);
    }

    void add_rows(Chunk& chunk, double* sums) const {
        const std::size_t size = design->parameter_count();
        const auto rows = chunk.rows(size);
        design->evaluate(chunk.view(), chunk.result(), rows, 1);
        for (std::size_t first = 0; first < rows.size(); first += size)
            for (std::size_t k = 0; k < size; ++k) sums[k] += rows[first + k];
    }
};

// A chunk in the making, and the sums that threads must not share; the first thread adds to the
// caller's arrays directly.
struct Model::Thread {
    Chunk chunk;
    std::vector<double> forces, atom_virials, centroid_virials, row;
    std::array<double, 6> virial;
    std::exception_ptr failure;

    Results start(const Results& shared, std::size_t atoms, std::size_t parameters, bool first) {
        virial.fill(0.0);
        Results own = shared;
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
    double tally(const Results& results, std::size_t atoms) {
        const auto view = chunk.view();
        const auto [energies, gradients] = chunk.result();
        if (results.forces) mtpot::add_forces(view, gradients, {results.forces, 3 * atoms});
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

private:
    static double* cleared(std::vector<double>& values, std::size_t count, const double* wanted) {
        if (!wanted) return nullptr;
        double* data = reserve(values, count);
        std::fill_n(data, count, 0.0);
        return data;
    }
};

Model::Model(const std::string& content, const std::string& path, bool graded)
    : engine_(std::make_unique<Engine>(content, path, graded)) {}

Model::~Model() = default;

void Model::evaluate(const AtomList& list, const Results& results, const Effort& effort) {
    order_centers(list);
    const int threads = useful_threads(effort.threads, order_.size());
    const std::size_t size = chunk_size(order_.size(), threads, effort.chunk_size);
    const auto chunks = static_cast<int>((order_.size() + size - 1) / size);
    chunk_energies_.assign(chunks, 0.0);
    threads_.resize(static_cast<std::size_t>(threads));
    for (auto& thread : threads_) thread.failure = nullptr;
    int team = 1;
#pragma omp parallel num_threads(static_cast<int>(threads_.size()))
    {
        const int me = thread_number();
        if (me == 0) team = team_size();
        Thread& thread = threads_[me];
        Results own{};
        thread.guard(
            [&] { own = thread.start(results, list.atom_count, parameter_count(), me == 0); });
#pragma omp for schedule(static)
        for (int c = 0; c < chunks; ++c)
            thread.guard([&] {
                const std::size_t first = c * size;
                const std::size_t count = std::min(size, order_.size() - first);
                thread.chunk.gather(list, {order_.data() + first, count}, cutoff());
                engine_->evaluate(thread.chunk, own);
                chunk_energies_[c] = thread.tally(own, list.atom_count);
            });
    }
    for (int t = 0; t < team; ++t)
        if (threads_[t].failure) std::rethrow_exception(threads_[t].failure);
    if (results.energy) *results.energy += sum(chunk_energies_);
    merge(results, list.atom_count, team);
}

// By species, so that the engine's blocks, which are of one species each, are full.
void Model::order_centers(const AtomList& list) {
    std::vector<std::size_t> first(species_count() + 1, 0);
    const auto species_of = [&](int center) { return list.species[list.types[center]]; };
    for (int c = 0; c < list.center_count; ++c) ++first[species_of(list.centers[c]) + 1];
    for (int z = 0; z < species_count(); ++z) first[z + 1] += first[z];
    order_.resize(static_cast<std::size_t>(list.center_count));
    for (int c = 0; c < list.center_count; ++c)
        order_[first[species_of(list.centers[c])]++] = list.centers[c];
}

void Model::merge(const Results& results, std::size_t atoms, int team) const {
    const auto add_all = [&](double* sums, std::vector<double> Thread::* terms, std::size_t count) {
        if (!sums) return;
#pragma omp parallel for schedule(static) num_threads(team)
        for (std::size_t k = 0; k < count; ++k)
            for (int t = 1; t < team; ++t) sums[k] += (threads_[t].*terms)[k];
    };
    add_all(results.forces, &Thread::forces, 3 * atoms);
    add_all(results.atom_virials, &Thread::atom_virials, 6 * atoms);
    add_all(results.centroid_virials, &Thread::centroid_virials, 9 * atoms);
    add_all(results.row, &Thread::row, parameter_count());
    for (int t = 0; results.virial && t < team; ++t)
        for (int k = 0; k < 6; ++k) results.virial[k] += threads_[t].virial[k];
}

const std::string& Model::path() const {
    return engine_->path;
}

double Model::cutoff() const {
    return engine_->file.potential.radial.cutoff;
}

int Model::species_count() const {
    return engine_->file.potential.species_count;
}

const std::vector<std::string>& Model::species() const {
    return engine_->file.potential.species;
}

bool Model::grades_sites() const {
    return engine_->grader && !engine_->design;
}

std::size_t Model::parameter_count() const {
    return engine_->file.potential.parameter_count();
}

double Model::grade(const std::vector<double>& row, double atom_count) const {
    const auto& selection = *engine_->file.selection;
    std::vector<double> mean = row;
    const double weight = std::pow(std::max(atom_count, 1.0), selection.weight_scaling / 2.0);
    for (double& value : mean) value /= weight;
    return engine_->grader->grade(mean);
}

double Model::memory_usage() const {
    double bytes = static_cast<double>(sizeof(int) * order_.capacity());
    for (const auto& thread : threads_)
        bytes += thread.chunk.memory_usage() +
                 static_cast<double>(sizeof(double) *
                                     (thread.forces.size() + thread.atom_virials.size() +
                                      thread.centroid_virials.size() + thread.row.size()));
    return bytes;
}

}  // namespace mtpot_lammps

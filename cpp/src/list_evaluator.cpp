#include "mtpot/list_evaluator.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <utility>

#include "compiled.hpp"
#include "grade_matrix.hpp"
#include "mtpot/error.hpp"
#include "row_blocks.hpp"

namespace mtpot {
namespace {

constexpr std::size_t least_share = 2;  // blocks that are worth a thread

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

// Grows, and never shrinks, so that a simulation soon allocates no more.
double* cleared(std::vector<double>& values, std::size_t count, const double* wanted) {
    if (!wanted) return nullptr;
    if (values.size() < count) values.resize(count + count / 4);
    std::fill_n(values.data(), count, 0.0);
    return values.data();
}

bool has_one_species(const AtomList& list) {
    int any = 0;
    for (std::size_t k = 0; k < list.atom_count; ++k) any |= list.species[list.types[k]];
    return any == 0;
}

// sums[size] += rows[size][lanes] of the first `count` lanes.
void add_rows(const double* rows, int lanes, int count, std::size_t size, double* sums) {
    for (std::size_t k = 0; k < size; ++k)
        for (int lane = 0; lane < count; ++lane) sums[k] += rows[k * lanes + lane];
}

}  // namespace

// What all blocks of a call have in common.
struct ListEvaluator::Pass {
    const AtomList& list;
    const ListResults& results;
    const CompiledPotential& compiled;
    const EvaluateKernel& kernel;
    int threads;
    std::size_t together;         // blocks that are graded together
    std::size_t row_bytes;        // of all of them; 0 if no rows are wanted
    std::size_t deviation_bytes;  // likewise
    bool one_species;             // of the potential and of all atoms
};

// Memory for a block, and the sums that threads must not share; the first thread adds to the
// caller's arrays directly.
struct ListEvaluator::Thread {
    Workspace workspace;
    std::vector<double> forces, atom_virials, centroid_virials, row;
    std::array<double, 6> virial;
    std::exception_ptr failure;

    ListResults start(const ListResults& shared, std::size_t atoms, std::size_t row_size,
                      bool first) {
        virial.fill(0.0);
        ListResults own = shared;
        if (own.virial) own.virial = virial.data();
        own.row = cleared(row, row_size, shared.row);
        if (first) return own;
        own.forces = cleared(forces, 3 * atoms, shared.forces);
        own.atom_virials = cleared(atom_virials, 6 * atoms, shared.atom_virials);
        own.centroid_virials = cleared(centroid_virials, 9 * atoms, shared.centroid_virials);
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
};

ListEvaluator::ListEvaluator(Evaluator evaluator, std::optional<Grader> grader,
                             std::optional<Design> design)
    : evaluator_(std::move(evaluator)), grader_(std::move(grader)), design_(std::move(design)) {
    for (std::size_t k = 0; k < potential().member_count(); ++k) {
        const auto energies = deviation(potential(), k).species_energies;
        species_deviations_.insert(species_deviations_.end(), energies.begin(), energies.end());
    }
}

ListEvaluator::~ListEvaluator() = default;

void ListEvaluator::evaluate(const AtomList& list, const ListResults& results, int threads) {
    require(!results.grades || grader_, "grades need a grader");
    require(!results.row || design_, "rows need a design");
    require(!results.deviations || potential().ensemble, "deviations need an ensemble");
    const bool rows = results.grades || results.row;
    const bool mixed = evaluator_.precision() == Precision::mixed && !rows;
    const Kernels& all = kernels();
    const EvaluateKernel& kernel = mixed ? *all.evaluate_mixed : all.evaluate;
    const auto& compiled = results.grades ? *grader_->compiled_
                           : results.row  ? *design_->compiled_
                                          : *evaluator_.compiled_;
    order_centers(list);
    cut_blocks(static_cast<std::size_t>(kernel.lanes));
    const int wanted = useful_threads(threads, blocks_.size() / least_share);
    if (threads_.size() < static_cast<std::size_t>(wanted)) threads_.resize(wanted);
    const std::size_t together = rows ? blocks_together(compiled, blocks_.size(), wanted) : 1;
    const std::size_t row_bytes =
        rows ? padded(together * row_numbers(compiled) * sizeof(double)) : 0;
    const std::size_t deviation_bytes =
        results.deviations ? padded(compiled.spread.members * kernel.lanes * sizeof(double)) : 0;
    const int team =
        evaluate_blocks({list, results, compiled, kernel, wanted, together, row_bytes,
                         deviation_bytes, potential().species_count == 1 && has_one_species(list)});
    for (int t = 0; t < team; ++t)
        if (threads_[t].failure) std::rethrow_exception(threads_[t].failure);
    if (results.energy) *results.energy += sum(block_energies_);
    merge(results, list.atom_count, compiled, team);
}

int ListEvaluator::evaluate_blocks(const Pass& pass) {
    const auto count =
        static_cast<std::int64_t>((blocks_.size() + pass.together - 1) / pass.together);
    block_energies_.assign(blocks_.size(), 0.0);
    int team = 1;
#pragma omp parallel num_threads(pass.threads) if (pass.threads > 1)
    {
        const int me = thread_number();
        if (me == 0) team = team_size();
        Thread& thread = threads_[me];
        ListResults own{};
        thread.failure = nullptr;
        thread.guard([&] {
            own =
                thread.start(pass.results, pass.list.atom_count, pass.compiled.row_size(), me == 0);
            thread.workspace.reserve(pass.row_bytes + pass.deviation_bytes +
                                     pass.kernel.bytes(pass.compiled, longest_list_));
        });
#pragma omp for schedule(static)
        for (std::int64_t k = 0; k < count; ++k)
            thread.guard([&] {
                evaluate_group(pass, own, thread, static_cast<std::size_t>(k) * pass.together);
            });
    }
    return team;
}

void ListEvaluator::evaluate_group(const Pass& pass, const ListResults& own, Thread& thread,
                                   std::size_t first) {
    std::array<CenterBlock, most_together> blocks;
    const std::size_t count = std::min(pass.together, blocks_.size() - first);
    auto* rows = static_cast<double*>(thread.workspace.reserve(0));
    const std::size_t numbers = pass.row_bytes ? row_numbers(pass.compiled) : 0;
    for (std::size_t k = 0; k < count; ++k) {
        const auto [begin, end] = blocks_[first + k];
        blocks[k] = {nullptr, &pass.list, order_.data() + begin, static_cast<int>(end - begin),
                     pass.one_species};
        block_energies_[first + k] =
            evaluate_block(pass, own, thread, blocks[k], rows + k * numbers);
    }
    if (own.grades)
        grade_blocks(*grader_->matrix_, pass.compiled, std::span(blocks.data(), count), rows,
                     own.grades);
}

double ListEvaluator::evaluate_block(const Pass& pass, const ListResults& own, Thread& thread,
                                     const CenterBlock& block, double* rows) const {
    auto* memory = static_cast<char*>(thread.workspace.reserve(0)) + pass.row_bytes;
    SiteOutputs out;
    out.sums = &own;
    if (pass.row_bytes) out.rows = rows;
    if (pass.deviation_bytes) out.deviations = reinterpret_cast<double*>(memory);
    require_done(pass.kernel.run(pass.compiled, block, memory + pass.deviation_bytes, out));
    if (out.deviations) write_deviations(pass, block, out.deviations);
    if (own.row) add_rows(rows, pass.kernel.lanes, block.count, pass.compiled.row_size(), own.row);
    double energy = 0.0;
    for (int lane = 0; lane < block.count; ++lane) {
        energy += out.energies[lane];
        if (own.site_energies) own.site_energies[block.centers[lane]] += out.energies[lane];
    }
    return energy;
}

void ListEvaluator::write_deviations(const Pass& pass, const CenterBlock& block,
                                     const double* found) const {
    const auto members = static_cast<std::size_t>(pass.compiled.spread.members);
    for (std::size_t m = 0; m < members; ++m) {
        const double own = species_deviations_[m * potential().species_count + block.species()];
        for (int lane = 0; lane < block.count; ++lane)
            pass.results.deviations[block.centers[lane] * members + m] =
                own + found[m * pass.kernel.lanes + lane];
    }
}

void ListEvaluator::order_centers(const AtomList& list) {
    const int count = potential().species_count;
    const auto species_of = [&](int center) { return list.species[list.types[center]]; };
    ends_.assign(count + 1, 0);
    longest_list_ = 0;
    for (int c = 0; c < list.center_count; ++c) {
        const int center = list.centers[c], species = species_of(center);
        require(species >= 0 && species < count,
                "a center's type is not one of the potential's species");
        ++ends_[species + 1];
        longest_list_ =
            std::max(longest_list_, static_cast<std::size_t>(list.neighbor_count[center]));
    }
    for (int z = 0; z < count; ++z) ends_[z + 1] += ends_[z];
    order_.resize(static_cast<std::size_t>(list.center_count));
    for (int c = 0; c < list.center_count; ++c)
        order_[ends_[species_of(list.centers[c])]++] = list.centers[c];
}

// ends_[z] is by now where the centers of species z end.
void ListEvaluator::cut_blocks(std::size_t lanes) {
    blocks_.clear();
    std::size_t begin = 0;
    for (int z = 0; z < potential().species_count; begin = ends_[z++])
        for (; begin < ends_[z]; begin += lanes)
            blocks_.push_back({begin, std::min(begin + lanes, ends_[z])});
}

void ListEvaluator::merge(const ListResults& results, std::size_t atoms,
                          const CompiledPotential& compiled, int team) const {
    for (int t = 0; t < team; ++t) {
        for (int k = 0; results.virial && k < 6; ++k) results.virial[k] += threads_[t].virial[k];
        if (results.row) compiled.add_row(threads_[t].row.data(), results.row);
    }
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
}

double ListEvaluator::memory_usage() const {
    double bytes = static_cast<double>(sizeof(std::int32_t) * order_.capacity() +
                                       sizeof(Range) * blocks_.capacity() +
                                       sizeof(double) * block_energies_.capacity());
    for (const auto& thread : threads_)
        bytes += static_cast<double>(thread.workspace.size() +
                                     sizeof(double) *
                                         (thread.forces.size() + thread.atom_virials.size() +
                                          thread.centroid_virials.size() + thread.row.size()));
    return bytes;
}

}  // namespace mtpot

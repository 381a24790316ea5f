// Atoms with neighbor lists -> forces, energy, virial and what else a step of a simulation wants.
//
// Centers pass through the kernels in blocks of a few, straight from positions and lists, so that
// memory is that of the lists and of a block a thread; once it is there, a step allocates none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "mtpot/atom_list.hpp"
#include "mtpot/design.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/grade.hpp"

namespace mtpot {

struct CenterBlock;

// Keeps the memory of a step for the next one: one call at a time.
class ListEvaluator {
public:
    // A grader gives grades, a design rows; both are of the evaluator's potential. A pass that
    // gives either is in double precision, whatever the evaluator's is.
    explicit ListEvaluator(Evaluator evaluator, std::optional<Grader> grader = std::nullopt,
                           std::optional<Design> design = std::nullopt);
    ~ListEvaluator();
    ListEvaluator(const ListEvaluator&) = delete;
    ListEvaluator& operator=(const ListEvaluator&) = delete;

    const Potential& potential() const { return evaluator_.potential(); }
    bool couples_pairs() const { return evaluator_.couples_pairs(); }

    // NumericalError if atoms coincide or a position is not a finite number; the results are then
    // incomplete. With the same number of threads (0: as many as OpenMP would take), lists of the
    // same order give the same bits, whatever they hold beyond the cutoff; other numbers of threads
    // give the same to rounding.
    void evaluate(const AtomList& list, const ListResults& results, int threads = 0);

    double memory_usage() const;  // bytes

private:
    struct Pass;
    struct Thread;

    void order_centers(const AtomList& list);
    void cut_blocks(std::size_t lanes);
    // Returns how many threads took part.
    int evaluate_blocks(const Pass& pass);
    // From the first block on, as many as belong together.
    void evaluate_group(const Pass& pass, const ListResults& own, Thread& thread,
                        std::size_t first);
    // Returns the energy.
    double evaluate_block(const Pass& pass, const ListResults& own, Thread& thread,
                          const CenterBlock& block, double* rows) const;
    void write_deviations(const Pass& pass, const CenterBlock& block, const double* found) const;
    void merge(const ListResults& results, std::size_t atoms, const CompiledPotential& compiled,
               int team) const;

    struct Range {
        std::size_t begin, end;  // in order_
    };

    Evaluator evaluator_;
    std::optional<Grader> grader_;
    std::optional<Design> design_;
    std::vector<Thread> threads_;
    std::vector<std::size_t> ends_;    // [species + 1]
    std::vector<std::int32_t> order_;  // centers, by species
    std::vector<Range> blocks_;        // of centers of one species
    std::vector<double> block_energies_;
    std::vector<double> species_deviations_;  // [members][species]
    std::size_t longest_list_ = 0;
};

}  // namespace mtpot

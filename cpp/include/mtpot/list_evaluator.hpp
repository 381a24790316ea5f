// Atoms with neighbor lists -> forces, energy, virial and what else a step of a simulation wants.
//
// Centers pass through the engine in chunks small enough for the caches, so that memory is that of
// the lists and of a chunk a thread; once it is there, a step allocates none.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "mtpot/atom_list.hpp"
#include "mtpot/design.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/grade.hpp"

namespace mtpot {

class Chunk;

struct Effort {
    int threads = 0;       // 0: as many as OpenMP would take
    int chunk_size = 256;  // centers that one thread has at hand at a time: with 50 neighbors
                           // less than a megabyte
};

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
    // incomplete. With the same number of threads, lists of the same order give the same bits,
    // whatever they hold beyond the cutoff; other numbers of threads give the same to rounding.
    void evaluate(const AtomList& list, const ListResults& results, const Effort& effort = {});

    double memory_usage() const;  // bytes

private:
    struct Thread;

    void order_centers(const AtomList& list);
    // Returns how many threads took part.
    int evaluate_chunks(const AtomList& list, const ListResults& results, std::size_t size);
    void evaluate_chunk(Chunk& chunk, const ListResults& results) const;
    void merge(const ListResults& results, std::size_t atoms, int team) const;

    Evaluator evaluator_;
    std::optional<Grader> grader_;
    std::optional<Design> design_;
    std::vector<Thread> threads_;
    std::vector<std::size_t> places_;  // [species + 1]
    std::vector<int> order_;
    std::vector<double> chunk_energies_;
};

}  // namespace mtpot

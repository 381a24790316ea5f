// How to compute diagrams: as few products as a greedy search finds.
#pragma once

#include <unordered_map>
#include <vector>

#include "contractions/diagram.hpp"

namespace mtpot::generator {

// A diagram of the schedule, by its number there.
using DiagramId = int;

// multiplicity * left * right, left <= right.
struct DiagramProduct {
    DiagramId left, right;
    int multiplicity;
};

// Splitting the nodes of a diagram in two cuts bonds. Summed over the axes of the cut bonds, the
// diagram is a sum of products of two smaller diagrams, down to single nodes. Which split is best
// depends on what is built already: all diagrams share one table.
class Schedule {
public:
    // Appends to `steps` what is missing for this diagram, operands first.
    DiagramId build(const Diagram& diagram);

    const std::vector<DiagramId>& steps() const { return steps_; }
    const Diagram& diagram(DiagramId id) const { return entries_[id].diagram; }
    // The sum that makes a diagram of `steps`.
    const std::vector<DiagramProduct>& terms(DiagramId id) const { return entries_[id].terms; }

private:
    struct Entry {
        Diagram diagram;
        std::vector<DiagramProduct> terms;  // by the chosen split
        bool built = false;
        int counted_in = 0;  // the last count that has met it
    };

    DiagramId number(const Diagram& diagram);
    std::vector<DiagramProduct> split(DiagramId id, unsigned mask);
    void plan(DiagramId id);
    void build(DiagramId id);
    std::size_t cost(const std::vector<DiagramProduct>& terms);
    std::size_t added_cost(DiagramId id);

    std::unordered_map<Diagram, DiagramId, DiagramHash> numbers_;
    std::vector<Entry> entries_;
    std::vector<DiagramId> steps_;
    int counts_ = 0;
};

}  // namespace mtpot::generator

// From neighbor lists to neighborhoods, a few centers at a time.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mtpot/atom_list.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/neighborhoods.hpp"

namespace mtpot {

// Grows, and never shrinks, so that a simulation soon allocates no more.
template <class T>
T* reserve(std::vector<T>& values, std::size_t count) {
    if (values.size() < count) values.resize(count + count / 4);
    return values.data();
}

// Centers with their neighbors inside the cutoff, and what the engine finds of them.
class Chunk {
public:
    void gather(const AtomList& list, std::span<const int> centers, double cutoff);

    Neighborhoods view() const;
    Evaluator::Result result();
    std::span<double> grades();
    std::span<double> rows(std::size_t parameters);
    double memory_usage() const;  // bytes

private:
    void reserve_for(const AtomList& list, std::span<const int> centers);
    std::size_t gather_center(const AtomList& list, int i, double cutoff_squared, std::size_t pair);

    std::size_t center_count_ = 0, pair_count_ = 0;
    std::vector<std::int32_t> species_, atoms_, neighbors_, neighbor_species_;
    std::vector<std::int64_t> offsets_;
    std::vector<double> vectors_, gradients_, energies_, grades_, rows_;
};

}  // namespace mtpot

// Loops over blocks of centers, with one workspace a thread.
#pragma once

#ifdef _OPENMP
#include <omp.h>
#endif

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "kernels/kernels.hpp"
#include "mtpot/error.hpp"

namespace mtpot {

// Bytes until the next place that is aligned for any vector.
constexpr std::size_t padded(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

// Memory aligned for any vector, grown and never shrunk.
class Workspace {
public:
    // Null if there is no such memory.
    void* try_reserve(std::size_t bytes) noexcept {
        if (bytes > size_ || !memory_) {
            memory_.reset(static_cast<char*>(::operator new(bytes, alignment, std::nothrow)));
            size_ = memory_ ? bytes : 0;
        }
        return memory_.get();
    }

    void* reserve(std::size_t bytes) {
        void* memory = try_reserve(bytes);
        if (!memory) throw std::bad_alloc();
        return memory;
    }

    std::size_t size() const { return size_; }

private:
    static constexpr std::align_val_t alignment{64};
    struct Release {
        void operator()(char* memory) const { ::operator delete(memory, alignment); }
    };
    std::unique_ptr<char, Release> memory_;
    std::size_t size_ = 0;
};

// How many threads to start for a number of pieces of work; 0 asks for as many as OpenMP would
// take. More than four a processor only cost memory, and a system that has no more ends the
// process.
inline int useful_threads(int threads, std::size_t pieces) {
#ifdef _OPENMP
    const int wanted = threads > 0 ? threads : omp_get_max_threads();
    const int most = std::max(omp_get_max_threads(), 4 * omp_get_num_procs());
#else
    const int wanted = 1, most = std::max(1, threads);
#endif
    const auto work = static_cast<int>(std::clamp<std::size_t>(pieces, 1, 1 << 16));
    return std::min({wanted, most, work});
}

// Centers sorted by species and cut into blocks of one species each. The plan depends on the
// structure alone, so that results do not depend on the number of threads.
class BlockPlan {
public:
    // In the memory of the plan before it; the neighborhoods must outlive the plan's use.
    void rebuild(const Neighborhoods& neighborhoods, int species_count, int lanes) {
        check(neighborhoods);
        neighborhoods_ = &neighborhoods;
        sort_centers(species_count);
        cut(species_count, lanes);
        longest_ = 0;
        for (std::size_t i = 0; i < centers_.size(); ++i) {
            const auto count = neighborhoods.offsets[i + 1] - neighborhoods.offsets[i];
            longest_ = std::max(longest_, static_cast<std::size_t>(count));
        }
    }

    std::size_t size() const { return blocks_.size(); }
    std::size_t longest_list() const { return longest_; }

    CenterBlock operator[](std::size_t k) const {
        const auto& block = blocks_[k];
        return {neighborhoods_, nullptr, centers_.data() + block.begin,
                static_cast<int>(block.end - block.begin)};
    }

private:
    struct Range {
        std::size_t begin, end;
    };

    // Leaves in ends_[z] where the centers of species z end.
    void sort_centers(int species_count) {
        const auto species = neighborhoods_->species;
        ends_.assign(species_count + 1, 0);
        for (const auto each : species) {
            if (each < 0 || each >= species_count)
                throw InputError("a center has type " + std::to_string(each) +
                                 ", but the potential has " + std::to_string(species_count) +
                                 " species");
            ++ends_[each + 1];
        }
        for (int z = 0; z < species_count; ++z) ends_[z + 1] += ends_[z];
        centers_.resize(species.size());
        for (std::size_t i = 0; i < species.size(); ++i)
            centers_[ends_[species[i]]++] = static_cast<std::int32_t>(i);
    }

    void cut(int species_count, int lanes) {
        blocks_.clear();
        std::size_t begin = 0;
        for (int z = 0; z < species_count; begin = ends_[z++])
            for (; begin < ends_[z]; begin += lanes)
                blocks_.push_back({begin, std::min<std::size_t>(begin + lanes, ends_[z])});
    }

    const Neighborhoods* neighborhoods_ = nullptr;
    std::vector<std::size_t> ends_;
    std::vector<std::int32_t> centers_;
    std::vector<Range> blocks_;
    std::size_t longest_ = 0;
};

// The plan for a pass of this thread, which lasts until the thread's next one.
inline const BlockPlan& plan_blocks(const Neighborhoods& neighborhoods, int species_count,
                                    int lanes) {
    static thread_local BlockPlan plan;
    plan.rebuild(neighborhoods, species_count, lanes);
    return plan;
}

inline void require_done(Status status) {
    if (status == Status::no_memory) throw std::bad_alloc();
    if (status == Status::bad_species)
        throw InputError("a neighbor's type is not one of the potential's species");
    if (status == Status::bad_geometry)
        throw NumericalError(
            "two atoms are less than 1e-6 angstrom apart, or a position is not a finite number");
}

// Threads for the blocks of a plan.
inline int team_for(const BlockPlan& plan, int threads) {
    constexpr std::size_t blocks_worth_a_thread = 8;
    return useful_threads(threads, plan.size() / blocks_worth_a_thread);
}

// Calls body(first, last, workspace) for consecutive blocks of the plan, so many at a time; a
// failure is thrown behind the loop, which no exception may leave.
template <class Body>
void for_each_group(const BlockPlan& plan, std::size_t together, std::size_t workspace_bytes,
                    int threads, Body&& body) {
    std::atomic<Status> outcome = Status::done;
    const auto count = static_cast<std::int64_t>((plan.size() + together - 1) / together);
    const int team = team_for(plan, threads);
#pragma omp parallel num_threads(team) if (team > 1)
    {
        static thread_local Workspace workspace;
        void* memory = workspace.try_reserve(workspace_bytes);
#pragma omp for schedule(static)
        for (std::int64_t k = 0; k < count; ++k) {
            const std::size_t first = static_cast<std::size_t>(k) * together;
            const std::size_t last = std::min(first + together, plan.size());
            const Status status = memory ? body(first, last, memory) : Status::no_memory;
            if (status != Status::done) outcome = status;
        }
    }
    require_done(outcome);
}

// Calls body(block, workspace) for every block of the plan.
template <class Body>
void for_each_block(const BlockPlan& plan, std::size_t workspace_bytes, int threads, Body&& body) {
    for_each_group(plan, 1, workspace_bytes, threads,
                   [&](std::size_t k, std::size_t, void* memory) { return body(plan[k], memory); });
}

}  // namespace mtpot

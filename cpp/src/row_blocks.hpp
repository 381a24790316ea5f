// Loops over blocks of centers whose rows are wanted.
#pragma once

#include <array>
#include <span>

#include "parallel.hpp"

namespace mtpot {

// Numbers of a row of the kernels of one block.
inline std::size_t row_numbers(const CompiledPotential& compiled) {
    return compiled.row_size() * static_cast<std::size_t>(kernels().evaluate.lanes);
}

// For how many of a thread's blocks rows are kept side by side: a product with a matrix reads it
// once for all of them, and they stay in the cache meanwhile.
inline std::size_t blocks_together(const CompiledPotential& compiled, std::size_t blocks,
                                   int threads) {
    constexpr std::size_t cache = 256 * 1024;
    const std::size_t fit = cache / (row_numbers(compiled) * sizeof(double));
    const std::size_t share = (blocks + threads - 1) / threads;
    return std::clamp<std::size_t>(share, 1, std::clamp<std::size_t>(fit, 4, most_together));
}

// Calls use(blocks, rows[blocks][row_size()][lanes]) for groups of up to blocks_together() blocks.
template <class Use>
void for_each_row_group(const CompiledPotential& compiled, const Neighborhoods& neighborhoods,
                        int threads, Use&& use) {
    const EvaluateKernel& kernel = kernels().evaluate;
    const BlockPlan& plan =
        plan_blocks(neighborhoods, compiled.potential.species_count, kernel.lanes);
    const int team = team_for(plan, threads);
    const std::size_t together = blocks_together(compiled, plan.size(), team);
    const std::size_t numbers = row_numbers(compiled);
    const std::size_t row_bytes = padded(together * numbers * sizeof(double));
    for_each_group(plan, together, row_bytes + kernel.bytes(compiled, plan.longest_list()), threads,
                   [&](std::size_t first, std::size_t last, void* memory) {
                       std::array<CenterBlock, most_together> blocks;
                       auto* rows = static_cast<double*>(memory);
                       for (std::size_t k = first; k < last; ++k) {
                           SiteOutputs out;
                           blocks[k - first] = plan[k];
                           out.rows = rows + (k - first) * numbers;
                           const Status status = kernel.run(
                               compiled, plan[k], static_cast<char*>(memory) + row_bytes, out);
                           if (status != Status::done) return status;
                       }
                       use(std::span(blocks.data(), last - first), rows);
                       return Status::done;
                   });
}

}  // namespace mtpot

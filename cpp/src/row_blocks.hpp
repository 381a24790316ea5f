// Loops over blocks of centers whose rows are wanted.
#pragma once

#include "parallel.hpp"

namespace mtpot {

// Calls use(block, rows[parameters][lanes]) for every block.
template <class Use>
void for_each_row_block(const CompiledPotential& compiled, const Neighborhoods& neighborhoods,
                        int threads, Use&& use) {
    const EvaluateKernel& kernel = kernels().evaluate;
    const BlockPlan& plan =
        plan_blocks(neighborhoods, compiled.potential.species_count, kernel.lanes);
    const std::size_t numbers = kernel.lanes * compiled.potential.parameter_count();
    const std::size_t row_bytes = padded(numbers * sizeof(double));
    for_each_block(plan, row_bytes + kernel.bytes(compiled, plan.longest_list()), threads,
                   [&](const CenterBlock& block, void* workspace) {
                       SiteOutputs out;
                       out.rows = static_cast<double*>(workspace);
                       const Status status = kernel.run(
                           compiled, block, static_cast<char*>(workspace) + row_bytes, out);
                       if (status == Status::done) use(block, out.rows);
                       return status;
                   });
}

}  // namespace mtpot

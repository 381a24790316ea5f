// Compiled once for each instruction set, in single precision between the pair vectors, which are
// rounded, and energies and gradients, which are summed in double precision.
#include "kernels/evaluate.hpp"
#include "kernels/kernels.hpp"

namespace mtpot::MTPOT_ISA {

extern const EvaluateKernel table;
const EvaluateKernel table{lanes, evaluate_bytes, evaluate};

}  // namespace mtpot::MTPOT_ISA

// Compiled once for each instruction set, in double precision: MTPOT_ISA names the set.
#include "kernels/kernels.hpp"

#include "kernels/design_tangents.hpp"
#include "kernels/evaluate.hpp"
#include "kernels/products.hpp"

#define MTPOT_TEXT_OF(x) #x
#define MTPOT_TEXT(x) MTPOT_TEXT_OF(x)

namespace mtpot {

namespace MTPOT_MIXED_ISA {
extern const EvaluateKernel table;
}

namespace MTPOT_ISA {

extern const Kernels table;
const Kernels table{MTPOT_TEXT(MTPOT_ISA),
                    {lanes, evaluate_bytes, evaluate},
                    &MTPOT_MIXED_ISA::table,
                    design_bytes,
                    tangents,
                    accumulate_gram,
                    grade};

}  // namespace MTPOT_ISA
}  // namespace mtpot

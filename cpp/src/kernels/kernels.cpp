// Compiled once for each instruction set: MTPOT_ISA names it, MTPOT_LANES is its width.
#include "kernels/kernels.hpp"

#include "kernels/design_tangents.hpp"
#include "kernels/evaluate.hpp"
#include "kernels/products.hpp"

#define MTPOT_TEXT_OF(x) #x
#define MTPOT_TEXT(x) MTPOT_TEXT_OF(x)

namespace mtpot::MTPOT_ISA {

extern const Kernels table;
const Kernels table{MTPOT_TEXT(MTPOT_ISA), lanes,    evaluate_bytes,  evaluate,
                    design_bytes,          tangents, accumulate_gram, grade};

}  // namespace mtpot::MTPOT_ISA

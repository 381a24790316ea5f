// Neighborhoods -> site energies, pair gradients, virial.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "mtpot/neighborhoods.hpp"
#include "mtpot/potential.hpp"

namespace mtpot {

// Instruction set of the kernels in use: "avx512", "avx2" or "portable", which on x86-64 is SSE2;
// the best that the processor has, unless the environment variable MTPOT_SIMD names another.
std::string simd_name();

struct CompiledPotential;

enum class Precision {
    full,   // all arithmetic in double precision
    mixed,  // from the pair vectors, which are rounded, to site energies and pair gradients in
            // single precision; everything that sums them in double precision. Potentials with
            // moments of rank above 10 stay in double precision.
};

// Of the name that users give, "double" or "mixed"; InputError for another.
Precision precision_named(std::string_view name);

// What to tell the user of a potential that does not couple pairs.
inline constexpr std::string_view no_pair_couplings =
    "the list of products has no form of pair couplings (it has more than four factors, or is none "
    "of a generator's): it is evaluated as it stands, which is slower";

class Evaluator {
public:
    // InputError if the potential is untrained.
    explicit Evaluator(const Potential& potential, Precision precision = Precision::full);

    const Potential& potential() const;

    Precision precision() const { return precision_; }

    // Whether the potential's list of products was rewritten as pair couplings; else the list is
    // evaluated as it stands, which takes longer.
    bool couples_pairs() const;

    struct Result {
        std::span<double> site_energies;   // [centers], eV
        std::span<double> pair_gradients;  // [3 * pairs], dV_i/dr_ij in eV/angstrom

        // InputError unless the sizes are those.
        void check(const Neighborhoods& neighborhoods) const;
    };
    // Results do not depend on the number of threads (0: as many as OpenMP would take).
    void evaluate(const Neighborhoods& neighborhoods, const Result& result, int threads = 0) const;

private:
    friend class ListEvaluator;

    std::shared_ptr<const CompiledPotential> compiled_;
    Precision precision_;
};

// forces[3 * atoms] += the pair gradients: F_i += g_ij, F_j -= g_ij.
void add_forces(const Neighborhoods& neighborhoods, std::span<const double> pair_gradients,
                std::span<double> forces);

// W = -sum_ij r_ij (x) g_ij, row-major (eV).
std::array<double, 9> virial(const Neighborhoods& neighborhoods,
                             std::span<const double> pair_gradients);

}  // namespace mtpot

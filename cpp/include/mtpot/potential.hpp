// A moment tensor potential: its functional form and its parameters.
//
//   V_i = e_{z_i} + sum_alpha xi_alpha B_alpha(i) + sum_j core(r_ij),   E = sum_i V_i
//   f_mu(r; z_i, z_j) = scaling * sum_beta c^{z_i z_j}_{mu beta} phi_beta(r)
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mtpot/contractions.hpp"
#include "mtpot/radial.hpp"
#include "mtpot/zbl.hpp"

namespace mtpot {

constexpr std::size_t error_numbers = 10;  // scale, floor, ratio and seven quantiles

// Other linear parameters for the same radial functions; how far they spread tells how far the
// potential can be trusted.
struct Ensemble {
    std::vector<double> members;  // [members][C + scalars], species energies | xi
    // How errors of energies and of forces follow from the spread, see mtpot/intervals.py:
    // [error_numbers], or empty: unknown.
    std::vector<double> energy_errors, force_errors;
};

// Treated as immutable: change a copy. `check` states what holds for every potential in use.
struct Potential {
    std::string name = "mtpot";        // potential_name, one word
    std::string tag;                   // free text of potential_tag besides the species' names
    std::vector<std::string> species;  // element symbols in the order of types; empty: nameless
    int species_count = 0;             // C
    double scaling = 1.0;
    RadialBasis radial;      // R = radial.size
    std::optional<Zbl> zbl;  // repulsion at short distances, inside the cutoff
    std::shared_ptr<const Contractions> contractions;
    std::vector<double> radial_coefficients;   // c, [C (center)][C (neighbor)][K][R]
    std::vector<double> species_energies;      // e, [C], eV
    std::vector<double> linear_coefficients;   // xi, [scalars]
    bool trained = false;                      // an untrained one has all parameters zero
    std::shared_ptr<const Ensemble> ensemble;  // none: null
    bool bare = false;  // leaves out what has no parameters: cores, of the radial basis too

    int radial_function_count() const { return contractions->radial_function_count(); }  // K
    std::size_t parameter_count() const;
    std::size_t member_count() const;
    // In the order radial | species | linear.
    std::vector<double> parameters() const;
    // A trained copy, without an ensemble; InputError if the size is wrong or a number is not
    // finite.
    Potential with_parameters(std::span<const double> parameters) const;
};

// InputError if sizes, the radial basis, the core, the contractions or the numbers are not sound.
void check(const Potential& potential);

// One of the ensemble as a potential of its own; InputError if there is none of this number.
Potential member(const Potential& potential, std::size_t number);

// What a member has more than the potential: a bare one, in whose linear parameters energies and
// forces are linear. No file holds such a potential.
Potential deviation(const Potential& potential, std::size_t number);

// xi of the potential, then those of every member less the potential's: [1 + members][scalars].
std::vector<std::vector<double>> linear_coefficient_sets(const Potential& potential);

// The potential without an ensemble and with these scalars alone, at their positions in ascending
// order, and no radial function without a moment: its energies are those of the whole with the
// other xi at zero. InputError if no position is given, or they are out of range or out of order.
Potential keep_scalars(const Potential& potential, std::span<const int> kept);

}  // namespace mtpot

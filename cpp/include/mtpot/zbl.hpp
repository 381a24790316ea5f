// The optional core of a potential: the screened repulsion of two nuclei at short distances,
//
//   E(r) = S(r) e^2 Z_i Z_j / r phi(r / a),    a = 0.46850 / (Z_i^0.23 + Z_j^0.23) angstrom,
//
// half of which belongs to either atom. phi is the universal screening function of Ziegler,
// Biersack and Littmark, The Stopping and Range of Ions in Solids (1985). S falls from 1 at the
// inner radius to 0 at the outer one, its first and second derivative continuous.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace mtpot {

// Of an element symbol; 0 if there is no such element.
int atomic_number(const std::string& symbol);

class Zbl {
public:
    struct Radii {
        double inner, outer;  // angstrom
        bool operator==(const Radii&) const = default;
    };

    // Radii of every pair of types, [types * types]. InputError unless these are symmetric with
    // 0 <= inner < outer, and the numbers those of elements.
    Zbl(std::span<const int> atomic_numbers, std::span<const Radii> radii);

    int species_count() const { return static_cast<int>(atomic_numbers_.size()); }
    const std::vector<int>& atomic_numbers() const { return atomic_numbers_; }
    const Radii& radii(int i, int j) const { return pairs_[place(i, j)].radii; }

    // Energy of a pair of types in eV and its derivative in eV/angstrom; zero from the outer
    // radius on.
    void evaluate(int i, int j, double r, double& energy, double& derivative) const;

private:
    struct Pair {
        Radii radii;
        double strength;   // e^2 Z_i Z_j, eV angstrom
        double screening;  // 1 / a, 1/angstrom
    };

    std::size_t place(int i, int j) const {
        return static_cast<std::size_t>(i) * atomic_numbers_.size() + static_cast<std::size_t>(j);
    }

    std::vector<int> atomic_numbers_;
    std::vector<Pair> pairs_;
};

}  // namespace mtpot

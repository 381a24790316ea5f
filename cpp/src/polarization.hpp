// Parts of the polynomial that a list of products makes of the moments: what is linear in each of
// up to four given directions. The list is taken as it stands, so this holds for any program's.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "harmonic_form.hpp"
#include "harmonics.hpp"
#include "mtpot/potential.hpp"

namespace mtpot {

constexpr int most_factors = 4;

// A direction in the space of each of up to four channels, several times over.
struct Directions {
    std::vector<Channel> channels;
    std::size_t samples;
    // [samples] by factor and position among the harmonics.
    std::array<std::vector<std::vector<double>>, most_factors> harmonics;
};

// Several linear combinations of the scalars: which of these sets hold a scalar, with what weight.
struct ScalarWeights {
    struct Weight {
        std::size_t set;
        double weight;
    };
    std::size_t sets = 0;
    std::vector<std::vector<Weight>> of;  // by scalar; zeros are left out
};

class Polarization {
public:
    Polarization(const Contractions& source, const ScalarWeights& weights);

    struct Part {
        std::vector<double> values;  // [samples]; empty: no scalar of the set has the directions
        double bound;                // of the sum of the magnitudes of all terms
    };
    // The coefficient of e_1 e_2 ... in each of the linear combinations of scalars, at moments
    // e_1 u_1 + e_2 u_2 + ...
    std::vector<Part> parts(const Directions& directions);

private:
    // For every subset of the factors that occurs, [samples] numbers in the pool.
    struct Jet {
        unsigned subsets = 0;  // bit s: subset s is there
        std::size_t first = 0;
    };

    void evaluate(const Directions& directions, bool magnitudes);
    // Of each set: the scalars of all directions with their weights, or the magnitudes of both.
    std::vector<std::vector<double>> sums(unsigned all, bool magnitudes);
    void set_basics(const Directions& directions, bool magnitudes);
    void add_product(const Product& product, double multiplier);
    double* at(int moment, unsigned subset);

    const Contractions& source_;
    std::vector<std::vector<harmonics::Term>> basics_;
    std::size_t sets_;
    std::vector<std::vector<ScalarWeights::Weight>> weights_;  // by moment
    std::vector<Product> products_;                            // those that a set reads
    std::vector<Jet> jets_;
    std::vector<int> touched_;
    std::vector<double> pool_;
    std::size_t samples_ = 0;
};

}  // namespace mtpot

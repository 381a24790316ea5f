// The energy of a site as a quadratic form in pair couplings.
//
// |r^| = 1, so every M_{mu,nu} is made of harmonic tensors A_{mu,l}, l = nu, nu - 2, ...; and an
// invariant of up to four of them is a combination of scalar products of tensors T that couple
// two each (or of one A): V = sum of c A_{mu,0} + sum of c T.T' over tensors of one degree.
#pragma once

#include <compare>
#include <optional>
#include <vector>

#include "mtpot/potential.hpp"

namespace mtpot {

// The harmonics of degree l among the moments of one radial function: 2l + 1 numbers.
struct Channel {
    int mu, l;
    auto operator<=>(const Channel&) const = default;
};

// The tensor of degree l in the product of two channels, or one channel's own if there is no
// second.
struct Element {
    int first, second, l;  // channels; second is -1 for a channel's own
    auto operator<=>(const Element&) const = default;
};

struct HarmonicForm {
    struct Square {
        int left, right;  // elements of one degree
        double coefficient;
        std::vector<double> further;  // coefficients in the members' deviations, and in the scalars
    };
    struct Linear {
        int channel;  // of degree 0
        double coefficient;
        std::vector<double> further;
    };

    std::vector<Channel> channels;
    std::vector<Element> elements;  // each once; those of one pair of channels stand together
    std::vector<Square> squares;
    std::vector<Linear> linear;
};

// None if the potential's list is no such form: a scalar with a coefficient has more than four
// factors, or terms of different factors, or is not invariant under rotations.
std::optional<HarmonicForm> harmonic_form(const Potential& potential);

// The same with the coefficients of each scalar by itself behind those of the members; none if any
// scalar, with a coefficient or without, stands in the way.
std::optional<HarmonicForm> harmonic_form_of_scalars(const Potential& potential);

// The form with coefficients of 1 for all that the factors of the scalars can make, most of it
// present for all but special xi.
std::optional<HarmonicForm> harmonic_shape(const Potential& potential);

}  // namespace mtpot

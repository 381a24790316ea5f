// Components of the moments, harmonics, and what couples them. The one place for their order, scale
// and signs.
//
// A component is a sum over neighbors of f_mu times z^k Re (x + iy)^m or z^k Im (x + iy)^m, with
// (x, y, z) a unit vector. Those of degrees l = m + k up to some highest one span the harmonics of
// these degrees,
//
//   Y(l, m) = N P_l^m(z) Re (x + iy)^m   and   N P_l^m(z) Im (x + iy)^m,
//
// with monic polynomials P_m^m = 1, P_{l+1}^m = z P_l^m - kappa P_{l-1}^m and N such that the sum
// of the squares of a degree is 1: rotations act on a degree as orthogonal matrices. Both are
// numbered alike: degree l starts at l^2; m = 0, then real and imaginary part of m = 1, ..., l.
#pragma once

#include <vector>

namespace mtpot::harmonics {

constexpr int most_degree = 14;  // up to here coupling() is exact to rounding

constexpr int index(int l, int m, bool imaginary = false) {
    return l * l + (m == 0 ? 0 : 2 * m - 1 + imaginary);
}

struct Term {
    int index;
    double coefficient;
};

// x^a y^b z^c of a unit vector as a sum of components.
std::vector<Term> monomial(int a, int b, int c);

// The harmonic of degree l with this position in it, 0 ... 2l, as a sum of components.
std::vector<Term> harmonic(int l, int position);

// x^a y^b z^c of a unit vector as a sum of harmonics.
std::vector<Term> monomial_in_harmonics(int a, int b, int c);

struct CouplingTerm {
    int target, left, right;  // components within their degrees, from 0
    double coefficient;
};

// The tensor of degree l in the product of two normalized ones of degrees l1 and l2, in the real
// form of the Clebsch-Gordan series; for odd l1 + l2 + l times the imaginary unit, so that it is
// real. For |l1 - l2| <= l <= l1 + l2.
std::vector<CouplingTerm> coupling(int l1, int l2, int l);

}  // namespace mtpot::harmonics

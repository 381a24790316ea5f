// Real harmonics as the engine uses them, and what couples them. The one place for their order,
// scale and signs.
//
//   y(l, m) = P_l^m(z) Re (x + iy)^m   and   P_l^m(z) Im (x + iy)^m,   (x, y, z) a unit vector,
//
// with monic polynomials P_m^m = 1, P_{l+1}^m = z P_l^m - kappa(l, m) P_{l-1}^m. Degree l starts
// at l^2: m = 0, then real and imaginary part of m = 1, 2, ..., l. Multiplied by norm(l, m) the
// 2l + 1 components of a degree have a sum of squares of 1; these are called normalized, and
// rotations act on them as orthogonal matrices.
#pragma once

#include <vector>

namespace mtpot::harmonics {

constexpr int most_degree = 14;  // up to here coupling() is exact to rounding

constexpr int index(int l, int m, bool imaginary = false) {
    return l * l + (m == 0 ? 0 : 2 * m - 1 + imaginary);
}

double kappa(int l, int m);
double norm(int l, int m);

struct Term {
    int component;
    double coefficient;
};

// x^a y^b z^c of a unit vector as a sum of harmonics that are not normalized.
std::vector<Term> monomial(int a, int b, int c);

struct CouplingTerm {
    int target, left, right;  // components within their degrees, from 0
    double coefficient;
};

// The tensor of degree l in the product of two normalized ones of degrees l1 and l2, in the real
// form of the Clebsch-Gordan series; for odd l1 + l2 + l times the imaginary unit, so that it is
// real. For |l1 - l2| <= l <= l1 + l2.
std::vector<CouplingTerm> coupling(int l1, int l2, int l);

}  // namespace mtpot::harmonics

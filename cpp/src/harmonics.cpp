#include "harmonics.hpp"

#include <algorithm>
#include <cmath>
#include <complex>
#include <map>
#include <numbers>

namespace mtpot::harmonics {
namespace {

using Complex = std::complex<double>;

double binomial(int n, int k) {
    if (k < 0 || k > n) return 0.0;
    double result = 1.0;
    for (int i = 1; i <= k; ++i) result = result * (n - k + i) / i;
    return result;
}

double sign(int k) {
    return k % 2 == 0 ? 1.0 : -1.0;
}

// By power of z.
using Polynomial = std::vector<double>;

Polynomial times_z(const Polynomial& p) {
    Polynomial result(p.size() + 1, 0.0);
    std::copy(p.begin(), p.end(), result.begin() + 1);
    return result;
}

Polynomial times_one_minus_z2(const Polynomial& p) {
    Polynomial result = times_z(times_z(p));
    for (double& x : result) x = -x;
    for (std::size_t k = 0; k < p.size(); ++k) result[k] += p[k];
    return result;
}

double kappa(int l, int m) {
    return (l - m) * (l + m) / ((2.0 * l - 1.0) * (2.0 * l + 1.0));
}

// P_l^m.
Polynomial monic(int l, int m) {
    Polynomial p{1.0}, before;
    for (int degree = m; degree < l; ++degree) {
        Polynomial next = times_z(p);
        for (std::size_t k = 0; k < before.size(); ++k) next[k] -= kappa(degree, m) * before[k];
        before = std::move(p);
        p = std::move(next);
    }
    return p;
}

// N of P_l^m: the Schmidt semi-normalization of the associated Legendre functions over the monic.
double norm(int l, int m) {
    double leading = 1.0;
    for (int k = 1; k <= l; ++k) leading *= (2.0 * k - 1.0) / k;  // of P_l^0: (2l)! / (2^l l!^2)
    for (int k = 0; k < m; ++k) leading *= (l - k) / std::sqrt((l - k) * (l + k + 1.0));
    return m == 0 ? leading : std::numbers::sqrt2 * leading;
}

// x^a y^b = sum over m of rho^(a + b - m) Re(weight_m^* (x + iy)^m), rho^2 = x^2 + y^2.
std::vector<Complex> azimuthal_weights(int a, int b) {
    const int n = a + b;
    std::vector<Complex> weights(n + 1, 0.0);
    const Complex factor = std::pow(0.5, n) * std::pow(Complex(0.0, -1.0), b);
    for (int j = 0; j <= a; ++j)
        for (int k = 0; k <= b; ++k) {
            const int m = 2 * (j + k) - n;  // (x + iy)^(j+k) (x - iy)^(n-j-k)
            const Complex term = factor * sign(b - k) * binomial(a, j) * binomial(b, k);
            weights[std::abs(m)] += m >= 0 ? std::conj(term) : term;
        }
    return weights;
}

// The Clebsch-Gordan coefficient up to a factor of l1, l2 and l alone, in its form with binomial
// coefficients, whose sum is one of whole numbers: L. Wei, Comput. Phys. Commun. 120 (1999) 222.
double unscaled_clebsch_gordan(int l1, int m1, int l2, int m2, int l) {
    const int total = l1 + l2 + l;
    double sum = 0.0;
    for (int z = 0; z <= total - 2 * l; ++z)
        sum += sign(z) * binomial(total - 2 * l, z) * binomial(total - 2 * l2, l1 - m1 - z) *
               binomial(total - 2 * l1, l2 + m2 - z);
    return sum / std::sqrt(binomial(2 * l1, l1 - m1) * binomial(2 * l2, l2 - m2) *
                           binomial(2 * l, l - m1 - m2));
}

bool by_index(const Term& s, const Term& t) {
    return s.index < t.index;
}

// The complex Y_m as a sum of weight * Y over the positions of |m|.
struct Part {
    int position;
    Complex weight;
};

std::vector<Part> parts_of(int m) {
    if (m == 0) return {{0, 1.0}};
    const double scale = std::numbers::sqrt2 / 2.0;
    const double real = m > 0 ? sign(m) * scale : scale;
    const double imaginary = m > 0 ? real : -real;
    const int first = 2 * std::abs(m) - 1;
    return {{first, real}, {first + 1, Complex(0.0, imaginary)}};
}

}  // namespace

std::vector<Term> monomial(int a, int b, int c) {
    std::vector<Term> terms;
    const std::vector<Complex> weights = azimuthal_weights(a, b);
    for (int m = a + b; m >= 0; m -= 2) {
        Polynomial polar{1.0};
        for (int k = 0; k < (a + b - m) / 2; ++k) polar = times_one_minus_z2(polar);
        for (int k = 0; k < c; ++k) polar = times_z(polar);
        for (std::size_t k = 0; k < polar.size(); ++k)
            for (const bool imaginary : {false, true}) {
                const double weight = imaginary ? weights[m].imag() : weights[m].real();
                if (weight * polar[k] != 0.0 && (m > 0 || !imaginary))
                    terms.push_back(
                        {index(m + static_cast<int>(k), m, imaginary), weight * polar[k]});
            }
    }
    std::sort(terms.begin(), terms.end(), by_index);
    return terms;
}

std::vector<Term> harmonic(int l, int position) {
    const int m = (position + 1) / 2;
    const Polynomial p = monic(l, m);
    std::vector<Term> terms;
    for (int k = 0; k <= l - m; ++k)
        if (p[k] != 0.0)
            terms.push_back(
                {index(m + k, m, position > 0 && position % 2 == 0), norm(l, m) * p[k]});
    return terms;
}

// Degree by degree from the highest: z^k is N Y / N plus lower powers of z.
std::vector<Term> monomial_in_harmonics(int a, int b, int c) {
    std::map<int, double> rest;
    for (const auto& [i, coefficient] : monomial(a, b, c)) rest[i] = coefficient;
    std::vector<Term> terms;
    for (int l = a + b + c; l >= 0; --l)
        for (int position = 0; position <= 2 * l; ++position) {
            if (!rest.contains(l * l + position)) continue;
            const auto components = harmonic(l, position);
            const double weight = rest[l * l + position] / components.back().coefficient;
            for (const auto& [i, coefficient] : components) rest[i] -= weight * coefficient;
            if (std::abs(weight) > 1e-14) terms.push_back({l * l + position, weight});
        }
    return terms;
}

std::vector<CouplingTerm> coupling(int l1, int l2, int l) {
    const int width1 = 2 * l1 + 1, width2 = 2 * l2 + 1, width = 2 * l + 1;
    std::vector<double> dense(width * width1 * width2, 0.0);
    const auto at = [&](int target, int i, int j) -> double& {
        return dense[(target * width1 + i) * width2 + j];
    };
    const Complex phase = (l1 + l2 + l) % 2 == 0 ? Complex(1.0) : Complex(0.0, 1.0);
    double squares = 0.0;  // of the coefficients that lead to m = 0, which make 1 together
    for (int m1 = -l1; m1 <= l1; ++m1)
        for (int m2 = std::max(-l2, -m1); m2 <= std::min(l2, l - m1); ++m2) {
            const int m = m1 + m2;
            const double number = unscaled_clebsch_gordan(l1, m1, l2, m2, l);
            if (m == 0) squares += number * number;
            const double scale = m == 0 ? 1.0 : std::numbers::sqrt2 * sign(m);
            for (const auto& [i, left] : parts_of(m1))
                for (const auto& [j, right] : parts_of(m2)) {
                    const Complex value = scale * number * phase * left * right;
                    at(m == 0 ? 0 : 2 * m - 1, i, j) += value.real();
                    if (m > 0) at(2 * m, i, j) += value.imag();
                }
        }
    std::vector<CouplingTerm> terms;
    for (int target = 0; target < width; ++target)
        for (int i = 0; i < width1; ++i)
            for (int j = 0; j < width2; ++j) {
                const double value = at(target, i, j) / std::sqrt(squares);
                if (std::abs(value) > 1e-13) terms.push_back({target, i, j, value});
            }
    return terms;
}

}  // namespace mtpot::harmonics

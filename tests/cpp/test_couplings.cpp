// Harmonics, the tensors that couple two of them, and the form that they give a potential.

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdio>
#include <memory>
#include <random>
#include <span>
#include <vector>

#include "harmonic_form.hpp"
#include "harmonics.hpp"
#include "support.hpp"

namespace {

namespace harmonics = mtpot::harmonics;

constexpr int highest_degree = 10;  // of a generated moment

using Vector = std::vector<double>;

Vector random_numbers(std::size_t count, std::mt19937& random) {
    std::normal_distribution<double> normal;
    Vector numbers(count);
    for (double& number : numbers) number = normal(random);
    return numbers;
}

double squared_norm(const Vector& v) {
    double sum = 0.0;
    for (const double x : v) sum += x * x;
    return sum;
}

struct Unit {
    double x, y, z;

    explicit Unit(std::mt19937& random) {
        const Vector v = random_numbers(3, random);
        const double length = std::sqrt(squared_norm(v));
        x = v[0] / length, y = v[1] / length, z = v[2] / length;
    }

    double monomial(int a, int b, int c) const {
        return std::pow(x, a) * std::pow(y, b) * std::pow(z, c);
    }

    // z^k Re (x + iy)^m or z^k Im (x + iy)^m, numbered as harmonics.hpp says.
    double component(int index) const {
        const int degree = static_cast<int>(std::sqrt(index));
        const int position = index - degree * degree, m = (position + 1) / 2;
        const auto azimuthal = std::pow(std::complex<double>(x, y), m);
        const bool imaginary = position > 0 && position % 2 == 0;
        return std::pow(z, degree - m) * (imaginary ? azimuthal.imag() : azimuthal.real());
    }

    double sum(const std::vector<harmonics::Term>& components) const {
        double result = 0.0;
        for (const auto& term : components) result += term.coefficient * component(term.index);
        return result;
    }

    Vector all_harmonics(int l) const {
        Vector values;
        for (int position = 0; position <= 2 * l; ++position)
            values.push_back(sum(harmonics::harmonic(l, position)));
        return values;
    }
};

template <class Body>
void for_each_monomial(Body body) {
    for (int nu = 0; nu <= highest_degree; ++nu)
        for (int a = 0; a <= nu; ++a)
            for (int b = 0; a + b <= nu; ++b) body(a, b, nu - a - b);
}

void check_monomials(std::mt19937& random) {
    for_each_monomial([&](int a, int b, int c) {
        const auto components = harmonics::monomial(a, b, c);
        const auto parts = harmonics::monomial_in_harmonics(a, b, c);
        for (int sample = 0; sample < 3; ++sample) {
            const Unit unit(random);
            const double expected = unit.monomial(a, b, c);
            expect(close(unit.sum(components), expected, 1.0), "a monomial is its components");
            double sum = 0.0;
            for (const auto& [index, coefficient] : parts) {
                const int l = static_cast<int>(std::sqrt(index));
                sum += coefficient * unit.sum(harmonics::harmonic(l, index - l * l));
            }
            expect(close(sum, expected, 1.0), "a monomial is its harmonics");
        }
    });
}

double legendre(int l, double t) {
    double before = 0.0, value = 1.0;
    for (int k = 0; k < l; ++k) {
        const double next = ((2 * k + 1) * t * value - k * before) / (k + 1);
        before = value;
        value = next;
    }
    return value;
}

// Y(u).Y(v) = P_l(u.v) fixes the harmonics up to an orthogonal matrix of each degree.
void check_harmonics(std::mt19937& random) {
    for (int l = 0; l <= harmonics::most_degree; ++l) {
        const Unit u(random), v(random);
        const Vector left = u.all_harmonics(l), right = v.all_harmonics(l);
        double sum = 0.0;
        for (std::size_t k = 0; k < left.size(); ++k) sum += left[k] * right[k];
        const double cosine = u.x * v.x + u.y * v.y + u.z * v.z;
        expect(std::abs(sum - legendre(l, cosine)) < 1e-10, "harmonics obey the addition theorem");
    }
}

struct Degrees {
    int left, right, target;
};

template <class Body>
void for_each_coupling(int highest, Body body) {
    for (int l1 = 0; l1 <= highest; ++l1)
        for (int l2 = 0; l2 <= highest; ++l2)
            for (int l = std::abs(l1 - l2); l <= l1 + l2; ++l) body(Degrees{l1, l2, l});
}

// [targets][left * right]
std::vector<Vector> matrix(const Degrees& degrees) {
    const int width = 2 * degrees.right + 1;
    std::vector<Vector> rows(2 * degrees.target + 1, Vector((2 * degrees.left + 1) * width, 0.0));
    for (const auto& term : harmonics::coupling(degrees.left, degrees.right, degrees.target))
        rows[term.target][term.left * width + term.right] += term.coefficient;
    return rows;
}

void check_orthonormal(const Degrees& degrees) {
    const auto rows = matrix(degrees);
    for (std::size_t s = 0; s < rows.size(); ++s)
        for (std::size_t t = 0; t < rows.size(); ++t) {
            double product = 0.0;
            for (std::size_t k = 0; k < rows[s].size(); ++k) product += rows[s][k] * rows[t][k];
            expect(close(product, s == t ? 1.0 : 0.0, 1.0), "couplings are orthonormal");
        }
}

// A rotation about a random axis, as a matrix of rows.
struct Rotation {
    double rows[3][3];

    explicit Rotation(std::mt19937& random) {
        const Vector q = random_numbers(4, random);
        const double scale = 2.0 / squared_norm(q);
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) rows[i][j] = i == j ? 1.0 : 0.0;
        const double &w = q[0], &x = q[1], &y = q[2], &z = q[3];
        const double change[3][3] = {{-y * y - z * z, x * y - w * z, x * z + w * y},
                                     {x * y + w * z, -x * x - z * z, y * z - w * x},
                                     {x * z - w * y, y * z + w * x, -x * x - y * y}};
        for (int i = 0; i < 3; ++i)
            for (int j = 0; j < 3; ++j) rows[i][j] += scale * change[i][j];
    }

    Unit operator()(const Unit& u) const {
        Unit turned = u;
        turned.x = rows[0][0] * u.x + rows[0][1] * u.y + rows[0][2] * u.z;
        turned.y = rows[1][0] * u.x + rows[1][1] * u.y + rows[1][2] * u.z;
        turned.z = rows[2][0] * u.x + rows[2][1] * u.y + rows[2][2] * u.z;
        return turned;
    }
};

// Several vectors with weights, such as the neighbors of an atom.
struct Neighbors {
    std::vector<Unit> units;
    Vector weights;

    explicit Neighbors(std::mt19937& random) : weights(random_numbers(5, random)) {
        for (std::size_t k = 0; k < weights.size(); ++k) units.emplace_back(random);
    }

    Neighbors turned(const Rotation& rotation) const {
        Neighbors result = *this;
        for (Unit& unit : result.units) unit = rotation(unit);
        return result;
    }

    Vector moments(int l) const {
        Vector sums(2 * l + 1, 0.0);
        for (std::size_t k = 0; k < units.size(); ++k) {
            const Vector values = units[k].all_harmonics(l);
            for (std::size_t m = 0; m < sums.size(); ++m) sums[m] += weights[k] * values[m];
        }
        return sums;
    }
};

Vector tensor(const Degrees& degrees, const Vector& left, const Vector& right) {
    Vector result(2 * degrees.target + 1, 0.0);
    for (const auto& term : harmonics::coupling(degrees.left, degrees.right, degrees.target))
        result[term.target] += term.coefficient * left[term.left] * right[term.right];
    return result;
}

// Rotations act on a degree as orthogonal matrices, and so on what couples to it: the scalar
// product of tensors of one degree, by whatever factors, is that of the rotated ones.
void check_equivariant(std::mt19937& random) {
    const Neighbors a(random), b(random);
    const Rotation rotation(random);
    const Neighbors turned_a = a.turned(rotation), turned_b = b.turned(rotation);
    for_each_coupling(5, [&](const Degrees& d) {
        const Vector here = tensor(d, a.moments(d.left), b.moments(d.right));
        const Vector there = tensor(d, turned_a.moments(d.left), turned_b.moments(d.right));
        expect(std::abs(squared_norm(here) - squared_norm(there)) < 1e-10 * squared_norm(here),
               "the norm of a coupled tensor is invariant");
        if ((d.left + d.right + d.target) % 2 != 0) return;  // a tensor of the other parity
        const Vector own = a.moments(d.target), own_turned = turned_a.moments(d.target);
        double product = 0.0, turned_product = 0.0;
        for (std::size_t m = 0; m < own.size(); ++m) {
            product += here[m] * own[m];
            turned_product += there[m] * own_turned[m];
        }
        const double scale = std::sqrt(squared_norm(here) * squared_norm(own));
        expect(std::abs(product - turned_product) < 1e-11 * scale,
               "a coupled tensor turns as harmonics of its degree");
    });
}

mtpot::Potential with_list(std::shared_ptr<const mtpot::Contractions> list, std::mt19937& random) {
    mtpot::check(*list);
    mtpot::Potential potential;
    potential.species_count = 1;
    potential.radial = mtpot::make_radial_basis("RBChebyshev", 1.5, 4.0, 5);
    potential.contractions = std::move(list);
    return potential.with_parameters(random_numbers(potential.parameter_count(), random));
}

mtpot::Potential with_list(const mtpot::Contractions& list, std::mt19937& random) {
    return with_list(std::make_shared<const mtpot::Contractions>(list), random);
}

void check_forms_of_templates(std::mt19937& random) {
    for (int level = 2; level <= 16; level += 2)
        expect(
            mtpot::harmonic_form(with_list(mtpot::generate({.level = level}), random)).has_value(),
            "a template has a form of pair couplings");
}

void check_lists_without_form(std::mt19937& random) {
    const mtpot::Contractions component{{{0, 1, 0, 0}, {0, 0, 1, 0}}, {{0, 0, 1, 2}}, {2}, 3};
    expect(!mtpot::harmonic_form(with_list(component, random)),
           "the square of one component of a vector has no form");
    const mtpot::Contractions fifth_power{
        {{0, 0, 0, 0}}, {{0, 0, 1, 1}, {1, 1, 1, 2}, {0, 2, 1, 3}}, {3}, 4};
    expect(!mtpot::harmonic_form(with_list(fifth_power, random)),
           "a product of five factors has no form");
    const mtpot::Contractions two_kinds{
        {{0, 0, 0, 0}, {1, 0, 0, 0}}, {{0, 0, 1, 2}, {0, 1, 1, 2}}, {2}, 3};
    expect(!mtpot::harmonic_form(with_list(two_kinds, random)),
           "a sum over factors of two kinds has no form");
}

// v.v with a small part that turns with the axes: refused as long as it is more than rounding.
void check_almost_invariant(std::mt19937& random) {
    const mtpot::Contractions list{{{0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}},
                                   {{0, 0, 1, 3}, {1, 1, 1, 3}, {2, 2, 1, 3}, {0, 1, 1, 4}},
                                   {3, 4},
                                   5};
    for (const double part : {1e-3, 1e-6, 1e-9, 1e-11}) {
        auto potential = with_list(list, random);
        potential.linear_coefficients = {1.0, part};
        expect(!mtpot::harmonic_form(potential), "a part that is not invariant has no form");
    }
}

}  // namespace

int main() {
    std::mt19937 random(11);
    check_monomials(random);
    check_harmonics(random);
    for_each_coupling(highest_degree, check_orthonormal);
    check_equivariant(random);
    check_forms_of_templates(random);
    check_lists_without_form(random);
    check_almost_invariant(random);
    std::puts("couplings: all as they should be");
}

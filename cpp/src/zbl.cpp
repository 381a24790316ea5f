#include "mtpot/zbl.hpp"

#include <cmath>
#include <sstream>

#include "mtpot/error.hpp"

namespace mtpot {
namespace {

constexpr double coulomb = 14.399645;   // e^2 / (4 pi epsilon_0), eV angstrom
constexpr double largest_radius = 1e3;  // angstrom, as the largest cutoff
constexpr double narrowest_switch = 1e-3;

constexpr int most_protons = 118;
constexpr const char* symbols =
    "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se "
    "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb "
    "Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm "
    "Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og";

struct Value {
    double value, derivative;
};

// phi(x), a sum of exponentials.
Value screening_function(double x) {
    constexpr double terms[][2] = {
        {0.18175, 3.19980}, {0.50986, 0.94229}, {0.28022, 0.40290}, {0.02817, 0.20162}};
    Value phi{0.0, 0.0};
    for (const auto& [weight, decay] : terms) {
        const double term = weight * std::exp(-decay * x);
        phi.value += term;
        phi.derivative -= decay * term;
    }
    return phi;
}

// 1 at the inner radius, 0 at the outer: t^3 (10 - 15 t + 6 t^2) of the way t from the outer.
Value switched(const Zbl::Radii& radii, double r) {
    if (r <= radii.inner) return {1.0, 0.0};
    const double width = radii.outer - radii.inner, t = (radii.outer - r) / width;
    return {t * t * t * (10.0 + t * (6.0 * t - 15.0)),
            -30.0 * t * t * (1.0 - t) * (1.0 - t) / width};
}

}  // namespace

int atomic_number(const std::string& symbol) {
    std::istringstream words(symbols);
    std::string word;
    for (int number = 1; words >> word; ++number)
        if (word == symbol) return number;
    return 0;
}

Zbl::Zbl(std::span<const int> atomic_numbers, std::span<const Radii> radii)
    : atomic_numbers_(atomic_numbers.begin(), atomic_numbers.end()) {
    const int count = species_count();
    for (const int number : atomic_numbers_)
        require(number >= 1 && number <= most_protons,
                std::to_string(number) + " is not the atomic number of an element");
    require(radii.size() == atomic_numbers_.size() * atomic_numbers_.size(),
            "a core needs radii for every pair of types");
    for (int i = 0; i < count; ++i)
        for (int j = 0; j < count; ++j) {
            const auto& [inner, outer] = radii[place(i, j)];
            // Written so that nan fails as well.
            require(inner >= 0.0 && outer - inner >= narrowest_switch && outer <= largest_radius,
                    "the inner radius of a core (" + std::to_string(inner) +
                        ") must be at least 0 and below the outer one (" + std::to_string(outer) +
                        "), which is at most 1000 angstrom");
            require(radii[place(i, j)] == radii[place(j, i)],
                    "the radii of a core must not depend on the order of the two types");
            const double z_i = atomic_numbers_[i], z_j = atomic_numbers_[j];
            pairs_.push_back({{inner, outer},
                              coulomb * z_i * z_j,
                              (std::pow(z_i, 0.23) + std::pow(z_j, 0.23)) / 0.46850});
        }
}

void Zbl::evaluate(int i, int j, double r, double& energy, double& derivative) const {
    energy = derivative = 0.0;
    const Pair& pair = pairs_[place(i, j)];
    if (!(r < pair.radii.outer)) return;
    const Value phi = screening_function(pair.screening * r), s = switched(pair.radii, r);
    const double bare = pair.strength / r;
    const double slope = bare * (pair.screening * phi.derivative - phi.value / r);
    energy = s.value * bare * phi.value;
    derivative = s.value * slope + s.derivative * bare * phi.value;
}

}  // namespace mtpot

// RBChebyshev_repuls: RBChebyshev with r clamped at min_distance, and a repulsive core below it:
// 1e4 eV * (exp(-10 (r - 1)) - exp(-10 (min - 1))) for each neighbor with r < min, r in angstrom.
#pragma once

#include <cmath>

#include "radial/chebyshev.hpp"

namespace mtpot::radial {
namespace {

struct ChebyshevRepulsive {
    static constexpr const char* name = "RBChebyshev_repuls";
    static constexpr bool has_core = true;

    template <class Real>
    static void evaluate(const RadialBasis& basis, Real r, Real* values, Real* derivatives) {
        const auto inside = r < basis.min_distance;
        const Real clamped = inside ? basis.min_distance + 0.0 * r : r;
        Chebyshev::evaluate(basis, clamped, values, derivatives);
        for (int beta = 0; beta < basis.size; ++beta)
            derivatives[beta] = inside ? 0.0 * r : derivatives[beta];
    }

    static void core(const RadialBasis& basis, double r, double& energy, double& derivative) {
        energy = derivative = 0.0;
        if (r >= basis.min_distance) return;
        const double value = 1e4 * std::exp(-10.0 * (r - 1.0));
        energy = value - 1e4 * std::exp(-10.0 * (basis.min_distance - 1.0));
        derivative = -10.0 * value;
    }

    template <class Vec>
    static void core(const RadialBasis& basis, Vec r, Vec& energy, Vec& derivative) {
        for (unsigned lane = 0; lane < sizeof(Vec) / sizeof(double); ++lane) {
            double e, d;
            core(basis, static_cast<double>(r[lane]), e, d);
            energy[lane] = e;
            derivative[lane] = d;
        }
    }
};

}  // namespace
}  // namespace mtpot::radial

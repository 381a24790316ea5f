// RBChebyshev: phi_beta(r) = T_beta(xi) (r - cutoff)^2, xi = (2r - min - cutoff)/(cutoff - min).
// The polynomial runs on below min_distance, as in MLIP-3.
#pragma once

#include "mtpot/radial.hpp"

namespace mtpot::radial {
namespace {

struct Chebyshev {
    static constexpr const char* name = "RBChebyshev";
    static constexpr bool has_core = false;

    // Real is double or a vector of lanes; r <= cutoff.
    template <class Real>
    static void evaluate(const RadialBasis& basis, Real r, Real* values, Real* derivatives) {
        const double slope = 2.0 / (basis.cutoff - basis.min_distance);
        const Real xi = slope * (r - basis.min_distance) - 1.0;
        const Real distance = r - basis.cutoff;
        const Real envelope = distance * distance;
        Real t = 1.0 + 0.0 * r, t_next = xi;           // T_beta, T_{beta+1}
        Real dt = 0.0 * r, dt_next = slope + 0.0 * r;  // their derivatives in r
        for (int beta = 0; beta < basis.size; ++beta) {
            values[beta] = t * envelope;
            derivatives[beta] = dt * envelope + 2.0 * t * distance;
            const Real t_after = 2.0 * xi * t_next - t;
            const Real dt_after = 2.0 * (slope * t_next + xi * dt_next) - dt;
            t = t_next, dt = dt_next;
            t_next = t_after, dt_next = dt_after;
        }
    }

    template <class Real>
    static void core(const RadialBasis&, Real r, Real& energy, Real& derivative) {
        energy = derivative = 0.0 * r;
    }
};

}  // namespace
}  // namespace mtpot::radial

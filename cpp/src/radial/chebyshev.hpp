// RBChebyshev: phi_beta(r) = T_beta(xi) (r - cutoff)^2, xi = (2r - min - cutoff)/(cutoff - min).
// The polynomial runs on below min_distance, as in MLIP-3.
#pragma once

#include "mtpot/radial.hpp"
#include "radial/element.hpp"

namespace mtpot::radial {
namespace {

struct Chebyshev {
    static constexpr const char* name = "RBChebyshev";
    static constexpr bool has_core = false;

    // phi_0, phi_1, ... one after the other, by T_{beta+1} = 2 xi T_beta - T_{beta-1}.
    template <class Real>
    class Sequence {
    public:
        Real value, derivative;

        Sequence(const RadialBasis& basis, Real r) {
            using E = Element<Real>;
            const E slope = static_cast<E>(2.0 / (basis.cutoff - basis.min_distance));
            const Real xi = slope * (r - static_cast<E>(basis.min_distance)) - E(1);
            const Real distance = r - static_cast<E>(basis.cutoff);
            value = distance * distance;
            derivative = E(2) * distance;
            twice_xi_ = E(2) * xi;
            twice_slope_ = E(2) * slope;
            before_ = xi * value;  // T_{-1} = T_1
            derivative_before_ = slope * value + xi * derivative;
        }

        void advance() {
            const Real next = twice_xi_ * value - before_;
            const Real slope = twice_xi_ * derivative + (twice_slope_ * value - derivative_before_);
            before_ = value;
            derivative_before_ = derivative;
            value = next;
            derivative = slope;
        }

    private:
        Real twice_xi_, before_, derivative_before_;
        Element<Real> twice_slope_;
    };

    template <class Real>
    static void core(const RadialBasis&, Real r, Real& energy, Real& derivative) {
        energy = derivative = Element<Real>(0) * r;
    }
};

}  // namespace
}  // namespace mtpot::radial

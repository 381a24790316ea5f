// RBChebyshev_clamped: RBChebyshev of a distance that stops falling below min_distance,
//
//   x(r) = r for r >= min,   min - w (u - u^3 + u^4 / 2),   min - w / 2 for r <= min - w,
//
// with u = (min - r) / w and w = min / 20. From min_distance on it is RBChebyshev; below, where no
// data say what the polynomials do, radial functions go over into constants within w, their first
// and second derivative continuous.
#pragma once

#include "radial/chebyshev.hpp"

namespace mtpot::radial {
namespace {

struct ChebyshevClamped {
    static constexpr const char* name = "RBChebyshev_clamped";
    static constexpr bool has_core = false;

    template <class Real>
    class Sequence {
    public:
        Real value, derivative;

        Sequence(const RadialBasis& basis, Real r) : Sequence(basis, clamped(basis, r)) {}

        void advance() {
            inner_.advance();
            take();
        }

    private:
        struct Distance {
            Real x, slope;
        };

        Sequence(const RadialBasis& basis, const Distance& distance)
            : slope_(distance.slope), inner_(basis, distance.x) {
            take();
        }

        static Distance clamped(const RadialBasis& basis, Real r) {
            using E = Element<Real>;
            const E shortest = static_cast<E>(basis.min_distance);
            const E width = shortest / E(20);
            const E scale = width > E(0) ? E(1) / width : E(0);
            const Real zero = E(0) * r, one = zero + E(1);
            Real u = (shortest - r) * scale;
            u = u > zero ? u : zero;
            u = u < one ? u : one;
            const Real x = r > shortest ? r : zero + shortest;
            return {x - width * (u * (one - u * u * (one - E(0.5) * u))),
                    one - u * u * (E(3) - E(2) * u)};
        }

        void take() {
            value = inner_.value;
            derivative = slope_ * inner_.derivative;
        }

        Real slope_;
        Chebyshev::Sequence<Real> inner_;
    };

    template <class Real>
    static void core(const RadialBasis& basis, Real r, Real& energy, Real& derivative) {
        Chebyshev::core(basis, r, energy, derivative);
    }
};

}  // namespace
}  // namespace mtpot::radial

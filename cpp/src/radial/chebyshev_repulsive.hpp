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
    class Sequence {
    public:
        Real value, derivative;

        Sequence(const RadialBasis& basis, Real r)
            : inside_(r < static_cast<Element<Real>>(basis.min_distance)),
              inner_(basis, clamped(basis, r)) {
            take();
        }

        void advance() {
            inner_.advance();
            take();
        }

    private:
        static Real clamped(const RadialBasis& basis, Real r) {
            const auto shortest = static_cast<Element<Real>>(basis.min_distance);
            return r < shortest ? shortest + Element<Real>(0) * r : r;
        }

        void take() {
            value = inner_.value;
            derivative = inside_ ? Element<Real>(0) * value : inner_.derivative;
        }

        decltype(std::declval<Real>() < std::declval<Real>()) inside_;
        Chebyshev::Sequence<Real> inner_;
    };

    static void core(const RadialBasis& basis, double r, double& energy, double& derivative) {
        energy = derivative = 0.0;
        if (r >= basis.min_distance) return;
        const double value = 1e4 * std::exp(-10.0 * (r - 1.0));
        energy = value - 1e4 * std::exp(-10.0 * (basis.min_distance - 1.0));
        derivative = -10.0 * value;
    }

    template <class Vec>
    static void core(const RadialBasis& basis, Vec r, Vec& energy, Vec& derivative) {
        for (unsigned lane = 0; lane < sizeof(Vec) / sizeof(r[0]); ++lane) {
            double e, d;
            core(basis, static_cast<double>(r[lane]), e, d);
            energy[lane] = static_cast<Element<Vec>>(e);
            derivative[lane] = static_cast<Element<Vec>>(d);
        }
    }
};

}  // namespace
}  // namespace mtpot::radial

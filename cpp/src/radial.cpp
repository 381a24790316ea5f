#include "mtpot/radial.hpp"

#include <algorithm>

#include "mtpot/error.hpp"
#include "radial/registry.hpp"

namespace mtpot {
namespace {

// Angstrom; beyond these polynomials overflow.
constexpr double largest_cutoff = 1e3;
constexpr double shortest_interval = 1e-3;

}  // namespace

const std::string& RadialBasis::name() const {
    return radial_basis_names().at(kind);
}

void RadialBasis::evaluate(double r, double* values, double* derivatives) const {
    radial::Registry::visit(kind, [&](auto basis) {
        typename decltype(basis)::template Sequence<double> phi(*this, r);
        for (int beta = 0; beta < size; ++beta, phi.advance()) {
            values[beta] = r < cutoff ? phi.value : 0.0;
            derivatives[beta] = r < cutoff ? phi.derivative : 0.0;
        }
    });
}

void RadialBasis::core(double r, double& energy, double& derivative) const {
    radial::Registry::visit(kind, [&](auto basis) { basis.core(*this, r, energy, derivative); });
}

const std::vector<std::string>& radial_basis_names() {
    static const std::vector<std::string> names = [] {
        std::vector<std::string> all(radial::Registry::size);
        for (int kind = 0; kind < radial::Registry::size; ++kind)
            radial::Registry::visit(kind, [&](auto basis) { all[kind] = basis.name; });
        return all;
    }();
    return names;
}

RadialBasis make_radial_basis(const std::string& name, double min_distance, double cutoff,
                              int size) {
    const auto& names = radial_basis_names();
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) {
        std::string known;
        for (const auto& each : names) known += (known.empty() ? "" : ", ") + each;
        throw InputError("unknown radial basis '" + name + "'; known: " + known);
    }
    require(cutoff <= largest_cutoff && min_distance >= 0.0 &&
                cutoff - min_distance >= shortest_interval,
            "the minimum distance (" + std::to_string(min_distance) +
                ") must be at least 0 and below the cutoff (" + std::to_string(cutoff) +
                "), which is at most 1000 angstrom");
    require(size >= 1 && size <= 64,
            "the size of the radial basis must be 1 to 64, not " + std::to_string(size));
    return {static_cast<int>(found - names.begin()), min_distance, cutoff, size};
}

}  // namespace mtpot

// Radial basis functions: phi_beta(r), beta = 0 ... size - 1, zero at and beyond the cutoff.
#pragma once

#include <string>
#include <vector>

namespace mtpot {

struct RadialBasis {
    int kind = 0;               // position in radial_basis_names()
    double min_distance = 0.0;  // angstrom, lower end of the polynomial's interval
    double cutoff = 0.0;        // angstrom
    int size = 0;

    const std::string& name() const;

    // values[size] and derivatives[size] at distance r (angstrom).
    void evaluate(double r, double* values, double* derivatives) const;

    // Energy (eV) and its derivative (eV/angstrom) that each neighbor adds to the site energy
    // whatever the parameters, for instance a repulsive core; zero for most bases.
    void core(double r, double& energy, double& derivative) const;
};

// Names as they stand in potential files, for instance "RBChebyshev".
const std::vector<std::string>& radial_basis_names();

// InputError if the name is unknown, 0 <= min_distance < cutoff fails, or size is not 1 ... 64.
RadialBasis make_radial_basis(const std::string& name, double min_distance, double cutoff,
                              int size);

}  // namespace mtpot

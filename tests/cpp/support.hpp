// What the programs of this folder share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "mtpot/contractions.hpp"
#include "mtpot/error.hpp"
#include "mtpot/potential.hpp"

constexpr int species_count = 2;

inline void expect(bool condition, const char* what) {
    if (condition) return;
    std::printf("failed: %s\n", what);
    std::exit(1);
}

inline bool close(double value, double target, double scale) {
    return std::abs(value - target) <= 1e-12 * scale;
}

inline double largest(std::span<const double> values) {
    double result = 0.0;
    for (const double value : values) result = std::max(result, std::abs(value));
    return result;
}

inline mtpot::Potential random_potential(const std::string& basis, std::mt19937& random,
                                         int species = species_count, int level = 10) {
    mtpot::Potential potential;
    potential.species_count = species;
    potential.radial = mtpot::make_radial_basis(basis, 1.5, 4.0, 5);
    potential.contractions = mtpot::generate({.level = level});
    potential.scaling = 0.05;
    std::normal_distribution<double> normal(0.0, 0.1);
    std::vector<double> parameters(potential.parameter_count());
    for (double& value : parameters) value = normal(random);
    return potential.with_parameters(parameters);
}

// The same with a repulsive core, whose radii differ from pair to pair.
inline mtpot::Potential with_core(mtpot::Potential potential) {
    const int count = potential.species_count;
    std::vector<int> numbers;
    std::vector<mtpot::Zbl::Radii> radii;
    for (int i = 0; i < count; ++i) {
        numbers.push_back(6 + i);
        for (int j = 0; j < count; ++j) radii.push_back({0.8, 1.8 + 0.1 * (i + j)});
    }
    potential.zbl = mtpot::Zbl(numbers, radii);
    return potential;
}

template <class Error = mtpot::InputError, class Call>
void expect_refused(Call call, const char* what) {
    try {
        call();
    } catch (const Error&) {
        return;
    }
    std::printf("failed: %s must be refused\n", what);
    std::exit(1);
}

// Derivatives in the parameters: rows for active sets, normal equations for training.
// The columns are theta = radial | species | linear, the order of Potential::parameters().
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "mtpot/evaluate.hpp"
#include "mtpot/neighborhoods.hpp"
#include "mtpot/potential.hpp"

namespace mtpot {

struct CompiledPotential;

// One configuration with its labels. A weight of zero means "no such label".
// Minimised is sum of weight * (label - prediction)^2 over energy, force components and the
// nine virial components.
struct LabeledFrame {
    Neighborhoods neighborhoods;
    double energy = 0.0;             // eV
    std::span<const double> forces;  // [3 * atoms], eV/angstrom
    std::array<double, 6> virial{};  // W = -V sigma in eV: xx yy zz yz xz xy
    double energy_weight = 0.0;
    std::span<const double> force_weights;  // [atoms]
    double virial_weight = 0.0;
};

class Design {
public:
    explicit Design(const Potential& potential);
    std::size_t parameter_count() const;

    // rows[centers * parameters]: dV_i/dtheta.
    void rows(const Neighborhoods& neighborhoods, std::span<double> rows, int threads = 0) const;

    enum class Columns { linear, all };
    std::size_t column_count(Columns columns) const;

    // tangents[(1 + 3 * atoms + 6) * columns]: derivatives of the energy, the forces and the
    // virial (xx yy zz yz xz xy); predictions[1 + 3 * atoms + 6] the quantities themselves.
    void tangents(const Neighborhoods& neighborhoods, Columns columns, std::span<double> tangents,
                  std::span<double> predictions) const;

    // Gram matrix [(m + 1) * (m + 1)] of the weighted matrix [J | label - prediction], summed
    // over the frames; J has the columns species | linear, or all. Threads work on frames;
    // memory is one frame and one Gram matrix a thread. The same frames and number of threads
    // give the same bits.
    std::vector<double> normal_equations(std::span<const LabeledFrame> frames, Columns columns,
                                         int threads = 0) const;
    // The last column [m + 1] of that matrix with all columns, in less time than the whole.
    std::vector<double> gradient(std::span<const LabeledFrame> frames, int threads = 0) const;

private:
    friend class ListEvaluator;

    std::shared_ptr<const CompiledPotential> compiled_;
};

}  // namespace mtpot

#include "mtpot/design.hpp"

#include <algorithm>
#include <cmath>
#include <exception>

#include "compiled.hpp"
#include "mtpot/error.hpp"
#include "parallel.hpp"

namespace mtpot {
namespace {

constexpr std::size_t virial_components = 6;
constexpr double virial_multiplicity[virial_components] = {1, 1, 1, 2, 2, 2};

// Tangents of one frame as a matrix with aligned rows: energy, forces, virial.
class TangentMatrix {
public:
    TangentMatrix(std::size_t columns, bool linear_only)
        : stride_((columns + 15) / 16 * 16), linear_only_(linear_only) {}

    void compute(const CompiledPotential& compiled, const Neighborhoods& neighborhoods) {
        const Kernels& kernel = kernels();
        const BlockPlan plan(neighborhoods, compiled.potential.species_count, kernel.lanes);
        rows_ = 1 + 3 * neighborhoods.center_count() + virial_components;
        data_ = static_cast<double*>(memory_.reserve(rows_ * stride_ * sizeof(double)));
        std::fill_n(data_, rows_ * stride_, 0.0);
        const TangentRows out{row(0), row(1), row(rows_ - virial_components), stride_,
                              linear_only_};
        void* workspace = workspace_.reserve(kernel.design_bytes(compiled, plan.longest_list()));
        for (std::size_t k = 0; k < plan.size(); ++k)
            require_done(kernel.tangents(compiled, plan[k], workspace, out));
    }

    std::size_t rows() const { return rows_; }
    std::size_t stride() const { return stride_; }
    double* row(std::size_t k) { return data_ + k * stride_; }
    const double* data() const { return data_; }

private:
    std::size_t stride_;
    bool linear_only_;
    std::size_t rows_ = 0;
    Workspace memory_, workspace_;
    double* data_ = nullptr;
};

// Turns the prediction in the last column into label - prediction and weights the row.
void weigh(double* row, std::size_t columns, double label, double weight) {
    row[columns] = label - row[columns];
    const double factor = std::sqrt(weight);
    for (std::size_t k = 0; k <= columns; ++k) row[k] *= factor;
}

void check_frame(const LabeledFrame& frame) {
    const std::size_t atoms = frame.neighborhoods.center_count();
    require(frame.forces.size() == 3 * atoms && frame.force_weights.size() == atoms,
            "forces and force weights do not fit the number of atoms");
    require(frame.energy_weight >= 0.0 && frame.virial_weight >= 0.0,
            "a weight of a label is negative");
    for (const double weight : frame.force_weights)
        require(weight >= 0.0, "a weight of a label is negative");
}

void add_frame(const CompiledPotential& compiled, const LabeledFrame& frame, std::size_t columns,
               TangentMatrix& tangents, double* gram) {
    tangents.compute(compiled, frame.neighborhoods);
    weigh(tangents.row(0), columns, frame.energy, frame.energy_weight);
    for (std::size_t k = 0; k < frame.forces.size(); ++k)
        weigh(tangents.row(1 + k), columns, frame.forces[k], frame.force_weights[k / 3]);
    for (std::size_t v = 0; v < virial_components; ++v)
        weigh(tangents.row(1 + frame.forces.size() + v), columns, frame.virial[v],
              frame.virial_weight * virial_multiplicity[v]);
    kernels().accumulate_gram(tangents.data(), tangents.rows(), tangents.stride(), gram);
}

// The upper triangle of a padded matrix as a full symmetric one.
std::vector<double> symmetric(const double* gram, std::size_t stride, std::size_t size) {
    std::vector<double> full(size * size);
    for (std::size_t i = 0; i < size; ++i)
        for (std::size_t j = i; j < size; ++j)
            full[i * size + j] = full[j * size + i] = gram[i * stride + j];
    return full;
}

}  // namespace

Design::Design(const Potential& potential) {
    check(potential);
    compiled_ = std::make_shared<const CompiledPotential>(compile_for_design(potential));
}

std::size_t Design::parameter_count() const {
    return compiled_->potential.parameter_count();
}

void Design::rows(const Neighborhoods& neighborhoods, std::span<double> rows, int threads) const {
    require(rows.size() == neighborhoods.center_count() * parameter_count(),
            "the rows' array does not fit the neighborhoods");
    const Kernels& kernel = kernels();
    const BlockPlan plan(neighborhoods, compiled_->potential.species_count, kernel.lanes);
    for_each_block(plan, kernel.design_bytes(*compiled_, plan.longest_list()), threads,
                   [&](const CenterBlock& block, void* workspace) {
                       return kernel.rows(*compiled_, block, workspace, rows.data());
                   });
}

void Design::tangents(const Neighborhoods& neighborhoods, std::span<double> tangents,
                      std::span<double> predictions) const {
    const std::size_t columns = parameter_count();
    TangentMatrix matrix(columns + 1, false);
    matrix.compute(*compiled_, neighborhoods);
    require(predictions.size() == matrix.rows() && tangents.size() == matrix.rows() * columns,
            "the tangents' arrays do not fit the neighborhoods");
    for (std::size_t k = 0; k < matrix.rows(); ++k) {
        std::copy_n(matrix.row(k), columns, tangents.begin() + k * columns);
        predictions[k] = matrix.row(k)[columns];
    }
}

std::vector<double> Design::normal_equations(std::span<const LabeledFrame> frames, Columns columns,
                                             int threads) const {
    const bool linear_only = columns == Columns::linear;
    const std::size_t radial = compiled_->potential.radial_coefficients.size();
    const std::size_t count = parameter_count() - (linear_only ? radial : 0);
    for (const auto& frame : frames) check_frame(frame);

    const int teams = thread_count(threads);
    std::vector<Workspace> memory(teams);
    std::vector<std::exception_ptr> failures(teams);
    const std::size_t stride = TangentMatrix(count + 1, linear_only).stride();
    std::vector<double*> grams(teams);
    for (int team = 0; team < teams; ++team) {
        grams[team] = static_cast<double*>(memory[team].reserve(stride * stride * sizeof(double)));
        std::fill_n(grams[team], stride * stride, 0.0);
    }
#pragma omp parallel for num_threads(teams) schedule(static, 1)
    for (int team = 0; team < teams; ++team) {
        // Frames are dealt out in a fixed order, so the same number of threads gives the same bits.
        try {
            TangentMatrix tangents(count + 1, linear_only);
            for (std::size_t k = team; k < frames.size(); k += teams)
                add_frame(*compiled_, frames[k], count, tangents, grams[team]);
        } catch (...) {
            failures[team] = std::current_exception();
        }
    }
    for (const auto& failure : failures)
        if (failure) std::rethrow_exception(failure);
    for (int team = 1; team < teams; ++team)
        for (std::size_t k = 0; k < stride * stride; ++k) grams[0][k] += grams[team][k];
    return symmetric(grams[0], stride, count + 1);
}

}  // namespace mtpot

#include "mtpot/design.hpp"

#include <algorithm>
#include <cmath>
#include <exception>

#include "compiled.hpp"
#include "mtpot/error.hpp"
#include "row_blocks.hpp"

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
        const BlockPlan& plan =
            plan_blocks(neighborhoods, compiled.potential.species_count, kernel.evaluate.lanes);
        require(neighborhoods.atoms.empty(), "tangents are those of all atoms");
        for (const auto neighbor : neighborhoods.neighbors)
            if (neighbor < 0 || static_cast<std::size_t>(neighbor) >= neighborhoods.center_count())
                throw InputError("a neighbor is none of the centers");
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
    if (weight == 0.0) {  // no label: whatever stands in its place must not matter
        std::fill_n(row, columns + 1, 0.0);
        return;
    }
    row[columns] = label - row[columns];
    const double factor = std::sqrt(weight);
    for (std::size_t k = 0; k <= columns; ++k) row[k] *= factor;
}

// A weight of zero stands for no label; else both must be numbers.
bool usable(double label, double weight) {
    return weight == 0.0 || (weight > 0.0 && std::isfinite(weight) && std::isfinite(label));
}

void check_frame(const LabeledFrame& frame) {
    const std::size_t atoms = frame.neighborhoods.center_count();
    require(frame.forces.size() == 3 * atoms && frame.force_weights.size() == atoms,
            "forces and force weights do not fit the number of atoms");
    require(usable(frame.energy, frame.energy_weight), "the energy or its weight is unusable");
    for (std::size_t k = 0; k < frame.forces.size(); ++k)
        require(usable(frame.forces[k], frame.force_weights[k / 3]),
                "a force or its weight is unusable");
    for (const double component : frame.virial)
        require(usable(component, frame.virial_weight), "the virial or its weight is unusable");
}

// The weighted matrix [J | label - prediction] of a frame.
void compute_weighted(const CompiledPotential& compiled, const LabeledFrame& frame,
                      std::size_t columns, TangentMatrix& tangents) {
    tangents.compute(compiled, frame.neighborhoods);
    weigh(tangents.row(0), columns, frame.energy, frame.energy_weight);
    for (std::size_t k = 0; k < frame.forces.size(); ++k)
        weigh(tangents.row(1 + k), columns, frame.forces[k], frame.force_weights[k / 3]);
    for (std::size_t v = 0; v < virial_components; ++v)
        weigh(tangents.row(1 + frame.forces.size() + v), columns, frame.virial[v],
              frame.virial_weight * virial_multiplicity[v]);
}

// sum += rows^T (last column)
void accumulate_last(const TangentMatrix& tangents, std::size_t columns, double* sum) {
    for (std::size_t k = 0; k < tangents.rows(); ++k) {
        const double* row = tangents.data() + k * tangents.stride();
        const double residual = row[columns];
        for (std::size_t j = 0; j <= columns; ++j) sum[j] += row[j] * residual;
    }
}

// Sums over frames what add(tangents, sum[size]) adds of each; threads work on frames.
template <class Add>
void sum_over_frames(const CompiledPotential& compiled, std::span<const LabeledFrame> frames,
                     std::size_t columns, bool linear_only, int threads, std::span<double> total,
                     Add&& add) {
    for (const auto& frame : frames) check_frame(frame);
    const int team_count = useful_threads(threads, frames.size());
    std::vector<Workspace> memory(team_count);
    std::vector<std::exception_ptr> failures(team_count);
    std::vector<double*> sums(team_count);
    for (auto& sum : sums) {
        sum = static_cast<double*>(memory[&sum - sums.data()].reserve(total.size_bytes()));
        std::fill_n(sum, total.size(), 0.0);
    }
#pragma omp parallel for num_threads(team_count) schedule(static, 1)
    for (int team = 0; team < team_count; ++team) {
        // Frames are dealt out in a fixed order, so the same number of threads gives the same bits.
        try {
            TangentMatrix tangents(columns + 1, linear_only);
            for (std::size_t k = team; k < frames.size(); k += team_count) {
                compute_weighted(compiled, frames[k], columns, tangents);
                add(tangents, sums[team]);
            }
        } catch (...) {
            failures[team] = std::current_exception();
        }
    }
    for (const auto& failure : failures)
        if (failure) std::rethrow_exception(failure);
    for (const double* sum : sums)
        for (std::size_t k = 0; k < total.size(); ++k) total[k] += sum[k];
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

std::size_t Design::column_count(Columns columns) const {
    const std::size_t radial = compiled_->potential.radial_coefficients.size();
    return parameter_count() - (columns == Columns::linear ? radial : 0);
}

void Design::rows(const Neighborhoods& neighborhoods, std::span<double> rows, int threads) const {
    const std::size_t size = parameter_count();
    require(rows.size() == neighborhoods.center_count() * size,
            "the rows' array does not fit the neighborhoods");
    const int lanes = kernels().evaluate.lanes;
    for_each_row_group(*compiled_, neighborhoods, threads,
                       [&](std::span<const CenterBlock> blocks, const double* found) {
                           for (const auto& block : blocks) {
                               for (int lane = 0; lane < block.count; ++lane)
                                   for (std::size_t k = 0; k < size; ++k)
                                       rows[block.centers[lane] * size + k] =
                                           found[k * lanes + lane];
                               found += size * lanes;
                           }
                       });
}

void Design::tangents(const Neighborhoods& neighborhoods, Columns columns,
                      std::span<double> tangents, std::span<double> predictions) const {
    const std::size_t count = column_count(columns);
    TangentMatrix matrix(count + 1, columns == Columns::linear);
    matrix.compute(*compiled_, neighborhoods);
    require(predictions.size() == matrix.rows() && tangents.size() == matrix.rows() * count,
            "the tangents' arrays do not fit the neighborhoods");
    for (std::size_t k = 0; k < matrix.rows(); ++k) {
        std::copy_n(matrix.row(k), count, tangents.begin() + k * count);
        predictions[k] = matrix.row(k)[count];
    }
}

std::vector<double> Design::normal_equations(std::span<const LabeledFrame> frames, Columns columns,
                                             int threads) const {
    const bool linear_only = columns == Columns::linear;
    const std::size_t count = column_count(columns);
    const std::size_t stride = TangentMatrix(count + 1, linear_only).stride();
    std::vector<double> gram(stride * stride);
    sum_over_frames(*compiled_, frames, count, linear_only, threads, gram,
                    [](const TangentMatrix& tangents, double* sum) {
                        kernels().accumulate_gram(tangents.data(), tangents.rows(),
                                                  tangents.stride(), sum);
                    });
    return symmetric(gram.data(), stride, count + 1);
}

std::vector<double> Design::gradient(std::span<const LabeledFrame> frames, int threads) const {
    const std::size_t count = parameter_count();
    std::vector<double> sums(count + 1);
    sum_over_frames(*compiled_, frames, count, false, threads, sums,
                    [count](const TangentMatrix& tangents, double* sum) {
                        accumulate_last(tangents, count, sum);
                    });
    return sums;
}

}  // namespace mtpot

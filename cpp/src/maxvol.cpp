#include "mtpot/maxvol.hpp"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "grade_matrix.hpp"
#include "mtpot/error.hpp"

namespace mtpot {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstMap = Eigen::Map<const Matrix>;
using Map = Eigen::Map<Matrix>;
using RowVector = Eigen::RowVectorXd;

// An n x n matrix of more rows than any potential has parameters is refused, not allocated.
constexpr std::size_t largest_size = 50'000;

std::size_t checked_size(std::size_t size) {
    require(size <= largest_size,
            "an active set has at most " + std::to_string(largest_size) + " rows");
    return size;
}

// Numbers of a block of rows (8 MiB): small enough to stay in cache during the swaps.
constexpr std::size_t block_numbers = std::size_t{1} << 20;

std::size_t block_rows(std::size_t size) {
    return std::max(size, block_numbers / size);
}

ConstMap map(const double* numbers, std::size_t rows, std::size_t columns) {
    return {numbers, static_cast<Eigen::Index>(rows), static_cast<Eigen::Index>(columns)};
}

Map mutable_map(std::vector<double>& matrix, std::size_t size) {
    return {matrix.data(), static_cast<Eigen::Index>(size), static_cast<Eigen::Index>(size)};
}

std::size_t row_count(std::span<const double> rows, std::size_t size) {
    require(size > 0 || rows.empty(), "an active set of size 0 has no rows");
    const std::size_t count = size == 0 ? 0 : rows.size() / size;
    require(count * size == rows.size(),
            "rows must have " + std::to_string(size) + " columns, one for each parameter");
    return count;
}

// Calls visit(rows, index of the first) for blocks of the rows.
template <typename Visit>
void for_each_block(std::span<const double> rows, std::size_t size, Visit visit) {
    const std::size_t count = row_count(rows, size);
    for (std::size_t first = 0; first < count;) {
        const std::size_t length = std::min(block_rows(size), count - first);
        visit(map(rows.data() + first * size, length, size), first);
        first += length;
    }
}

using Factors = Eigen::PartialPivLU<Matrix>;

void check_finite(const ConstMap& rows, std::size_t first) {
    if (rows.allFinite()) return;
    const std::size_t last = first + static_cast<std::size_t>(rows.rows()) - 1;
    throw NumericalError("a number in the rows " + std::to_string(first) + " to " +
                         std::to_string(last) + " is not finite");
}

double log_abs_determinant(const Factors& factors) {
    return factors.matrixLU().diagonal().cwiseAbs().array().log().sum();
}

// Swaps rows into A and keeps A^-T up to date.
class Maximizer {
public:
    Maximizer(Map matrix, Map inverse_transposed, double threshold)
        : matrix_(matrix),
          inverse_transposed_(inverse_transposed),
          threshold_(threshold),
          first_log_determinant_(log_abs_determinant(Factors(matrix))) {}

    // Swaps until no row of the block exceeds the threshold; appends the swaps.
    void add_block(const ConstMap& rows, std::size_t first, std::vector<ActiveSet::Swap>& swaps);
    // Factorizes A anew if it has changed.
    void refresh();

private:
    void multiply(const ConstMap& rows);
    void swap(const ConstMap& rows, Eigen::Index row, Eigen::Index position);

    Map matrix_;
    Map inverse_transposed_;
    double threshold_;
    Matrix products_;         // rows * A^-1
    Eigen::VectorXd grades_;  // largest |product| of each row
    Eigen::Index swaps_since_refresh_ = 0;
    double first_log_determinant_;
    double log_growth_ = 0.0;  // of |det A| by the swaps, as their grades have it
};

void Maximizer::add_block(const ConstMap& rows, std::size_t first,
                          std::vector<ActiveSet::Swap>& swaps) {
    multiply(rows);
    while (true) {
        Eigen::Index row = 0;
        Eigen::Index position = 0;
        if (grades_.maxCoeff(&row) <= threshold_) return;
        const double grade = products_.row(row).cwiseAbs().maxCoeff(&position);
        swap(rows, row, position);
        swaps.push_back(
            {static_cast<std::size_t>(position), first + static_cast<std::size_t>(row), grade});
        if (swaps_since_refresh_ == matrix_.rows()) {
            refresh();
            multiply(rows);
        }
    }
}

void Maximizer::multiply(const ConstMap& rows) {
    products_.noalias() = rows * inverse_transposed_.transpose();
    grades_ = products_.cwiseAbs().rowwise().maxCoeff();
}

// With p = b A^-1 and row k of A replaced by b, Sherman and Morrison give
// A'^-1 = A^-1 - (A^-1 e_k) (p - e_k) / p_k, and |det A'| = |p_k| |det A|.
void Maximizer::swap(const ConstMap& rows, Eigen::Index row, Eigen::Index position) {
    const double pivot = products_(row, position);
    RowVector update = products_.row(row) / pivot;
    update(position) -= 1.0 / pivot;
    for (Eigen::Index other = 0; other < products_.rows(); ++other) {
        const double factor = products_(other, position);
        products_.row(other) -= factor * update;
        grades_(other) = products_.row(other).cwiseAbs().maxCoeff();
    }
    const RowVector replaced = inverse_transposed_.row(position);
    inverse_transposed_.noalias() -= update.transpose() * replaced;
    matrix_.row(position) = rows.row(row);
    log_growth_ += std::log(std::abs(pivot));
    ++swaps_since_refresh_;
}

void Maximizer::refresh() {
    if (swaps_since_refresh_ == 0) return;
    const Factors factors(matrix_);
    // Each swap multiplies |det A|. Where that no longer shows, the grades are rounding errors and
    // swapping would go on for ever; the 1.0 leaves room for the error of the determinant itself.
    const double growth = log_abs_determinant(factors) - first_log_determinant_;
    if (!(growth > 0.5 * log_growth_ - 1.0)) {
        throw NumericalError(
            "the active set has lost all accuracy: its rows differ too much in magnitude");
    }
    inverse_transposed_ = factors.inverse().transpose();
    swaps_since_refresh_ = 0;
}

}  // namespace

ActiveSet::ActiveSet(std::size_t size)
    : size_(checked_size(size)), matrix_(size * size, 0.0), inverse_transposed_(size * size, 0.0) {
    for (std::size_t k = 0; k < size; ++k) {
        matrix_[k * size + k] = 1e-6;
        inverse_transposed_[k * size + k] = 1e6;
    }
}

ActiveSet::ActiveSet(std::size_t size, std::vector<double> matrix,
                     std::vector<double> inverse_transposed)
    : size_(checked_size(size)),
      matrix_(std::move(matrix)),
      inverse_transposed_(std::move(inverse_transposed)) {
    const auto sound = [&](const std::vector<double>& numbers) {
        return numbers.size() == size * size &&
               std::all_of(numbers.begin(), numbers.end(),
                           [](double x) { return std::isfinite(x); });
    };
    require(sound(matrix_) && sound(inverse_transposed_),
            "the matrices of an active set must be square, of one size and finite");
}

void ActiveSet::grade(std::span<const double> rows, std::span<double> grades) const {
    require(row_count(rows, size_) == grades.size(), "one grade is needed for each row");
    grade_rows(GradeMatrix(*this), rows, grades);
}

std::vector<ActiveSet::Swap> ActiveSet::select(std::span<const double> rows, double threshold) {
    require(threshold > 1.0 && std::isfinite(threshold), "the threshold must be above 1");
    for_each_block(rows, size_, check_finite);
    ActiveSet next = *this;  // an error leaves this set as it was
    Maximizer maximizer(mutable_map(next.matrix_, size_),
                        mutable_map(next.inverse_transposed_, size_), threshold);
    // The last pass makes no swap: it has verified every row with a fresh inverse.
    std::vector<Swap> swaps;
    std::size_t before = 0;
    do {
        before = swaps.size();
        for_each_block(rows, size_, [&](const ConstMap& block, std::size_t first) {
            maximizer.add_block(block, first, swaps);
        });
        maximizer.refresh();
    } while (swaps.size() > before);
    *this = std::move(next);
    return swaps;
}

double ActiveSet::log_determinant() const {
    return log_abs_determinant(Factors(map(matrix_.data(), size_, size_)));
}

}  // namespace mtpot

// D-optimal active sets by the maxvol algorithm: matrix algebra only.
//
// Podryabinkin & Shapeev, Comput. Mater. Sci. 140 (2017) 171. The grade of a row b is
// max_k |(b A^-1)_k|; putting b in place of row k multiplies |det A| by |(b A^-1)_k|.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace mtpot {

class ActiveSet {
public:
    // A = 1e-6 * identity.
    explicit ActiveSet(std::size_t size);
    // As stored in a file; the inverse is used as it is, since A can be badly conditioned.
    // InputError if the sizes disagree or a number is not finite.
    ActiveSet(std::size_t size, std::vector<double> matrix, std::vector<double> inverse_transposed);

    std::size_t size() const { return size_; }
    const std::vector<double>& matrix() const { return matrix_; }                          // A
    const std::vector<double>& inverse_transposed() const { return inverse_transposed_; }  // A^-T

    // Grades of rows[m * size], row-major, into grades[m]. Thread-safe.
    void grade(std::span<const double> rows, std::span<double> grades) const;

    struct Swap {
        std::size_t position;  // row of A that was replaced
        std::size_t row;       // index of the row that took its place
        double grade;          // the factor by which |det A| grew
    };
    // Puts rows of `rows[m * size]` into A, the largest grade first, until no row's grade
    // exceeds the threshold (> 1); returns the swaps in order. The inverse follows by rank-one
    // updates and is refreshed by a factorization when rounding has accumulated.
    // NumericalError if a row is not finite.
    std::vector<Swap> select(std::span<const double> rows, double threshold);

    // log |det A|.
    double log_determinant() const;

private:
    std::size_t size_;
    std::vector<double> matrix_;
    std::vector<double> inverse_transposed_;
};

}  // namespace mtpot

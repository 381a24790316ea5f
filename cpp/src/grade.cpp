#include "mtpot/grade.hpp"

#include <array>

#include "compiled.hpp"
#include "grade_matrix.hpp"
#include "mtpot/error.hpp"
#include "row_blocks.hpp"

namespace mtpot {
namespace {

// Columns of the rows of centers of one species: radial coefficients, species energy, linear
// coefficients.
std::array<ColumnRange, 3> columns_of(const Potential& potential, int species) {
    const int radial = static_cast<int>(potential.radial_coefficients.size());
    const int share = radial / potential.species_count;
    const int linear = radial + potential.species_count;
    return {ColumnRange{species * share, (species + 1) * share},
            ColumnRange{radial + species, radial + species + 1},
            ColumnRange{linear, static_cast<int>(potential.parameter_count())}};
}

}  // namespace

Grader::Grader(const Potential& potential, const ActiveSet& active_set) {
    check(potential);
    require(active_set.size() == potential.parameter_count(),
            "the active set is that of another potential");
    compiled_ = std::make_shared<const CompiledPotential>(compile_for_design(potential));
    matrix_ = std::make_shared<const GradeMatrix>(active_set);
}

void Grader::grades(const Neighborhoods& neighborhoods, std::span<double> grades,
                    int threads) const {
    evaluate(neighborhoods, {}, grades, threads);
}

void Grader::evaluate(const Neighborhoods& neighborhoods, const Evaluator::Result& result,
                      std::span<double> grades, int threads) const {
    require(grades.size() == neighborhoods.center_count(),
            "the grades' array does not fit the neighborhoods");
    const Kernels& kernel = kernels();
    for_each_row_block(
        *compiled_, neighborhoods, result, threads,
        [&](const CenterBlock& block, const double* rows) {
            const auto columns =
                columns_of(compiled_->potential, neighborhoods.species[block.centers[0]]);
            double found[most_lanes];
            kernel.grade(rows, columns.data(), columns.size(), matrix_->view(), found);
            for (int lane = 0; lane < block.count; ++lane)
                grades[block.centers[lane]] = found[lane];
        });
}

double Grader::grade(std::span<const double> row) const {
    double grade = 0.0;
    grade_rows(*matrix_, row, {&grade, 1});
    return grade;
}

}  // namespace mtpot

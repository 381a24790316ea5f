#include "mtpot/grade.hpp"

#include "compiled.hpp"
#include "grade_matrix.hpp"
#include "mtpot/error.hpp"
#include "row_blocks.hpp"

namespace mtpot {
Grader::Grader(const Potential& potential, const ActiveSet& active_set) {
    check(potential);
    require(active_set.size() == potential.parameter_count(),
            "the active set is that of another potential");
    compiled_ = std::make_shared<const CompiledPotential>(compile_for_design(potential));
    matrix_ = std::make_shared<const GradeMatrix>(active_set);
}

void Grader::grades(const Neighborhoods& neighborhoods, std::span<double> grades,
                    int threads) const {
    require(grades.size() == neighborhoods.center_count(),
            "the grades' array does not fit the neighborhoods");
    for_each_row_block(
        *compiled_, neighborhoods, threads, [&](const CenterBlock& block, const double* rows) {
            double found[most_lanes];
            grade_lanes(*matrix_, compiled_->potential, block.species(), rows, found);
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

#include "mtpot/grade.hpp"

#include "compiled.hpp"
#include "grade_matrix.hpp"
#include "mtpot/error.hpp"
#include "row_blocks.hpp"

namespace mtpot {
Grader::Grader(const Potential& potential, const ActiveSet& active_set) {
    check(potential);
    compiled_ = std::make_shared<const CompiledPotential>(compile_for_rows(potential));
    set(active_set);
}

Grader Grader::with_active_set(const ActiveSet& active_set) const {
    Grader copy = *this;
    copy.set(active_set);
    return copy;
}

void Grader::set(const ActiveSet& active_set) {
    require(active_set.size() == compiled_->potential.parameter_count(),
            "the active set is that of another potential");
    matrix_ = std::make_shared<const GradeMatrix>(active_set, *compiled_);
    parameter_matrix_ = std::make_shared<const GradeMatrix>(active_set);
}

void Grader::grades(const Neighborhoods& neighborhoods, std::span<double> grades,
                    int threads) const {
    require(grades.size() == neighborhoods.center_count(),
            "the grades' array does not fit the neighborhoods");
    for_each_row_group(*compiled_, neighborhoods, threads,
                       [&](std::span<const CenterBlock> blocks, const double* rows) {
                           grade_blocks(*matrix_, *compiled_, blocks, rows, grades.data());
                       });
}

double Grader::grade(std::span<const double> row) const {
    double grade = 0.0;
    grade_rows(*parameter_matrix_, row, {&grade, 1});
    return grade;
}

}  // namespace mtpot

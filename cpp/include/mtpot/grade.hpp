// Extrapolation grades of sites; with energies and forces in the same pass: list_evaluator.hpp.
//
// A site's row is b = dV_i/dtheta; with the active set A its grade is max_k |(b A^-1)_k|.
// Podryabinkin & Shapeev, Comput. Mater. Sci. 140 (2017) 171.
#pragma once

#include <memory>
#include <span>

#include "mtpot/evaluate.hpp"
#include "mtpot/maxvol.hpp"
#include "mtpot/neighborhoods.hpp"
#include "mtpot/potential.hpp"

namespace mtpot {

struct CompiledPotential;
class GradeMatrix;

class Grader {
public:
    // InputError if the active set is that of another potential.
    Grader(const Potential& potential, const ActiveSet& active_set);

    // The same potential with another active set of its own, in little time.
    Grader with_active_set(const ActiveSet& active_set) const;

    // grades[centers]; rows are made and graded a few blocks at a time.
    void grades(const Neighborhoods& neighborhoods, std::span<double> grades,
                int threads = 0) const;

    // Grade of one row, of a site or of a whole structure.
    double grade(std::span<const double> row) const;

private:
    friend class ListEvaluator;

    void set(const ActiveSet& active_set);

    std::shared_ptr<const CompiledPotential> compiled_;
    std::shared_ptr<const GradeMatrix> matrix_;            // for rows as the kernels make them
    std::shared_ptr<const GradeMatrix> parameter_matrix_;  // for rows in the parameters
};

}  // namespace mtpot

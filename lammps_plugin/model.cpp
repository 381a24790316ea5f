#include "model.h"

#include <algorithm>
#include <cmath>

#include "mtpot/error.hpp"

namespace mtpot_lammps {
namespace {

std::optional<mtpot::Grader> make_grader(const mtpot::PotentialFile& file, const std::string& path,
                                         bool graded) {
    if (!graded) return std::nullopt;
    mtpot::require(file.selection.has_value(),
                   path +
                       ": has no active set, which extrapolation grades need; train with "
                       "--active-set nbh (or cfg) and use the .almtp file");
    mtpot::require(file.selection->sites_only() || file.selection->energy_only(),
                   path +
                       ": its active set has weights of its own, and simulations grade with sites "
                       "(nbh) or configurations (cfg) alone: select anew in one of these modes");
    return mtpot::Grader(file.potential, file.selection->active_set);
}

std::optional<mtpot::Design> make_design(const mtpot::PotentialFile& file, bool graded) {
    if (!graded || file.selection->sites_only()) return std::nullopt;
    return mtpot::Design(file.potential);
}

}  // namespace

Model::Model(const std::string& content, const std::string& path, const ModelOptions& options)
    : path_(path),
      file_(mtpot::parse_potential(content, path)),
      grader_(make_grader(file_, path, options.graded)),
      evaluator_(mtpot::Evaluator(file_.potential, options.precision), grader_,
                 make_design(file_, options.graded)) {}

bool Model::grades_sites() const {
    return grader_ && file_.selection->sites_only();
}

double Model::grade(const std::vector<double>& row, double atom_count) const {
    std::vector<double> mean = row;
    const double weight =
        std::pow(std::max(atom_count, 1.0), file_.selection->weight_scaling / 2.0);
    for (double& value : mean) value /= weight;
    return grader_->grade(mean);
}

}  // namespace mtpot_lammps

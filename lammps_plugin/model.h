// A potential file as the pair styles use it. Nothing of LAMMPS is seen here.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "mtpot/io.hpp"
#include "mtpot/list_evaluator.hpp"

namespace mtpot_lammps {

struct ModelOptions {
    bool graded = false;                                  // needs an active set
    mtpot::Precision precision = mtpot::Precision::full;  // of passes without grades and rows
};

// Every function may throw a std::exception whose message is for the user.
class Model {
public:
    // From the content of an .mtp or .almtp file, whose path stands in messages.
    Model(const std::string& content, const std::string& path, const ModelOptions& options);

    const std::string& path() const { return path_; }
    double cutoff() const { return file_.potential.radial.cutoff; }
    int species_count() const { return file_.potential.species_count; }
    // Empty if the file names none.
    const std::vector<std::string>& species() const { return file_.potential.species; }

    bool grades_sites() const;  // neighborhood mode
    bool couples_pairs() const { return evaluator_.couples_pairs(); }

    void evaluate(const mtpot::AtomList& atoms, const mtpot::ListResults& results, int threads) {
        evaluator_.evaluate(atoms, results, threads);
    }

    // In configuration mode: the length of a row, and the grade of a structure's summed row.
    std::size_t parameter_count() const { return file_.potential.parameter_count(); }
    double grade(const std::vector<double>& row, double atom_count) const;

    double memory_usage() const { return evaluator_.memory_usage(); }  // bytes

private:
    std::string path_;
    mtpot::PotentialFile file_;
    std::optional<mtpot::Grader> grader_;
    mtpot::ListEvaluator evaluator_;
};

}  // namespace mtpot_lammps

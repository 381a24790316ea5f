// pair_style mtp: see docs/pair_mtp.md.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pair.h"

namespace mtpot {
struct AtomList;
struct ListResults;
enum class Precision;
}  // namespace mtpot

namespace mtpot_lammps {
class Model;
}  // namespace mtpot_lammps

namespace LAMMPS_NS {

class PairMTP : public Pair {
public:
    explicit PairMTP(LAMMPS* lammps);
    ~PairMTP() override;

    void settings(int narg, char** arg) override;
    void coeff(int narg, char** arg) override;
    void init_style() override;
    double init_one(int i, int j) override;
    void compute(int eflag, int vflag) override;
    double memory_usage() override;

protected:
    virtual std::string name() const { return "mtp"; }
    virtual bool graded() const { return false; }
    // Takes the first arguments of pair_style that are none of keywords and values, and returns
    // their number.
    virtual int positional(int narg, char** arg);
    // Takes a keyword with its values and returns their number.
    virtual int keyword(int narg, char** arg);

    // Refuses settings that do not go together.
    virtual void check_settings() {}

    // An error of all ranks, which all of them find.
    [[noreturn]] void fail(const std::string& message);
    int positive_integer(int narg, char** arg);
    bool is_keyword(const std::string& word) const;
    virtual std::vector<std::string> keywords() const;

    mtpot::ListResults results();
    // An error of this rank if atoms coincide or a position is not a finite number.
    void evaluate(const mtpot::ListResults& results);

    std::unique_ptr<mtpot_lammps::Model> model;
    std::vector<int> species;  // [types + 1], of the potential; -1: none of ours

private:
    mtpot::Precision precision(int narg, char** arg);
    void load(const std::string& path);
    void allocate();
    void forget_coefficients();
    int species_of(const std::string& word);
    int species_in_order(int type);
    void tell_order();
    void tell_form();
    mtpot::AtomList atom_list() const;

    bool complete_ = false;
    std::string file_;  // empty: it stands in pair_coeff
    int threads_ = 1;
    mtpot::Precision precision_;
};

}  // namespace LAMMPS_NS

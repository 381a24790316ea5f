// pair_style mtp/extrapolation: see docs/pair_mtp.md.
#pragma once

#include <string>
#include <vector>

#include "pair_mtp.h"

namespace mtpot_lammps {
struct Frame;
}

namespace LAMMPS_NS {

class PairMTPExtrapolation : public PairMTP {
public:
    explicit PairMTPExtrapolation(LAMMPS* lammps);
    ~PairMTPExtrapolation() override;

    void settings(int narg, char** arg) override;
    void init_style() override;
    void compute(int eflag, int vflag) override;

    // "extrapolation_flag": set by fix pair to ask for grades in the next step.
    // "extrapolation_max": the structure's grade as of the last graded step, on every rank.
    void* extract(const char* field, int& dimension) override;
    // "extrapolation": the grades of the rank's own atoms, in neighborhood mode.
    void* extract_peratom(const char* field, int& columns) override;

    int pack_reverse_comm(int count, int first, double* buffer) override;
    void unpack_reverse_comm(int count, int* atoms, double* buffer) override;

protected:
    std::string name() const override { return "mtp/extrapolation"; }
    bool graded() const override { return true; }
    std::vector<std::string> keywords() const override;
    int positional(int narg, char** arg) override;
    int keyword(int narg, char** arg) override;
    void check_settings() override;

private:
    double threshold(const std::string& keyword, const char* word);
    bool is_due() const;
    double* cleared_grades();
    double structure_grade();
    void act_on(double grade);
    void write(double grade);
    std::vector<double> own_atoms();
    void place(mtpot_lammps::Frame& frame, const std::vector<double>& numbers) const;

    int every_ = 0;  // 0: in every step with a threshold, else as they are read
    std::string output_;
    double select_ = 0.0, stop_ = 0.0;  // 0: none
    int triggered_ = 0;
    bool graded_ = false;  // in the step computed last
    bigint computed_step_ = -1, written_step_ = -1;
    double largest_ = 0.0, written_grade_ = 0.0;
    std::vector<double> grades_, row_, frame_forces_;
};

}  // namespace LAMMPS_NS

#include "pair_mtp_extrapolation.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <limits>

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "frame.h"
#include "model.h"
#include "neigh_list.h"
#include "update.h"

namespace LAMMPS_NS {
namespace {

constexpr double default_select = 2.0;
constexpr int atom_size = sizeof(mtpot_lammps::FrameAtom) / sizeof(double);

std::string text(double number) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.5g", number);
    return digits;
}

}  // namespace

PairMTPExtrapolation::PairMTPExtrapolation(LAMMPS* lammps) : PairMTP(lammps) {
    comm_reverse = 3;
    nextra = 1;
    pvector = new double[1]{0.0};
}

PairMTPExtrapolation::~PairMTPExtrapolation() {
    delete[] pvector;
}

// pair_style mtp/extrapolation [FILE [OUT SELECT BREAK]] [keyword value ...]
void PairMTPExtrapolation::settings(int narg, char** arg) {
    every_ = 0;
    output_.clear();
    select_ = stop_ = 0.0;
    computed_step_ = written_step_ = -1;
    PairMTP::settings(narg, arg);
}

void PairMTPExtrapolation::check_settings() {
    if (!output_.empty() && select_ == 0.0) select_ = default_select;
    if (output_.empty() && select_ > 0.0)
        fail("keyword select needs keyword output, the file for the frames above it");
    if (stop_ > 0.0 && select_ > stop_)
        fail("select, " + text(select_) + ", must not exceed break, " + text(stop_));
}

std::vector<std::string> PairMTPExtrapolation::keywords() const {
    auto known = PairMTP::keywords();
    known.insert(known.end(), {"every", "output", "select", "break"});
    return known;
}

int PairMTPExtrapolation::positional(int narg, char** arg) {
    const int used = PairMTP::positional(narg, arg);
    if (used == 0 || narg == used || is_keyword(arg[used])) return used;
    if (narg < used + 3)
        fail("behind the potential file stand OUT SELECT BREAK, or keywords with values");
    output_ = arg[used];
    select_ = threshold("SELECT", arg[used + 1]);
    stop_ = threshold("BREAK", arg[used + 2]);
    return used + 3;
}

int PairMTPExtrapolation::keyword(int narg, char** arg) {
    const std::string word = arg[0];
    if (narg < 2 && is_keyword(word)) fail("keyword " + word + " needs a value");
    if (word == "every")
        every_ = positive_integer(narg, arg);
    else if (word == "output")
        output_ = arg[1];
    else if (word == "select")
        select_ = threshold(word, arg[1]);
    else if (word == "break")
        stop_ = threshold(word, arg[1]);
    else
        return PairMTP::keyword(narg, arg);
    return 2;
}

double PairMTPExtrapolation::threshold(const std::string& keyword, const char* word) {
    const double value = utils::numeric(FLERR, word, false, lmp);
    if (!(value > 0.0) || !std::isfinite(value))
        fail(keyword + " must be a positive grade, not " + word);
    return value;
}

void PairMTPExtrapolation::init_style() {
    PairMTP::init_style();
    if (output_.empty()) return;
    if (std::any_of(species.begin() + 1, species.end(), [](int each) { return each < 0; }))
        fail("frames can be written only if every atom type has an element of the potential");
    if (!atom->tag_enable) fail("frames can be written only if atoms have IDs");
}

// What reads the energy of a step may read its grade; and what fix pair wants without having asked
// in time, extract_peratom() finds later in the step.
bool PairMTPExtrapolation::is_due() const {
    if (triggered_ || eflag_global) return true;
    const bool threshold = select_ > 0.0 || stop_ > 0.0;
    const int every = every_ > 0 || !threshold ? every_ : 1;
    return every > 0 && update->ntimestep % every == 0;
}

void PairMTPExtrapolation::compute(int eflag, int vflag) {
    ev_init(eflag, vflag);
    const bool due = is_due();
    auto to = results();
    computed_step_ = update->ntimestep;
    graded_ = due;
    if (due && model->grades_sites()) {
        to.grades = cleared_grades();
    } else if (due) {
        row_.assign(model->parameter_count(), 0.0);
        to.row = row_.data();
    }
    evaluate(to);
    if (vflag_fdotr) virial_fdotr_compute();
    if (!due) return;
    largest_ = structure_grade();
    pvector[0] = comm->me == 0 ? largest_ : 0.0;  // compute pair adds up the ranks
    act_on(largest_);
}

double* PairMTPExtrapolation::cleared_grades() {
    grades_.assign(std::max(atom->nlocal, 1), 0.0);
    return grades_.data();
}

double PairMTPExtrapolation::structure_grade() {
    if (model->grades_sites()) {
        double own = 0.0, all = 0.0;
        for (const double grade : grades_)
            own = std::max(own, grade >= 0.0 ? grade : std::numeric_limits<double>::infinity());
        MPI_Allreduce(&own, &all, 1, MPI_DOUBLE, MPI_MAX, world);
        return all;
    }
    std::vector<double> sum(row_.size() + 1);
    row_.push_back(list->inum);
    MPI_Allreduce(row_.data(), sum.data(), static_cast<int>(sum.size()), MPI_DOUBLE, MPI_SUM,
                  world);
    const double atom_count = sum.back();
    sum.pop_back();
    double grade = model->grade(sum, atom_count);
    if (!(grade >= 0.0)) grade = std::numeric_limits<double>::infinity();
    MPI_Bcast(&grade, 1, MPI_DOUBLE, 0, world);  // the same bits, since all ranks act on it
    return grade;
}

void PairMTPExtrapolation::act_on(double grade) {
    // A run computes its first step anew.
    const bool written = written_step_ == update->ntimestep &&
                         std::abs(grade - written_grade_) <= 1e-9 * written_grade_;
    if (select_ > 0.0 && grade > select_ && !written) write(grade);
    if (stop_ > 0.0 && grade > stop_)
        fail("the extrapolation grade " + text(grade) + " exceeds the break threshold " +
             text(stop_) + " in step " + std::to_string(update->ntimestep));
}

// The forces of this step are not complete yet: those on ghosts are still with them. And other
// styles may have added theirs. So they are found anew.
void PairMTPExtrapolation::write(double grade) {
    mtpot_lammps::Frame frame{};
    frame_forces_.assign(3 * static_cast<std::size_t>(atom->nlocal + atom->nghost), 0.0);
    mtpot::ListResults to{};
    to.forces = frame_forces_.data();
    double energy = 0.0;
    to.energy = &energy;
    evaluate(to);
    comm->reverse_comm(this);
    MPI_Reduce(&energy, &frame.energy, 1, MPI_DOUBLE, MPI_SUM, 0, world);
    frame.grade = grade;
    frame.site_grades = model->grades_sites();
    frame.step = written_step_ = update->ntimestep;
    written_grade_ = grade;
    const std::vector<double> own = own_atoms();

    const int count = static_cast<int>(own.size());
    std::vector<int> counts(comm->nprocs), first(comm->nprocs + 1, 0);
    MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, world);
    for (int rank = 0; rank < comm->nprocs; ++rank) first[rank + 1] = first[rank] + counts[rank];
    std::vector<double> all(static_cast<std::size_t>(first.back()));
    MPI_Gatherv(own.data(), count, MPI_DOUBLE, all.data(), counts.data(), first.data(), MPI_DOUBLE,
                0, world);
    if (comm->me != 0) return;
    std::string fault;
    try {
        place(frame, all);
        mtpot_lammps::append(output_, frame, model->species());
    } catch (const std::exception& reason) {
        fault = reason.what();
    }
    if (!fault.empty()) error->one(FLERR, "Pair style " + name() + ": " + fault);
}

// Numbers of the rank's own atoms in the order of FrameAtom, inside the periodic cell.
std::vector<double> PairMTPExtrapolation::own_atoms() {
    std::vector<double> numbers;
    for (int i = 0; i < atom->nlocal; ++i) {
        double x[3] = {atom->x[i][0], atom->x[i][1], atom->x[i][2]};
        domain->remap(x);
        const double* f = &frame_forces_[3 * static_cast<std::size_t>(i)];
        const double grade = model->grades_sites() ? grades_[i] : 0.0;
        numbers.insert(numbers.end(),
                       {static_cast<double>(atom->tag[i]),
                        static_cast<double>(species[atom->type[i]]), x[0] - domain->boxlo[0],
                        x[1] - domain->boxlo[1], x[2] - domain->boxlo[2], f[0], f[1], f[2], grade});
    }
    return numbers;
}

void PairMTPExtrapolation::place(mtpot_lammps::Frame& frame,
                                 const std::vector<double>& numbers) const {
    frame.cell = {domain->xprd, 0.0,        0.0,        domain->xy,  domain->yprd,
                  0.0,          domain->xz, domain->yz, domain->zprd};
    for (int d = 0; d < 3; ++d)
        frame.periodic[d] = domain->periodicity[d] != 0 && d < domain->dimension;
    frame.atoms.resize(numbers.size() / atom_size);
    std::memcpy(frame.atoms.data(), numbers.data(), numbers.size() * sizeof(double));
    std::sort(frame.atoms.begin(), frame.atoms.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
}

int PairMTPExtrapolation::pack_reverse_comm(int count, int first, double* buffer) {
    std::copy_n(&frame_forces_[3 * static_cast<std::size_t>(first)], 3 * count, buffer);
    return 3 * count;
}

void PairMTPExtrapolation::unpack_reverse_comm(int count, int* atoms, double* buffer) {
    for (int k = 0; k < 3 * count; ++k)
        frame_forces_[3 * static_cast<std::size_t>(atoms[k / 3]) + k % 3] += buffer[k];
}

void* PairMTPExtrapolation::extract(const char* field, int& dimension) {
    dimension = 0;
    if (std::strcmp(field, "extrapolation_max") == 0) return &largest_;
    if (std::strcmp(field, "extrapolation_flag") != 0) return nullptr;
    return &triggered_;
}

void* PairMTPExtrapolation::extract_peratom(const char* field, int& columns) {
    if (std::strcmp(field, "extrapolation") != 0 || !model || !model->grades_sites())
        return nullptr;
    columns = 0;
    const bool running = update->whichflag != 0 && computed_step_ == update->ntimestep;
    if (!running) return nullptr;
    if (!graded_) {
        mtpot::ListResults to{};
        to.grades = cleared_grades();
        evaluate(to);
        graded_ = true;
    }
    return grades_.data();
}

}  // namespace LAMMPS_NS

#include "pair_mtp.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "model.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"

namespace LAMMPS_NS {
namespace {

struct FileContent {
    std::string text, fault;
};

FileContent read(const std::string& path) {
    const std::string found = utils::get_potential_file_path(path);
    const std::string place = found.empty() ? path : found;
    std::error_code none;
    if (std::filesystem::exists(place, none) && !std::filesystem::is_regular_file(place, none))
        return {"", path + ": cannot be read: it is no plain file"};
    errno = 0;
    std::ifstream file(place, std::ios::binary);
    std::string text{std::istreambuf_iterator<char>(file), {}};
    if (!file.is_open() || file.bad())
        return {"", path + ": cannot be read: " + std::strerror(errno ? errno : EIO)};
    return {text, ""};
}

void broadcast(std::string& text, MPI_Comm world) {
    bigint size = static_cast<bigint>(text.size());
    MPI_Bcast(&size, 1, MPI_LMP_BIGINT, 0, world);
    text.resize(static_cast<std::size_t>(size));
    MPI_Bcast(text.data(), static_cast<int>(size), MPI_CHAR, 0, world);
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : between) + word;
    return text;
}

}  // namespace

PairMTP::PairMTP(LAMMPS* lammps)
    : Pair(lammps), precision_(mtpot_lammps::ModelOptions{}.precision) {
    one_coeff = 1;
    manybody_flag = 1;
    single_enable = 0;
    restartinfo = 0;
    centroidstressflag = CENTROID_AVAIL;
}

PairMTP::~PairMTP() {
    if (!allocated) return;
    memory->destroy(setflag);
    memory->destroy(cutsq);
}

void PairMTP::fail(const std::string& message) {
    error->all(FLERR, "Pair style " + name() + ": " + message);
}

// pair_style mtp [FILE] [keyword value ...]
void PairMTP::settings(int narg, char** arg) {
    if (std::strcmp(update->unit_style, "metal") != 0)
        fail(std::string("needs units metal (eV, angstrom), not units ") + update->unit_style);
    forget_coefficients();
    model.reset();
    complete_ = false;
    threads_ = comm->nthreads;
    precision_ = mtpot_lammps::ModelOptions{}.precision;
    file_.clear();
    int next = positional(narg, arg);
    while (next < narg) next += keyword(narg - next, arg + next);
    check_settings();
    if (!file_.empty()) load(file_);
    complete_ = true;
}

std::vector<std::string> PairMTP::keywords() const {
    return {"precision", "threads"};
}

bool PairMTP::is_keyword(const std::string& word) const {
    const auto known = keywords();
    return std::find(known.begin(), known.end(), word) != known.end();
}

int PairMTP::positional(int narg, char** arg) {
    if (narg == 0 || is_keyword(arg[0])) return 0;  // the file stands in pair_coeff
    file_ = arg[0];
    return 1;
}

int PairMTP::keyword(int narg, char** arg) {
    const std::string word = arg[0];
    if (!is_keyword(word))
        fail("unknown keyword " + word + "; known are " + joined(keywords(), ", "));
    if (word == "threads") {
        threads_ = positive_integer(narg, arg);
    } else {
        precision_ = precision(narg, arg);
    }
    return 2;
}

mtpot::Precision PairMTP::precision(int narg, char** arg) {
    if (narg < 2) fail("keyword precision needs a value, double or mixed");
    std::string fault;
    try {
        return mtpot::precision_named(arg[1]);
    } catch (const std::exception& reason) {
        fault = reason.what();
    }
    fail(fault);
}

int PairMTP::positive_integer(int narg, char** arg) {
    if (narg < 2) fail(std::string("keyword ") + arg[0] + " needs a value");
    const int value = utils::inumeric(FLERR, arg[1], false, lmp);
    if (value < 1) fail(std::string("keyword ") + arg[0] + " needs a positive number");
    return value;
}

// One rank reads; all parse, and so find the same faults.
void PairMTP::load(const std::string& path) {
    FileContent content;
    if (comm->me == 0) content = read(path);
    broadcast(content.fault, world);
    if (!content.fault.empty()) fail(content.fault);
    broadcast(content.text, world);
    std::string fault;
    try {
        model = std::make_unique<mtpot_lammps::Model>(
            content.text, path, mtpot_lammps::ModelOptions{graded(), precision_});
    } catch (const std::exception& reason) {
        fault = reason.what();
    }
    if (!fault.empty()) fail(fault);
    tell_form();
}

void PairMTP::tell_form() {
    if (comm->me == 0 && !model->couples_pairs())
        error->warning(FLERR, model->path() + ": " + std::string(mtpot::no_pair_couplings));
}

void PairMTP::allocate() {
    if (allocated) return;
    const int n = atom->ntypes + 1;
    memory->create(setflag, n, n, "pair:setflag");
    memory->create(cutsq, n, n, "pair:cutsq");
    allocated = 1;
}

void PairMTP::forget_coefficients() {
    species.assign(atom->ntypes + 1, -1);
    if (!allocated) return;
    for (int i = 1; i <= atom->ntypes; ++i)
        for (int j = 1; j <= atom->ntypes; ++j) setflag[i][j] = 0;
}

// pair_coeff * * [FILE] El1 El2 ...; a faulty one leaves none behind.
void PairMTP::coeff(int narg, char** arg) {
    allocate();
    forget_coefficients();
    if (narg < 2 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0)
        fail("use pair_coeff * * with one element for each atom type");
    if (!complete_) fail("the pair_style command before this has failed: give it again");
    int next = 2;
    if (file_.empty()) {
        if (narg < 3) fail("name the potential file in pair_style or behind pair_coeff * *");
        load(arg[next++]);
    }
    const bool bare = next == narg;
    if (!bare && narg - next != atom->ntypes)
        fail("pair_coeff needs one element for each of the " + std::to_string(atom->ntypes) +
             " atom types, and has " + std::to_string(narg - next));
    std::vector<int> found{-1};
    for (int type = 1; type <= atom->ntypes; ++type)
        found.push_back(bare ? species_in_order(type) : species_of(arg[next + type - 1]));
    if (bare) tell_order();
    if (std::all_of(found.begin(), found.end(), [](int each) { return each < 0; }))
        fail("pair_coeff maps no atom type to an element");
    if (force->pair == this && std::count(found.begin(), found.end(), -1) > 1)
        fail("NULL leaves an atom type to another style of pair_style hybrid; here there is none");
    species = found;
    for (int i = 1; i <= atom->ntypes; ++i)
        for (int j = 1; j <= atom->ntypes; ++j) setflag[i][j] = species[i] >= 0 && species[j] >= 0;
}

int PairMTP::species_of(const std::string& word) {
    if (word == "NULL") return -1;
    const auto& names = model->species();
    const auto found = std::find(names.begin(), names.end(), word);
    if (found != names.end()) return static_cast<int>(found - names.begin());
    if (!names.empty())
        fail("the potential " + model->path() + " is for " + joined(names, ", ") +
             " and knows no " + word);
    const int count = model->species_count();
    for (int number = 0; number < count; ++number)
        if (word == std::to_string(number)) return number;
    fail("the potential " + model->path() + " names no elements: give its types by number, 0 to " +
         std::to_string(count - 1) + ", not " + word);
}

int PairMTP::species_in_order(int type) {
    const int count = model->species_count();
    if (atom->ntypes > count)
        fail("there are " + std::to_string(atom->ntypes) + " atom types, and the potential " +
             model->path() + " has " + std::to_string(count) + " species");
    return type - 1;
}

void PairMTP::tell_order() {
    if (comm->me != 0) return;
    const auto& names = model->species();
    std::string order;
    for (int type = 1; type <= atom->ntypes; ++type)
        order += " " + (names.empty() ? std::to_string(type - 1) : names[type - 1]);
    error->warning(FLERR,
                   "pair_coeff names no elements: the atom types are taken to be, in the "
                   "order of the potential file," +
                       order);
}

void PairMTP::init_style() {
    if (!force->newton_pair) fail("needs newton pair on, which is LAMMPS' default");
    neighbor->add_request(this, NeighConst::REQ_FULL);
}

double PairMTP::init_one(int i, int j) {
    if (!setflag[i][j])
        fail("no element is given for atom type " + std::to_string(species[i] < 0 ? i : j));
    return model->cutoff();
}

void PairMTP::compute(int eflag, int vflag) {
    ev_init(eflag, vflag);
    evaluate(results());
    if (vflag_fdotr) virial_fdotr_compute();
}

mtpot::ListResults PairMTP::results() {
    mtpot::ListResults to{};
    to.forces = atom->f[0];
    if (eflag_global) to.energy = &eng_vdwl;
    if (vflag_global) to.virial = virial;
    if (eflag_atom) to.site_energies = eatom;
    if (vflag_atom) to.atom_virials = vatom[0];
    if (cvflag_atom) to.centroid_virials = cvatom[0];
    return to;
}

mtpot::AtomList PairMTP::atom_list() const {
    const auto count = static_cast<std::size_t>(atom->nlocal + atom->nghost);
    return {count,       atom->x[0],     atom->type,       species.data(), list->inum,
            list->ilist, list->numneigh, list->firstneigh, NEIGHMASK};
}

void PairMTP::evaluate(const mtpot::ListResults& to) {
    std::string fault;
    try {
        model->evaluate(atom_list(), to, threads_);
    } catch (const std::exception& reason) {
        fault = reason.what();
    }
    if (!fault.empty()) error->one(FLERR, "Pair style " + name() + ": " + fault);
}

double PairMTP::memory_usage() {
    return Pair::memory_usage() + (model ? model->memory_usage() : 0.0);
}

}  // namespace LAMMPS_NS

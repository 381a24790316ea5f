// A potential as the pair styles use it: LAMMPS' atoms and lists in, sums and grades out. The pair
// styles see nothing else of the engine, and nothing of LAMMPS is seen here.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace mtpot_lammps {

// What one MPI rank knows: its own atoms, then the ghosts.
struct AtomList {
    std::size_t atom_count;     // own and ghosts
    const double* positions;    // [3 * atoms], angstrom
    const int* types;           // [atoms], from 1
    const int* species;         // [types + 1], of the potential; -1: none
    int center_count;           // atoms that have a site energy here
    const int* centers;         // [centers]
    const int* neighbor_count;  // [atoms]
    int* const* neighbors;      // [atoms], full lists; `mask` takes the atom out of an entry
    int mask;
};

// Where results go, in eV and angstrom; a null pointer leaves one out. Everything is added to what
// stands there, but the grades, which are written, for centers only.
struct Results {
    double* forces;            // [3 * atoms], ghosts included
    double* energy;            // [1]
    double* virial;            // [6], xx yy zz xy xz yz of W = sum over pairs of r (x) F
    double* site_energies;     // [atoms]
    double* atom_virials;      // [6 * atoms], each pair's term half and half, symmetric
    double* centroid_virials;  // [9 * atoms], xx yy zz xy xz yz yx zx zy, see the manual page
    double* grades;            // [atoms], in neighborhood mode
    double* row;               // [parameters], in configuration mode: sum of dV_i/dtheta
};

struct Effort {
    int threads;
    int chunk_size;  // centers that one thread has at hand at a time
};

// Every function may throw a std::exception whose message is for the user.
class Model {
public:
    // From the content of an .mtp or .almtp file, whose path stands in messages; for grades it
    // needs an active set.
    Model(const std::string& content, const std::string& path, bool graded);
    ~Model();

    const std::string& path() const;
    double cutoff() const;
    int species_count() const;
    const std::vector<std::string>& species() const;  // empty if the file names none

    bool grades_sites() const;  // neighborhood mode

    void evaluate(const AtomList& atoms, const Results& results, const Effort& effort);

    // In configuration mode: the length of a row, and the grade of a structure's summed row.
    std::size_t parameter_count() const;
    double grade(const std::vector<double>& row, double atom_count) const;

    double memory_usage() const;  // bytes

private:
    struct Engine;
    struct Thread;

    void order_centers(const AtomList& list);
    void merge(const Results& results, std::size_t atoms, int team) const;

    std::unique_ptr<Engine> engine_;
    std::vector<Thread> threads_;
    std::vector<int> order_;
    std::vector<double> chunk_energies_;
};

}  // namespace mtpot_lammps

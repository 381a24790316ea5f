// Structures for files, gathered from all ranks.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace mtpot_lammps {

struct FrameAtom {
    double id, species;  // species of the potential, from 0
    double position[3];  // angstrom, from the cell's corner
    double force[3];     // eV/angstrom
    double grade;
};

struct Frame {
    std::array<double, 9> cell;  // rows are the cell's vectors
    std::array<bool, 3> periodic;
    double energy;  // eV
    double grade;   // of the structure
    bool site_grades;
    long long step;
    std::vector<FrameAtom> atoms;
};

// Appends the frame to a .cfg file, or to an extxyz file if the path has another suffix; a file
// that does not exist is made. Species without names are written as X with their number.
// std::runtime_error if it cannot be written.
void append(const std::string& path, const Frame& frame, const std::vector<std::string>& names);

}  // namespace mtpot_lammps

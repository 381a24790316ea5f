#include "frame.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace mtpot_lammps {
namespace {

template <class... Values>
std::string format(const char* pattern, Values... values) {
    char text[400];
    std::snprintf(text, sizeof text, pattern, values...);
    return text;
}

std::string vector(const double* v) {
    return format("%.10g %.10g %.10g", v[0], v[1], v[2]);
}

std::string as_extxyz(const Frame& frame, const std::vector<std::string>& names) {
    std::string text = std::to_string(frame.atoms.size()) + "\nLattice=\"";
    for (int row = 0; row < 3; ++row) text += vector(&frame.cell[3 * row]) + (row < 2 ? " " : "\"");
    text += " Properties=species:S:1:pos:R:3:forces:R:3";
    if (names.empty()) text += ":type:I:1";
    if (frame.site_grades) text += ":grades:R:1";
    text += format(" energy=%.12g grade=%.6g step=%lld pbc=\"%c %c %c\"\n", frame.energy,
                   frame.grade, frame.step, frame.periodic[0] ? 'T' : 'F',
                   frame.periodic[1] ? 'T' : 'F', frame.periodic[2] ? 'T' : 'F');
    for (const auto& atom : frame.atoms) {
        const auto species = static_cast<std::size_t>(atom.species);
        text += (names.empty() ? "X" : names[species]) + " " + vector(atom.position) + " " +
                vector(atom.force);
        if (names.empty()) text += format(" %zu", species);
        if (frame.site_grades) text += format(" %.6g", atom.grade);
        text += "\n";
    }
    return text;
}

// Rows of the cell up to the last direction with periodicity; one without is a row of zeros.
std::string supercell(const Frame& frame) {
    int rows = 3;
    while (rows > 0 && !frame.periodic[rows - 1]) --rows;
    std::string text = rows ? " Supercell\n" : "";
    const double none[3] = {0.0, 0.0, 0.0};
    for (int row = 0; row < rows; ++row)
        text += vector(frame.periodic[row] ? &frame.cell[3 * row] : none) + "\n";
    return text;
}

std::string as_cfg(const Frame& frame) {
    std::string text = format("BEGIN_CFG\n Size\n  %zu\n", frame.atoms.size()) + supercell(frame) +
                       " AtomData:  id type cartes_x cartes_y cartes_z fx fy fz";
    text += frame.site_grades ? " nbh_grades\n" : "\n";
    int number = 0;  // IDs of LAMMPS may have gaps, those of .cfg may not
    for (const auto& atom : frame.atoms) {
        text += format("  %d %.0f ", ++number, atom.species) + vector(atom.position) + " " +
                vector(atom.force);
        text += frame.site_grades ? format(" %.6g\n", atom.grade) : "\n";
    }
    return text + format(
                      " Energy\n  %.12g\n Feature   MV_grade\t%.6g\n Feature   step\t%lld\n"
                      "END_CFG\n\n",
                      frame.energy, frame.grade, frame.step);
}

// What stands in a file already must be frames of the same kind: nothing else is written into.
void check_target(const std::string& path, bool cfg) {
    std::error_code none;
    if (!std::filesystem::exists(path, none)) return;
    if (!std::filesystem::is_regular_file(path, none))
        throw std::runtime_error(path + ": cannot be written: it is no plain file");
    std::ifstream file(path);
    std::string word;
    if (!(file >> word)) return;
    const bool count = word.find_first_not_of("0123456789") == std::string::npos;
    if (cfg ? word != "BEGIN_CFG" : !count)
        throw std::runtime_error(path + ": holds something else than frames; name another file");
}

bool is_cfg(const std::string& path) {
    std::string suffix = path.substr(path.size() - std::min<std::size_t>(path.size(), 4));
    for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return suffix == ".cfg";
}

}  // namespace

void append(const std::string& path, const Frame& frame, const std::vector<std::string>& names) {
    const bool cfg = is_cfg(path);
    check_target(path, cfg);
    const std::string text = cfg ? as_cfg(frame) : as_extxyz(frame, names);
    std::error_code none;
    const auto size = std::filesystem::file_size(path, none);
    const bool existed = !none;
    std::FILE* file = std::fopen(path.c_str(), "a");
    bool done = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (file != nullptr) done = std::fclose(file) == 0 && done;
    if (done) return;
    const std::string reason = std::strerror(errno);
    if (file != nullptr && existed)
        std::filesystem::resize_file(path, size, none);  // no half frame
    throw std::runtime_error(path + ": cannot be written: " + reason);
}

}  // namespace mtpot_lammps

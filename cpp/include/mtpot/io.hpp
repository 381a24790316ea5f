// Potential files: .mtp (v1.1.0) and .almtp (the same with the state of an active set).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mtpot/maxvol.hpp"
#include "mtpot/potential.hpp"

namespace mtpot {

// The selection section "#MVS_v1.1" of an .almtp file.
struct Selection {
    // Of the rows of energy, forces, virial and sites; those of energy and virial are divided by
    // N^(weight_scaling / 2), too.
    double energy_weight = 0.0;
    double force_weight = 0.0;
    double stress_weight = 0.0;
    double site_energy_weight = 1.0;
    int weight_scaling = 2;
    ActiveSet active_set{0};
    // Origin of each row of A: (configuration, equation), (-1, -1) if unset.
    std::vector<std::array<std::int64_t, 2>> origins;
    // The selected configurations as .cfg text, kept as it came.
    std::string configurations;

    // Neighborhood mode, and configuration mode.
    bool sites_only() const { return has_weights(0.0, 1.0); }
    bool energy_only() const { return has_weights(1.0, 0.0); }

private:
    bool has_weights(double energy, double site) const {
        return energy_weight == energy && site_energy_weight == site && force_weight == 0.0 &&
               stress_weight == 0.0;
    }
};

struct PotentialFile {
    Potential potential;
    std::optional<Selection> selection;
};

// FormatError "path:line: what" for anything that does not follow the format: no number of the
// file is trusted before it is checked. InputError if the file cannot be opened.
PotentialFile read_potential(const std::string& path);
PotentialFile parse_potential(const std::string& content, const std::string& path);

// The file's content; every number survives a round trip bit for bit.
std::string format_potential(const Potential& potential, const Selection* selection = nullptr);

}  // namespace mtpot

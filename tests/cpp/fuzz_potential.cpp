// Whatever the bytes, reading a potential gives a FormatError or a potential that is written and
// read back to the same bytes, and that can be computed with.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "mtpot/design.hpp"
#include "mtpot/error.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/io.hpp"

namespace {

std::string rewrite(const mtpot::PotentialFile& file) {
    return mtpot::format_potential(file.potential, file.selection ? &*file.selection : nullptr);
}

// Larger ones are sound as well, but would take the time that mutations need.
bool is_small(const mtpot::Potential& potential) {
    return potential.contractions->moment_count < 200 && potential.species_count <= 4 &&
           potential.radial.size <= 16;
}

// The first and the last species halfway between the minimum distance and the cutoff.
mtpot::OwnedNeighborhoods dimer(const mtpot::Potential& potential) {
    const double distance = 0.5 * (potential.radial.min_distance + potential.radial.cutoff);
    const std::vector<std::int32_t> species{0, potential.species_count - 1};
    const std::vector<std::int64_t> centers{0, 1}, neighbors{1, 0};
    const double x = 0.8 * distance, z = 0.6 * distance;
    const std::vector<double> vectors{x, 0.0, z, -x, 0.0, -z};
    return {species, centers, neighbors, vectors};
}

void evaluate(const mtpot::Potential& potential, const mtpot::Neighborhoods& pair) {
    std::vector<double> energies(pair.center_count()), gradients(3 * pair.pair_count());
    mtpot::Evaluator(potential).evaluate(pair, {energies, gradients}, 1);
}

void differentiate(const mtpot::Potential& potential, const mtpot::Neighborhoods& pair) {
    const mtpot::Design design(potential);
    const std::size_t values = 1 + 3 * pair.center_count() + 6;
    std::vector<double> rows(pair.center_count() * design.parameter_count());
    std::vector<double> tangents(values * design.parameter_count()), predictions(values);
    design.rows(pair, rows, 1);
    design.tangents(pair, mtpot::Design::Columns::all, tangents, predictions);
}

// Only crashes are a finding: numbers of a file may be too large to compute with.
void compute(const mtpot::Potential& potential) {
    const auto pair = dimer(potential);
    try {
        if (potential.trained) evaluate(potential, pair.view());
        differentiate(potential, pair.view());
    } catch (const mtpot::InputError&) {
    } catch (const mtpot::NumericalError&) {
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string content(reinterpret_cast<const char*>(data), size);
    mtpot::PotentialFile file;
    try {
        file = mtpot::parse_potential(content, "fuzz.almtp");
    } catch (const mtpot::FormatError&) {
        return 0;
    }
    const std::string first = rewrite(file);
    if (rewrite(mtpot::parse_potential(first, "fuzz.almtp")) != first) std::abort();
    if (is_small(file.potential)) compute(file.potential);
    return 0;
}

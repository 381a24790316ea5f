#include "mtpot/potential.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "mtpot/error.hpp"

namespace mtpot {
namespace {

bool all_finite(std::span<const double> numbers) {
    return std::all_of(numbers.begin(), numbers.end(), [](double x) { return std::isfinite(x); });
}

bool is_between(char c, char first, char last) {
    return c >= first && c <= last;
}

// An element symbol, or a name of that shape: a capital letter and up to two small ones.
bool is_symbol(const std::string& text) {
    const auto is_small = [](char c) { return is_between(c, 'a', 'z'); };
    return !text.empty() && text.size() <= 3 && is_between(text[0], 'A', 'Z') &&
           std::all_of(text.begin() + 1, text.end(), is_small);
}

bool is_plain_text(const std::string& text) {
    const auto breaks = [](char c) { return is_between(c, '\0', '\x1f') || c == '#'; };
    return std::none_of(text.begin(), text.end(), breaks);
}

// Texts must read back as they were written, by other programs too: '#' starts the selection.
void check_texts(const Potential& potential) {
    const std::string& name = potential.name;
    require(!name.empty() && is_plain_text(name) && name.find(' ') == std::string::npos,
            "potential_name must be one word without '#'");
    const std::string& tag = potential.tag;
    require(is_plain_text(tag) && !tag.starts_with(' ') && !tag.ends_with(' '),
            "potential_tag must be one line without '#', tabs and spaces at its ends");
    require(!potential.species.empty() || (tag != "species" && !tag.starts_with("species ")),
            "potential_tag may begin with the word 'species' only to name the species");
}

void check_species(const Potential& potential) {
    const std::vector<std::string>& names = potential.species;
    require(potential.species_count >= 1, "species_count must be at least 1");
    if (names.empty()) return;
    require(names.size() == static_cast<std::size_t>(potential.species_count),
            std::to_string(names.size()) + " species are named, species_count is " +
                std::to_string(potential.species_count));
    for (auto name = names.begin(); name != names.end(); ++name) {
        require(is_symbol(*name), "'" + *name + "' is not an element symbol such as Al");
        require(std::find(names.begin(), name, *name) == name, *name + " is named twice");
    }
}

void check_radial(const Potential& potential) {
    const RadialBasis& radial = potential.radial;
    const auto known = static_cast<int>(radial_basis_names().size());
    require(radial.kind >= 0 && radial.kind < known, "unknown kind of radial basis");
    make_radial_basis(radial.name(), radial.min_distance, radial.cutoff, radial.size);
    require(std::isfinite(potential.scaling) && potential.scaling != 0.0,
            "scaling must be finite and not zero");
}

void check_core(const Potential& potential) {
    if (!potential.zbl) return;
    const Zbl& zbl = *potential.zbl;
    require(zbl.species_count() == potential.species_count,
            "the core has another number of types than the potential");
    for (int i = 0; i < potential.species_count; ++i) {
        const int number = zbl.atomic_numbers()[i];
        if (!potential.species.empty())
            require(atomic_number(potential.species[i]) == number,
                    "the core of type " + std::to_string(i) + " is that of atomic number " +
                        std::to_string(number) + ", not that of " + potential.species[i]);
        for (int j = 0; j < potential.species_count; ++j)
            require(zbl.radii(i, j).outer <= potential.radial.cutoff,
                    "the outer radius of a core (" + std::to_string(zbl.radii(i, j).outer) +
                        ") must not exceed the cutoff (" + std::to_string(potential.radial.cutoff) +
                        ")");
    }
}

std::size_t radial_count(const Potential& potential) {
    const auto species = static_cast<std::size_t>(potential.species_count);
    return species * species * static_cast<std::size_t>(potential.radial_function_count()) *
           static_cast<std::size_t>(potential.radial.size);
}

std::size_t linear_count(const Potential& potential) {
    return static_cast<std::size_t>(potential.species_count) +
           potential.contractions->scalars.size();
}

void check_ensemble(const Potential& potential) {
    if (!potential.ensemble) return;
    const auto& [members, energy_errors, force_errors] = *potential.ensemble;
    require(potential.trained, "an untrained potential has no ensemble");
    require(!members.empty() && members.size() % linear_count(potential) == 0,
            "the ensemble's parameters do not fit the potential");
    require(all_finite(members), "a number of the ensemble is not finite");
    for (const auto* errors : {&energy_errors, &force_errors}) {
        require(errors->size() == (energy_errors.empty() ? 0 : error_numbers),
                "the ensemble's errors have a wrong number");
        require(std::all_of(errors->begin(), errors->end(),
                            [](double x) { return std::isfinite(x) && x >= 0.0; }),
                "the ensemble's errors must be finite and not negative");
    }
}

void check_parameters(const Potential& potential) {
    const auto sound = [](std::span<const double> numbers, std::size_t size) {
        return numbers.size() == size && all_finite(numbers);
    };
    require(
        sound(potential.radial_coefficients, radial_count(potential)) &&
            sound(potential.species_energies, static_cast<std::size_t>(potential.species_count)) &&
            sound(potential.linear_coefficients, potential.contractions->scalars.size()),
        "the parameters have a wrong number or are not finite");
}

}  // namespace

std::size_t Potential::parameter_count() const {
    return radial_count(*this) + static_cast<std::size_t>(species_count) +
           contractions->scalars.size();
}

std::size_t Potential::member_count() const {
    return ensemble ? ensemble->members.size() / linear_count(*this) : 0;
}

std::vector<double> Potential::parameters() const {
    std::vector<double> result;
    result.reserve(parameter_count());
    for (const auto* part : {&radial_coefficients, &species_energies, &linear_coefficients}) {
        result.insert(result.end(), part->begin(), part->end());
    }
    return result;
}

Potential Potential::with_parameters(std::span<const double> parameters) const {
    require(parameters.size() == parameter_count(),
            "expected " + std::to_string(parameter_count()) + " parameters, got " +
                std::to_string(parameters.size()));
    require(all_finite(parameters), "the parameters must be finite numbers");
    const auto first_energy = parameters.begin() + static_cast<std::ptrdiff_t>(radial_count(*this));
    const auto first_linear = first_energy + species_count;
    Potential result = *this;
    result.radial_coefficients.assign(parameters.begin(), first_energy);
    result.species_energies.assign(first_energy, first_linear);
    result.linear_coefficients.assign(first_linear, parameters.end());
    result.trained = true;
    result.ensemble.reset();
    return result;
}

Potential member(const Potential& potential, std::size_t number) {
    require(number < potential.member_count(), "there is no member " + std::to_string(number) +
                                                   " among " +
                                                   std::to_string(potential.member_count()));
    const auto first = potential.ensemble->members.begin() +
                       static_cast<std::ptrdiff_t>(number * linear_count(potential));
    Potential result = potential;
    result.ensemble.reset();
    std::copy_n(first, potential.species_count, result.species_energies.begin());
    std::copy_n(first + potential.species_count, result.linear_coefficients.size(),
                result.linear_coefficients.begin());
    return result;
}

Potential deviation(const Potential& potential, std::size_t number) {
    Potential result = member(potential, number);
    result.bare = true;
    const auto subtract = [](std::vector<double>& from, const std::vector<double>& what) {
        std::transform(from.begin(), from.end(), what.begin(), from.begin(), std::minus<>());
    };
    subtract(result.species_energies, potential.species_energies);
    subtract(result.linear_coefficients, potential.linear_coefficients);
    return result;
}

std::vector<std::vector<double>> linear_coefficient_sets(const Potential& potential) {
    std::vector<std::vector<double>> sets{potential.linear_coefficients};
    for (std::size_t k = 0; k < potential.member_count(); ++k)
        sets.push_back(deviation(potential, k).linear_coefficients);
    return sets;
}

Potential keep_scalars(const Potential& potential, std::span<const int> kept) {
    Restriction restriction = restrict_to(*potential.contractions, kept);
    Potential result = potential;
    result.ensemble.reset();
    result.contractions = std::make_shared<const Contractions>(std::move(restriction.contractions));
    result.radial_coefficients.clear();
    const int pairs = potential.species_count * potential.species_count;
    const auto size = static_cast<std::ptrdiff_t>(potential.radial.size);
    for (int pair = 0; pair < pairs; ++pair)
        for (const int mu : restriction.radial_functions) {
            const auto first = potential.radial_coefficients.begin() +
                               (pair * potential.radial_function_count() + mu) * size;
            result.radial_coefficients.insert(result.radial_coefficients.end(), first,
                                              first + size);
        }
    result.linear_coefficients.clear();
    for (const int scalar : kept)
        result.linear_coefficients.push_back(potential.linear_coefficients[scalar]);
    return result;
}

void check(const Potential& potential) {
    require(potential.contractions != nullptr, "the potential has no contractions");
    check(*potential.contractions);
    check_texts(potential);
    check_species(potential);
    check_radial(potential);
    check_core(potential);
    check_parameters(potential);
    check_ensemble(potential);
}

}  // namespace mtpot

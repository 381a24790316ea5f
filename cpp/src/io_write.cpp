#include <array>
#include <charconv>
#include <cstddef>

#include "io_selection.hpp"
#include "io_version.hpp"
#include "mtpot/error.hpp"
#include "mtpot/io.hpp"

namespace mtpot {
namespace {

// 16 digits where they give the same number back, as MLIP writes them; else 17, which always do.
void append_exact(std::string& content, double number) {
    const std::size_t start = content.size();
    append_number(content, number, 15);
    double back = 0.0;
    std::from_chars(content.data() + start, content.data() + content.size(), back);
    if (back == number) return;
    content.resize(start);
    append_number(content, number, 16);
}

void append_line(std::string& content, const char* key, double number) {
    content += key;
    append_exact(content, number);
    content += '\n';
}

void append_line(std::string& content, const char* key, const std::string& text) {
    content += key + text + '\n';
}

void append_line(std::string& content, const char* key, std::size_t count) {
    append_line(content, key, std::to_string(count));
}

// {item, item, ...}
template <typename Items, typename Append>
void append_list(std::string& content, const Items& items, Append append_item) {
    content += '{';
    bool first = true;
    for (const auto& item : items) {
        if (!first) content += ", ";
        first = false;
        append_item(item);
    }
    content += '}';
}

void append_numbers(std::string& content, std::span<const double> numbers) {
    append_list(content, numbers, [&](double number) { append_exact(content, number); });
}

void append_integers(std::string& content, std::span<const int> integers) {
    append_list(content, integers, [&](int integer) { content += std::to_string(integer); });
}

std::string tag_text(const Potential& potential) {
    if (potential.species.empty()) return potential.tag;
    std::string text = "species";
    for (const std::string& name : potential.species) text += " " + name;
    return potential.tag.empty() ? text : text + "; " + potential.tag;
}

void append_head(std::string& content, const Potential& potential, bool selection) {
    content += "MTP\n";
    const bool extended = needs_extended_version(potential, selection);
    append_line(content, "version = ", extended ? extended_version : plain_version);
    append_line(content, "potential_name = ", potential.name);
    if (potential.scaling != 1.0) append_line(content, "scaling = ", potential.scaling);
    append_line(content, "species_count = ", std::to_string(potential.species_count));
    append_line(content, "potential_tag = ", tag_text(potential));
}

void append_radial_basis(std::string& content, const Potential& potential) {
    append_line(content, "radial_basis_type = ", potential.radial.name());
    append_line(content, "\tmin_dist = ", potential.radial.min_distance);
    append_line(content, "\tmax_dist = ", potential.radial.cutoff);
    append_line(content, "\tradial_basis_size = ", std::to_string(potential.radial.size));
    append_line(content,
                "\tradial_funcs_count = ", std::to_string(potential.radial_function_count()));
}

void append_radial_coefficients(std::string& content, const Potential& potential) {
    std::span<const double> rest = potential.radial_coefficients;
    const auto size = static_cast<std::size_t>(potential.radial.size);
    const int species = potential.species_count;
    content += "\tradial_coeffs\n";
    for (int pair = 0; pair < species * species; ++pair) {
        content += "\t\t" + std::to_string(pair / species) + "-" + std::to_string(pair % species);
        content += '\n';
        for (int mu = 0; mu < potential.radial_function_count(); ++mu) {
            content += "\t\t\t";
            append_numbers(content, rest.first(size));
            content += '\n';
            rest = rest.subspan(size);
        }
    }
}

void append_contractions(std::string& content, const Contractions& contractions) {
    append_line(content, "alpha_moments_count = ", std::to_string(contractions.moment_count));
    append_line(content, "alpha_index_basic_count = ", contractions.basics.size());
    content += "alpha_index_basic = ";
    append_list(content, contractions.basics, [&](const BasicMoment& basic) {
        append_integers(content, std::array{basic.mu, basic.a, basic.b, basic.c});
    });
    append_line(content, "\nalpha_index_times_count = ", contractions.products.size());
    content += "alpha_index_times = ";
    append_list(content, contractions.products, [&](const Product& product) {
        append_integers(
            content, std::array{product.left, product.right, product.multiplier, product.target});
    });
    append_line(content, "\nalpha_scalar_moments = ", contractions.scalars.size());
    content += "alpha_moment_mapping = ";
    append_integers(content, contractions.scalars);
    content += '\n';
}

void append_linear_coefficients(std::string& content, const Potential& potential) {
    content += "species_coeffs = ";
    append_numbers(content, potential.species_energies);
    content += "\nmoment_coeffs = ";
    append_numbers(content, potential.linear_coefficients);
    content += '\n';
}

// What the format of other programs cannot hold stands behind its last line.
void append_core(std::string& content, const Zbl& zbl) {
    content += "#mtpot core\n\tcore_type = ZBL\n\tatomic_numbers = ";
    append_integers(content, zbl.atomic_numbers());
    content += "\n\tradii\n";
    for (int i = 0; i < zbl.species_count(); ++i)
        for (int j = i; j < zbl.species_count(); ++j) {
            content += "\t\t" + std::to_string(i) + "-" + std::to_string(j) + " = ";
            const auto& [inner, outer] = zbl.radii(i, j);
            append_numbers(content, std::array{inner, outer});
            content += '\n';
        }
}

// Without a "key = value", which some programs take for theirs wherever it stands.
void append_ensemble(std::string& content, const Potential& potential) {
    const Ensemble& ensemble = *potential.ensemble;
    const std::size_t count = potential.member_count();
    std::span<const double> rest = ensemble.members;
    append_line(content, "#mtpot ensemble ", count);
    for (std::size_t k = 0; k < count; ++k) {
        content += "\t\t";
        append_numbers(content, rest.first(ensemble.members.size() / count));
        content += '\n';
        rest = rest.subspan(ensemble.members.size() / count);
    }
    if (ensemble.energy_errors.empty()) return;
    content += "\tenergy_errors ";
    append_numbers(content, ensemble.energy_errors);
    content += "\n\tforce_errors ";
    append_numbers(content, ensemble.force_errors);
    content += '\n';
}

}  // namespace

std::string format_potential(const Potential& potential, const Selection* selection) {
    check(potential);
    require(!potential.bare, "a bare potential cannot be written");
    std::string content;
    append_head(content, potential, selection != nullptr);
    append_radial_basis(content, potential);
    if (potential.trained) append_radial_coefficients(content, potential);
    append_contractions(content, *potential.contractions);
    if (potential.trained) append_linear_coefficients(content, potential);
    if (potential.zbl) append_core(content, *potential.zbl);
    if (potential.ensemble) append_ensemble(content, potential);
    if (selection == nullptr) return content;
    require(potential.trained, "an untrained potential has no active set");
    check(*selection, potential.parameter_count());
    append_selection(content, *selection);
    return content;
}

}  // namespace mtpot

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <system_error>
#include <utility>

#include "io_selection.hpp"
#include "io_version.hpp"
#include "mtpot/error.hpp"
#include "mtpot/io.hpp"
#include "scanner.hpp"

namespace mtpot {
namespace {

// Limits far above any potential in use. An untrained file backs few of its numbers by text, so
// that these bound the memory it can ask for.
constexpr int largest_species_count = 256;
constexpr int largest_radial_size = 64;
constexpr int largest_mu = 63;
constexpr int largest_exponent = 64;
constexpr std::size_t largest_radial_count = 10'000'000;

// Labels of the types in "center-neighbor": 0, 1, ... or distinct atomic numbers.
bool are_types(const std::vector<std::string>& labels) {
    const std::string& last = labels.back();
    if (labels[0] == "0") return last == std::to_string(labels.size() - 1);
    const bool is_number = !last.empty() && last[0] != '0' &&
                           last.find_first_not_of("0123456789") == std::string::npos;
    return is_number && std::find(labels.begin(), labels.end(), last) == labels.end() - 1;
}

// Reads the file from top to bottom; each method consumes the lines it is named for.
class Reader {
public:
    Reader(std::string_view content, const std::string& path) : scanner_(content, path) {}
    PotentialFile read();

private:
    void read_version();
    void read_texts();
    void read_tag(std::size_t position);
    void read_radial_basis();
    void read_radial_coefficients();
    void read_pair_label(int pair);
    void read_contractions();
    void read_basics();
    void read_products();
    void read_scalars();
    void read_linear_coefficients();
    void read_extensions();
    void read_core();
    void read_ensemble();
    void check_version(bool selection) const;
    Zbl::Radii read_core_radii(int i, int j);
    std::optional<Selection> read_end();

    void key(std::string_view name);
    void key(std::string_view name, std::string_view older_name);
    int integer(int lowest, int highest, std::string_view what);
    int moment_index(std::string_view what);
    template <typename Item>
    void list(std::size_t count, Item read_item);
    template <typename Entry>
    std::array<int, 4> quadruple(Entry read_entry);
    std::vector<double> numbers(std::size_t count);
    template <typename Call>
    auto checked(std::size_t position, Call call);

    Scanner scanner_;
    Potential potential_;
    Contractions contractions_;
    std::size_t version_position_ = 0;
    bool extended_ = false;  // energies depend on sections that only mtpot knows
    std::size_t texts_position_ = 0;
    int radial_functions_ = 0;
    std::size_t radial_functions_position_ = 0;
    std::vector<std::string> labels_;  // of the types, as they stand in "0-0"
};

// What the rest of the engine refuses is a fault of the file.
template <typename Call>
auto Reader::checked(std::size_t position, Call call) {
    try {
        return call();
    } catch (const InputError& error) {
        scanner_.fail_at(position, error.what());
    }
}

PotentialFile Reader::read() {
    read_version();
    read_texts();
    read_radial_basis();
    read_radial_coefficients();
    read_contractions();
    read_linear_coefficients();
    checked(texts_position_, [&] { check(potential_); });
    read_extensions();
    std::optional<Selection> selection = read_end();
    check_version(selection.has_value());
    return {std::move(potential_), std::move(selection)};
}

void Reader::key(std::string_view name) {
    scanner_.expect(name);
    scanner_.expect("=");
}

void Reader::key(std::string_view name, std::string_view older_name) {
    if (!scanner_.accept(older_name)) scanner_.expect(name);
    scanner_.expect("=");
}

int Reader::integer(int lowest, int highest, std::string_view what) {
    return static_cast<int>(scanner_.integer(lowest, highest, what));
}

int Reader::moment_index(std::string_view what) {
    return integer(0, contractions_.moment_count - 1, what);
}

// {item, item, ...}
template <typename Item>
void Reader::list(std::size_t count, Item read_item) {
    scanner_.expect("{");
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) scanner_.expect(",");
        read_item();
    }
    scanner_.expect("}");
}

// {i, j, k, l}, each read by read_entry(its position).
template <typename Entry>
std::array<int, 4> Reader::quadruple(Entry read_entry) {
    std::array<int, 4> result{};
    std::size_t position = 0;
    list(result.size(), [&] {
        result[position] = read_entry(position);
        ++position;
    });
    return result;
}

std::vector<double> Reader::numbers(std::size_t count) {
    std::vector<double> result;
    list(count, [&] { result.push_back(scanner_.number()); });
    return result;
}

void Reader::read_version() {
    scanner_.expect("MTP");
    key("version");
    version_position_ = scanner_.position();
    const std::string version = scanner_.rest_of_line();
    extended_ = version == extended_version;
    if (extended_ || version == plain_version) return;
    const bool newer = version.starts_with(extended_version);
    scanner_.fail_at(version_position_,
                     "version " + in_quotes(version) +
                         (newer ? " marks a potential with parts that this release of mtpot does "
                                  "not know: use a newer release"
                                : " is not 1.1.0, the only one that mtpot reads"));
}

void Reader::read_texts() {
    texts_position_ = scanner_.position();
    if (scanner_.accept("potential_name")) {
        scanner_.expect("=");
        potential_.name = scanner_.rest_of_line();
    }
    if (scanner_.accept("scaling")) {
        scanner_.expect("=");
        potential_.scaling = scanner_.number();
    }
    key("species_count");
    potential_.species_count = integer(1, largest_species_count, "species_count");
    const std::size_t start = scanner_.position();
    if (scanner_.accept("potential_tag")) read_tag(start);
}

// "species Al Ni" names the types; free text may follow a semicolon.
void Reader::read_tag(std::size_t position) {
    scanner_.expect("=");
    const std::string text = scanner_.rest_of_line();
    if (text != "species" && !text.starts_with("species ")) {
        potential_.tag = text;
        return;
    }
    const std::size_t end = std::min(text.find(';'), text.size());
    std::istringstream words(text.substr(0, end));
    std::string word;
    words >> word;
    while (words >> word) potential_.species.push_back(word);
    if (potential_.species.size() != static_cast<std::size_t>(potential_.species_count)) {
        scanner_.fail_at(
            position, "potential_tag names " + std::to_string(potential_.species.size()) +
                          " species, species_count is " + std::to_string(potential_.species_count));
    }
    const std::size_t rest = text.find_first_not_of("; \t", end);
    if (rest != std::string::npos) potential_.tag = text.substr(rest);
}

void Reader::read_radial_basis() {
    key("radial_basis_type");
    const std::size_t start = scanner_.position();
    const std::string name(scanner_.word());
    if (scanner_.accept("scaling")) {
        scanner_.expect("=");
        potential_.scaling *= scanner_.number();
    }
    key("min_dist", "min_val");
    const double min_distance = scanner_.number();
    key("max_dist", "max_val");
    const double cutoff = scanner_.number();
    key("radial_basis_size", "basis_size");
    const auto size = integer(1, largest_radial_size, "radial_basis_size");
    potential_.radial =
        checked(start, [&] { return make_radial_basis(name, min_distance, cutoff, size); });
    key("radial_funcs_count");
    radial_functions_position_ = scanner_.position();
    radial_functions_ = integer(1, largest_mu + 1, "radial_funcs_count");
}

void Reader::read_radial_coefficients() {
    const auto size = static_cast<std::size_t>(potential_.radial.size);
    const int pairs = potential_.species_count * potential_.species_count;
    const std::size_t total = size * static_cast<std::size_t>(pairs * radial_functions_);
    if (total > largest_radial_count) {
        scanner_.fail(std::to_string(total) + " radial coefficients are more than mtpot can use");
    }
    potential_.trained = scanner_.accept("radial_coeffs");
    if (!potential_.trained) {
        potential_.radial_coefficients.assign(total, 0.0);
        return;
    }
    std::vector<double>& coefficients = potential_.radial_coefficients;
    for (int pair = 0; pair < pairs; ++pair) {
        read_pair_label(pair);
        for (int mu = 0; mu < radial_functions_; ++mu) {
            list(size, [&] { coefficients.push_back(scanner_.number()); });
        }
    }
}

// The pairs of the first center introduce the labels of the types.
void Reader::read_pair_label(int pair) {
    const std::size_t start = scanner_.position();
    const std::string found(scanner_.word());
    const int center = pair / potential_.species_count;
    const int neighbor = pair % potential_.species_count;
    if (center == 0) labels_.push_back(found.substr(found.find('-') + 1));
    const bool sound = center > 0 || are_types(labels_);
    if (!sound || found != labels_[center] + "-" + labels_[neighbor]) {
        scanner_.fail_at(start, "expected the pair of types " + std::to_string(center) + "-" +
                                    std::to_string(neighbor) + " or one of atomic numbers, found " +
                                    in_quotes(found));
    }
}

void Reader::read_contractions() {
    key("alpha_moments_count");
    // Each moment takes "{0,0,0,0}" at least, as a basic one or as the target of a product.
    contractions_.moment_count = scanner_.count("alpha_moments_count", 9);
    read_basics();
    const std::size_t start = scanner_.position();
    read_products();
    read_scalars();
    checked(start, [&] { check(contractions_); });
    if (contractions_.radial_function_count() != radial_functions_) {
        scanner_.fail_at(radial_functions_position_,
                         "radial_funcs_count is " + std::to_string(radial_functions_) +
                             ", the largest mu of alpha_index_basic plus one is " +
                             std::to_string(contractions_.radial_function_count()));
    }
    potential_.contractions = std::make_shared<const Contractions>(std::move(contractions_));
}

void Reader::read_basics() {
    key("alpha_index_basic_count");
    const auto count = scanner_.integer(1, contractions_.moment_count, "alpha_index_basic_count");
    key("alpha_index_basic");
    list(static_cast<std::size_t>(count), [&] {
        const auto [mu, a, b, c] = quadruple([&](std::size_t position) {
            return position == 0 ? integer(0, largest_mu, "mu of alpha_index_basic")
                                 : integer(0, largest_exponent, "an exponent of alpha_index_basic");
        });
        contractions_.basics.push_back({mu, a, b, c});
    });
}

void Reader::read_products() {
    key("alpha_index_times_count");
    const int count = scanner_.count("alpha_index_times_count", 9);
    key("alpha_index_times");
    constexpr int largest_multiplier = std::numeric_limits<int>::max();
    list(static_cast<std::size_t>(count), [&] {
        const auto [left, right, multiplier, target] = quadruple([&](std::size_t position) {
            return position == 2 ? integer(-largest_multiplier, largest_multiplier, "a multiplier")
                                 : moment_index("a moment of alpha_index_times");
        });
        contractions_.products.push_back({left, right, multiplier, target});
    });
}

void Reader::read_scalars() {
    key("alpha_scalar_moments");
    const auto count = scanner_.integer(1, contractions_.moment_count, "alpha_scalar_moments");
    key("alpha_moment_mapping");
    list(static_cast<std::size_t>(count), [&] {
        contractions_.scalars.push_back(moment_index("a moment of alpha_moment_mapping"));
    });
}

void Reader::read_linear_coefficients() {
    const auto species = static_cast<std::size_t>(potential_.species_count);
    const std::size_t scalars = potential_.contractions->scalars.size();
    if (!potential_.trained) {
        potential_.species_energies.assign(species, 0.0);
        potential_.linear_coefficients.assign(scalars, 0.0);
        return;
    }
    key("species_coeffs");
    potential_.species_energies = numbers(species);
    key("moment_coeffs");
    potential_.linear_coefficients = numbers(scalars);
}

// Sections "#mtpot NAME", which other programs do not know.
void Reader::read_extensions() {
    while (scanner_.accept("#mtpot")) {
        const std::size_t start = scanner_.position();
        const std::string name(scanner_.word());
        if (name != "core" && name != "ensemble")
            scanner_.fail_at(start, "section " + in_quotes("#mtpot " + name) +
                                        " is unknown to this release of mtpot: use a newer one");
        if (name == "core" ? potential_.zbl.has_value() : potential_.ensemble != nullptr)
            scanner_.fail_at(start, "section '#mtpot " + name + "' is there twice");
        name == "core" ? read_core() : read_ensemble();
        checked(start, [&] { check(potential_); });
    }
}

// Whether the version says rightly that there are sections that other programs would drop.
void Reader::check_version(bool selection) const {
    const bool any = potential_.zbl || potential_.ensemble;
    if (extended_ && !any)
        scanner_.fail_at(version_position_,
                         "version 1.1.0+mtpot marks a potential with a section '#mtpot', and "
                         "there is none: is the file cut short?");
    if (!extended_ && needs_extended_version(potential_, selection))
        scanner_.fail_at(version_position_,
                         "a potential with a section '#mtpot' that other programs cannot leave "
                         "out has version 1.1.0+mtpot, so that they refuse it");
}

void Reader::read_ensemble() {
    const std::size_t numbers_each =
        potential_.species_energies.size() + potential_.linear_coefficients.size();
    const int count = scanner_.count("the number of members", 2 * numbers_each);
    Ensemble ensemble;
    for (int k = 0; k < count; ++k) {
        const std::vector<double> member = numbers(numbers_each);
        ensemble.members.insert(ensemble.members.end(), member.begin(), member.end());
    }
    if (scanner_.accept("energy_errors")) {
        ensemble.energy_errors = numbers(error_numbers);
        scanner_.expect("force_errors");
        ensemble.force_errors = numbers(error_numbers);
    }
    potential_.ensemble = std::make_shared<const Ensemble>(std::move(ensemble));
}

void Reader::read_core() {
    key("core_type");
    const std::size_t start = scanner_.position();
    const std::string type(scanner_.word());
    if (type != "ZBL") scanner_.fail_at(start, "unknown core_type " + in_quotes(type));
    key("atomic_numbers");
    const auto count = static_cast<std::size_t>(potential_.species_count);
    std::vector<int> numbers;
    list(count, [&] { numbers.push_back(integer(1, 118, "an atomic number")); });
    scanner_.expect("radii");
    const std::size_t radii_start = scanner_.position();
    std::vector<Zbl::Radii> radii(count * count);
    for (std::size_t i = 0; i < count; ++i)
        for (std::size_t j = i; j < count; ++j)
            radii[i * count + j] = radii[j * count + i] =
                read_core_radii(static_cast<int>(i), static_cast<int>(j));
    potential_.zbl = checked(radii_start, [&] { return Zbl(numbers, radii); });
}

Zbl::Radii Reader::read_core_radii(int i, int j) {
    scanner_.expect(std::to_string(i) + "-" + std::to_string(j));
    scanner_.expect("=");
    const std::vector<double> radii = numbers(2);
    return {radii[0], radii[1]};
}

std::optional<Selection> Reader::read_end() {
    if (scanner_.at_end()) return std::nullopt;
    if (potential_.trained && scanner_.accept("#MVS_v1.1")) {
        return read_selection(scanner_, potential_.parameter_count());
    }
    scanner_.fail("unexpected " + in_quotes(scanner_.next_word()) + " after the last line of " +
                  (potential_.trained ? "a" : "an untrained") + " potential");
}

std::string read_file(const std::string& path) {
    std::error_code ignored;
    require(!std::filesystem::is_directory(path, ignored),
            path + ": is a folder, not a potential file");
    require(
        !std::filesystem::exists(path, ignored) || std::filesystem::is_regular_file(path, ignored),
        path + ": is no plain file");
    std::ifstream file(path, std::ios::binary);
    if (!file.is_open()) {
        const std::error_code reason(errno, std::generic_category());
        throw InputError(path + ": cannot be opened: " + reason.message());
    }
    std::ostringstream content;
    content << file.rdbuf();
    return std::move(content).str();
}

}  // namespace

PotentialFile read_potential(const std::string& path) {
    return parse_potential(read_file(path), path);
}

PotentialFile parse_potential(const std::string& content, const std::string& path) {
    return Reader(content, path).read();
}

}  // namespace mtpot

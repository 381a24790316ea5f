#include "io_selection.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "mtpot/error.hpp"

namespace mtpot {
namespace {

constexpr std::int64_t largest_index = std::numeric_limits<std::int64_t>::max();

std::vector<double> read_matrix(Scanner& scanner, std::size_t size) {
    const std::string_view bytes = scanner.bytes(size * size * sizeof(double));
    std::vector<double> result(size * size);
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
}

void append_matrix(std::string& content, const std::vector<double>& matrix) {
    content.append(reinterpret_cast<const char*>(matrix.data()), matrix.size() * sizeof(double));
}

double read_weight(Scanner& scanner, std::string_view name) {
    scanner.expect(name);
    return scanner.number();
}

void read_weights(Scanner& scanner, Selection& selection) {
    selection.energy_weight = read_weight(scanner, "energy_weight");
    selection.force_weight = read_weight(scanner, "force_weight");
    selection.stress_weight = read_weight(scanner, "stress_weight");
    selection.site_energy_weight = read_weight(scanner, "site_en_weight");
    scanner.expect("weight_scaling");
    selection.weight_scaling = static_cast<int>(scanner.integer(0, 2, "weight_scaling"));
}

// Lines of numbers between two lines of one '#'.
void read_origins(Scanner& scanner, Selection& selection, std::size_t count) {
    scanner.expect("#");
    for (std::size_t row = 0; row < count; ++row) {
        const auto configuration = scanner.integer(-1, largest_index, "a configuration's index");
        const auto equation = scanner.integer(-1, largest_index, "an equation's index");
        selection.origins.push_back({configuration, equation});
    }
    scanner.expect("#");
}

std::string_view trimmed(std::string_view line) {
    constexpr const char* space = " \t\r";
    const std::size_t first = line.find_first_not_of(space);
    if (first == std::string_view::npos) return {};
    return line.substr(first, line.find_last_not_of(space) - first + 1);
}

// Number of configurations in .cfg text, each from BEGIN_CFG to END_CFG.
std::int64_t count_configurations(std::string_view text) {
    std::int64_t complete = 0;
    bool inside = false;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line != "BEGIN_CFG" && line != "END_CFG") {
            require(inside || line.empty(),
                    "the selected configurations hold text outside BEGIN_CFG ... END_CFG");
            continue;
        }
        require(inside == (line == "END_CFG"),
                "BEGIN_CFG and END_CFG do not alternate in the selected configurations");
        inside = !inside;
        if (!inside) ++complete;
    }
    require(!inside, "the last selected configuration is cut short: it has no END_CFG");
    return complete;
}

void check_weights(const Selection& selection) {
    double sum = 0.0;
    for (const double weight : {selection.energy_weight, selection.force_weight,
                                selection.stress_weight, selection.site_energy_weight}) {
        require(weight >= 0.0 && std::isfinite(weight),
                "a weight of the active set's rows is negative or no number");
        sum += weight;
    }
    require(sum > 0.0, "all weights of the active set's rows are zero");
    require(selection.weight_scaling >= 0 && selection.weight_scaling <= 2,
            "weight_scaling must be 0, 1 or 2");
}

void check_origins(const Selection& selection) {
    const std::int64_t configurations = count_configurations(selection.configurations);
    for (const auto& [configuration, equation] : selection.origins) {
        const bool unset = configuration == -1 && equation == -1;
        const bool known = configuration >= 0 && configuration < configurations && equation >= 0;
        require(unset || known, "a row of the active set comes from configuration " +
                                    std::to_string(configuration) + ", equation " +
                                    std::to_string(equation) + ", but " +
                                    std::to_string(configurations) + " configurations are stored");
    }
}

}  // namespace

Selection read_selection(Scanner& scanner, std::size_t parameter_count) {
    Selection result;
    const std::size_t start = scanner.position();
    read_weights(scanner, result);
    scanner.position();
    if (scanner.bytes(1) != "#") scanner.fail("expected '#' before the matrices");
    if (scanner.remaining() / sizeof(double) / parameter_count < 2 * parameter_count) {
        scanner.fail("the file is cut short inside the matrices of its active set");
    }
    std::vector<double> matrix = read_matrix(scanner, parameter_count);
    std::vector<double> inverse = read_matrix(scanner, parameter_count);
    read_origins(scanner, result, parameter_count);
    if (!scanner.rest_of_line().empty()) scanner.fail("expected a line of one '#'");
    const std::string_view rest = scanner.bytes(scanner.remaining());
    result.configurations = rest.substr(std::min<std::size_t>(rest.size(), 1));
    try {
        result.active_set = ActiveSet(parameter_count, std::move(matrix), std::move(inverse));
        check(result, parameter_count);
    } catch (const InputError& error) {
        scanner.fail_at(start, std::string("selection section: ") + error.what());
    }
    return result;
}

void check(const Selection& selection, std::size_t parameter_count) {
    require(selection.active_set.size() == parameter_count &&
                selection.origins.size() == parameter_count,
            "an active set of " + std::to_string(selection.active_set.size()) + " rows with " +
                std::to_string(selection.origins.size()) + " origins does not fit " +
                std::to_string(parameter_count) + " parameters");
    check_weights(selection);
    check_origins(selection);
}

void append_selection(std::string& content, const Selection& selection) {
    const auto append_weight = [&](const char* name, double weight) {
        content += name;
        append_number(content, weight, 16);
        content += '\n';
    };
    content += "#MVS_v1.1\n";
    append_weight("energy_weight ", selection.energy_weight);
    append_weight("force_weight ", selection.force_weight);
    append_weight("stress_weight ", selection.stress_weight);
    append_weight("site_en_weight ", selection.site_energy_weight);
    content += "weight_scaling " + std::to_string(selection.weight_scaling) + "\n#";
    append_matrix(content, selection.active_set.matrix());
    append_matrix(content, selection.active_set.inverse_transposed());
    content += "\n#\n";
    for (const auto& [configuration, equation] : selection.origins) {
        content += std::to_string(configuration) + " " + std::to_string(equation) + "\n";
    }
    content += "#\n" + selection.configurations;
}

void append_number(std::string& content, double number, int digits) {
    char buffer[32];
    const auto result = std::to_chars(buffer, buffer + sizeof buffer, number,
                                      std::chars_format::scientific, digits);
    content.append(buffer, result.ptr);
}

}  // namespace mtpot

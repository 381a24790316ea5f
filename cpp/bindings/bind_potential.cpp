#include <array>
#include <cstdint>
#include <optional>

#include "bindings.hpp"
#include "mtpot/cost.hpp"
#include "mtpot/io.hpp"
#include "mtpot/potential.hpp"

namespace mtpot::bindings {
namespace {

using Names = std::vector<std::string>;

// Text of a file, which need not be valid UTF-8.
py::str decode(const std::string& text) {
    return py::reinterpret_steal<py::str>(
        PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "replace"));
}

Potential new_potential(int level, const Names& species, double cutoff, double min_distance,
                        int radial_size, const std::string& radial_basis, int max_factors,
                        int max_mu, int max_nu) {
    Potential result;
    result.species = species;
    result.species_count = static_cast<int>(species.size());
    result.radial = make_radial_basis(radial_basis, min_distance, cutoff, radial_size);
    // Makes radial functions, and with them moments and their products, of the order of one.
    result.scaling = 1.0 / ((cutoff - min_distance) * (cutoff - min_distance));
    result.contractions = generate({level, max_factors, max_mu, max_nu});
    const std::vector<double> zeros(result.parameter_count(), 0.0);
    result = result.with_parameters(zeros);
    result.trained = false;
    check(result);
    return result;
}

Potential with_species(const Potential& potential, const Names& species) {
    Potential result = potential;
    result.species = species;
    check(result);
    return result;
}

Potential with_zbl(const Potential& potential, const Array<double>& inner,
                   const Array<double>& outer) {
    const py::ssize_t count = potential.species_count;
    require_shape(inner, {count, count}, "inner");
    require_shape(outer, {count, count}, "outer");
    require(!potential.species.empty(), "a core needs the species' names");
    std::vector<int> numbers;
    for (const std::string& name : potential.species) {
        numbers.push_back(atomic_number(name));
        require(numbers.back() > 0, "a core needs elements, and " + name + " is none");
    }
    std::vector<Zbl::Radii> radii;
    for (py::ssize_t k = 0; k < count * count; ++k)
        radii.push_back({inner.data()[k], outer.data()[k]});
    Potential result = potential;
    result.zbl = Zbl(numbers, radii);
    check(result);
    return result;
}

// [types, types, 2]: inner and outer radii of the core; None without one.
py::object zbl_radii(const Potential& potential) {
    if (!potential.zbl) return py::none();
    std::vector<double> numbers;
    for (int i = 0; i < potential.species_count; ++i)
        for (int j = 0; j < potential.species_count; ++j) {
            const auto& [inner, outer] = potential.zbl->radii(i, j);
            numbers.insert(numbers.end(), {inner, outer});
        }
    const py::ssize_t count = potential.species_count;
    return to_array(std::move(numbers), {count, count, 2});
}

Potential with_ensemble(const Potential& potential, const Array<double>& members,
                        const Array<double>& energy_errors, const Array<double>& force_errors) {
    const auto linear =
        static_cast<py::ssize_t>(potential.species_count + potential.contractions->scalars.size());
    require_shape(members, {-1, linear}, "members");
    Potential result = potential;
    result.ensemble = std::make_shared<const Ensemble>(
        Ensemble{to_vector(members), to_vector(energy_errors), to_vector(force_errors)});
    check(result);
    return result;
}

// [members, species + scalars]
py::array_t<double> members(const Potential& potential) {
    const auto count = static_cast<py::ssize_t>(potential.member_count());
    const auto linear =
        static_cast<py::ssize_t>(potential.species_count + potential.contractions->scalars.size());
    return to_array(potential.ensemble ? potential.ensemble->members : std::vector<double>{},
                    {count, linear});
}

// (of energies, of forces), or None
py::object ensemble_errors(const Potential& potential) {
    if (!potential.ensemble || potential.ensemble->energy_errors.empty()) return py::none();
    return py::make_tuple(potential.ensemble->energy_errors, potential.ensemble->force_errors);
}

Potential keep(const Potential& potential, const std::vector<int>& kept) {
    return keep_scalars(potential, kept);
}

template <std::size_t width, typename Item, typename Fields>
py::array_t<std::int64_t> table(const std::vector<Item>& items, Fields fields) {
    std::vector<std::int64_t> numbers;
    numbers.reserve(items.size() * width);
    for (const Item& item : items) {
        const std::array<std::int64_t, width> row = fields(item);
        numbers.insert(numbers.end(), row.begin(), row.end());
    }
    return to_array(std::move(numbers), {static_cast<py::ssize_t>(items.size()), width});
}

py::array_t<std::int64_t> basics(const Potential& potential) {
    return table<4>(potential.contractions->basics, [](const BasicMoment& basic) {
        return std::array<std::int64_t, 4>{basic.mu, basic.a, basic.b, basic.c};
    });
}

py::array_t<std::int64_t> products(const Potential& potential) {
    return table<4>(potential.contractions->products, [](const Product& product) {
        return std::array<std::int64_t, 4>{product.left, product.right, product.multiplier,
                                           product.target};
    });
}

py::array_t<std::int64_t> scalars(const Potential& potential) {
    const std::vector<int>& moments = potential.contractions->scalars;
    return to_array(std::vector<std::int64_t>(moments.begin(), moments.end()),
                    {static_cast<py::ssize_t>(moments.size())});
}

using Weights = std::tuple<double, double, double, double>;  // energy, forces, virial, sites

Selection new_selection(const ActiveSet& active_set, const Weights& weights, int weight_scaling,
                        const Array<std::int64_t>& origins, std::string configurations) {
    require_shape(origins, {static_cast<py::ssize_t>(active_set.size()), 2}, "origins");
    Selection result;
    std::tie(result.energy_weight, result.force_weight, result.stress_weight,
             result.site_energy_weight) = weights;
    result.weight_scaling = weight_scaling;
    result.active_set = active_set;
    result.configurations = std::move(configurations);
    for (py::ssize_t row = 0; row < origins.shape(0); ++row) {
        result.origins.push_back({origins.at(row, 0), origins.at(row, 1)});
    }
    return result;
}

py::array_t<double> radial_values(const Potential& self, const Array<double>& distances) {
    require_shape(distances, {-1}, "distances");
    const std::size_t size = static_cast<std::size_t>(self.radial.size);
    std::vector<double> values(distances.size() * size), derivatives(size);
    double* row = values.data();
    for (const double distance : view(distances)) {
        self.radial.evaluate(distance, row, derivatives.data());
        row += size;
    }
    return to_array(std::move(values), {distances.size(), self.radial.size});
}

py::array_t<std::int64_t> origins(const Selection& selection) {
    return table<2>(selection.origins, [](const auto& origin) { return origin; });
}

std::pair<Potential, std::optional<Selection>> read(const std::string& path) {
    PotentialFile file = read_potential(path);
    return {std::move(file.potential), std::move(file.selection)};
}

void bind_potential_class(py::module_& module) {
    py::class_<Potential> potential(module, "Potential");
    share_copies(potential);
    potential
        .def_static("new", &new_potential, py::arg("level"), py::arg("species"), py::arg("cutoff"),
                    py::arg("min_distance"), py::arg("radial_size"), py::arg("radial_basis"),
                    py::arg("max_factors"), py::arg("max_mu"), py::arg("max_nu"),
                    py::call_guard<py::gil_scoped_release>())
        .def_property_readonly("name", [](const Potential& self) { return decode(self.name); })
        .def_readonly("species", &Potential::species)
        .def_readonly("species_count", &Potential::species_count)
        .def_property_readonly("level",
                               [](const Potential& self) { return self.contractions->level(); })
        .def_property_readonly("cutoff", [](const Potential& self) { return self.radial.cutoff; })
        .def_property_readonly("min_distance",
                               [](const Potential& self) { return self.radial.min_distance; })
        .def_readonly("scaling", &Potential::scaling)
        .def_property_readonly("radial_basis",
                               [](const Potential& self) { return self.radial.name(); })
        .def_property_readonly("radial_size",
                               [](const Potential& self) { return self.radial.size; })
        .def_property_readonly("radial_function_count", &Potential::radial_function_count)
        .def_readonly("trained", &Potential::trained)
        .def_property_readonly("parameters",
                               [](const Potential& self) {
                                   const auto count =
                                       static_cast<py::ssize_t>(self.parameter_count());
                                   return to_array(self.parameters(), {count});
                               })
        .def_property_readonly("basics", &basics)
        .def_property_readonly("products", &products)
        .def_property_readonly("scalars", &scalars)
        .def_property_readonly(
            "moment_count", [](const Potential& self) { return self.contractions->moment_count; })
        .def(
            "with_parameters",
            [](const Potential& self, const Array<double>& parameters) {
                require_shape(parameters, {-1}, "parameters");
                return self.with_parameters(view(parameters));
            },
            py::arg("parameters"))
        .def("radial_values", &radial_values, py::arg("distances"))
        .def("with_species", &with_species, py::arg("species"))
        .def("with_zbl", &with_zbl, py::arg("inner"), py::arg("outer"))
        .def_property_readonly("zbl_radii", &zbl_radii)
        .def("with_ensemble", &with_ensemble, py::arg("members"), py::arg("energy_errors"),
             py::arg("force_errors"))
        .def_property_readonly("members", &members)
        .def_property_readonly("ensemble_errors", &ensemble_errors)
        .def("member", &member, py::arg("number"))
        .def("deviation", &deviation, py::arg("number"))
        .def("keep_scalars", &keep, py::arg("kept"));
}

void bind_selection(py::module_& module) {
    py::class_<Selection> selection(module, "Selection");
    share_copies(selection);
    selection
        .def(py::init(&new_selection), py::arg("active_set"), py::arg("weights"),
             py::arg("weight_scaling"), py::arg("origins"), py::arg("configurations"))
        .def_property_readonly("active_set", [](const Selection& self) { return self.active_set; })
        .def_property_readonly("weights",
                               [](const Selection& self) {
                                   return Weights{self.energy_weight, self.force_weight,
                                                  self.stress_weight, self.site_energy_weight};
                               })
        .def_readonly("weight_scaling", &Selection::weight_scaling)
        .def_property_readonly("origins", &origins)
        .def_property_readonly("configurations",
                               [](const Selection& self) { return decode(self.configurations); });
}

}  // namespace

void bind_potential(py::module_& module) {
    bind_potential_class(module);
    bind_selection(module);
    module.def(
        "parse_potential",
        [](const py::bytes& content, const std::string& path) {
            PotentialFile file = parse_potential(content, path);
            return std::pair(std::move(file.potential), std::move(file.selection));
        },
        py::arg("content"), py::arg("path"));
    py::class_<Cost>(module, "Cost")
        .def_readonly("floating_point_operations", &Cost::floating_point_operations)
        .def_readonly("effort", &Cost::effort);
    module.def("cost", &cost, py::arg("potential"), py::arg("neighbors"));
    module.def("read_potential", &read, py::arg("path"), py::call_guard<py::gil_scoped_release>());
    module.def(
        "format_potential",
        [](const Potential& potential, const Selection* selection) {
            return py::bytes(format_potential(potential, selection));
        },
        py::arg("potential"), py::arg("selection") = nullptr);
}

}  // namespace mtpot::bindings

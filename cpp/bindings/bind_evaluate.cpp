#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "bindings.hpp"
#include "mtpot/evaluate.hpp"

namespace mtpot::bindings {
namespace {

// (site energies, forces, virial)
py::tuple evaluate(const Evaluator& evaluator, const OwnedNeighborhoods& neighborhoods,
                   int threads) {
    const Neighborhoods view = neighborhoods.view();
    const auto atoms = static_cast<py::ssize_t>(view.center_count());
    py::array_t<double> energies(atoms), forces({atoms, py::ssize_t{3}}),
        virial({py::ssize_t{3}, py::ssize_t{3}});
    std::span<double> energy_span(energies.mutable_data(), view.center_count());
    std::span<double> force_span(forces.mutable_data(), 3 * view.center_count());
    std::array<double, 9> sum{};
    {
        const py::gil_scoped_release release;
        std::vector<double> gradients(3 * view.pair_count());
        evaluator.evaluate(view, {energy_span, gradients}, threads);
        std::fill(force_span.begin(), force_span.end(), 0.0);
        add_forces(view, gradients, force_span);
        sum = mtpot::virial(view, gradients);
    }
    std::copy(sum.begin(), sum.end(), virial.mutable_data());
    return py::make_tuple(energies, forces, virial);
}

}  // namespace

void bind_evaluate(py::module_& module) {
    py::class_<Evaluator> evaluator(module, "Evaluator");
    share_copies(evaluator);
    evaluator
        .def(py::init([](const Potential& potential, std::string_view precision) {
                 return Evaluator(potential, precision_named(precision));
             }),
             py::arg("potential"), py::arg("precision") = "double")
        .def_property_readonly("couples_pairs", &Evaluator::couples_pairs)
        .def("evaluate", &evaluate, py::arg("neighborhoods"), py::arg("threads") = 0);
    module.attr("NO_PAIR_COUPLINGS") = no_pair_couplings;
}

}  // namespace mtpot::bindings

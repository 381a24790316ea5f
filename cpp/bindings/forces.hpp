// From a pass of the engine to the energies, forces and virial that Python takes.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "bindings.hpp"
#include "mtpot/evaluate.hpp"

namespace mtpot::bindings {

// (site energies, forces, virial, more...) of evaluate(result), which runs without the GIL.
template <class Evaluate, class... More>
py::tuple with_forces(const Neighborhoods& view, Evaluate&& evaluate, const More&... more) {
    const auto atoms = static_cast<py::ssize_t>(view.center_count());
    py::array_t<double> energies(atoms), forces({atoms, py::ssize_t{3}}),
        virial({py::ssize_t{3}, py::ssize_t{3}});
    std::span<double> energy_span(energies.mutable_data(), view.center_count());
    std::span<double> force_span(forces.mutable_data(), 3 * view.center_count());
    std::array<double, 9> sum{};
    {
        const py::gil_scoped_release release;
        std::vector<double> gradients(3 * view.pair_count());
        evaluate(Evaluator::Result{energy_span, gradients});
        std::fill(force_span.begin(), force_span.end(), 0.0);
        add_forces(view, gradients, force_span);
        sum = mtpot::virial(view, gradients);
    }
    std::copy(sum.begin(), sum.end(), virial.mutable_data());
    return py::make_tuple(energies, forces, virial, more...);
}

}  // namespace mtpot::bindings

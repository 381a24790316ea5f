#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <optional>
#include <vector>

#include "bindings.hpp"
#include "mtpot/image_lists.hpp"
#include "mtpot/list_evaluator.hpp"

namespace mtpot::bindings {
namespace {

std::unique_ptr<ImageLists> make_lists(std::size_t atom_count, const Array<std::int64_t>& pairs,
                                       const Array<std::int32_t>& shifts) {
    require_shape(pairs, {-1, 2}, "pairs");
    require_shape(shifts, {pairs.shape(0), 3}, "shifts");
    const py::gil_scoped_release release;
    return std::make_unique<ImageLists>(atom_count, view(pairs), view(shifts));
}

py::array_t<std::int32_t> owners(const ImageLists& lists) {
    const auto all = lists.owners();
    return py::array_t<std::int32_t>(static_cast<py::ssize_t>(all.size()), all.data());
}

py::array_t<std::int32_t> shifts(const ImageLists& lists) {
    const auto ghosts = static_cast<py::ssize_t>(lists.ghost_count());
    return py::array_t<std::int32_t>({ghosts, py::ssize_t{3}}, lists.shifts().data());
}

// A new array, whose numbers `data` points to.
py::object zeros(py::ssize_t count, double*& data) {
    py::array_t<double> array(count);
    data = array.mutable_data();
    std::fill_n(data, count, 0.0);
    return array;
}

// Types of atoms here are species of the potential. The memory of a step serves one call at a time.
class Evaluation {
public:
    Evaluation(const Evaluator& evaluator, const std::optional<Grader>& grader,
               const std::optional<Design>& design)
        : evaluator_(evaluator, grader, design),
          graded_(grader.has_value()),
          members_(static_cast<py::ssize_t>(evaluator.potential().member_count())),
          parameters_(design ? static_cast<py::ssize_t>(design->parameter_count()) : 0),
          species_(static_cast<std::size_t>(evaluator.potential().species_count)) {
        std::iota(species_.begin(), species_.end(), 0);
    }

    py::tuple evaluate(const ImageLists& lists, const Array<double>& positions,
                       const Array<std::int32_t>& types, int threads) {
        const auto atoms = static_cast<py::ssize_t>(lists.atom_count());
        const auto all = static_cast<py::ssize_t>(lists.atom_count() + lists.ghost_count());
        require_shape(positions, {all, 3}, "positions");
        require_shape(types, {all}, "types");
        py::array_t<double> energies(atoms), forces({atoms, py::ssize_t{3}}),
            virial({py::ssize_t{3}, py::ssize_t{3}});
        std::fill_n(energies.mutable_data(), atoms, 0.0);
        std::array<double, 6> sum{};
        ListResults results{};
        results.virial = sum.data();
        results.site_energies = energies.mutable_data();
        const py::object grades = graded_ ? zeros(atoms, results.grades) : py::none();
        const py::object row = parameters_ > 0 ? zeros(parameters_, results.row) : py::none();
        py::object deviations = py::none();
        if (members_ > 0) {
            deviations = zeros(atoms * members_, results.deviations)
                             .attr("reshape")(py::make_tuple(atoms, members_));
        }
        pass(lists, view(positions), view(types), results, threads, forces.mutable_data());
        const double full[9] = {sum[0], sum[3], sum[4], sum[3], sum[1],
                                sum[5], sum[4], sum[5], sum[2]};
        std::copy_n(full, 9, virial.mutable_data());
        return py::make_tuple(energies, forces, virial, grades, row, deviations);
    }

private:
    void pass(const ImageLists& lists, std::span<const double> positions,
              std::span<const std::int32_t> types, ListResults results, int threads,
              double* forces) {
        const py::gil_scoped_release release;
        const std::lock_guard<std::mutex> lock(busy_);
        const auto count = static_cast<std::int32_t>(species_.size());
        for (const auto type : types)
            require(type >= 0 && type < count, "a type is not one of the potential's species");
        forces_.assign(positions.size(), 0.0);
        results.forces = forces_.data();
        evaluator_.evaluate({types.size(), positions.data(), types.data(), species_.data(),
                             static_cast<int>(lists.atom_count()), lists.centers(),
                             lists.neighbor_counts(), lists.neighbors()},
                            results, threads);
        lists.fold(forces_);
        std::copy_n(forces_.data(), 3 * lists.atom_count(), forces);
    }

    ListEvaluator evaluator_;
    bool graded_;
    py::ssize_t members_;
    py::ssize_t parameters_;
    std::vector<int> species_;
    std::vector<double> forces_;  // of atoms and ghosts
    std::mutex busy_;
};

}  // namespace

void bind_lists(py::module_& module) {
    py::class_<ImageLists>(module, "ImageLists")
        .def(py::init(&make_lists), py::arg("atom_count"), py::arg("pairs"), py::arg("shifts"))
        .def_property_readonly("atom_count", &ImageLists::atom_count)
        .def_property_readonly("entry_count", &ImageLists::entry_count)
        .def_property_readonly("owners", &owners)
        .def_property_readonly("shifts", &shifts);
    py::class_<Evaluation>(module, "ListEvaluator")
        .def(py::init<const Evaluator&, const std::optional<Grader>&,
                      const std::optional<Design>&>(),
             py::arg("evaluator"), py::arg("grader") = py::none(), py::arg("design") = py::none())
        .def("evaluate", &Evaluation::evaluate, py::arg("lists"), py::arg("positions"),
             py::arg("types"), py::arg("threads") = 0);
}

}  // namespace mtpot::bindings

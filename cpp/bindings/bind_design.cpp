#include <algorithm>
#include <memory>

#include "bindings.hpp"
#include "mtpot/design.hpp"

namespace mtpot::bindings {
namespace {

// Owns the labels that a LabeledFrame only views, and keeps its neighborhoods alive.
class OwnedFrame {
public:
    OwnedFrame(std::shared_ptr<OwnedNeighborhoods> neighborhoods, double energy,
               const Array<double>& forces, const Array<double>& virial, double energy_weight,
               const Array<double>& force_weights, double virial_weight)
        : neighborhoods_(std::move(neighborhoods)) {
        const auto atoms = static_cast<py::ssize_t>(neighborhoods_->atom_count());
        require_shape(forces, {atoms, 3}, "forces");
        require_shape(virial, {6}, "virial");
        require_shape(force_weights, {atoms}, "force_weights");
        const auto force_view = view(forces), weight_view = view(force_weights);
        forces_.assign(force_view.begin(), force_view.end());
        force_weights_.assign(weight_view.begin(), weight_view.end());
        frame_.energy = energy;
        frame_.energy_weight = energy_weight;
        frame_.virial_weight = virial_weight;
        std::copy_n(virial.data(), 6, frame_.virial.begin());
    }

    LabeledFrame get() const {
        LabeledFrame frame = frame_;
        frame.neighborhoods = neighborhoods_->view();
        frame.forces = forces_;
        frame.force_weights = force_weights_;
        return frame;
    }

    std::shared_ptr<OwnedNeighborhoods> neighborhoods() const { return neighborhoods_; }

private:
    std::shared_ptr<OwnedNeighborhoods> neighborhoods_;
    std::vector<double> forces_, force_weights_;
    LabeledFrame frame_;
};

template <class Numbers>
py::array_t<double> copied(const Numbers& numbers, const std::vector<py::ssize_t>& shape) {
    py::array_t<double> out(shape);
    std::copy(numbers.begin(), numbers.end(), out.mutable_data());
    return out;
}

void bind_labels(py::class_<OwnedFrame, std::shared_ptr<OwnedFrame>>& frame) {
    const auto atoms = [](const OwnedFrame& self) {
        return static_cast<py::ssize_t>(self.neighborhoods()->atom_count());
    };
    frame.def_property_readonly("neighborhoods", &OwnedFrame::neighborhoods)
        .def_property_readonly("energy", [](const OwnedFrame& self) { return self.get().energy; })
        .def_property_readonly(
            "forces",
            [atoms](const OwnedFrame& self) { return copied(self.get().forces, {atoms(self), 3}); })
        .def_property_readonly(
            "virial", [](const OwnedFrame& self) { return copied(self.get().virial, {6}); })
        .def_property_readonly("energy_weight",
                               [](const OwnedFrame& self) { return self.get().energy_weight; })
        .def_property_readonly("force_weights",
                               [atoms](const OwnedFrame& self) {
                                   return copied(self.get().force_weights, {atoms(self)});
                               })
        .def_property_readonly("virial_weight",
                               [](const OwnedFrame& self) { return self.get().virial_weight; });
}

py::array_t<double> rows(const Design& design, const OwnedNeighborhoods& neighborhoods,
                         int threads) {
    const Neighborhoods view = neighborhoods.view();
    const auto atoms = static_cast<py::ssize_t>(view.center_count());
    const auto columns = static_cast<py::ssize_t>(design.parameter_count());
    py::array_t<double> out({atoms, columns});
    std::span<double> span(out.mutable_data(), static_cast<std::size_t>(out.size()));
    const py::gil_scoped_release release;
    design.rows(view, span, threads);
    return out;
}

Design::Columns columns_of(bool linear_only) {
    return linear_only ? Design::Columns::linear : Design::Columns::all;
}

py::tuple tangents(const Design& design, const OwnedNeighborhoods& neighborhoods,
                   bool linear_only) {
    const Neighborhoods view = neighborhoods.view();
    const auto values = static_cast<py::ssize_t>(1 + 3 * view.center_count() + 6);
    const auto columns = static_cast<py::ssize_t>(design.column_count(columns_of(linear_only)));
    py::array_t<double> out({values, columns}), predictions(values);
    std::span<double> tangent_span(out.mutable_data(), static_cast<std::size_t>(out.size()));
    std::span<double> value_span(predictions.mutable_data(), static_cast<std::size_t>(values));
    {
        const py::gil_scoped_release release;
        design.tangents(view, columns_of(linear_only), tangent_span, value_span);
    }
    return py::make_tuple(out, predictions);
}

using Frames = std::vector<std::shared_ptr<OwnedFrame>>;

std::vector<LabeledFrame> views_of(const Frames& frames) {
    std::vector<LabeledFrame> views;
    for (const auto& frame : frames) {
        require(frame != nullptr, "a frame is None");
        views.push_back(frame->get());
    }
    return views;
}

py::array_t<double> normal_equations(const Design& design, const Frames& frames, bool linear_only,
                                     int threads) {
    std::vector<double> gram;
    {
        const py::gil_scoped_release release;
        gram = design.normal_equations(views_of(frames), columns_of(linear_only), threads);
    }
    const auto size = static_cast<py::ssize_t>(design.column_count(columns_of(linear_only))) + 1;
    return to_array(std::move(gram), {size, size});
}

py::array_t<double> gradient(const Design& design, const Frames& frames, int threads) {
    std::vector<double> sums;
    {
        const py::gil_scoped_release release;
        sums = design.gradient(views_of(frames), threads);
    }
    const auto size = static_cast<py::ssize_t>(sums.size());
    return to_array(std::move(sums), {size});
}

}  // namespace

void bind_design(py::module_& module) {
    py::class_<OwnedFrame, std::shared_ptr<OwnedFrame>> frame(module, "LabeledFrame");
    frame.def(py::init<std::shared_ptr<OwnedNeighborhoods>, double, const Array<double>&,
                       const Array<double>&, double, const Array<double>&, double>(),
              py::arg("neighborhoods").none(false), py::arg("energy"), py::arg("forces"),
              py::arg("virial"), py::arg("energy_weight"), py::arg("force_weights"),
              py::arg("virial_weight"));
    bind_labels(frame);
    py::class_<Design> design(module, "Design");
    share_copies(design);
    design.def(py::init<const Potential&>(), py::arg("potential"))
        .def("rows", &rows, py::arg("neighborhoods"), py::arg("threads") = 0)
        .def("tangents", &tangents, py::arg("neighborhoods"), py::arg("linear_only") = false)
        .def("normal_equations", &normal_equations, py::arg("frames"), py::arg("linear_only"),
             py::arg("threads") = 0)
        .def("gradient", &gradient, py::arg("frames"), py::arg("threads") = 0);
}

}  // namespace mtpot::bindings

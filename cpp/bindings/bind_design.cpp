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

private:
    std::shared_ptr<OwnedNeighborhoods> neighborhoods_;
    std::vector<double> forces_, force_weights_;
    LabeledFrame frame_;
};

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

py::tuple tangents(const Design& design, const OwnedNeighborhoods& neighborhoods) {
    const Neighborhoods view = neighborhoods.view();
    const auto values = static_cast<py::ssize_t>(1 + 3 * view.center_count() + 6);
    const auto columns = static_cast<py::ssize_t>(design.parameter_count());
    py::array_t<double> out({values, columns}), predictions(values);
    std::span<double> tangent_span(out.mutable_data(), static_cast<std::size_t>(out.size()));
    std::span<double> value_span(predictions.mutable_data(), static_cast<std::size_t>(values));
    {
        const py::gil_scoped_release release;
        design.tangents(view, tangent_span, value_span);
    }
    return py::make_tuple(out, predictions);
}

py::array_t<double> normal_equations(const Design& design,
                                     const std::vector<std::shared_ptr<OwnedFrame>>& frames,
                                     bool linear_only, int threads) {
    const auto columns = linear_only ? Design::Columns::linear : Design::Columns::all;
    std::vector<double> gram;
    {
        const py::gil_scoped_release release;
        std::vector<LabeledFrame> views;
        for (const auto& frame : frames) {
            require(frame != nullptr, "a frame is None");
            views.push_back(frame->get());
        }
        gram = design.normal_equations(views, columns, threads);
    }
    const auto size = static_cast<py::ssize_t>(design.column_count(columns)) + 1;
    return to_array(std::move(gram), {size, size});
}

}  // namespace

void bind_design(py::module_& module) {
    py::class_<OwnedFrame, std::shared_ptr<OwnedFrame>>(module, "LabeledFrame")
        .def(py::init<std::shared_ptr<OwnedNeighborhoods>, double, const Array<double>&,
                      const Array<double>&, double, const Array<double>&, double>(),
             py::arg("neighborhoods").none(false), py::arg("energy"), py::arg("forces"),
             py::arg("virial"), py::arg("energy_weight"), py::arg("force_weights"),
             py::arg("virial_weight"));
    py::class_<Design> design(module, "Design");
    share_copies(design);
    design.def(py::init<const Potential&>(), py::arg("potential"))
        .def("rows", &rows, py::arg("neighborhoods"), py::arg("threads") = 0)
        .def("tangents", &tangents, py::arg("neighborhoods"))
        .def("normal_equations", &normal_equations, py::arg("frames"), py::arg("linear_only"),
             py::arg("threads") = 0);
}

}  // namespace mtpot::bindings

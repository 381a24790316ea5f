#include "bindings.hpp"
#include "mtpot/grade.hpp"

namespace mtpot::bindings {
namespace {

py::array_t<double> grades(const Grader& grader, const OwnedNeighborhoods& neighborhoods,
                           int threads) {
    const Neighborhoods view = neighborhoods.view();
    py::array_t<double> out(static_cast<py::ssize_t>(view.center_count()));
    std::span<double> span(out.mutable_data(), view.center_count());
    const py::gil_scoped_release release;
    grader.grades(view, span, threads);
    return out;
}

}  // namespace

void bind_grade(py::module_& module) {
    py::class_<Grader> grader(module, "Grader");
    share_copies(grader);
    grader
        .def(py::init<const Potential&, const ActiveSet&>(), py::arg("potential"),
             py::arg("active_set"))
        .def("with_active_set", &Grader::with_active_set, py::arg("active_set"))
        .def("grades", &grades, py::arg("neighborhoods"), py::arg("threads") = 0);
}

}  // namespace mtpot::bindings

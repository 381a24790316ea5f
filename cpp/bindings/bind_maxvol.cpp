#include <tuple>

#include "bindings.hpp"
#include "mtpot/maxvol.hpp"

namespace mtpot::bindings {
namespace {

using Swap = std::tuple<std::size_t, std::size_t, double>;

ActiveSet restore(const Array<double>& matrix, const Array<double>& inverse_transposed) {
    const py::ssize_t size = matrix.ndim() > 0 ? matrix.shape(0) : 0;
    require_shape(matrix, {size, size}, "the matrix");
    require_shape(inverse_transposed, {size, size}, "the transposed inverse");
    return ActiveSet(static_cast<std::size_t>(size), to_vector(matrix),
                     to_vector(inverse_transposed));
}

py::array_t<double> square(const ActiveSet& set, const std::vector<double>& numbers) {
    const auto size = static_cast<py::ssize_t>(set.size());
    return to_array(std::vector<double>(numbers), {size, size});
}

void require_rows(const ActiveSet& set, const Array<double>& rows) {
    require_shape(rows, {-1, static_cast<py::ssize_t>(set.size())}, "rows");
}

py::array_t<double> grade(const ActiveSet& set, const Array<double>& rows) {
    require_rows(set, rows);
    const std::span<const double> numbers = view(rows);
    std::vector<double> grades(static_cast<std::size_t>(rows.shape(0)));
    {
        const py::gil_scoped_release release;
        set.grade(numbers, grades);
    }
    return to_array(std::move(grades), {rows.shape(0)});
}

std::vector<Swap> select(ActiveSet& set, const Array<double>& rows, double threshold) {
    require_rows(set, rows);
    const std::span<const double> numbers = view(rows);
    const py::gil_scoped_release release;
    std::vector<Swap> result;
    for (const auto& [position, row, growth] : set.select(numbers, threshold)) {
        result.emplace_back(position, row, growth);
    }
    return result;
}

}  // namespace

void bind_maxvol(py::module_& module) {
    py::class_<ActiveSet>(module, "ActiveSet")
        .def(py::init<std::size_t>(), py::arg("size"))
        .def_static("restore", &restore, py::arg("matrix"), py::arg("inverse_transposed"))
        .def_property_readonly("size", &ActiveSet::size)
        .def_property_readonly("matrix",
                               [](const ActiveSet& set) { return square(set, set.matrix()); })
        .def_property_readonly(
            "inverse_transposed",
            [](const ActiveSet& set) { return square(set, set.inverse_transposed()); })
        .def("__deepcopy__", [](const ActiveSet& set, const py::dict&) { return set; })
        .def("grade", &grade, py::arg("rows"))
        .def("select", &select, py::arg("rows"), py::arg("threshold"))
        .def("log_determinant", &ActiveSet::log_determinant);
}

}  // namespace mtpot::bindings

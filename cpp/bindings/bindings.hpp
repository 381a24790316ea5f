// What the files of the binding share: arrays in, arrays out, and one function for each file.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "mtpot/error.hpp"

namespace mtpot::bindings {

namespace py = pybind11;

// Lets Python's deepcopy share an object that never changes.
template <class Class>
void share_copies(Class& bound) {
    bound.def("__deepcopy__", [](py::object self, const py::dict&) { return self; });
}

void bind_errors(py::module_& module);
void bind_maxvol(py::module_& module);
void bind_potential(py::module_& module);
void bind_neighborhoods(py::module_& module);
void bind_evaluate(py::module_& module);
void bind_design(py::module_& module);
void bind_grade(py::module_& module);
void bind_lists(py::module_& module);

// Anything that NumPy converts safely to a C-contiguous array of exactly this type. Such an
// array itself comes in without a copy; complex numbers, or real ones for integers, are refused.
template <typename T>
using Array = py::array_t<T, py::array::c_style>;

template <typename T>
std::span<const T> view(const Array<T>& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
}

template <typename T>
std::vector<T> to_vector(const Array<T>& array) {
    return {array.data(), array.data() + array.size()};
}

// InputError unless the array has this shape; -1 stands for any extent.
inline void require_shape(const py::array& array, std::initializer_list<py::ssize_t> shape,
                          const std::string& name) {
    bool fits = array.ndim() == static_cast<py::ssize_t>(shape.size());
    std::string expected;
    py::ssize_t axis = 0;
    for (const py::ssize_t extent : shape) {
        fits = fits && (extent == -1 || array.shape(axis) == extent);
        if (axis++ > 0) expected += ", ";
        expected += extent == -1 ? std::string("n") : std::to_string(extent);
    }
    require(fits, name + " must have the shape [" + expected + "]");
}

// Hands the numbers over to a NumPy array of this shape, without a copy.
template <typename T>
py::array_t<T> to_array(std::vector<T> numbers, std::vector<py::ssize_t> shape) {
    auto owner = std::make_unique<std::vector<T>>(std::move(numbers));
    T* data = owner->data();
    py::capsule capsule(owner.get(),
                        [](void* pointer) { delete static_cast<std::vector<T>*>(pointer); });
    owner.release();
    return py::array_t<T>(std::move(shape), data, capsule);
}

}  // namespace mtpot::bindings

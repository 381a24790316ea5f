#include "bindings.hpp"
#include "mtpot/evaluate.hpp"
#include "mtpot/radial.hpp"

PYBIND11_MODULE(_core, module) {
    using namespace mtpot::bindings;
    module.doc() = "The compiled engine of mtpot.";
    module.def("simd_name", &mtpot::simd_name);
    module.def("radial_basis_names", &mtpot::radial_basis_names);
    bind_errors(module);
    bind_maxvol(module);
    bind_potential(module);
    bind_neighborhoods(module);
    bind_evaluate(module);
    bind_design(module);
    bind_grade(module);
    bind_lists(module);
}

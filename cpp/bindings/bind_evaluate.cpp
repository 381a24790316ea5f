#include "bindings.hpp"
#include "forces.hpp"
#include "mtpot/evaluate.hpp"

namespace mtpot::bindings {
namespace {

py::tuple evaluate(const Evaluator& evaluator, const OwnedNeighborhoods& neighborhoods,
                   int threads) {
    const Neighborhoods view = neighborhoods.view();
    return with_forces(
        view, [&](const Evaluator::Result& result) { evaluator.evaluate(view, result, threads); });
}

}  // namespace

void bind_evaluate(py::module_& module) {
    py::class_<Evaluator> evaluator(module, "Evaluator");
    share_copies(evaluator);
    evaluator.def(py::init<const Potential&>(), py::arg("potential"))
        .def("evaluate", &evaluate, py::arg("neighborhoods"), py::arg("threads") = 0);
}

}  // namespace mtpot::bindings

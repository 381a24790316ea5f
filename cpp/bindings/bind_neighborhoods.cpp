#include "bindings.hpp"
#include "mtpot/neighborhoods.hpp"

namespace mtpot::bindings {
namespace {

OwnedNeighborhoods make(const Array<std::int32_t>& species, const Array<std::int64_t>& centers,
                        const Array<std::int64_t>& neighbors, const Array<double>& vectors) {
    require_shape(species, {-1}, "species");
    require_shape(centers, {-1}, "centers");
    require_shape(neighbors, {centers.shape(0)}, "neighbors");
    require_shape(vectors, {centers.shape(0), 3}, "vectors");
    const py::gil_scoped_release release;
    return {view(species), view(centers), view(neighbors), view(vectors)};
}

}  // namespace

void bind_neighborhoods(py::module_& module) {
    py::class_<OwnedNeighborhoods, std::shared_ptr<OwnedNeighborhoods>>(module, "Neighborhoods")
        .def(py::init(&make), py::arg("species"), py::arg("centers"), py::arg("neighbors"),
             py::arg("vectors"))
        .def_property_readonly("atom_count", &OwnedNeighborhoods::atom_count)
        .def_property_readonly(
            "pair_count", [](const OwnedNeighborhoods& self) { return self.view().pair_count(); });
}

}  // namespace mtpot::bindings

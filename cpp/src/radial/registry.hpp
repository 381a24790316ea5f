// Every radial basis: adding one takes its header and a line here. A basis is a struct with a
// name, has_core, a Sequence and core(), as in chebyshev.hpp.
#pragma once

#include "radial/chebyshev.hpp"
#include "radial/chebyshev_clamped.hpp"
#include "radial/chebyshev_repulsive.hpp"

namespace mtpot::radial {
namespace {

template <class... Bases>
struct List {
    static constexpr int size = sizeof...(Bases);

    // Calls visitor(Basis{}) for the basis at position kind.
    template <class Visitor>
    static void visit(int kind, Visitor&& visitor) {
        int position = 0;
        ((position++ == kind ? visitor(Bases{}) : void()), ...);
    }
};

using Registry = List<Chebyshev, ChebyshevRepulsive, ChebyshevClamped>;

}  // namespace
}  // namespace mtpot::radial

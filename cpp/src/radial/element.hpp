// The type of one number of a vector of lanes; a plain number is its own.
#pragma once

#include <type_traits>
#include <utility>

namespace mtpot::radial {
namespace {

template <class Vec>
struct ElementOf {
    using type = std::remove_cvref_t<decltype(std::declval<Vec&>()[0])>;
};
template <>
struct ElementOf<double> {
    using type = double;
};

template <class Real>
using Element = typename ElementOf<Real>::type;

}  // namespace
}  // namespace mtpot::radial

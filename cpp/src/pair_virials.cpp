#include "pair_virials.hpp"

#include "mtpot/evaluate.hpp"

namespace mtpot {
namespace {

template <class Use>
void for_each_pair(const Neighborhoods& view, std::span<const double> gradients, Use&& use) {
    for (std::size_t c = 0; c < view.center_count(); ++c)
        for (auto pair = view.offsets[c]; pair < view.offsets[c + 1]; ++pair)
            use(view.atom(c), static_cast<std::size_t>(view.neighbors[pair]),
                view.vectors.data() + 3 * pair, gradients.data() + 3 * pair);
}

}  // namespace

void add_virial(const Neighborhoods& view, std::span<const double> gradients, double* sums) {
    const auto w = virial(view, gradients);
    const int order[6] = {0, 4, 8, 1, 2, 5};
    for (int k = 0; k < 6; ++k) sums[k] += w[order[k]];
}

void add_atom_virials(const Neighborhoods& view, std::span<const double> gradients,
                      double* virials) {
    for_each_pair(view, gradients,
                  [&](std::size_t i, std::size_t j, const double* r, const double* g) {
                      const double term[6] = {
                          r[0] * g[0],
                          r[1] * g[1],
                          r[2] * g[2],
                          0.5 * (r[0] * g[1] + r[1] * g[0]),
                          0.5 * (r[0] * g[2] + r[2] * g[0]),
                          0.5 * (r[1] * g[2] + r[2] * g[1]),
                      };
                      for (int k = 0; k < 6; ++k) {
                          virials[6 * i + k] -= 0.5 * term[k];
                          virials[6 * j + k] -= 0.5 * term[k];
                      }
                  });
}

void add_centroid_virials(const Neighborhoods& view, std::span<const double> gradients,
                          double* virials) {
    for_each_pair(
        view, gradients, [&](std::size_t, std::size_t j, const double* r, const double* g) {
            const double term[9] = {r[0] * g[0], r[1] * g[1], r[2] * g[2], r[0] * g[1], r[0] * g[2],
                                    r[1] * g[2], r[1] * g[0], r[2] * g[0], r[2] * g[1]};
            for (int k = 0; k < 9; ++k) virials[9 * j + k] -= term[k];
        });
}

}  // namespace mtpot

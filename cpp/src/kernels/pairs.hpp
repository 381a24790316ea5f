// Loops over the pairs of a block: radial functions, monomials, moments and the gradient.
#pragma once

#include "kernels/block.hpp"
#include "radial/registry.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int max_radial_size = 64;
constexpr int group = 6;  // radial functions whose sums are held in registers at once

// Calls body with a compile-time count 1 ... group.
template <int N = group, class Body>
void with_count(int count, Body&& body) {
    if constexpr (N > 1) {
        if (count < N) return with_count<N - 1>(count, body);
    }
    body.template operator()<N>();
}

// Calls body(k0, k1, n) for each range of monomials in which the first n of `functions` radial
// functions, counted from `first`, have moments.
template <class Body>
void for_each_range(const int* component_counts, int first, int functions, Body&& body) {
    int begin = 0;
    for (int n = functions; n > 0; --n) {
        const int end = component_counts[first + n - 1];
        if (end > begin) body(begin, end, n);
        begin = end > begin ? end : begin;
    }
}

// values[slots][K] = sum_beta c phi_beta and derivatives; cores[slots] dE/dr of the parameter-free
// part, whose energy is added to `energy`. The basis[slots][R] itself, phi_beta, is kept unless
// it is null.
inline void radial_functions(const CompiledPotential& compiled, const Block& block, Vec* values,
                             Vec* derivatives, Vec* cores, Vec* kept, Vec& energy) {
    const RadialBasis& basis = compiled.potential.radial;
    const int functions = compiled.radial_function_count, size = basis.size;
    const int species_count = compiled.potential.species_count;
    radial::Registry::visit(basis.kind, [&](auto kind) {
        Vec local[max_radial_size], dphi[max_radial_size];
        for (int w = 0; w < species_count; ++w) {
            const double* c = compiled.coefficients.data() +
                              (block.species * species_count + w) * functions * size;
            for (int slot = block.segments[w]; slot < block.segments[w + 1]; ++slot) {
                Vec* phi = kept ? kept + slot * size : local;
                kind.evaluate(basis, block.distance[slot], phi, dphi);
                for (int p = 0; p < functions; ++p) {
                    Vec value{}, derivative{};
                    for (int beta = 0; beta < size; ++beta) {
                        value += c[p * size + beta] * phi[beta];
                        derivative += c[p * size + beta] * dphi[beta];
                    }
                    values[slot * functions + p] = value;
                    derivatives[slot * functions + p] = derivative;
                }
            }
        }
        for (int slot = 0; slot < block.slots; ++slot) {
            Vec e{};
            if constexpr (kind.has_core)
                kind.core(basis, block.distance[slot], e, cores[slot]);
            else
                cores[slot] = Vec{};
            energy += e;
        }
    });
}

// monomials[k][tile] of the slots slot ... slot + tile - 1, in the order of reduced components.
inline void monomials(const Block& block, int slot, int max_nu, Vec* out) {
    const Vec *x = block.x + slot, *y = block.y + slot, *z = block.z + slot;
    for (int q = 0; q < tile; ++q) out[q] = Vec{} + 1.0;
    for (int nu = 1; nu <= max_nu; ++nu) {
        const Vec* lower = out + (nu - 1) * (nu - 1) * tile;
        Vec* order = out + nu * nu * tile;
        for (int q = 0; q < tile; ++q) order[q] = x[q] * lower[q];
        for (int b = 1; b <= nu; ++b)
            for (int q = 0; q < tile; ++q) order[b * tile + q] = y[q] * lower[(b - 1) * tile + q];
        Vec* with_z = order + (nu + 1) * tile;
        for (int b = 0; b < nu; ++b)
            for (int q = 0; q < tile; ++q) with_z[b * tile + q] = z[q] * lower[b * tile + q];
    }
}

// moments += f_mu(slot) * monomials, over one tile of slots.
inline void accumulate_moments(const CompiledPotential& compiled, const Vec* values,
                               const Vec* monomial, Vec* moments) {
    const int functions = compiled.radial_function_count;
    for (int first = 0; first < functions; first += group) {
        const int present = functions - first < group ? functions - first : group;
        for_each_range(compiled.component_counts.data(), first, present,
                       [&](int k0, int k1, int n) {
                           with_count(n, [&]<int N>() {
                               Vec f[N][tile];
                               Vec* sums[N];
                               for (int p = 0; p < N; ++p) {
                                   sums[p] = moments + compiled.component_offsets[first + p];
                                   for (int q = 0; q < tile; ++q)
                                       f[p][q] = values[q * functions + first + p];
                               }
                               for (int k = k0; k < k1; ++k) {
                                   Vec y[tile];
                                   for (int q = 0; q < tile; ++q) y[q] = monomial[k * tile + q];
                                   for (int p = 0; p < N; ++p) {
                                       Vec sum = sums[p][k];
                                       for (int q = 0; q < tile; ++q) sum += f[p][q] * y[q];
                                       sums[p][k] = sum;
                                   }
                               }
                           });
                       });
    }
}

// With the adjoints A of the moments: P[p][q] = sum_k A y and G[k][q] = sum_p f A, for a tile.
inline void contract_adjoints(const CompiledPotential& compiled, const Vec* values,
                              const Vec* monomial, const Vec* adjoints, Vec* radial_sums,
                              Vec* monomial_sums) {
    constexpr int half = 2;  // slots at once, so that all sums stay in registers
    const int functions = compiled.radial_function_count;
    clear(radial_sums, functions * tile);
    for (int first = 0; first < functions; first += group) {
        const int present = functions - first < group ? functions - first : group;
        for_each_range(compiled.component_counts.data(), first, present,
                       [&](int k0, int k1, int n) {
                           with_count(n, [&]<int N>() {
                               for (int q0 = 0; q0 < tile; q0 += half) {
                                   Vec f[N][half], sum[N][half];
                                   const Vec* a[N];
                                   for (int p = 0; p < N; ++p) {
                                       a[p] = adjoints + compiled.component_offsets[first + p];
                                       for (int q = 0; q < half; ++q) {
                                           f[p][q] = values[(q0 + q) * functions + first + p];
                                           sum[p][q] = radial_sums[(first + p) * tile + q0 + q];
                                       }
                                   }
                                   for (int k = k0; k < k1; ++k) {
                                       Vec y[half], g[half];
                                       for (int q = 0; q < half; ++q) {
                                           y[q] = monomial[k * tile + q0 + q];
                                           g[q] = first ? monomial_sums[k * tile + q0 + q] : Vec{};
                                       }
                                       for (int p = 0; p < N; ++p) {
                                           const Vec adjoint = a[p][k];
                                           for (int q = 0; q < half; ++q) {
                                               sum[p][q] += adjoint * y[q];
                                               g[q] += f[p][q] * adjoint;
                                           }
                                       }
                                       for (int q = 0; q < half; ++q)
                                           monomial_sums[k * tile + q0 + q] = g[q];
                                   }
                                   for (int p = 0; p < N; ++p)
                                       for (int q = 0; q < half; ++q)
                                           radial_sums[(first + p) * tile + q0 + q] = sum[p][q];
                               }
                           });
                       });
    }
}

// gradient[3][tile] = sum_k weights[k] * grad y_k, by going back through monomials(); destroys
// the weights.
inline void monomial_gradient(const Block& block, int slot, int max_nu, const Vec* monomial,
                              Vec* weights, Vec* gradient) {
    const Vec *x = block.x + slot, *y = block.y + slot, *z = block.z + slot;
    Vec gx[tile]{}, gy[tile]{}, gz[tile]{};
    for (int nu = max_nu; nu > 0; --nu) {
        const Vec* lower = monomial + (nu - 1) * (nu - 1) * tile;
        Vec* lower_weights = weights + (nu - 1) * (nu - 1) * tile;
        const Vec* order = weights + nu * nu * tile;
        const Vec* with_z = order + (nu + 1) * tile;
        for (int b = 0; b < nu; ++b)
            for (int q = 0; q < tile; ++q) {
                const Vec power = lower[b * tile + q];
                const Vec along_y = order[(b + 1) * tile + q], along_z = with_z[b * tile + q];
                gy[q] += along_y * power;
                gz[q] += along_z * power;
                Vec weight = lower_weights[b * tile + q] + y[q] * along_y + z[q] * along_z;
                if (b == 0) {
                    gx[q] += order[q] * power;
                    weight += x[q] * order[q];
                }
                lower_weights[b * tile + q] = weight;
            }
    }
    for (int q = 0; q < tile; ++q) {
        gradient[q] = gx[q];
        gradient[tile + q] = gy[q];
        gradient[2 * tile + q] = gz[q];
    }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

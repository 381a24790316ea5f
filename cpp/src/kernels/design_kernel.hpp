// Derivatives of a block in the parameters.
//
// Local rows of a center of species z: its radial parameters (w, mu, beta), the scalars, and last
// the prediction itself. The gradient of every row in a pair vector is a product of that row's
// adjoints of the reduced components, G, with the derivatives D of these components in the pair
// vector; radial parameters also change D, which adds an explicit part.
#pragma once

#include "kernels/graph.hpp"
#include "kernels/pairs.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int panel = 2;            // neighbors whose gradients are formed at once
constexpr int columns = 3 * panel;  // their Cartesian components

struct DesignSize {
    int species_count, functions, size, radial_rows, scalars, rows;
    std::size_t monomials, slots;

    DesignSize(const CompiledPotential& compiled, std::size_t pairs)
        : species_count(compiled.potential.species_count),
          functions(compiled.radial_function_count),
          size(compiled.potential.radial.size),
          radial_rows(species_count * functions * size),
          scalars(static_cast<int>(compiled.scalars.size())),
          rows(radial_rows + scalars + 1),
          monomials(static_cast<std::size_t>(compiled.max_nu + 1) * (compiled.max_nu + 1)),
          slots(max_slots(species_count, pairs)) {}
};

// What the rows of energies need.
struct MomentSpace {
    Block block;
    GatherSpace gather;
    Vec *phi, *dphi;  // [slots][R], times scaling
    Vec *values, *derivatives, *cores;
    Vec* basis_moments;  // [C][R][monomials]: sum of phi_beta y over neighbors of one species
    Vec *moments, *adjoints, *row_adjoints;
    Vec* monomial;  // [monomials][tile]

    MomentSpace(Arena& arena, const CompiledPotential& compiled, const DesignSize& n,
                std::size_t pairs) {
        block = carve_block(arena, gather, n.species_count, pairs);
        phi = arena.take<Vec>(n.slots * n.size);
        dphi = arena.take<Vec>(n.slots * n.size);
        values = arena.take<Vec>(n.slots * n.functions);
        derivatives = arena.take<Vec>(n.slots * n.functions);
        cores = arena.take<Vec>(n.slots);
        basis_moments = arena.take<Vec>(n.species_count * n.size * n.monomials);
        moments = arena.take<Vec>(compiled.moment_count);
        adjoints = arena.take<Vec>(compiled.moment_count);
        row_adjoints = arena.take<Vec>(compiled.moment_count);
        monomial = arena.take<Vec>(n.monomials * tile);
    }
};

struct TangentSpace {
    Vec* scalar_rows;  // G of the scalars, packed by their programs' components
    Vec* radial_rows;  // G of the radial parameters, packed likewise
    Vec* moment_tangents;
    Vec* pair_derivatives;  // D: [components][columns]
    Vec* monomial_slopes;   // [monomials][3]
    Vec* gradients;         // [rows][columns]
    Vec* self;              // [rows][3], summed over neighbors
    Vec* virials;           // [rows][6], - sum r (x) gradient

    TangentSpace(Arena& arena, const CompiledPotential& compiled, const DesignSize& n) {
        std::size_t packed = 0;
        for (const auto& program : compiled.scalars) packed += program.components.size();
        scalar_rows = arena.take<Vec>(packed);
        packed = 0;
        for (const auto& program : compiled.tangents) packed += program.components.size();
        radial_rows = arena.take<Vec>(packed * n.species_count * n.size);
        moment_tangents = arena.take<Vec>(compiled.moment_count);
        pair_derivatives =
            arena.take<Vec>(static_cast<std::size_t>(compiled.component_count) * columns);
        monomial_slopes = arena.take<Vec>(n.monomials * 3);
        gradients = arena.take<Vec>(static_cast<std::size_t>(n.rows) * columns);
        self = arena.take<Vec>(static_cast<std::size_t>(n.rows) * 3);
        virials = arena.take<Vec>(static_cast<std::size_t>(n.rows) * 6);
    }
};

inline void basis_functions(const CompiledPotential& compiled, const DesignSize& n,
                            MomentSpace& space) {
    const RadialBasis& basis = compiled.potential.radial;
    radial::Registry::visit(basis.kind, [&](auto kind) {
        for (int slot = 0; slot < space.block.slots; ++slot) {
            Vec *phi = space.phi + slot * n.size, *dphi = space.dphi + slot * n.size;
            kind.evaluate(basis, space.block.distance[slot], phi, dphi);
            for (int beta = 0; beta < n.size; ++beta) {
                phi[beta] *= compiled.potential.scaling;
                dphi[beta] *= compiled.potential.scaling;
            }
        }
    });
}

inline void sum_basis_moments(const CompiledPotential& compiled, const DesignSize& n,
                              MomentSpace& space) {
    clear(space.basis_moments, n.species_count * n.size * n.monomials);
    for (int w = 0; w < n.species_count; ++w)
        for (int slot = space.block.segments[w]; slot < space.block.segments[w + 1]; slot += tile) {
            monomials(space.block, slot, compiled.max_nu, space.monomial);
            for (int beta = 0; beta < n.size; ++beta) {
                Vec* sums = space.basis_moments + (w * n.size + beta) * n.monomials;
                Vec phi[tile];
                for (int q = 0; q < tile; ++q) phi[q] = space.phi[(slot + q) * n.size + beta];
                for (std::size_t k = 0; k < n.monomials; ++k)
                    for (int q = 0; q < tile; ++q) sums[k] += phi[q] * space.monomial[k * tile + q];
            }
        }
}

// Column of a local radial parameter of centers of one species.
inline std::size_t radial_column(const CompiledPotential& compiled, int species, int w, int p,
                                 int beta) {
    const Potential& potential = compiled.potential;
    const auto pair = static_cast<std::size_t>(species * potential.species_count + w);
    const std::size_t function = pair * compiled.radial_stride + compiled.radial_order[p];
    return function * potential.radial.size + beta;
}

// moments(mu, k) = sum_{w, beta} c basis_moments(w, beta, k). The scaling is in the basis moments
// already, so these are the potential's own coefficients.
inline void combine_moments(const CompiledPotential& compiled, const DesignSize& n,
                            MomentSpace& space) {
    const double* coefficients = compiled.potential.radial_coefficients.data();
    clear(space.moments, compiled.component_count);
    for (int p = 0; p < n.functions; ++p) {
        Vec* moments = space.moments + compiled.component_offsets[p];
        for (int w = 0; w < n.species_count; ++w)
            for (int beta = 0; beta < n.size; ++beta) {
                const double c =
                    coefficients[radial_column(compiled, space.block.species, w, p, beta)];
                const Vec* sums = space.basis_moments + (w * n.size + beta) * n.monomials;
                for (int k = 0; k < compiled.component_counts[p]; ++k) moments[k] += c * sums[k];
            }
    }
}

// Everything of the block that depends on the sites alone: moments, adjoints, site energies.
inline Status prepare(const CompiledPotential& compiled, const DesignSize& n,
                      const CenterBlock& input, std::size_t pairs, MomentSpace& space,
                      Vec& energy) {
    const Status status = gather(space.block, space.gather, compiled, input, pairs);
    if (status != Status::done) return status;
    energy = Vec{} + compiled.potential.species_energies[space.block.species];
    radial_functions(compiled, space.block, space.values, space.derivatives, space.cores, energy);
    basis_functions(compiled, n, space);
    sum_basis_moments(compiled, n, space);
    combine_moments(compiled, n, space);
    forward(compiled, space.moments);
    energy_and_adjoints(compiled, space.moments, space.adjoints, energy);
    return Status::done;
}

// dV/dc of the local radial parameter (w, p, beta).
inline Vec radial_derivative(const CompiledPotential& compiled, const DesignSize& n,
                             const MomentSpace& space, int w, int p, int beta) {
    const Vec* sums = space.basis_moments + (w * n.size + beta) * n.monomials;
    const Vec* adjoints = space.adjoints + compiled.component_offsets[p];
    Vec derivative{};
    for (int k = 0; k < compiled.component_counts[p]; ++k) derivative += adjoints[k] * sums[k];
    return derivative;
}

inline std::size_t linear_column(const CompiledPotential& compiled) {
    return compiled.potential.radial_coefficients.size();
}

inline void store_row(const CenterBlock& input, Vec value, double* rows, std::size_t stride,
                      std::size_t column) {
    for (int lane = 0; lane < input.count; ++lane)
        rows[input.centers[lane] * stride + column] = value[lane];
}

Status rows(const CompiledPotential& compiled, const CenterBlock& input, void* workspace,
            double* out) {
    Arena arena(workspace);
    const std::size_t pairs = longest_list(input);
    const DesignSize n(compiled, pairs);
    MomentSpace space(arena, compiled, n, pairs);
    Vec energy;
    const Status status = prepare(compiled, n, input, pairs, space, energy);
    if (status != Status::done) return status;

    const std::size_t species_column = linear_column(compiled);
    const std::size_t scalar_column = species_column + n.species_count;
    const std::size_t stride = scalar_column + n.scalars;
    for (int lane = 0; lane < input.count; ++lane)
        for (std::size_t k = 0; k < stride; ++k) out[input.centers[lane] * stride + k] = 0.0;
    for (int w = 0; w < n.species_count; ++w)
        for (int p = 0; p < n.functions; ++p)
            for (int beta = 0; beta < n.size; ++beta)
                store_row(input, radial_derivative(compiled, n, space, w, p, beta), out, stride,
                          radial_column(compiled, space.block.species, w, p, beta));
    store_row(input, Vec{} + 1.0, out, stride, species_column + space.block.species);
    for (int alpha = 0; alpha < n.scalars; ++alpha)
        store_row(input, space.moments[compiled.scalars[alpha].moment], out, stride,
                  scalar_column + alpha);
    return Status::done;
}

inline void gather_scalar_rows(const CompiledPotential& compiled, MomentSpace& space,
                               TangentSpace& tangent) {
    Vec* packed = tangent.scalar_rows;
    for (const auto& program : compiled.scalars) {
        scalar_adjoints(compiled, program, space.moments, space.row_adjoints);
        for (const int k : program.components) *packed++ = space.row_adjoints[k];
    }
}

inline void gather_radial_rows(const CompiledPotential& compiled, const DesignSize& n,
                               MomentSpace& space, TangentSpace& tangent) {
    Vec* packed = tangent.radial_rows;
    for (int w = 0; w < n.species_count; ++w)
        for (int p = 0; p < n.functions; ++p) {
            const TangentProgram& program = compiled.tangents[p];
            clear(tangent.moment_tangents, compiled.moment_count);
            for (int beta = 0; beta < n.size; ++beta) {
                const Vec* sums = space.basis_moments + (w * n.size + beta) * n.monomials;
                Vec* direction = tangent.moment_tangents + compiled.component_offsets[p];
                for (int k = 0; k < compiled.component_counts[p]; ++k) direction[k] = sums[k];
                moment_tangents(compiled, program, space.moments, tangent.moment_tangents);
                adjoint_tangents(compiled, program, space.moments, space.adjoints,
                                 tangent.moment_tangents, space.row_adjoints);
                for (const int k : program.components) *packed++ = space.row_adjoints[k];
            }
        }
}

// Gradients of the monomials of one slot, [monomials][3]; see monomials() for the order.
inline void monomial_slopes(const Vec* monomial, int max_nu, Vec* slopes) {
    for (int d = 0; d < 3; ++d) slopes[d] = Vec{};
    for (int nu = 1; nu <= max_nu; ++nu) {
        const Vec* lower = monomial + (nu - 1) * (nu - 1) * tile;
        Vec* order = slopes + nu * nu * 3;
        for (int c = 0; c <= 1; ++c)
            for (int b = 0; b <= nu - c; ++b) {
                const int a = nu - c - b;
                const Vec* same = lower + (c ? nu + b : b) * tile;  // (a-1, b, c)
                Vec* slope = order + (c ? nu + 1 + b : b) * 3;
                slope[0] = a > 0 ? static_cast<double>(a) * same[0] : Vec{};
                slope[1] = b > 0 ? static_cast<double>(b) * same[-tile] : Vec{};
                slope[2] = c ? lower[b * tile] : Vec{};
            }
    }
}

// D of one slot into columns [3 q, 3 q + 3): derivatives of f_mu y in the pair vector,
// (f' - nu f / r) y r̂ + (f / r) grad y.
inline void component_derivatives(const CompiledPotential& compiled, const MomentSpace& space,
                                  const TangentSpace& tangent, int slot, int q) {
    const Block& block = space.block;
    const int functions = compiled.radial_function_count;
    const Vec unit[3] = {block.x[slot], block.y[slot], block.z[slot]};
    const Vec* monomial = space.monomial + slot % tile;
    for (int p = 0; p < functions; ++p) {
        const Vec f_over_r = space.values[slot * functions + p] * block.inverse[slot];
        const Vec slope = space.derivatives[slot * functions + p];
        Vec* out = tangent.pair_derivatives +
                   static_cast<std::size_t>(compiled.component_offsets[p]) * columns + 3 * q;
        for (int nu = 0; nu * nu < compiled.component_counts[p]; ++nu) {
            const Vec radial = slope - static_cast<double>(nu) * f_over_r;
            for (int k = nu * nu; k < (nu + 1) * (nu + 1); ++k) {
                const Vec along = radial * monomial[k * tile];
                for (int d = 0; d < 3; ++d)
                    out[k * columns + d] =
                        along * unit[d] + f_over_r * tangent.monomial_slopes[3 * k + d];
            }
        }
    }
}

// gradients[columns] = sum over the components of g * D; returns what follows the packed g.
template <class List>
inline const Vec* contract_row(const Vec* g, const List& components, const Vec* derivatives,
                               Vec* gradients) {
    Vec sum[columns]{};
    for (const int component : components) {
        const Vec* d = derivatives + static_cast<std::size_t>(component) * columns;
        for (int k = 0; k < columns; ++k) sum[k] += *g * d[k];
        ++g;
    }
    for (int k = 0; k < columns; ++k) gradients[k] = sum[k];
    return g;
}

inline void contract_all(const Vec* g, int count, const Vec* derivatives, Vec* gradients) {
    Vec sum[columns]{};
    for (int t = 0; t < count; ++t)
        for (int k = 0; k < columns; ++k) sum[k] += g[t] * derivatives[t * columns + k];
    for (int k = 0; k < columns; ++k) gradients[k] = sum[k];
}

// Explicit derivatives in c of D contracted with the adjoints, for the neighbors' species w.
inline void add_explicit_part(const CompiledPotential& compiled, const DesignSize& n,
                              const MomentSpace& space, const TangentSpace& tangent, int slot,
                              int q, int w) {
    const Block& block = space.block;
    const Vec unit[3] = {block.x[slot], block.y[slot], block.z[slot]};
    const Vec* monomial = space.monomial + slot % tile;
    for (int p = 0; p < n.functions; ++p) {
        const Vec* adjoints = space.adjoints + compiled.component_offsets[p];
        Vec sum{}, slope[3]{};
        for (int k = 0; k < compiled.component_counts[p]; ++k) {
            sum += adjoints[k] * monomial[k * tile];
            for (int d = 0; d < 3; ++d)
                slope[d] += adjoints[k] * tangent.monomial_slopes[3 * k + d];
        }
        const Vec along = slope[0] * unit[0] + slope[1] * unit[1] + slope[2] * unit[2];
        for (int d = 0; d < 3; ++d) slope[d] = (slope[d] - along * unit[d]) * block.inverse[slot];
        Vec* out = tangent.gradients +
                   static_cast<std::size_t>((w * n.functions + p) * n.size) * columns + 3 * q;
        for (int beta = 0; beta < n.size; ++beta) {
            const Vec radial = space.dphi[slot * n.size + beta] * sum;
            const Vec phi = space.phi[slot * n.size + beta];
            for (int d = 0; d < 3; ++d)
                out[beta * columns + d] += radial * unit[d] + phi * slope[d];
        }
    }
}

// All rows' gradients in the pair vectors of the panel that starts at a slot.
inline void panel_gradients(const CompiledPotential& compiled, const DesignSize& n,
                            const MomentSpace& space, const TangentSpace& tangent, int slot,
                            int species, bool linear_only) {
    for (int q = 0; q < panel; ++q) {
        monomial_slopes(space.monomial + (slot + q) % tile, compiled.max_nu,
                        tangent.monomial_slopes);
        component_derivatives(compiled, space, tangent, slot + q, q);
    }
    if (!linear_only) {
        const Vec* packed = tangent.radial_rows;
        for (int row = 0; row < n.radial_rows; ++row) {
            const auto& list = compiled.tangents[row / n.size % n.functions].components;
            packed = contract_row(packed, list, tangent.pair_derivatives,
                                  tangent.gradients + row * columns);
        }
        for (int q = 0; q < panel; ++q) {
            monomial_slopes(space.monomial + (slot + q) % tile, compiled.max_nu,
                            tangent.monomial_slopes);
            add_explicit_part(compiled, n, space, tangent, slot + q, q, species);
        }
    }
    const Vec* packed = tangent.scalar_rows;
    for (int alpha = 0; alpha < n.scalars; ++alpha)
        packed = contract_row(packed, compiled.scalars[alpha].components, tangent.pair_derivatives,
                              tangent.gradients + (n.radial_rows + alpha) * columns);
    Vec* prediction = tangent.gradients + (n.rows - 1) * columns;
    contract_all(space.adjoints, compiled.component_count, tangent.pair_derivatives, prediction);
    for (int q = 0; q < panel; ++q) {
        const int s = slot + q;
        const Vec unit[3] = {space.block.x[s], space.block.y[s], space.block.z[s]};
        for (int d = 0; d < 3; ++d) prediction[3 * q + d] += space.cores[s] * unit[d];
    }
}

// Force on the center and virial: sums over neighbors that stay in the lanes.
inline void add_site_sums(const MomentSpace& space, const TangentSpace& tangent, int first_row,
                          int rows, int slot) {
    constexpr int voigt[6][2] = {{0, 0}, {1, 1}, {2, 2}, {1, 2}, {0, 2}, {0, 1}};
    for (int q = 0; q < panel; ++q) {
        const int s = slot + q;
        const Vec r = space.block.distance[s];
        const Vec vector[3] = {space.block.x[s] * r, space.block.y[s] * r, space.block.z[s] * r};
        for (int row = first_row; row < rows; ++row) {
            const Vec* g = tangent.gradients + row * columns + 3 * q;
            for (int d = 0; d < 3; ++d) tangent.self[3 * row + d] += g[d];
            for (int v = 0; v < 6; ++v)
                tangent.virials[6 * row + v] -= vector[voigt[v][0]] * g[voigt[v][1]];
        }
    }
}

// Which column of the output each local row belongs to.
struct Columns {
    const CompiledPotential& compiled;
    const DesignSize& n;
    int species;
    bool linear_only;

    // Calls body(local row, column) for rows that are wanted.
    template <class Body>
    void for_each(Body&& body) const {
        const std::size_t dropped = linear_only ? linear_column(compiled) : 0;
        if (!linear_only) {
            int row = 0;
            for (int w = 0; w < n.species_count; ++w)
                for (int p = 0; p < n.functions; ++p) {
                    const std::size_t column = radial_column(compiled, species, w, p, 0);
                    for (int beta = 0; beta < n.size; ++beta) body(row++, column + beta);
                }
        }
        const std::size_t scalar_column = linear_column(compiled) + n.species_count - dropped;
        for (int alpha = 0; alpha <= n.scalars; ++alpha)  // the prediction follows the scalars
            body(n.radial_rows + alpha, scalar_column + alpha);
    }
};

inline void scatter_panel(const MomentSpace& space, const TangentSpace& tangent,
                          const CenterBlock& input, const Columns& map, int slot,
                          const TangentRows& out) {
    const double* gradients = reinterpret_cast<const double*>(tangent.gradients);
    for (int q = 0; q < panel; ++q)
        for (int lane = 0; lane < input.count; ++lane) {
            const std::int64_t pair = space.block.pairs[(slot + q) * lanes + lane];
            if (pair < 0) continue;
            const std::size_t neighbor = input.neighborhoods->neighbors[pair];
            for (int d = 0; d < 3; ++d) {
                double* row = out.forces + (3 * neighbor + d) * out.stride;
                const double* g = gradients + (3 * q + d) * lanes + lane;
                map.for_each([&](int local, std::size_t column) {
                    row[column] -= g[static_cast<std::size_t>(local) * columns * lanes];
                });
            }
        }
}

inline void scatter_site(const TangentSpace& tangent, const CenterBlock& input, const Columns& map,
                         const TangentRows& out) {
    map.for_each([&](int local, std::size_t column) {
        for (int lane = 0; lane < input.count; ++lane) {
            const std::size_t center = input.centers[lane];
            for (int d = 0; d < 3; ++d)
                out.forces[(3 * center + d) * out.stride + column] +=
                    tangent.self[3 * local + d][lane];
            for (int v = 0; v < 6; ++v)
                out.virial[v * out.stride + column] += tangent.virials[6 * local + v][lane];
        }
    });
}

inline void add_energy_row(const CompiledPotential& compiled, const DesignSize& n,
                           const MomentSpace& space, const CenterBlock& input, Vec energy,
                           const TangentRows& out) {
    const int species = space.block.species;
    const auto sum = [&](Vec value) {
        double total = 0.0;
        for (int lane = 0; lane < input.count; ++lane) total += value[lane];
        return total;
    };
    const std::size_t dropped = out.linear_only ? linear_column(compiled) : 0;
    if (!out.linear_only)
        for (int w = 0; w < n.species_count; ++w)
            for (int p = 0; p < n.functions; ++p)
                for (int beta = 0; beta < n.size; ++beta)
                    out.energy[radial_column(compiled, species, w, p, beta)] +=
                        sum(radial_derivative(compiled, n, space, w, p, beta));
    double* linear = out.energy + linear_column(compiled) - dropped;
    linear[species] += input.count;
    for (int alpha = 0; alpha < n.scalars; ++alpha)
        linear[n.species_count + alpha] += sum(space.moments[compiled.scalars[alpha].moment]);
    linear[n.species_count + n.scalars] += sum(energy);
}

Status tangents(const CompiledPotential& compiled, const CenterBlock& input, void* workspace,
                const TangentRows& out) {
    Arena arena(workspace);
    const std::size_t pairs = longest_list(input);
    const DesignSize n(compiled, pairs);
    MomentSpace space(arena, compiled, n, pairs);
    TangentSpace tangent(arena, compiled, n);
    Vec energy;
    const Status status = prepare(compiled, n, input, pairs, space, energy);
    if (status != Status::done) return status;
    add_energy_row(compiled, n, space, input, energy, out);

    gather_scalar_rows(compiled, space, tangent);
    if (!out.linear_only) gather_radial_rows(compiled, n, space, tangent);
    clear(tangent.self, 3 * n.rows);
    clear(tangent.virials, 6 * n.rows);
    const Columns map{compiled, n, space.block.species, out.linear_only};
    for (int w = 0; w < n.species_count; ++w)
        for (int slot = space.block.segments[w]; slot < space.block.segments[w + 1];
             slot += panel) {
            if (slot % tile == 0) monomials(space.block, slot, compiled.max_nu, space.monomial);
            panel_gradients(compiled, n, space, tangent, slot, w, out.linear_only);
            add_site_sums(space, tangent, out.linear_only ? n.radial_rows : 0, n.rows, slot);
            scatter_panel(space, tangent, input, map, slot, out);
        }
    scatter_site(tangent, input, map, out);
    return Status::done;
}

std::size_t design_bytes(const CompiledPotential& compiled, std::size_t pairs) {
    Arena arena(nullptr);
    const DesignSize n(compiled, pairs);
    MomentSpace space(arena, compiled, n, pairs);
    TangentSpace tangent(arena, compiled, n);
    return arena.used();
}

// gram += rows^T rows for the tiles on and above the diagonal.
void accumulate_gram(const double* rows, std::size_t count, std::size_t stride, double* gram) {
    constexpr std::size_t wide = 16, high = 4;
    constexpr int vectors = wide / lanes;
    for (std::size_t i = 0; i < stride; i += high)
        for (std::size_t j = i / wide * wide; j < stride; j += wide) {
            Vec sum[high][vectors];
            for (std::size_t a = 0; a < high; ++a)
                for (int v = 0; v < vectors; ++v)
                    sum[a][v] =
                        *reinterpret_cast<const Vec*>(gram + (i + a) * stride + j + v * lanes);
            for (std::size_t m = 0; m < count; ++m) {
                const double* row = rows + m * stride;
                Vec right[vectors];
                for (int v = 0; v < vectors; ++v)
                    right[v] = *reinterpret_cast<const Vec*>(row + j + v * lanes);
                for (std::size_t a = 0; a < high; ++a)
                    for (int v = 0; v < vectors; ++v) sum[a][v] += row[i + a] * right[v];
            }
            for (std::size_t a = 0; a < high; ++a)
                for (int v = 0; v < vectors; ++v)
                    *reinterpret_cast<Vec*>(gram + (i + a) * stride + j + v * lanes) = sum[a][v];
        }
}

}  // namespace
}  // namespace mtpot::MTPOT_ISA

// Tangents of a block: derivatives of energies, forces and virials in the parameters.
//
// Local rows of a center of species z: its radial parameters (w, mu, beta), the scalars, and last
// the prediction itself. The gradient of every row in a pair vector is a product of that row's
// adjoints of the components, G, with the derivatives D of these components in the pair
// vector; radial parameters also change D, which adds an explicit part.
#pragma once

#include "kernels/design_moments.hpp"

namespace mtpot::MTPOT_ISA {
namespace {

constexpr int panel = 2;                // neighbors whose gradients are formed at once
constexpr int panel_width = 3 * panel;  // their Cartesian components

struct TangentSpace {
    Vec* scalar_rows;  // G of the scalars, packed by their programs' components
    Vec* radial_rows;  // G of the radial parameters, packed likewise
    Vec* moment_tangents;
    Vec* pair_derivatives;  // D: [components][panel_width]
    Vec* slopes;            // of the angular functions, [angular][3]
    Vec* gradients;         // [rows][panel_width]
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
            arena.take<Vec>(static_cast<std::size_t>(compiled.component_count) * panel_width);
        slopes = arena.take<Vec>(n.angular * 3);
        gradients = arena.take<Vec>(static_cast<std::size_t>(n.rows) * panel_width);
        self = arena.take<Vec>(static_cast<std::size_t>(n.rows) * 3);
        virials = arena.take<Vec>(static_cast<std::size_t>(n.rows) * 6);
    }
};
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
                const Vec* sums = space.basis_moments + (w * n.size + beta) * n.angular;
                Vec* direction = tangent.moment_tangents + compiled.component_offsets[p];
                const int* angular = compiled.angular.data() + compiled.component_offsets[p];
                for (int k = 0; k < compiled.component_counts[p]; ++k)
                    direction[k] = sums[angular[k]];
                moment_tangents(compiled, program, space.moments, tangent.moment_tangents);
                adjoint_tangents(compiled, program, space.moments, space.adjoints,
                                 tangent.moment_tangents, space.row_adjoints);
                for (const int k : program.components) *packed++ = space.row_adjoints[k];
            }
        }
}

// D of one slot into columns [3 q, 3 q + 3): derivatives of f_mu y in the pair vector,
// f' y r̂ + (f / r) grad y.
inline void component_derivatives(const CompiledPotential& compiled, const MomentSpace& space,
                                  const TangentSpace& tangent, int slot, int q) {
    const Block& block = space.block;
    const int functions = compiled.radial_function_count;
    const Vec unit[3] = {block.x[slot], block.y[slot], block.z[slot]};
    const Vec* functions_of = space.angular + slot % tile;
    for (int p = 0; p < functions; ++p) {
        const Vec f_over_r = space.values[p * block.slots + slot] * block.inverse[slot];
        const Vec slope = space.derivatives[p * block.slots + slot];
        Vec* out = tangent.pair_derivatives +
                   static_cast<std::size_t>(compiled.component_offsets[p]) * panel_width + 3 * q;
        const int* angular = compiled.angular.data() + compiled.component_offsets[p];
        for (int k = 0; k < compiled.component_counts[p]; ++k) {
            const Vec along = slope * functions_of[angular[k] * tile];
            const Vec* slopes = tangent.slopes + 3 * angular[k];
            for (int d = 0; d < 3; ++d)
                out[k * panel_width + d] = along * unit[d] + f_over_r * slopes[d];
        }
    }
}

// gradients[panel_width] = sum over the components of g * D; returns what follows the packed g.
template <class List>
inline const Vec* contract_row(const Vec* g, const List& components, const Vec* derivatives,
                               Vec* gradients) {
    Vec sum[panel_width]{};
    for (const int component : components) {
        const Vec* d = derivatives + static_cast<std::size_t>(component) * panel_width;
        for (int k = 0; k < panel_width; ++k) sum[k] += *g * d[k];
        ++g;
    }
    for (int k = 0; k < panel_width; ++k) gradients[k] = sum[k];
    return g;
}

inline void contract_all(const Vec* g, int count, const Vec* derivatives, Vec* gradients) {
    Vec sum[panel_width]{};
    for (int t = 0; t < count; ++t)
        for (int k = 0; k < panel_width; ++k) sum[k] += g[t] * derivatives[t * panel_width + k];
    for (int k = 0; k < panel_width; ++k) gradients[k] = sum[k];
}

// Explicit derivatives in c of D contracted with the adjoints, for the neighbors' species w.
inline void add_explicit_part(const CompiledPotential& compiled, const DesignSize& n,
                              const MomentSpace& space, const TangentSpace& tangent, int slot,
                              int q, int w) {
    const Block& block = space.block;
    const Vec unit[3] = {block.x[slot], block.y[slot], block.z[slot]};
    const Vec* functions_of = space.angular + slot % tile;
    for (int p = 0; p < n.functions; ++p) {
        const Vec* adjoints = space.adjoints + compiled.component_offsets[p];
        const int* angular = compiled.angular.data() + compiled.component_offsets[p];
        Vec sum{}, slope[3]{};
        for (int k = 0; k < compiled.component_counts[p]; ++k) {
            sum += adjoints[k] * functions_of[angular[k] * tile];
            for (int d = 0; d < 3; ++d)
                slope[d] += adjoints[k] * tangent.slopes[3 * angular[k] + d];
        }
        for (int d = 0; d < 3; ++d) slope[d] *= block.inverse[slot];
        Vec* out = tangent.gradients +
                   static_cast<std::size_t>((w * n.functions + p) * n.size) * panel_width + 3 * q;
        for (int beta = 0; beta < n.size; ++beta) {
            const Vec radial = space.dphi[slot * n.size + beta] * sum;
            const Vec phi = space.phi[slot * n.size + beta];
            for (int d = 0; d < 3; ++d)
                out[beta * panel_width + d] += radial * unit[d] + phi * slope[d];
        }
    }
}

// All rows' gradients in the pair vectors of the panel that starts at a slot.
inline void panel_gradients(const CompiledPotential& compiled, const DesignSize& n,
                            const MomentSpace& space, const TangentSpace& tangent, int slot,
                            int species, bool linear_only) {
    for (int q = 0; q < panel; ++q) {
        angular_slopes(space.block, slot + q, compiled.max_degree, tangent.slopes);
        component_derivatives(compiled, space, tangent, slot + q, q);
    }
    if (!linear_only) {
        const Vec* packed = tangent.radial_rows;
        for (int row = 0; row < n.radial_rows; ++row) {
            const auto& list = compiled.tangents[row / n.size % n.functions].components;
            packed = contract_row(packed, list, tangent.pair_derivatives,
                                  tangent.gradients + row * panel_width);
        }
        for (int q = 0; q < panel; ++q) {
            angular_slopes(space.block, slot + q, compiled.max_degree, tangent.slopes);
            add_explicit_part(compiled, n, space, tangent, slot + q, q, species);
        }
    }
    const Vec* packed = tangent.scalar_rows;
    for (int alpha = 0; alpha < n.scalars; ++alpha)
        packed = contract_row(packed, compiled.scalars[alpha].components, tangent.pair_derivatives,
                              tangent.gradients + (n.radial_rows + alpha) * panel_width);
    Vec* prediction = tangent.gradients + (n.rows - 1) * panel_width;
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
            const Vec* g = tangent.gradients + row * panel_width + 3 * q;
            for (int d = 0; d < 3; ++d) tangent.self[3 * row + d] += g[d];
            for (int v = 0; v < 6; ++v)
                tangent.virials[6 * row + v] -= vector[voigt[v][0]] * g[voigt[v][1]];
        }
    }
}

// Which column of the output each local row belongs to.
struct ColumnMap {
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
                          const CenterBlock& input, const ColumnMap& map, int slot,
                          const TangentRows& out) {
    const double* gradients = reinterpret_cast<const double*>(tangent.gradients);
    for (int q = 0; q < panel; ++q)
        for (int lane = 0; lane < input.count; ++lane) {
            const std::int32_t partner = space.block.partner(slot + q, lane);
            if (partner < 0) continue;
            const std::size_t neighbor =
                input.neighborhoods->neighbors[input.first_pair(lane) + partner];
            for (int d = 0; d < 3; ++d) {
                double* row = out.forces + (3 * neighbor + d) * out.stride;
                const double* g = gradients + (3 * q + d) * lanes + lane;
                map.for_each([&](int local, std::size_t column) {
                    row[column] -= g[static_cast<std::size_t>(local) * panel_width * lanes];
                });
            }
        }
}

inline void scatter_site(const TangentSpace& tangent, const CenterBlock& input,
                         const ColumnMap& map, const TangentRows& out) {
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
    const Status status = prepare(compiled, n, input, space, energy);
    if (status != Status::done) return status;
    add_energy_row(compiled, n, space, input, energy, out);

    gather_scalar_rows(compiled, space, tangent);
    if (!out.linear_only) gather_radial_rows(compiled, n, space, tangent);
    clear(tangent.self, 3 * n.rows);
    clear(tangent.virials, 6 * n.rows);
    const ColumnMap map{compiled, n, space.block.species, out.linear_only};
    for (int w = 0; w < n.species_count; ++w)
        for (int slot = space.block.segments[w]; slot < space.block.segments[w + 1];
             slot += panel) {
            if (slot % tile == 0)
                angular_functions(space.block, slot, compiled.max_degree, space.angular);
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

}  // namespace
}  // namespace mtpot::MTPOT_ISA

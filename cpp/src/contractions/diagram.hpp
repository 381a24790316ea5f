// A tensor contraction drawn as a graph: the generator's only kind of object.
//
// A node is one factor M_{mu,nu}. A bond of multiplicity m between two nodes contracts m pairs
// of indices. The legs (a, b, c) of a node are its remaining indices, fixed to x, y and z; they
// are symmetric within a node, so that nu = a + b + c + the node's bonds.
//   one node, legs (a, b, c)         the basic moment (mu; a,b,c)
//   connected nodes without legs     a scalar
//   anything else                    one component of a partially contracted tensor
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace mtpot::generator {

constexpr int highest_level = 32;

// k connected nodes need k - 1 bonds, so that 2 k + 2 (k - 1) <= highest_level.
constexpr int most_nodes = (highest_level + 2) / 4;

using Exponents = std::array<std::uint8_t, 3>;

struct DiagramNode {
    std::uint8_t mu = 0;
    Exponents legs{};
    auto operator<=>(const DiagramNode&) const = default;
};

// Entries beyond `size` nodes are zero, so that equal diagrams are equal bytes.
struct Diagram {
    std::uint8_t size = 0;
    std::array<DiagramNode, most_nodes> nodes{};
    std::array<std::uint8_t, most_nodes*(most_nodes - 1) / 2> bonds{};  // row by row, j < i

    std::uint8_t& bond(int i, int j) { return bonds[slot(i, j)]; }
    int bond(int i, int j) const { return bonds[slot(i, j)]; }
    int degree(int i) const;  // bonds of node i, legs not counted
    int level() const;        // sum over nodes (2 + 4 mu) + 2 * bonds + legs
    void append(DiagramNode node) { nodes[size++] = node; }
    auto operator<=>(const Diagram&) const = default;

private:
    static std::size_t slot(int i, int j) {
        return static_cast<std::size_t>(i > j ? i * (i - 1) / 2 + j : j * (j - 1) / 2 + i);
    }
};

struct DiagramHash {
    std::size_t operator()(const Diagram& diagram) const;
};

// The same for all numberings of the nodes.
Diagram canonical(const Diagram& diagram);

// The nodes in `mask` and the bonds among them, in their order.
Diagram induced(const Diagram& diagram, unsigned mask);

}  // namespace mtpot::generator

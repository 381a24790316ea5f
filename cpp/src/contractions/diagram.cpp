#include "contractions/diagram.hpp"

#include <algorithm>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mtpot::generator {

static_assert(std::has_unique_object_representations_v<Diagram>, "hashed and compared as bytes");

int Diagram::degree(int i) const {
    int sum = 0;
    for (int j = 0; j < size; ++j) sum += i == j ? 0 : bond(i, j);
    return sum;
}

int Diagram::level() const {
    int sum = 0;
    for (int i = 0; i < size; ++i) {
        const auto& [mu, legs] = nodes[i];
        sum += 2 + 4 * mu + legs[0] + legs[1] + legs[2] + degree(i);
    }
    return sum;
}

std::size_t DiagramHash::operator()(const Diagram& diagram) const {
    const char* bytes = reinterpret_cast<const char*>(&diagram);
    return std::hash<std::string_view>{}({bytes, sizeof(Diagram)});
}

namespace {

// Insertion sort of the first few; g++ 12 warns of std::sort on arrays shorter than its threshold.
template <class Array>
void sort_first(Array& items, int count) {
    for (int i = 1; i < count; ++i)
        for (int j = i; j > 0 && items[j] < items[j - 1]; --j) std::swap(items[j], items[j - 1]);
}

using Order = std::array<int, most_nodes>;

// What a node looks like whatever the numbering: itself and its sorted bonds.
struct Signature {
    DiagramNode node;
    std::array<std::uint8_t, most_nodes> bonds{};
    auto operator<=>(const Signature&) const = default;
};

Signature signature(const Diagram& diagram, int i) {
    Signature result{.node = diagram.nodes[i]};
    for (int j = 0; j < diagram.size; ++j)
        if (j != i) result.bonds[j] = static_cast<std::uint8_t>(diagram.bond(i, j));
    sort_first(result.bonds, diagram.size);
    return result;
}

Diagram permuted(const Diagram& diagram, const Order& order) {
    Diagram result;
    for (int i = 0; i < diagram.size; ++i) {
        result.append(diagram.nodes[order[i]]);
        for (int j = 0; j < i; ++j)
            result.bond(i, j) = static_cast<std::uint8_t>(diagram.bond(order[i], order[j]));
    }
    return result;
}

// The least diagram over all orders that sort the signatures.
class Canonizer {
public:
    explicit Canonizer(const Diagram& diagram) : diagram_(diagram) {
        std::array<std::pair<Signature, int>, most_nodes> sorted;
        for (int i = 0; i < diagram.size; ++i) sorted[i] = {signature(diagram, i), i};
        sort_first(sorted, diagram.size);
        for (int i = 0; i < diagram.size; ++i) {
            order_[i] = sorted[i].second;
            const bool tied = i > 0 && sorted[i].first == sorted[i - 1].first;
            first_of_tie_[i] = tied ? first_of_tie_[i - 1] : i;
        }
    }

    Diagram least() {
        best_ = permuted(diagram_, order_);
        if (has_ties()) permute_from(0);
        return best_;
    }

private:
    bool has_ties() const {
        for (int i = 0; i < diagram_.size; ++i)
            if (first_of_tie_[i] != i) return true;
        return false;
    }

    void permute_from(int position) {
        if (position == diagram_.size) {
            best_ = std::min(best_, permuted(diagram_, order_));
            return;
        }
        const int tie = first_of_tie_[position];
        for (int i = position; i < diagram_.size && first_of_tie_[i] == tie; ++i) {
            std::swap(order_[position], order_[i]);
            permute_from(position + 1);
            std::swap(order_[position], order_[i]);
        }
    }

    const Diagram& diagram_;
    Order order_{};
    Order first_of_tie_{};
    Diagram best_;
};

}  // namespace

Diagram canonical(const Diagram& diagram) {
    return Canonizer(diagram).least();
}

Diagram induced(const Diagram& diagram, unsigned mask) {
    Order kept{};
    Diagram result;
    for (int i = 0; i < diagram.size; ++i) {
        if (!(mask >> i & 1U)) continue;
        const int row = result.size;
        kept[row] = i;
        result.append(diagram.nodes[i]);
        for (int j = 0; j < row; ++j)
            result.bond(row, j) = static_cast<std::uint8_t>(diagram.bond(i, kept[j]));
    }
    return result;
}

}  // namespace mtpot::generator

#include "contractions/multigraphs.hpp"

#include <algorithm>
#include <tuple>
#include <unordered_set>
#include <utility>

namespace mtpot::generator {
namespace {

// Connected graphs, each grown from a smaller one by a bond or by a node that hangs on one bond.
// All are reached: taking away a bond of a cycle, or else a leaf, leaves a connected graph
// within the same caps.
class ConnectedGraphs {
public:
    explicit ConnectedGraphs(const LevelRule& rule) : rule_(rule) {
        for (int mu = 0; mu <= rule.max_mu && 2 + 4 * mu <= rule.level; ++mu) {
            Diagram single;
            single.append(node(mu));
            keep(single);
        }
        for (std::size_t i = 0; i < found_.size(); ++i) {
            const Diagram graph = found_[i];  // a copy: the list grows
            add_bonds(graph);
            if (graph.size < std::min(rule.max_factors, most_nodes)) add_nodes(graph);
        }
    }

    std::vector<Diagram> sorted() {
        std::sort(found_.begin(), found_.end(), [](const Diagram& a, const Diagram& b) {
            return std::tuple(a.level(), a) < std::tuple(b.level(), b);
        });
        return std::move(found_);
    }

private:
    static DiagramNode node(int mu) { return {static_cast<std::uint8_t>(mu), {}}; }

    void add_bonds(const Diagram& graph) {
        for (int i = 0; i < graph.size; ++i)
            for (int j = 0; j < i; ++j) keep_with_bond(graph, i, j);
    }

    void add_nodes(const Diagram& graph) {
        for (int mu = 0; mu <= rule_.max_mu && graph.level() + 4 + 4 * mu <= rule_.level; ++mu) {
            Diagram larger = graph;
            larger.append(node(mu));
            for (int i = 0; i < graph.size; ++i) keep_with_bond(larger, i, graph.size);
        }
    }

    void keep_with_bond(Diagram graph, int i, int j) {
        ++graph.bond(i, j);
        if (std::max(graph.degree(i), graph.degree(j)) <= rule_.max_nu) keep(graph);
    }

    void keep(const Diagram& graph) {
        if (graph.level() > rule_.level) return;
        const Diagram key = canonical(graph);
        if (known_.insert(key).second) found_.push_back(key);
    }

    LevelRule rule_;
    std::unordered_set<Diagram, DiagramHash> known_;
    std::vector<Diagram> found_;
};

// Multisets of connected graphs, within the level and the number of factors that remain.
class Multisets {
public:
    Multisets(const std::vector<Diagram>& connected, const LevelRule& rule)
        : connected_(connected) {
        extend(0, rule.level, rule.max_factors);
    }

    std::vector<std::vector<int>> sorted() {
        std::sort(found_.begin(), found_.end());
        std::vector<std::vector<int>> result;
        for (auto& [level, factors, members] : found_) result.push_back(std::move(members));
        return result;
    }

private:
    void extend(std::size_t first, int level, int factors) {
        for (std::size_t i = first; i < connected_.size(); ++i) {
            const Diagram& graph = connected_[i];
            if (graph.level() > level) return;  // they are sorted by level
            if (graph.size > factors) continue;
            members_.push_back(static_cast<int>(i));
            level_ += graph.level();
            factors_ += graph.size;
            found_.emplace_back(level_, factors_, members_);
            extend(i, level - graph.level(), factors - graph.size);
            level_ -= graph.level();
            factors_ -= graph.size;
            members_.pop_back();
        }
    }

    const std::vector<Diagram>& connected_;
    std::vector<int> members_;
    int level_ = 0;
    int factors_ = 0;
    std::vector<std::tuple<int, int, std::vector<int>>> found_;
};

}  // namespace

Multigraphs::Multigraphs(const LevelRule& rule)
    : connected(ConnectedGraphs(rule).sorted()), scalars(Multisets(connected, rule).sorted()) {}

}  // namespace mtpot::generator

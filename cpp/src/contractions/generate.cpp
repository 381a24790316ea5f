#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

#include "contractions/multigraphs.hpp"
#include "contractions/schedule.hpp"
#include "mtpot/contractions.hpp"
#include "mtpot/error.hpp"

namespace mtpot {
namespace {

using namespace generator;

void check_rule(const LevelRule& rule) {
    require(rule.level >= 2 && rule.level <= highest_level && rule.level % 2 == 0,
            "level " + std::to_string(rule.level) + " is not an even number from 2 to " +
                std::to_string(highest_level));
    require(rule.max_factors >= 1, "max_factors must be at least 1");
    require(rule.max_mu >= 0, "max_mu must not be negative");
    require(rule.max_nu >= 0, "max_nu must not be negative");
}

// All components of each M_{mu,nu} that occurs, by mu, then nu, then powers of x and y downwards.
std::vector<BasicMoment> basic_moments(const std::vector<Diagram>& graphs) {
    std::set<std::pair<int, int>> tensors;
    for (const Diagram& graph : graphs)
        for (int i = 0; i < graph.size; ++i) tensors.emplace(graph.nodes[i].mu, graph.degree(i));
    std::vector<BasicMoment> basics;
    for (const auto& [mu, nu] : tensors)
        for (int a = nu; a >= 0; --a)
            for (int b = nu - a; b >= 0; --b) basics.push_back({mu, a, b, nu - a - b});
    return basics;
}

// Numbers the moments and writes the lists.
class Assembly {
public:
    explicit Assembly(const Multigraphs& graphs) {
        result_.basics = basic_moments(graphs.connected);
        result_.moment_count = static_cast<int>(result_.basics.size());
        for (const std::vector<int>& members : graphs.scalars) add_scalar(graphs, members);
    }

    Contractions take() { return std::move(result_); }

private:
    // A disconnected scalar is one that stands before it, times a connected one.
    void add_scalar(const Multigraphs& graphs, std::vector<int> members) {
        const std::vector<int> key = members;
        const int last = members.back();
        members.pop_back();
        int moment = 0;
        if (members.empty()) {
            moment = connected_moment(graphs.connected[last]);
        } else {
            moment = result_.moment_count++;
            add_product(scalar_moments_.at(members), scalar_moments_.at({last}), 1, moment);
        }
        scalar_moments_[key] = moment;
        result_.scalars.push_back(moment);
    }

    int connected_moment(const Diagram& graph) {
        const DiagramId id = schedule_.build(graph);
        while (steps_done_ < schedule_.steps().size()) add_step(schedule_.steps()[steps_done_++]);
        return moment_of(id);
    }

    void add_step(DiagramId id) {
        const int target = result_.moment_count++;
        moments_[id] = target;
        for (const DiagramProduct& term : schedule_.terms(id))
            add_product(moment_of(term.left), moment_of(term.right), term.multiplicity, target);
    }

    // Sums are numbered before they are read, so that a diagram met here first is a basic moment.
    int moment_of(DiagramId id) {
        const auto [entry, is_new] = moments_.try_emplace(id, 0);
        if (is_new) entry->second = basic_index(schedule_.diagram(id).nodes[0]);
        return entry->second;
    }

    int basic_index(const DiagramNode& node) const {
        const BasicMoment basic{node.mu, node.legs[0], node.legs[1], node.legs[2]};
        const auto found = std::find(result_.basics.begin(), result_.basics.end(), basic);
        return static_cast<int>(found - result_.basics.begin());
    }

    void add_product(int first, int second, int multiplier, int target) {
        const auto [left, right] = std::minmax(first, second);
        result_.products.push_back({left, right, multiplier, target});
    }

    Schedule schedule_;
    std::size_t steps_done_ = 0;
    std::unordered_map<DiagramId, int> moments_;
    std::map<std::vector<int>, int> scalar_moments_;
    Contractions result_;
};

}  // namespace

std::shared_ptr<const Contractions> generate(const LevelRule& rule) {
    using Key = std::array<int, 4>;
    static std::mutex mutex;
    static std::map<Key, std::shared_ptr<const Contractions>> cache;

    check_rule(rule);
    const std::lock_guard lock(mutex);
    auto& entry = cache[Key{rule.level, rule.max_factors, rule.max_mu, rule.max_nu}];
    if (!entry) entry = std::make_shared<const Contractions>(Assembly(Multigraphs(rule)).take());
    return entry;
}

}  // namespace mtpot

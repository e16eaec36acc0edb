#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.h"
#include "http/message.h"

namespace adyton::localchain::internal {

// The faults ordered of one node, and how often each struck. `Rule` has fault, method, skip, count
// and per_mille (neo_rpc.h, near_node.h); its faults are numbers below `kFaults`. Not thread safe.
template <typename Rule, std::size_t kFaults>
class FaultPlan {
public:
    using Fault = decltype(Rule::fault);

    explicit FaultPlan(std::uint64_t seed) : random_(seed) {}

    void order(Rule rule) { rules_.push_back({std::move(rule), 0, 0}); }
    void clear() { rules_.clear(); }
    // Rules that may still strike.
    std::size_t waiting() const { return rules_.size(); }
    // What strikes this call, if anything: the first rule in the order given. Every rule that the
    // call matches counts it. `applies(fault)`: whether the fault means anything for the method.
    template <typename Applies>
    std::optional<Rule> strike(std::string_view method, Applies applies) {
        std::optional<Rule> chosen;
        for (Ordered& ordered : rules_) {
            const Rule& rule = ordered.rule;
            if (!rule.method.empty() && rule.method != method) continue;
            if (!applies(rule.fault)) continue;
            if (ordered.seen++ < rule.skip || ordered.acted >= rule.count || chosen.has_value()) {
                continue;
            }
            ++ordered.acted;
            if (rule.per_mille < 1000 && random_.below(1000) >= rule.per_mille) continue;
            chosen = rule;
            ++struck_.at(static_cast<std::size_t>(rule.fault));
        }
        std::erase_if(
            rules_, [](const Ordered& ordered) { return ordered.acted >= ordered.rule.count; });
        return chosen;
    }
    std::uint64_t struck(Fault fault) const { return struck_.at(static_cast<std::size_t>(fault)); }
    base::SeededRandom& random() { return random_; }

private:
    struct Ordered {
        Rule rule;
        std::uint64_t seen = 0;
        std::uint64_t acted = 0;
    };
    base::SeededRandom random_;
    std::vector<Ordered> rules_;
    std::array<std::uint64_t, kFaults> struck_{};
};

// The rule by which one of these calls of a request is struck so; null: none.
template <typename Call, typename Fault>
auto find_strike(const std::vector<Call>& calls, Fault fault) -> decltype(&*calls.front().fault) {
    for (const Call& call : calls) {
        if (call.fault.has_value() && call.fault->fault == fault) return &*call.fault;
    }
    return nullptr;
}

// An answer whose body breaks off: the caller cannot know what became of its request.
http::Response cut_connection();
// 200 with a body that is no JSON.
http::Response garbage();
// A page of an upstream in trouble.
http::Response trouble_page(int status);

}  // namespace adyton::localchain::internal

#include "localchain/internal/fault_plan.h"

#include <utility>

namespace adyton::localchain::internal {

void FaultPlan::order(FaultRule rule) {
    rules_.push_back({std::move(rule)});
}

std::optional<FaultRule> FaultPlan::strike(std::string_view method) {
    std::optional<FaultRule> chosen;
    for (Ordered& ordered : rules_) {
        const FaultRule& rule = ordered.rule;
        if (!rule.method.empty() && rule.method != method) continue;
        if (rule.fault == NodeFault::Swallow && method != "sendrawtransaction") continue;
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

std::uint64_t FaultPlan::struck(NodeFault fault) const {
    return struck_.at(static_cast<std::size_t>(fault));
}

}  // namespace adyton::localchain::internal

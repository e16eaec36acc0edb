#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/json.h"
#include "base/result.h"
#include "localchain/internal/fault_plan.h"
#include "localchain/near_node.h"
#include "localchain/neo_rpc.h"

// What people order of a local chain's node over its own JSON-RPC (method adyton_fault).
namespace adyton::localchain::internal {

inline constexpr std::string_view kFaultMethod = "adyton_fault";

// By NodeFault and by NearFault.
inline constexpr std::array<std::string_view, kNodeFaultCount> kNodeFaultNames = {
    "lose_request", "lose_answer", "swallow",     "http_status", "rpc_error",
    "garbage",      "wrong_id",    "null_result", "delay"};
inline constexpr std::array<std::string_view, kNearFaultCount> kNearFaultNames = {
    "lose_request",    "lose_answer",         "swallow",     "double",
    "http_status",     "rpc_error",           "unknown",     "garbage",
    "wrong_id",        "null_result",         "delay",       "stale_nonce",
    "stale_state",     "shuffle_outcomes",    "bare_result", "other_hash",
    "contradict",      "contradict_receipts", "forge_ids",   "other_height",
    "contradict_state"};

// The members common to all chains.
struct FaultWish {
    bool clear = false;  // before anything else
    std::optional<std::uint32_t> lag;
    std::optional<std::int64_t> height_lie;
    std::optional<std::size_t> fault;  // its place among the names
    std::string method;
    std::uint64_t skip = 0;
    std::optional<std::uint64_t> count;  // nothing: the rule's own; 0: for ever
    std::optional<unsigned> per_mille;
    std::optional<int> http_status;
    std::optional<std::string> text;
    std::optional<base::Duration> delay;
    std::optional<std::uint32_t> blocks;
};

// `params`: the object, or an array of it alone; nothing asked for is no error. `lag_max`: of `lag`
// and of `blocks`. InvalidArgument: unknown members, unknown faults (`names` are said), values
// out of bounds.
Result<FaultWish> parse_fault_wish(
    const base::Json& params, const std::string_view* names, std::size_t names_count,
    std::uint32_t lag_max);

template <typename Rule>
Rule fault_rule(const FaultWish& wish) {
    Rule rule;
    rule.fault = static_cast<decltype(rule.fault)>(*wish.fault);
    rule.method = wish.method;
    rule.skip = wish.skip;
    if (wish.count) rule.count = *wish.count == 0 ? Rule::kForever : *wish.count;
    if (wish.per_mille) rule.per_mille = *wish.per_mille;
    if (wish.http_status) rule.http_status = *wish.http_status;
    if (wish.text) rule.text = *wish.text;
    if (wish.delay) rule.delay = *wish.delay;
    if constexpr (requires { rule.blocks; }) {
        if (wish.blocks) rule.blocks = *wish.blocks;
    }
    return rule;
}

// Carries the wish out on a node (its Core) and tells what is in force:
// {"waiting":1,"lag":0,"height_lie":0,"struck":{"lose_answer":3}}.
template <typename Rule, typename Core, std::size_t kFaults>
Result<base::Json> carry_out_fault_wish(
    Core& core, const base::Json& params, const std::array<std::string_view, kFaults>& names,
    std::uint32_t lag_max) {
    TRY(const FaultWish wish, parse_fault_wish(params, names.data(), kFaults, lag_max));
    if (wish.clear) {
        core.faults.clear();
        core.lag = 0;
        core.height_lie = 0;
    }
    if (wish.lag) core.lag = *wish.lag;
    if (wish.height_lie) core.height_lie = *wish.height_lie;
    if (wish.fault) core.faults.order(fault_rule<Rule>(wish));
    base::Json struck = base::Json::object();
    for (std::size_t i = 0; i < kFaults; ++i) {
        const auto times = core.faults.struck(static_cast<decltype(Rule::fault)>(i));
        if (times > 0) {
            struck.set(
                std::string(names[i]), base::Json::integer(static_cast<std::int64_t>(times)));
        }
    }
    base::Json out = base::Json::object();
    out.set("waiting", base::Json::integer(static_cast<std::int64_t>(core.faults.waiting())));
    out.set("lag", base::Json::integer(core.lag));
    out.set("height_lie", base::Json::integer(core.height_lie));
    out.set("struck", std::move(struck));
    return out;
}

}  // namespace adyton::localchain::internal

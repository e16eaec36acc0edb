#include "coordinator/lane_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "coordinator/internal/step_fields.h"
#include "near/intents.h"

namespace adyton::coordinator {
namespace {

using base::Json;
using Reason = std::optional<std::string>;

constexpr std::string_view kFtPrefix = "nep141:";
constexpr std::size_t kArgsBytesMax = 64 * 1024;
constexpr std::size_t kActionsMax = 20;

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

// What steps of the other lanes say beside that.
class StepReader : public StepFields {
public:
    using StepFields::StepFields;

    // Empty: not given.
    Result<std::string> optional_account(std::string_view name) const {
        TRY(const auto found, optional(name));
        if (!found || found->empty()) return std::string();
        return account(name);
    }
    // The contract of a fungible token: its account, with or without "nep141:".
    Result<std::string> token(std::string_view name) const {
        TRY(auto found, required(name));
        if (found.starts_with(kFtPrefix)) found.erase(0, kFtPrefix.size());
        if (!near::AccountId::parse(found)) return bad(name, "is no fungible token's contract");
        return found;
    }
    Result<std::string> one_of_args() const {
        if (find("args_json") != nullptr && find("args_base64") != nullptr) {
            return bad("args_json", "and args_base64 are both given");
        }
        TRY(auto found, args());
        if (found && found->size() > kArgsBytesMax) return bad("args", "are too long");
        return found.value_or("");
    }
};

Result<LaneCall> read_call(const StepReader& in, std::uint64_t gas) {
    LaneCall out;
    TRY(out.method_name, in.method_name());
    TRY(out.args, in.one_of_args());
    TRY(out.gas, in.gas_or(gas));
    TRY(out.deposit, in.deposit());
    return out;
}

// ----- funding ----------------------------------------------------------------------------------

Result<void> read_balance_check(const StepReader& in, Json& params) {
    TRY(const auto source, in.optional("source"));
    if (source && *source != "wallet" && *source != "intents") {
        return in.bad("source", "is neither wallet nor intents");
    }
    TRY(const auto token, in.optional("token"));
    const bool native = !token || token->empty() || *token == "native";
    if (native && source == "intents") return in.bad("token", "is required");
    std::string contract = "native";
    if (!native) {
        TRY(contract, in.token("token"));
    }
    TRY(const auto account, in.optional_account("account_id"));
    params.set("source", text(source.value_or("wallet")));
    params.set("token", text(contract)).set("account_id", text(account));
    return {};
}

Result<void> read_funding_kind(const StepReader& in, LaneSegment& out) {
    if (out.kind == "funding.balance_check") return read_balance_check(in, out.params);
    if (out.kind == "funding.storage_deposit") {
        TRY(auto contract, in.account("receiver_id"));
        TRY(auto account, in.optional_account("account_id"));
        out.params.set("token", text(contract)).set("account_id", text(account));
        return {};
    }
    TRY(auto amount, in.amount("amount"));
    out.params.set("amount", text(amount));
    if (out.kind == "funding.intents_deposit" || out.kind == "funding.intents_withdraw") {
        TRY(auto token, in.token("token"));
        out.params.set("token", text(token));
    }
    if (out.kind == "funding.intents_withdraw") {
        TRY(auto receiver, in.optional_account("receiver_id"));
        out.params.set("receiver_id", text(receiver));
    }
    return {};
}

// A step without kind that the planner gave to the funding lane: one call of the wallet, or a view.
Result<void> read_funding_call(const StepReader& in, bool is_view, LaneSegment& out) {
    TRY(auto receiver, in.account("receiver_id"));
    TRY(auto call, read_call(in, kFundingGas));
    out.kind = is_view ? "view" : "call";
    out.params.set("receiver_id", text(receiver));
    out.calls.push_back(std::move(call));
    return {};
}

// ----- direct user ------------------------------------------------------------------------------

bool fits(
    const DirectUserScope& scope, const std::string& user, const std::string& receiver,
    const std::string& registry, const std::vector<LaneCall>& calls) {
    if (scope.user_id != user || scope.receiver_id != receiver) return false;
    if (!registry.empty() && scope.registry_id != registry) return false;
    const std::set<std::string> allowed(scope.method_names.begin(), scope.method_names.end());
    return std::all_of(calls.begin(), calls.end(), [&](const LaneCall& call) {
        return allowed.count(call.method_name) != 0;
    });
}

Result<Reason> read_direct(
    const Json& step, const std::string& where, const CoordinatorOptions& options,
    LaneSegment& out) {
    const StepReader in(step, where);
    TRY(const auto user, in.account("user_id"));
    TRY(const auto receiver, in.account("receiver_id"));
    TRY(const auto registry, in.optional_account("registry_id"));
    const Json* const actions = in.find("actions");
    if (actions == nullptr) {
        TRY(auto call, read_call(in, kFundingGas));
        out.calls.push_back(std::move(call));
    } else {
        if (!actions->is_array() || actions->size() == 0) {
            return in.bad("actions", "is not a list");
        }
        if (actions->size() > kActionsMax) return in.bad("actions", "has more than 20 items");
        for (std::size_t i = 0; i < actions->size(); ++i) {
            const StepReader inner(actions->items()[i], fmt::format("{}.actions[{}]", where, i));
            TRY(auto call, read_call(inner, kFundingGas));
            out.calls.push_back(std::move(call));
        }
    }
    if (out.calls.size() > 1) {
        return Reason(where + " has several actions, and a scoped FunctionCall key signs one");
    }
    for (const LaneCall& call : out.calls) {
        if (call.deposit != "0") {
            return Reason(where + " attaches a deposit, which a scoped FunctionCall key cannot");
        }
    }
    const auto& scopes = options.direct_user_scopes;
    const auto scope = std::find_if(scopes.begin(), scopes.end(), [&](const auto& one) {
        return fits(one, user, receiver, registry, out.calls);
    });
    if (scope == scopes.end()) return Reason("direct-user scope is not allowed");
    Json names = Json::array();
    for (const std::string& name : scope->method_names) names.push_back(text(name));
    out.params.set("user_id", text(user)).set("registry_id", text(scope->registry_id));
    out.params.set("receiver_id", text(receiver)).set("method_names", std::move(names));
    return Reason();
}

}  // namespace

Result<LaneRequest> read_lane_steps(
    const Json& steps, const Plan& plan, std::vector<GateCall> gate_calls,
    const CoordinatorOptions& options) {
    LaneRequest out;
    std::vector<LaneSegment>& segments = out.state.segments;
    std::size_t next_call = 0;
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const StepPlan& planned = plan.steps[i];
        if (planned.lane == Lane::GateProxy) {
            CHECK(next_call < gate_calls.size());  // one for each gate step
            const bool goes_on = i > 0 && plan.steps[i - 1].lane == Lane::GateProxy;
            if (!goes_on) {
                LaneSegment batch;
                batch.lane = Lane::GateProxy;
                batch.first_step = i;
                batch.steps = 0;
                batch.kind = "gate_batch";
                batch.batch.emplace();
                segments.push_back(std::move(batch));
            }
            segments.back().batch->calls.push_back(std::move(gate_calls[next_call++]));
            ++segments.back().steps;
            continue;
        }
        const Json& step = steps.items()[i];
        const std::string where = fmt::format("steps[{}]", i);
        const StepReader in(step, where);
        LaneSegment segment;
        segment.lane = planned.lane;
        segment.first_step = i;
        TRY(const auto kind, in.optional("kind"));
        segment.kind = kind.value_or("call");
        if (planned.lane == Lane::DirectUser) {
            segment.kind = "near.function_call";
            TRY(out.reason, read_direct(step, where, options, segment));
            if (out.reason) return out;
        } else if (kind) {
            TRY_VOID(read_funding_kind(in, segment));
        } else {
            TRY_VOID(read_funding_call(in, planned.is_view, segment));
        }
        segments.push_back(std::move(segment));
    }
    return out;
}

}  // namespace adyton::coordinator

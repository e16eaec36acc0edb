#include "coordinator/planner.h"

#include <algorithm>
#include <array>
#include <map>

namespace adyton::coordinator {
namespace {

using base::Json;

constexpr std::array<std::string_view, 8> kSigningFields = {
    "private_key",
    "signer_key",
    "signer_private_key",
    "signed_tx_base64",
    "signed_delegate_base64",
    "delegate_action",
    "sign_nep366_delegate",
    "sign_near_transaction"};

Error invalid(std::string_view why) {
    return Error::invalid_argument("invalid workflow JSON: " + std::string(why));
}

Result<std::string> text_or(const Json& step, std::string_view name, std::string_view otherwise) {
    const Json* const member = step.find(name);
    if (member == nullptr) return std::string(otherwise);
    if (!member->is_string()) return invalid(std::string(name) + " is not a string");
    return member->string_value();
}

Result<std::optional<std::string>> optional_text(const Json& step, std::string_view name) {
    const Json* const member = step.find(name);
    if (member == nullptr || member->is_null()) return std::optional<std::string>();
    if (!member->is_string()) return invalid(std::string(name) + " is not a string");
    return std::optional<std::string>(member->string_value());
}

Result<std::optional<Route>> optional_route(const Json& step) {
    TRY(const auto text, optional_text(step, "route"));
    if (!text.has_value()) return std::optional<Route>();
    if (*text == "gate_proxy") return std::optional<Route>(Route::GateProxy);
    if (*text == "funding_setup") return std::optional<Route>(Route::FundingSetup);
    if (*text == "direct_user") return std::optional<Route>(Route::DirectUser);
    return invalid("route is none of gate_proxy, funding_setup, direct_user");
}

Result<WorkflowStep> parse_step(const Json& json) {
    if (!json.is_object()) return invalid("a step is not an object");
    WorkflowStep out;
    TRY(out.kind, optional_text(json, "kind"));
    TRY(out.receiver_id, text_or(json, "receiver_id", ""));
    TRY(out.method_name, text_or(json, "method_name", ""));
    TRY(out.deposit, text_or(json, "deposit", "0"));
    const Json* const near_intents = json.find("near_intents");
    out.has_near_intents = near_intents != nullptr && !near_intents->is_null();
    TRY(out.predecessor_requirement, optional_text(json, "predecessor_requirement"));
    if (const Json* const flag = json.find("requires_user_predecessor")) {
        if (!flag->is_boolean()) return invalid("requires_user_predecessor is not true or false");
        out.requires_user_predecessor = flag->boolean_value();
    }
    TRY(out.route, optional_route(json));
    TRY(out.gate_batch, optional_text(json, "gate_batch"));
    return out;
}

Result<void> check_no_signing_fields_at(const Json& json, const std::string& path) {
    if (json.is_array()) {
        for (std::size_t i = 0; i < json.size(); ++i) {
            TRY_VOID(
                check_no_signing_fields_at(json.items()[i], path + "[" + std::to_string(i) + "]"));
        }
    }
    if (!json.is_object()) return {};
    for (const auto& [name, member] : json.members()) {
        const auto* const found =
            std::find(kSigningFields.begin(), kSigningFields.end(), std::string_view(name));
        if (found != kSigningFields.end()) {
            return Error::invalid_argument(
                "wallet workflow must not include raw signing field " + name + " at " + path);
        }
        TRY_VOID(check_no_signing_fields_at(member, path + "." + name));
    }
    return {};
}

class Planner {
public:
    explicit Planner(const PlannerOptions& options) : options_(options) {}

    StepPlan plan(const WorkflowStep& step) const {
        return step.kind.has_value() ? plan_kind(step, *step.kind) : plan_call(step);
    }

private:
    static StepPlan lane(Lane lane, std::string receiver_id, std::string method_name) {
        return StepPlan{lane, std::move(receiver_id), std::move(method_name), false, {}};
    }
    static StepPlan as_given(Lane given_lane, const WorkflowStep& step) {
        return lane(given_lane, step.receiver_id, step.method_name);
    }
    static StepPlan reject(StepPlan step, std::string reason) {
        step.lane = Lane::Reject;
        step.reason = std::move(reason);
        return step;
    }

    StepPlan plan_kind(const WorkflowStep& step, const std::string& kind) const {
        if (kind == "intents.transfer" || kind == "intents.swap" || kind == "intents.execute_raw") {
            auto out = lane(Lane::GateProxy, options_.intents_contract_id, "execute_intents");
            if (step.deposit == "0") return out;
            return reject(
                std::move(out),
                "Intents workflow steps routed through the gate must attach zero deposit");
        }
        if (kind == "near.function_call") {
            if (step.predecessor_requirement == "user_required" || step.requires_user_predecessor) {
                return as_given(Lane::DirectUser, step);
            }
            return reject(
                as_given(Lane::Reject, step),
                "near.function_call must declare predecessor_requirement user_required");
        }
        return plan_funding(step, kind);
    }

    StepPlan plan_funding(const WorkflowStep& step, const std::string& kind) const {
        const auto receiver_or = [&step](const char* otherwise) {
            return step.receiver_id.empty() ? otherwise : step.receiver_id;
        };
        if (kind == "funding.wrap_near") {
            return lane(Lane::FundingSetup, options_.wrap_contract_id, "near_deposit");
        }
        if (kind == "funding.intents_deposit") {
            return lane(Lane::FundingSetup, options_.intents_contract_id, "ft_transfer_call");
        }
        if (options_.more_funding_kinds && kind == "funding.unwrap_near") {
            return lane(Lane::FundingSetup, options_.wrap_contract_id, "near_withdraw");
        }
        if (options_.more_funding_kinds && kind == "funding.intents_withdraw") {
            return lane(Lane::FundingSetup, options_.intents_contract_id, "ft_withdraw");
        }
        if (kind == "funding.balance_check") {
            auto out = lane(Lane::FundingSetup, receiver_or("balance"), "balance_check");
            out.is_view = true;
            return out;
        }
        if (kind == "funding.storage_deposit") {
            return lane(Lane::FundingSetup, receiver_or("storage"), "storage_deposit");
        }
        return reject(as_given(Lane::Reject, step), "unsupported workflow step kind");
    }

    StepPlan plan_call(const WorkflowStep& step) const {
        const std::string& method = step.method_name;
        if (step.has_near_intents) {
            const bool plain = step.receiver_id == options_.intents_contract_id &&
                               method == "execute_intents" && step.deposit == "0";
            if (plain) return as_given(Lane::GateProxy, step);
            return reject(
                as_given(Lane::Reject, step),
                "near_intents payloads require intents.near.execute_intents with zero deposit");
        }
        if (step.route == Route::GateProxy) {
            if (!step.requires_user_predecessor) return as_given(Lane::GateProxy, step);
            return reject(
                as_given(Lane::Reject, step),
                "gate_proxy cannot satisfy requires_user_predecessor");
        }
        const bool looks = method == "storage_balance_of" || method == "ft_balance_of";
        const bool wraps =
            step.receiver_id == options_.wrap_contract_id && method == "near_deposit";
        if (step.route == Route::FundingSetup || wraps || looks || method == "storage_deposit") {
            auto out = as_given(Lane::FundingSetup, step);
            out.is_view = looks;
            return out;
        }
        if (step.requires_user_predecessor || step.route == Route::DirectUser) {
            return as_given(Lane::DirectUser, step);
        }
        return reject(
            as_given(Lane::Reject, step),
            "ambiguous normal calls must be classified before policy checks or signing");
    }

    const PlannerOptions& options_;
};

// A batch that the gate would carry out must hold nothing that needs the user as predecessor.
void reject_mixed_batches(const std::vector<WorkflowStep>& steps, std::vector<StepPlan>& plans) {
    struct Group {
        bool has_gate = false;
        bool needs_user = false;
    };
    std::map<std::string, Group> groups;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (!steps[i].gate_batch.has_value()) continue;
        Group& group = groups[*steps[i].gate_batch];
        if (plans[i].lane == Lane::GateProxy) group.has_gate = true;
        if (plans[i].lane == Lane::DirectUser || steps[i].requires_user_predecessor) {
            group.needs_user = true;
        }
    }
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (!steps[i].gate_batch.has_value()) continue;
        const Group& group = groups[*steps[i].gate_batch];
        if (!group.has_gate || !group.needs_user) continue;
        plans[i].lane = Lane::Reject;
        plans[i].reason = "gate batch mixes proxy-safe and predecessor-sensitive steps";
    }
}

struct LaneWords {
    std::string_view lane;
    std::string_view predecessor_model;
    std::string_view ordering_model;
    std::string_view policy_type;
};

LaneWords words_of(const StepPlan& step) {
    switch (step.lane) {
        case Lane::GateProxy:
            return {"gate_proxy", "gate", "gate_chained", "call"};
        case Lane::FundingSetup:
            return {
                "funding_setup", step.is_view ? "view" : "wallet", "normal_tx_or_view", "setup"};
        case Lane::DirectUser:
            return {"direct_user", "user", "single_tx_atomic", "direct_user"};
        case Lane::Reject:
            break;
    }
    return {"reject", "none", "none", "reject"};
}

PlanOutcome rejected(std::string error) {
    return PlanOutcome{PlanOutcome::Status::Rejected, "none", "none", std::move(error)};
}

}  // namespace

Result<std::vector<WorkflowStep>> parse_workflow(const Json& request) {
    if (!request.is_object()) return invalid("not an object");
    const Json* const steps = request.find("steps");
    if (steps == nullptr || !steps->is_array()) return invalid("steps is not a list");
    if (steps->size() == 0) return invalid("steps is empty");
    if (steps->size() > kWorkflowStepsMax) return invalid("more than 32 steps");
    std::vector<WorkflowStep> out;
    for (const Json& each : steps->items()) {
        TRY(auto step, parse_step(each));
        out.push_back(std::move(step));
    }
    return out;
}

Result<void> check_no_signing_fields(const Json& request) {
    return check_no_signing_fields_at(request, "$");
}

Plan plan_workflow(const std::vector<WorkflowStep>& steps, const PlannerOptions& options) {
    const Planner planner(options);
    Plan out;
    for (const WorkflowStep& step : steps) out.steps.push_back(planner.plan(step));
    reject_mixed_batches(steps, out.steps);
    out.accepted = std::none_of(out.steps.begin(), out.steps.end(), [](const StepPlan& step) {
        return step.lane == Lane::Reject;
    });
    return out;
}

Json to_json(const Plan& plan) {
    const auto text = [](std::string_view value) { return Json::string(std::string(value)); };
    Json steps = Json::array();
    for (const StepPlan& step : plan.steps) {
        const LaneWords words = words_of(step);
        Json row = Json::object();
        row.set("lane", text(words.lane));
        row.set("predecessor_model", text(words.predecessor_model));
        row.set("ordering_model", text(words.ordering_model));
        row.set("receiver_id", text(step.receiver_id));
        row.set("method_name", text(step.method_name));
        row.set("policy_type", text(words.policy_type));
        if (!step.reason.empty()) row.set("reason", text(step.reason));
        steps.push_back(std::move(row));
    }
    return Json::object()
        .set("accepted", Json::boolean(plan.accepted))
        .set("steps", std::move(steps));
}

bool has_other_lanes(const Plan& plan) {
    return std::any_of(plan.steps.begin(), plan.steps.end(), [](const StepPlan& step) {
        return step.lane == Lane::FundingSetup || step.lane == Lane::DirectUser;
    });
}

PlanOutcome outcome_of(const Plan& plan, const LaneSwitches& switches) {
    std::size_t gate_steps = 0;
    std::size_t unbroken = 0;  // gate steps
    std::size_t longest = 0;
    bool any_direct = false;
    bool any_funding = false;
    for (const StepPlan& step : plan.steps) {
        if (step.lane == Lane::Reject) return rejected(step.reason);
        const bool gate = step.lane == Lane::GateProxy;
        gate_steps += gate ? 1U : 0U;
        unbroken = gate ? unbroken + 1 : 0;
        longest = std::max(longest, unbroken);
        any_direct = any_direct || step.lane == Lane::DirectUser;
        any_funding = any_funding || step.lane == Lane::FundingSetup;
    }
    using Status = PlanOutcome::Status;
    if (any_direct && !switches.direct_user) {
        return {Status::RequiresDirectUserSetup, "user", "single_tx_atomic", {}};
    }
    if (any_funding && !switches.funding) {
        return {Status::RequiresFundingSetup, "wallet", "normal_tx_or_view", {}};
    }
    const bool other = any_direct || any_funding;
    if (gate_steps == 0 && !other) {
        return rejected("workflow contains no executable gate_proxy steps");
    }
    if (longest > switches.gate_calls_max) {
        return rejected(
            "gate batch supports at most " + std::to_string(switches.gate_calls_max) + " calls");
    }
    if (!other) return {Status::Executable, "gate", "gate_chained", {}};
    const LaneWords words = words_of(plan.steps.front());
    return {
        Status::Executable,
        std::string(words.predecessor_model),
        std::string(words.ordering_model),
        {}};
}

std::string_view to_string(PlanOutcome::Status status) {
    switch (status) {
        case PlanOutcome::Status::Executable:
            return "executable";
        case PlanOutcome::Status::RequiresFundingSetup:
            return "requires_funding_setup";
        case PlanOutcome::Status::RequiresDirectUserSetup:
            return "requires_direct_user_setup";
        case PlanOutcome::Status::Rejected:
            break;
    }
    return "rejected";
}

}  // namespace adyton::coordinator

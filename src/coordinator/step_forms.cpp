#include <fmt/format.h>

#include <initializer_list>

#include "coordinator/internal/step_fields.h"
#include "coordinator/request.h"
#include "near/amounts.h"

// The forms of steps (near.md 6.4), before the planner and whatever lane is on: who plans a
// workflow first learns there what execute would refuse.
namespace adyton::coordinator {
namespace {

using base::Json;

using Names = std::initializer_list<std::string_view>;

// Every check is of what is given alone.
class GivenFields : public StepFields {
public:
    using StepFields::StepFields;

    Result<void> texts(Names names) const {
        for (const std::string_view name : names) {
            TRY_VOID(optional(name));
        }
        return {};
    }
    // An empty one is none.
    Result<void> accounts(Names names) const {
        for (const std::string_view name : names) {
            TRY(const auto found, optional(name));
            if (found && !found->empty()) {
                TRY_VOID(account(name));
            }
        }
        return {};
    }
    Result<void> amounts(Names names) const {
        for (const std::string_view name : names) {
            if (find(name) != nullptr) {
                TRY_VOID(amount(name));
            }
        }
        return {};
    }
    Result<void> list(std::string_view name) const {
        const Json* const found = find(name);
        if (found == nullptr || found->is_array()) return {};
        return bad_type(name, "is not a list");
    }
    Result<void> gas_and_deposit() const {
        TRY_VOID(deposit());
        TRY(const auto found, gas());
        if (found && *found == 0) return bad("gas", "must be non-zero");
        return {};
    }
    // method_name, gas, deposit and the arguments.
    Result<void> call() const {
        TRY(const auto method, optional("method_name"));
        if (method && !method->empty()) {
            TRY_VOID(method_name());
        }
        TRY_VOID(args());
        return gas_and_deposit();
    }
};

Result<void> check_intents(const GivenFields& in) {
    TRY_VOID(in.texts({"signer_id", "deadline", "token", "memo"}));
    TRY_VOID(in.accounts({"receiver_id"}));
    TRY_VOID(in.amounts({"amount"}));
    return in.list("intents");
}

// Those of a call, and of intents.execute_raw.
Result<void> check_near_intents(const GivenFields& in) {
    const Json* const found = in.find("near_intents");
    if (found == nullptr) return {};
    if (!found->is_object()) return in.bad_type("near_intents", "is not an object");
    return check_intents(GivenFields(*found, in.where() + ".near_intents"));
}

Result<void> check_intents_kind(const GivenFields& in, std::string_view kind) {
    TRY_VOID(in.gas_and_deposit());
    if (kind == "intents.swap") {
        TRY_VOID(in.texts({"token_in", "token_out"}));
        TRY_VOID(in.accounts({"deposit_address"}));
        TRY_VOID(in.amounts({"amount_in", "min_amount_out"}));
        return in.list("counterparty_signed");
    }
    if (kind == "intents.execute_raw") {
        TRY_VOID(check_near_intents(in));
    }
    return check_intents(in);
}

Result<void> check_user_call(const GivenFields& in) {
    TRY_VOID(in.call());
    TRY_VOID(in.gas_or(1));
    return {};
}

Result<void> check_function_call(const GivenFields& in) {
    TRY_VOID(in.accounts({"user_id", "registry_id", "receiver_id"}));
    TRY_VOID(check_user_call(in));
    TRY_VOID(in.list("actions"));
    const Json* const actions = in.find("actions");
    if (actions == nullptr) return {};
    if (actions->size() == 0) return in.bad("actions", "is empty");
    for (std::size_t i = 0; i < actions->size(); ++i) {
        const GivenFields action(actions->items()[i], fmt::format("{}.actions[{}]", in.where(), i));
        if (!actions->items()[i].is_object()) {
            return in.bad_type(fmt::format("actions[{}]", i), "is not an object");
        }
        TRY_VOID(action.method_name());
        TRY_VOID(check_user_call(action));
    }
    return {};
}

Result<void> check_step(const GivenFields& in) {
    TRY(const auto kind, in.optional("kind"));
    if (!kind) {
        TRY_VOID(in.accounts({"receiver_id"}));
        TRY_VOID(in.call());
        return check_near_intents(in);
    }
    if (*kind == "near.function_call") return check_function_call(in);
    if (kind->starts_with("intents.")) return check_intents_kind(in, *kind);
    if (!kind->starts_with("funding.")) return {};
    TRY_VOID(in.texts({"token", "source"}));
    TRY_VOID(in.amounts({"amount"}));
    return in.accounts({"receiver_id", "account_id"});
}

}  // namespace

Result<void> check_step_forms(const Json& request) {
    const Json& steps = *request.find("steps");
    for (std::size_t i = 0; i < steps.size(); ++i) {
        TRY_VOID(check_step(GivenFields(steps.items()[i], fmt::format("steps[{}]", i))));
    }
    return {};
}

}  // namespace adyton::coordinator

#include "coordinator/request.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "coordinator/internal/step_fields.h"
#include "coordinator/lane_request.h"
#include "near/compact_json.h"
#include "near/delegate.h"
#include "near/intents.h"

namespace adyton::coordinator {
namespace {

using base::Json;

constexpr base::Duration kOwnDeadlineMax = std::chrono::hours(1);
constexpr std::size_t kArgsBytesMax = 256 * 1024;

Error invalid(std::string_view why) {
    return Error::invalid_argument(std::string(kInvalidJson) + std::string(why));
}

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

// Why a request is kept and not carried out; nothing: it is fine so far.
using Reason = std::optional<std::string>;

// What steps of the gate say beside that.
class Fields : public StepFields {
public:
    using StepFields::StepFields;

    Result<std::string> token(std::string_view name) const {
        TRY(auto found, required(name));
        if (!near::TokenId::parse(found)) {
            return bad(name, "is not nep141:CONTRACT, nep171:CONTRACT:ID or nep245:CONTRACT:ID");
        }
        return found;
    }
};

// ----- what the policy is asked (near.md 5.4) -------------------------------------------------

Json movement_action(
    std::string_view type, const near::IntentMovement& movement, const GateCall& call) {
    Json out = Json::object();
    out.set("type", text(type));
    if (movement.to) out.set("to", text(movement.to->text()));
    out.set("token", text(movement.token));
    out.set("amount", text(movement.amount.to_string()));
    out.set("receiver_id", text(movement.to ? movement.to->text() : call.receiver_id));
    out.set("method_name", text(call.method_name));
    return out;
}

Json swap_action(const near::IntentMovement& out_of, const near::IntentFacts& facts) {
    Json out = Json::object();
    out.set("type", text("intents_swap"));
    out.set("token", text(out_of.token));
    out.set("token_in", text(out_of.token));
    out.set("amount", text(out_of.amount.to_string()));
    const bool gains = !facts.inflows.empty();
    out.set("token_out", text(gains ? facts.inflows.front().token.text() : out_of.token));
    out.set("min_amount_out", text(gains ? facts.inflows.front().amount.to_string() : "0"));
    return out;
}

// One action for each thing that leaves the wallet, or why the intents are not carried out.
Result<Reason> add_intent_actions(GateCall& call, const CoordinatorOptions& options) {
    // Whose intents they are does not matter for what leaves; the keystore decides on the message.
    TRY(const auto nobody, near::AccountId::parse(std::string(64, '0')));
    call.actions.push_back(call_action(
        "call", call.receiver_id, call.method_name, call.deposit, call.raw_args.value_or("")));
    for (std::size_t i = 0; i < call.intents.size(); ++i) {
        const near::Intent intent = near::parse_intent(call.intents.items()[i]);
        const near::IntentFacts facts = near::facts_of(intent, nobody, options.wrap_contract);
        const std::string place = fmt::format("near_intents.intents[{}]", i);
        if (!facts.understood) return Reason(place + " is not understood: " + facts.reason);
        const bool calls_others = facts.kind == near::AuthCallIntent::kName;
        if ((facts.changes_authority || calls_others) && !options.allow_authority_intents) {
            return Reason(fmt::format("{} {} is not allowed", place, facts.kind));
        }
        for (const near::IntentMovement& movement : facts.outflows) {
            const bool swaps = facts.kind == near::TokenDiffIntent::kName;
            if (swaps) {
                call.actions.push_back(swap_action(movement, facts));
            } else {
                call.actions.push_back(movement_action(
                    movement.leaves_contract ? "intents_withdraw" : "intents_transfer", movement,
                    call));
            }
        }
    }
    return Reason();
}

// ----- intents ----------------------------------------------------------------------------------

Json transfer_intent(
    const std::string& receiver, const std::string& token, const std::string& amount,
    const std::optional<std::string>& memo) {
    Json out = Json::object();
    out.set("intent", text("transfer"));
    out.set("receiver_id", text(receiver));
    out.set("tokens", Json::object().set(token, text(amount)));
    if (memo) out.set("memo", text(*memo));
    return out;
}

Result<Json> short_form(const Json& json, const std::string& where) {
    const Fields fields(json, where);
    TRY(const auto kind, fields.required("kind"));
    if (kind != "transfer") return fields.bad("kind", "is not transfer");
    TRY(const auto receiver, fields.account("receiver_id"));
    TRY(const auto token, fields.token("token"));
    TRY(const auto amount, fields.amount("amount"));
    TRY(const auto memo, fields.optional("memo"));
    Json list = Json::array();
    list.push_back(transfer_intent(receiver, token, amount, memo));
    return list;
}

// {"signer_id","deadline","intents":[..]}, or the short form of one transfer.
Result<Reason> read_near_intents(
    const Json& json, const std::string& where, base::Timestamp now, GateCall& call) {
    if (!json.is_object()) return invalid(where + " is not an object");
    const Fields fields(json, where);
    TRY(call.own_signer, fields.optional("signer_id"));
    TRY(call.own_deadline, fields.optional("deadline"));
    if (call.own_deadline) {
        const auto deadline = base::parse_rfc3339(*call.own_deadline);
        if (!deadline) return fields.bad("deadline", "is not a time of RFC 3339");
        if (*deadline <= now) return Reason(where + ".deadline has passed");
        if (*deadline > now + kOwnDeadlineMax) {
            return Reason(where + ".deadline is more than 1 h ahead");
        }
    }
    const Json* const list = fields.find("intents");
    if (list == nullptr) {
        TRY(call.intents, short_form(json, where));
        return Reason();
    }
    if (!list->is_array()) return fields.bad_type("intents", "is not a list");
    if (list->size() == 0) return fields.bad("intents", "is empty");
    if (list->size() > 100) return fields.bad("intents", "has more than 100 items");
    call.intents = *list;
    return Reason();
}

Result<Reason> read_swap(const Fields& fields, GateCall& call) {
    TRY(const auto token_in, fields.token("token_in"));
    TRY(const auto token_out, fields.token("token_out"));
    TRY(const auto amount_in, fields.amount("amount_in"));
    TRY(const auto address, fields.optional("deposit_address"));
    const Json* const theirs = fields.find("counterparty_signed");
    call.intents = Json::array();
    if (theirs != nullptr) {
        if (!theirs->is_array() || theirs->size() == 0) {
            return fields.bad("counterparty_signed", "is not a list of signed payloads");
        }
        for (const Json& payload : theirs->items()) {
            if (!near::parse_multi_payload(payload)) {
                return fields.bad(
                    "counterparty_signed", "holds something else than a MultiPayload");
            }
        }
        TRY(const auto amount_out, fields.amount("min_amount_out"));
        if (token_in == token_out) return fields.bad("token_out", "is the same as token_in");
        Json diff = Json::object();
        diff.set(token_in, text("-" + amount_in)).set(token_out, text(amount_out));
        call.intents.push_back(
            Json::object().set("intent", text("token_diff")).set("diff", std::move(diff)));
        call.counterparties = *theirs;
        return Reason();
    }
    if (address && !address->empty()) {
        if (!near::AccountId::parse(*address)) {
            return fields.bad("deposit_address", "is not an account id");
        }
        call.intents.push_back(transfer_intent(*address, token_in, amount_in, std::nullopt));
        return Reason();
    }
    return Reason("intents.swap needs a quote or counterparty payloads");
}

// ----- calls ------------------------------------------------------------------------------------

Result<void> read_raw_args(const Fields& fields, GateCall& call) {
    TRY(const auto found, fields.args());
    call.raw_args = base::base64_encode(base::as_bytes(found.value_or("")));
    if (call.raw_args->size() > kArgsBytesMax) return fields.bad("args", "are too long");
    return {};
}

bool is_gate(std::string_view id, const CoordinatorOptions& options) {
    return std::any_of(
        options.gates.begin(), options.gates.end(),
        [id](const near::AccountId& gate) { return gate.text() == id; });
}

// Limits that the gate sets, and what is not the wallet's: the gate's money, and its name. A gate
// takes itself for the caller of its own methods, and may own another one.
Reason gate_reason(
    const GateCall& call, const std::string& where, const CoordinatorOptions& options) {
    if (is_gate(call.receiver_id, options)) {
        return where + ".receiver_id must not be a gate: it would be called in its own name";
    }
    if (near::Gas(call.gas) > near::inner_gas_max(options.submit_gas)) {
        return where + ".gas exceeds the gate limit";
    }
    if (call.deposit != "0" && !options.allow_gate_deposits) {
        return where + ".deposit must be zero: the gate would pay it with its own money";
    }
    return std::nullopt;
}

// About the bytes that the gate will hold: those of a raw call, or signed intents as JSON in JSON.
std::size_t argument_bytes(const GateCall& call) {
    if (call.raw_args) {
        const std::size_t end = call.raw_args->find('=');
        const std::size_t digits = end == std::string::npos ? call.raw_args->size() : end;
        return digits * 6 / 8;
    }
    constexpr std::size_t kPayloadBytes = 1'024;  // key, signature, nonce and names
    const Json message = text(near::compact_json(call.intents));
    const std::size_t theirs =
        call.counterparties.is_null() ? 0 : near::compact_json(call.counterparties).size();
    return near::compact_json(message).size() + theirs + kPayloadBytes;
}

// What long arguments cost the gate is missing where its callback needs it.
Reason argument_reason(
    const GateCall& call, const std::string& where, const CoordinatorOptions& options) {
    const std::size_t bytes = argument_bytes(call);
    if (bytes <= kArgumentBytesFree) return std::nullopt;
    const std::uint64_t cost = (bytes - kArgumentBytesFree) * kGasPerArgumentByte;
    const std::uint64_t whole = near::inner_gas_max(options.submit_gas).units();
    const std::uint64_t most = whole > cost ? whole - cost : 0;
    if (call.gas <= most) return std::nullopt;
    return fmt::format(
        "{}.gas exceeds the gate limit, which is {} with {} bytes of arguments", where, most,
        bytes);
}

// A raw call or one with near_intents, checked for its form; `where` is "calls[0]" or "steps[0]".
Result<Reason> read_call(
    const Fields& fields, const CoordinatorOptions& options, base::Timestamp now, GateCall& call) {
    TRY(call.receiver_id, fields.account("receiver_id"));
    TRY(call.method_name, fields.method_name());
    TRY(call.deposit, fields.deposit());
    Reason reason = gate_reason(call, fields.where(), options);
    if (reason) return reason;
    if (const Json* const intents = fields.find("near_intents")) {
        TRY(reason, read_near_intents(*intents, fields.where() + ".near_intents", now, call));
        if (!reason) reason = argument_reason(call, fields.where(), options);
        if (reason) return reason;
        return add_intent_actions(call, options);
    }
    TRY_VOID(read_raw_args(fields, call));
    reason = argument_reason(call, fields.where(), options);
    if (reason) return reason;
    call.actions.push_back(call_action(
        "call", call.receiver_id, call.method_name, call.deposit, call.raw_args.value_or("")));
    return Reason();
}

// One gate step of a workflow.
Result<Reason> read_step(
    const Json& step, std::size_t index, const CoordinatorOptions& options, base::Timestamp now,
    GateCall& call) {
    const Fields fields(step, fmt::format("steps[{}]", index));
    TRY(const auto gas, fields.gas());
    call.gas = gas.value_or(kGasDefault);
    if (call.gas == 0) return fields.bad("gas", "must be non-zero");
    TRY(const auto kind, fields.optional("kind"));
    if (!kind) return read_call(fields, options, now, call);
    call.receiver_id = options.intents_contract.text();
    call.method_name = "execute_intents";
    Reason reason = gate_reason(call, fields.where(), options);
    if (reason) return reason;
    if (*kind == "intents.transfer") {
        TRY(const auto receiver, fields.account("receiver_id"));
        TRY(const auto token, fields.token("token"));
        TRY(const auto amount, fields.amount("amount"));
        TRY(const auto memo, fields.optional("memo"));
        call.intents = Json::array();
        call.intents.push_back(transfer_intent(receiver, token, amount, memo));
    } else if (*kind == "intents.swap") {
        TRY(reason, read_swap(fields, call));
    } else {
        const Json* intents = fields.find("near_intents");
        const bool nested = intents != nullptr;
        TRY(reason, read_near_intents(
                        nested ? *intents : step,
                        nested ? fields.where() + ".near_intents" : fields.where(), now, call));
    }
    if (!reason) reason = argument_reason(call, fields.where(), options);
    if (reason) return reason;
    return add_intent_actions(call, options);
}

// near.md 6.4: what a near.function_call must say, whatever lane is on. The lane itself asks for
// the user, whom short steps leave out (planner.json).
Result<void> check_function_call(const Json& step, std::size_t index) {
    const Fields fields(step, fmt::format("steps[{}]", index));
    TRY_VOID(fields.account("receiver_id"));
    if (fields.find("actions") == nullptr) {
        TRY_VOID(fields.method_name());
    }
    return {};
}

void reject(PlannedRequest& out, std::string why) {
    out.outcome.plan = PlanOutcome{PlanOutcome::Status::Rejected, "none", "none", std::move(why)};
    out.outcome.calls.clear();
}

Result<void> read_calls(
    PlannedRequest& out, const Json& steps, const CoordinatorOptions& options,
    base::Timestamp now) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (out.plan.steps[i].lane != Lane::GateProxy) continue;
        GateCall call;
        TRY(auto reason, read_step(steps.items()[i], i, options, now, call));
        if (reason) {
            reject(out, *std::move(reason));
            return {};
        }
        out.outcome.calls.push_back(std::move(call));
    }
    return {};
}

// ----- sequential batches -----------------------------------------------------------------------

// The texts of near.md 6.7, in its order.
Result<Reason> read_batch_call(
    const Json& json, std::size_t index, const CoordinatorOptions& options, base::Timestamp now,
    GateCall& call) {
    const std::string where = fmt::format("calls[{}]", index);
    if (!json.is_object()) return invalid(where + " is not an object");
    const Fields fields(json, where);
    TRY(const auto receiver, fields.optional("receiver_id"));
    if (!receiver || receiver->empty()) return Reason(where + ".receiver_id is required");
    TRY(const auto method, fields.optional("method_name"));
    if (!method || method->empty()) return Reason(where + ".method_name is required");
    TRY(const auto gas, fields.gas());
    call.gas = gas.value_or(0);
    if (call.gas == 0) return Reason(where + ".gas must be non-zero");
    const Json* const user = fields.find("requires_user_predecessor");
    if (user != nullptr && !user->is_boolean()) {
        return fields.bad_type("requires_user_predecessor", "is not true or false");
    }
    if (user != nullptr && user->boolean_value()) {
        return Reason(where + " requires user predecessor, which the gate proxy cannot satisfy");
    }
    const int given = (fields.find("args_base64") != nullptr ? 1 : 0) +
                      (fields.find("args_json") != nullptr ? 1 : 0) +
                      (fields.find("near_intents") != nullptr ? 1 : 0);
    if (given != 1) {
        return Reason(
            where + " must include exactly one of args_base64, args_json, or near_intents");
    }
    TRY(const auto deposit, fields.deposit());
    const bool plain = *receiver == options.intents_contract.text() &&
                       *method == "execute_intents" && deposit == "0";
    if (fields.find("near_intents") != nullptr && !plain) {
        return Reason(
            where + ".near_intents requires intents.near.execute_intents with zero deposit");
    }
    return read_call(fields, options, now, call);
}

Result<Json> read_view_checks(const Json& body) {
    const Json* const checks = body.find("post_batch_view_checks");
    if (checks == nullptr || checks->is_null()) return Json::array();
    if (!checks->is_array()) return invalid("post_batch_view_checks is not a list");
    if (checks->size() > kViewChecksMax) {
        return invalid("post_batch_view_checks has more than 16 items");
    }
    for (std::size_t i = 0; i < checks->size(); ++i) {
        const Json& check = checks->items()[i];
        const Fields fields(check, fmt::format("post_batch_view_checks[{}]", i));
        if (!check.is_object()) return invalid(fields.where() + " is not an object");
        TRY_VOID(fields.account("contract_id"));
        TRY_VOID(fields.required("method_name"));
    }
    return *checks;
}

// A call as the step that the planner sorts: it has no kind, whatever the call says.
Json step_of(const Json& call, const std::string& gate_id) {
    Json step = Json::object();
    for (const auto& [name, value] : call.members()) {
        if (name != "kind") step.set(name, value);
    }
    step.set("route", text("gate_proxy"));
    step.set("gate_batch", text(gate_id));
    return step;
}

Result<Reason> read_batch(
    const Json& body, const CoordinatorOptions& options, base::Timestamp now, PlannedRequest& out) {
    const Fields fields(body, "$");
    TRY(out.gate_id, fields.optional("gate_id"));
    if (!out.gate_id || out.gate_id->empty()) return Reason("gate_id is required");
    const bool known = is_gate(*out.gate_id, options);
    const Json* const calls = fields.find("calls");
    if (calls != nullptr && !calls->is_array()) return invalid("calls is not a list");
    if (calls == nullptr || calls->size() == 0 || calls->size() > options.gate_calls_max) {
        return Reason(
            fmt::format("sequential batch requires 1 to {} calls", options.gate_calls_max));
    }
    if (!known) {
        return Reason("gate_id must be the configured gate " + options.gates.front().text());
    }
    Json steps = Json::array();
    for (std::size_t i = 0; i < calls->size(); ++i) {
        GateCall call;
        TRY(auto reason, read_batch_call(calls->items()[i], i, options, now, call));
        if (reason) return reason;
        steps.push_back(step_of(calls->items()[i], *out.gate_id));
        out.outcome.calls.push_back(std::move(call));
    }
    out.workflow.set("steps", std::move(steps));
    return Reason();
}

// near.md 6.7: a value that cannot be makes a record, not a bare error.
Result<Reason> reason_of(Error error) {
    if (error.reason() != kInvalidValue) return error;
    return Reason(error.message().substr(kInvalidJson.size()));
}

void write_canonical(std::string& out, const Json& json) {
    if (json.is_array()) {
        out.push_back('[');
        for (std::size_t i = 0; i < json.size(); ++i) {
            if (i != 0) out.push_back(',');
            write_canonical(out, json.items()[i]);
        }
        out.push_back(']');
    } else if (json.is_object()) {
        std::vector<const Json::Member*> members;
        for (const Json::Member& member : json.members()) members.push_back(&member);
        std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) {
            return a->first < b->first;
        });
        out.push_back('{');
        for (std::size_t i = 0; i < members.size(); ++i) {
            if (i != 0) out.push_back(',');
            out += near::compact_json(Json::string(members[i]->first));
            out.push_back(':');
            write_canonical(out, members[i]->second);
        }
        out.push_back('}');
    } else {
        out += near::compact_json(json);
    }
}

}  // namespace

PlannerOptions planner_options(const CoordinatorOptions& options) {
    return {
        options.intents_contract.text(), options.wrap_contract.text(), options.enable_funding_lane};
}

LaneSwitches lane_switches(const CoordinatorOptions& options) {
    return {options.enable_funding_lane, options.enable_direct_user_lane, options.gate_calls_max};
}

std::string canonical_json(const Json& json) {
    std::string out;
    write_canonical(out, json);
    return out;
}

crypto::Sha256Digest body_hash_of(std::string_view endpoint, const Json& body) {
    Json rest = Json::object();
    for (const auto& [name, value] : body.members()) {
        if (name != "idempotency_key") rest.set(name, value);
    }
    const Json whole = Json::object().set("endpoint", text(endpoint)).set("body", std::move(rest));
    return crypto::sha256(base::as_bytes(canonical_json(whole)));
}

Result<std::optional<std::string>> idempotency_key_of(
    const Json& body, const std::optional<std::string>& header) {
    const Json* const member = body.find("idempotency_key");
    std::optional<std::string> key = header;
    if (member != nullptr && !member->is_null()) {
        if (!member->is_string()) return invalid("idempotency_key is not a string");
        if (header && *header != member->string_value()) {
            return Error::invalid_argument(
                "idempotency_key of the body and X-Idempotency-Key differ");
        }
        key = member->string_value();
    }
    if (key && (key->empty() || key->size() > kIdempotencyKeyBytesMax)) {
        return Error::invalid_argument("idempotency_key is not 1 to 128 bytes");
    }
    return key;
}

Result<PlannedRequest> plan_request(
    const Json& body, const CoordinatorOptions& options, base::Timestamp now) {
    TRY_VOID(check_no_signing_fields(body));
    TRY(const auto steps, parse_workflow(body));
    TRY_VOID(check_step_forms(body));
    PlannedRequest out;
    const Json& list = *body.find("steps");
    out.workflow = Json::object().set("steps", list);
    out.plan = plan_workflow(steps, planner_options(options));
    out.outcome.plan = outcome_of(out.plan, lane_switches(options));
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (out.plan.steps[i].lane != Lane::DirectUser) continue;
        if (steps[i].kind == "near.function_call") {
            TRY_VOID(check_function_call(list.items()[i], i));
        }
    }
    if (out.outcome.plan.status == PlanOutcome::Status::Executable) {
        TRY_VOID(read_calls(out, list, options, now));
    }
    const bool executable = out.outcome.plan.status == PlanOutcome::Status::Executable;
    if (executable && has_other_lanes(out.plan)) {
        TRY(auto lanes, read_lane_steps(list, out.plan, std::move(out.outcome.calls), options));
        out.outcome.calls.clear();
        if (lanes.reason) {
            reject(out, *std::move(lanes.reason));
        } else {
            out.lanes = std::move(lanes.state);
        }
    }
    return out;
}

Result<PlannedRequest> plan_batch_request(
    const Json& body, const CoordinatorOptions& options, base::Timestamp now) {
    if (!body.is_object()) return invalid("not an object");
    TRY_VOID(check_no_signing_fields(body));
    PlannedRequest out;
    out.workflow = Json::object().set("steps", Json::array());
    auto read = read_batch(body, options, now, out);
    if (!read) read = reason_of(read.error());
    TRY(auto reason, std::move(read));
    auto checks = read_view_checks(body);
    if (checks) {
        out.view_checks = *std::move(checks);
    } else {
        TRY(auto other, reason_of(checks.error()));
        if (!reason) reason = std::move(other);
    }
    if (reason) {
        reject(out, *std::move(reason));
        return out;
    }
    TRY(const auto steps, parse_workflow(out.workflow));
    out.plan = plan_workflow(steps, planner_options(options));
    auto calls = std::move(out.outcome.calls);
    out.outcome.plan = outcome_of(out.plan, lane_switches(options));
    if (out.outcome.plan.status == PlanOutcome::Status::Executable) {
        out.outcome.calls = std::move(calls);
    }
    return out;
}

// ----- direct user ------------------------------------------------------------------------------

Result<DirectUserRequest> parse_direct_user_request(const Json& body) {
    if (!body.is_object()) return invalid("not an object");
    TRY_VOID(check_no_signing_fields(body));
    const Fields fields(body, "$");
    DirectUserRequest out;
    TRY(out.user_id, fields.account("user_id"));
    TRY(out.registry_id, fields.account("registry_id"));
    TRY(out.receiver_id, fields.account("receiver_id"));
    TRY(out.method_name, fields.required("method_name"));
    TRY(out.gas, fields.gas_or(kDirectUserGasDefault));
    return out;
}

Result<DirectUserKeyRequest> parse_direct_user_key_request(const Json& body) {
    if (!body.is_object()) return invalid("not an object");
    const Fields fields(body, "$");
    DirectUserKeyRequest out;
    TRY(out.scope.user_id, fields.account("user_id"));
    TRY(out.scope.registry_id, fields.account("registry_id"));
    TRY(out.scope.receiver_id, fields.account("receiver_id"));
    TRY(out.key_label, fields.optional("key_label"));
    const Json* const names = fields.find("method_names");
    if (names == nullptr || !names->is_array() || names->size() == 0) {
        return fields.bad("method_names", "is not a list");
    }
    for (const Json& name : names->items()) {
        if (!name.is_string()) return fields.bad("method_names", "is not a list of texts");
        out.scope.method_names.push_back(name.string_value());
    }
    return out;
}

Result<void> check_scope(const DirectUserScope& scope, const CoordinatorOptions& options) {
    const auto same = [&](const DirectUserScope& allowed) {
        auto wanted = scope.method_names;
        auto known = allowed.method_names;
        std::sort(wanted.begin(), wanted.end());
        std::sort(known.begin(), known.end());
        return allowed.user_id == scope.user_id && allowed.registry_id == scope.registry_id &&
               allowed.receiver_id == scope.receiver_id && wanted == known;
    };
    const auto& scopes = options.direct_user_scopes;
    if (std::any_of(scopes.begin(), scopes.end(), same)) return {};
    return Error::invalid_argument("direct-user scope is not allowed");
}

}  // namespace adyton::coordinator

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "coordinator/internal/route_support.h"
#include "crypto/uuid.h"
#include "workflow/idempotency.h"

// The direct-user counter proof (near.md 6.12), and the preflight (6.13).
namespace adyton::coordinator {
namespace {

using base::Json;
using http::Response;
using service::Call;
using Core = CoordinatorService::Core;

constexpr std::string_view kAllowanceYocto = "50000000000000000000000";

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

Json names_json(const std::vector<std::string>& names) {
    Json out = Json::array();
    for (const std::string& name : names) out.push_back(text(name));
    return out;
}

// Trouble of the keystore is told as such (near.md 6.1).
Error keystore_error(const Error& error) {
    if (error.code() == ErrorCode::InvalidArgument) return error;
    return Error(error.code(), error.message(), "keystore_error");
}

Answer prepare_route(Core& core, Call call) {
    CO_TRY(const Json body, read_body(call, core.options.body_bytes_max));
    CO_TRY(const auto wanted, parse_direct_user_key_request(body));
    CO_TRY_VOID(check_scope(wanted.scope, core.options));
    api::PrepareFunctionCallKeyRequest request;
    request.wallet_id = wallet_of(call);
    request.user_id = wanted.scope.user_id;
    request.registry_id = wanted.scope.registry_id;
    request.receiver_id = wanted.scope.receiver_id;
    request.method_names = wanted.scope.method_names;
    request.key_label = wanted.key_label;
    auto preparing = core.parts.keystore.prepare_function_call_key(std::move(request));
    const auto key = co_await std::move(preparing);
    if (!key) co_return keystore_error(key.error());
    Json out = Json::object();
    out.set("user_id", text(key->user_id)).set("registry_id", text(key->registry_id));
    out.set("receiver_id", text(key->receiver_id));
    out.set("method_names", names_json(key->method_names));
    out.set("method_names_hash", text(key->method_names_hash));
    out.set("public_key", text(key->public_key)).set("key_label", text(key->key_label));
    out.set(
        "add_key", Json::object()
                       .set("permission", text("FunctionCall"))
                       .set("receiver_id", text(key->receiver_id))
                       .set("method_names", names_json(key->method_names))
                       .set("allowance_yocto", text(kAllowanceYocto)));
    out.set(
        "hint", text(fmt::format(
                    "{} adds this key to its account as a FunctionCall key with this receiver, "
                    "these methods and this allowance; no other key will do",
                    key->user_id)));
    co_return service::json_answer(out.dump());
}

Json permission_json(const std::optional<chain::NearAccessKey>& key) {
    if (!key) return Json();
    if (!key->function_call) return text("FullAccess");
    const auto& call = *key->function_call;
    return Json::object().set(
        "FunctionCall",
        Json::object()
            .set("allowance", call.allowance ? text(call.allowance->to_string()) : Json())
            .set("receiver_id", text(call.receiver_id))
            .set("method_names", names_json(call.method_names)));
}

Result<DirectUserScope> scope_of_query(const Call& call) {
    DirectUserScope out = counter_proof_scope();
    for (const auto& [name, member] :
         {std::pair{"user_id", &DirectUserScope::user_id},
          std::pair{"registry_id", &DirectUserScope::registry_id},
          std::pair{"receiver_id", &DirectUserScope::receiver_id}}) {
        TRY(const auto value, call.request.query.find_single(name));
        if (value) out.*member = std::string(*value);
    }
    TRY(const auto names, call.request.query.find_single("method_names"));
    if (names) {
        out.method_names.clear();
        std::string_view rest = *names;
        for (;;) {
            const std::size_t comma = rest.find(',');
            out.method_names.emplace_back(rest.substr(0, comma));
            if (comma == std::string_view::npos) break;
            rest.remove_prefix(comma + 1);
        }
    }
    return out;
}

Answer status_route(Core& core, Call call) {
    CO_TRY(const DirectUserScope scope, scope_of_query(call));
    CO_TRY_VOID(check_scope(scope, core.options));
    auto asking = core.key_status(wallet_of(call), scope);
    CO_TRY(const Core::KeyStatus status, co_await std::move(asking));
    std::uint64_t height = 0;
    if (status.access) {
        height = status.access->block_height;
    } else {
        // A quorum that sees no key names no block; it has come this far.
        auto looking = core.parts.chain.final_heights();
        const auto heights = co_await std::move(looking);
        if (!heights) {
            co_return Error(heights.error().code(), heights.error().message(), "rpc_error");
        }
        height = heights->reached;
    }
    Json out = Json::object();
    out.set("user_id", text(scope.user_id)).set("registry_id", text(scope.registry_id));
    out.set("receiver_id", text(scope.receiver_id));
    out.set("method_names", names_json(status.key.method_names));
    out.set("public_key", text(status.key.public_key));
    out.set("key_label", text(status.key.key_label));
    out.set("installed", Json::boolean(status.installed));
    out.set("permission", permission_json(status.access));
    out.set("nonce", status.access ? Json::unsigned_integer(status.access->nonce) : Json());
    const bool limited =
        status.access && status.access->function_call && status.access->function_call->allowance;
    out.set(
        "allowance", limited ? text(status.access->function_call->allowance->to_string()) : Json());
    out.set("block_height", Json::unsigned_integer(height));
    out.set("reasons", names_json(status.reasons));
    co_return service::json_answer(out.dump());
}

Answer execute_route(Core& core, Call call) {
    CO_TRY_VOID(check_ready(core));
    CO_TRY(Json body, read_body(call, core.options.body_bytes_max));
    CO_TRY(auto direct, parse_direct_user_request(body));
    const DirectUserScope scope{
        direct.user_id, direct.registry_id, direct.receiver_id, {direct.method_name}};
    CO_TRY_VOID(check_scope(scope, core.options));
    Core::Incoming incoming;
    incoming.wallet_id = wallet_of(call);
    incoming.endpoint = std::string(kDirectUserEndpoint);
    const http::Headers& headers = call.request.headers;
    CO_TRY(
        const auto header, workflow::choose_idempotency_key(
                               headers.find("Idempotency-Key"), headers.find("X-Idempotency-Key")));
    CO_TRY(const auto key, idempotency_key_of(body, header));
    incoming.idempotency_key = key ? *key : crypto::uuid_v4(core.parts.random);
    Json step = Json::object();
    step.set("route", text("direct_user")).set("receiver_id", text(direct.receiver_id));
    step.set("method_name", text(direct.method_name));
    Json steps = Json::array();
    steps.push_back(std::move(step));
    incoming.planned.workflow = Json::object().set("steps", std::move(steps));
    CO_TRY(const auto parsed, parse_workflow(incoming.planned.workflow));
    incoming.planned.plan = plan_workflow(parsed, {});
    incoming.planned.outcome.plan = {
        PlanOutcome::Status::Executable, "user", "single_tx_atomic", {}};
    incoming.body = std::move(body);
    incoming.direct_user = std::move(direct);
    auto keeping = core.keep_request(std::move(incoming));
    CO_TRY(const Core::Kept kept, co_await std::move(keeping));
    auto waiting = core.wait_for(wallet_of(call), kept.request_id, core.options.execute_wait);
    CO_TRY(const WorkflowRecord record, co_await std::move(waiting));
    co_return record_answer(record, http_status_of(record.status));
}

Answer find_route(Core& core, Call call) {
    CO_TRY(const std::string id, path_id(call));
    auto waiting = core.wait_for(wallet_of(call), id, base::Duration::zero());
    CO_TRY(const WorkflowRecord record, co_await std::move(waiting));
    co_return record_answer(record, http::Status::Ok);
}

// ----- preflight --------------------------------------------------------------------------------

// Of all that are configured: what a start with a wrong name looks like.
Task<Json> unreadable_gates(Core& core) {
    std::vector<Task<Result<GateFacts>>> looks;
    for (const near::AccountId& gate : core.options.gates) looks.push_back(core.facts.gate(gate));
    auto looking = base::when_all(std::move(looks));
    const auto seen = co_await std::move(looking);
    Json out = Json::array();
    for (std::size_t i = 0; i < seen.size(); ++i) {
        if (seen[i]) continue;
        out.push_back(Json::object()
                          .set("gate_id", text(core.options.gates[i].text()))
                          .set("error", text(seen[i].error().message())));
    }
    co_return out;
}

Task<Result<Json>> preflight(Core& core, near::AccountId gate_id) {
    Json reasons = Json::array();
    const auto abort = [&](std::string why) { reasons.push_back(text(why)); };
    Json gate = Json();
    auto reading = core.facts.gate(gate_id);
    const auto facts = co_await std::move(reading);
    if (!facts) {
        abort("the gate cannot be read: " + facts.error().message());
    } else {
        const auto fee = facts->fees.of(kGateCallsMax);
        gate = Json::object()
                   .set("gate_id", text(gate_id.text()))
                   .set("owner", text(facts->owner.text()))
                   .set("approver", text(facts->approver.text()))
                   .set("relayer_whitelisted", Json::boolean(facts->relayer_listed))
                   .set("fee_yocto", fee ? text(fee->to_string()) : Json())
                   .set("batch_tail", names_json(facts->batch_tail));
        auto checking = core.facts.drifts(gate_id, kGateCallsMax);
        const auto drifts = co_await std::move(checking);
        if (!drifts) abort(drifts.error().message());
        for (const std::string& drift : drifts ? *drifts : std::vector<std::string>()) abort(drift);
        // What changes with every batch is looked at now.
        auto tailing = core.facts.batch_tail(gate_id);
        const auto tail = co_await std::move(tailing);
        if (!tail) abort("the gate's batch tail cannot be read: " + tail.error().message());
        if (tail) gate.set("batch_tail", names_json(*tail));
        if (tail && !tail->empty()) {
            abort(fmt::format("gate batch tail is not empty: {} item(s) under way", tail->size()));
        }
        auto standing = core.facts.standstill(gate_id);
        const auto standstill = co_await std::move(standing);
        if (standstill && *standstill) abort(standstill_text(gate_id, **standstill));
        auto pending = core.facts.view(gate_id, "list_pending", "{}");
        const auto ids = co_await std::move(pending);
        if (!ids) abort("the gate's pending list cannot be read: " + ids.error().message());
        if (ids && !ids->is_array()) abort("the gate's pending list cannot be read");
        if (ids && ids->is_array()) {
            gate.set("pending", Json::unsigned_integer(ids->size()));
            if (ids->size() > 0) {
                abort(
                    fmt::format("gate pending list is not empty: {} pending item(s)", ids->size()));
            }
        }
    }
    Json out = Json::object();
    out.set("ready", Json::boolean(reasons.size() == 0));
    out.set("abort_reasons", std::move(reasons));
    out.set("expected_gate_id", text(core.options.gates.front().text()));
    out.set("expected_fee_yocto", text(core.options.gate_fee.to_string()));
    out.set("required_intents_delta", Json());
    out.set("workflow_json", Json());
    out.set("gate", std::move(gate));
    auto looking = unreadable_gates(core);
    out.set("unreadable_gates", co_await std::move(looking));
    co_return out;
}

Answer preflight_route(Core& core, Call call) {
    CO_TRY(const auto wanted, call.request.query.find_single("gate_id"));
    near::AccountId gate_id = core.options.gates.front();
    if (wanted) {
        const auto& gates = core.options.gates;
        const auto found = std::find_if(
            gates.begin(), gates.end(), [&](const auto& gate) { return gate.text() == *wanted; });
        if (found == gates.end()) {
            Json reasons = Json::array();
            reasons.push_back(text(fmt::format(
                "gate id drift: expected {}, got {}", gate_id.text(), std::string(*wanted))));
            co_return service::json_answer(
                Json::object()
                    .set("ready", Json::boolean(false))
                    .set("abort_reasons", std::move(reasons))
                    .set("expected_gate_id", text(gate_id.text()))
                    .set("expected_fee_yocto", text(core.options.gate_fee.to_string()))
                    .set("required_intents_delta", Json())
                    .set("workflow_json", Json())
                    .dump());
        }
        gate_id = *found;
    }
    auto checking = preflight(core, gate_id);
    CO_TRY(Json answer, co_await std::move(checking));
    // Asked now, whatever is remembered: nothing is signed without it.
    auto asking = core.ask_wallet(wallet_of(call));
    const auto wallet = co_await std::move(asking);
    answer.set("wallet_account", wallet ? text(wallet->account) : Json());
    if (!wallet) {
        Json reasons = *answer.find("abort_reasons");
        reasons.push_back(text("the keystore cannot be asked: " + wallet.error().message()));
        answer.set("ready", Json::boolean(false)).set("abort_reasons", std::move(reasons));
    }
    co_return service::json_answer(answer.dump());
}

}  // namespace

void add_direct_user_routes(Core& core, service::ServiceFrame& frame) {
    using service::Access;
    const std::string base = "/wallet/v1/direct-user/";
    frame.add("POST", base + "function-call-key/prepare", Access::Service, [&core](Call call) {
        return prepare_route(core, call);
    });
    frame.add("GET", base + "function-call-key/status", Access::Service, [&core](Call call) {
        return status_route(core, call);
    });
    frame.add("POST", base + "function-call/execute", Access::Service, [&core](Call call) {
        return execute_route(core, call);
    });
    frame.add("GET", base + "function-call/{id}", Access::Service, [&core](Call call) {
        return find_route(core, call);
    });
}

void add_preflight_route(Core& core, service::ServiceFrame& frame) {
    frame.add("GET", "/wallet/v1/preflight", service::Access::Service, [&core](Call call) {
        return preflight_route(core, call);
    });
}

}  // namespace adyton::coordinator

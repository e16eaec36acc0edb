#include <fmt/format.h>

#include <array>
#include <utility>

#include "coordinator/internal/route_support.h"
#include "crypto/uuid.h"
#include "workflow/idempotency.h"

// The routes of wallets: plan, execute, sequential batches, and records (near.md 6.5 to 6.8).
namespace adyton::coordinator {
namespace {

using base::Json;
using http::Response;
using http::Status;
using service::Call;
using Core = CoordinatorService::Core;

constexpr std::array<std::string_view, 20> kCodes = {
    "missing_auth",      "invalid_api_key",    "missing_wallet_id",  "invalid_internal_auth",
    "invalid_wallet_id", "invalid_json",       "invalid_request",    "idempotency_conflict",
    "request_not_found", "method_not_allowed", "payload_too_large",  "rate_limited",
    "keystore_error",    "rpc_error",          "workflow_not_final", "workflow_final",
    "too_late",          "internal_error",     "duplicate_header",   "webhook_not_dead"};

std::string_view code_of(Status status) {
    switch (status) {
        case Status::BadRequest:
            return "invalid_request";
        case Status::Unauthorized:
            return "missing_auth";
        case Status::NotFound:
            return "not_found";
        case Status::MethodNotAllowed:
            return "method_not_allowed";
        case Status::Conflict:
            return "conflict";
        case Status::ContentTooLarge:
            return "payload_too_large";
        case Status::TooManyRequests:
            return "rate_limited";
        case Status::ServiceUnavailable:
            return "unavailable";
        default:
            return http::status_number(status) >= 500 ? "internal_error" : "invalid_request";
    }
}

// The frame words every refusal of a caller alike; the contract tells them apart.
std::string_view auth_text(std::string_view code) {
    if (code == "missing_wallet_id") return "X-Wallet-Id is missing";
    if (code == "invalid_internal_auth") return "X-Internal-Wallet-Auth is wrong";
    if (code == "invalid_api_key") return "the API key is not known";
    return "X-Internal-Wallet-Auth or Authorization: Bearer wk_... is required";
}

Result<std::optional<std::string>> header_key(const Call& call) {
    const http::Headers& headers = call.request.headers;
    TRY(auto key, workflow::choose_idempotency_key(
                      headers.find("Idempotency-Key"), headers.find("X-Idempotency-Key")));
    return key;
}

Task<Result<Core::Kept>> keep(
    Core& core, Call& call, std::string endpoint, Json body, PlannedRequest planned,
    std::optional<DirectUserRequest> direct_user) {
    Core::Incoming incoming;
    incoming.wallet_id = wallet_of(call);
    incoming.endpoint = std::move(endpoint);
    CO_TRY(const auto header, header_key(call));
    CO_TRY(const auto key, idempotency_key_of(body, header));
    incoming.idempotency_key = key ? *key : crypto::uuid_v4(core.parts.random);
    incoming.body = std::move(body);
    incoming.planned = std::move(planned);
    incoming.direct_user = std::move(direct_user);
    auto keeping = core.keep_request(std::move(incoming));
    auto kept = co_await std::move(keeping);
    if (!kept && kept.error().reason() == "rate_limited") {
        call.hints.retry_after = std::chrono::seconds(10);
    }
    co_return kept;
}

Answer answer_with_record(Core& core, std::string wallet_id, Core::Kept kept) {
    auto waiting = core.wait_for(
        std::move(wallet_id), std::move(kept.request_id), core.options.execute_wait, kept.running);
    CO_TRY(const WorkflowRecord record, co_await std::move(waiting));
    co_return record_answer(record, http_status_of(record.status));
}

Answer plan_route(Core& core, Call call) {
    CO_TRY(const Json body, read_body(call, core.options.body_bytes_max));
    CO_TRY_VOID(check_no_signing_fields(body));
    CO_TRY(const auto steps, parse_workflow(body));
    CO_TRY_VOID(check_step_forms(body));
    const Plan plan = plan_workflow(steps, planner_options(core.options));
    co_return service::json_answer(to_json(plan).dump());
}

Answer execute_route(Core& core, Call call) {
    CO_TRY_VOID(check_ready(core));
    CO_TRY(Json body, read_body(call, core.options.body_bytes_max));
    CO_TRY(auto planned, plan_request(body, core.options, core.parts.executor.now()));
    auto keeping =
        keep(core, call, std::string(kWorkflowEndpoint), std::move(body), std::move(planned), {});
    CO_TRY(const Core::Kept kept, co_await std::move(keeping));
    auto answering = answer_with_record(core, wallet_of(call), kept);
    co_return co_await std::move(answering);
}

Answer batch_route(Core& core, Call call) {
    CO_TRY_VOID(check_ready(core));
    CO_TRY(Json body, read_body(call, core.options.body_bytes_max));
    CO_TRY(auto planned, plan_batch_request(body, core.options, core.parts.executor.now()));
    auto keeping =
        keep(core, call, std::string(kBatchEndpoint), std::move(body), std::move(planned), {});
    CO_TRY(const Core::Kept kept, co_await std::move(keeping));
    auto answering = answer_with_record(core, wallet_of(call), kept);
    co_return co_await std::move(answering);
}

Answer find_route(Core& core, Call call, std::string_view what) {
    CO_TRY(const std::string id, path_id(call));
    const std::string wallet_id = wallet_of(call);
    std::optional<WorkflowRecord> record;
    bool paused = false;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(record, records::find(tx, wallet_id, id));
        if (!record) return {};
        TRY(const auto run, workflow::find_run(tx, id));
        paused = run && run->state == workflow::RunState::Paused;
        return {};
    };
    auto read = core.parts.database.read(unit);
    CO_TRY_VOID(co_await std::move(read));
    if (!record) {
        co_return Error::not_found(
            fmt::format("{} request {} was not found", what, id), "request_not_found");
    }
    co_return record_answer(*record, Status::Ok, paused);
}

Answer list_route(Core& core, Call call) {
    records::ListQuery query;
    query.wallet_id = wallet_of(call);
    CO_TRY(const auto limit, call.request.query.find_single("limit"));
    if (limit) {
        const auto number = near::parse_u64(*limit);
        if (!number || *number == 0 || *number > 200) {
            co_return Error::invalid_argument("limit is not 1 to 200", "invalid_request");
        }
        query.limit = static_cast<std::int64_t>(*number);
    }
    auto unit = [&](storage::Transaction& tx) { return records::list(tx, query); };
    auto read = core.parts.database.read(unit);
    CO_TRY(const auto found, co_await std::move(read));
    Json list = Json::array();
    for (const WorkflowRecord& record : found) {
        list.push_back(Json::object()
                           .set("request_id", Json::string(record.request_id))
                           .set("endpoint", Json::string(record.endpoint))
                           .set("idempotency_key", Json::string(record.idempotency_key))
                           .set("status", Json::string(std::string(to_string(record.status))))
                           .set("phase", Json::string(record.phase))
                           .set("created_at", Json::string(base::to_rfc3339(record.created_at))));
    }
    co_return service::json_answer(Json::object().set("workflows", std::move(list)).dump());
}

}  // namespace

Response record_answer(const WorkflowRecord& record, Status status, bool paused) {
    Json body = to_json(record);
    if (paused) body.set("paused", Json::boolean(true));
    Response out = service::json_answer(body.dump(), status);
    out.headers.set("X-Request-Id", record.request_id);
    return out;
}

Response error_answer(Status status, std::string_view code, std::string_view message) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object().member("error", code).member("message", message).end_object();
    return service::json_answer(std::move(body), status);
}

Response render_error(const http::ErrorInfo& error) {
    std::string reason;
    if (error.details.is_object()) {
        const Json* const found = error.details.find("reason");
        if (found != nullptr && found->is_string()) reason = found->string_value();
    }
    const bool known = std::find(kCodes.begin(), kCodes.end(), reason) != kCodes.end();
    const std::string_view code = known ? std::string_view(reason) : code_of(error.status);
    const bool upstream = reason == "keystore_error" || reason == "rpc_error";
    const bool nobody = error.status == Status::Unauthorized && !upstream;
    return error_answer(
        upstream ? Status::BadGateway : error.status, code,
        nobody ? auth_text(code) : std::string_view(error.message));
}

Result<Json> read_body(const Call& call, std::size_t bytes_max) {
    if (call.request.body.size() > bytes_max) {
        return Error::too_large(
            fmt::format("the body is longer than {} bytes", bytes_max), "payload_too_large");
    }
    auto json = Json::parse(call.request.body);
    if (!json) return Error::invalid_argument(json.error().message(), "invalid_json");
    if (!json->is_object()) {
        return Error::invalid_argument("invalid workflow JSON: not an object", "invalid_json");
    }
    return json;
}

Result<std::string> path_id(const Call& call) {
    const auto text = call.request.path_params.find("id");
    if (!text) return Error::not_found("no request id", "request_not_found");
    return std::string(*text);
}

Result<void> check_ready(const Core& core) {
    if (core.ready.load()) return {};
    return Error::unavailable("the coordinator is not ready", "not_ready");
}

void add_workflow_routes(Core& core, service::ServiceFrame& frame) {
    using service::Access;
    frame.add("POST", "/wallet/v1/workflows/plan", Access::Service, [&core](Call call) {
        return plan_route(core, call);
    });
    frame.add("POST", "/wallet/v1/workflows/execute", Access::Service, [&core](Call call) {
        return execute_route(core, call);
    });
    frame.add("GET", "/wallet/v1/workflows", Access::Service, [&core](Call call) {
        return list_route(core, call);
    });
    frame.add("GET", "/wallet/v1/workflows/{id}", Access::Service, [&core](Call call) {
        return find_route(core, call, "workflow");
    });
    frame.add("POST", "/wallet/v1/sequential-batch", Access::Service, [&core](Call call) {
        return batch_route(core, call);
    });
    frame.add("GET", "/wallet/v1/sequential-batch/{id}", Access::Service, [&core](Call call) {
        return find_route(core, call, "sequential batch");
    });
}

void CoordinatorService::register_routes(service::ServiceFrame& frame) {
    add_workflow_routes(*core_, frame);
    add_control_routes(*core_, frame);
    add_direct_user_routes(*core_, frame);
    add_preflight_route(*core_, frame);
    add_webhook_routes(*core_, frame);
}

}  // namespace adyton::coordinator

#include <utility>

#include "pool/internal/route_support.h"
#include "pool/internal/service_parts.h"
#include "pool/pool_service.h"

// POST /transfer, GET /transfers, GET /transfers/{id}.
namespace adyton::pool {
namespace {

using http::Response;
using policy::Operation;
using service::Call;
using Answer = Task<Result<Response>>;
using Parts = PoolService::Parts;

Error no_chain() {
    return Error::unavailable(
        "this pool is not connected to a Neo network", "chain_not_configured");
}

Answer transfer_route(const Parts& parts, Call call) {
    CO_TRY(const auto body, parse_claimed_body(call));
    CO_TRY(auto request, api::parse_transfer_request(body));
    CallContext context = context_of(call);
    CO_TRY_VOID(take_idempotency_key(call, "POST /transfer", context));
    if (parts.transfers == nullptr) co_return no_chain();
    auto acting = parts.transfers->transfer(context, std::move(request));
    auto answer = co_await std::move(acting);
    if (!answer) {
        auto failing =
            failed(parts.context, call, context, Operation::Transfer, std::move(answer).error());
        co_return co_await std::move(failing);
    }
    // decisions.md 9.
    const auto status = answer->broadcast ? http::Status::Ok : http::Status::Accepted;
    Response response = service::json_answer(api::to_json_text(answer->transfer), status);
    if (context.replayed) response.headers.add("Idempotency-Replayed", "true");
    co_return response;
}

// Own transfers are an account's history: who may list accounts may read them.
Result<void> may_read(const Parts& parts, const CallContext& context) {
    return parts.context.policy.check(context.service, Operation::ListAccounts);
}

Answer find_route(const Parts& parts, Call call) {
    CallContext context = context_of(call);
    const auto allowed = may_read(parts, context);
    if (!allowed) {
        auto failing =
            failed(parts.context, call, context, Operation::ListAccounts, allowed.error());
        co_return co_await std::move(failing);
    }
    if (parts.transfers == nullptr) co_return no_chain();
    const auto id = call.request.path_params.find("id");
    auto finding = parts.transfers->find(context.service, std::string(id.value_or("")));
    CO_TRY(const auto transfer, co_await std::move(finding));
    co_return service::json_answer(api::to_json_text(transfer));
}

Answer list_route(const Parts& parts, Call call) {
    const http::Parameters& query = call.request.query;
    CO_TRY(const auto account_id, query.find_single("account_id"));
    CO_TRY(const auto status, query.find_single("status"));
    CO_TRY(const auto cursor, query.find_single("cursor"));
    CO_TRY(const auto limit, query.find_single("limit"));
    CO_TRY(auto wanted, api::parse_transfers_query(account_id, status, cursor, limit));
    CallContext context = context_of(call);
    const auto allowed = may_read(parts, context);
    if (!allowed) {
        auto failing =
            failed(parts.context, call, context, Operation::ListAccounts, allowed.error());
        co_return co_await std::move(failing);
    }
    if (parts.transfers == nullptr) co_return no_chain();
    auto listing = parts.transfers->list(context.service, std::move(wanted));
    CO_TRY(const auto response, co_await std::move(listing));
    co_return service::json_answer(api::to_json_text(response));
}

}  // namespace

void register_transfer_routes(PoolService::Parts& parts, service::ServiceFrame& frame) {
    const auto add = [&](std::string_view method, std::string_view path,
                         Answer (*handler)(const Parts&, Call)) {
        frame.add(method, path, service::Access::Service, [&parts, handler](Call call) {
            return handler(parts, call);
        });
    };
    add("POST", "/transfer", &transfer_route);
    add("GET", "/transfers", &list_route);
    add("GET", "/transfers/{id}", &find_route);
}

}  // namespace adyton::pool

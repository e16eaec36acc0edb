#include "pool/internal/route_support.h"

#include <utility>

#include "api/pool_types.h"
#include "attest/peer_identity.h"

namespace adyton::pool {
namespace {

Result<std::optional<std::string_view>> single_header(
    const http::Headers& headers, std::string_view name) {
    const auto values = headers.find_all(name);
    for (const auto& value : values) {
        if (value != values.front()) {
            return Error::invalid_argument(
                std::string(name) + " stands twice with different values",
                "idempotency_key_invalid");
        }
    }
    if (values.empty()) return std::optional<std::string_view>();
    return std::optional<std::string_view>(values.front());
}

// What a broken constraint means to callers: a bug or bad luck of ours, not a conflict of theirs.
Error hide_constraints(Error error) {
    if (error.code() != ErrorCode::Conflict) return error;
    for (const std::string_view ours : {"unique", "foreign_key", "check", "constraint"}) {
        if (error.reason() == ours) return Error::internal(error.message());
    }
    return error;
}

}  // namespace

CallContext context_of(const service::Call& call) {
    CallContext context;
    context.service = call.caller().service_id.text();
    context.trace_id = call.request.trace_id;
    return context;
}

Result<base::Json> parse_claimed_body(const service::Call& call) {
    TRY(auto body, api::parse_request_body(call.request.body));
    const base::Json* const claimed = body.find("service_id");
    if (claimed == nullptr || claimed->is_null()) return body;
    if (!claimed->is_string()) {
        return Error::invalid_argument(
            "invalid request body: service_id must be a string", "wrong_type");
    }
    TRY_VOID(attest::check_claimed(call.caller(), claimed->string_value()));
    return body;
}

Result<void> take_idempotency_key(
    const service::Call& call, std::string route, CallContext& context) {
    const http::Headers& headers = call.request.headers;
    TRY(const auto key, single_header(headers, "Idempotency-Key"));
    TRY(const auto x_key, single_header(headers, "X-Idempotency-Key"));
    TRY(auto text, workflow::choose_idempotency_key(key, x_key));
    if (!text) return {};
    IdempotentCall idempotent;
    idempotent.key = {"pool", context.service, std::move(route), *std::move(text)};
    idempotent.request_digest = crypto::sha256(base::as_bytes(call.request.body));
    context.idempotent = std::move(idempotent);
    return {};
}

Task<Error> failed(
    const PoolContext& pool, service::Call call, CallContext& context, policy::Operation operation,
    Error error) {
    if (context.retry_after) call.hints.retry_after = context.retry_after;
    auto recording = record_refusal(pool, context, operation, std::move(error));
    co_return hide_constraints(co_await std::move(recording));
}

}  // namespace adyton::pool

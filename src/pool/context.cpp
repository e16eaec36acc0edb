#include "pool/context.h"

#include <algorithm>
#include <array>

#include "http/status.h"

namespace adyton::pool {
namespace {

// Not Frozen: that is lifted, and the caller shall come again.
constexpr std::array kStoredCodes = {
    ErrorCode::NotFound, ErrorCode::PermissionDenied, ErrorCode::Conflict,
    ErrorCode::Unprocessable};

}  // namespace

workflow::StoredAnswer stored_refusal(const Error& error) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object();
    out.member("message", std::string_view(error.message()));
    out.member("reason", std::string_view(error.reason()));
    out.end_object();
    return {static_cast<int>(http::status_number(http::status_of(error.code()))), std::move(body)};
}

Result<Decided> replay(const workflow::StoredAnswer& answer) {
    if (answer.status == 200) return Decided{answer.body, {}};
    TRY(const auto json, base::Json::parse(answer.body));
    const base::Json* const message = json.find("message");
    const base::Json* const reason = json.find("reason");
    if (message == nullptr || reason == nullptr || !message->is_string() || !reason->is_string()) {
        return Error::corrupt_data("a stored refusal is malformed");
    }
    for (const ErrorCode code : kStoredCodes) {
        if (static_cast<int>(http::status_number(http::status_of(code))) != answer.status) continue;
        return Decided{{}, Error(code, message->string_value(), reason->string_value())};
    }
    return Error::corrupt_data("a stored refusal has an unknown status");
}

bool is_settled_refusal(const Error& error) {
    const auto known = std::find(kStoredCodes.begin(), kStoredCodes.end(), error.code());
    // Storage says Conflict too, for constraints: those are ours, and policy's limits pass.
    return known != kStoredCodes.end() && error.reason() != "unique" &&
           error.reason() != "foreign_key" && error.reason() != "check" &&
           error.reason() != "constraint" && !error.reason().starts_with("policy_");
}

Error refused_by(const policy::Refusal& refusal, CallContext& call) {
    const auto wait = std::chrono::ceil<std::chrono::seconds>(refusal.retry_after);
    if (wait.count() > 0) call.retry_after = wait;
    return refusal.to_error();
}

Task<Error> record_refusal(
    const PoolContext& pool, const CallContext& call, policy::Operation operation, Error error) {
    if (!error.reason().starts_with("policy_")) co_return error;
    pool.metrics.policy_refusals.add();
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        return record(tx, pool, "policy.refused", call.service, [&](base::JsonWriter& out) {
            out.member("operation", policy::to_string(operation));
            out.member("reason", std::string_view(error.reason()));
            out.member("message", std::string_view(error.message()));
            out.member("trace_id", std::string_view(call.trace_id));
        });
    };
    auto task = pool.database.write(std::move(unit));
    const auto recorded = co_await std::move(task);
    if (!recorded) {
        pool.logger.error(
            "a refusal could not be recorded",
            {{"trace_id", call.trace_id}, {"cause", recorded.error().message()}});
    }
    co_return error;
}

}  // namespace adyton::pool

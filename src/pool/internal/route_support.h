#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "policy/rule.h"
#include "pool/context.h"
#include "service/frame.h"

// What the routes of the pool have in common.
namespace adyton::pool {

CallContext context_of(const service::Call& call);

// The body as a JSON object; what it claims as service_id must be the caller.
Result<base::Json> parse_claimed_body(const service::Call& call);

// Reads the idempotency key of the call, if it sends one.
Result<void> take_idempotency_key(
    const service::Call& call, std::string route, CallContext& context);

// A failed call: limits say when to come back, refusals of the policy are recorded, and broken
// constraints are ours.
Task<Error> failed(
    const PoolContext& pool, service::Call call, CallContext& context, policy::Operation operation,
    Error error);

}  // namespace adyton::pool

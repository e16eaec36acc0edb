#pragma once

#include <string>

#include "api/pool_types.h"
#include "base/result.h"
#include "base/task.h"
#include "pool/context.h"

namespace adyton::pool {

// POST /balance: the ledger that callers keep; no chain is asked. One unit of work with the account
// row locked, so that concurrent changes add up (A6) and nothing else of the row is written (A7).
// The body. NotFound "account_not_found"; errors of check_lock(); Conflict "insufficient_balance";
// Unprocessable "amount_out_of_range": below 0 or above 2^53 - 1; InvalidArgument: the script hash
// is none. An idempotency key remembers refusals too.
Task<Result<std::string>> update_balance(
    const PoolContext& pool, CallContext& call, api::BalanceRequest request);

}  // namespace adyton::pool

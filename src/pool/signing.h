#pragma once

#include <string>

#include "api/pool_types.h"
#include "base/result.h"
#include "base/task.h"
#include "pool/context.h"

// Signatures for those who hold the account: the lock, its lease and its fencing number are checked
// in the unit of work that records the signature (A8), and the signature is made after that record
// is on disk. Thread safe.
namespace adyton::pool {

// POST /sign; the body of the answer. InvalidArgument: missing members, a digest of another length,
// or errors of read_clear_item() and judge_clear_item() (clear_signing.h). NotFound
// "account_not_found" (also for text that is no id). Errors of check_lock() and Signer::sign();
// "policy_..." from rules.
Task<Result<std::string>> sign(
    const PoolContext& pool, CallContext& call, const api::SignItem& item);

// POST /batch-sign; the body of the answer. Each request fares by itself and keeps its position;
// the batch as a whole fails only on the policy's word about bare digests and when storage does.
// One audit record lists all signatures, and the transactions that rules refused.
Task<Result<std::string>> batch_sign(
    const PoolContext& pool, CallContext& call, api::BatchSignRequest request);

}  // namespace adyton::pool

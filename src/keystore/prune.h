#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/task.h"
#include "keystore/context.h"
#include "workflow/periodic.h"

namespace adyton::keystore {

// Deletes records of signatures that are older than KeystoreOptions::signatures_keep and back
// nothing any more; how many. Kept, however old: those whose reservation may still be given back.
// A reservation that never can be (a delegate's, DelegatesUse::Anywhere) is committed first: what
// it counted stays counted in its windows.
//
// What is forgotten and asked for again is judged and counted anew: of messages and delegates the
// same signature comes of it, of a transaction whose nonce the caller did not set, even under an
// Idempotency-Key, another transaction.
Task<Result<std::int64_t>> prune(const KeystoreContext& keystore, workflow::JobContext& job);

}  // namespace adyton::keystore

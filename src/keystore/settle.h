#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "keystore/context.h"
#include "workflow/periodic.h"

namespace adyton::keystore {

// Decides what became of signed payloads whose time is over, and gives their reservations back
// where the chain proves that they never took effect:
//   transactions  a final block past the end of their validity shows the access key's nonce below
//                 theirs: they did not land and no longer can
//   messages      a final block past their deadline, and then the contract, say that their nonce
//                 was never used
//   delegates     with DelegatesUse::NativeOnly alone: in two runs, final blocks past their height
//                 and after that the access key's nonce below theirs. Otherwise a relayer may have
//                 handed one to a contract, which accepts it up to that height and acts later, and
//                 no access key shows what it did
// Everything else stays reserved: a nonce that is used, messages without a deadline, and whatever
// cannot be asked. How many it decided.
//
// What the run before found dead, by payload hash: one reading alone gives no delegate back.
using DeadDelegates = std::set<std::string>;
Task<Result<std::int64_t>> settle(
    const KeystoreContext& keystore, DeadDelegates& dead_before, workflow::JobContext& job);

}  // namespace adyton::keystore

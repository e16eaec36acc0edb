#pragma once

#include <cstdint>

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
// Everything else stays reserved: a nonce that is used, delegates (a relayer may have handed one to
// a contract that acts later), messages without a deadline, and whatever cannot be asked. How many
// it decided.
Task<Result<std::int64_t>> settle(const KeystoreContext& keystore, workflow::JobContext& job);

}  // namespace adyton::keystore

#pragma once

#include <cstdint>

#include "base/result.h"
#include "neo/transaction.h"

namespace adyton::neo {

// Governed on chain: read from the Policy contract (defaults shown).
struct FeePolicy {
    std::int64_t fee_per_byte = 1000;   // datoshi
    std::int64_t exec_fee_factor = 30;  // datoshi a price unit
};

// Least network fee, datoshi, that nodes take for a transaction whose witnesses are standard
// (neo.md 5.4): size * fee_per_byte + exec_fee_factor * the price of checking each witness. The
// witnesses need their verification scripts; whatever their invocation scripts hold, they are
// counted as complete ones. From the Faun upgrade on the factor has more decimals than nodes
// tell: add a margin. InvalidArgument: no witness per signer, or one that is not standard.
// Unprocessable: an attribute whose fee only the network knows (anything but HighPriority and
// NotValidBefore), a negative policy value, or a fee beyond int64.
Result<std::int64_t> network_fee(const Transaction& transaction, const FeePolicy& policy);

}  // namespace adyton::neo

#pragma once

#include <cstdint>
#include <optional>

#include "localchain/neo_chain.h"
#include "neo/transaction.h"
#include "neo/witness.h"

namespace adyton::localchain::internal {

// Price units of checking a standard witness: its pushes and one CheckSig a key (neo.md 5.4).
std::int64_t witness_price(const neo::StandardScript& script);
// Bytes of the invocation script that satisfies it.
std::size_t invocation_size(const neo::StandardScript& script);

// What calculatenetworkfee answers: the size with complete witnesses times fee_per_byte, and the
// price of checking them. Attributes cost nothing here. InvalidArgument: not one standard witness
// for each signer that belongs to him.
Result<std::int64_t> network_fee(const neo::Transaction& transaction, const ChainPolicy& policy);

}  // namespace adyton::localchain::internal

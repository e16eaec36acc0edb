#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "localchain/internal/contracts.h"
#include "localchain/internal/state.h"
#include "localchain/neo_vm.h"

namespace adyton::localchain::internal {

// Runs an entry script on `state`. What it changed stands there whether it HALTed or not: commit
// only after Halt. FAULTs when the price passes gas_limit (datoshi), on any instruction beyond
// those of neo.md 4.2, and on what it cannot represent.
Execution run_script(
    base::ByteView script, const std::vector<neo::Signer>& signers, const ChainPolicy& policy,
    std::int64_t gas_limit, State& state);

}  // namespace adyton::localchain::internal

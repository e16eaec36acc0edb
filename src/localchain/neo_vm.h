#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/amount.h"
#include "neo/script_hash.h"
#include "neo/value.h"

namespace adyton::localchain {

enum class VmState { Halt, Fault };

// A Transfer event: all that the contracts of the simulator emit.
struct TransferEvent {
    neo::ScriptHash contract;
    std::optional<neo::ScriptHash> from;  // none: minted
    std::optional<neo::ScriptHash> to;    // none: burned
    base::Amount amount;

    bool operator==(const TransferEvent&) const = default;
};

// What running a script did.
struct Execution {
    VmState state = VmState::Halt;
    std::string exception;          // empty: none
    std::int64_t gas_consumed = 0;  // datoshi; when GAS ran out, with the instruction it failed at
    std::vector<TransferEvent> events;  // a FAULT's are void: neo-go v0.105 shows them all the same
    std::vector<neo::Value> stack;      // bottom first: results in call order, as nodes show it
};

}  // namespace adyton::localchain

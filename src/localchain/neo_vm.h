#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/amount.h"
#include "base/bytes.h"
#include "neo/script_hash.h"

namespace adyton::localchain {

// What a script leaves on its stack, as far as the simulator runs scripts.
struct StackItem {
    enum class Type { Null, Boolean, Integer, ByteString, Array };
    Type type = Type::Null;
    bool boolean = false;
    bool negative = false;  // of `number`
    base::Amount number;    // an Integer's magnitude; beyond 2^128 - 1 a script FAULTs
    base::Bytes bytes;
    std::vector<StackItem> items;

    bool operator==(const StackItem&) const = default;
};

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
    std::int64_t gas_consumed = 0;  // datoshi; of a FAULT for lack of GAS, with what was missing
    std::vector<TransferEvent> events;  // a FAULT's are void: neo-go v0.105 shows them all the same
    std::vector<StackItem> stack;       // top first, as nodes show it
};

}  // namespace adyton::localchain

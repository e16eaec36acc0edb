#pragma once

#include <span>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/result.h"
#include "neo/script_hash.h"
#include "neo/value.h"

namespace adyton::neo {

// token.transfer(from, to, amount, data) of NEP-17, amount in the token's smallest unit.
struct Nep17Transfer {
    ScriptHash token;
    ScriptHash from;
    ScriptHash to;
    base::Amount amount;
    Value data;  // null unless the receiver's onNEP17Payment wants something

    bool operator==(const Nep17Transfer&) const = default;
};

// The transfer with CallFlags.All and an ASSERT: a refused transfer fails the whole transaction.
base::Bytes nep17_transfer_script(const Nep17Transfer& transfer);
// Several in one script, all or nothing. InvalidArgument: none. TooLarge: over kScriptBytesMax.
Result<base::Bytes> nep17_transfer_script(std::span<const Nep17Transfer> transfers);
// The transfer alone, its Boolean left on the stack.
base::Bytes nep17_transfer_call(const Nep17Transfer& transfer);

// token.balanceOf(account), read only, its Integer left on the stack.
base::Bytes nep17_balance_script(const ScriptHash& token, const ScriptHash& account);

}  // namespace adyton::neo

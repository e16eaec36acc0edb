#pragma once

#include <optional>
#include <string>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/result.h"
#include "neo/script_hash.h"
#include "neo/value.h"

namespace adyton::neo {

// A transfer of NEP-11 (non-fungible). Indivisible tokens: transfer(to, tokenId, data), the owner
// stands in the contract alone. Divisible ones: transfer(from, to, amount, tokenId, data).
struct Nep11Transfer {
    static constexpr std::size_t kTokenIdBytesMax = 64;

    ScriptHash contract;
    std::optional<ScriptHash> from;  // of divisible tokens
    ScriptHash to;
    std::optional<base::Amount> amount;  // of divisible tokens
    base::Bytes token_id;                // 1 to 64 bytes
    Value data;

    bool operator==(const Nep11Transfer&) const = default;
};

// With CallFlags.All and an ASSERT. InvalidArgument: a token id of another length, or only one of
// `from` and `amount`.
Result<base::Bytes> nep11_transfer_script(const Nep11Transfer& transfer);

}  // namespace adyton::neo

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/amount.h"
#include "base/result.h"
#include "localchain/internal/hash_key.h"
#include "localchain/neo_chain.h"
#include "neo/script_hash.h"

namespace adyton::localchain::internal {

// The books: who holds how much of which token, now and some blocks back. Every change is checked;
// one that would go below zero or beyond 2^128 - 1 is a bug of the caller. Not thread safe.
class Ledger {
public:
    using TokenIndex = std::uint32_t;
    static constexpr TokenIndex kGas = 0;
    static constexpr TokenIndex kNeo = 1;

    // GAS, NEO and these; nobody holds anything. InvalidArgument: two tokens share a contract, or
    // one is a native contract.
    static Result<Ledger> create(std::vector<TokenOptions> tokens, std::uint32_t history_blocks);

    std::optional<TokenIndex> find_token(const neo::ScriptHash& contract) const;
    const TokenOptions& token(TokenIndex index) const { return tokens_.at(index).options; }
    const std::vector<TokenOptions>& tokens() const { return options_; }
    base::Amount total_supply(TokenIndex token) const { return tokens_.at(token).supply; }

    // The balance after the block of that index; the newest when none is given.
    base::Amount balance(TokenIndex token, const neo::ScriptHash& account) const;
    base::Amount balance_at(
        TokenIndex token, const neo::ScriptHash& account, std::uint32_t height) const;
    // The block in which the balance was last written, at or before `height`; 0 for none.
    std::uint32_t changed_at(
        TokenIndex token, const neo::ScriptHash& account, std::uint32_t height) const;

    // As of block `height`, which never goes back. The supply follows.
    void set_balance(
        TokenIndex token, const neo::ScriptHash& account, base::Amount amount,
        std::uint32_t height);

private:
    struct Version {
        std::uint32_t height;
        base::Amount amount;
    };
    // Oldest first, never empty. The first is the newest that is older than the history, or older.
    using Versions = std::vector<Version>;
    struct Books {
        TokenOptions options;
        base::Amount supply;
        std::unordered_map<neo::ScriptHash, Versions, HashKey> accounts;
    };

    const Version* version_at(
        TokenIndex token, const neo::ScriptHash& account, std::uint32_t height) const;

    std::uint32_t history_blocks_ = 0;
    std::vector<Books> tokens_;
    std::vector<TokenOptions> options_;
};

// 100,000,000 NEO and 52,000,000 GAS at genesis (neo.md 7.2).
base::Amount genesis_neo();
base::Amount genesis_gas();

// What `amount` NEO earn from block `from` to block `to`: 5 GAS a block, a tenth of it to holders.
base::Amount accrued_gas(base::Amount neo, std::uint32_t from, std::uint32_t to);

}  // namespace adyton::localchain::internal

#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "neo/script_hash.h"

namespace adyton::chain {
class NeoClient;
}

// Which contract a token's symbol means. Anybody may deploy a contract that calls itself anything,
// so a symbol is only ever looked up among the tokens that the operator configured, never guessed.
namespace adyton::pool {

// One configured token.
struct ConfiguredToken {
    std::string symbol;  // as the operator writes it; empty: what the contract calls itself
    neo::ScriptHash contract;
};
// Entries "SYMBOL=CONTRACT" or "CONTRACT" (40 hex digits, display order, with or without 0x).
// InvalidArgument with the entry's number: malformed, a symbol or contract twice, or GAS or NEO for
// another contract.
Result<std::vector<ConfiguredToken>> parse_configured_tokens(std::span<const std::string> entries);

// Thread safe. What contracts call themselves is asked once and kept: NEP-17 symbols never change.
class TokenBook {
public:
    // `chain` must outlive the book.
    TokenBook(chain::NeoClient& chain, std::vector<ConfiguredToken> tokens);

    // A symbol that the operator wrote decides; otherwise the one configured contract that calls
    // itself so, letter by letter. InvalidArgument "unknown_token": none does; "ambiguous_token":
    // several do. Unavailable: what a contract calls itself is not known now, so it might.
    Task<Result<neo::ScriptHash>> find(std::string symbol);

private:
    // Nothing: the contract has no symbol.
    using Symbol = std::optional<std::string>;
    Task<Result<Symbol>> symbol_of(neo::ScriptHash contract);

    chain::NeoClient& chain_;
    const std::vector<ConfiguredToken> tokens_;
    std::mutex mutex_;
    std::map<neo::ScriptHash, Symbol> told_;
};

}  // namespace adyton::pool

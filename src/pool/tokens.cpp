#include "pool/tokens.h"

#include <algorithm>
#include <utility>

#include "chain/neo_client.h"
#include "neo/token.h"

namespace adyton::pool {
namespace {

Error bad_entry(std::size_t index, const std::string& what) {
    return Error::invalid_argument("entry " + std::to_string(index + 1) + ": " + what);
}

Result<ConfiguredToken> parse_entry(const std::string& entry, std::size_t index) {
    ConfiguredToken token;
    const std::size_t equals = entry.find('=');
    const std::string hash = equals == std::string::npos ? entry : entry.substr(equals + 1);
    auto contract = neo::ScriptHash::parse(hash);
    if (!contract) {
        return bad_entry(index, "must be SYMBOL=CONTRACT or CONTRACT, 40 hex digits");
    }
    token.contract = *contract;
    if (equals == std::string::npos) return token;
    token.symbol = entry.substr(0, equals);
    if (!chain::is_token_symbol(token.symbol) || neo::ScriptHash::parse(token.symbol)) {
        return bad_entry(index, "the symbol must be up to 32 printable characters, and no hash");
    }
    const auto known = neo::find_well_known_token(token.symbol);
    if (known && known->contract != token.contract) {
        return bad_entry(index, std::string(known->symbol) + " is another contract");
    }
    return token;
}

Error unknown_token() {
    return Error::invalid_argument(
        "token_address must be GAS, NEO, a configured token's symbol or a contract hash of 40 hex "
        "digits",
        "unknown_token");
}

}  // namespace

Result<std::vector<ConfiguredToken>> parse_configured_tokens(std::span<const std::string> entries) {
    std::vector<ConfiguredToken> out;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        TRY(auto token, parse_entry(entries[i], i));
        for (const ConfiguredToken& other : out) {
            if (!token.symbol.empty() && token.symbol == other.symbol) {
                return bad_entry(i, "the symbol stands there already");
            }
            if (token.contract == other.contract) {
                return bad_entry(i, "the contract stands there already");
            }
        }
        out.push_back(std::move(token));
    }
    return out;
}

TokenBook::TokenBook(chain::NeoClient& chain, std::vector<ConfiguredToken> tokens)
    : chain_(chain), tokens_(std::move(tokens)) {}

Task<Result<TokenBook::Symbol>> TokenBook::symbol_of(neo::ScriptHash contract) {
    {
        const std::lock_guard lock(mutex_);
        const auto found = told_.find(contract);
        if (found != told_.end()) co_return found->second;
    }
    auto asking = chain_.token_symbol(contract);
    const Result<std::string> told = co_await std::move(asking);
    // A contract without a symbol may not be deployed yet: that is asked again.
    if (!told && told.error().code() == ErrorCode::Unprocessable) co_return Symbol();
    if (!told) {
        co_return Error::unavailable(
            "what a configured token calls itself is not known now: " + told.error().message(),
            "chain");
    }
    const std::lock_guard lock(mutex_);
    told_.insert_or_assign(contract, *told);
    co_return Symbol(*told);
}

Task<Result<neo::ScriptHash>> TokenBook::find(std::string symbol) {
    if (!chain::is_token_symbol(symbol)) co_return unknown_token();
    for (const ConfiguredToken& token : tokens_) {
        if (token.symbol == symbol) co_return token.contract;
    }
    std::optional<neo::ScriptHash> found;
    for (const ConfiguredToken& token : tokens_) {
        if (!token.symbol.empty()) continue;
        auto asking = symbol_of(token.contract);
        CO_TRY(const Symbol told, co_await std::move(asking));
        if (!told || *told != symbol) continue;
        if (found) {
            co_return Error::invalid_argument(
                "several configured tokens have this symbol: give the contract hash",
                "ambiguous_token");
        }
        found = token.contract;
    }
    if (!found) co_return unknown_token();
    co_return *found;
}

}  // namespace adyton::pool

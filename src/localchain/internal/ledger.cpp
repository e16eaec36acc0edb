#include "localchain/internal/ledger.h"

#include <utility>

#include "base/check.h"
#include "neo/token.h"

namespace adyton::localchain::internal {
namespace {

constexpr std::uint64_t kNeoSupply = 100'000'000;
constexpr std::uint64_t kGasSupply = 5'200'000'000'000'000;
constexpr std::uint64_t kGasPerBlock = 500'000'000;
constexpr std::uint64_t kHolderPercent = 10;

}  // namespace

base::Amount genesis_neo() {
    return base::Amount(kNeoSupply);
}
base::Amount genesis_gas() {
    return base::Amount(kGasSupply);
}

base::Amount accrued_gas(base::Amount neo, std::uint32_t from, std::uint32_t to) {
    if (to <= from) return {};
    // At most 10^8 * 5 * 10^8 * 10 * 2^32, which fits 128 bits.
    __extension__ using Wide = unsigned __int128;
    CHECK(neo <= genesis_neo());
    const Wide product = Wide{neo.low_64()} * kGasPerBlock * (to - from) * kHolderPercent;
    return base::Amount(static_cast<std::uint64_t>(product / 100 / kNeoSupply));
}

Result<Ledger> Ledger::create(std::vector<TokenOptions> tokens, std::uint32_t history_blocks) {
    Ledger ledger;
    ledger.history_blocks_ = history_blocks;
    const auto add = [&ledger](TokenOptions options) {
        ledger.options_.push_back(options);
        ledger.tokens_.push_back({std::move(options), {}, {}});
    };
    add({neo::gas_token().contract, "GasToken", "GAS", neo::kGasDecimals, genesis_gas()});
    add({neo::neo_token().contract, "NeoToken", "NEO", neo::kNeoDecimals, genesis_neo()});
    for (TokenOptions& token : tokens) {
        if (ledger.find_token(token.contract).has_value()) {
            return Error::invalid_argument(
                "two tokens share the contract " + token.contract.to_string());
        }
        add(std::move(token));
    }
    return ledger;
}

std::optional<Ledger::TokenIndex> Ledger::find_token(const neo::ScriptHash& contract) const {
    for (std::size_t i = 0; i < options_.size(); ++i) {
        if (options_[i].contract == contract) return static_cast<TokenIndex>(i);
    }
    return std::nullopt;
}

const Ledger::Version* Ledger::version_at(
    TokenIndex token, const neo::ScriptHash& account, std::uint32_t height) const {
    const auto& accounts = tokens_.at(token).accounts;
    const auto found = accounts.find(account);
    if (found == accounts.end()) return nullptr;
    const Versions& versions = found->second;
    for (auto at = versions.rbegin(); at != versions.rend(); ++at) {
        if (at->height <= height) return &*at;
    }
    return nullptr;
}

base::Amount Ledger::balance(TokenIndex token, const neo::ScriptHash& account) const {
    const auto& accounts = tokens_.at(token).accounts;
    const auto found = accounts.find(account);
    return found == accounts.end() ? base::Amount() : found->second.back().amount;
}

base::Amount Ledger::balance_at(
    TokenIndex token, const neo::ScriptHash& account, std::uint32_t height) const {
    const Version* const version = version_at(token, account, height);
    return version == nullptr ? base::Amount() : version->amount;
}

std::uint32_t Ledger::changed_at(
    TokenIndex token, const neo::ScriptHash& account, std::uint32_t height) const {
    const Version* const version = version_at(token, account, height);
    return version == nullptr ? 0 : version->height;
}

void Ledger::set_balance(
    TokenIndex token, const neo::ScriptHash& account, base::Amount amount, std::uint32_t height) {
    Books& books = tokens_.at(token);
    Versions& versions = books.accounts[account];
    const base::Amount before = versions.empty() ? base::Amount() : versions.back().amount;
    const auto others = books.supply.minus(before);
    CHECK(others.has_value());
    const auto supply = others->plus(amount);
    CHECK(supply.has_value());
    books.supply = *supply;

    if (!versions.empty() && versions.back().height == height) {
        versions.back().amount = amount;
        return;
    }
    CHECK(versions.empty() || versions.back().height < height);
    versions.push_back({height, amount});
    const std::uint32_t oldest = height > history_blocks_ ? height - history_blocks_ : 0;
    std::size_t unneeded = 0;
    while (unneeded + 1 < versions.size() && versions[unneeded + 1].height <= oldest) ++unneeded;
    versions.erase(versions.begin(), versions.begin() + static_cast<std::ptrdiff_t>(unneeded));
}

}  // namespace adyton::localchain::internal

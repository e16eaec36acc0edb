#include "localchain/internal/state.h"

#include "base/check.h"

namespace adyton::localchain::internal {

const State::Write* State::find(Ledger::TokenIndex token, const neo::ScriptHash& account) const {
    // A script moves a handful of balances; its size bounds them to some hundreds.
    for (const Write& write : writes_) {
        if (write.token == token && write.account == account) return &write;
    }
    return nullptr;
}

base::Amount State::balance(Ledger::TokenIndex token, const neo::ScriptHash& account) const {
    const Write* const write = find(token, account);
    return write != nullptr ? write->amount : ledger_.balance_at(token, account, read_height_);
}

std::uint32_t State::neo_settled_at(const neo::ScriptHash& account) const {
    return find(Ledger::kNeo, account) != nullptr
               ? block_index_
               : ledger_.changed_at(Ledger::kNeo, account, read_height_);
}

void State::set_balance(
    Ledger::TokenIndex token, const neo::ScriptHash& account, base::Amount amount) {
    for (Write& write : writes_) {
        if (write.token == token && write.account == account) {
            write.amount = amount;
            return;
        }
    }
    writes_.push_back({token, account, amount});
}

base::Amount State::total_supply(Ledger::TokenIndex token) const {
    base::Amount supply = ledger_.total_supply(token);
    for (const Write& write : writes_) {
        if (write.token != token) continue;
        const auto others = supply.minus(ledger_.balance_at(token, write.account, read_height_));
        CHECK(others.has_value());
        const auto all = others->plus(write.amount);
        CHECK(all.has_value());
        supply = *all;
    }
    return supply;
}

void State::commit(Ledger& ledger) const {
    CHECK(&ledger == &ledger_);
    for (const Write& write : writes_) {
        ledger.set_balance(write.token, write.account, write.amount, block_index_);
    }
}

}  // namespace adyton::localchain::internal

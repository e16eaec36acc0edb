#pragma once

#include <cstdint>
#include <vector>

#include "base/amount.h"
#include "localchain/internal/ledger.h"
#include "neo/script_hash.h"

namespace adyton::localchain::internal {

// What one script sees of the books, and its own changes, which count only once committed.
class State {
public:
    // The script runs in block `block_index`, or would. It sees what was written up to
    // `read_height`: the block before when it is only tried, the same one in a block at work.
    State(const Ledger& ledger, std::uint32_t read_height, std::uint32_t block_index)
        : ledger_(ledger), read_height_(read_height), block_index_(block_index) {}

    const Ledger& ledger() const { return ledger_; }
    std::uint32_t read_height() const { return read_height_; }
    std::uint32_t block_index() const { return block_index_; }

    base::Amount balance(Ledger::TokenIndex token, const neo::ScriptHash& account) const;
    // The block in which an account's NEO last earned its GAS.
    std::uint32_t neo_settled_at(const neo::ScriptHash& account) const;
    void set_balance(Ledger::TokenIndex token, const neo::ScriptHash& account, base::Amount amount);
    base::Amount total_supply(Ledger::TokenIndex token) const;

    struct Write {
        Ledger::TokenIndex token;
        neo::ScriptHash account;
        base::Amount amount;
    };
    // One for each changed balance, in the order of the first change.
    const std::vector<Write>& writes() const { return writes_; }
    // Into `ledger`, which is the one read from, at the block's index.
    void commit(Ledger& ledger) const;

private:
    const Write* find(Ledger::TokenIndex token, const neo::ScriptHash& account) const;

    const Ledger& ledger_;
    std::uint32_t read_height_;
    std::uint32_t block_index_;
    std::vector<Write> writes_;
};

}  // namespace adyton::localchain::internal

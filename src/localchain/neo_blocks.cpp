#include <algorithm>
#include <utility>

#include "base/check.h"
#include "localchain/internal/chain_core.h"
#include "localchain/internal/vm.h"

namespace adyton::localchain {
namespace {

using internal::Ledger;
using internal::PoolEntry;

base::Amount amount_of(std::int64_t datoshi) {
    CHECK(datoshi >= 0);
    return base::Amount(static_cast<std::uint64_t>(datoshi));
}

std::uint64_t milliseconds(base::Timestamp time) {
    const auto count =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    return count < 0 ? 0 : static_cast<std::uint64_t>(count);
}

}  // namespace

internal::HeaderFields NeoChain::Core::header_of(const Block& block) const {
    internal::HeaderFields header;
    header.previous = block.previous;
    header.merkle_root = block.merkle_root;
    header.time_ms = block.time_ms;
    header.nonce = block.nonce;
    header.index = block.index;
    header.next_consensus = committee;
    return header;
}

const Block& NeoChain::Core::produce() {
    Sealed sealed;
    sealed.time_ms = std::max(blocks.back()->time_ms + 1, milliseconds(executor.now()));
    sealed.nonce = internal::random_number(random);
    const Block& block = append(pool.take(options), sealed);
    for (const auto& observer : observers) observer(block);
    return block;
}

const Block& NeoChain::Core::append(
    std::vector<std::unique_ptr<PoolEntry>> entries, const Sealed& sealed) {
    auto block = std::make_unique<Block>(Block{});
    block->index = height() + 1;
    block->previous = blocks.back()->hash;
    block->time_ms = sealed.time_ms;
    block->nonce = sealed.nonce;
    std::vector<neo::TransactionHash> leaves;
    leaves.reserve(entries.size());
    for (const auto& entry : entries) leaves.push_back(entry->hash);
    block->merkle_root = internal::merkle_root(leaves);
    block->hash = internal::header_hash(header_of(*block));
    if (sealed.signature.has_value()) {
        block->signature = *sealed.signature;
    } else {
        const auto signature = crypto::sign_rfc6979_low_s(
            validator, neo::sign_data_digest(options.magic, block->hash));
        CHECK(signature.has_value());
        block->signature = *signature;
    }

    burn_fees(entries, block->index);
    Effects effects;
    block->transactions.reserve(entries.size());
    for (auto& entry : entries) {
        effects.gas_accounts.insert(entry->sender());
        execute(std::move(entry), *block, effects);
    }
    Block& added = *block;
    block_indices.emplace(added.hash, added.index);
    blocks.push_back(std::move(block));
    clean_pool(added.index, effects);
    return added;
}

// Before any script runs, from every sender (GasToken.OnPersist). The pool has made sure that they
// can pay.
void NeoChain::Core::burn_fees(
    const std::vector<std::unique_ptr<PoolEntry>>& entries, std::uint32_t index) {
    base::Amount earned;
    for (const auto& entry : entries) {
        const auto left =
            ledger.balance(Ledger::kGas, entry->sender()).minus(amount_of(entry->fees()));
        CHECK(left.has_value());
        ledger.set_balance(Ledger::kGas, entry->sender(), *left, index);
        const auto sum = earned.plus(amount_of(entry->transaction.network_fee));
        CHECK(sum.has_value());
        earned = *sum;
    }
    if (earned == base::Amount()) return;
    const auto gas = ledger.balance(Ledger::kGas, validator_account).plus(earned);
    CHECK(gas.has_value());
    ledger.set_balance(Ledger::kGas, validator_account, *gas, index);
}

void NeoChain::Core::execute(std::unique_ptr<PoolEntry> entry, Block& block, Effects& effects) {
    internal::State state(ledger, block.index, block.index);
    auto done = std::make_unique<ConfirmedTransaction>();
    done->hash = entry->hash;
    done->block_index = block.index;
    const neo::Transaction& transaction = entry->transaction;
    done->execution = internal::run_script(
        transaction.script, transaction.signers, options.policy, transaction.system_fee, state);
    if (done->execution.state == VmState::Halt) {
        for (const internal::State::Write& write : state.writes()) {
            if (write.token == Ledger::kGas) effects.gas_accounts.insert(write.account);
        }
        state.commit(ledger);
    }
    for (const neo::TransactionHash& hash : entry->conflicts) {
        Excluded exclusion{block.index, {}};
        for (const neo::Signer& signer : transaction.signers) {
            exclusion.signers.push_back(signer.account);
        }
        excluded[hash].push_back(std::move(exclusion));
        effects.excluded.push_back(hash);
    }
    done->bytes = std::move(entry->bytes);
    block.transactions.push_back(done.get());
    const bool fresh = confirmed.emplace(done->hash, std::move(done)).second;
    CHECK(fresh);
}

void NeoChain::Core::clean_pool(std::uint32_t index, const Effects& effects) {
    pool.drop_expired(index);
    for (const neo::ScriptHash& account : effects.gas_accounts) {
        pool.drop_unaffordable(account, ledger.balance(Ledger::kGas, account));
    }
    for (const neo::TransactionHash& hash : effects.excluded) {
        const PoolEntry* const entry = pool.find(hash);
        if (entry != nullptr && is_excluded(*entry, index)) pool.remove(hash);
    }
}

// By a transaction up to that block with a signer in common.
bool NeoChain::Core::is_excluded(const PoolEntry& entry, std::uint32_t at_height) const {
    const auto found = excluded.find(entry.hash);
    if (found == excluded.end()) return false;
    for (const Excluded& exclusion : found->second) {
        if (exclusion.block_index > at_height) continue;
        for (const neo::ScriptHash& account : exclusion.signers) {
            if (entry.signed_by(account)) return true;
        }
    }
    return false;
}

void NeoChain::Core::schedule(base::Duration delay) {
    timer = executor.post_after(delay, [this] {
        if (!running) return;
        if (postponed > base::Duration::zero()) {
            schedule(std::exchange(postponed, base::Duration::zero()));
            return;
        }
        produce();
        schedule(options.block_time);
    });
}

}  // namespace adyton::localchain

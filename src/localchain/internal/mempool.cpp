#include "localchain/internal/mempool.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace adyton::localchain::internal {
namespace {

constexpr int kUnclassified = -500;
constexpr int kPoolFull = -502;
constexpr int kAlreadyPooled = -503;
constexpr int kInsufficientFunds = -511;

// A fee is never negative.
base::Amount amount_of(std::int64_t datoshi) {
    CHECK(datoshi >= 0);
    return base::Amount(static_cast<std::uint64_t>(datoshi));
}

}  // namespace

const neo::ScriptHash& PoolEntry::sender() const {
    return transaction.signers.front().account;
}

bool PoolEntry::signed_by(const neo::ScriptHash& account) const {
    for (const neo::Signer& signer : transaction.signers) {
        if (signer.account == account) return true;
    }
    return false;
}

std::int64_t PoolEntry::fees() const {
    return transaction.system_fee + transaction.network_fee;
}

std::int64_t PoolEntry::fee_per_byte() const {
    return transaction.network_fee / static_cast<std::int64_t>(bytes.size());
}

bool Mempool::Better::operator()(const PoolEntry* a, const PoolEntry* b) const {
    if (a->high_priority != b->high_priority) return a->high_priority;
    const std::int64_t rate_a = a->fee_per_byte();
    const std::int64_t rate_b = b->fee_per_byte();
    if (rate_a != rate_b) return rate_a > rate_b;
    if (a->transaction.network_fee != b->transaction.network_fee) {
        return a->transaction.network_fee > b->transaction.network_fee;
    }
    return a->sequence < b->sequence;
}

std::optional<Refusal> Mempool::find_displaced(const PoolEntry& entry, Displaced& out) const {
    const auto displace = [&out](const PoolEntry* other) {
        if (std::find(out.entries.begin(), out.entries.end(), other) != out.entries.end()) return;
        out.entries.push_back(other);
        out.network_fees += other->transaction.network_fee;
    };
    // Pooled ones that name the newcomer, if they have a signer in common with it.
    if (const auto found = named_.find(entry.hash); found != named_.end()) {
        for (const PoolEntry* other : found->second) {
            const auto& signers = entry.transaction.signers;
            if (std::any_of(signers.begin(), signers.end(), [other](const neo::Signer& signer) {
                    return other->signed_by(signer.account);
                })) {
                displace(other);
            }
        }
    }
    for (const neo::TransactionHash& hash : entry.conflicts) {
        const auto found = entries_.find(hash);
        if (found == entries_.end()) continue;
        if (!entry.signed_by(found->second->sender())) {
            return Refusal{
                kUnclassified, "mempool: not signed by the sender of a conflicting transaction"};
        }
        displace(found->second.get());
    }
    if (!out.entries.empty() && entry.transaction.network_fee <= out.network_fees) {
        return Refusal{
            kUnclassified, "mempool: conflicting transactions have bigger or equal network fee"};
    }
    return std::nullopt;
}

std::optional<Refusal> Mempool::add(std::unique_ptr<PoolEntry> entry, base::Amount sender_gas) {
    if (entries_.contains(entry->hash)) {
        return Refusal{kAlreadyPooled, "already exists in mempool"};
    }
    Displaced displaced;
    if (auto refusal = find_displaced(*entry, displaced)) return refusal;

    base::Amount needed = amount_of(entry->fees());
    if (const auto found = senders_.find(entry->sender()); found != senders_.end()) {
        std::int64_t pooled = found->second.fees;
        for (const PoolEntry* other : displaced.entries) {
            if (other->sender() == entry->sender()) pooled -= other->fees();
        }
        const auto sum = needed.plus(amount_of(pooled));
        CHECK(sum.has_value());
        needed = *sum;
    }
    if (needed > sender_gas) return Refusal{kInsufficientFunds, "insufficient funds"};

    entry->sequence = next_sequence_++;
    if (entries_.size() - displaced.entries.size() >= size_max_) {
        // Only one of lower worth than the newcomer makes room for it.
        if (ordered_.empty()) return Refusal{kPoolFull, "mempool is full"};
        const PoolEntry* const worst = *std::prev(ordered_.end());
        if (!Better()(entry.get(), worst)) return Refusal{kPoolFull, "mempool is full"};
        displaced.entries.push_back(worst);
    }
    for (const PoolEntry* other : displaced.entries) detach(other);

    const PoolEntry* const added = entry.get();
    Sender& sender = senders_[added->sender()];
    sender.fees += added->fees();
    sender.entries.insert(added);
    ordered_.insert(added);
    by_expiry_[added->transaction.valid_until_block].insert(added);
    for (const neo::TransactionHash& hash : added->conflicts) named_[hash].push_back(added);
    entries_.emplace(added->hash, std::move(entry));
    return std::nullopt;
}

std::unique_ptr<PoolEntry> Mempool::detach(const PoolEntry* entry) {
    ordered_.erase(entry);
    const auto sender = senders_.find(entry->sender());
    sender->second.fees -= entry->fees();
    sender->second.entries.erase(entry);
    if (sender->second.entries.empty()) senders_.erase(sender);
    const auto expiry = by_expiry_.find(entry->transaction.valid_until_block);
    expiry->second.erase(entry);
    if (expiry->second.empty()) by_expiry_.erase(expiry);
    for (const neo::TransactionHash& hash : entry->conflicts) {
        const auto named = named_.find(hash);
        std::erase(named->second, entry);
        if (named->second.empty()) named_.erase(named);
    }
    auto node = entries_.extract(entry->hash);
    CHECK(!node.empty());
    return std::move(node.mapped());
}

const PoolEntry* Mempool::find(const neo::TransactionHash& hash) const {
    const auto found = entries_.find(hash);
    return found == entries_.end() ? nullptr : found->second.get();
}

bool Mempool::remove(const neo::TransactionHash& hash) {
    const PoolEntry* const entry = find(hash);
    if (entry == nullptr) return false;
    detach(entry);
    return true;
}

std::vector<std::unique_ptr<PoolEntry>> Mempool::take(const ChainOptions& limits) {
    std::vector<const PoolEntry*> chosen;
    std::size_t bytes = 0;
    std::int64_t system_fee = 0;
    for (const PoolEntry* entry : ordered_) {
        if (chosen.size() >= limits.block_transactions_max) break;
        if (bytes + entry->bytes.size() > limits.block_bytes_max) break;
        if (entry->transaction.system_fee > limits.block_system_fee_max - system_fee) break;
        bytes += entry->bytes.size();
        system_fee += entry->transaction.system_fee;
        chosen.push_back(entry);
    }
    std::vector<std::unique_ptr<PoolEntry>> out;
    out.reserve(chosen.size());
    for (const PoolEntry* entry : chosen) out.push_back(detach(entry));
    return out;
}

std::vector<neo::TransactionHash> Mempool::hashes() const {
    std::vector<neo::TransactionHash> out;
    out.reserve(ordered_.size());
    for (const PoolEntry* entry : ordered_) out.push_back(entry->hash);
    return out;
}

void Mempool::drop_expired(std::uint32_t height) {
    while (!by_expiry_.empty() && by_expiry_.begin()->first <= height) {
        detach(*by_expiry_.begin()->second.begin());
    }
}

void Mempool::drop_unaffordable(const neo::ScriptHash& sender, base::Amount gas) {
    for (;;) {
        const auto found = senders_.find(sender);
        if (found == senders_.end() || amount_of(found->second.fees) <= gas) return;
        detach(*std::prev(found->second.entries.end()));
    }
}

}  // namespace adyton::localchain::internal

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "localchain/internal/hash_key.h"
#include "localchain/neo_chain.h"
#include "neo/sign_data.h"
#include "neo/transaction.h"

namespace adyton::localchain::internal {

// A transaction whose own form and witnesses are in order.
struct PoolEntry {
    neo::TransactionHash hash;
    base::Bytes bytes;  // signed
    neo::Transaction transaction;
    std::vector<neo::TransactionHash> conflicts;  // those its attributes name
    bool high_priority = false;
    std::uint64_t sequence = 0;  // set by the pool: earlier is lower

    const neo::ScriptHash& sender() const;
    bool signed_by(const neo::ScriptHash& account) const;
    // System and network fee together; checked to fit when the transaction was parsed.
    std::int64_t fees() const;
    std::int64_t fee_per_byte() const;
};

// What waits for a block, ordered as neo-go does: high priority, then network fee a byte, then
// network fee, then first come. The sum of a sender's fees never passes his GAS. Not thread safe.
class Mempool {
public:
    explicit Mempool(std::size_t size_max) : size_max_(size_max) {}

    // None: it is in. `sender_gas` is the sender's balance. Fee sums and conflicts are checked and
    // those that it displaces leave. -503, -511, -502, and -500 for conflicts.
    std::optional<Refusal> add(std::unique_ptr<PoolEntry> entry, base::Amount sender_gas);
    const PoolEntry* find(const neo::TransactionHash& hash) const;
    std::size_t size() const { return entries_.size(); }
    bool remove(const neo::TransactionHash& hash);

    // The next block's transactions, best first; each leaves the pool.
    std::vector<std::unique_ptr<PoolEntry>> take(const ChainOptions& limits);
    // The hashes in that order.
    std::vector<neo::TransactionHash> hashes() const;

    // After a block: what can no longer be in one leaves.
    void drop_expired(std::uint32_t height);
    void drop_unaffordable(const neo::ScriptHash& sender, base::Amount gas);

private:
    struct Better {
        bool operator()(const PoolEntry* a, const PoolEntry* b) const;
    };
    using Ordered = std::set<const PoolEntry*, Better>;
    struct Sender {
        std::int64_t fees = 0;  // of all its entries; bounded by a GAS balance
        Ordered entries;
    };
    struct Displaced {
        std::vector<const PoolEntry*> entries;
        std::int64_t network_fees = 0;
    };

    // Those of the pool that the newcomer excludes, or why it is excluded itself.
    std::optional<Refusal> find_displaced(const PoolEntry& entry, Displaced& out) const;
    std::unique_ptr<PoolEntry> detach(const PoolEntry* entry);

    std::size_t size_max_;
    std::uint64_t next_sequence_ = 1;
    std::unordered_map<neo::TransactionHash, std::unique_ptr<PoolEntry>, HashKey> entries_;
    Ordered ordered_;
    std::unordered_map<neo::ScriptHash, Sender, HashKey> senders_;
    std::map<std::uint32_t, std::set<const PoolEntry*, Better>> by_expiry_;
    // Hash named by a Conflicts attribute -> the pooled transactions that name it.
    std::unordered_map<neo::TransactionHash, std::vector<const PoolEntry*>, HashKey> named_;
};

}  // namespace adyton::localchain::internal

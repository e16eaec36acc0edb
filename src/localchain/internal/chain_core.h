#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "localchain/internal/block_format.h"
#include "localchain/internal/hash_key.h"
#include "localchain/internal/ledger.h"
#include "localchain/internal/mempool.h"
#include "localchain/neo_chain.h"
#include "neo/witness.h"

namespace adyton::localchain {

// The chain's state and rules; NeoChain is its face.
struct NeoChain::Core {
    Core(
        ChainOptions its_options, crypto::P256PrivateKey its_validator, internal::Ledger its_ledger,
        base::Executor& its_executor, base::RandomSource& its_random);

    std::uint32_t height() const { return blocks.back()->index; }
    bool allocate_genesis();
    void append_genesis();

    // neo_rules.cpp: a transaction against a node's view of the chain.
    SubmitAnswer submit(base::ByteView bytes, NodeFlavour flavour, std::uint32_t at_height);
    std::optional<Refusal> check_neo_go(
        const internal::PoolEntry& entry, std::uint32_t at_height) const;
    std::optional<Refusal> check_csharp(
        const internal::PoolEntry& entry, std::uint32_t at_height) const;
    std::optional<Refusal> check_known(
        const internal::PoolEntry& entry, std::uint32_t at_height) const;
    std::optional<Refusal> check_expiry(
        const internal::PoolEntry& entry, std::uint32_t at_height) const;
    std::optional<Refusal> check_policy(const internal::PoolEntry& entry) const;
    std::optional<Refusal> check_attributes(
        const internal::PoolEntry& entry, std::uint32_t at_height) const;
    // `budget`: what the network fee leaves for the witnesses after the size is paid.
    std::optional<Refusal> check_witnesses(
        const internal::PoolEntry& entry, std::int64_t budget, NodeFlavour flavour) const;
    // What the script of an account asks for; null: it is not standard. Keys are points of a curve
    // and cost more to read than the rest of a transaction, so those of known accounts are kept.
    const neo::StandardScript* standard_script(
        const neo::ScriptHash& account, const base::Bytes& verification) const;

    // neo_blocks.cpp
    struct Sealed {  // what a block is made of besides its transactions
        std::uint64_t time_ms = 0;
        std::uint64_t nonce = 0;
        std::optional<crypto::P256Signature> signature;  // none: sign it
    };
    internal::HeaderFields header_of(const Block& block) const;
    const Block& produce();
    const Block& append(
        std::vector<std::unique_ptr<internal::PoolEntry>> entries, const Sealed& sealed);
    void burn_fees(
        const std::vector<std::unique_ptr<internal::PoolEntry>>& entries, std::uint32_t index);
    Result<void> check_replay(
        const std::vector<std::unique_ptr<internal::PoolEntry>>& entries) const;  // neo_replay.cpp
    struct Effects {  // of a block, on what may stay in the pool
        std::set<neo::ScriptHash> gas_accounts;
        std::vector<neo::TransactionHash> excluded;
    };
    void execute(std::unique_ptr<internal::PoolEntry> entry, Block& block, Effects& effects);
    void clean_pool(std::uint32_t index, const Effects& effects);
    bool is_excluded(const internal::PoolEntry& entry, std::uint32_t at_height) const;
    void schedule(base::Duration delay);

    const ChainOptions options;
    const crypto::P256PrivateKey validator;
    const crypto::P256PublicKey validator_key;
    const neo::ScriptHash validator_account;
    const base::Bytes committee_script;
    const neo::ScriptHash committee;
    base::Executor& executor;
    base::RandomSource& random;

    internal::Ledger ledger;
    internal::Mempool pool;
    std::set<neo::ScriptHash> blocked;
    std::vector<std::unique_ptr<Block>> blocks;  // by index
    std::unordered_map<neo::TransactionHash, std::uint32_t, internal::HashKey> block_indices;
    std::unordered_map<
        neo::TransactionHash, std::unique_ptr<ConfirmedTransaction>, internal::HashKey>
        confirmed;
    // A hash that confirmed transactions exclude, with their signers.
    struct Excluded {
        std::uint32_t block_index;
        std::vector<neo::ScriptHash> signers;
    };
    std::unordered_map<neo::TransactionHash, std::vector<Excluded>, internal::HashKey> excluded;

    mutable std::unordered_map<neo::ScriptHash, neo::StandardScript, internal::HashKey> scripts;

    std::vector<std::function<void(const Block&)>> observers;
    base::Executor::TimerId timer = 0;
    bool running = false;
    base::Duration postponed = base::Duration::zero();
};

}  // namespace adyton::localchain

namespace adyton::localchain::internal {

// The parsed form of signed bytes. Errors of neo::parse_transaction.
Result<std::unique_ptr<PoolEntry>> parse_entry(base::ByteView bytes);

std::uint64_t random_number(base::RandomSource& random);

}  // namespace adyton::localchain::internal

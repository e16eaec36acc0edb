#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/amount.h"
#include "base/bytes.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/p256.h"
#include "localchain/neo_vm.h"
#include "neo/script_hash.h"
#include "neo/sign_data.h"

namespace adyton::neo {
struct Signer;
}  // namespace adyton::neo

namespace adyton::localchain {

// Whose rules and words a node follows where the implementations differ (neo.md 5.5, 5.8).
enum class NodeFlavour {
    NeoGo,     // current neo-go: errors inside HTTP 200
    NeoGo105,  // neo-go v0.105: HTTP 422 and 405 for errors, events of faulted transactions shown
    CSharp,    // the C# node: a short network fee is -511, an unknown log is -32602
};

// A NEP-17 token beside GAS and NEO. Its whole supply belongs to the committee's account at
// genesis.
struct TokenOptions {
    neo::ScriptHash contract;
    std::string name;
    std::string symbol;
    int decimals = 0;
    base::Amount supply;
};

struct GenesisAllocation {
    neo::ScriptHash token;
    neo::ScriptHash account;
    base::Amount amount;
};

struct ChainPolicy {
    std::int64_t fee_per_byte = 1000;      // datoshi
    std::int64_t exec_fee_factor = 30;     // datoshi a price unit
    std::int64_t storage_price = 100'000;  // datoshi a byte
};

// Everything that a ledger file depends on is here but block_time and the mempool's size.
struct ChainOptions {
    neo::NetworkMagic magic = neo::NetworkMagic{56753};
    base::Timestamp genesis_time{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
    ChainPolicy policy;
    std::vector<TokenOptions> tokens;
    // Taken out of what the committee's account gets (100,000,000 NEO, 52,000,000 GAS, the tokens).
    std::vector<GenesisAllocation> genesis;
    std::uint32_t valid_until_increment_max = 86'400;
    std::size_t block_transactions_max = 512;
    std::size_t block_bytes_max = 2 * 1024 * 1024;
    std::int64_t block_system_fee_max = 150'000'000'000;  // datoshi
    std::int64_t invoke_gas_max = 1'500'000'000;          // of one simulated call, datoshi
    // How many blocks back balances can be read (a node that lags, NeoNode::set_lag).
    std::uint32_t history_blocks = 100;

    base::Duration block_time = std::chrono::seconds(1);
    std::size_t mempool_max = 50'000;
};

// Why a node refuses a transaction: a code of neo.md 5.5, and what neo-go writes as `data`.
struct Refusal {
    int code = 0;
    std::string data;
};

struct SubmitAnswer {
    std::optional<neo::TransactionHash> hash;  // none: not even a transaction
    std::optional<Refusal> refusal;            // none: it is in the pool

    bool accepted() const { return !refusal.has_value(); }
};

// A transaction in a block.
struct ConfirmedTransaction {
    neo::TransactionHash hash;
    std::uint32_t block_index = 0;
    base::Bytes bytes;  // signed
    Execution execution;
};

struct Block {
    std::uint32_t index = 0;
    neo::TransactionHash hash;      // wire order, like a transaction's
    neo::TransactionHash previous;  // all zero for genesis
    neo::TransactionHash merkle_root;
    std::uint64_t time_ms = 0;  // since the epoch
    std::uint64_t nonce = 0;
    crypto::P256Signature signature;                        // of the one validator
    std::vector<const ConfirmedTransaction*> transactions;  // live as long as the chain
};

// A Neo N3 chain in memory: a SIMULATOR for development and tests, with one validator, its rules
// after neo-go's. It keeps real books of GAS, NEO and test tokens, checks witnesses, fees, expiry,
// conflicts and double spends as a node does, and runs exactly the scripts of neo.md 4.2 and 5.9:
// pushes, PACK, NEWARRAY0, System.Contract.Call of NEP-17 methods and Policy getters, ASSERT. Any
// other script FAULTs and says so.
//
// Simplified: GAS accrues to NEO holders at 0.5 datoshi a NEO and block and is paid out when their
// NEO moves (no voting, no committee rewards). System fees are burned, network fees go to the
// validator's own account. Transfers to a contract FAULT. Witness rules and groups never match.
//
// Blocks come by hand (produce_block) or by timer (start). Everything on the executor's thread.
// A copy of all that ever happened stays in memory, about 600 bytes a transaction.
class NeoChain {
public:
    // `executor` and `random` must outlive the chain. InvalidArgument: an allocation is of no known
    // token or more than there is; two tokens share a contract.
    static Result<std::unique_ptr<NeoChain>> create(
        ChainOptions options, crypto::P256PrivateKey validator, base::Executor& executor,
        base::RandomSource& random);
    ~NeoChain();
    NeoChain(const NeoChain&) = delete;
    NeoChain& operator=(const NeoChain&) = delete;

    const ChainOptions& options() const;
    const crypto::P256PublicKey& validator() const;
    // The 1-of-1 multi-signature account of the validator: owns all that genesis does not allocate.
    const neo::ScriptHash& committee_account() const;

    // Index of the last block; genesis is 0. getblockcount is one more.
    std::uint32_t height() const;

    // Now, with up to block_transactions_max of the pool.
    const Block& produce_block();
    // A block every block_time from now on. On a SimExecutor, drop_all() drops the timer too:
    // start again.
    void start();
    void stop();
    // The next block that the timer makes comes this much later; adds up.
    void delay_next_block(base::Duration by);
    // Called after each block, on the executor.
    void on_block(std::function<void(const Block&)> observer);

    // What sendrawtransaction does at a node whose last block is `at_height` (<= height()). A node
    // that lags may accept what the others know to be expired or executed: nothing happens then.
    SubmitAnswer submit(base::ByteView signed_transaction, NodeFlavour flavour);
    SubmitAnswer submit(
        base::ByteView signed_transaction, NodeFlavour flavour, std::uint32_t at_height);
    // Forgets a pooled transaction, as a node that restarts does. False: not pooled.
    bool drop_from_pool(const neo::TransactionHash& hash);

    // The Policy contract's list: transactions with such a signer are refused with -505.
    void set_blocked(const neo::ScriptHash& account, bool blocked);

    std::size_t pool_size() const;
    std::vector<neo::TransactionHash> pool_hashes() const;  // in the order of the next block
    // Signed bytes; null: not pooled. Valid until the pool changes.
    const base::Bytes* find_pooled(const neo::TransactionHash& hash) const;
    // Null: in no block. Valid as long as the chain.
    const ConfirmedTransaction* find_confirmed(const neo::TransactionHash& hash) const;
    const Block* find_block(std::uint32_t index) const;
    const Block* find_block(const neo::TransactionHash& hash) const;

    // Zero for unknown accounts and tokens. Heights older than history_blocks read as the oldest.
    base::Amount balance(const neo::ScriptHash& token, const neo::ScriptHash& account) const;
    base::Amount balance_at(
        const neo::ScriptHash& token, const neo::ScriptHash& account, std::uint32_t height) const;
    // The block that last wrote the balance, at or before a height; 0: none did.
    std::uint32_t changed_at(
        const neo::ScriptHash& token, const neo::ScriptHash& account, std::uint32_t height) const;
    base::Amount total_supply(const neo::ScriptHash& token) const;
    // GAS, NEO and the test tokens.
    const std::vector<TokenOptions>& tokens() const;

    // Runs a script on the state at a height without effect, as invokescript does.
    Execution invoke(
        base::ByteView script, const std::vector<neo::Signer>& signers,
        std::uint32_t at_height) const;

    // A real transfer from the committee's account, signed with the validator's key and put in the
    // pool. Unprocessable: refused, with the reason.
    Result<neo::TransactionHash> pay(
        const neo::ScriptHash& token, const neo::ScriptHash& to, base::Amount amount);

    // The witness of a block: the committee's script, and the validator's signature (genesis:
    // none).
    const base::Bytes& committee_script() const;
    base::Bytes block_invocation(const Block& block) const;
    // As nodes serialise a block, with its witness and transactions.
    base::Bytes serialize_block(const Block& block) const;
    // A block for the ledger file, and back: executes the transactions again, in order, without
    // checking signatures. Little endian: index (4), time in ms (8), nonce (8), previous hash (32),
    // hash (32), signature (64), count (4), and for each transaction its size (4) and bytes.
    // CorruptData: it does not read, or is not the next block of this chain; nothing has changed.
    base::Bytes block_record(const Block& block) const;
    Result<void> replay_record(base::ByteView record);

    struct Core;

private:
    explicit NeoChain(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

// The publicly known validator key of tests/vectors/neo/privnet.json. For tests only.
crypto::P256PrivateKey public_test_validator();

}  // namespace adyton::localchain

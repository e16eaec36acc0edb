#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "near/account_id.h"
#include "near/action.h"
#include "near/amounts.h"
#include "near/hash.h"
#include "near/keys.h"
#include "near/transaction.h"

namespace adyton::localchain {

class NearContract;

struct NearGenesisKey {
    near::PublicKey key;
    near::AccessKeyPermission permission = near::FullAccess{};
};

struct NearGenesisAccount {
    near::AccountId id;
    near::YoctoNear balance;
    std::vector<NearGenesisKey> keys = {};
    // shared: options are copied, and a contract object holds no state of the chain
    std::shared_ptr<const NearContract> contract = nullptr;
};

struct NearChainOptions {
    std::string chain_id = "adyton-local";
    // Mainnet's order of magnitude, so that nonces made from times relate to heights as they do
    // there (near.md 1.6).
    std::uint64_t genesis_height = 194'854'000;
    std::uint64_t genesis_time_ns = 0;  // since 1970; 0: the executor's time
    // Of block hashes; the same options and calls give the same hashes.
    std::uint64_t seed = 1;
    std::vector<NearGenesisAccount> genesis;

    base::Duration block_time = std::chrono::milliseconds(600);
    // Blocks between the head and the last final one.
    std::uint32_t final_lag_blocks = 2;
    std::uint64_t yield_timeout_blocks = 200;
    // A transaction's block hash may be this much older than the head.
    std::uint64_t transaction_validity_blocks = 86'400;
    std::size_t block_transactions_max = 2'000;
    std::size_t pool_max = 50'000;
    std::uint64_t gas_price_yocto = 100'000'000;
    // How many blocks back a lagging node can read state (NearNode::set_lag).
    std::uint32_t history_blocks = 300;
    // Finished transactions are forgotten after so many blocks, as a node that is no archive does.
    // Zero: never.
    std::uint64_t garbage_collect_blocks = 0;
};

// One receipt's end, or a transaction's (whose id is its hash).
struct NearOutcome {
    enum class Kind { Value, Receipt, Failure };
    near::ReceiptId id;
    near::AccountId executor;
    std::uint64_t height = 0;  // of the block that it ran in
    std::vector<std::string> logs = {};
    std::vector<near::ReceiptId> receipt_ids = {};
    std::uint64_t gas_burnt = 0;
    near::YoctoNear tokens_burnt = {};
    Kind kind = Kind::Value;
    base::Bytes value = {};     // Value
    near::ReceiptId receipt{};  // Receipt: where it goes on
    base::Json failure = {};    // Failure: {"ActionError":{..}} or {"InvalidTxError":..}
    bool is_refund = false;
};

// A receipt with actions, as EXPERIMENTAL_tx_status lists it.
struct NearReceipt {
    struct DataReceiver {
        near::ReceiptId data_id;
        near::AccountId receiver;
    };
    near::ReceiptId id;
    near::AccountId predecessor;  // "system": a refund
    near::AccountId receiver;
    near::AccountId signer;
    near::PublicKey signer_key;
    std::uint64_t gas_price = 0;
    std::vector<near::Action> actions;
    std::vector<near::ReceiptId> input_data_ids = {};
    std::vector<DataReceiver> output_data_receivers = {};
    bool is_promise_yield = false;
    std::uint64_t made_at = 0;  // height of the block that made it
};

// A transaction in a block, and all that came of it so far.
struct NearTransactionRecord {
    near::SignedTransaction transaction;
    near::TransactionHash hash;
    std::uint64_t height = 0;
    NearOutcome outcome;
    std::vector<NearReceipt> receipts = {};  // in the order in which they were made
    std::vector<NearOutcome> outcomes = {};  // of receipts, in the order in which they ran
    std::size_t unfinished = 0;              // receipts, refunds aside, that have not run
    std::uint64_t finished_at = 0;           // height at which the last of them ran; 0: not yet
};

struct NearBlockRecord {
    std::uint64_t height = 0;
    near::BlockHash hash{};
    near::BlockHash previous{};
    std::uint64_t previous_height = 0;
    std::uint64_t timestamp_ns = 0;  // since the epoch; strictly increasing
    std::vector<near::TransactionHash> transactions;
    std::uint64_t gas_used = 0;
    std::size_t receipts_executed = 0;
};

// Accounts and keys as they stand.
struct NearAccountState {
    near::YoctoNear amount;
    near::CodeHash code_hash{};  // all zero bytes: no contract
    std::uint64_t storage_bytes = 0;
};
struct NearKeyState {
    std::uint64_t nonce = 0;
    near::AccessKeyPermission permission;
};

// What a view call gave.
struct NearViewAnswer {
    base::Bytes result;
    std::vector<std::string> logs;
    std::optional<std::string> error;  // as a node words it: "wasm execution failed with error: .."
};

// How a node takes a transaction: nothing, or why not, as in data.TxExecutionError.InvalidTxError.
struct NearSubmitAnswer {
    std::optional<near::TransactionHash> hash;   // none: not even a transaction
    std::optional<base::Json> invalid_tx_error;  // none: it is in the pool
    std::string parse_error;                     // when there is no hash
    bool accepted() const { return hash.has_value() && !invalid_tx_error.has_value(); }
};

// Ordered trouble inside the chain: the next receipts with a call of this account and method fail.
struct NearReceiptFault {
    std::optional<near::AccountId> receiver = {};  // none: any
    std::string method = {};                       // empty: any
    std::uint64_t skip = 0;
    std::uint64_t count = 1;
    // Text of FunctionCallError.ExecutionError.
    std::string error = "Smart contract panicked: ordered by a test";
};

// A NEAR chain in memory: a SIMULATOR for development and tests, with one shard and one producer.
// It keeps real books: accounts, access keys with nonces and allowances, signatures over the Borsh
// bytes, block hashes that age, receipts that run one block after the other, promises, yield and
// resume with its timeout, gas bought and given back. Contracts are C++ objects with the observed
// behaviour of the real ones (localchain/contracts); no WebAssembly is run.
//
// Simplified: gas of contract code is a fixed figure for each method; all gas burnt is burnt (no
// reward to contracts); gas price is constant; no validators, epochs, congestion or storage
// staking; Stake, global contracts and gas keys are refused as unsupported.
//
// Blocks come by hand (produce_block), by timer (start) or as soon as there is work
// (start_instant). State is kept for history_blocks. Everything on the executor's thread; the same
// options and calls give the same hashes and the same trace_hash().
class NearChain {
public:
    // `executor` must outlive the chain. InvalidArgument: two accounts of one name, or balances
    // above 2^128 - 1.
    static Result<std::unique_ptr<NearChain>> create(
        NearChainOptions options, base::Executor& executor);
    ~NearChain();
    NearChain(const NearChain&) = delete;
    NearChain& operator=(const NearChain&) = delete;

    const NearChainOptions& options() const;

    std::uint64_t height() const;  // of the head
    std::uint64_t final_height() const;
    const NearBlockRecord& head() const;
    // Null: none of that height or hash. Valid as long as the chain.
    const NearBlockRecord* find_block(std::uint64_t height) const;
    const NearBlockRecord* find_block(const near::BlockHash& hash) const;
    // The last block at or below a height; genesis when there is none.
    const NearBlockRecord& block_at_or_below(std::uint64_t height) const;
    // The block so many blocks (not heights) before the head.
    const NearBlockRecord& block_back(std::uint64_t blocks) const;

    // Now.
    const NearBlockRecord& produce_block();
    // A block every block_time from now on. On a SimExecutor, drop_all() drops the timer too:
    // start again.
    void start();
    // A block as soon as there is a transaction or receipt, and so many empty ones after it that
    // all becomes final.
    void start_instant();
    void stop();
    void set_block_time(base::Duration block_time);
    // The next block that the timer makes comes this much later; adds up.
    void delay_next_block(base::Duration by);
    // Producers miss so many heights before the next block; adds up.
    void skip_heights(std::uint64_t heights);
    // Called after each block, on the executor.
    void on_block(std::function<void(const NearBlockRecord&)> observer);

    // For a ledger on disk (near_ledger_file.h): from now on head_record() is what the head was
    // made of, and a chain of the same options makes the same block of it. What tests do by hand
    // (mint, set_storage, faults) is in no record.
    void keep_head_record();
    const base::Bytes& head_record() const;
    // The next block. CorruptData: it does not follow, or does not come out as it did; the chain is
    // of no use then. InvalidArgument: malformed.
    Result<void> replay_record(base::ByteView record);

    // What a node whose head is at `at_height` does with a transaction: checks it against its own
    // state, and puts it in the pool.
    NearSubmitAnswer submit(base::ByteView signed_transaction);
    NearSubmitAnswer submit(base::ByteView signed_transaction, std::uint64_t at_height);
    // The check alone. Nothing: valid.
    std::optional<base::Json> invalid_tx_error(
        const near::SignedTransaction& transaction, std::uint64_t at_height) const;
    // Forgets a pooled transaction, as a node that restarts does. False: not pooled.
    bool drop_from_pool(const near::TransactionHash& hash);
    std::size_t pool_size() const;
    bool is_pooled(const near::TransactionHash& hash) const;

    // Null: in no block, or forgotten. Valid until the next block.
    const NearTransactionRecord* find_transaction(const near::TransactionHash& hash) const;
    // The transaction that a receipt belongs to; null: unknown.
    const NearTransactionRecord* find_transaction_of_receipt(const near::ReceiptId& id) const;

    // At the head, or as it stood at a height (not older than history_blocks). Nothing: not there.
    std::optional<NearAccountState> account(const near::AccountId& id) const;
    std::optional<NearAccountState> account_at(
        const near::AccountId& id, std::uint64_t height) const;
    std::optional<NearKeyState> access_key_at(
        const near::AccountId& id, const near::PublicKey& key, std::uint64_t height) const;
    std::vector<std::pair<near::PublicKey, NearKeyState>> access_keys_at(
        const near::AccountId& id, std::uint64_t height) const;
    // NotFound: no such account ("account") or no contract there ("contract").
    Result<NearViewAnswer> view_at(
        const near::AccountId& contract, const std::string& method, base::ByteView args,
        std::uint64_t height) const;
    // The same at the head, and what it answers as JSON. Unprocessable: it panicked, with its
    // words; CorruptData: its answer is no JSON. For tests.
    Result<base::Json> view(
        const near::AccountId& contract, const std::string& method,
        const std::string& args_json = "{}") const;

    // A call that no key signed, as if `predecessor` had sent a transaction of one FunctionCall in
    // the next block: what strangers do to a contract that we use. NotFound: no such account.
    struct InjectedCall {
        near::AccountId predecessor;
        near::AccountId receiver;
        std::string method;  // empty: a transfer of the deposit
        std::string args_json = "{}";
        near::YoctoNear deposit = {};
        near::Gas gas = near::Gas::from_tgas(300);
    };
    Result<near::TransactionHash> inject(InjectedCall call);
    // As if by a payment from outside: the supply grows.
    void mint(const near::AccountId& id, near::YoctoNear amount);

    void order(NearReceiptFault fault);
    void clear_receipt_faults();
    std::uint64_t receipts_failed_by_order() const;

    // Contract storage by hand, for wedging a contract in a way that its methods do not offer.
    // Takes effect at once, at the head's height.
    void set_storage(
        const near::AccountId& contract, const std::string& key, std::optional<std::string> value);

    // SHA-256 over everything that happened so far: blocks, transactions taken, outcomes.
    crypto::Sha256Digest trace_hash() const;

    // For the conservation of tokens: all accounts, what receipts in flight carry, what was burnt.
    // supply() == held() + in_flight() + burnt() after each block.
    struct Books {
        base::Amount supply;  // genesis and mint()
        base::Amount held;
        base::Amount in_flight;
        base::Amount burnt;
    };
    Books books() const;

    struct Core;
    Core& core() { return *core_; }
    const Core& core() const { return *core_; }

private:
    explicit NearChain(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

}  // namespace adyton::localchain

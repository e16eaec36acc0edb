#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "localchain/internal/near_fees.h"
#include "localchain/internal/near_state.h"
#include "localchain/near_chain.h"

namespace adyton::localchain::internal {

// Nonces of a key grow by so much a block at most (near.md 1.6).
inline constexpr std::uint64_t kNonceRange = 1'000'000;

// A receipt under way, with what has been paid for it.
struct Parcel {
    NearReceipt receipt;
    near::TransactionHash transaction;  // in whose answer it shows
    std::uint64_t gas = 0;              // reserved: execution fees and attached gas
    base::Amount deposit = {};          // carried
    bool is_refund = false;
    std::size_t data_missing = 0;
    std::map<near::ReceiptId, NearPromiseResult> data = {};
};

// The result that a waiting receipt wants.
struct DataParcel {
    near::ReceiptId data_id;
    NearPromiseResult result;
};

using Incoming = std::variant<Parcel, DataParcel>;

struct ReceiptRun;  // near_host.h

struct YieldEntry {
    Parcel parcel;
    near::AccountId account;
    std::uint64_t expires_at = 0;  // height
    bool resumed = false;
};

// SHA-256(base || u64le(height) || u64le(index)): ids of receipts and data, as nearcore makes them.
near::ReceiptId make_id(
    const crypto::Sha256Digest& base, std::uint64_t height, std::uint64_t index);

// Gas of a transaction, bought in advance. (Saturated fees have been refused before.)
base::Amount gas_price_of(const ActionFees& fees, std::uint64_t price);
// Why a limited key may not sign these actions for this receiver, as in InvalidTxError. Nothing: it
// may.
std::optional<base::Json> limited_key_error(
    const near::FunctionCallPermission& permission, const near::AccountId& receiver,
    const std::vector<near::PlainAction>& actions);

}  // namespace adyton::localchain::internal

namespace adyton::localchain {

struct NearChain::Core {
    Core(NearChainOptions its_options, base::Executor& its_executor);

    struct Pooled {
        near::SignedTransaction transaction;
        near::TransactionHash hash;
    };
    struct Injected {
        InjectedCall call;
        near::TransactionHash hash;
        near::SignedTransaction transaction;
    };
    struct OrderedFault {
        NearReceiptFault fault;
        std::uint64_t seen = 0;
        std::uint64_t acted = 0;
    };

    Result<void> make_genesis();

    // near_chain.cpp
    std::uint64_t keep_from() const;
    std::uint64_t base_height(std::uint64_t height) const;  // lowest height state can be read at
    void produce();
    // A block of what `take` puts into it and of the receipts that were waiting for it.
    void make_block(
        std::uint64_t at_height, std::uint64_t at_ns,
        const std::function<void(NearBlockRecord&)>& take);
    void take_pooled(NearBlockRecord& block);
    void take_injected(NearBlockRecord& block);
    void take_incoming(std::vector<internal::Incoming> incoming);
    void time_out_yields();
    void collect_garbage();
    void schedule();
    void on_timer();
    bool has_work() const;
    std::vector<Pooled> next_transactions();

    // near_replay.cpp
    enum class InputKind : std::uint8_t { Pooled, Injected, Dropped };
    // What the block at hand is made of, for head_record; bytes of the transaction, or the hash of
    // a dropped one.
    void note_input(InputKind kind, base::ByteView bytes);
    void note_head();
    Result<void> take_input(InputKind kind, const base::Bytes& bytes, NearBlockRecord& block);

    // near_validation.cpp
    std::optional<base::Json> check_transaction(
        const near::SignedTransaction& transaction, std::uint64_t at_height,
        internal::StateChange& state, bool signature_is_known) const;

    // near_receipts.cpp
    void include(const Pooled& pooled, NearBlockRecord& block, bool is_injected);
    void deliver(internal::Parcel parcel);
    void deliver(internal::DataParcel data);
    void execute(internal::Parcel parcel);
    void charge(
        const near::Transaction& transaction, const internal::ActionFees& fees,
        base::Amount deposit, bool is_injected);
    void announce(const internal::Parcel& parcel);
    void pass_on(internal::ReceiptRun& run, bool succeeded, std::vector<internal::Parcel> refunds);
    void finish(const internal::Parcel& parcel, NearOutcome outcome);

    void trace(std::string_view what, base::ByteView bytes);
    void trace(std::string_view what, std::uint64_t number);
    void trace_outcome(const NearOutcome& outcome);

    const NearChainOptions options;
    base::Executor& executor;
    internal::NearState state;

    std::vector<std::unique_ptr<NearBlockRecord>> blocks;  // from genesis, one after the other
    std::map<std::uint64_t, std::size_t> by_height;
    std::map<near::BlockHash, std::size_t> by_hash;
    std::uint64_t height = 0;  // of the block at hand while one is made, else of the head
    std::uint64_t timestamp_ns = 0;

    // The pool, in order of arrival; one key's transactions leave it in the order of their nonces.
    std::map<std::uint64_t, Pooled> pool;
    std::map<near::TransactionHash, std::uint64_t> pooled;
    std::uint64_t pool_next = 0;
    std::vector<Injected> injected;
    std::uint64_t injected_count = 0;

    std::vector<internal::Incoming> queue;  // for the next block
    std::vector<internal::Parcel> local;    // for this block: from a signer to itself
    std::map<near::ReceiptId, internal::Parcel> postponed;
    std::map<near::ReceiptId, near::ReceiptId> waiting;  // data id to the receipt that waits
    std::map<near::ReceiptId, NearPromiseResult> early;  // data before its receipt
    std::map<near::ReceiptId, internal::YieldEntry> yields;
    std::deque<std::pair<std::uint64_t, near::ReceiptId>> timeouts;
    NearBlockRecord* making = nullptr;

    std::map<near::TransactionHash, std::unique_ptr<NearTransactionRecord>> transactions;
    std::map<near::ReceiptId, near::TransactionHash> receipt_owner;
    std::deque<std::pair<std::uint64_t, near::TransactionHash>> finished;

    std::vector<OrderedFault> faults;
    std::uint64_t failed_by_order = 0;

    base::Amount supply;
    base::Amount burnt;
    crypto::Sha256 trace_state;

    bool keep_record = false;
    near::BorshWriter inputs;
    base::Bytes head_record;

    std::vector<std::function<void(const NearBlockRecord&)>> observers;
    enum class Mode { ByHand, Timer, Instant };
    Mode mode = Mode::ByHand;
    base::Duration block_time;
    base::Duration delay = base::Duration::zero();
    std::uint64_t skip = 0;
    std::uint32_t empty_blocks = 0;  // in a row, in instant mode
    bool scheduled = false;
    base::Executor::TimerId timer = 0;
    // shared: posted work outlives a chain that is destroyed
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);
};

}  // namespace adyton::localchain

#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "neo/transaction.h"
#include "policy/facts.h"
#include "pool/transfer.h"
#include "pool/transfer_repository.h"

namespace adyton::pool {

inline constexpr std::string_view kSendStep = "send";
inline constexpr std::string_view kWatchStep = "watch";

// What a request asks for, checked for its form.
struct TransferPlan {
    api::TransferRequest request;
    std::string account_id;  // canonical
    std::string payer_id;    // canonical; account_id unless sponsored
    // That only the TokenBook may know; none: `token` is set.
    std::optional<std::string> symbol;
    neo::ScriptHash token;
    neo::ScriptHash to;

    bool sponsored() const { return payer_id != account_id; }
};
// InvalidArgument "bad_address", "bad_fee_account"; NotFound "account_not_found".
Result<TransferPlan> plan_transfer(api::TransferRequest request);

// One account that signs: its key as read, and what follows from it.
struct TransferParty {
    KeyRecord key;
    crypto::P256PublicKey public_key;
    neo::ScriptHash account;
};
struct TransferParties {
    TransferParty from;
    std::optional<TransferParty> payer;  // of a sponsored transfer

    const TransferParty& fee_payer() const { return payer ? *payer : from; }
};

// What is to be signed, and what the chain said of the accounts.
struct TransferDraft {
    neo::Transaction transaction;  // without signatures
    neo::TransactionHash hash;
    std::uint32_t height = 0;  // of the balances
    base::Amount payer_gas;
    base::Amount from_token;
};

// ----- pure parts (transfer_build.cpp) ----------------------------------------------------------

std::vector<neo::Signer> transfer_signers(const TransferParties& parties);
base::Bytes transfer_script(const TransferPlan& plan, const TransferParties& parties);
// With the verification scripts, for the fee.
std::vector<neo::Witness> unsigned_witnesses(const TransferParties& parties);
// Index of the last block for a transaction made now.
std::uint32_t last_block(
    std::uint32_t block_count, const chain::NeoNetwork& network, const TransferOptions& options);
// Derives the keys, signs, wipes. The draft's transaction with its witnesses, as bytes.
Result<base::Bytes> sign_transfer(
    const Signer& signer, neo::NetworkMagic magic, const TransferDraft& draft,
    const TransferParties& parties);
// Outside text, cut at a character, so that it stays UTF-8.
std::string cut(std::string text, std::size_t bytes_max);
// Whether the events hold exactly the transfer of the record.
bool has_transfer_event(
    const std::vector<chain::Notification>& notifications, const TransferRecord& record);

// ----- transfers under way in this process ------------------------------------------------------

// Who waits for which transfer, and what is known of those under way. Thread safe. Shared with
// timers, which may fire late.
class TransferBoard {
public:
    static constexpr std::size_t kRecordsMax = 50'000;

    // `fencing`: of the run under which this process drives it (workflow::Run).
    void put(const TransferRecord& record, std::int64_t fencing);
    std::optional<TransferRecord> find(const std::string& id) const;
    // Only as put under this fencing number: whoever else drove it in between changed it.
    std::optional<TransferRecord> find_driven(const std::string& id, std::int64_t fencing) const;
    // Tells those who wait that something changed; final ones are forgotten.
    void changed(const TransferRecord& record);
    void forget(const std::string& id);
    // True: it changed since `known` was found here; false: the time passed, or it is not of this
    // process. On the current executor.
    static Task<bool> wait(
        std::shared_ptr<TransferBoard> board, TransferRecord known, base::Duration timeout);

private:
    using Waiter = std::shared_ptr<base::Completion<bool>::State>;
    struct Entry {
        TransferRecord record;
        std::int64_t fencing = 0;
    };
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Entry> records_;
    std::unordered_multimap<std::string, Waiter> waiters_;
};

// Network fees by the transaction's size and number of signers, which alone decide them: governed
// on chain, so believed for some seconds only. Thread safe.
class NetworkFees {
public:
    std::optional<std::int64_t> find(std::size_t bytes, std::size_t signers, base::SteadyTime now);
    void add(std::size_t bytes, std::size_t signers, std::int64_t fee, base::SteadyTime now);

private:
    static constexpr base::Duration kKeep = std::chrono::seconds(5);
    static constexpr std::size_t kEntriesMax = 256;
    struct Entry {
        std::int64_t fee = 0;
        base::SteadyTime until;
    };
    std::mutex mutex_;
    std::map<std::pair<std::size_t, std::size_t>, Entry> entries_;
};

// What this process did for a transfer since it took it over; gone with the process.
struct TransferFlight {
    std::uint32_t sent_at_height = 0;
    unsigned sends = 0;     // of the bytes
    unsigned failures = 0;  // of asking or sending, in a row
};

struct Transfers::Core {
    Core(
        const PoolContext& pool_context, chain::NeoClient& neo_client,
        workflow::StepRunner::Options runner_options, TransferOptions transfer_options);

    const PoolContext& pool;
    chain::NeoClient& chain;
    base::Executor& executor;
    const TransferOptions options;
    workflow::StepRunner runner;
    std::shared_ptr<TransferBoard> board;
    NetworkFees network_fees;
    TokenBook tokens;
    TransferProbe* probe = nullptr;
    std::unordered_map<std::string, TransferFlight> flights;  // on the runner's executor

    struct Times {
        std::atomic<std::uint64_t> look_up{0}, chain{0}, sign{0}, record{0}, send{0}, note{0};
        std::atomic<std::uint64_t> prepared{0}, sent{0}, confirmed{0}, failed{0}, expired{0};
    };
    Times times;

    void at(TransferPoint point) const {
        if (probe != nullptr) probe->at(point);
    }

    // transfer_prepare.cpp
    struct Preview {
        std::optional<std::string> replayed_id;  // the key was used: this transfer
        std::optional<TransferParties> parties;  // of every other call
    };
    Task<Result<Preview>> preview(CallContext& call, const TransferPlan& plan);
    Task<Result<TransferDraft>> draft(const TransferPlan& plan, const TransferParties& parties);
    Task<Result<std::int64_t>> network_fee(const neo::Transaction& transaction);
    struct Prepared {
        std::string id;
        std::optional<TransferRecord> record;  // none: the key was used meanwhile
        std::optional<workflow::Run> run;
    };
    Task<Result<Prepared>> prepare(
        CallContext& call, const TransferPlan& plan, const TransferParties& parties,
        const TransferDraft& draft);
    Result<void> sign_ahead(
        const CallContext& call, const TransferPlan& plan, const TransferParties& parties,
        const TransferDraft& draft, const policy::ActionFacts& facts, base::Bytes& bytes);
    Result<std::string> prepare_in(
        storage::Transaction& tx, CallContext& call, const TransferPlan& plan,
        const TransferDraft& draft, const policy::ActionFacts& facts,
        const Result<void>& signed_ahead, TransferRecord& record,
        std::optional<workflow::Run>& run);

    // transfer_steps.cpp
    Task<Result<workflow::StepOutcome>> step(workflow::StepContext& context);
    Task<Result<workflow::StepOutcome>> send_step(
        workflow::StepContext& context, TransferRecord record);
    Task<Result<workflow::StepOutcome>> watch_step(
        workflow::StepContext& context, TransferRecord record);
    Task<chain::SendOutcome> send(const TransferRecord& record);
    Task<Result<void>> note_sent(
        const workflow::StepContext& context, TransferRecord& record, chain::SendOutcome outcome,
        api::TransferStatus status);
    Task<Result<void>> tell(
        const workflow::StepContext& context, TransferRecord& record, std::string reason);
    Task<Result<void>> settle(
        const workflow::StepContext& context, TransferRecord record, chain::TransactionFate fate);
    Task<Result<base::Duration>> poll_delay();

    Task<Result<TransferRecord>> load(const std::string& id);
    Task<Result<TransferRecord>> load_driven(const workflow::Run& run);
    Task<Result<TransferAnswer>> answer_when_known(std::string id, std::int64_t wait_seconds);
};

}  // namespace adyton::pool

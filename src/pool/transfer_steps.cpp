#include <algorithm>
#include <utility>

#include "neo/address.h"
#include "neo/token.h"
#include "policy/reservation.h"
#include "pool/internal/transfer_core.h"

// From signed bytes in the database to a fate that nothing can change. Each step may be killed
// anywhere and is then called again on what it last recorded; sending the same bytes twice is
// harmless, and nothing here makes other ones.
namespace adyton::pool {
namespace {

using api::TransferStatus;
using chain::SendOutcome;
using chain::TransactionFate;
using workflow::StepContext;
using workflow::StepOutcome;
using StepResult = Result<StepOutcome>;

constexpr std::size_t kReasonBytesMax = 500;
constexpr unsigned kDoublingsMax = 5;
// Failures in a row after which a transfer's record says what stands in its way.
constexpr unsigned kFailuresTold = 4;
// How such a reason begins; one that a node gave for refusing begins with "refused".
constexpr std::string_view kNotSentYet = "not sent yet: ";
constexpr std::string_view kNotKnownYet = "not known yet: ";

bool is_for_now(std::string_view reason) {
    return reason.starts_with(kNotSentYet) || reason.starts_with(kNotKnownYet);
}

std::string describe(const SendOutcome& outcome) {
    std::string text(to_string(outcome.kind));
    if (outcome.code != 0) text += " (" + std::to_string(outcome.code) + ")";
    if (!outcome.text.empty()) text += ": " + outcome.text;
    return cut(std::move(text), kReasonBytesMax);
}

std::string send_body(const SendOutcome& outcome) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object();
    out.member("outcome", to_string(outcome.kind));
    if (outcome.kind == SendOutcome::Kind::Refused) {
        out.member("advice", to_string(outcome.advice)).member("code", outcome.code);
    }
    out.member("endpoint", std::string_view(outcome.endpoint));
    out.end_object();
    return body;
}

// What a fate means for a transfer.
struct Ending {
    TransferStatus status = TransferStatus::Failed;
    std::string reason;
    bool moved = false;     // the tokens left
    bool executed = false;  // the fees are spent
};

Ending ending_of(const TransferRecord& record, const TransactionFate& fate) {
    if (fate.kind == TransactionFate::Kind::Expired) {
        // A refusal that was told when it was sent is now certain.
        if (!record.reason.empty() && !is_for_now(record.reason)) {
            return {TransferStatus::Failed, record.reason, false, false};
        }
        return {
            TransferStatus::Expired,
            "in no block up to " + std::to_string(record.valid_until_block), false, false};
    }
    if (fate.state != chain::VmState::Halt) {
        return {
            TransferStatus::Failed, cut("FAULT: " + fate.exception, kReasonBytesMax), false, true};
    }
    if (!has_transfer_event(fate.notifications, record)) {
        return {
            TransferStatus::Failed, "executed, but the token's contract reports no such transfer",
            false, true};
    }
    return {TransferStatus::Confirmed, "", true, true};
}

// Usage of limits stays where tokens moved, or where a contract did something else than it said.
// A FAULT moved nothing, but it was in a block and cost its fees.
Result<void> settle_reservations(
    storage::Transaction& tx, const TransferRecord& record, const Ending& ending,
    const TransactionFate& fate) {
    const bool stays = ending.moved || (ending.executed && fate.state == chain::VmState::Halt);
    if (record.reserved) {
        const std::string id = "transfer:" + record.id;
        if (stays) {
            TRY_VOID(policy::commit_reservation(tx, id));
        } else if (ending.executed) {
            const auto fees = static_cast<std::uint64_t>(record.system_fee + record.network_fee);
            TRY_VOID(policy::commit_failed_reservation(
                tx, id, {std::string(neo::kGasScriptHashText), base::Amount(fees)}));
        } else {
            TRY_VOID(policy::give_back_reservation(tx, id));
        }
    }
    if (record.payer_reserved) {
        const std::string id = "transfer:" + record.id + ":fees";
        TRY_VOID(
            ending.executed ? policy::commit_reservation(tx, id)
                            : policy::give_back_reservation(tx, id));
    }
    return {};
}

void write_audit(base::JsonWriter& out, const TransferRecord& record, const Ending& ending) {
    out.member("transfer_id", std::string_view(record.id));
    out.member("service_id", std::string_view(record.service));
    out.member("account_id", std::string_view(record.account_id));
    out.member("tx_hash", std::string_view(record.hash.to_string()));
    out.member("status", to_string(ending.status));
    if (record.block_index) {
        out.member("block_index", static_cast<std::int64_t>(*record.block_index));
    }
    if (!ending.reason.empty()) out.member("reason", std::string_view(ending.reason));
}

workflow::RunState run_state(const Ending& ending) {
    return ending.moved ? workflow::RunState::Succeeded : workflow::RunState::Failed;
}

Result<void> end_on_accounts(storage::Transaction& tx, const TransferRecord& record) {
    // In the order in which begin_on_account() took them.
    TRY_VOID(transfers::end_on_account(tx, std::min(record.account_id, record.payer_id)));
    if (!record.sponsored()) return {};
    return transfers::end_on_account(tx, std::max(record.account_id, record.payer_id));
}

}  // namespace

Task<Result<TransferRecord>> Transfers::Core::load(const std::string& id) {
    if (auto known = board->find(id)) co_return *std::move(known);
    auto unit = [&id](storage::Transaction& tx) { return transfers::find(tx, id); };
    auto read = pool.database.read(unit);
    CO_TRY(auto record, co_await std::move(read));
    if (!record) co_return Error::corrupt_data("a transfer's run has no transfer");
    co_return *std::move(record);
}

// As the board has it only if this process drove it since; else as it stands in the database.
Task<Result<TransferRecord>> Transfers::Core::load_driven(const workflow::Run& run) {
    if (auto known = board->find_driven(run.id, run.fencing)) co_return *std::move(known);
    board->forget(run.id);
    auto loading = load(run.id);
    CO_TRY(TransferRecord record, co_await std::move(loading));
    board->put(record, run.fencing);
    co_return record;
}

Task<StepResult> Transfers::Core::step(StepContext& context) {
    const std::string id = context.run().id;
    auto loading = load_driven(context.run());
    CO_TRY(TransferRecord record, co_await std::move(loading));
    if (record.magic != chain.magic()) {
        co_return Error::unavailable("the transfer is of another network than the configured one");
    }
    if (!context.may_act()) co_return StepOutcome::again(options.poll_min);
    auto doing = context.run().step == kSendStep ? send_step(context, std::move(record))
                                                 : watch_step(context, std::move(record));
    StepResult outcome = co_await std::move(doing);
    if (!outcome || outcome->kind == StepOutcome::Kind::Ended) flights.erase(id);
    co_return outcome;
}

Task<SendOutcome> Transfers::Core::send(const TransferRecord& record) {
    const auto before = executor.steady_now();
    at(TransferPoint::BeforeSend);
    auto sending = chain.send(record.bytes, record.hash, flights[record.id].sends++);
    SendOutcome outcome = co_await std::move(sending);
    at(TransferPoint::AfterSend);
    times.send += static_cast<std::uint64_t>((executor.steady_now() - before).count());
    co_return outcome;
}

Task<StepResult> Transfers::Core::send_step(StepContext& context, TransferRecord record) {
    auto ask_count = chain.block_count();
    const auto count = co_await std::move(ask_count);
    auto sending = send(record);
    const SendOutcome outcome = co_await std::move(sending);
    TransferFlight& flight = flights[record.id];
    flight.sent_at_height = count ? *count : 0;
    // Nobody has it and nobody may have it from earlier: what a node cannot take now, it may take
    // later, as long as its last block is ahead.
    const bool later = outcome.kind == SendOutcome::Kind::NotSent ||
                       (outcome.kind == SendOutcome::Kind::Refused &&
                        outcome.advice == SendOutcome::Advice::Later);
    const bool over = count && *count > record.valid_until_block;
    if (later && !over) {
        const unsigned doublings = std::min(flight.failures++, kDoublingsMax);
        if (flight.failures == kFailuresTold) {
            auto telling = tell(context, record, std::string(kNotSentYet) + describe(outcome));
            CO_TRY_VOID(co_await std::move(telling));
        }
        co_return StepOutcome::again(
            std::min<base::Duration>(options.poll_min * (1U << doublings), options.poll_max));
    }
    flight.failures = 0;
    // A node's refusal is no proof that its copy of the bytes is gone, and before a crash another
    // attempt may have got through: what is certain comes from watch_step().
    const TransferStatus status =
        outcome.reached_network() ? TransferStatus::Broadcast : TransferStatus::Unknown;
    auto noting = note_sent(context, record, outcome, status);
    CO_TRY_VOID(co_await std::move(noting));
    // About when its block is there: an earlier look mostly finds nothing.
    auto asking = poll_delay();
    const auto delay = co_await std::move(asking);
    co_return StepOutcome::again(delay ? std::min(*delay * 2, options.poll_max) : options.poll_max);
}

// Records what came of sending, and goes on to watching.
Task<Result<void>> Transfers::Core::note_sent(
    const StepContext& context, TransferRecord& record, SendOutcome outcome,
    TransferStatus status) {
    const auto before = executor.steady_now();
    const std::string body = send_body(outcome);
    const bool refused = outcome.kind == SendOutcome::Kind::Refused;
    const std::string reason = refused ? describe(outcome) : std::string();
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(context.advance(
            tx, {std::string(kWatchStep), {}, {}, {}}, {to_string(outcome.kind), body}));
        TRY_VOID(transfers::set_status(tx, record.id, status, reason, {}));
        return {};
    };
    auto write = pool.database.write(unit);
    CO_TRY_VOID(co_await std::move(write));
    at(TransferPoint::AfterAnswer);
    record.status = status;
    record.reason = reason;
    record.updated_at = executor.now();
    board->changed(record);
    ++times.sent;
    times.note += static_cast<std::uint64_t>((executor.steady_now() - before).count());
    co_return Result<void>();
}

// Says why a transfer does not get on, in the log and its record; empty: it does again. A node's
// refusal stays, because it may turn out to be the end.
Task<Result<void>> Transfers::Core::tell(
    const StepContext& context, TransferRecord& record, std::string reason) {
    reason = cut(std::move(reason), kReasonBytesMax);
    if (!reason.empty()) {
        pool.logger.warning(
            "a transfer does not get on",
            {{"transfer_id", record.id}, {"status", to_string(record.status)}, {"cause", reason}});
    }
    if (!record.reason.empty() && !is_for_now(record.reason)) co_return Result<void>();
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(context.check(tx));
        TRY_VOID(transfers::set_status(tx, record.id, record.status, reason, {}));
        return {};
    };
    auto write = pool.database.write(unit);
    CO_TRY_VOID(co_await std::move(write));
    record.reason = reason;
    record.updated_at = executor.now();
    board->changed(record);
    co_return Result<void>();
}

Task<Result<base::Duration>> Transfers::Core::poll_delay() {
    auto asking = chain.network();
    CO_TRY(const auto network, co_await std::move(asking));
    const auto half = std::chrono::duration_cast<base::Duration>(network.block_time) / 2;
    co_return std::clamp(half, options.poll_min, std::max(options.poll_min, options.poll_max));
}

Task<StepResult> Transfers::Core::watch_step(StepContext& context, TransferRecord record) {
    auto asking = chain.fate(record.hash, record.valid_until_block);
    const auto fate = co_await std::move(asking);
    TransferFlight& flight = flights[record.id];
    if (!fate) {
        const unsigned doublings = std::min(flight.failures++, kDoublingsMax);
        if (flight.failures == kFailuresTold) {
            auto telling =
                tell(context, record, std::string(kNotKnownYet) + fate.error().message());
            CO_TRY_VOID(co_await std::move(telling));
        }
        co_return StepOutcome::again(
            std::min<base::Duration>(options.poll_min * (1U << doublings), options.poll_max * 4));
    }
    flight.failures = 0;
    if (fate->kind != TransactionFate::Kind::Pending) {
        auto settling = settle(context, record, *fate);
        CO_TRY_VOID(co_await std::move(settling));
        co_return StepOutcome::ended();
    }
    if (is_for_now(record.reason)) {
        auto telling = tell(context, record, "");
        CO_TRY_VOID(co_await std::move(telling));
    }
    const bool quiet = fate->height >= flight.sent_at_height + options.resend_blocks;
    if (quiet && fate->height < record.valid_until_block && context.may_act()) {
        auto sending = send(record);
        const SendOutcome outcome = co_await std::move(sending);
        flights[record.id].sent_at_height = fate->height;
        if (outcome.reached_network() && record.status != TransferStatus::Broadcast) {
            auto noting = note_sent(context, record, outcome, TransferStatus::Broadcast);
            CO_TRY_VOID(co_await std::move(noting));
        }
    }
    auto delaying = poll_delay();
    const auto delay = co_await std::move(delaying);
    co_return StepOutcome::again(delay ? *delay : options.poll_max);
}

// One unit of work: the end of the transfer with all that follows from it.
Task<Result<void>> Transfers::Core::settle(
    const StepContext& context, TransferRecord record, TransactionFate fate) {
    const Ending ending = ending_of(record, fate);
    record.status = ending.status;
    record.reason = ending.reason;
    if (ending.executed) record.block_index = fate.block_index;
    std::string body;
    base::JsonWriter out(body);
    out.begin_object();
    write_audit(out, record, ending);
    out.end_object();
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(
            context.finish(tx, run_state(ending), ending.reason, {to_string(ending.status), body}));
        TRY(const bool changed,
            transfers::set_status(tx, record.id, record.status, record.reason, record.block_index));
        if (!changed) return Error::corrupt_data("a transfer was final before its run");
        TRY_VOID(end_on_accounts(tx, record));
        TRY_VOID(settle_reservations(tx, record, ending, fate));
        if (ending.executed) {
            TRY_VOID(transfers::move_tracked_balances(tx, record, ending.moved));
        }
        TRY_VOID(pool.audit.append(tx, {"pool.transfer_final", "system:transfers", body}));
        return {};
    };
    auto write = pool.database.write(unit);
    CO_TRY_VOID(co_await std::move(write));
    record.updated_at = executor.now();
    board->changed(record);
    auto& counter = ending.moved                               ? times.confirmed
                    : ending.status == TransferStatus::Expired ? times.expired
                                                               : times.failed;
    ++counter;
    co_return Result<void>();
}

}  // namespace adyton::pool

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/lanes.h"
#include "coordinator/internal/refusals.h"
#include "coordinator/internal/stories.h"
#include "near/transaction.h"
#include "near/transaction_status.h"

// One transaction of a key that the keystore holds: nonce, signature, broadcast, what became of it.
// Each of these is durable before the next begins, so that a crash repeats questions and bytes, and
// never makes a second transaction.
namespace adyton::coordinator {

using base::Json;
using workflow::StepOutcome;

namespace {

constexpr base::Duration kWatchLook = std::chrono::seconds(15);

api::CallArgs args_of(const LaneCall& call) {
    api::CallArgs out;
    if (!call.args.empty()) out.args_base64 = base::base64_encode(base::as_bytes(call.args));
    return out;
}

Result<std::vector<near::Action>> actions_of(const LaneTransaction& tx) {
    std::vector<near::Action> out;
    for (const LaneCall& call : tx.calls) {
        TRY(const auto deposit, near::YoctoNear::parse(call.deposit));
        const auto args = base::as_bytes(call.args);
        out.emplace_back(near::FunctionCall{
            call.method_name, base::Bytes(args.begin(), args.end()), near::Gas(call.gas), deposit});
    }
    return out;
}

// What was asked for, with the nonce that was named, and nothing else.
Result<void> check_signed(
    const api::SignedTransactionResponse& answer, const LaneTransaction& wanted) {
    const Error wrong =
        Error::corrupt_data("the keystore signed another transaction than was asked");
    const auto parsed = near::parse_signed_transaction_base64(answer.signed_tx_base64);
    if (!parsed || !near::verify(*parsed)) return wrong;
    const near::Transaction& tx = parsed->transaction;
    TRY(const auto actions, actions_of(wanted));
    const bool fits = tx.signer_id.text() == wanted.signer_id &&
                      tx.receiver_id.text() == wanted.receiver_id &&
                      tx.public_key.to_string() == wanted.public_key && tx.nonce == wanted.nonce &&
                      tx.actions == actions && near::hash(tx).to_string() == answer.tx_hash;
    if (!fits) return wrong;
    return {};
}

bool is_final(const chain::NearTransaction& seen) {
    using Status = chain::NearTransaction::Status;
    const bool over = seen.status == Status::Success || seen.status == Status::Failure;
    return over && (seen.execution_status.empty() || seen.execution_status == "FINAL");
}

// Receipts that give gas back come late, and decide nothing.
bool is_refund(const near::TransactionStatus& status, const near::ReceiptId& id) {
    const auto* const receipt = status.find_receipt(id);
    return receipt != nullptr && receipt->predecessor_id.text() == "system";
}

// How all of a transaction's receipts ended, where, and what it returned, once that is final.
chain::NearStory whole_story() {
    return [](const chain::NearTransaction& seen) -> Result<std::string> {
        if (!is_final(seen)) return std::string();
        TRY(const auto status, near::parse_transaction_status(seen.result));
        std::vector<std::string> rows;
        for (const near::ExecutionOutcome& outcome : status.receipts_outcome) {
            if (is_refund(status, outcome.id)) continue;
            rows.push_back(fmt::format(
                "{} {} in {}", outcome.id.to_string(), static_cast<int>(outcome.status.kind),
                outcome.block_hash.to_string()));
        }
        std::sort(rows.begin(), rows.end());
        std::string out = fmt::format(
            "{} {}", seen.status == chain::NearTransaction::Status::Success,
            base::base64_encode(seen.value));
        for (const std::string& row : rows) out += "\n" + row;
        return out;
    };
}

}  // namespace

// A nonce that was taken before a crash may be used by now. What was not stored was not sent: then
// another nonce is as good.
Task<Result<void>> Lanes::have_nonce(Work& work, std::size_t index) {
    const LaneTransaction tx = work.segment().transactions[index];
    auto looking = core_.nonces_of(tx.signer_id, tx.public_key, tx.nonce);
    CO_TRY(const auto nonces, co_await std::move(looking));
    if (!nonces) {
        co_return Error::not_found(
            fmt::format("{} is no access key of {}", tx.public_key, tx.signer_id));
    }
    if (nonces->taken_is_free) co_return Result<void>();
    const LanesState before = work.state;
    std::uint64_t nonce = 0;
    auto change = [&](storage::Transaction& unit, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        TRY(nonce, take_key_nonces(unit, tx.signer_id, tx.public_key, nonces->on_chain, 1));
        if (core_.bug(kLaneShareNonce)) nonce = nonces->on_chain + 1;
        LanesState with = before;
        with.segments[with.current].transactions[index].nonce = nonce;
        state.lanes = to_json(with);
        describe_lanes(with, record);
        return {};
    };
    auto saving = core_.save(work.context, work.flight, word_of(work), "nonce_taken", change);
    CO_TRY_VOID(co_await std::move(saving));
    work.segment().transactions[index].nonce = nonce;
    co_return Result<void>();
}

Task<Result<SentTransaction>> Lanes::ask_signature(const Work& work, const LaneTransaction& tx) {
    const LaneSegment& segment = work.state.segments.at(work.state.current);
    auto counting = core_.facts.final_heights();
    CO_TRY(const auto heights, co_await std::move(counting));
    Task<Result<api::SignedTransactionResponse>> signing;
    if (segment.lane == Lane::DirectUser) {
        api::SignScopedCallsRequest request;
        request.wallet_id = work.flight.record.wallet_id;
        request.user_id = tx.signer_id;
        request.registry_id = segment.params.find("registry_id")->string_value();
        request.receiver_id = tx.receiver_id;
        const std::vector<Json>& names = segment.params.find("method_names")->items();
        for (const Json& name : names) request.method_names.push_back(name.string_value());
        for (const LaneCall& call : tx.calls) {
            request.actions.push_back({call.method_name, args_of(call), call.gas, call.deposit});
        }
        request.override_nonce = tx.nonce;
        signing = core_.parts.keystore.sign_scoped_calls(std::move(request));
    } else {
        const LaneCall& call = tx.calls.front();
        api::SignNearCallRequest request;
        request.wallet_id = work.flight.record.wallet_id;
        request.receiver_id = tx.receiver_id;
        request.method_name = call.method_name;
        request.args = args_of(call);
        request.gas = call.gas;
        request.deposit = call.deposit;
        request.override_nonce = tx.nonce;
        signing = core_.parts.keystore.sign_near_call(std::move(request));
    }
    CO_TRY(const auto answer, co_await std::move(signing));
    CO_TRY_VOID(check_signed(answer, tx));
    co_return SentTransaction{
        tx.public_key, tx.nonce, answer.signed_tx_base64, answer.tx_hash, heights.newest};
}

Task<void> Lanes::send(Work& work, const SentTransaction& sent) {
    const SentTransaction copy = sent;
    core_.at(WorkflowPoint::BeforeSubmit, work.flight.record.request_id);
    auto sending = core_.send(copy);
    const auto outcome = co_await std::move(sending);
    core_.at(WorkflowPoint::AfterSubmit, work.flight.record.request_id);
    Sighting& sighting = work.flight.submit_sightings.front();
    sighting.sent = outcome.kind != chain::NearSendOutcome::Kind::NotSent;
    sighting.refused = outcome.kind == chain::NearSendOutcome::Kind::Refused;
    sighting.sent_at = core_.parts.executor.steady_now();
}

// Under the key's lock, so that transactions of one key go out in the order of their nonces.
Task<StepResult> Lanes::sign_step(Work& work, std::size_t index) {
    auto taking = core_.lock_of(work.segment().transactions[index].public_key).take();
    const AsyncLock::Held held = co_await std::move(taking);
    auto taking_nonce = have_nonce(work, index);
    const auto taken = co_await std::move(taking_nonce);
    if (!taken && taken.error().code() == ErrorCode::NotFound) {
        auto closing = close_segment(work, LaneSegment::Outcome::Failed, taken.error().message());
        co_return co_await std::move(closing);
    }
    CO_TRY_VOID(taken);
    if (!work.context.may_act()) {
        co_return Error::conflict("another process drives the run", "run_lost");
    }
    const LaneTransaction asked = work.segment().transactions[index];
    core_.at(WorkflowPoint::BeforeSignDelegate, work.flight.record.request_id);
    auto asking = ask_signature(work, asked);
    const auto made = co_await std::move(asking);
    core_.at(WorkflowPoint::AfterSignDelegate, work.flight.record.request_id);
    if (!made && is_final_refusal(made.error())) {
        if (is_denial(made.error())) work.segment().note = "policy_denied";
        auto closing = close_segment(
            work, LaneSegment::Outcome::Failed, "keystore: " + made.error().message());
        co_return co_await std::move(closing);
    }
    CO_TRY_VOID(made);
    if (core_.bug(kLaneSendBeforeDurable)) {
        auto early = send(work, *made);
        co_await std::move(early);
    }
    work.segment().transactions[index].sent = *made;
    const std::string bytes = made->base64;
    auto change = [&](storage::Transaction&, WorkflowRecord& record, GateState&) {
        record.direct_signed_txs.push_back(bytes);
        return Result<void>();
    };
    auto keeping = keep(work, "transaction_signed", change);
    const auto kept = co_await std::move(keeping);
    if (!kept) {
        work.segment().transactions[index].sent.reset();
        co_return kept.error();
    }
    core_.at(WorkflowPoint::AfterSubmitBytes, work.flight.record.request_id);
    work.flight.submit_sightings.assign(1, {});
    work.flight.phase_began = core_.parts.executor.steady_now();
    auto sending = send(work, *made);
    co_await std::move(sending);
    co_return StepOutcome::again(core_.options.poll_interval / 2);
}

// What a final transaction did, out of all its receipts: one that succeeded may hold one that
// failed. False: not final yet.
Task<Result<bool>> Lanes::read_outcome(const chain::NearTransaction& seen, LaneTransaction& tx) {
    if (!is_final(seen)) co_return false;
    CO_TRY(const auto status, near::parse_transaction_status(seen.result));
    const auto outer = status.outer_receipt_id();
    tx.succeeded = seen.status == chain::NearTransaction::Status::Success && outer.has_value();
    if (!tx.succeeded) {
        tx.error = "the transaction failed: " + cut_text(seen.failure, 300);
        if (!status.status.error.empty()) tx.error = cut_text(status.status.error, 300);
    }
    std::map<near::BlockHash, std::uint64_t> heights;
    for (const near::ExecutionOutcome& outcome : status.receipts_outcome) {
        if (is_refund(status, outcome.id)) continue;
        const bool failed = outcome.status.kind == near::ExecutionStatus::Kind::Failure;
        if (failed && tx.error.empty() && !core_.bug(kLaneIgnoreInnerFailure)) {
            tx.error = fmt::format(
                "a receipt failed on {}: {}", outcome.executor_id.text(),
                cut_text(outcome.status.error, 300));
        }
        auto& height = heights[outcome.block_hash];
        if (height == 0) {
            auto resolving = core_.facts.height_of(outcome.block_hash);
            CO_TRY(height, co_await std::move(resolving));
        }
        tx.last_height = std::max(tx.last_height, height);
        if (outer && outcome.id == *outer) {
            tx.block_height = height;
            tx.block_hash = outcome.block_hash.to_string();
        }
    }
    tx.succeeded = tx.succeeded && tx.error.empty();
    tx.value = cut_text(std::string(base::as_text(seen.value)), 1000);
    tx.over = true;
    co_return true;
}

Task<StepResult> Lanes::poll_step(Work& work, std::size_t index) {
    LaneTransaction tx = work.segment().transactions[index];
    if (core_.bug(kLaneSucceedWhenSent)) {
        tx.over = tx.succeeded = true;
        work.segment().transactions[index] = tx;
        auto believing = keep(work, "transaction_final");
        CO_TRY_VOID(co_await std::move(believing));
        co_return StepOutcome::again();
    }
    CO_TRY(const auto signer, near::AccountId::parse(tx.signer_id));
    CO_TRY(const auto hash, near::TransactionHash::parse(tx.sent->hash));
    CO_TRY(const auto key, near::PublicKey::parse(tx.public_key));
    auto finding = core_.find_agreed(hash, signer, whole_story());
    const auto found = co_await std::move(finding);
    if (!found) co_return core_.again_later(work.flight, false);
    if (*found) {
        work.flight.submit_sightings.front().gone_since = 0;
        auto reading = read_outcome(**found, tx);
        const auto read = co_await std::move(reading);
        if (!read) co_return core_.again_later(work.flight, false);
        if (!*read) co_return core_.again_later(work.flight, true);
    } else {
        auto judging = core_.is_dead(*tx.sent, signer, key, work.flight.submit_sightings.front());
        const auto dead = co_await std::move(judging);
        if (!dead) co_return core_.again_later(work.flight, false);
        if (!*dead) {
            auto waiting = wait_on(work, index);
            co_return co_await std::move(waiting);
        }
        tx.over = true;
        tx.error = "the transaction is dead: another one used its nonce, or it is too old";
    }
    work.segment().transactions[index] = tx;
    auto keeping = keep(work, tx.succeeded ? "transaction_final" : "transaction_failed");
    CO_TRY_VOID(co_await std::move(keeping));
    work.flight.failures = 0;
    co_return StepOutcome::again();
}

// Nobody knows it yet: the same bytes again, for a while. Then the record says so, and what may
// still happen is followed without sending.
Task<StepResult> Lanes::wait_on(Work& work, std::size_t index) {
    const LaneTransaction tx = work.segment().transactions[index];
    if (work.context.run().step == phase::kWatch) co_return StepOutcome::again(kWatchLook);
    const Sighting sighting = work.flight.submit_sightings.front();
    const base::SteadyTime now = core_.parts.executor.steady_now();
    if (now - work.flight.phase_began > core_.options.poll_timeout) {
        const std::uint64_t until = tx.sent->signed_at_height + core_.options.validity_blocks;
        const std::string done = carried_out(work.state);
        const std::string why = fmt::format(
            "transaction {} of step {} {}; it may still land until block {}{}{}", tx.sent->hash,
            work.segment().first_step, sighting.refused ? "is refused by the nodes" : "is not seen",
            until, done.empty() ? "" : "; ", done);
        if (core_.bug(kLaneForgetWatch)) {
            auto ending = end(work, WorkflowStatus::Failed, why);
            co_return co_await std::move(ending);
        }
        auto change = [&](storage::Transaction& unit, WorkflowRecord& record,
                          GateState& state) -> Result<void> {
            state.failed = true;
            state.lanes = to_json(work.state);
            describe_lanes(work.state, record);
            record.status = WorkflowStatus::Failed;
            record.final_status = "failed";
            record.user_visible_error = cut_text(why, 1000);
            return core_.write_audit(unit, record, &state, "coordinator.workflow_failed");
        };
        auto saving = core_.save(work.context, work.flight, phase::kWatch, "failed", change);
        CO_TRY_VOID(co_await std::move(saving));
        co_return StepOutcome::again(kWatchLook);
    }
    const base::Duration quiet =
        std::max<base::Duration>(core_.options.poll_interval * 4, std::chrono::seconds(2));
    const bool silent = now - sighting.sent_at >= quiet;
    if (silent && core_.bug(kLaneMakeAnew)) {
        work.segment().transactions[index].sent.reset();
        work.segment().transactions[index].nonce = 0;
        auto forgetting = keep(work, "transaction_forgotten");
        CO_TRY_VOID(co_await std::move(forgetting));
        co_return StepOutcome::again();
    }
    if ((!sighting.sent || silent) && work.context.may_act()) {
        core_.metrics.resent.add();
        auto sending = send(work, *tx.sent);
        co_await std::move(sending);
    }
    co_return core_.again_later(work.flight, true);
}

}  // namespace adyton::coordinator

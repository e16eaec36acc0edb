#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/core.h"
#include "coordinator/internal/stories.h"

// The resume of a batch: signed once the gate is ours, and not a second time before the first is
// known to be dead or refused.
namespace adyton::coordinator {

using base::Json;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

constexpr base::Duration kGateHeldMax = std::chrono::seconds(60);
constexpr std::uint64_t kYieldMarginBlocks = 20;

std::string resume_args(const GateState& state, bool by_arrival) {
    std::vector<std::uint64_t> ids;
    for (const GateCall& call : state.calls) {
        if (call.intent_id) ids.push_back(*call.intent_id);
    }
    if (by_arrival) std::sort(ids.begin(), ids.end());
    std::string out = "{\"intent_ids\":[";
    for (std::size_t i = 0; i < ids.size(); ++i) {
        out += fmt::format("{}\"{}\"", i == 0 ? "" : ",", ids[i]);
    }
    return out + "]}";
}

base::Bytes bytes_of(std::string_view text) {
    const auto view = base::as_bytes(text);
    return {view.begin(), view.end()};
}

}  // namespace

// No resume is begun so late that it could meet intents that die.
Task<Result<bool>> CoordinatorService::Core::too_late(const GateState& state) {
    auto counting = facts.final_heights();
    CO_TRY(const auto heights, co_await std::move(counting));
    // A call is dispatched three blocks after the one before; the margin itself covers three.
    const std::size_t calls = state.calls.size();
    const std::uint64_t more = calls > 3 ? 3 * (calls - 3) : 0;
    co_return heights.newest + options.yield_margin_blocks + more >=
        state.first_submit_height() + options.yield_blocks;
}

Task<Result<void>> CoordinatorService::Core::sign_resume(
    StepContext& context, Flight& flight, near::YoctoNear fee, Change before, std::string earlier) {
    auto entering = approver_lane.convoy.enter();
    NonceConvoy::Seat seat = co_await std::move(entering);
    auto blocking = facts.final_block();
    CO_TRY(const auto block, co_await std::move(blocking));
    auto counting = facts.final_heights();
    CO_TRY(const auto heights, co_await std::move(counting));
    const std::uint64_t signed_at = std::max(block.height, heights.reached);
    auto knowing = know_nonce(approver_lane);
    CO_TRY(const std::uint64_t chain_nonce, co_await std::move(knowing));
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    if (!context.may_act()) co_return Error::conflict("another process drives the run", "run_lost");
    std::optional<SentTransaction> early;
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        // Whoever cancelled meanwhile was told that it is not resumed.
        TRY(const auto run, workflow::find_run(tx, record.request_id));
        if (run && run->cancel_requested) return Error::conflict("it was cancelled", "cancelled");
        if (before) {
            TRY_VOID(before(tx, record, state));
        }
        TRY(const base::Timestamp now, tx.now());
        const auto until =
            now + std::chrono::duration_cast<std::chrono::microseconds>(kGateHeldMax);
        TRY(const bool taken, lane::take_gate(tx, record.request_id, until));
        if (!taken && !bug(kIgnoreLane)) {
            return Error::conflict("another batch holds the gate", "gate_taken");
        }
        TRY(const std::uint64_t nonce,
            take_key_nonces(
                tx, approver_lane.account.text(), approver_lane.key_text, chain_nonce, 1));
        const std::string args = resume_args(state, bug(kResumeInArrivalOrder));
        state.resume = sign_call(
            approver_lane, nonce, block.hash, signed_at,
            {gate_id, "resume_batch_chained", bytes_of(args), options.resume_gas, fee});
        ++state.resumes;
        state.fee_yocto = fee.to_string();
        record.resume_tx_hash = state.resume->hash;
        early = state.resume;
        if (bug(kResumeBeforeDurable) && state.resumes == 1 && !early_resume_done) {
            return Error::conflict("not yet", "early");
        }
        return {};
    };
    const std::string step(phase::kResumePoll);
    auto saving = record_change(context, flight, step, "resume_signed", change, earlier);
    auto saved = co_await std::move(saving);
    if (!saved && saved.error().reason() == "early") {
        early_resume_done = true;
        const SentTransaction sent = *early;
        auto sending = send(sent);
        co_await std::move(sending);
        auto again = record_change(context, flight, step, "resume_signed", change, earlier);
        saved = co_await std::move(again);
        early_resume_done = false;
    }
    if (!saved) {
        if (saved.error().reason() != "gate_taken") approver_lane.chain_nonce.reset();
        co_return saved.error();
    }
    if (before) at(WorkflowPoint::AfterIntentIds, flight.record.request_id);
    at(WorkflowPoint::AfterResumeBytes, flight.record.request_id);
    flight.resume_sighting = {};
    flight.resume.reset();
    const SentTransaction sent = *flight.state.resume;
    auto waiting_to_send = seat.wait_to_send(sent.nonce);
    co_await std::move(waiting_to_send);
    if (!context.may_act()) co_return Error::conflict("another process drives the run", "run_lost");
    at(WorkflowPoint::BeforeResume, flight.record.request_id);
    auto sending = send(sent);
    const auto outcome = co_await std::move(sending);
    at(WorkflowPoint::AfterResume, flight.record.request_id);
    flight.resume_sighting.sent = outcome.kind != chain::NearSendOutcome::Kind::NotSent;
    flight.resume_sighting.sent_at = parts.executor.steady_now();
    flight.resumed_at = parts.executor.steady_now();
    co_return Result<void>();
}

bool CoordinatorService::Core::gate_is_free(const Flight& flight) const {
    const std::string& gate_id = flight.state.gate_id;
    const auto next = ready_runs.find(gate_id);
    if (next != ready_runs.end() && !next->second.empty()) return false;
    return std::none_of(flights.begin(), flights.end(), [&](const auto& entry) {
        const Flight& other = *entry.second;
        if (&other == &flight || other.state.gate_id != gate_id) return false;
        const bool resumed =
            other.phase == phase::kResumePoll || other.phase == phase::kDispatchPoll;
        return resumed && !other.gate_released;
    });
}

bool CoordinatorService::Core::gate_is_held(const Flight& flight) const {
    const base::SteadyTime now = parts.executor.steady_now();
    return std::any_of(flights.begin(), flights.end(), [&](const auto& entry) {
        const Flight& other = *entry.second;
        if (&other == &flight || other.state.gate_id != flight.state.gate_id) return false;
        const std::string& where = other.record.phase;
        const bool resumed = where == phase::kResumePoll || where == phase::kDispatchPoll;
        return resumed && !other.gate_released && now - other.resumed_at < kGateHeldMax;
    });
}

Task<Result<bool>> CoordinatorService::Core::resume_at_once(
    StepContext& context, Flight& flight, Change seen) {
    if (context.run().cancel_requested || !gate_is_free(flight)) co_return false;
    auto looking = too_late(flight.state);
    const auto late = co_await std::move(looking);
    if (!late || *late) co_return false;
    auto blocking = facts.final_block();
    const auto block = co_await std::move(blocking);
    if (!block || late_deadline(flight.state, *block)) co_return false;
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    auto asking = facts.fees(gate_id);
    const auto fees = co_await std::move(asking);
    const std::size_t calls = flight.state.calls.size();
    const auto fee = fees ? fees->of(calls) : std::nullopt;
    if (!fee || *fee > options.fee_max(calls)) co_return false;
    auto signing = sign_resume(context, flight, *fee, std::move(seen), "intents_submitted");
    const auto made = co_await std::move(signing);
    if (!made && made.error().reason() == "gate_taken") co_return false;
    if (!made && made.error().reason() == "cancelled") co_return false;
    CO_TRY_VOID(made);
    co_return true;
}

Task<StepResult> CoordinatorService::Core::resume_step(StepContext& context, Flight& flight) {
    if (context.run().cancel_requested) {
        auto failing = fail(context, flight, "cancelled after its intents were submitted");
        co_return co_await std::move(failing);
    }
    auto looking = too_late(flight.state);
    const auto late = co_await std::move(looking);
    if (!late) co_return again_later(flight, false);
    if (*late) {
        std::string why = "the intents were about to expire before the gate was free";
        if (flight.resume_again_at) {
            why = "the gate was busy with other batches until the intents were about to expire";
        } else if (!flight.fee_refusal.empty()) {
            why = "resume failed: " + flight.fee_refusal;
        }
        auto failing = fail(context, flight, why);
        co_return co_await std::move(failing);
    }
    auto blocking = facts.final_block();
    const auto block = co_await std::move(blocking);
    if (!block) co_return again_later(flight, false);
    if (const auto too_old = late_deadline(flight.state, *block)) {
        auto failing = fail(context, flight, *too_old);
        co_return co_await std::move(failing);
    }
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    if (flight.resume_again_at) {
        // Somebody else's batch is under way: a look costs nothing, another refusal costs gas.
        auto asking = facts.batch_tail(gate_id);
        const auto tail = co_await std::move(asking);
        if (!tail) co_return again_later(flight, false);
        const bool early = parts.executor.steady_now() < *flight.resume_again_at;
        if (!tail->empty() || early) co_return again_later(flight, true);
    }
    // The unit that takes the gate would say so too; until then the fee need not be asked for.
    if (gate_is_held(flight) && !bug(kIgnoreLane)) co_return again_later(flight, true);
    auto asking = facts.fees(gate_id);
    const auto fees = co_await std::move(asking);
    if (!fees) co_return again_later(flight, false);
    // A fee from before the refusal would be refused again.
    if (fees->block_height <= flight.fee_refused_at) co_return again_later(flight, true);
    const std::size_t calls = flight.state.calls.size();
    const auto fee = fees->of(calls);
    if (!fee || *fee > options.fee_max(calls)) {
        facts.forget_gate(gate_id);  // who comes next is told before anything is submitted
        auto failing = fail(context, flight, fee_drift_text(calls, options.fee_max(calls), fee));
        co_return co_await std::move(failing);
    }
    auto signing = sign_resume(context, flight, *fee);
    const auto made = co_await std::move(signing);
    if (!made && made.error().reason() == "gate_taken") co_return again_later(flight, true);
    if (!made && made.error().reason() == "cancelled") co_return StepOutcome::again();
    if (!made && made.error().code() == ErrorCode::Unavailable) {
        co_return again_later(flight, false);
    }
    CO_TRY_VOID(made);
    co_return StepOutcome::again(options.poll_interval / 2);
}

// Another resume may follow: this one was refused or is dead.
Task<Result<void>> CoordinatorService::Core::drop_resume(
    StepContext& context, Flight& flight, std::string_view event) {
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        state.dead_resumes.push_back(state.resume->hash);
        state.resume.reset();
        record.resume_tx_hash.reset();
        return lane::give_gate_back(tx, record.request_id);
    };
    auto saving = save(context, flight, phase::kResume, event, change);
    co_return co_await std::move(saving);
}

// The batch runs. Where its last call is dispatched already, that is recorded in the same unit.
Task<StepResult> CoordinatorService::Core::batch_started(
    StepContext& context, Flight& flight, near::TransactionStatus status, std::uint64_t batch_id) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    flight.resume = std::move(status);
    flight.resume_final_at = 0;
    const std::size_t end = flight.state.calls.size() - 1;
    bool left = false;
    if (const auto intent_id = flight.state.calls[end].intent_id) {
        auto reading = read_dispatch(flight, end, 0);
        const auto read = co_await std::move(reading);
        const auto last = read ? near::read_gate_dispatch(*flight.submits[end], gate_id, *intent_id)
                               : Result<near::GateDispatch>(read.error());
        left = last && last->state != near::GateDispatch::State::Pending;
    }
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        state.batch_id = batch_id;
        if (const auto id = flight.resume->outer_receipt_id()) {
            record.dispatch_evidence.set("resume_receipt_id", Json::string(id->to_string()));
        }
        if (!left) return {};
        record.phase = std::string(phase::kEvidence);
        return lane::leave(tx, record.request_id);
    };
    auto saving = record_change(
        context, flight, std::string(phase::kDispatchPoll),
        left ? "last_dispatched" : "batch_started", change, left ? "batch_started" : "");
    CO_TRY_VOID(co_await std::move(saving));
    at(WorkflowPoint::AfterResumeSeen, flight.record.request_id);
    if (left) gate_left(flight);
    co_return again_later(flight, true);
}

// The owner raised the fee while the resume was on its way: nothing was started, and what was paid
// went back.
Task<StepResult> CoordinatorService::Core::fee_refused(
    StepContext& context, Flight& flight, near::BlockHash block, std::string why) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    auto resolving = facts.height_of(block);
    const auto height = co_await std::move(resolving);
    if (!height) co_return again_later(flight, false);
    facts.forget_gate(gate_id);
    auto dropping = drop_resume(context, flight, "fee_refused");
    CO_TRY_VOID(co_await std::move(dropping));
    flight.fee_refusal = std::move(why);
    flight.fee_refused_at = *height;
    co_return again_later(flight, true);
}

// What a quorum says of the resume.
Task<StepResult> CoordinatorService::Core::resume_told(
    StepContext& context, Flight& flight, near::TransactionStatus status) {
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    const auto resume = near::read_gate_resume(status, gate_id);
    if (resume.state == near::GateState::Pending) co_return again_later(flight, true);
    if (resume.state == near::GateState::Done) {
        auto starting = batch_started(context, flight, std::move(status), resume.batch_id);
        co_return co_await std::move(starting);
    }
    if (says_gate_is_busy(resume)) {
        metrics.foreign_batches.add();
        auto dropping = drop_resume(context, flight, "gate_busy");
        CO_TRY_VOID(co_await std::move(dropping));
        flight.resume_again_at = parts.executor.steady_now() + std::chrono::seconds(2);
        nudge_waiting(flight.state.gate_id);
        co_return again_later(flight, true);
    }
    const auto outer = status.outer_receipt_id();
    const auto* const outcome = outer ? status.find_outcome(*outer) : nullptr;
    if (says_fee_is_short(resume) && outcome != nullptr) {
        auto refusing = fee_refused(context, flight, outcome->block_hash, cut_text(resume.error));
        co_return co_await std::move(refusing);
    }
    auto failing = fail(context, flight, "resume failed: " + resume.error);
    co_return co_await std::move(failing);
}

Task<StepResult> CoordinatorService::Core::resume_poll_step(StepContext& context, Flight& flight) {
    const SentTransaction sent = *flight.state.resume;
    CO_TRY(const auto hash, near::TransactionHash::parse(sent.hash));
    CO_TRY(const auto gate_id, near::AccountId::parse(flight.state.gate_id));
    auto finding = find_agreed(hash, keys.approver, resume_story(gate_id));
    const auto found = co_await std::move(finding);
    if (!found) co_return again_later(flight, false);
    if (*found) {
        auto status = (*found)->facts();
        if (!status) co_return again_later(flight, false);
        auto telling = resume_told(context, flight, *std::move(status));
        co_return co_await std::move(telling);
    }
    auto counting = facts.final_heights();
    const auto heights = co_await std::move(counting);
    if (!heights) co_return again_later(flight, false);
    if (heights->reached >
        flight.state.last_submit_height() + options.yield_blocks + kYieldMarginBlocks) {
        // Whether it landed or not, the submits tell by now what became of each intent.
        const auto nothing = [](storage::Transaction&, WorkflowRecord&, GateState&) {
            return Result<void>();
        };
        auto saving = save(context, flight, phase::kDispatchPoll, "resume_not_seen", nothing);
        CO_TRY_VOID(co_await std::move(saving));
        co_return StepOutcome::again();
    }
    bool dead = bug(kResignResumeAtOnce);
    if (!dead) {
        auto judging =
            is_dead(sent, approver_lane.account, approver_lane.public_key, flight.resume_sighting);
        const auto judged = co_await std::move(judging);
        if (!judged) co_return again_later(flight, false);
        dead = *judged;
    }
    if (dead) {
        metrics.resigned.add();
        approver_lane.chain_nonce.reset();
        auto dropping = drop_resume(context, flight, "resume_dead");
        CO_TRY_VOID(co_await std::move(dropping));
        co_return StepOutcome::again();
    }
    Sighting& sighting = flight.resume_sighting;
    const base::Duration quiet =
        std::max<base::Duration>(options.poll_interval * 4, std::chrono::seconds(2));
    const bool silent = parts.executor.steady_now() - sighting.sent_at >= quiet;
    if ((!sighting.sent || silent) && context.may_act()) {
        metrics.resent.add();
        at(WorkflowPoint::BeforeResume, flight.record.request_id);
        auto sending = send(sent);
        const auto outcome = co_await std::move(sending);
        at(WorkflowPoint::AfterResume, flight.record.request_id);
        sighting.sent = outcome.kind != chain::NearSendOutcome::Kind::NotSent;
        sighting.sent_at = parts.executor.steady_now();
    }
    co_return again_later(flight, true);
}

}  // namespace adyton::coordinator

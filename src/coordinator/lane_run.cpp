#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/lanes.h"
#include "coordinator/internal/refusals.h"
#include "coordinator/internal/step_fields.h"

// A run over several lanes: the policy for all of it, then one segment after the other. Each step
// may be killed anywhere and is then called again on what it last recorded.
namespace adyton::coordinator {

using base::Json;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

constexpr std::string_view kDenied = "policy_denied";

Ending ended(WorkflowStatus status, std::string error) {
    return {status, cut_text(std::move(error), 1000), {}};
}

// What the chain made of all of its transactions is known, or one failed: it is to be concluded.
bool is_decided(const LaneSegment& segment) {
    const auto& all = segment.transactions;
    const auto stops = [](const LaneTransaction& tx) { return tx.over && !tx.succeeded; };
    const auto is_over = [](const LaneTransaction& tx) { return tx.over; };
    if (all.empty()) return false;
    return std::any_of(all.begin(), all.end(), stops) ||
           std::all_of(all.begin(), all.end(), is_over);
}

// A transaction is out or what it did is to be told, or a batch is under way: nothing is given up
// for trouble of ours.
bool is_under_way(const LanesState& state) {
    return std::any_of(state.segments.begin(), state.segments.end(), [](const auto& segment) {
        if (segment.outcome != LaneSegment::Outcome::Open) return false;
        if (!segment.child_id.empty() || is_decided(segment)) return true;
        const auto& all = segment.transactions;
        return std::any_of(all.begin(), all.end(), [](const LaneTransaction& tx) {
            return tx.sent.has_value() && !tx.over;
        });
    });
}

// Of one that is not under way any more, and not carried out.
std::string cancelled_text(const LaneSegment& segment) {
    const auto& all = segment.transactions;
    const auto done =
        std::count_if(all.begin(), all.end(), [](const LaneTransaction& tx) { return tx.over; });
    if (done == 0) return "cancelled before its first transaction was sent";
    return fmt::format("cancelled after {} of its {} transactions", done, all.size());
}

// What the policy is asked about a transaction: its calls as they will be signed.
Json action_of(const LaneTransaction& tx, const LaneCall& call, std::string_view type) {
    return call_action(
        type, tx.receiver_id, call.method_name, call.deposit,
        base::base64_encode(base::as_bytes(call.args)));
}

// The keystore will not tell the user's key, whenever it is asked.
bool is_key_refused(const Error& error) {
    return error.reason() == "keystore_error" && is_final_refusal(error);
}
constexpr std::string_view kKeyOperation = "prepare-function-call-key";

std::string name_of(const LaneSegment& segment) {
    if (segment.steps == 1) return fmt::format("step {} ({})", segment.first_step, segment.kind);
    return fmt::format(
        "steps {} to {} ({})", segment.first_step, segment.first_step + segment.steps - 1,
        segment.kind);
}

}  // namespace

workflow::RunKind lanes_run_kind(CoordinatorService::Core& core) {
    const auto lanes = std::make_shared<Lanes>(core);  // of the two functions below
    workflow::RunKind out;
    out.name = kLanesRunKind;
    out.step = [lanes](StepContext& context) { return lanes->step(context); };
    out.give_up = [lanes](
                      storage::Transaction& tx, const workflow::Run& run,
                      const std::string& reason) { return lanes->give_up(tx, run, reason); };
    out.lost = [&core](const std::string& id) { core.forget(id); };
    return out;
}

std::string_view Lanes::word_of(const Work& work) const {
    const LanesState& state = work.state;
    const std::size_t at = std::min(state.current, state.segments.size() - 1);
    switch (state.segments[at].lane) {
        case Lane::GateProxy:
            return phase::kGateBatch;
        case Lane::DirectUser:
            return phase::kDirectUser;
        default:
            return phase::kFunding;
    }
}

Task<Result<void>> Lanes::keep(Work& work, std::string_view event, Change also) {
    const Json lanes = to_json(work.state);
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        if (also) {
            TRY_VOID(also(tx, record, state));
        }
        state.lanes = lanes;
        describe_lanes(work.state, record);
        return {};
    };
    const bool watching = work.context.run().step == phase::kWatch;
    const std::string_view word = watching ? phase::kWatch : word_of(work);
    auto saving = core_.save(work.context, work.flight, word, event, change);
    co_return co_await std::move(saving);
}

Task<StepResult> Lanes::end(Work& work, WorkflowStatus status, std::string error) {
    describe_lanes(work.state, work.flight.record);
    auto finishing = core_.finish(work.context, work.flight, ended(status, std::move(error)));
    CO_TRY_VOID(co_await std::move(finishing));
    co_return StepOutcome::ended();
}

namespace {

// The step that it was given up in is not told as pending for ever.
Result<void> close_given_up(
    storage::Transaction& tx, WorkflowRecord record, const std::string& reason) {
    TRY(GateState state, parse_gate_state(record.internal_state));
    TRY(LanesState lanes, parse_lanes_state(state.lanes));
    if (is_final(record.status) || lanes.current >= lanes.segments.size()) return {};
    LaneSegment& segment = lanes.segments[lanes.current];
    if (!segment.prepared || segment.outcome != LaneSegment::Outcome::Open) return {};
    segment.outcome = LaneSegment::Outcome::Failed;
    segment.error = cut_text(reason);
    state.lanes = to_json(lanes);
    record.internal_state = to_text(state);
    describe_lanes(lanes, record);
    return records::update(tx, record);
}

}  // namespace

Result<void> Lanes::give_up(
    storage::Transaction& tx, const workflow::Run& run, const std::string& reason) {
    TRY(const auto record, records::find(tx, run.id));
    std::string whole = reason;
    if (record) {
        TRY(const GateState state, parse_gate_state(record->internal_state));
        TRY(const LanesState lanes, parse_lanes_state(state.lanes));
        const std::string done = carried_out(lanes);
        whole = join_text(std::move(whole), done);
        TRY_VOID(close_given_up(tx, *record, reason));
    }
    return core_.give_up(tx, run, whole);
}

Task<StepResult> Lanes::step(StepContext& context) {
    auto loading = core_.flight_of(context);
    CO_TRY(const std::shared_ptr<Flight> flight, co_await std::move(loading));
    if (!context.may_act()) co_return StepOutcome::again(core_.options.poll_interval);
    CO_TRY(LanesState state, parse_lanes_state(flight->state.lanes));
    const std::string step = context.run().step;
    if (flight->phase != step) {
        flight->phase = step;
        flight->phase_began = core_.parts.executor.steady_now();
        flight->submit_sightings.assign(1, {});
    }
    Work work{context, *flight, std::move(state)};
    Task<StepResult> doing;
    if (step == phase::kPolicy) {
        doing = policy_step(work);
    } else if (step == phase::kWatch) {
        doing = watch_step(work);
    } else {
        doing = segment_step(work);
    }
    StepResult outcome = co_await std::move(doing);
    const std::string id = flight->record.request_id;
    const bool under_way = is_under_way(work.state);
    if (!outcome || outcome->kind == StepOutcome::Kind::Ended) core_.flights.erase(id);
    if (!outcome && under_way && outcome.error().reason() != "run_lost") {
        core_.parts.logger.warning(
            "a workflow under way met trouble and goes on",
            {{"request_id", id}, {"step", step}, {"error", outcome.error().message()}});
        co_return StepOutcome::again(core_.options.poll_interval * 4);
    }
    co_return outcome;
}

// ----- policy -----------------------------------------------------------------------------------

// Everything that every segment will do, as far as it is known now. An ending: it is not begun.
Task<Result<std::optional<Ending>>> Lanes::check_before_signing(Work& work, Json& decisions) {
    GateState asked;
    std::vector<LaneSegment>& segments = work.state.segments;
    for (std::size_t i = 0; i < segments.size(); ++i) {
        const LaneSegment& segment = segments[i];
        asked.calls.resize(segment.first_step + segment.steps);
        if (segment.lane == Lane::GateProxy) {
            const std::vector<GateCall>& calls = segment.batch->calls;
            for (std::size_t k = 0; k < calls.size(); ++k) {
                asked.calls[segment.first_step + k].actions = calls[k].actions;
                const auto& signer = calls[k].own_signer;
                if (!signer || *signer == work.flight.state.wallet_account) continue;
                co_return std::optional<Ending>(ended(
                    WorkflowStatus::Rejected,
                    fmt::format(
                        "steps[{}].near_intents.signer_id is not the wallet's account",
                        segment.first_step + k)));
            }
            auto checking = core_.facts.check_gate(core_.options.gates.front(), calls.size());
            const auto checked = co_await std::move(checking);
            if (!checked && checked.error().reason() != "gate_drift") co_return checked.error();
            if (!checked) {
                co_return std::optional<Ending>(
                    ended(WorkflowStatus::Failed, checked.error().message()));
            }
            continue;
        }
        auto intending = intend(work, segment, Look::Ahead);
        const auto intended = co_await std::move(intending);
        if (!intended && is_key_refused(intended.error())) {
            const Ending refusal = ending_of(intended.error(), kKeyOperation);
            co_return std::optional<Ending>(
                ended(refusal.status, name_of(segment) + ": " + refusal.error));
        }
        CO_TRY_VOID(intended);
        if (intended->failure) {
            const bool setup = segment.lane == Lane::DirectUser;
            co_return std::optional<Ending>(ended(
                setup ? WorkflowStatus::RequiresDirectUserSetup : WorkflowStatus::Failed,
                name_of(segment) + ": " + *intended->failure));
        }
        const char* const type = segment.lane == Lane::DirectUser ? "direct_user" : "call";
        for (const LaneTransaction& tx : intended->transactions) {
            for (const LaneCall& call : tx.calls) {
                asked.calls.back().actions.push_back(action_of(tx, call, type));
            }
        }
    }
    if (core_.bug(kLaneSkipPolicy)) co_return std::optional<Ending>();
    auto asking = core_.ask_policy(work.flight.record, asked, decisions);
    auto denied = co_await std::move(asking);
    if (denied || !is_final_refusal(denied.error())) co_return denied;
    co_return std::optional<Ending>(ending_of(denied.error(), "check-policy"));
}

Task<StepResult> Lanes::policy_step(Work& work) {
    Flight& flight = work.flight;
    if (work.context.run().cancel_requested) {
        auto ending = end(work, WorkflowStatus::Failed, "cancelled before anything was signed");
        co_return co_await std::move(ending);
    }
    core_.at(WorkflowPoint::BeforePolicy, flight.record.request_id);
    auto asking_wallet = core_.wallet_of(flight.record.wallet_id);
    const auto answer = co_await std::move(asking_wallet);
    if (!answer && is_final_refusal(answer.error())) {
        Ending refusal = ending_of(answer.error(), "derive-address");
        auto ending = end(work, refusal.status, std::move(refusal.error));
        co_return co_await std::move(ending);
    }
    CO_TRY_VOID(answer);
    const CoordinatorService::Core::Wallet& wallet = *answer;
    flight.state.wallet_account = wallet.account;
    flight.state.wallet_key = wallet.public_key;
    Json decisions = Json::array();
    auto checking = check_before_signing(work, decisions);
    const auto checked = co_await std::move(checking);
    if (!checked) {
        core_.flights.erase(flight.record.request_id);
        co_return checked.error();
    }
    flight.record.policy_decisions = decisions;
    if (*checked) {
        auto ending = end(work, (*checked)->status, (*checked)->error);
        co_return co_await std::move(ending);
    }
    auto change = [&](storage::Transaction&, WorkflowRecord& record, GateState& state) {
        record.status = WorkflowStatus::Processing;
        record.policy_decisions = decisions;
        state.wallet_account = wallet.account;
        state.wallet_key = wallet.public_key;
        return Result<void>();
    };
    auto keeping = keep(work, "policy_allowed", change);
    CO_TRY_VOID(co_await std::move(keeping));
    core_.at(WorkflowPoint::AfterPolicy, flight.record.request_id);
    co_return StepOutcome::again();
}

// ----- segments ---------------------------------------------------------------------------------

Task<StepResult> Lanes::segment_step(Work& work) {
    LanesState& state = work.state;
    const auto failed = std::find_if(
        state.segments.begin(), state.segments.end(),
        [](const LaneSegment& one) { return one.outcome == LaneSegment::Outcome::Failed; });
    if (failed != state.segments.end() && !core_.bug(kLaneGoOnAfterFailure)) {
        std::string why = name_of(*failed) + " failed: " + failed->error;
        const std::string done = carried_out(state);
        if (!done.empty()) why += "; " + done;
        const bool denied = failed->note == kDenied && !state.any_transaction();
        const auto status = denied ? WorkflowStatus::PolicyDenied : WorkflowStatus::Failed;
        auto ending = end(work, status, std::move(why));
        co_return co_await std::move(ending);
    }
    if (state.current == state.segments.size()) {
        auto ending = end(work, WorkflowStatus::Succeeded, {});
        co_return co_await std::move(ending);
    }
    LaneSegment& segment = work.segment();
    if (work.context.run().cancel_requested && !is_under_way(state)) {
        if (segment.prepared) {
            auto closing =
                close_segment(work, LaneSegment::Outcome::Failed, cancelled_text(segment));
            co_return co_await std::move(closing);
        }
        std::string why = "cancelled before " + name_of(segment);
        const std::string done = carried_out(state);
        why += done.empty() ? "; nothing was carried out" : "; " + done;
        auto ending = end(work, WorkflowStatus::Failed, std::move(why));
        co_return co_await std::move(ending);
    }
    if (segment.lane == Lane::GateProxy) {
        auto doing = batch_step(work);
        co_return co_await std::move(doing);
    }
    if (!segment.prepared) {
        auto doing = prepare_step(work);
        co_return co_await std::move(doing);
    }
    for (std::size_t i = 0; i < segment.transactions.size(); ++i) {
        const LaneTransaction& tx = segment.transactions[i];
        if (tx.over && tx.succeeded) continue;
        if (tx.over) break;
        auto doing = tx.sent ? poll_step(work, i) : sign_step(work, i);
        co_return co_await std::move(doing);
    }
    auto doing = conclude_step(work);
    co_return co_await std::move(doing);
}

// Decides what the segment does, by what the chain says now.
Task<StepResult> Lanes::prepare_step(Work& work) {
    LaneSegment& segment = work.segment();
    auto intending = intend(work, segment, Look::Now);
    auto made = co_await std::move(intending);
    if (!made && is_key_refused(made.error())) {
        if (is_denial(made.error())) segment.note = kDenied;
        auto closing = close_segment(
            work, LaneSegment::Outcome::Failed, ending_of(made.error(), kKeyOperation).error);
        co_return co_await std::move(closing);
    }
    CO_TRY_VOID(made);
    Intended& intended = *made;
    segment.note = intended.note;
    segment.result = intended.result;
    if (intended.failure || intended.skip) {
        auto closing = close_segment(
            work, intended.failure ? LaneSegment::Outcome::Failed : LaneSegment::Outcome::Skipped,
            intended.failure.value_or(""));
        co_return co_await std::move(closing);
    }
    auto reading = read_balances(work, intended.balances);
    CO_TRY(Balances before, co_await std::move(reading));
    segment.before = std::move(before.amounts);
    segment.transactions = std::move(intended.transactions);
    segment.prepared = true;
    auto keeping = keep(work, "step_prepared");
    CO_TRY_VOID(co_await std::move(keeping));
    co_return StepOutcome::again();
}

namespace {

// Why a step whose transactions are all final did not do what it was for; empty: it did.
std::string shortfall(const LaneSegment& segment) {
    for (const LaneTransaction& tx : segment.transactions) {
        if (!tx.succeeded) return tx.error;
    }
    const bool tells =
        segment.kind == "funding.intents_deposit" || segment.kind == "funding.intents_withdraw";
    if (!tells) return {};
    const Json* const amount = segment.params.find("amount");
    const std::string& value = segment.transactions.back().value;
    if (amount != nullptr && value == "\"" + amount->string_value() + "\"") return {};
    return fmt::format(
        "of {} only {} were used; the rest was refunded",
        amount == nullptr ? "?" : amount->string_value(),
        value.empty() ? "nothing" : cut_text(value, 50));
}

}  // namespace

Task<StepResult> Lanes::conclude_step(Work& work) {
    LaneSegment& segment = work.segment();
    std::vector<std::string> names;
    for (const auto& [name, amount] : segment.before.members()) names.push_back(name);
    std::uint64_t top = 0;
    for (const LaneTransaction& tx : segment.transactions) top = std::max(top, tx.last_height);
    auto reading = read_balances(work, std::move(names));
    auto after = co_await std::move(reading);
    if (!after) co_return core_.again_later(work.flight, false);
    if (after->height < top && after->amounts.size() > 0) {
        co_return core_.again_later(work.flight, true);
    }
    segment.after = std::move(after->amounts);
    std::string why = shortfall(segment);
    if (core_.bug(kLaneIgnoreInnerFailure) || core_.bug(kLaneSucceedWhenSent)) why.clear();
    const auto outcome =
        why.empty() ? LaneSegment::Outcome::Succeeded : LaneSegment::Outcome::Failed;
    auto closing = close_segment(work, outcome, std::move(why));
    co_return co_await std::move(closing);
}

Task<StepResult> Lanes::close_segment(Work& work, LaneSegment::Outcome outcome, std::string error) {
    LaneSegment& segment = work.segment();
    segment.outcome = outcome;
    segment.error = cut_text(std::move(error));
    const bool failed = outcome == LaneSegment::Outcome::Failed;
    if (!failed || core_.bug(kLaneGoOnAfterFailure)) ++work.state.current;
    auto keeping = keep(work, failed ? "step_failed" : "step_done");
    CO_TRY_VOID(co_await std::move(keeping));
    co_return StepOutcome::again();
}

// The record is failed already; what may still land is followed to its end.
Task<StepResult> Lanes::watch_step(Work& work) {
    LaneSegment& segment = work.segment();
    for (std::size_t i = 0; i < segment.transactions.size(); ++i) {
        if (segment.transactions[i].over || !segment.transactions[i].sent) continue;
        auto doing = poll_step(work, i);
        co_return co_await std::move(doing);
    }
    // Of those that were sent; others never will be.
    const bool landed = std::all_of(
        segment.transactions.begin(), segment.transactions.end(),
        [](const LaneTransaction& tx) { return !tx.sent || (tx.over && tx.succeeded); });
    segment.outcome = LaneSegment::Outcome::Failed;
    std::string why = work.flight.record.user_visible_error;
    why = join_text(why, landed ? "yet it landed and succeeded" : "it never took effect");
    auto ending = end(work, WorkflowStatus::Failed, std::move(why));
    co_return co_await std::move(ending);
}

}  // namespace adyton::coordinator

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/cut_text.h"
#include "coordinator/evidence.h"
#include "coordinator/internal/core.h"

// A gate run: what all its steps share. Each step may be killed anywhere and is then called again
// on what it last recorded.
namespace adyton::coordinator {

using workflow::RunState;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

constexpr std::size_t kReasonBytesLeft = 100;
constexpr unsigned kDoublingsMax = 4;
constexpr base::Duration kBackoffMax = std::chrono::seconds(15);
// Longer than any pause between two looks at the queue.
constexpr base::Duration kSilentMax = std::chrono::minutes(1);

std::string phase_body(std::string_view phase) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object().member("phase", phase).end_object();
    return body;
}

bool before_signing(std::string_view step) {
    return step == phase::kPolicy || step == phase::kQueued;
}
bool before_submit(std::string_view step) {
    return before_signing(step) || step == phase::kNep413 || step == phase::kDelegate;
}

std::string cancel_text(const GateState& state, std::string_view step) {
    const std::string live = live_payloads(state, step);
    if (!live.empty()) return "cancelled before anything was submitted; " + live;
    const bool unsigned_yet = before_signing(step) || step == phase::kNep413;
    return fmt::format("cancelled before anything was {}", unsigned_yet ? "signed" : "submitted");
}

// What may still happen at the gate.
base::Json live_intents(const GateState& state, std::uint64_t yield_blocks) {
    base::Json out = base::Json::array();
    for (std::size_t i = 0; i < state.calls.size(); ++i) {
        const GateCall& call = state.calls[i];
        if (!call.intent_id && (call.submit_over || !call.submit)) continue;
        base::Json item = base::Json::object();
        item.set("call_index", base::Json::unsigned_integer(i));
        if (call.intent_id) {
            item.set("intent_id", base::Json::string(std::to_string(*call.intent_id)));
            item.set(
                "until_block", base::Json::unsigned_integer(call.submit_height + yield_blocks));
        } else {
            item.set("submit_tx_hash", base::Json::string(call.submit->hash));
            item.set("outcome", base::Json::string("unknown"));
            item.set(
                "until_block", base::Json::unsigned_integer(call.max_block_height + yield_blocks));
        }
        out.push_back(std::move(item));
    }
    return out;
}

std::string live_text(const base::Json& live) {
    std::string out;
    for (const base::Json& item : live.items()) {
        const base::Json* const id = item.find("intent_id");
        const std::string name = id != nullptr
                                     ? "intent " + id->string_value()
                                     : "submit " + item.find("submit_tx_hash")->string_value() +
                                           " (unknown whether it landed)";
        out += fmt::format(
            "{}{} until block {}", out.empty() ? "" : ", ", name,
            item.find("until_block")->number_text());
    }
    return out;
}

}  // namespace

std::string live_payloads(const GateState& state, std::string_view step) {
    // The keystore may have signed some before it, or this process, failed.
    const bool perhaps = step == phase::kNep413;
    if (!perhaps && step != phase::kDelegate) return {};
    std::size_t payloads = 0;
    std::string until;
    base::Timestamp latest{};
    for (const GateCall& call : state.calls) {
        if (call.deadline.empty() || (!perhaps && call.intent_hash.empty())) continue;
        ++payloads;
        const auto deadline = base::parse_rfc3339(call.deadline);
        if (!until.empty() && deadline && *deadline <= latest) continue;
        until = call.deadline;
        if (deadline) latest = *deadline;
    }
    if (payloads == 0) return {};
    if (perhaps) {
        return "intents payloads that may have been signed stay valid until " + until;
    }
    return fmt::format("{} signed intents payloads stay valid until {}", payloads, until);
}

std::string cut_text(std::string text, std::size_t bytes_max) {
    text.resize(base::cut_text(text, bytes_max).size());
    return text;
}

std::string join_text(std::string reason, std::string_view rest) {
    if (rest.empty()) return cut_text(std::move(reason), kErrorBytesMax);
    const std::size_t taken = std::min(rest.size() + 2, kErrorBytesMax - kReasonBytesLeft);
    reason = cut_text(std::move(reason), kErrorBytesMax - taken);
    reason.append("; ").append(rest);
    return cut_text(std::move(reason), kErrorBytesMax);
}

Task<Result<std::shared_ptr<Flight>>> CoordinatorService::Core::flight_of(
    const StepContext& context) {
    const std::string id = context.run().id;
    const auto known = flights.find(id);
    if (known != flights.end() && known->second->fencing == context.claim().fencing) {
        co_return known->second;
    }
    auto unit = [&id](storage::Transaction& tx) { return records::find(tx, id); };
    auto read = parts.database.read(unit);
    CO_TRY(auto record, co_await std::move(read));
    if (!record) co_return Error::corrupt_data("a workflow's run has no record");
    CO_TRY(GateState state, parse_gate_state(record->internal_state));
    auto flight = std::make_shared<Flight>(context.claim().fencing, *std::move(record));
    flight->set_state(std::move(state));
    flights[id] = flight;
    co_return flight;
}

Task<Result<void>> CoordinatorService::Core::record_change(
    const StepContext& context, Flight& flight, std::optional<std::string> step, std::string event,
    Change change, std::string earlier) {
    std::optional<std::pair<WorkflowRecord, GateState>> changed;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        WorkflowRecord record = flight.record;
        GateState state = flight.state;
        if (!earlier.empty()) {
            TRY_VOID(context.note(tx, {earlier, "{}"}));
        }
        if (step) {
            TRY_VOID(context.advance(tx, {*step, {}, {}, {}}, {event, phase_body(*step)}));
            record.phase = *step;
        } else {
            TRY_VOID(context.note(tx, {event, "{}"}));
        }
        TRY_VOID(change(tx, record, state));
        record.internal_state = to_text(state);
        TRY_VOID(records::update(tx, record));
        record.internal_state.clear();
        changed.emplace(std::move(record), std::move(state));
        return {};
    };
    auto write = parts.database.write(unit);
    CO_TRY_VOID(co_await std::move(write));
    flight.record = std::move(changed->first);
    flight.state = std::move(changed->second);
    const bool over = is_final(flight.record.status);
    board->changed(flight.record.request_id, over ? NewsBoard::News::Ending : NewsBoard::News::Any);
    co_return Result<void>();
}

Task<Result<void>> CoordinatorService::Core::save(
    const StepContext& context, Flight& flight, std::string_view step, std::string_view event,
    Change change) {
    return record_change(context, flight, std::string(step), std::string(event), std::move(change));
}

Task<Result<void>> CoordinatorService::Core::note(
    const StepContext& context, Flight& flight, std::string_view event, Change change) {
    return record_change(context, flight, std::nullopt, std::string(event), std::move(change));
}

// The record as it ends here goes into the audit log by its digest, in the same unit, and so does
// what webhooks will tell of it.
Result<void> CoordinatorService::Core::write_audit(
    storage::Transaction& tx, WorkflowRecord& record, const GateState* state_or_null,
    std::string_view kind) {
    const EvidenceStatement statement =
        state_or_null == nullptr ? statement_of(record) : statement_of(record, *state_or_null);
    std::string body;
    base::JsonWriter out(body);
    out.begin_object();
    out.member("request_id", std::string_view(record.request_id));
    out.member("wallet_id", std::string_view(record.wallet_id));
    out.member("status", to_string(record.status));
    out.key("facts_sha256").hex(facts_digest(statement).view());
    out.end_object();
    TRY(const auto position, parts.audit.append(tx, {kind, "system:coordinator", body}));
    record.audit_chain = position.chain;
    record.audit_sequence = position.sequence;
    if (outbox == nullptr) return {};
    return outbox->announce(tx, record);
}

Task<Result<void>> CoordinatorService::Core::finish(
    const StepContext& context, Flight& flight, Ending ending) {
    at(WorkflowPoint::BeforeFinish, flight.record.request_id);
    const bool succeeded = ending.status == WorkflowStatus::Succeeded;
    const RunState run_state = succeeded ? RunState::Succeeded : RunState::Failed;
    const std::string reason = cut_text(ending.error, kErrorBytesMax);
    const std::string event(to_string(ending.status));
    std::optional<WorkflowRecord> changed;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        WorkflowRecord record = flight.record;
        TRY_VOID(context.finish(tx, run_state, reason, {event, phase_body(phase::kDone)}));
        record.status = ending.status;
        record.phase = std::string(phase::kDone);
        if (succeeded) record.final_status = "success";
        if (ending.status == WorkflowStatus::Failed) record.final_status = "failed";
        record.user_visible_error = cut_text(ending.error, kErrorBytesMax);
        if (!ending.evidence.is_null()) record.dispatch_evidence = ending.evidence;
        forget_held_back(record);
        record.internal_state = to_text(flight.state);
        TRY_VOID(write_audit(tx, record, &flight.state, "coordinator.workflow_final"));
        if (!bug(kLoseFinalUpdate)) {
            TRY_VOID(records::update(tx, record));
            TRY(record.updated_at, tx.now());  // as it is stored
        }
        record.internal_state.clear();
        TRY_VOID(lane::leave(tx, record.request_id));
        changed = std::move(record);
        return {};
    };
    auto write = parts.database.write(unit);
    CO_TRY_VOID(co_await std::move(write));
    flight.record = *std::move(changed);
    at(WorkflowPoint::AfterFinish, flight.record.request_id);
    stop_waiting(flight.state.gate_id, flight.record.request_id);
    has_arrived(flight.state.gate_id, flight.record.request_id);
    nudge_waiting(flight.state.gate_id);
    const bool stored = !bug(kLoseFinalUpdate);
    board->changed(
        flight.record.request_id, NewsBoard::News::Ending,
        stored ? std::make_shared<const WorkflowRecord>(flight.record) : nullptr);
    (succeeded ? metrics.succeeded : metrics.failed).add();
    co_return Result<void>();
}

Task<StepResult> CoordinatorService::Core::fail(
    StepContext& context, Flight& flight, std::string error) {
    const base::Json live = live_intents(flight.state, options.yield_blocks);
    if (live.size() == 0 || bug(kForgetWatch)) {
        Ending ending{WorkflowStatus::Failed, std::move(error), {}};
        auto finishing = finish(context, flight, std::move(ending));
        CO_TRY_VOID(co_await std::move(finishing));
        co_return StepOutcome::ended();
    }
    error = join_text(std::move(error), "not resumed, and dead by itself: " + live_text(live));
    auto change = [&](storage::Transaction& tx, WorkflowRecord& record,
                      GateState& state) -> Result<void> {
        state.failed = true;
        record.status = WorkflowStatus::Failed;
        record.final_status = "failed";
        record.user_visible_error = error;
        record.dispatch_evidence.set("live_until", live);
        // The audit log names the record as it is written.
        record.intent_ids = state.intent_ids();
        TRY_VOID(write_audit(tx, record, &state, "coordinator.workflow_failed"));
        return lane::leave(tx, record.request_id);
    };
    auto saving = save(context, flight, phase::kWatch, "failed", change);
    CO_TRY_VOID(co_await std::move(saving));
    nudge_waiting(flight.state.gate_id);
    co_return StepOutcome::again(options.poll_interval);
}

// A budget of attempts is used up: only what comes before anything is submitted has one.
Result<void> CoordinatorService::Core::give_up(
    storage::Transaction& tx, const workflow::Run& run, const std::string& reason) {
    TRY(auto record, records::find(tx, run.id));
    if (!record) return Error::corrupt_data("a workflow's run has no record");
    if (is_final(record->status)) return {};
    record->status = WorkflowStatus::Failed;
    record->final_status = "failed";
    record->phase = std::string(phase::kDone);
    TRY(const GateState state, parse_gate_state(record->internal_state));
    record->user_visible_error = join_text(reason, live_payloads(state, run.step));
    forget_held_back(*record);
    TRY_VOID(write_audit(tx, *record, nullptr, "coordinator.workflow_final"));
    TRY_VOID(records::update(tx, *record));
    return lane::leave(tx, run.id);
}

StepOutcome CoordinatorService::Core::again_later(Flight& flight, bool chain_answered) {
    flight.failures = chain_answered ? 0 : flight.failures + 1;
    const unsigned doublings = std::min(flight.failures, kDoublingsMax);
    return StepOutcome::again(
        std::min<base::Duration>(options.poll_interval * (1U << doublings), kBackoffMax));
}

// Those that wait for a place of the gate look again now.
void CoordinatorService::Core::nudge_waiting(const std::string& gate_id) {
    const auto found = waiting.find(gate_id);
    if (found == waiting.end()) return;
    std::int64_t nudged = 0;
    for (const auto& [position, queued] : found->second) {
        if (++nudged > options.lane_ahead + 2) return;
        runner.nudge(queued.request_id);
    }
}

// The batch that was at the gate is over: the next one may resume.
void CoordinatorService::Core::nudge_ready(const std::string& gate_id) {
    const auto found = ready_runs.find(gate_id);
    if (found == ready_runs.end()) return;
    const std::set<std::string> ids = found->second;
    for (const std::string& id : ids) runner.nudge(id);
}

bool CoordinatorService::Core::keep_waiting(
    const std::string& gate_id, const std::string& request_id, std::int64_t position) {
    auto& queue = waiting[gate_id];
    const base::SteadyTime now = parts.executor.steady_now();
    queue[position] = {request_id, now};
    std::int64_t ahead = 0;
    for (auto at = queue.begin(); at->first != position && ahead <= options.lane_ahead + 1;) {
        // Whoever is not heard of any more is another process's by now.
        const bool silent = now - at->second.looked_at > kSilentMax;
        if (!silent) ++ahead;
        at = silent ? queue.erase(at) : std::next(at);
    }
    return ahead <= options.lane_ahead + 1;
}

void CoordinatorService::Core::stop_waiting(
    const std::string& gate_id, const std::string& request_id) {
    const auto found = waiting.find(gate_id);
    if (found == waiting.end()) return;
    std::erase_if(
        found->second, [&](const auto& one) { return one.second.request_id == request_id; });
}

void CoordinatorService::Core::forget(const std::string& request_id) {
    const auto found = flights.find(request_id);
    if (found == flights.end()) return;
    const std::string gate_id = found->second->state.gate_id;
    flights.erase(found);
    stop_waiting(gate_id, request_id);
    ready_runs[gate_id].erase(request_id);
    nudge_waiting(gate_id);
    nudge_ready(gate_id);
}

Task<StepResult> CoordinatorService::Core::gate_step(StepContext& context) {
    auto loading = flight_of(context);
    CO_TRY(const std::shared_ptr<Flight> flight, co_await std::move(loading));
    if (!context.may_act()) co_return StepOutcome::again(options.poll_interval);
    const std::string& id = flight->record.request_id;
    const std::string step = context.run().step;
    if (flight->phase != step) {
        flight->phase = step;
        flight->phase_began = parts.executor.steady_now();
    }
    if (step == phase::kResume) {
        ready_runs[flight->state.gate_id].insert(id);
    } else {
        ready_runs[flight->state.gate_id].erase(id);
    }
    Task<StepResult> doing;
    if (context.run().cancel_requested && before_submit(step)) {
        constexpr auto kCancel = [](Core* self, StepContext* its_context, Flight* its_flight,
                                    std::string text) -> Task<StepResult> {
            Ending ending{WorkflowStatus::Failed, std::move(text), {}};
            auto finishing = self->finish(*its_context, *its_flight, std::move(ending));
            CO_TRY_VOID(co_await std::move(finishing));
            co_return StepOutcome::ended();
        };
        doing = kCancel(this, &context, flight.get(), cancel_text(flight->state, step));
    } else if (step == phase::kPolicy) {
        doing = policy_step(context, *flight);
    } else if (step == phase::kQueued) {
        doing = queued_step(context, *flight);
    } else if (step == phase::kNep413) {
        doing = nep413_step(context, *flight);
    } else if (step == phase::kDelegate) {
        doing = delegate_step(context, *flight);
    } else if (step == phase::kSubmit) {
        doing = submit_step(context, *flight);
    } else if (step == phase::kResume) {
        doing = resume_step(context, *flight);
    } else if (step == phase::kResumePoll) {
        doing = resume_poll_step(context, *flight);
    } else if (step == phase::kDispatchPoll) {
        doing = dispatch_step(context, *flight);
    } else if (step == phase::kWatch) {
        doing = watch_step(context, *flight);
    } else {
        co_return Error::corrupt_data("a workflow's run is at a step that does not exist");
    }
    StepResult outcome = co_await std::move(doing);
    if (!outcome || outcome->kind == StepOutcome::Kind::Ended) {
        stop_waiting(flight->state.gate_id, id);
        ready_runs[flight->state.gate_id].erase(id);
        flights.erase(id);
    }
    const bool chain_may_know = !before_submit(step);
    if (!outcome && chain_may_know && outcome.error().reason() != "run_lost") {
        // Nothing that was sent is given up for trouble of ours: no attempt is counted.
        parts.logger.warning(
            "a workflow under way met trouble and goes on",
            {{"request_id", id}, {"step", step}, {"error", outcome.error().message()}});
        co_return StepOutcome::again(
            std::min<base::Duration>(options.poll_interval * 4, kBackoffMax));
    }
    co_return outcome;
}

}  // namespace adyton::coordinator

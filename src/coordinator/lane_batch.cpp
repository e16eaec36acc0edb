#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/lanes.h"
#include "coordinator/request.h"
#include "crypto/uuid.h"

// A run of gate steps inside a workflow over several lanes: a request of its own, made in the unit
// that says so, and carried out by the gate lane as any other. It has its own record and evidence.
namespace adyton::coordinator {

using base::Json;
using workflow::StepOutcome;

namespace {

constexpr base::Duration kQueueFull = std::chrono::seconds(5);

Json some_steps(const Json& whole, std::size_t first, std::size_t count) {
    Json out = Json::array();
    const Json* const steps = whole.find("steps");
    CHECK(steps != nullptr && first + count <= steps->size());  // as it was planned
    for (std::size_t i = 0; i < count; ++i) out.push_back(steps->items()[first + i]);
    return out;
}

WorkflowRecord record_of(
    const WorkflowRecord& whole, const LaneSegment& segment, std::string id, std::string gate_id) {
    WorkflowRecord out;
    out.request_id = std::move(id);
    out.wallet_id = whole.wallet_id;
    out.idempotency_key = fmt::format("segment/{}/{}", whole.request_id, segment.first_step);
    out.endpoint = kSegmentEndpoint;
    Json steps = some_steps(whole.workflow, segment.first_step, segment.steps);
    out.original_request =
        Json::object().set("request_id", Json::string(whole.request_id)).set("steps", steps);
    out.body_hash = body_hash_of(out.endpoint, out.original_request);
    out.workflow = Json::object().set("steps", std::move(steps));
    out.plan = Json::object()
                   .set("accepted", Json::boolean(true))
                   .set("steps", some_steps(whole.plan, segment.first_step, segment.steps));
    out.predecessor_model = "gate";
    out.ordering_model = "gate_chained";
    out.phase = phase::kPolicy;
    GateState state = *segment.batch;
    state.gate_id = std::move(gate_id);
    out.internal_state = to_text(state);
    return out;
}

// The request that the current step of a workflow over several lanes waits for; empty: none.
Result<std::string> batch_of(const WorkflowRecord& whole) {
    TRY(const GateState state, parse_gate_state(whole.internal_state));
    if (state.lanes.is_null()) return std::string();
    TRY(const LanesState lanes, parse_lanes_state(state.lanes));
    if (lanes.current >= lanes.segments.size()) return std::string();
    return lanes.segments[lanes.current].child_id;
}

}  // namespace

Result<std::optional<workflow::Run>> control_batch(
    storage::Transaction& tx, const WorkflowRecord& whole, BatchControl control) {
    const std::optional<workflow::Run> unchanged;
    TRY(const std::string id, batch_of(whole));
    if (id.empty()) return unchanged;
    TRY(const auto batch, records::find(tx, id));
    TRY(const auto run, workflow::find_run(tx, id));
    if (!batch || !run || workflow::is_final(run->state)) return unchanged;
    const std::string actor = "wallet:" + whole.wallet_id;
    const bool failed = is_final(batch->status);  // and followed to its end, whoever waits
    const bool resumed = run->step == phase::kResumePoll || run->step == phase::kDispatchPoll;
    if (control == BatchControl::Pause) {
        if (failed) return unchanged;
        TRY_VOID(workflow::pause_run(tx, id, actor));
    } else if (control == BatchControl::Resume) {
        if (run->state != workflow::RunState::Paused) return unchanged;
        TRY_VOID(workflow::resume_run(tx, id, actor));
    } else {
        if (failed || resumed || run->cancel_requested) return unchanged;
        TRY_VOID(workflow::request_cancel(tx, id, actor));
    }
    return workflow::find_run(tx, id);
}

Task<StepResult> Lanes::begin_batch(Work& work) {
    auto choosing = core_.choose_gate(std::nullopt);
    const auto gate_id = co_await std::move(choosing);
    // What came before is done: this waits its turn, however long.
    if (!gate_id && gate_id.error().code() == ErrorCode::ResourceExhausted) {
        co_return StepOutcome::again(kQueueFull);
    }
    CO_TRY_VOID(gate_id);
    const std::string id = crypto::uuid_v4(core_.parts.random);
    WorkflowRecord child = record_of(work.flight.record, work.segment(), id, *gate_id);
    if (core_.bug(kLaneTwoBatches)) child.idempotency_key += "/" + id;
    workflow::NewRun run;
    run.id = id;
    run.kind = std::string(kGateRunKind);
    run.subject = child.wallet_id;
    run.step = std::string(phase::kPolicy);
    run.attempts_max = core_.options.keystore_attempts_max;
    const std::string driver = core_.runner.driver();
    std::optional<workflow::Run> inserted;
    auto insert = [&](storage::Transaction& tx) -> Result<void> {
        inserted.reset();
        WorkflowRecord fresh = child;
        TRY(fresh.created_at, tx.now());
        TRY(const bool created, records::insert(tx, fresh));
        if (!created) return Error::conflict("its idempotency key is taken", "segment_key_taken");
        TRY(inserted, workflow::insert_run(tx, run, driver));
        return {};
    };
    const bool apart = core_.bug(kLaneTwoBatches);
    if (apart) {
        auto inserting = core_.parts.database.write(insert);
        CO_TRY_VOID(co_await std::move(inserting));
        core_.at(WorkflowPoint::AfterInsert, id);
    }
    work.segment().child_id = id;
    auto change = [&](storage::Transaction& tx, WorkflowRecord&, GateState&) -> Result<void> {
        return apart ? Result<void>() : insert(tx);
    };
    auto keeping = keep(work, "batch_begun", change);
    const auto kept = co_await std::move(keeping);
    if (!kept) work.segment().child_id.clear();
    if (!kept && kept.error().reason() == "segment_key_taken") {
        auto closing = close_segment(work, LaneSegment::Outcome::Failed, kept.error().message());
        co_return co_await std::move(closing);
    }
    if (!kept) {
        // It may stand there under this process's name, where nobody else would drive it.
        const bool unknown = kept.error().code() == ErrorCode::OutcomeUnknown;
        if (unknown && inserted) core_.runner.adopt_if_kept(*inserted);
        co_return kept.error();
    }
    core_.at(WorkflowPoint::AfterInsert, id);
    if (inserted) core_.runner.adopt(*inserted);
    co_return StepOutcome::again(core_.options.poll_interval);
}

Task<StepResult> Lanes::batch_step(Work& work) {
    if (work.segment().child_id.empty()) {
        auto beginning = begin_batch(work);
        co_return co_await std::move(beginning);
    }
    const std::string id = work.segment().child_id;
    const bool cancel = work.context.run().cancel_requested;
    WorkflowRecord whole = work.flight.record;
    whole.internal_state = to_text(work.flight.state);
    std::optional<WorkflowRecord> child;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(child, records::find(tx, id));
        if (!child) return Error::corrupt_data("a batch of a workflow has no record");
        if (!cancel) return {};
        TRY_VOID(control_batch(tx, whole, BatchControl::Cancel));
        return {};
    };
    auto looking = core_.parts.database.write(unit);
    CO_TRY_VOID(co_await std::move(looking));
    if (cancel) core_.runner.nudge(id);
    const bool over = is_final(child->status) && child->phase == phase::kDone;
    if (!over) co_return StepOutcome::again(core_.options.poll_interval);
    LaneSegment& segment = work.segment();
    segment.result = Json::object()
                         .set("status", Json::string(std::string(to_string(child->status))))
                         .set(
                             "resume_tx_hash",
                             child->resume_tx_hash ? Json::string(*child->resume_tx_hash) : Json());
    const bool succeeded = child->status == WorkflowStatus::Succeeded;
    segment.outcome = succeeded ? LaneSegment::Outcome::Succeeded : LaneSegment::Outcome::Failed;
    segment.error = succeeded ? std::string() : child->user_visible_error;
    if (succeeded || core_.bug(kLaneGoOnAfterFailure)) ++work.state.current;
    auto change = [&](storage::Transaction&, WorkflowRecord& record, GateState& state) {
        add_batch(*child, record, state);
        return Result<void>();
    };
    auto keeping = keep(work, succeeded ? "batch_done" : "batch_failed", change);
    CO_TRY_VOID(co_await std::move(keeping));
    co_return StepOutcome::again();
}

}  // namespace adyton::coordinator

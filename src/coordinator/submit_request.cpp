#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "coordinator/internal/core.h"
#include "coordinator/internal/lanes.h"
#include "crypto/uuid.h"

// Keeping a request: once for each wallet and key, before anything is asked, signed or sent.
namespace adyton::coordinator {

using base::Json;

namespace {

// Another process may drive it: the database is looked at in between.
constexpr base::Duration kLookPeriod = std::chrono::seconds(1);
// From the choice of a gate to a place in its queue; then it counts no more.
constexpr base::Duration kArrivalMax = std::chrono::seconds(10);
constexpr double kPaceMsFirst = 8'000;

Error conflict() {
    return Error::conflict(
        "the idempotency key was used with another request", "idempotency_conflict");
}

WorkflowStatus status_of(PlanOutcome::Status status) {
    switch (status) {
        case PlanOutcome::Status::Executable:
            return WorkflowStatus::Planned;
        case PlanOutcome::Status::RequiresFundingSetup:
            return WorkflowStatus::RequiresFundingSetup;
        case PlanOutcome::Status::RequiresDirectUserSetup:
            return WorkflowStatus::RequiresDirectUserSetup;
        case PlanOutcome::Status::Rejected:
            break;
    }
    return WorkflowStatus::Rejected;
}

WorkflowRecord record_of(const CoordinatorService::Core::Incoming& incoming, std::string id) {
    WorkflowRecord out;
    out.request_id = std::move(id);
    out.wallet_id = incoming.wallet_id;
    out.idempotency_key = incoming.idempotency_key;
    out.endpoint = incoming.endpoint;
    out.body_hash = body_hash_of(incoming.endpoint, incoming.body);
    out.original_request = incoming.body;
    out.workflow = incoming.planned.workflow;
    out.plan = to_json(incoming.planned.plan);
    out.predecessor_model = incoming.planned.outcome.plan.predecessor_model;
    out.ordering_model = incoming.planned.outcome.plan.ordering_model;
    out.status = status_of(incoming.planned.outcome.plan.status);
    out.user_visible_error = incoming.planned.outcome.plan.error;
    out.phase = std::string(is_final(out.status) ? phase::kDone : phase::kPolicy);
    if (incoming.direct_user) {
        const DirectUserRequest& direct = *incoming.direct_user;
        Json names = Json::array();
        names.push_back(Json::string(direct.method_name));
        out.direct_user_scope = Json::object()
                                    .set("user_id", Json::string(direct.user_id))
                                    .set("registry_id", Json::string(direct.registry_id))
                                    .set("receiver_id", Json::string(direct.receiver_id))
                                    .set("method_names", std::move(names))
                                    .set("gas", Json::unsigned_integer(direct.gas));
    }
    if (incoming.planned.lanes) describe_lanes(*incoming.planned.lanes, out);
    return out;
}

GateState state_of(const PlannedRequest& planned) {
    GateState out;
    out.calls = planned.outcome.calls;
    out.view_checks = planned.view_checks;
    if (planned.lanes) out.lanes = to_json(*planned.lanes);
    return out;
}

}  // namespace

double CoordinatorService::Core::pace_of(const std::string& gate_id) const {
    const std::lock_guard lock(pace_mutex);
    const auto found = pace_ms.find(gate_id);
    return found == pace_ms.end() ? kPaceMsFirst : found->second;
}

void CoordinatorService::Core::note_pace(const std::string& gate_id, base::Duration taken) {
    const auto ms =
        static_cast<double>(std::chrono::duration_cast<std::chrono::milliseconds>(taken).count());
    const std::lock_guard lock(pace_mutex);
    const auto [found, first] = pace_ms.try_emplace(gate_id, ms);
    if (!first) found->second += (ms - found->second) / 8;
}

void CoordinatorService::Core::has_arrived(
    const std::string& gate_id, const std::string& request_id) {
    const std::lock_guard lock(pace_mutex);
    const auto found = arriving.find(gate_id);
    if (found != arriving.end()) found->second.erase(request_id);
}

// The gate that was named, or the one whose queue is shortest, of those that can be read and move.
// ResourceExhausted "rate_limited": it would take too long there.
Task<Result<std::string>> CoordinatorService::Core::choose_gate(
    std::optional<std::string> wanted, std::string request_id) {
    struct Choice {
        std::string gate_id;
        bool unreadable = false;
        bool stands = false;  // its batch does not move
        double rank_ms = 0;   // with those that are on the way there
        double wait_ms = 0;
        std::int64_t queued = 0;
    };
    auto unit = [](storage::Transaction& tx) { return lane::loads(tx); };
    auto read = parts.database.read(unit);
    CO_TRY(const auto loads, co_await std::move(read));
    std::set<std::string> standing;
    for (const near::AccountId& gate : options.gates) {
        if (wanted || options.gates.size() == 1) break;  // nothing to choose
        auto looking = facts.standstill(gate);
        const auto standstill = co_await std::move(looking);
        if (standstill && *standstill) standing.insert(gate.text());
    }
    std::optional<Choice> best;
    const base::SteadyTime now = parts.executor.steady_now();
    for (const near::AccountId& gate : options.gates) {
        if (wanted && *wanted != gate.text()) continue;
        const auto found = loads.find(gate.text());
        const LaneLoad load = found == loads.end() ? LaneLoad{} : found->second;
        const double pace = pace_of(gate.text());
        const std::lock_guard lock(pace_mutex);
        auto& coming = arriving[gate.text()];
        std::erase_if(coming, [now](const auto& one) { return now - one.second > kArrivalMax; });
        const auto batches = static_cast<double>(load.queued + load.active);
        const double ahead = batches + static_cast<double>(coming.size());
        const bool unreadable = facts.is_unreadable(gate);
        const bool stands = standing.contains(gate.text());
        const Choice choice{gate.text(),  unreadable,     stands,
                            ahead * pace, batches * pace, load.queued};
        const auto rank = [](const Choice& one) {
            return std::tuple(one.unreadable, one.stands, one.rank_ms);
        };
        if (!best || rank(choice) < rank(*best)) best = choice;
    }
    if (!best) co_return Error::invalid_argument("no such gate");
    const auto limit_ms = static_cast<double>(
        std::chrono::duration_cast<std::chrono::milliseconds>(options.queue_wait_max).count());
    if (best->queued >= options.queue_max || best->wait_ms > limit_ms) {
        co_return Error::resource_exhausted(
            fmt::format(
                "{} batches wait for {}: about {} s until one more would begin", best->queued,
                best->gate_id, static_cast<std::int64_t>(best->wait_ms / 1000)),
            "rate_limited");
    }
    if (!request_id.empty()) {
        const std::lock_guard lock(pace_mutex);
        arriving[best->gate_id].emplace(std::move(request_id), now);
    }
    co_return best->gate_id;
}

Task<Result<CoordinatorService::Core::Kept>> CoordinatorService::Core::keep_request(
    Incoming incoming) {
    const bool executable =
        incoming.planned.outcome.plan.status == PlanOutcome::Status::Executable ||
        incoming.direct_user.has_value();
    WorkflowRecord record = record_of(incoming, crypto::uuid_v4(parts.random));
    const auto known = [&](storage::Transaction& tx) -> Result<std::optional<Kept>> {
        TRY(const auto found,
            records::find_by_key(tx, incoming.wallet_id, incoming.idempotency_key));
        if (!found) return std::optional<Kept>();
        if (found->body_hash != record.body_hash && !bug(kIgnoreBodyHash)) return conflict();
        return std::optional<Kept>(Kept{found->request_id, false});
    };
    auto peek = parts.database.read(known);
    CO_TRY(const auto before, co_await std::move(peek));
    if (before && !bug(kRunReplays)) {
        metrics.replayed.add();
        co_return *before;
    }
    const auto& lanes = incoming.planned.lanes;
    const bool needs_gate =
        executable && !incoming.direct_user && (!lanes || lanes->has_lane(Lane::GateProxy));
    std::string gate_id;
    GateState state = state_of(incoming.planned);
    if (needs_gate) {
        auto choosing = choose_gate(incoming.planned.gate_id, lanes ? "" : record.request_id);
        CO_TRY(gate_id, co_await std::move(choosing));
        if (!lanes) state.gate_id = gate_id;
    }
    record.internal_state = to_text(state);
    if (bug(kRunReplays) && before) record.idempotency_key += "#" + record.request_id;
    workflow::NewRun run;
    run.id = record.request_id;
    run.kind = std::string(incoming.direct_user ? kDirectRunKind : kGateRunKind);
    if (lanes) run.kind = kLanesRunKind;
    run.subject = record.wallet_id;
    run.step = std::string(phase::kPolicy);
    run.attempts_max = options.keystore_attempts_max;
    const std::string driver = runner.driver();
    std::optional<workflow::Run> inserted;
    auto unit = [&](storage::Transaction& tx) -> Result<Kept> {
        inserted.reset();
        WorkflowRecord fresh = record;
        TRY(fresh.created_at, tx.now());
        if (is_final(fresh.status)) {
            // Nothing will follow: it is in the audit log at once.
            TRY_VOID(write_audit(tx, fresh, nullptr, "coordinator.workflow_final"));
        }
        TRY(const bool created, records::insert(tx, fresh));
        if (!created) {
            TRY(const auto earlier, known(tx));
            if (!earlier) return Error::corrupt_data("a workflow's key is taken by nobody");
            // Undoes the unit: what it may have written was for a record that is not there.
            return Error::conflict(earlier->request_id, "known_key");
        }
        if (executable) {
            TRY(inserted, workflow::insert_run(tx, run, driver));
        }
        return Kept{fresh.request_id, true};
    };
    auto write = parts.database.write(unit);
    auto kept = co_await std::move(write);
    if (!kept) has_arrived(gate_id, record.request_id);
    if (!kept && kept.error().reason() == "known_key") {
        metrics.replayed.add();
        co_return Kept{kept.error().message(), false};
    }
    if (!kept) {
        // It may stand there under this process's name, where nobody else would drive it.
        const bool unknown = kept.error().code() == ErrorCode::OutcomeUnknown;
        if (unknown && inserted) runner.adopt_if_kept(*inserted);
        co_return kept.error();
    }
    metrics.accepted.add();
    at(WorkflowPoint::AfterInsert, kept->request_id);
    if (inserted && base::Executor::current() == &parts.executor) {
        // Its first step need not read what was just written.
        auto flight = std::make_shared<Flight>(inserted->fencing, std::move(record));
        flight->record.created_at = flight->record.updated_at = inserted->created_at;
        flight->set_state(std::move(state));
        flights[kept->request_id] = std::move(flight);
    }
    if (inserted) runner.adopt(*inserted);
    kept->running = inserted.has_value();
    co_return *kept;
}

Task<Result<WorkflowRecord>> CoordinatorService::Core::wait_for(
    std::string wallet_id, std::string request_id, base::Duration patience, bool running) {
    base::Executor& here = *base::Executor::current();
    const base::SteadyTime until = here.steady_now() + patience;
    for (;;) {
        NewsBoard::Ticket ticket(board, request_id, NewsBoard::News::Ending);
        const base::Duration left = until - here.steady_now();
        if (std::exchange(running, false) && left > base::Duration::zero()) {
            auto first_news = ticket.wait(std::min(left, kLookPeriod));
            const NewsBoard::Ended ended = co_await std::move(first_news);
            if (ended && ended->wallet_id == wallet_id) co_return *ended;
            continue;
        }
        // The whole record is read once: it is long.
        auto unit = [&](storage::Transaction& tx) -> Result<std::optional<WorkflowRecord>> {
            TRY(const auto status, records::find_status(tx, wallet_id, request_id));
            if (!status) {
                return Error::not_found(
                    "workflow request " + request_id + " was not found", "request_not_found");
            }
            if (!is_final(*status) && left > base::Duration::zero()) {
                return std::optional<WorkflowRecord>();
            }
            return records::find(tx, wallet_id, request_id);
        };
        auto read = parts.database.read(unit);
        CO_TRY(auto record, co_await std::move(read));
        if (record) co_return *std::move(record);
        auto waiting_for_news = ticket.wait(std::min(left, kLookPeriod));
        const NewsBoard::Ended ended = co_await std::move(waiting_for_news);
        if (ended && ended->wallet_id == wallet_id) co_return *ended;
    }
}

}  // namespace adyton::coordinator

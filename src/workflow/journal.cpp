#include "workflow/journal.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/cut_text.h"
#include "workflow/internal/run_rows.h"

namespace adyton::workflow {
namespace {

using storage::Parameter;
using storage::Rows;
using storage::Transaction;

constexpr std::array<std::pair<RunState, std::string_view>, 5> kStates = {{
    {RunState::Running, "running"},
    {RunState::Paused, "paused"},
    {RunState::Succeeded, "succeeded"},
    {RunState::Failed, "failed"},
    {RunState::Cancelled, "cancelled"},
}};

Error lost() {
    return Error::conflict("the run is not driven by this process any more", "run_lost");
}

Error unknown_run() {
    return Error::not_found("there is no such run", "run_not_found");
}

template <typename T>
Parameter optional_value(const std::optional<T>& value) {
    return value ? Parameter(*value) : Parameter();
}

bool is_word(std::string_view text) {
    return !text.empty() && text.size() <= kRunWordBytesMax;
}

Result<void> check_event(const NewEvent& event) {
    CHECK(is_word(event.kind));
    if (event.body.size() > kRunPayloadBytesMax) {
        return Error::too_large("an event of a run is longer than 1 MiB");
    }
    return {};
}

Result<void> insert_event(
    Transaction& tx, const std::string& run_id, std::int64_t sequence, base::Timestamp now,
    const NewEvent& event) {
    TRY_VOID(check_event(event));
    TRY_VOID(tx.execute(
        "INSERT INTO workflow_events (run_id, sequence, recorded_at, kind, body) "
        "VALUES ($1, $2, $3, $4, $5)",
        {run_id, sequence, now, event.kind, event.body}));
    return {};
}

// The event of a fenced update that returned the run's number of events in column 0.
Result<void> record_update(
    Transaction& tx, const Rows& rows, const std::string& run_id, base::Timestamp now,
    const NewEvent& event) {
    if (rows.empty()) return lost();
    TRY(const std::int64_t sequence, rows.integer(0, 0));
    return insert_event(tx, run_id, sequence, now, event);
}

// The event of a fenced update that changed `updated` rows and counted it. SQLite pays for
// RETURNING with a table of its own at each run of a statement; a look at the row costs a tenth of
// that.
Result<void> record_counted(
    Transaction& tx, std::int64_t updated, const std::string& run_id, base::Timestamp now,
    const NewEvent& event) {
    if (updated == 0) return lost();
    TRY_VOID(check_event(event));
    TRY_VOID(tx.execute(
        "INSERT INTO workflow_events (run_id, sequence, recorded_at, kind, body) "
        "VALUES ($1, (SELECT r.events FROM workflow_runs AS r WHERE r.id = $1), $2, $3, $4)",
        {run_id, now, event.kind, event.body}));
    return {};
}

// Why an operator's update changed nothing: NotFound, "run_final", or nothing to do (false).
Result<bool> why_unchanged(Transaction& tx, const std::string& id) {
    TRY(const std::optional<Run> run, find_run(tx, id));
    if (!run) return unknown_run();
    if (is_final(run->state)) return Error::conflict("the run has ended", "run_final");
    return false;
}

std::string actor_body(const std::string& actor) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object().member("actor", std::string_view(actor)).end_object();
    return body;
}

// What pause, resume and cancel have in common.
Result<bool> change_run(
    Transaction& tx, std::string_view sql, const std::string& id, std::string_view event,
    const std::string& actor) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const Rows rows, tx.query(sql, {id, now}));
    if (rows.empty()) return why_unchanged(tx, id);
    const std::string body = actor_body(actor);
    TRY_VOID(record_update(tx, rows, id, now, {event, body}));
    return true;
}

}  // namespace

std::string_view to_string(RunState state) {
    for (const auto& [value, text] : kStates) {
        if (value == state) return text;
    }
    return "running";
}

Result<RunState> parse_run_state(std::string_view text) {
    for (const auto& [value, name] : kStates) {
        if (name == text) return value;
    }
    return Error::invalid_argument("no such state of a run");
}

Result<Run> insert_run(Transaction& tx, const NewRun& run, const std::string& driver) {
    CHECK(!run.id.empty() && run.id.size() <= kRunIdBytesMax);
    CHECK(is_word(run.kind) && is_word(run.subject) && is_word(run.step));
    if (run.payload.size() > kRunPayloadBytesMax) {
        return Error::too_large("the payload of a run is longer than 1 MiB");
    }
    TRY(const base::Timestamp now, tx.now());
    Run out;
    out.id = run.id;
    out.kind = run.kind;
    out.subject = run.subject;
    out.step = run.step;
    out.payload = run.payload;
    out.attempts_max = run.attempts_max;
    out.deadline = run.deadline;
    out.next_attempt_at = run.next_attempt_at.value_or(now);
    out.fencing = 1;
    out.events = 1;
    out.created_at = now;
    out.updated_at = now;
    TRY(const bool alive, is_alive(tx, driver, now));
    if (alive) out.driver = driver;
    TRY_VOID(tx.execute(
        "INSERT INTO workflow_runs (id, kind, subject, state, step, payload, attempts_max, "
        "deadline, next_attempt_at, driver, fencing, events, created_at, updated_at) "
        "VALUES ($1, $2, $3, 'running', $4, $5, $6, $7, $8, $9, 1, 1, $10, $10)",
        {run.id, run.kind, run.subject, run.step, run.payload, optional_value(run.attempts_max),
         optional_value(run.deadline), out.next_attempt_at, alive ? Parameter(driver) : Parameter(),
         now}));
    TRY_VOID(insert_event(tx, run.id, 1, now, {"created", "{}"}));
    return out;
}

Result<std::optional<Run>> find_run(Transaction& tx, const std::string& id) {
    TRY(const Rows rows,
        tx.query("SELECT " ADYTON_RUN_COLUMNS " FROM workflow_runs WHERE id = $1", {id}));
    if (rows.empty()) return std::optional<Run>();
    TRY(Run run, read_run(rows, 0));
    return std::optional<Run>(std::move(run));
}

Result<std::vector<Run>> list_runs(Transaction& tx, const RunQuery& query) {
    CHECK(query.limit >= 1 && query.limit <= 1000);
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_RUN_COLUMNS " FROM workflow_runs WHERE ($1 = '' OR kind = $1) "
            "AND ($2 = '' OR subject = $2) AND ($3 = '' OR state = $3) AND id > $4 "
            "ORDER BY id LIMIT $5",
            {query.kind, query.subject,
             query.state ? std::string(to_string(*query.state)) : std::string(), query.after_id,
             query.limit}));
    return read_runs(rows);
}

Result<std::vector<RunEvent>> list_events(
    Transaction& tx, const std::string& run_id, std::int64_t after_sequence, std::int64_t limit) {
    CHECK(limit >= 1 && limit <= 1000);
    TRY(const Rows rows, tx.query(
                             "SELECT sequence, recorded_at, kind, body FROM workflow_events "
                             "WHERE run_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
                             {run_id, after_sequence, limit}));
    std::vector<RunEvent> events;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        RunEvent event;
        TRY(event.sequence, rows.integer(i, 0));
        TRY(event.recorded_at, rows.timestamp(i, 1));
        TRY(event.kind, rows.text(i, 2));
        TRY(event.body, rows.text(i, 3));
        events.push_back(std::move(event));
    }
    return events;
}

Result<void> check_run(Transaction& tx, const RunClaim& claim) {
    const std::string sql =
        "SELECT 1 FROM workflow_runs WHERE id = $1 AND driver = $2 AND fencing = $3 "
        "AND state = 'running'" +
        std::string(tx.fragment(storage::Fragment::ForUpdate));
    TRY(const Rows rows, tx.query(sql, {claim.id, claim.driver, claim.fencing}));
    if (rows.empty()) return lost();
    return {};
}

Result<void> advance_run(
    Transaction& tx, const RunClaim& claim, const Advance& advance, const NewEvent& event) {
    CHECK(is_word(advance.step));
    if (advance.payload && advance.payload->size() > kRunPayloadBytesMax) {
        return Error::too_large("the payload of a run is longer than 1 MiB");
    }
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE workflow_runs SET step = $4, payload = COALESCE($5, payload), attempts = 0, "
            "next_attempt_at = $6, deadline = COALESCE($7, deadline), events = events + 1, "
            "updated_at = $8 WHERE id = $1 AND driver = $2 AND fencing = $3 "
            "AND state = 'running'",
            {claim.id, claim.driver, claim.fencing, advance.step, optional_value(advance.payload),
             advance.next_attempt_at.value_or(now), optional_value(advance.deadline), now}));
    return record_counted(tx, updated, claim.id, now, event);
}

Result<std::int64_t> retry_run(
    Transaction& tx, const RunClaim& claim, base::Timestamp next_attempt_at,
    const NewEvent& event) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const Rows rows,
        tx.query(
            "UPDATE workflow_runs SET attempts = attempts + 1, next_attempt_at = $4, "
            "events = events + 1, updated_at = $5 WHERE id = $1 AND driver = $2 AND fencing = $3 "
            "AND state = 'running' RETURNING events, attempts",
            {claim.id, claim.driver, claim.fencing, next_attempt_at, now}));
    TRY_VOID(record_update(tx, rows, claim.id, now, event));
    return rows.integer(0, 1);
}

Result<void> note_event(Transaction& tx, const RunClaim& claim, const NewEvent& event) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE workflow_runs SET events = events + 1, updated_at = $4 WHERE id = $1 "
            "AND driver = $2 AND fencing = $3 AND state = 'running'",
            {claim.id, claim.driver, claim.fencing, now}));
    return record_counted(tx, updated, claim.id, now, event);
}

Result<void> finish_run(
    Transaction& tx, const RunClaim& claim, RunState state, const std::string& reason,
    const NewEvent& event) {
    CHECK(is_final(state));
    TRY(const base::Timestamp now, tx.now());
    const std::string_view why = base::cut_text(reason, kRunReasonBytesMax);
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE workflow_runs SET state = $4, reason = $5, driver = NULL, "
            "events = events + 1, updated_at = $6 WHERE id = $1 AND driver = $2 AND fencing = $3 "
            "AND state = 'running'",
            {claim.id, claim.driver, claim.fencing, to_string(state), why, now}));
    return record_counted(tx, updated, claim.id, now, event);
}

Result<bool> pause_run(Transaction& tx, const std::string& id, const std::string& actor) {
    return change_run(
        tx,
        "UPDATE workflow_runs SET state = 'paused', driver = NULL, fencing = fencing + 1, "
        "events = events + 1, updated_at = $2 WHERE id = $1 AND state = 'running' "
        "RETURNING events",
        id, "paused", actor);
}

Result<bool> resume_run(Transaction& tx, const std::string& id, const std::string& actor) {
    return change_run(
        tx,
        "UPDATE workflow_runs SET state = 'running', attempts = 0, next_attempt_at = $2, "
        "events = events + 1, updated_at = $2 WHERE id = $1 AND state = 'paused' "
        "RETURNING events",
        id, "resumed", actor);
}

Result<bool> request_cancel(Transaction& tx, const std::string& id, const std::string& actor) {
    return change_run(
        tx,
        "UPDATE workflow_runs SET state = 'running', cancel_requested = true, "
        "next_attempt_at = $2, events = events + 1, updated_at = $2 WHERE id = $1 "
        "AND state IN ('running', 'paused') AND NOT cancel_requested RETURNING events",
        id, "cancel_requested", actor);
}

Result<std::int64_t> remove_final_runs(
    Transaction& tx, std::string_view kind, base::Timestamp before, std::int64_t limit) {
    return tx.execute(
        "DELETE FROM workflow_runs WHERE id IN (SELECT id FROM workflow_runs "
        "WHERE (state = 'succeeded' OR state = 'failed' OR state = 'cancelled') "
        "AND updated_at < $1 "
        "AND ($3 = '' OR kind = $3) ORDER BY updated_at LIMIT $2)",
        {before, limit, std::string(kind)});
}

}  // namespace adyton::workflow

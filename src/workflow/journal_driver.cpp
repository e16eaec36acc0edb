#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/json_array.h"
#include "workflow/internal/run_rows.h"
#include "workflow/journal.h"

namespace adyton::workflow {
namespace {

using storage::Dialect;
using storage::Rows;
using storage::Transaction;

constexpr std::int64_t kDeadDriversAtOnce = 16;

base::Timestamp later(base::Timestamp now, base::Duration duration) {
    return now + std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

void check_name(const std::string& name) {
    CHECK(!name.empty() && name.size() <= kRunWordBytesMax);
}

std::string_view by_dialect(
    const Transaction& tx, std::string_view sqlite, std::string_view postgres) {
    return tx.dialect() == Dialect::Sqlite ? sqlite : postgres;
}

Error driver_lost() {
    return Error::conflict("the lease of this process on its runs ran out", "driver_lost");
}

Result<std::int64_t> free_runs_of(Transaction& tx, const std::string& driver, std::int64_t limit) {
    return tx.execute(
        "UPDATE workflow_runs SET driver = NULL, fencing = fencing + 1 WHERE id IN "
        "(SELECT id FROM workflow_runs WHERE driver = $1 ORDER BY id LIMIT $2)",
        {driver, limit});
}

}  // namespace

Result<Run> read_run(const Rows& rows, std::size_t row) {
    Run run;
    TRY(run.id, rows.text(row, 0));
    TRY(run.kind, rows.text(row, 1));
    TRY(run.subject, rows.text(row, 2));
    TRY(const std::string state, rows.text(row, 3));
    auto parsed = parse_run_state(state);
    if (!parsed) return Error::corrupt_data("the state of a run does not read back");
    run.state = *parsed;
    TRY(run.step, rows.text(row, 4));
    TRY(run.payload, rows.text(row, 5));
    TRY(run.reason, rows.text(row, 6));
    TRY(run.attempts, rows.integer(row, 7));
    if (!rows.is_null(row, 8)) {
        TRY(run.attempts_max, rows.integer(row, 8));
    }
    TRY(run.deadline, rows.optional_timestamp(row, 9));
    TRY(run.next_attempt_at, rows.timestamp(row, 10));
    TRY(run.cancel_requested, rows.boolean(row, 11));
    TRY(auto driver, rows.optional_text(row, 12));
    if (driver) run.driver = *std::move(driver);
    TRY(run.fencing, rows.integer(row, 13));
    TRY(run.events, rows.integer(row, 14));
    TRY(run.created_at, rows.timestamp(row, 15));
    TRY(run.updated_at, rows.timestamp(row, 16));
    return run;
}

Result<std::vector<Run>> read_runs(const Rows& rows) {
    std::vector<Run> runs;
    runs.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(Run run, read_run(rows, i));
        runs.push_back(std::move(run));
    }
    return runs;
}

Result<std::vector<Run>> find_runs(Transaction& tx, const std::vector<std::string>& ids) {
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "SELECT " ADYTON_RUN_COLUMNS
                " FROM workflow_runs WHERE id IN (SELECT value FROM json_each($1))",
                "SELECT " ADYTON_RUN_COLUMNS " FROM workflow_runs WHERE id IN "
                "(SELECT value FROM json_array_elements_text(CAST($1 AS json)))"),
            {base::json_array(ids)}));
    return read_runs(rows);
}

Result<bool> is_alive(Transaction& tx, const std::string& driver, base::Timestamp now) {
    if (driver.empty()) return false;
    TRY(const Rows rows,
        tx.query(
            "SELECT 1 FROM workflow_drivers WHERE id = $1 AND expires_at > $2", {driver, now}));
    return !rows.empty();
}

Result<void> register_driver(
    Transaction& tx, const std::string& driver, const std::string& holder, base::Duration lease) {
    check_name(driver);
    check_name(holder);
    TRY(const base::Timestamp now, tx.now());
    TRY_VOID(tx.execute(
        "UPDATE workflow_drivers SET expires_at = $2 WHERE holder = $1 AND expires_at > $2",
        {holder, now}));
    TRY_VOID(tx.execute(
        "INSERT INTO workflow_drivers (id, holder, expires_at) VALUES ($1, $2, $3)",
        {driver, holder, later(now, lease)}));
    return {};
}

Result<void> renew_driver(Transaction& tx, const std::string& driver, base::Duration lease) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE workflow_drivers SET expires_at = $2 WHERE id = $1 AND expires_at > $3",
            {driver, later(now, lease), now}));
    if (updated != 1) return driver_lost();
    return {};
}

Result<std::int64_t> free_orphans(Transaction& tx, std::int64_t limit) {
    TRY(const base::Timestamp now, tx.now());
    const std::string sql =
        "SELECT id FROM workflow_drivers WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2" +
        std::string(tx.fragment(storage::Fragment::ForUpdateSkipLocked));
    TRY(const Rows dead, tx.query(sql, {now, kDeadDriversAtOnce}));
    std::int64_t freed = 0;
    for (std::size_t i = 0; i < dead.size() && freed < limit; ++i) {
        TRY(const std::string driver, dead.text(i, 0));
        TRY(const std::int64_t count, free_runs_of(tx, driver, limit - freed));
        freed += count;
        if (freed >= limit) break;  // there may be more of this one
        TRY_VOID(tx.execute("DELETE FROM workflow_drivers WHERE id = $1", {driver}));
    }
    return freed;
}

Result<void> retire_driver(Transaction& tx, const std::string& driver) {
    TRY(const base::Timestamp now, tx.now());
    TRY_VOID(tx.execute(
        "UPDATE workflow_drivers SET expires_at = $2 WHERE id = $1 AND expires_at > $2",
        {driver, now}));
    return {};
}

Result<std::vector<Run>> claim_due_runs(Transaction& tx, const ClaimQuery& query) {
    CHECK(query.limit >= 1 && query.limit <= 1000);
    TRY(const base::Timestamp now, tx.now());
    TRY(const bool alive, is_alive(tx, query.driver, now));
    if (!alive) return driver_lost();
    TRY(const Rows rows,
        tx.query(
            by_dialect(
                tx,
                "WITH due AS MATERIALIZED (SELECT id, subject, next_attempt_at "
                "FROM workflow_runs WHERE kind = $1 AND state = 'running' AND driver IS NULL "
                "AND next_attempt_at <= $2 ORDER BY next_attempt_at, id LIMIT 1024), "
                "ranked AS (SELECT id, next_attempt_at, row_number() OVER (PARTITION BY subject "
                "ORDER BY next_attempt_at, id) AS turn FROM due), "
                "picked AS MATERIALIZED (SELECT id FROM ranked "
                "ORDER BY turn, next_attempt_at, id LIMIT $3) "
                "UPDATE workflow_runs SET driver = $4, fencing = fencing + 1 "
                "WHERE id IN (SELECT id FROM picked) RETURNING " ADYTON_RUN_COLUMNS,
                "WITH due AS MATERIALIZED (SELECT id, subject, next_attempt_at "
                "FROM workflow_runs WHERE kind = $1 AND state = 'running' AND driver IS NULL "
                "AND next_attempt_at <= $2 ORDER BY next_attempt_at, id LIMIT 1024 "
                "FOR UPDATE SKIP LOCKED), "
                "ranked AS (SELECT id, next_attempt_at, row_number() OVER (PARTITION BY subject "
                "ORDER BY next_attempt_at, id) AS turn FROM due), "
                "picked AS MATERIALIZED (SELECT id FROM ranked "
                "ORDER BY turn, next_attempt_at, id LIMIT $3) "
                "UPDATE workflow_runs SET driver = $4, fencing = fencing + 1 "
                "WHERE id IN (SELECT id FROM picked) RETURNING " ADYTON_RUN_COLUMNS),
            {query.kind, now, query.limit, query.driver}));
    TRY(auto runs, read_runs(rows));
    std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) {
        return std::pair(a.next_attempt_at, a.id) < std::pair(b.next_attempt_at, b.id);
    });
    return runs;
}

Result<std::int64_t> release_runs(Transaction& tx, const std::string& driver) {
    return tx.execute(
        "UPDATE workflow_runs SET driver = NULL, fencing = fencing + 1 WHERE driver = $1",
        {driver});
}

}  // namespace adyton::workflow

#include <array>

#include "workflow/idempotency.h"

namespace adyton::workflow {
namespace {

constexpr std::string_view kIdempotencySqlite = R"sql(
CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    caller TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    request_digest BLOB NOT NULL,
    status INTEGER,
    body BLOB,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (scope, caller, route, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
)sql";

constexpr std::string_view kIdempotencyPostgres = R"sql(
CREATE TABLE idempotency_keys (
    scope TEXT NOT NULL,
    caller TEXT NOT NULL,
    route TEXT NOT NULL,
    key TEXT NOT NULL,
    request_digest BYTEA NOT NULL,
    status BIGINT,
    body BYTEA,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, caller, route, key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);
)sql";

constexpr std::string_view kLeasesSqlite = R"sql(
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    fencing INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

constexpr std::string_view kLeasesPostgres = R"sql(
CREATE TABLE leases (
    name TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    fencing BIGINT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
)sql";

constexpr std::string_view kPeriodicSqlite = R"sql(
CREATE TABLE periodic_jobs (
    name TEXT NOT NULL PRIMARY KEY,
    due_at INTEGER NOT NULL,
    failures_in_row INTEGER NOT NULL DEFAULT 0,
    last_holder TEXT NOT NULL,
    last_started_at INTEGER NOT NULL,
    last_finished_at INTEGER,
    last_items INTEGER,
    last_error TEXT
) WITHOUT ROWID;
)sql";

constexpr std::string_view kPeriodicPostgres = R"sql(
CREATE TABLE periodic_jobs (
    name TEXT NOT NULL PRIMARY KEY,
    due_at TIMESTAMPTZ NOT NULL,
    failures_in_row BIGINT NOT NULL DEFAULT 0,
    last_holder TEXT NOT NULL,
    last_started_at TIMESTAMPTZ NOT NULL,
    last_finished_at TIMESTAMPTZ,
    last_items BIGINT,
    last_error TEXT
);
)sql";

constexpr std::string_view kDriversSqlite = R"sql(
CREATE TABLE workflow_drivers (
    id TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
)sql";

constexpr std::string_view kDriversPostgres = R"sql(
CREATE TABLE workflow_drivers (
    id TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
)sql";

// A run whose driver's row goes away would be nobody's for ever: the foreign key forbids it.
constexpr std::string_view kRunsSqlite = R"sql(
CREATE TABLE workflow_runs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('running', 'paused', 'succeeded', 'failed', 'cancelled')),
    step TEXT NOT NULL,
    payload TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER,
    deadline INTEGER,
    next_attempt_at INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    driver TEXT REFERENCES workflow_drivers (id),
    fencing INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (driver IS NULL OR state = 'running')
) WITHOUT ROWID;
CREATE INDEX workflow_runs_due ON workflow_runs (kind, next_attempt_at, id)
    WHERE state = 'running' AND driver IS NULL;
CREATE INDEX workflow_runs_driver ON workflow_runs (driver, id) WHERE driver IS NOT NULL;
CREATE INDEX workflow_runs_final ON workflow_runs (updated_at)
    WHERE state IN ('succeeded', 'failed', 'cancelled');

CREATE TABLE workflow_events (
    run_id TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID;
CREATE TRIGGER workflow_events_append_only BEFORE UPDATE ON workflow_events BEGIN
    SELECT RAISE(ABORT, 'events of a run are append-only');
END;
)sql";

constexpr std::string_view kRunsPostgres = R"sql(
CREATE TABLE workflow_runs (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('running', 'paused', 'succeeded', 'failed', 'cancelled')),
    step TEXT NOT NULL,
    payload TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    attempts BIGINT NOT NULL DEFAULT 0,
    attempts_max BIGINT,
    deadline TIMESTAMPTZ,
    next_attempt_at TIMESTAMPTZ NOT NULL,
    cancel_requested BOOLEAN NOT NULL DEFAULT false,
    driver TEXT REFERENCES workflow_drivers (id),
    fencing BIGINT NOT NULL DEFAULT 0,
    events BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CHECK (driver IS NULL OR state = 'running')
);
CREATE INDEX workflow_runs_due ON workflow_runs (kind, next_attempt_at, id)
    WHERE state = 'running' AND driver IS NULL;
CREATE INDEX workflow_runs_driver ON workflow_runs (driver, id) WHERE driver IS NOT NULL;
CREATE INDEX workflow_runs_final ON workflow_runs (updated_at)
    WHERE state IN ('succeeded', 'failed', 'cancelled');

CREATE TABLE workflow_events (
    run_id TEXT NOT NULL REFERENCES workflow_runs (id) ON DELETE CASCADE,
    sequence BIGINT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, sequence)
);
CREATE FUNCTION workflow_events_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events of a run are append-only';
END $$;
CREATE TRIGGER workflow_events_append_only BEFORE UPDATE ON workflow_events
    FOR EACH ROW EXECUTE FUNCTION workflow_events_refuse();
)sql";

// The condition in words that SQLite decides in place: of IN (...) with more than two texts it
// builds a table, at each write of a row, the old and the new one.
constexpr std::string_view kFinalRunsIndex = R"sql(
DROP INDEX workflow_runs_final;
CREATE INDEX workflow_runs_final ON workflow_runs (updated_at)
    WHERE state = 'succeeded' OR state = 'failed' OR state = 'cancelled';
)sql";

// SQLite only: the same for the condition of a run's own row. Its events come along, because
// dropping the runs before them would delete them.
constexpr std::string_view kStatesInWords = R"sql(
CREATE TABLE workflow_runs_rows (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state = 'running' OR state = 'paused' OR state = 'succeeded' OR state = 'failed' OR
        state = 'cancelled'),
    step TEXT NOT NULL,
    payload TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_max INTEGER,
    deadline INTEGER,
    next_attempt_at INTEGER NOT NULL,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    driver TEXT REFERENCES workflow_drivers (id),
    fencing INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    CHECK (driver IS NULL OR state = 'running')
) WITHOUT ROWID;
INSERT INTO workflow_runs_rows (id, kind, subject, state, step, payload, reason, attempts,
    attempts_max, deadline, next_attempt_at, cancel_requested, driver, fencing, events, created_at,
    updated_at)
SELECT id, kind, subject, state, step, payload, reason, attempts,
    attempts_max, deadline, next_attempt_at, cancel_requested, driver, fencing, events, created_at,
    updated_at
FROM workflow_runs ORDER BY id;

CREATE TABLE workflow_events_rows (
    run_id TEXT NOT NULL REFERENCES workflow_runs_rows (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run_id, sequence)
) WITHOUT ROWID;
INSERT INTO workflow_events_rows (run_id, sequence, recorded_at, kind, body)
SELECT run_id, sequence, recorded_at, kind, body FROM workflow_events ORDER BY run_id, sequence;

DROP TABLE workflow_events;
DROP TABLE workflow_runs;
ALTER TABLE workflow_runs_rows RENAME TO workflow_runs;
ALTER TABLE workflow_events_rows RENAME TO workflow_events;
CREATE INDEX workflow_runs_due ON workflow_runs (kind, next_attempt_at, id)
    WHERE state = 'running' AND driver IS NULL;
CREATE INDEX workflow_runs_driver ON workflow_runs (driver, id) WHERE driver IS NOT NULL;
CREATE INDEX workflow_runs_final ON workflow_runs (updated_at)
    WHERE state = 'succeeded' OR state = 'failed' OR state = 'cancelled';
CREATE TRIGGER workflow_events_append_only BEFORE UPDATE ON workflow_events BEGIN
    SELECT RAISE(ABORT, 'events of a run are append-only');
END;
)sql";

constexpr std::array<storage::Migration, 7> kMigrations = {{
    {1, "idempotency_keys", kIdempotencySqlite, kIdempotencyPostgres},
    {2, "leases", kLeasesSqlite, kLeasesPostgres},
    {3, "periodic_jobs", kPeriodicSqlite, kPeriodicPostgres},
    {4, "workflow_drivers", kDriversSqlite, kDriversPostgres},
    {5, "workflow_runs", kRunsSqlite, kRunsPostgres},
    {6, "workflow_runs_final", kFinalRunsIndex, kFinalRunsIndex},
    {7, "workflow_runs_states", kStatesInWords, "SELECT 1"},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::workflow

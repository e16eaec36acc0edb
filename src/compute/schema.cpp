#include "compute/schema.h"

#include <array>

namespace adyton::compute {
namespace {

// compute_meta: what the installation remembers of itself: the fingerprint of its master key, the
// number of the key that secrets are sealed under.
//
// compute_instances: who may own running jobs. A start of an instance takes the next epoch, so jobs
// of an earlier life are known to be cut off at once, and those of an instance that is gone once
// alive_until has passed.
//
// compute_users: how many jobs of a user run and wait in all instances together. Changed in the
// same units as the jobs, so the limit holds by one conditional update.
//
// compute_jobs: one row a job from its acceptance to its expiry. `request` and `answer` are sealed
// under a key derived for the job (job_repository.h). `phase`:
//   queued     accepted, nobody runs it
//   running    has a slot of its user and an owner
//   completed, failed, cancelled, timed_out, interrupted: final; `answer` says what came of it
//
// compute_job_logs: console lines of jobs that run for longer than a moment, sealed; gone with the
// answer, which holds them all.
//
// compute_secrets: sealed values; a deleted name keeps its row without a value, so that versions
// only rise. compute_user_keys: SHA-256 of keys by which users call without a service between.
constexpr std::array<storage::Migration, 2> kMigrations = {{
    {50, "compute",
     R"sql(
CREATE TABLE compute_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE compute_instances (
    instance TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL CHECK (epoch >= 1),
    alive_until INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE compute_users (
    user_id TEXT PRIMARY KEY,
    running INTEGER NOT NULL CHECK (running >= 0),
    waiting INTEGER NOT NULL CHECK (waiting >= 0),
    last_started_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE compute_jobs (
    job_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN
        ('queued', 'running', 'completed', 'failed', 'cancelled', 'timed_out', 'interrupted')),
    instance TEXT,
    epoch INTEGER,
    rerun INTEGER NOT NULL CHECK (rerun IN (0, 1)),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
    request BLOB,
    answer BLOB,
    recording BLOB,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER,
    CHECK ((phase = 'running') = (instance IS NOT NULL)),
    CHECK ((phase IN ('queued', 'running')) = (answer IS NULL))
) WITHOUT ROWID;
CREATE INDEX compute_jobs_user ON compute_jobs (user_id, created_at, job_id);
CREATE INDEX compute_jobs_open ON compute_jobs (phase, created_at)
    WHERE phase IN ('queued', 'running');
CREATE INDEX compute_jobs_expiry ON compute_jobs (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE compute_job_logs (
    job_id TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence >= 1),
    line BLOB NOT NULL,
    PRIMARY KEY (job_id, sequence)
) WITHOUT ROWID;

CREATE TABLE compute_secrets (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    master_key_id TEXT NOT NULL,
    sealed BLOB,
    exportable INTEGER NOT NULL CHECK (exportable IN (0, 1)),
    policy TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, name)
) WITHOUT ROWID;
CREATE INDEX compute_secrets_master_key ON compute_secrets (master_key_id);

CREATE TABLE compute_user_keys (
    key_id TEXT PRIMARY KEY,
    key_hash BLOB NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX compute_user_keys_user ON compute_user_keys (user_id);
)sql",
     R"sql(
CREATE TABLE compute_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE compute_instances (
    instance TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL CHECK (epoch >= 1),
    alive_until TIMESTAMPTZ NOT NULL
);

CREATE TABLE compute_users (
    user_id TEXT PRIMARY KEY,
    running BIGINT NOT NULL CHECK (running >= 0),
    waiting BIGINT NOT NULL CHECK (waiting >= 0),
    last_started_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE compute_jobs (
    job_id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN
        ('queued', 'running', 'completed', 'failed', 'cancelled', 'timed_out', 'interrupted')),
    instance TEXT,
    epoch BIGINT,
    rerun BIGINT NOT NULL CHECK (rerun IN (0, 1)),
    attempts BIGINT NOT NULL CHECK (attempts >= 0),
    cancel_requested BIGINT NOT NULL CHECK (cancel_requested IN (0, 1)),
    request BYTEA,
    answer BYTEA,
    recording BYTEA,
    created_at TIMESTAMPTZ NOT NULL,
    started_at TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ,
    CHECK ((phase = 'running') = (instance IS NOT NULL)),
    CHECK ((phase IN ('queued', 'running')) = (answer IS NULL))
);
CREATE INDEX compute_jobs_user ON compute_jobs (user_id, created_at, job_id);
CREATE INDEX compute_jobs_open ON compute_jobs (phase, created_at)
    WHERE phase IN ('queued', 'running');
CREATE INDEX compute_jobs_expiry ON compute_jobs (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE compute_job_logs (
    job_id TEXT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence >= 1),
    line BYTEA NOT NULL,
    PRIMARY KEY (job_id, sequence)
);

CREATE TABLE compute_secrets (
    user_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL CHECK (version >= 1),
    master_key_id TEXT NOT NULL,
    sealed BYTEA,
    exportable BIGINT NOT NULL CHECK (exportable IN (0, 1)),
    policy TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, name)
);
CREATE INDEX compute_secrets_master_key ON compute_secrets (master_key_id);

CREATE TABLE compute_user_keys (
    key_id TEXT PRIMARY KEY,
    key_hash BYTEA NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    label TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX compute_user_keys_user ON compute_user_keys (user_id);
)sql"},
    // In SQLite, a table that is not kept inside its primary key takes rows with an answer of some
    // KB with less copying and fewer pages, and a CHECK (... IN ...) of more than two texts builds
    // a table of them at each write.
    {51, "compute_jobs_rows",
     R"sql(
CREATE TABLE compute_jobs_rows (
    job_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    phase TEXT NOT NULL CHECK (
        phase = 'completed' OR phase = 'running' OR phase = 'queued' OR phase = 'failed'
        OR phase = 'cancelled' OR phase = 'timed_out' OR phase = 'interrupted'),
    instance TEXT,
    epoch INTEGER,
    rerun INTEGER NOT NULL CHECK (rerun IN (0, 1)),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    cancel_requested INTEGER NOT NULL CHECK (cancel_requested IN (0, 1)),
    request BLOB,
    answer BLOB,
    recording BLOB,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    expires_at INTEGER,
    CHECK ((phase = 'running') = (instance IS NOT NULL)),
    CHECK ((phase IN ('queued', 'running')) = (answer IS NULL))
);
INSERT INTO compute_jobs_rows (job_id, user_id, phase, instance, epoch, rerun, attempts,
    cancel_requested, request, answer, recording, created_at, started_at, finished_at, expires_at)
SELECT job_id, user_id, phase, instance, epoch, rerun, attempts,
    cancel_requested, request, answer, recording, created_at, started_at, finished_at, expires_at
FROM compute_jobs ORDER BY job_id;
DROP TABLE compute_jobs;
ALTER TABLE compute_jobs_rows RENAME TO compute_jobs;
CREATE INDEX compute_jobs_user ON compute_jobs (user_id, created_at, job_id);
CREATE INDEX compute_jobs_open ON compute_jobs (phase, created_at)
    WHERE phase IN ('queued', 'running');
CREATE INDEX compute_jobs_expiry ON compute_jobs (expires_at) WHERE expires_at IS NOT NULL;
)sql",
     // What is sealed cannot be compressed.
     R"sql(
ALTER TABLE compute_jobs ALTER COLUMN answer SET STORAGE EXTERNAL;
)sql"},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::compute

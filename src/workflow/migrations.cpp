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

constexpr std::array<storage::Migration, 3> kMigrations = {{
    {1, "idempotency_keys", kIdempotencySqlite, kIdempotencyPostgres},
    {2, "leases", kLeasesSqlite, kLeasesPostgres},
    {3, "periodic_jobs", kPeriodicSqlite, kPeriodicPostgres},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::workflow

#include <array>

#include "audit/audit_log.h"

namespace adyton::audit {
namespace {

constexpr std::string_view kLogSqlite = R"sql(
CREATE TABLE audit_chains (
    chain INTEGER NOT NULL PRIMARY KEY CHECK (chain > 0),
    instance_id TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
);
CREATE TABLE audit_records (
    chain INTEGER NOT NULL REFERENCES audit_chains (chain),
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    recorded_at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    body TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain, sequence)
) WITHOUT ROWID;
CREATE TRIGGER audit_records_no_update BEFORE UPDATE ON audit_records
BEGIN SELECT RAISE(ABORT, 'audit records cannot be changed'); END;
CREATE TRIGGER audit_records_no_delete BEFORE DELETE ON audit_records
BEGIN SELECT RAISE(ABORT, 'audit records cannot be deleted'); END;
)sql";

constexpr std::string_view kLogPostgres = R"sql(
CREATE TABLE audit_chains (
    chain BIGINT NOT NULL PRIMARY KEY CHECK (chain > 0),
    instance_id TEXT NOT NULL UNIQUE,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE TABLE audit_records (
    chain BIGINT NOT NULL REFERENCES audit_chains (chain),
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    recorded_at TIMESTAMPTZ NOT NULL,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    body TEXT NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (chain, sequence)
);
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$body$ BEGIN RAISE EXCEPTION 'audit records cannot be changed or deleted'; END $body$;
CREATE TRIGGER audit_records_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_records
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
)sql";

constexpr std::string_view kCheckpointsSqlite = R"sql(
CREATE TABLE audit_checkpoints (
    number INTEGER NOT NULL PRIMARY KEY CHECK (number > 0),
    created_at INTEGER NOT NULL,
    previous_hash BLOB NOT NULL,
    heads TEXT NOT NULL,
    public_key BLOB NOT NULL,
    signature BLOB NOT NULL
);
CREATE TRIGGER audit_checkpoints_no_update BEFORE UPDATE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'audit checkpoints cannot be changed'); END;
CREATE TRIGGER audit_checkpoints_no_delete BEFORE DELETE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'audit checkpoints cannot be deleted'); END;
)sql";

constexpr std::string_view kCheckpointsPostgres = R"sql(
CREATE TABLE audit_checkpoints (
    number BIGINT NOT NULL PRIMARY KEY CHECK (number > 0),
    created_at TIMESTAMPTZ NOT NULL,
    previous_hash BYTEA NOT NULL,
    heads TEXT NOT NULL,
    public_key BYTEA NOT NULL,
    signature BYTEA NOT NULL
);
CREATE TRIGGER audit_checkpoints_append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_checkpoints
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
)sql";

constexpr std::array<storage::Migration, 2> kMigrations = {{
    {10, "audit_log", kLogSqlite, kLogPostgres},
    {11, "audit_checkpoints", kCheckpointsSqlite, kCheckpointsPostgres},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::audit

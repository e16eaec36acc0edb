#include <array>

#include "policy/rule.h"

namespace adyton::policy {
namespace {

constexpr std::string_view kFreezesSqlite = R"sql(
CREATE TABLE policy_freezes (
    scope TEXT NOT NULL CHECK (scope IN ('pool', 'service', 'account')),
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (scope, subject)
) WITHOUT ROWID;
)sql";

constexpr std::string_view kFreezesPostgres = R"sql(
CREATE TABLE policy_freezes (
    scope TEXT NOT NULL CHECK (scope IN ('pool', 'service', 'account')),
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    actor TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (scope, subject)
);
)sql";

constexpr std::string_view kRatesSqlite = R"sql(
CREATE TABLE policy_rates (
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    window_us INTEGER NOT NULL,
    window_start_us INTEGER NOT NULL,
    used INTEGER NOT NULL CHECK (used >= 0),
    PRIMARY KEY (subject, metric, window_us, window_start_us)
) WITHOUT ROWID;
CREATE TABLE policy_serial (
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    PRIMARY KEY (subject, metric)
) WITHOUT ROWID;
)sql";

constexpr std::string_view kRatesPostgres = R"sql(
CREATE TABLE policy_rates (
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    window_us BIGINT NOT NULL,
    window_start_us BIGINT NOT NULL,
    used BIGINT NOT NULL CHECK (used >= 0),
    PRIMARY KEY (subject, metric, window_us, window_start_us)
);
CREATE TABLE policy_serial (
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    PRIMARY KEY (subject, metric)
);
)sql";

// Amounts are 39 decimal digits: exact up to 2^128 - 1 in both databases.
constexpr std::string_view kReservations = R"sql(
CREATE TABLE policy_totals (
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    window_us BIGINT NOT NULL,
    window_start_us BIGINT NOT NULL,
    used TEXT NOT NULL CHECK (length(used) = 39),
    PRIMARY KEY (subject, metric, window_us, window_start_us)
);
CREATE TABLE policy_reservations (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'committed', 'given_back')),
    created_us BIGINT NOT NULL
);
CREATE INDEX policy_reservations_undecided ON policy_reservations (created_us)
WHERE state = 'reserved';
CREATE TABLE policy_reservation_charges (
    reservation_id TEXT NOT NULL REFERENCES policy_reservations (id),
    position BIGINT NOT NULL,
    subject TEXT NOT NULL,
    metric TEXT NOT NULL,
    window_us BIGINT NOT NULL,
    window_start_us BIGINT NOT NULL,
    amount TEXT NOT NULL CHECK (length(amount) = 39),
    PRIMARY KEY (reservation_id, position)
);
)sql";

// All counters of a subject in one row (internal/usage.h), the charges of a reservation in its own:
// a signature under many caps costs three statements. What migration 22 made was never written to.
constexpr std::string_view kUsageSqlite = R"sql(
DROP TABLE policy_reservation_charges;
DROP TABLE policy_reservations;
DROP TABLE policy_totals;
CREATE TABLE policy_usage (
    subject TEXT NOT NULL PRIMARY KEY,
    counters BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE policy_reservations (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'committed', 'given_back')),
    created_us INTEGER NOT NULL,
    charges BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX policy_reservations_by_state ON policy_reservations (state, created_us);
)sql";

constexpr std::string_view kUsagePostgres = R"sql(
DROP TABLE policy_reservation_charges;
DROP TABLE policy_reservations;
DROP TABLE policy_totals;
CREATE TABLE policy_usage (
    subject TEXT NOT NULL PRIMARY KEY,
    counters BYTEA NOT NULL
);
CREATE TABLE policy_reservations (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'committed', 'given_back')),
    created_us BIGINT NOT NULL,
    charges BYTEA NOT NULL
);
CREATE INDEX policy_reservations_by_state ON policy_reservations (state, created_us);
)sql";

constexpr std::string_view kApprovalsSqlite = R"sql(
CREATE TABLE policy_approvals (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    operation BLOB NOT NULL CHECK (length(operation) = 32),
    required INTEGER NOT NULL CHECK (required > 0),
    summary TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'consumed')),
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL
);
CREATE INDEX policy_approvals_by_subject ON policy_approvals (subject, created_us);
CREATE TABLE policy_approval_votes (
    request_id TEXT NOT NULL REFERENCES policy_approvals (id),
    approver_id TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
    approver_key TEXT NOT NULL,
    signature BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (request_id, approver_id)
) WITHOUT ROWID;
)sql";

constexpr std::string_view kApprovalsPostgres = R"sql(
CREATE TABLE policy_approvals (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    operation BYTEA NOT NULL CHECK (length(operation) = 32),
    required BIGINT NOT NULL CHECK (required > 0),
    summary TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'approved', 'rejected', 'consumed')),
    created_us BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);
CREATE INDEX policy_approvals_by_subject ON policy_approvals (subject, created_us);
CREATE TABLE policy_approval_votes (
    request_id TEXT NOT NULL REFERENCES policy_approvals (id),
    approver_id TEXT NOT NULL,
    decision TEXT NOT NULL CHECK (decision IN ('approve', 'reject')),
    approver_key TEXT NOT NULL,
    signature BYTEA NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (request_id, approver_id)
);
)sql";

// One row a subject says what holds; one row a version keeps what was said, sealed. Namespaced by
// the store's name.
constexpr std::string_view kStoreSqlite = R"sql(
CREATE TABLE policy_heads (
    store TEXT NOT NULL,
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    present INTEGER NOT NULL,
    frozen INTEGER NOT NULL,
    freeze_reason TEXT NOT NULL,
    PRIMARY KEY (store, subject)
) WITHOUT ROWID;
CREATE TABLE policy_versions (
    store TEXT NOT NULL,
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest BLOB NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL,
    actor TEXT NOT NULL,
    note TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (store, subject, version)
);
CREATE INDEX policy_versions_by_key ON policy_versions (store, key_id);
)sql";

constexpr std::string_view kStorePostgres = R"sql(
CREATE TABLE policy_heads (
    store TEXT NOT NULL,
    subject TEXT NOT NULL,
    version BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    present BOOLEAN NOT NULL,
    frozen BOOLEAN NOT NULL,
    freeze_reason TEXT NOT NULL,
    PRIMARY KEY (store, subject)
);
CREATE TABLE policy_versions (
    store TEXT NOT NULL,
    subject TEXT NOT NULL,
    version BIGINT NOT NULL,
    digest BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    actor TEXT NOT NULL,
    note TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (store, subject, version)
);
CREATE INDEX policy_versions_by_key ON policy_versions (store, key_id);
)sql";

// What is removed is found by its age, and only what is decided. Reserving, which signatures wait
// for, touches no index but the ids'. No service lists what is undecided.
constexpr std::string_view kDecidedIndex = R"sql(
DROP INDEX policy_reservations_by_state;
CREATE INDEX policy_reservations_decided ON policy_reservations (created_us)
    WHERE state <> 'reserved';
)sql";

// SQLite only: of IN (...) with more than two texts it builds a table of them at each write of a
// row.
constexpr std::string_view kStatesInWords = R"sql(
CREATE TABLE policy_reservations_rows (
    id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL
        CHECK (state = 'reserved' OR state = 'committed' OR state = 'given_back'),
    created_us INTEGER NOT NULL,
    charges BLOB NOT NULL
) WITHOUT ROWID;
INSERT INTO policy_reservations_rows (id, state, created_us, charges)
SELECT id, state, created_us, charges FROM policy_reservations ORDER BY id;
DROP TABLE policy_reservations;
ALTER TABLE policy_reservations_rows RENAME TO policy_reservations;
CREATE INDEX policy_reservations_decided ON policy_reservations (created_us)
    WHERE state <> 'reserved';
)sql";

constexpr std::array<storage::Migration, 8> kMigrations = {{
    {20, "policy_freezes", kFreezesSqlite, kFreezesPostgres},
    {21, "policy_rates", kRatesSqlite, kRatesPostgres},
    {22, "policy_reservations", kReservations, kReservations},
    {23, "policy_usage", kUsageSqlite, kUsagePostgres},
    {24, "policy_approvals", kApprovalsSqlite, kApprovalsPostgres},
    {25, "policy_store", kStoreSqlite, kStorePostgres},
    {26, "policy_reservations_decided", kDecidedIndex, kDecidedIndex},
    {27, "policy_reservations_states", kStatesInWords, "SELECT 1"},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::policy

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

constexpr std::array<storage::Migration, 3> kMigrations = {{
    {20, "policy_freezes", kFreezesSqlite, kFreezesPostgres},
    {21, "policy_rates", kRatesSqlite, kRatesPostgres},
    {22, "policy_reservations", kReservations, kReservations},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::policy

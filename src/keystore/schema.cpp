#include "keystore/schema.h"

#include <array>

namespace adyton::keystore {
namespace {

// keystore_meta: what the installation remembers of itself (the fingerprint of its secret).
//
// keystore_wallets: wallets that are more than an id: created here, or with rotated keys. Every
// other id has version 1 of the keys and no row.
//
// keystore_signatures: one row for each thing signed, written before the signature leaves.
// `payload` is what was signed, without the signature, so that the same request gets the same bytes
// again; `generation` counts the transactions of one request that has no nonce of its own.
// `valid_until` is the last block height, or the time in microseconds, at which the payload can
// take effect (see `operation`); NULL: it always can. `state`:
//   open         the payload may still take effect; its reservation stands
//   landed       the chain shows that it did
//   given_back   the chain proves that it never can, and its reservation was given back
//   done         nothing is reserved, so nothing is followed
// Rows are appended; the index by payload holds only what other payloads can carry, so that a
// delegate touches no second random page.
//
// Migration 41: what is old enough to be pruned is found by its age; rows are appended, so the
// index grows at its end.
constexpr std::string_view kAgeIndex =
    "CREATE INDEX keystore_signatures_created ON keystore_signatures (created_at);";

// Migration 42, SQLite only: of IN (...) with more than two texts it builds a table of them at each
// write of a row.
constexpr std::string_view kStatesInWords = R"sql(
CREATE TABLE keystore_signatures_rows (
    request_digest BLOB NOT NULL,
    generation INTEGER NOT NULL,
    wallet_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    key_version INTEGER NOT NULL,
    payload_hash BLOB NOT NULL,
    payload BLOB NOT NULL,
    nonce TEXT,
    valid_until INTEGER,
    reservation_id TEXT,
    state TEXT NOT NULL CHECK (
        state = 'open' OR state = 'landed' OR state = 'given_back' OR state = 'done'),
    created_at INTEGER NOT NULL,
    UNIQUE (request_digest, generation)
);
INSERT INTO keystore_signatures_rows (request_digest, generation, wallet_id, operation,
    key_version, payload_hash, payload, nonce, valid_until, reservation_id, state, created_at)
SELECT request_digest, generation, wallet_id, operation,
    key_version, payload_hash, payload, nonce, valid_until, reservation_id, state, created_at
FROM keystore_signatures ORDER BY created_at, rowid;
DROP TABLE keystore_signatures;
ALTER TABLE keystore_signatures_rows RENAME TO keystore_signatures;
CREATE INDEX keystore_signatures_payload ON keystore_signatures (payload_hash)
    WHERE operation IN ('sign_nep413', 'carried');
CREATE INDEX keystore_signatures_open ON keystore_signatures (created_at)
    WHERE state = 'open' AND valid_until IS NOT NULL;
CREATE INDEX keystore_signatures_created ON keystore_signatures (created_at);
)sql";

constexpr std::array<storage::Migration, 3> kMigrations = {{
    {40, "keystore",
     R"sql(
CREATE TABLE keystore_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE keystore_wallets (
    wallet_id TEXT PRIMARY KEY,
    key_version INTEGER NOT NULL CHECK (key_version >= 1),
    created_at INTEGER NOT NULL,
    rotated_at INTEGER
) WITHOUT ROWID;

CREATE TABLE keystore_signatures (
    request_digest BLOB NOT NULL,
    generation INTEGER NOT NULL,
    wallet_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    key_version INTEGER NOT NULL,
    payload_hash BLOB NOT NULL,
    payload BLOB NOT NULL,
    nonce TEXT,
    valid_until INTEGER,
    reservation_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('open', 'landed', 'given_back', 'done')),
    created_at INTEGER NOT NULL,
    UNIQUE (request_digest, generation)
);
CREATE INDEX keystore_signatures_payload ON keystore_signatures (payload_hash)
    WHERE operation IN ('sign_nep413', 'carried');
CREATE INDEX keystore_signatures_open ON keystore_signatures (created_at)
    WHERE state = 'open' AND valid_until IS NOT NULL;
)sql",
     R"sql(
CREATE TABLE keystore_meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE keystore_wallets (
    wallet_id TEXT PRIMARY KEY,
    key_version BIGINT NOT NULL CHECK (key_version >= 1),
    created_at TIMESTAMPTZ NOT NULL,
    rotated_at TIMESTAMPTZ
);

CREATE TABLE keystore_signatures (
    request_digest BYTEA NOT NULL,
    generation BIGINT NOT NULL,
    wallet_id TEXT NOT NULL,
    operation TEXT NOT NULL,
    key_version BIGINT NOT NULL,
    payload_hash BYTEA NOT NULL,
    payload BYTEA NOT NULL,
    nonce TEXT,
    valid_until BIGINT,
    reservation_id TEXT,
    state TEXT NOT NULL CHECK (state IN ('open', 'landed', 'given_back', 'done')),
    created_at TIMESTAMPTZ NOT NULL,
    UNIQUE (request_digest, generation)
);
CREATE INDEX keystore_signatures_payload ON keystore_signatures (payload_hash)
    WHERE operation IN ('sign_nep413', 'carried');
CREATE INDEX keystore_signatures_open ON keystore_signatures (created_at)
    WHERE state = 'open' AND valid_until IS NOT NULL;
)sql"},
    {41, "keystore_signatures_age", kAgeIndex, kAgeIndex},
    {42, "keystore_signatures_states", kStatesInWords, "SELECT 1"},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::keystore

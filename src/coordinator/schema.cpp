#include "coordinator/schema.h"

#include <array>

namespace adyton::coordinator {
namespace {

// Columns that are the same in both databases.
#define ADYTON_RECORD_TEXTS                             \
    "    predecessor_model TEXT NOT NULL,\n"            \
    "    ordering_model TEXT NOT NULL,\n"               \
    "    status TEXT NOT NULL,\n"                       \
    "    phase TEXT NOT NULL,\n"                        \
    "    final_status TEXT,\n"                          \
    "    signed_nep413_payloads_json TEXT NOT NULL,\n"  \
    "    signed_nep366_delegates_json TEXT NOT NULL,\n" \
    "    direct_signed_txs_json TEXT NOT NULL,\n"       \
    "    submit_tx_hashes_json TEXT NOT NULL,\n"        \
    "    intent_ids_json TEXT NOT NULL,\n"              \
    "    resume_tx_hash TEXT,\n"                        \
    "    dispatch_evidence_json TEXT NOT NULL,\n"       \
    "    direct_user_scope_json TEXT,\n"                \
    "    direct_user_evidence_json TEXT,\n"             \
    "    funding_evidence_json TEXT NOT NULL,\n"        \
    "    policy_decisions_json TEXT NOT NULL,\n"        \
    "    user_visible_error TEXT,\n"                    \
    "    internal_state_json TEXT NOT NULL,\n"

// wallet_workflow_records: one row for each request that was accepted for keeping, inserted before
// anything is asked, signed or sent. Columns that end in _json hold JSON text; signed payloads,
// delegates and transactions are bearer instruments until they expire, so whoever can read the
// table could use them (docs/coordinator.md says which columns to withhold). Who drives a record
// stands in the journal (workflow_runs: driver and fencing), under the same id.
//
// coordinator_lane: who waits for a gate and who holds it. A place that was taken is lost at
// `expires_at`, because the gate forgets what it was taken for.
//
// coordinator_webhooks: what receivers are to be told of a record and whether they were, written in
// the unit that changes the record. A run of the journal carries each out.
constexpr std::array<storage::Migration, 3> kMigrations = {{
    {60, "coordinator",
     R"sql(
CREATE TABLE wallet_workflow_records (
    request_id TEXT PRIMARY KEY,
    wallet_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    original_request_json TEXT NOT NULL,
    workflow_json TEXT NOT NULL,
    plan_json TEXT NOT NULL,
    proxy_predecessor INTEGER NOT NULL,
)sql" ADYTON_RECORD_TEXTS R"sql(    audit_chain INTEGER NOT NULL,
    audit_sequence INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (wallet_id, idempotency_key)
) WITHOUT ROWID;
CREATE INDEX wallet_workflow_records_newest
    ON wallet_workflow_records (wallet_id, created_at, request_id);

CREATE TABLE coordinator_delegate_nonces (
    wallet_id TEXT PRIMARY KEY,
    last_nonce INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE coordinator_key_nonces (
    account_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    last_nonce INTEGER NOT NULL,
    PRIMARY KEY (account_id, public_key)
) WITHOUT ROWID;

CREATE TABLE coordinator_gates (
    gate_id TEXT PRIMARY KEY,
    changes INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE coordinator_lane (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    gate_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'preparing', 'ready', 'running')),
    calls INTEGER NOT NULL,
    expires_at INTEGER
);
CREATE INDEX coordinator_lane_gate ON coordinator_lane (gate_id, state, position);
)sql",
     R"sql(
CREATE TABLE wallet_workflow_records (
    request_id TEXT PRIMARY KEY,
    wallet_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    body_hash BYTEA NOT NULL,
    original_request_json TEXT NOT NULL,
    workflow_json TEXT NOT NULL,
    plan_json TEXT NOT NULL,
    proxy_predecessor BOOLEAN NOT NULL,
)sql" ADYTON_RECORD_TEXTS R"sql(    audit_chain BIGINT NOT NULL,
    audit_sequence BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    UNIQUE (wallet_id, idempotency_key)
);
CREATE INDEX wallet_workflow_records_newest
    ON wallet_workflow_records (wallet_id, created_at, request_id);

CREATE TABLE coordinator_delegate_nonces (
    wallet_id TEXT PRIMARY KEY,
    last_nonce BIGINT NOT NULL
);

CREATE TABLE coordinator_key_nonces (
    account_id TEXT NOT NULL,
    public_key TEXT NOT NULL,
    last_nonce BIGINT NOT NULL,
    PRIMARY KEY (account_id, public_key)
);

CREATE TABLE coordinator_gates (
    gate_id TEXT PRIMARY KEY,
    changes BIGINT NOT NULL
);

CREATE TABLE coordinator_lane (
    position BIGSERIAL PRIMARY KEY,
    request_id TEXT NOT NULL UNIQUE,
    gate_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'preparing', 'ready', 'running')),
    calls BIGINT NOT NULL,
    expires_at TIMESTAMPTZ
);
CREATE INDEX coordinator_lane_gate ON coordinator_lane (gate_id, state, position);
)sql"},
    {61, "coordinator: webhooks",
     R"sql(
CREATE TABLE coordinator_webhooks (
    id TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    wallet_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    rounds INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    last_http_status INTEGER,
    last_error TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX coordinator_webhooks_newest
    ON coordinator_webhooks (wallet_id, created_at, id);
CREATE INDEX coordinator_webhooks_state ON coordinator_webhooks (state, updated_at);
)sql",
     R"sql(
CREATE TABLE coordinator_webhooks (
    id TEXT PRIMARY KEY,
    endpoint TEXT NOT NULL,
    wallet_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    event TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead')),
    rounds BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    last_http_status BIGINT,
    last_error TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX coordinator_webhooks_newest
    ON coordinator_webhooks (wallet_id, created_at, id);
CREATE INDEX coordinator_webhooks_state ON coordinator_webhooks (state, updated_at);
)sql"},
    // In SQLite, rows of many KB that are kept inside their primary key are read whole at every
    // comparison on the way to one of them, and a CHECK (... IN ...) of more than two texts builds
    // a table of them at each write. What is asked for most stands first.
    {62, "coordinator: rows outside their keys",
     R"sql(
CREATE TABLE wallet_workflow_rows (
    request_id TEXT NOT NULL UNIQUE,
    wallet_id TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    proxy_predecessor INTEGER NOT NULL,
    predecessor_model TEXT NOT NULL,
    ordering_model TEXT NOT NULL,
    status TEXT NOT NULL,
    phase TEXT NOT NULL,
    final_status TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    audit_chain INTEGER NOT NULL,
    audit_sequence INTEGER NOT NULL,
    resume_tx_hash TEXT,
    user_visible_error TEXT,
    original_request_json TEXT NOT NULL,
    workflow_json TEXT NOT NULL,
    plan_json TEXT NOT NULL,
    policy_decisions_json TEXT NOT NULL,
    submit_tx_hashes_json TEXT NOT NULL,
    intent_ids_json TEXT NOT NULL,
    signed_nep413_payloads_json TEXT NOT NULL,
    signed_nep366_delegates_json TEXT NOT NULL,
    direct_signed_txs_json TEXT NOT NULL,
    dispatch_evidence_json TEXT NOT NULL,
    direct_user_scope_json TEXT,
    direct_user_evidence_json TEXT,
    funding_evidence_json TEXT NOT NULL,
    internal_state_json TEXT NOT NULL,
    UNIQUE (wallet_id, idempotency_key)
);
INSERT INTO wallet_workflow_rows (request_id, wallet_id, idempotency_key, endpoint, body_hash,
    proxy_predecessor, predecessor_model, ordering_model, status, phase, final_status, created_at,
    updated_at, audit_chain, audit_sequence, resume_tx_hash, user_visible_error,
    original_request_json, workflow_json, plan_json, policy_decisions_json, submit_tx_hashes_json,
    intent_ids_json, signed_nep413_payloads_json, signed_nep366_delegates_json,
    direct_signed_txs_json, dispatch_evidence_json, direct_user_scope_json,
    direct_user_evidence_json, funding_evidence_json, internal_state_json)
SELECT request_id, wallet_id, idempotency_key, endpoint, body_hash,
    proxy_predecessor, predecessor_model, ordering_model, status, phase, final_status, created_at,
    updated_at, audit_chain, audit_sequence, resume_tx_hash, user_visible_error,
    original_request_json, workflow_json, plan_json, policy_decisions_json, submit_tx_hashes_json,
    intent_ids_json, signed_nep413_payloads_json, signed_nep366_delegates_json,
    direct_signed_txs_json, dispatch_evidence_json, direct_user_scope_json,
    direct_user_evidence_json, funding_evidence_json, internal_state_json
FROM wallet_workflow_records ORDER BY created_at, request_id;
DROP TABLE wallet_workflow_records;
ALTER TABLE wallet_workflow_rows RENAME TO wallet_workflow_records;
CREATE INDEX wallet_workflow_records_newest
    ON wallet_workflow_records (wallet_id, created_at, request_id);

CREATE TABLE coordinator_lane_rows (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    request_id TEXT NOT NULL UNIQUE,
    gate_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (
        state = 'queued' OR state = 'preparing' OR state = 'ready' OR state = 'running'),
    calls INTEGER NOT NULL,
    expires_at INTEGER
);
INSERT INTO coordinator_lane_rows (position, request_id, gate_id, state, calls, expires_at)
SELECT position, request_id, gate_id, state, calls, expires_at FROM coordinator_lane;
DROP TABLE coordinator_lane;
ALTER TABLE coordinator_lane_rows RENAME TO coordinator_lane;
CREATE INDEX coordinator_lane_gate ON coordinator_lane (gate_id, state, position);
)sql",
     // A row is written ten times in its life: room for its next version beside it.
     R"sql(
ALTER TABLE wallet_workflow_records SET (fillfactor = 70);
)sql"},
}};

}  // namespace

std::span<const storage::Migration> migrations() {
    return kMigrations;
}

}  // namespace adyton::coordinator

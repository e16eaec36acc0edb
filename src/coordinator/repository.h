#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/audit_log.h"
#include "base/result.h"
#include "base/time.h"
#include "coordinator/record.h"
#include "storage/database.h"

// The SQL of the coordinator, as functions inside the caller's unit of work. Errors of
// storage::Transaction and CorruptData for rows that do not read back are not repeated below.
namespace adyton::coordinator {

// --- wallet_workflow_records ---
namespace records {

// False: the wallet used that key before, and nothing was written.
Result<bool> insert(storage::Transaction& tx, const WorkflowRecord& record);
Result<std::optional<WorkflowRecord>> find(storage::Transaction& tx, const std::string& request_id);
// The wallet's own only.
Result<std::optional<WorkflowRecord>> find(
    storage::Transaction& tx, const std::string& wallet_id, const std::string& request_id);
Result<std::optional<WorkflowRecord>> find_by_key(
    storage::Transaction& tx, const std::string& wallet_id, const std::string& idempotency_key);
// Of the wallet's own, without reading the rest.
Result<std::optional<WorkflowStatus>> find_status(
    storage::Transaction& tx, const std::string& wallet_id, const std::string& request_id);
// Writes everything that changes after the request. CorruptData: there is no such record, or its
// status was final and would change.
Result<void> update(storage::Transaction& tx, const WorkflowRecord& record);

struct ListQuery {
    std::string wallet_id;
    std::string before_id;  // with before_at: newest first from there; empty: from the newest
    base::Timestamp before_at;
    std::int64_t limit = 50;
};
Result<std::vector<WorkflowRecord>> list(storage::Transaction& tx, const ListQuery& query);

}  // namespace records

// --- nonces ---

// The next `count` delegate nonces of a wallet, strictly above all before: microseconds since 1970,
// so that they lie outside the window of any access key (near.md 1.6). The first of them.
Result<std::uint64_t> take_delegate_nonces(
    storage::Transaction& tx, const std::string& wallet_id, std::uint64_t count);

// The next `count` transaction nonces of an access key, above all that were taken and above
// `chain_nonce`. The first of them. The key's row is locked until the unit commits.
Result<std::uint64_t> take_key_nonces(
    storage::Transaction& tx, const std::string& account_id, const std::string& public_key,
    std::uint64_t chain_nonce, std::uint64_t count);
// The last one that was taken; zero: none was.
Result<std::uint64_t> last_key_nonce(
    storage::Transaction& tx, const std::string& account_id, const std::string& public_key);

// --- the queue of a gate ---

enum class LaneState {
    Queued,
    Preparing,  // signing and submitting
    Ready,      // all its intents are pending at the gate
    Running,    // its resume is signed: one at a time
};
std::string_view to_string(LaneState state);

struct LaneEntry {
    std::string request_id;
    std::string gate_id;
    std::int64_t position = 0;
    LaneState state = LaneState::Queued;
    std::int64_t calls = 0;
    std::optional<base::Timestamp> expires_at;  // a place is lost then; none: never (Queued)
};

struct LaneLoad {
    std::int64_t queued = 0;
    std::int64_t active = 0;  // Preparing, Ready, Running, not expired
    std::int64_t queued_calls = 0;
};

namespace lane {

// One whose run is paused keeps its position and holds nobody up, unless its batch is at the gate.

Result<void> enter(
    storage::Transaction& tx, const std::string& gate_id, const std::string& request_id,
    std::int64_t calls);
Result<void> leave(storage::Transaction& tx, const std::string& request_id);
Result<std::optional<LaneEntry>> find(storage::Transaction& tx, const std::string& request_id);
// Of every gate that has anybody in its queue.
Result<std::map<std::string, LaneLoad>> loads(storage::Transaction& tx);
struct Turn {
    std::int64_t position = 0;
    bool now = false;  // take_place() would give it a place
};
Result<Turn> turn_of(storage::Transaction& tx, const std::string& request_id, std::int64_t places);

// From Queued to Preparing, until `expires_at`: when nobody queued stands before it and fewer than
// `places` are active. False: not yet.
Result<bool> take_place(
    storage::Transaction& tx, const std::string& request_id, std::int64_t places,
    base::Timestamp expires_at);
// From Preparing to Ready. Nothing happens to one that is elsewhere.
Result<void> set_ready(
    storage::Transaction& tx, const std::string& request_id, base::Timestamp expires_at);
// To Running: when no other runs at the gate and none that is ready stands before it. False: not
// yet.
Result<bool> take_gate(
    storage::Transaction& tx, const std::string& request_id, base::Timestamp expires_at);
// From Running back to Ready: somebody else's batch holds the gate.
Result<void> give_gate_back(storage::Transaction& tx, const std::string& request_id);

}  // namespace lane

// One record of the audit log as it is stored.
Result<std::optional<audit::AuditRecord>> find_audit_record(
    storage::Transaction& tx, std::int64_t chain, std::int64_t sequence);

}  // namespace adyton::coordinator

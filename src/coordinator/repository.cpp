#include "coordinator/repository.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>

namespace adyton::coordinator {
namespace {

using base::Json;
using storage::Parameter;
using storage::Rows;
using storage::Transaction;

// What a request says, and what changes after it: names in the order of read_record() and of
// with_state().
#define ADYTON_REQUEST_COLUMNS                                                             \
    "request_id, wallet_id, idempotency_key, endpoint, body_hash, original_request_json, " \
    "workflow_json, plan_json"
#define ADYTON_STATE_COLUMNS                                                              \
    "proxy_predecessor, predecessor_model, ordering_model, status, phase, final_status, " \
    "signed_nep413_payloads_json, signed_nep366_delegates_json, direct_signed_txs_json, " \
    "submit_tx_hashes_json, intent_ids_json, resume_tx_hash, dispatch_evidence_json, "    \
    "direct_user_scope_json, direct_user_evidence_json, funding_evidence_json, "          \
    "policy_decisions_json, user_visible_error, internal_state_json, audit_chain, "       \
    "audit_sequence"
#define ADYTON_WORKFLOW_COLUMNS \
    ADYTON_REQUEST_COLUMNS ", " ADYTON_STATE_COLUMNS ", created_at, updated_at"

Error corrupt(std::string_view what) {
    return Error::corrupt_data(std::string(what) + " of a workflow does not read back");
}

Result<Json> read_json(const Rows& rows, std::size_t row, std::size_t column) {
    TRY(const std::string text, rows.text(row, column));
    auto json = Json::parse(text, Json::Limits{128});
    if (!json) return corrupt("a column");
    return json;
}

Result<Json> read_optional_json(const Rows& rows, std::size_t row, std::size_t column) {
    if (rows.is_null(row, column)) return Json();
    return read_json(rows, row, column);
}

Result<std::vector<std::string>> read_list(const Rows& rows, std::size_t row, std::size_t column) {
    TRY(const Json json, read_json(rows, row, column));
    if (!json.is_array()) return corrupt("a list");
    std::vector<std::string> out;
    for (const Json& item : json.items()) {
        if (!item.is_string()) return corrupt("a list");
        out.push_back(item.string_value());
    }
    return out;
}

std::string list_text(const std::vector<std::string>& items) {
    std::string out;
    base::JsonWriter writer(out);
    writer.begin_array();
    for (const std::string& item : items) writer.value(std::string_view(item));
    writer.end_array();
    return out;
}

Result<void> read_request_part(const Rows& rows, std::size_t row, WorkflowRecord& out) {
    TRY(out.request_id, rows.text(row, 0));
    TRY(out.wallet_id, rows.text(row, 1));
    TRY(out.idempotency_key, rows.text(row, 2));
    TRY(out.endpoint, rows.text(row, 3));
    TRY(const base::Bytes hash, rows.bytes(row, 4));
    auto digest = crypto::Sha256Digest::parse(hash);
    if (!digest) return corrupt("the body hash");
    out.body_hash = *digest;
    TRY(out.original_request, read_json(rows, row, 5));
    TRY(out.workflow, read_json(rows, row, 6));
    TRY(out.plan, read_json(rows, row, 7));
    return {};
}

Result<void> read_state_part(const Rows& rows, std::size_t row, WorkflowRecord& out) {
    TRY(out.proxy_predecessor, rows.boolean(row, 8));
    TRY(out.predecessor_model, rows.text(row, 9));
    TRY(out.ordering_model, rows.text(row, 10));
    TRY(const std::string status, rows.text(row, 11));
    auto parsed = parse_workflow_status(status);
    if (!parsed) return corrupt("the status");
    out.status = *parsed;
    TRY(out.phase, rows.text(row, 12));
    TRY(out.final_status, rows.optional_text(row, 13));
    TRY(out.signed_nep413_payloads, read_list(rows, row, 14));
    TRY(out.signed_nep366_delegates, read_list(rows, row, 15));
    TRY(out.direct_signed_txs, read_list(rows, row, 16));
    TRY(out.submit_tx_hashes, read_list(rows, row, 17));
    TRY(out.intent_ids, read_list(rows, row, 18));
    TRY(out.resume_tx_hash, rows.optional_text(row, 19));
    return {};
}

Result<WorkflowRecord> read_record(const Rows& rows, std::size_t row) {
    WorkflowRecord out;
    TRY_VOID(read_request_part(rows, row, out));
    TRY_VOID(read_state_part(rows, row, out));
    TRY(out.dispatch_evidence, read_json(rows, row, 20));
    TRY(out.direct_user_scope, read_optional_json(rows, row, 21));
    TRY(out.direct_user_evidence, read_optional_json(rows, row, 22));
    TRY(out.funding_evidence, read_json(rows, row, 23));
    TRY(out.policy_decisions, read_json(rows, row, 24));
    TRY(auto error, rows.optional_text(row, 25));
    out.user_visible_error = error.value_or("");
    TRY(out.internal_state, rows.text(row, 26));
    TRY(out.audit_chain, rows.integer(row, 27));
    TRY(out.audit_sequence, rows.integer(row, 28));
    TRY(out.created_at, rows.timestamp(row, 29));
    TRY(out.updated_at, rows.timestamp(row, 30));
    return out;
}

Parameter json_or_null(const Json& json, const std::string& text) {
    return json.is_null() ? Parameter() : Parameter(text);
}

Parameter text_or_null(const std::optional<std::string>& text) {
    return text ? Parameter(*text) : Parameter();
}

Parameter text_or_null(const std::string& text) {
    return text.empty() ? Parameter() : Parameter(text);
}

// Calls `use` with the values of ADYTON_STATE_COLUMNS, which live as long as the call.
template <typename Use>
auto with_state(const WorkflowRecord& record, Use use) {
    const std::string payloads = list_text(record.signed_nep413_payloads);
    const std::string delegates = list_text(record.signed_nep366_delegates);
    const std::string direct = list_text(record.direct_signed_txs);
    const std::string submits = list_text(record.submit_tx_hashes);
    const std::string ids = list_text(record.intent_ids);
    const std::string evidence = record.dispatch_evidence.dump();
    const std::string scope = record.direct_user_scope.dump();
    const std::string direct_evidence = record.direct_user_evidence.dump();
    const std::string funding = record.funding_evidence.dump();
    const std::string decisions = record.policy_decisions.dump();
    return use(
        record.proxy_predecessor, record.predecessor_model, record.ordering_model,
        to_string(record.status), record.phase, text_or_null(record.final_status), payloads,
        delegates, direct, submits, ids, text_or_null(record.resume_tx_hash), evidence,
        json_or_null(record.direct_user_scope, scope),
        json_or_null(record.direct_user_evidence, direct_evidence), funding, decisions,
        text_or_null(record.user_visible_error), record.internal_state, record.audit_chain,
        record.audit_sequence);
}

Result<std::optional<WorkflowRecord>> first(const Rows& rows) {
    if (rows.empty()) return std::optional<WorkflowRecord>();
    TRY(auto record, read_record(rows, 0));
    return std::optional<WorkflowRecord>(std::move(record));
}

}  // namespace

namespace records {

Result<bool> insert(Transaction& tx, const WorkflowRecord& record) {
    const std::string original = record.original_request.dump();
    const std::string workflow = record.workflow.dump();
    const std::string plan = record.plan.dump();
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t inserted, with_state(record, [&](const auto&... state) {
            return tx.execute(
                "INSERT INTO wallet_workflow_records (" ADYTON_WORKFLOW_COLUMNS
                ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
                "$16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $30) "
                "ON CONFLICT (wallet_id, idempotency_key) DO NOTHING",
                {record.request_id, record.wallet_id, record.idempotency_key, record.endpoint,
                 record.body_hash.view(), original, workflow, plan, state..., now});
        }));
    return inserted == 1;
}

Result<std::optional<WorkflowRecord>> find(Transaction& tx, const std::string& request_id) {
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_WORKFLOW_COLUMNS " FROM wallet_workflow_records WHERE request_id = $1",
            {request_id}));
    return first(rows);
}

Result<std::optional<WorkflowRecord>> find(
    Transaction& tx, const std::string& wallet_id, const std::string& request_id) {
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_WORKFLOW_COLUMNS
            " FROM wallet_workflow_records WHERE request_id = $1 AND wallet_id = $2",
            {request_id, wallet_id}));
    return first(rows);
}

Result<std::optional<WorkflowRecord>> find_by_key(
    Transaction& tx, const std::string& wallet_id, const std::string& idempotency_key) {
    TRY(const Rows rows,
        tx.query(
            "SELECT " ADYTON_WORKFLOW_COLUMNS
            " FROM wallet_workflow_records WHERE wallet_id = $1 AND idempotency_key = $2",
            {wallet_id, idempotency_key}));
    return first(rows);
}

Result<std::optional<WorkflowStatus>> find_status(
    Transaction& tx, const std::string& wallet_id, const std::string& request_id) {
    TRY(const Rows rows,
        tx.query(
            "SELECT status FROM wallet_workflow_records WHERE request_id = $1 AND wallet_id = $2",
            {request_id, wallet_id}));
    if (rows.empty()) return std::optional<WorkflowStatus>();
    TRY(const std::string word, rows.text(0, 0));
    const auto status = parse_workflow_status(word);
    if (!status) return corrupt("the status");
    return std::optional(*status);
}

Result<void> update(Transaction& tx, const WorkflowRecord& record) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t updated, with_state(record, [&](const auto&... state) {
            return tx.execute(
                "UPDATE wallet_workflow_records SET (" ADYTON_STATE_COLUMNS
                ", updated_at) = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, "
                "$16, $17, $18, $19, $20, $21, $22, $23) "
                "WHERE request_id = $1 AND (status IN ('planned', 'processing') OR status = $5)",
                {record.request_id, state..., now});
        }));
    if (updated != 1) return Error::corrupt_data("a workflow's record is gone, or was final");
    return {};
}

Result<std::vector<WorkflowRecord>> list(Transaction& tx, const ListQuery& query) {
    const auto limit = std::clamp<std::int64_t>(query.limit, 1, 200);
    TRY(const Rows rows,
        query.before_id.empty()
            ? tx.query(
                  "SELECT " ADYTON_WORKFLOW_COLUMNS
                  " FROM wallet_workflow_records WHERE wallet_id = $1 "
                  "ORDER BY created_at DESC, request_id DESC LIMIT $2",
                  {query.wallet_id, limit})
            : tx.query(
                  "SELECT " ADYTON_WORKFLOW_COLUMNS
                  " FROM wallet_workflow_records WHERE wallet_id = $1 AND (created_at < $2 OR "
                  "(created_at = $2 AND request_id < $3)) "
                  "ORDER BY created_at DESC, request_id DESC LIMIT $4",
                  {query.wallet_id, query.before_at, query.before_id, limit}));
    std::vector<WorkflowRecord> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(auto record, read_record(rows, i));
        out.push_back(std::move(record));
    }
    return out;
}

}  // namespace records

// ----- nonces -----------------------------------------------------------------------------------

namespace {

constexpr std::uint64_t kNoncesAtOnceMax = 1'000;

Result<std::int64_t> to_signed(std::uint64_t number) {
    if (number > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) / 2) {
        return Error::corrupt_data("a nonce is out of range");
    }
    return static_cast<std::int64_t>(number);
}

}  // namespace

Result<std::uint64_t> take_delegate_nonces(
    Transaction& tx, const std::string& wallet_id, std::uint64_t count) {
    CHECK(count > 0 && count <= kNoncesAtOnceMax);
    TRY(const base::Timestamp now, tx.now());
    const std::int64_t micros = now.time_since_epoch().count();
    const auto more = static_cast<std::int64_t>(count);
    TRY_VOID(tx.execute(
        "INSERT INTO coordinator_delegate_nonces (wallet_id, last_nonce) VALUES ($1, $2) "
        "ON CONFLICT (wallet_id) DO UPDATE SET last_nonce = "
        "CASE WHEN coordinator_delegate_nonces.last_nonce >= $3 "
        "THEN coordinator_delegate_nonces.last_nonce + $4 ELSE $2 END",
        {wallet_id, micros + more - 1, micros, more}));
    TRY(const Rows rows, tx.query(
                             "SELECT last_nonce FROM coordinator_delegate_nonces "
                             "WHERE wallet_id = $1",
                             {wallet_id}));
    TRY(const std::int64_t last, rows.integer(0, 0));
    return static_cast<std::uint64_t>(last - more + 1);
}

Result<std::uint64_t> take_key_nonces(
    Transaction& tx, const std::string& account_id, const std::string& public_key,
    std::uint64_t chain_nonce, std::uint64_t count) {
    CHECK(count > 0 && count <= kNoncesAtOnceMax);
    TRY(const std::int64_t chain, to_signed(chain_nonce));
    const auto more = static_cast<std::int64_t>(count);
    TRY_VOID(tx.execute(
        "INSERT INTO coordinator_key_nonces (account_id, public_key, last_nonce) "
        "VALUES ($1, $2, $3) ON CONFLICT (account_id, public_key) DO UPDATE SET last_nonce = "
        "CASE WHEN coordinator_key_nonces.last_nonce > $4 "
        "THEN coordinator_key_nonces.last_nonce + $5 ELSE $3 END",
        {account_id, public_key, chain + more, chain, more}));
    TRY(const Rows rows, tx.query(
                             "SELECT last_nonce FROM coordinator_key_nonces "
                             "WHERE account_id = $1 AND public_key = $2",
                             {account_id, public_key}));
    TRY(const std::int64_t last, rows.integer(0, 0));
    return static_cast<std::uint64_t>(last - more + 1);
}

Result<std::uint64_t> last_key_nonce(
    Transaction& tx, const std::string& account_id, const std::string& public_key) {
    TRY(const Rows rows, tx.query(
                             "SELECT last_nonce FROM coordinator_key_nonces "
                             "WHERE account_id = $1 AND public_key = $2",
                             {account_id, public_key}));
    if (rows.empty()) return 0;
    TRY(const std::int64_t last, rows.integer(0, 0));
    return static_cast<std::uint64_t>(last);
}

// ----- the queue --------------------------------------------------------------------------------

namespace {

constexpr std::array<std::pair<LaneState, std::string_view>, 4> kLaneStates = {{
    {LaneState::Queued, "queued"},
    {LaneState::Preparing, "preparing"},
    {LaneState::Ready, "ready"},
    {LaneState::Running, "running"},
}};

// One change of a gate's queue at a time, in every process.
Result<void> lock_gate(Transaction& tx, const std::string& gate_id) {
    TRY_VOID(tx.execute(
        "INSERT INTO coordinator_gates (gate_id, changes) VALUES ($1, 1) "
        "ON CONFLICT (gate_id) DO UPDATE SET changes = coordinator_gates.changes + 1",
        {gate_id}));
    return {};
}

// Of `coordinator_lane AS l`.
#define ADYTON_NOT_PAUSED                                                     \
    "NOT EXISTS (SELECT 1 FROM workflow_runs AS r WHERE r.id = l.request_id " \
    "AND r.state = 'paused')"

Result<LaneEntry> read_entry(const Rows& rows, std::size_t row) {
    LaneEntry out;
    TRY(out.request_id, rows.text(row, 0));
    TRY(out.gate_id, rows.text(row, 1));
    TRY(out.position, rows.integer(row, 2));
    TRY(const std::string word, rows.text(row, 3));
    bool known = false;
    for (const auto& [state, text] : kLaneStates) {
        if (text != word) continue;
        out.state = state;
        known = true;
    }
    if (!known) return corrupt("the place in the queue");
    TRY(out.calls, rows.integer(row, 4));
    TRY(out.expires_at, rows.optional_timestamp(row, 5));
    return out;
}

Result<std::int64_t> count_of(const Result<Rows>& rows) {
    if (!rows) return rows.error();
    return rows->integer(0, 0);
}

// Whether there is a place for one that is queued.
Result<bool> is_its_turn(Transaction& tx, const LaneEntry& entry, std::int64_t places) {
    TRY(const std::int64_t before,
        count_of(tx.query(
            "SELECT count(*) FROM (SELECT 1 FROM coordinator_lane AS l "
            "WHERE l.gate_id = $1 AND l.state = 'queued' AND l.position < $2 "
            "AND " ADYTON_NOT_PAUSED " LIMIT $3) AS ahead",
            {entry.gate_id, entry.position, places})));
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t active,
        count_of(tx.query(
            "SELECT count(*) FROM coordinator_lane AS l "
            "WHERE l.gate_id = $1 AND l.state <> 'queued' AND l.expires_at > $2 "
            "AND (l.state = 'running' OR " ADYTON_NOT_PAUSED ")",
            {entry.gate_id, now})));
    return before < places - active;
}

Result<void> move_to(
    Transaction& tx, const std::string& request_id, LaneState state, base::Timestamp expires_at) {
    TRY_VOID(tx.execute(
        "UPDATE coordinator_lane SET state = $2, expires_at = $3 WHERE request_id = $1",
        {request_id, to_string(state), expires_at}));
    return {};
}

}  // namespace

std::string_view to_string(LaneState state) {
    for (const auto& [known, text] : kLaneStates) {
        if (known == state) return text;
    }
    return "queued";
}

namespace lane {

Result<void> enter(
    Transaction& tx, const std::string& gate_id, const std::string& request_id,
    std::int64_t calls) {
    TRY_VOID(tx.execute(
        "INSERT INTO coordinator_lane (request_id, gate_id, state, calls, expires_at) "
        "VALUES ($1, $2, 'queued', $3, NULL) ON CONFLICT (request_id) DO NOTHING",
        {request_id, gate_id, calls}));
    return {};
}

Result<void> leave(Transaction& tx, const std::string& request_id) {
    TRY_VOID(tx.execute("DELETE FROM coordinator_lane WHERE request_id = $1", {request_id}));
    return {};
}

Result<std::optional<LaneEntry>> find(Transaction& tx, const std::string& request_id) {
    TRY(const Rows rows, tx.query(
                             "SELECT request_id, gate_id, position, state, calls, expires_at "
                             "FROM coordinator_lane WHERE request_id = $1",
                             {request_id}));
    if (rows.empty()) return std::optional<LaneEntry>();
    TRY(auto entry, read_entry(rows, 0));
    return std::optional<LaneEntry>(std::move(entry));
}

Result<std::map<std::string, LaneLoad>> loads(Transaction& tx) {
    TRY(const base::Timestamp now, tx.now());
    TRY(const Rows rows,
        tx.query(
            "SELECT gate_id, coalesce(sum(CASE WHEN state = 'queued' THEN 1 ELSE 0 END), 0), "
            "coalesce(sum(CASE WHEN state <> 'queued' AND expires_at > $1 THEN 1 ELSE 0 END), 0), "
            "CAST(coalesce(sum(CASE WHEN state = 'queued' THEN calls ELSE 0 END), 0) AS BIGINT) "
            "FROM coordinator_lane AS l WHERE state = 'running' OR " ADYTON_NOT_PAUSED
            " GROUP BY gate_id",
            {now}));
    std::map<std::string, LaneLoad> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(const std::string gate_id, rows.text(i, 0));
        LaneLoad& load = out[gate_id];
        TRY(load.queued, rows.integer(i, 1));
        TRY(load.active, rows.integer(i, 2));
        TRY(load.queued_calls, rows.integer(i, 3));
    }
    return out;
}

Result<Turn> turn_of(Transaction& tx, const std::string& request_id, std::int64_t places) {
    TRY(const auto entry, find(tx, request_id));
    if (!entry) return Error::corrupt_data("a queued workflow has no place in the queue");
    Turn out;
    out.position = entry->position;
    TRY(out.now, is_its_turn(tx, *entry, places));
    return out;
}

Result<bool> take_place(
    Transaction& tx, const std::string& request_id, std::int64_t places,
    base::Timestamp expires_at) {
    TRY(const auto entry, find(tx, request_id));
    if (!entry) return Error::corrupt_data("a queued workflow has no place in the queue");
    TRY_VOID(lock_gate(tx, entry->gate_id));
    if (entry->state == LaneState::Queued) {
        TRY(const bool now, is_its_turn(tx, *entry, places));
        if (!now) return false;
    }
    TRY_VOID(move_to(tx, request_id, LaneState::Preparing, expires_at));
    return true;
}

Result<void> set_ready(Transaction& tx, const std::string& request_id, base::Timestamp expires_at) {
    return move_to(tx, request_id, LaneState::Ready, expires_at);
}

Result<bool> take_gate(Transaction& tx, const std::string& request_id, base::Timestamp expires_at) {
    TRY(const auto entry, find(tx, request_id));
    if (!entry) return Error::corrupt_data("a workflow at the gate has no place in the queue");
    TRY_VOID(lock_gate(tx, entry->gate_id));
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t others,
        count_of(tx.query(
            "SELECT count(*) FROM coordinator_lane AS l WHERE l.gate_id = $1 "
            "AND l.request_id <> $2 AND l.expires_at > $3 AND (l.state = 'running' OR "
            "(l.state = 'ready' AND l.position < $4 AND " ADYTON_NOT_PAUSED "))",
            {entry->gate_id, request_id, now, entry->position})));
    if (others > 0) return false;
    TRY_VOID(move_to(tx, request_id, LaneState::Running, expires_at));
    return true;
}

Result<void> give_gate_back(Transaction& tx, const std::string& request_id) {
    TRY_VOID(tx.execute(
        "UPDATE coordinator_lane SET state = 'ready' WHERE request_id = $1 AND state = 'running'",
        {request_id}));
    return {};
}

}  // namespace lane

Result<std::optional<audit::AuditRecord>> find_audit_record(
    Transaction& tx, std::int64_t chain, std::int64_t sequence) {
    TRY(const Rows rows,
        tx.query(
            "SELECT recorded_at, kind, actor, body, previous_hash, hash FROM audit_records "
            "WHERE chain = $1 AND sequence = $2",
            {chain, sequence}));
    if (rows.empty()) return std::optional<audit::AuditRecord>();
    audit::AuditRecord out;
    out.chain = chain;
    out.sequence = sequence;
    TRY(out.recorded_at, rows.timestamp(0, 0));
    TRY(out.kind, rows.text(0, 1));
    TRY(out.actor, rows.text(0, 2));
    TRY(out.body, rows.text(0, 3));
    TRY(const base::Bytes previous, rows.bytes(0, 4));
    TRY(const base::Bytes hash, rows.bytes(0, 5));
    TRY(out.previous_hash, crypto::Sha256Digest::parse(previous));
    TRY(out.hash, crypto::Sha256Digest::parse(hash));
    return std::optional<audit::AuditRecord>(std::move(out));
}

}  // namespace adyton::coordinator

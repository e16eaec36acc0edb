#include "audit/audit_log.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "audit/internal/rows.h"
#include "base/bytes.h"
#include "crypto/transcript.h"

namespace adyton::audit {
namespace {

constexpr std::size_t kInstanceIdBytesMax = 128;
// Another writer on the same chain can win a race a few times; more means something is wrong.
constexpr int kAppendAttemptsMax = 8;
constexpr int kOpenAttemptsMax = 8;

// Only after exactly that predecessor, and only into a free place; otherwise no row changes.
//
// SQLite: without that predecessor the sequence is NULL, which OR IGNORE passes over like a taken
// place. (A SELECT with a WHERE would go through a temporary table, which doubles the cost.)
// PostgreSQL: it would take parameters of a SELECT list for text, so it is told their types.
constexpr std::string_view kInsertSqlite =
    "INSERT OR IGNORE INTO audit_records "
    "(chain, sequence, recorded_at, kind, actor, body, previous_hash, hash) "
    "VALUES ($1, CASE WHEN $2 = 1 THEN 1 ELSE (SELECT p.sequence + 1 FROM audit_records p "
    "WHERE p.chain = $1 AND p.sequence = $2 - 1 AND p.hash = $7) END, $3, $4, $5, $6, $7, $8)";
constexpr std::string_view kInsertPostgres =
    "INSERT INTO audit_records "
    "(chain, sequence, recorded_at, kind, actor, body, previous_hash, hash) "
    "SELECT $1::bigint, $2::bigint, $3::timestamptz, $4::text, $5::text, $6::text, $7::bytea, "
    "$8::bytea WHERE $2::bigint = 1 OR EXISTS (SELECT 1 FROM audit_records "
    "WHERE chain = $1::bigint AND sequence = $2::bigint - 1 AND hash = $7::bytea) "
    "ON CONFLICT (chain, sequence) DO NOTHING";

bool is_kind(std::string_view kind) {
    return !kind.empty() && kind.size() <= AuditEvent::kKindBytesMax &&
           std::all_of(kind.begin(), kind.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
                      c == '-';
           });
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
}

// Printable ASCII, eight bytes at a time: nearly all texts. A word with an odd byte may also be
// turned down for its neighbours, never the other way round.
bool is_printable_ascii(std::string_view text) {
    constexpr std::uint64_t kHigh = 0x8080808080808080;
    constexpr std::uint64_t kOnes = 0x0101010101010101;
    std::size_t at = 0;
    for (; at + 8 <= text.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, text.data() + at, 8);
        // At least 0x20: taking that away leaves no borrow. Below 0x7f: adding one stays below
        // 0x80.
        if (((word | (word - 0x20 * kOnes) | (word + kOnes)) & kHigh) != 0) return false;
    }
    for (; at < text.size(); ++at) {
        if (text[at] < 0x20 || text[at] == 0x7f) return false;
    }
    return true;
}

bool is_plain_text(std::string_view text) {
    return is_printable_ascii(text) || (!has_control(text) && base::is_valid_utf8(text));
}

Result<void> check_event(const AuditEvent& event) {
    if (!is_kind(event.kind)) return Error::invalid_argument("audit kind is malformed");
    if (event.actor.empty() || event.actor.size() > AuditEvent::kActorBytesMax ||
        !is_plain_text(event.actor)) {
        return Error::invalid_argument("audit actor is malformed");
    }
    const std::string_view body = event.body;
    if (body.size() > AuditEvent::kBodyBytesMax) {
        return Error::invalid_argument("audit body is too large");
    }
    if (body.size() < 2 || body.front() != '{' || body.back() != '}' || !is_plain_text(body)) {
        return Error::invalid_argument("audit body is not a compact JSON object");
    }
    return {};
}

crypto::Sha256Digest hash_of(
    std::int64_t chain, std::int64_t sequence, base::Timestamp recorded_at, std::string_view kind,
    std::string_view actor, std::string_view body, const crypto::Sha256Digest& previous) {
    crypto::Transcript transcript("audit-record");
    transcript.add_u64(1, static_cast<std::uint64_t>(chain))
        .add_u64(2, static_cast<std::uint64_t>(sequence))
        .add_u64(3, static_cast<std::uint64_t>(recorded_at.time_since_epoch().count()))
        .add(4, kind)
        .add(5, actor)
        .add(6, body)
        .add(7, previous.view());
    return transcript.sha256();
}

// The chain number of an instance; null when another instance took the number meanwhile.
Result<std::optional<std::int64_t>> find_or_create_chain(
    storage::Transaction& tx, const std::string& instance_id) {
    TRY(const storage::Rows found,
        tx.query("SELECT chain FROM audit_chains WHERE instance_id = $1", {instance_id}));
    if (!found.empty()) {
        TRY(const std::int64_t chain, found.integer(0, 0));
        return std::optional<std::int64_t>(chain);
    }
    TRY(const base::Timestamp now, tx.now());
    TRY(const storage::Rows next,
        tx.query("SELECT COALESCE(MAX(chain), 0) + 1 FROM audit_chains", {}));
    TRY(const std::int64_t chain, next.integer(0, 0));
    TRY(const std::int64_t inserted,
        tx.execute(
            "INSERT INTO audit_chains (chain, instance_id, created_at) VALUES ($1, $2, $3) "
            "ON CONFLICT DO NOTHING",
            {chain, instance_id, now}));
    return inserted == 1 ? std::optional<std::int64_t>(chain) : std::nullopt;
}

// The last record, checked; null for an empty chain.
Result<std::optional<AuditRecord>> read_checked_head(
    storage::Transaction& tx, std::int64_t chain, const std::string& instance_id) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT chain, sequence, recorded_at, kind, actor, body, previous_hash, hash "
            "FROM audit_records WHERE chain = $1 ORDER BY sequence DESC LIMIT 1",
            {chain}));
    std::optional<AuditRecord> head;
    if (!rows.empty()) {
        TRY(head, internal::read_record(rows, 0));
        const bool first_is_wrong =
            head->sequence == 1 && head->previous_hash != genesis_hash(chain, instance_id);
        if (record_hash(*head) != head->hash || first_is_wrong) {
            return Error::corrupt_data("the last audit record was changed", "audit_chain_broken");
        }
    }
    TRY(const std::optional<Checkpoint> checkpoint, internal::read_latest_checkpoint(tx));
    if (checkpoint) {
        TRY_VOID(internal::check_covered_records(tx, *checkpoint));
    }
    return head;
}

}  // namespace

crypto::Sha256Digest record_hash(const AuditRecord& record) {
    return hash_of(
        record.chain, record.sequence, record.recorded_at, record.kind, record.actor, record.body,
        record.previous_hash);
}

crypto::Sha256Digest genesis_hash(std::int64_t chain, std::string_view instance_id) {
    crypto::Transcript transcript("audit-chain");
    transcript.add_u64(1, static_cast<std::uint64_t>(chain)).add(2, instance_id);
    return transcript.sha256();
}

AuditLog::AuditLog(std::int64_t chain, std::string instance_id, Head head)
    : chain_(chain),
      instance_id_(std::move(instance_id)),
      genesis_(genesis_hash(chain_, instance_id_)),
      guess_(head) {
    if (guess_.sequence == 0) guess_.hash = genesis_;
}

Task<Result<std::unique_ptr<AuditLog>>> AuditLog::open(
    storage::Database& database, std::string instance_id) {
    const bool visible = std::all_of(
        instance_id.begin(), instance_id.end(), [](char c) { return c > 0x20 && c < 0x7f; });
    if (instance_id.empty() || instance_id.size() > kInstanceIdBytesMax || !visible) {
        co_return Error::invalid_argument("instance id is malformed");
    }
    struct Opened {
        std::optional<std::int64_t> chain;
        Head head;
    };
    for (int attempt = 0; attempt < kOpenAttemptsMax; ++attempt) {
        auto unit = [&instance_id](storage::Transaction& tx) -> Result<Opened> {
            Opened opened;
            TRY(opened.chain, find_or_create_chain(tx, instance_id));
            if (!opened.chain) return opened;
            TRY(const std::optional<AuditRecord> head,
                read_checked_head(tx, *opened.chain, instance_id));
            if (head) opened.head = Head{head->sequence, head->hash};
            return opened;
        };
        auto task = database.write(unit);
        CO_TRY(const Opened opened, co_await std::move(task));
        if (!opened.chain) continue;
        std::unique_ptr<AuditLog> log(new AuditLog(*opened.chain, instance_id, opened.head));
        co_return log;
    }
    co_return Error::unavailable("other instances are opening audit chains; try again");
}

Result<AuditLog::Head> AuditLog::read_head(storage::Transaction& tx) const {
    TRY(const storage::Rows rows, tx.query(
                                      "SELECT sequence, hash FROM audit_records WHERE chain = $1 "
                                      "ORDER BY sequence DESC LIMIT 1",
                                      {chain_}));
    Head head{0, genesis_};
    if (rows.empty()) return head;
    TRY(head.sequence, rows.integer(0, 0));
    TRY(head.hash, internal::read_digest(rows, 0, 1));
    return head;
}

Result<bool> AuditLog::insert_after(
    storage::Transaction& tx, const Head& head, const AuditEvent& event, Head& inserted) const {
    TRY(const base::Timestamp now, tx.now());
    inserted.sequence = head.sequence + 1;
    inserted.hash =
        hash_of(chain_, inserted.sequence, now, event.kind, event.actor, event.body, head.hash);
    const bool sqlite = tx.dialect() == storage::Dialect::Sqlite;
    TRY(const std::int64_t changed, tx.execute(
                                        sqlite ? kInsertSqlite : kInsertPostgres,
                                        {chain_, inserted.sequence, now, event.kind, event.actor,
                                         event.body, head.hash.bytes, inserted.hash.bytes}));
    return changed == 1;
}

Result<AuditPosition> AuditLog::append(storage::Transaction& tx, const AuditEvent& event) {
    TRY_VOID(check_event(event));
    Head head;
    {
        const std::lock_guard lock(mutex_);
        head = guess_;
    }
    for (int attempt = 0; attempt < kAppendAttemptsMax; ++attempt) {
        if (attempt > 0) {
            TRY(head, read_head(tx));
        }
        Head next;
        TRY(const bool done, insert_after(tx, head, event, next));
        if (!done) continue;
        const std::lock_guard lock(mutex_);
        guess_ = next;
        return AuditPosition{chain_, next.sequence, next.hash};
    }
    return Error::unavailable("the audit chain is written by others; try again");
}

}  // namespace adyton::audit

#include "audit/internal/rows.h"

#include <utility>

#include "audit/internal/format.h"
#include "base/bytes.h"
#include "base/json.h"

namespace adyton::audit::internal {
namespace {

Result<Checkpoint> read_checkpoint_row(const storage::Rows& rows) {
    Checkpoint out;
    TRY(out.number, rows.integer(0, 0));
    TRY(out.created_at, rows.timestamp(0, 1));
    TRY(out.previous_hash, read_digest(rows, 0, 2));
    TRY(const std::string heads, rows.text(0, 3));
    TRY(const base::Bytes public_key, rows.bytes(0, 4));
    TRY(const base::Bytes signature, rows.bytes(0, 5));
    const auto json = base::Json::parse(heads);
    if (!json) return Error::corrupt_data("the heads of an audit checkpoint are malformed");
    const auto parsed = parse_heads(*json);
    const auto key = crypto::Ed25519PublicKey::parse(public_key);
    const auto signed_with = crypto::Ed25519Signature::parse(signature);
    if (!parsed || !key || !signed_with) {
        return Error::corrupt_data("an audit checkpoint is malformed");
    }
    out.heads = *parsed;
    out.public_key = *key;
    out.signature = *signed_with;
    return out;
}

}  // namespace

Result<crypto::Sha256Digest> read_digest(
    const storage::Rows& rows, std::size_t row, std::size_t column) {
    TRY(const base::Bytes bytes, rows.bytes(row, column));
    const auto digest = crypto::Sha256Digest::parse(bytes);
    if (!digest) return Error::corrupt_data("an audit hash does not have 32 bytes");
    return *digest;
}

Result<AuditRecord> read_record(const storage::Rows& rows, std::size_t row) {
    AuditRecord out;
    TRY(out.chain, rows.integer(row, 0));
    TRY(out.sequence, rows.integer(row, 1));
    TRY(out.recorded_at, rows.timestamp(row, 2));
    TRY(out.kind, rows.text(row, 3));
    TRY(out.actor, rows.text(row, 4));
    TRY(out.body, rows.text(row, 5));
    TRY(out.previous_hash, read_digest(rows, row, 6));
    TRY(out.hash, read_digest(rows, row, 7));
    return out;
}

Result<std::optional<Checkpoint>> read_latest_checkpoint(storage::Transaction& tx) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT number, created_at, previous_hash, heads, public_key, signature "
            "FROM audit_checkpoints ORDER BY number DESC LIMIT 1",
            {}));
    std::optional<Checkpoint> out;
    if (!rows.empty()) {
        TRY(out, read_checkpoint_row(rows));
    }
    return out;
}

Result<std::optional<Checkpoint>> read_checkpoint(storage::Transaction& tx, std::int64_t number) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT number, created_at, previous_hash, heads, public_key, signature "
            "FROM audit_checkpoints WHERE number = $1",
            {number}));
    std::optional<Checkpoint> out;
    if (!rows.empty()) {
        TRY(out, read_checkpoint_row(rows));
    }
    return out;
}

Result<std::vector<ChainHead>> read_heads(storage::Transaction& tx) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT r.chain, r.sequence, r.hash FROM audit_chains c JOIN audit_records r "
            "ON r.chain = c.chain AND r.sequence = "
            "(SELECT MAX(m.sequence) FROM audit_records m WHERE m.chain = c.chain) "
            "ORDER BY r.chain",
            {}));
    std::vector<ChainHead> heads;
    heads.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        ChainHead head;
        TRY(head.chain, rows.integer(i, 0));
        TRY(head.sequence, rows.integer(i, 1));
        TRY(head.hash, read_digest(rows, i, 2));
        heads.push_back(head);
    }
    return heads;
}

Result<void> check_covered_records(storage::Transaction& tx, const Checkpoint& checkpoint) {
    for (const ChainHead& head : checkpoint.heads) {
        TRY(const storage::Rows rows,
            tx.query(
                "SELECT hash FROM audit_records WHERE chain = $1 AND sequence = $2",
                {head.chain, head.sequence}));
        if (rows.empty()) {
            return Error::corrupt_data(
                "an audit record that a checkpoint covers is gone", "audit_chain_broken");
        }
        TRY(const crypto::Sha256Digest hash, read_digest(rows, 0, 0));
        if (hash != head.hash) {
            return Error::corrupt_data(
                "an audit record that a checkpoint covers was changed", "audit_chain_broken");
        }
    }
    return {};
}

}  // namespace adyton::audit::internal

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "audit/audit_log.h"
#include "audit/checkpoint.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "storage/database.h"

// Reading the audit tables. CorruptData when a column does not have its form.
namespace adyton::audit::internal {

Result<crypto::Sha256Digest> read_digest(
    const storage::Rows& rows, std::size_t row, std::size_t column);

// Columns: chain, sequence, recorded_at, kind, actor, body, previous_hash, hash.
Result<AuditRecord> read_record(const storage::Rows& rows, std::size_t row);

Result<std::optional<Checkpoint>> read_latest_checkpoint(storage::Transaction& tx);
Result<std::optional<Checkpoint>> read_checkpoint(storage::Transaction& tx, std::int64_t number);

// Where all chains that have records stand, by ascending chain.
Result<std::vector<ChainHead>> read_heads(storage::Transaction& tx);

// CorruptData, reason "audit_chain_broken": a head of the checkpoint is not in the table any more.
Result<void> check_covered_records(storage::Transaction& tx, const Checkpoint& checkpoint);

}  // namespace adyton::audit::internal

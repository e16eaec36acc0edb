#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "storage/database.h"
#include "storage/migration.h"

namespace adyton::audit {

// Migrations 10 to 19: audit_chains, audit_records, audit_checkpoints. Rows of the last two cannot
// be updated or deleted: triggers refuse it.
std::span<const storage::Migration> migrations();

// One thing that happened. Views must live for the call.
struct AuditEvent {
    static constexpr std::size_t kKindBytesMax = 64;
    static constexpr std::size_t kActorBytesMax = 256;
    static constexpr std::size_t kBodyBytesMax = 1024 * 1024;

    std::string_view kind;   // 1 to 64 of a-z, 0-9, '_', '.' and '-': "pool.sign"
    std::string_view actor;  // who caused it, a service id or "system:<worker>"; UTF-8, 1 to 256
    // A JSON object as JsonWriter or Json::dump() writes it, at most 1 MiB. No secrets.
    std::string_view body;
};

// Where a record stands, for receipts.
struct AuditPosition {
    std::int64_t chain = 0;
    std::int64_t sequence = 0;  // from 1, without gaps
    crypto::Sha256Digest hash;  // of the record, its predecessor's hash included
};

// A record as it is hashed: SHA-256 of the transcript "audit-record" with the tags 1 chain,
// 2 sequence, 3 recorded_at (microseconds since 1970, all three u64be), 4 kind, 5 actor, 6 body,
// 7 previous hash (32).
struct AuditRecord {
    std::int64_t chain = 0;
    std::int64_t sequence = 0;
    base::Timestamp recorded_at;
    std::string kind;
    std::string actor;
    std::string body;
    crypto::Sha256Digest previous_hash;
    crypto::Sha256Digest hash;
};
crypto::Sha256Digest record_hash(const AuditRecord& record);  // of all fields but `hash`

// What stands before a chain's first record: SHA-256 of the transcript "audit-chain" with the tags
// 1 chain (u64be), 2 instance id.
crypto::Sha256Digest genesis_hash(std::int64_t chain, std::string_view instance_id);

// The hash chain that this process writes (decisions.md 21). One per instance id; nobody else may
// write to it at the same time (the service's instance lock sees to that), but if somebody does,
// the chain stays whole: every insert proves its predecessor inside the transaction. Thread safe.
class AuditLog {
public:
    // Finds the instance's chain or opens a new one, and checks its last record.
    // InvalidArgument: instance id not 1 to 128 visible ASCII characters. CorruptData: the last
    // record fails its hash, or the chain is shorter than a checkpoint says.
    static Task<Result<std::unique_ptr<AuditLog>>> open(
        storage::Database& database, std::string instance_id);

    // Adds a record in the caller's unit of work: it is there exactly if the effect is. One
    // statement. InvalidArgument: a field outside its form above. Errors of the database.
    Result<AuditPosition> append(storage::Transaction& tx, const AuditEvent& event);

    std::int64_t chain() const { return chain_; }
    const std::string& instance_id() const { return instance_id_; }

private:
    // The last record this process wrote or saw. Only a guess: its unit may have been rolled back,
    // so the insert counts only if the database agrees.
    struct Head {
        std::int64_t sequence = 0;  // 0: no record yet
        crypto::Sha256Digest hash;
    };

    AuditLog(std::int64_t chain, std::string instance_id, Head head);
    Result<Head> read_head(storage::Transaction& tx) const;
    Result<bool> insert_after(
        storage::Transaction& tx, const Head& head, const AuditEvent& event, Head& inserted) const;

    const std::int64_t chain_;
    const std::string instance_id_;
    const crypto::Sha256Digest genesis_;
    std::mutex mutex_;
    Head guess_;
};

}  // namespace adyton::audit

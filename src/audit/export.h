#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "audit/checkpoint.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "crypto/ed25519.h"
#include "storage/database.h"

// The audit log as JSON Lines (docs in verify.h of what a checker does with it):
//
//   {"type":"header","format":"adyton/audit-export/v1","exported_at":...}
//   {"type":"chain","chain":1,"instance_id":...,"genesis_hash":...}          every chain, ascending
//   {"type":"record","chain":1,"sequence":1,"recorded_at":...,"kind":...,"actor":...,"body":{...},
//    "previous_hash":...,"hash":...}
//   {"type":"checkpoint","number":1,"created_at":...,"previous_hash":...,"heads":[...],
//    "public_key":...,"signature":...}
//   {"type":"trailer","chains":1,"records":1,"checkpoints":1,"sha256":...,"public_key":...,
//    "signature":...}
//
// A checkpoint stands right after the records that it covers, so a checker needs memory for the
// heads only. Hashes, keys and signatures are lower-case hex; times RFC 3339 in UTC. A body whose
// stored text is not in canonical form is given as a string, "body_text". The trailer's sha256 is
// over every byte before its line; its signature (empty without a key) over the transcript
// "audit-export" with the tags 1 that hash, 2 chains, 3 records, 4 checkpoints (u64be), 5 public
// key.
namespace adyton::audit {

struct ExportOptions {
    base::Timestamp exported_at;                  // shown in the header
    const crypto::Ed25519KeyPair* key = nullptr;  // signs the trailer; must outlive the export
    std::size_t page_records = 64;                // rows held in memory at once
};

// A running export: everything that was committed when it began. Holds one page of records at a
// time and no transaction between pages. One caller at a time.
class AuditExport {
public:
    static Task<Result<std::unique_ptr<AuditExport>>> open(
        storage::Database& database, ExportOptions options);
    ~AuditExport();

    // The next piece of the file, whole lines; empty when it is over. After an error the export is
    // useless: the file lacks its trailer and does not verify.
    Task<Result<std::string>> next();

private:
    struct State;
    explicit AuditExport(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace adyton::audit

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "audit/audit_log.h"
#include "audit/checkpoint.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"

// The lines of an export, written and read. Writing is the definition: a checker renders what it
// read again and compares bytes, so each content has exactly one spelling.
namespace adyton::audit::internal {

inline constexpr std::string_view kFormatName = "adyton/audit-export/v1";

struct HeaderLine {
    base::Timestamp exported_at;
};
struct ChainLine {
    std::int64_t chain = 0;
    std::string instance_id;
    crypto::Sha256Digest genesis_hash;
};
struct TrailerLine {
    std::int64_t chains = 0;
    std::int64_t records = 0;
    std::int64_t checkpoints = 0;
    crypto::Sha256Digest sha256;
    // Both or neither.
    std::optional<crypto::Ed25519PublicKey> public_key;
    std::optional<crypto::Ed25519Signature> signature;

    base::Bytes signed_bytes() const;
};
using Line = std::variant<HeaderLine, ChainLine, AuditRecord, Checkpoint, TrailerLine>;

// Appends one line with its newline.
void append_line(std::string& out, const HeaderLine& line);
void append_line(std::string& out, const ChainLine& line);
void append_line(std::string& out, const AuditRecord& line);
void append_line(std::string& out, const Checkpoint& line);
void append_line(std::string& out, const TrailerLine& line);

// `text` without its newline. InvalidArgument: not JSON, or not a line of the format.
// CorruptData: the same content is spelled otherwise than append_line does.
Result<Line> parse_line(std::string_view text);

// [{"chain":1,"sequence":2,"hash":"..."}], also the form of the table column.
void write_heads(base::JsonWriter& writer, const std::vector<ChainHead>& heads);
// InvalidArgument: another form, or chains not ascending.
Result<std::vector<ChainHead>> parse_heads(const base::Json& json);

}  // namespace adyton::audit::internal

#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "audit/checkpoint.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"

namespace adyton::audit {

// A checkpoint that was noted somewhere else, to notice a log that was wound back.
struct PinnedCheckpoint {
    std::int64_t number = 0;
    crypto::Sha256Digest hash;
};

struct VerifyOptions {
    // Whose signatures count. Empty: the first key met in the file is taken at its word, and the
    // report says so.
    std::vector<crypto::Ed25519PublicKey> trusted_keys;
    std::optional<PinnedCheckpoint> pinned;
    std::size_t line_bytes_max = 16 * 1024 * 1024;
};

// The first thing found wrong. For a record that is missing, chain and sequence name the missing
// one and `line` the place where it should have stood.
struct AuditFault {
    std::int64_t line = 0;  // from 1
    std::optional<std::int64_t> chain;
    std::optional<std::int64_t> sequence;
    std::optional<std::int64_t> checkpoint;
    std::string what;

    std::string to_string() const;  // "line 7, chain 1, record 5: the hash does not match"
};

struct AuditReport {
    std::optional<AuditFault> fault;
    std::int64_t lines = 0;
    std::int64_t records = 0;
    std::int64_t checkpoints = 0;
    std::vector<ChainHead> heads;
    std::optional<std::int64_t> last_checkpoint;
    std::optional<base::Timestamp> last_checkpoint_at;
    // Records that no checkpoint covers: only the chain itself and, if signed, the trailer vouch.
    std::int64_t records_after_checkpoint = 0;
    std::optional<crypto::Ed25519PublicKey> key;  // of the last valid signature
    bool key_trusted = false;                     // it is one of trusted_keys
    bool trailer_signed = false;

    bool intact() const { return !fault.has_value(); }
};

// Checks an export as it comes in, in memory bounded by one line and the chain heads. Every line
// must be byte for byte what the exporter writes for its content, every record must continue its
// chain, every checkpoint must be signed and name exactly the heads reached, and the trailer must
// close the file. It finds edits, deletions, reordering and truncation; what it cannot find is a
// rewritten end after the last signature. Not thread safe.
class ExportVerifier {
public:
    explicit ExportVerifier(VerifyOptions options);
    ~ExportVerifier();
    ExportVerifier(ExportVerifier&&) noexcept;

    // Any split of the file. False once a fault is known: further bytes change nothing.
    bool feed(std::string_view bytes);
    // Call once, at the end of the file.
    AuditReport finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

// Reads the stream to its end or to the first fault. Unavailable: the stream cannot be read.
Result<AuditReport> verify_export(std::istream& in, VerifyOptions options);

}  // namespace adyton::audit

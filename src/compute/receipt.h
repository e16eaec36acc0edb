#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "compute/keys.h"
#include "crypto/digest.h"
#include "crypto/ed25519.h"
#include "crypto/p256.h"

namespace adyton::compute {

// What the service states about one job that it ran (decisions.md 17). Signed bytes: the transcript
// "receipt", that is "adyton/receipt/v1", with the tags
//    1 job id           2 user              3 code hash (32)      4 entry point    5 app id
//    6 input form: "plain" (canonical JSON) or "sealed" (the box as sent)
//    7 input hash (32)  8 secrets: the transcript "receipt-secrets" with, for the n-th of them in
//      order of use, the tags 3n+1 owner, 3n+2 name, 3n+3 version (u64be)
//    9 fetch transcript hash (32; job_result.h)
//   10 gas_used        11 metered_gas (u64be)
//   12 limits: the transcript "receipt-limits" with 1 time in ms, 2 memory in bytes, 3 metered gas
//      (0: no cap), 4 calls to the broker (all u64be)
//   13 layers that were active, names joined by ','
//   14 status          15 error code (empty: none)
//   16 output hash (32, empty: no output)  17 sealed output's hash (32, empty: none)
//   18 console hash (32): the transcript "receipt-console" with two tags a line, 2n+1 level and
//      2n+2 text, of the last 100 at most
//   19 started_at, 20 finished_at (microseconds since 1970, u64be)
//   21 service version 22 engine (name and hash of the module)
//   23 key id: Ed25519 public key (32)     24 P-256 public key (33, compressed)
//   25 language, for scripts that were not sent as JavaScript: "typescript" and what took the types
//      out (name, version, hash); absent otherwise
// The Ed25519 signature is over these bytes, the P-256 one (ECDSA, low s, r || s) over their
// SHA-256: what Neo's CryptoLib.verifyWithECDsa checks with curve secp256r1SHA256.
struct Receipt {
    struct Secret {
        std::string owner;
        std::string name;
        std::int64_t version = 0;
        bool operator==(const Secret&) const = default;
    };
    struct Limits {
        std::uint64_t time_ms = 0;
        std::uint64_t memory_bytes = 0;
        std::uint64_t metered_gas = 0;
        std::uint64_t fetches = 0;
        bool operator==(const Limits&) const = default;
    };

    std::string job_id;
    std::string user;
    crypto::Sha256Digest code_hash;
    std::string language;  // tag 25; empty: JavaScript
    std::string entry_point;
    std::string app_id;
    std::string input_form = "plain";
    crypto::Sha256Digest input_hash;
    std::vector<Secret> secrets;
    crypto::Sha256Digest fetch_hash;
    std::uint64_t gas_used = 0;
    std::uint64_t metered_gas = 0;
    Limits limits;
    std::string layers;
    std::string status;
    std::string error_code;
    std::optional<crypto::Sha256Digest> output_hash;
    std::optional<crypto::Sha256Digest> sealed_output_hash;
    crypto::Sha256Digest console_hash;
    base::Timestamp started_at;
    base::Timestamp finished_at;
    std::string version;
    std::string engine;
    bool operator==(const Receipt&) const = default;
};

// A console line as it is hashed.
using ConsoleLine = std::pair<std::string, std::string>;  // level, text
crypto::Sha256Digest console_hash(const std::vector<ConsoleLine>& lines);

struct SignedReceipt {
    Receipt receipt;
    crypto::Ed25519PublicKey ed25519_key;
    crypto::P256PublicKey p256_key;
    crypto::Ed25519Signature ed25519_signature;
    crypto::P256Signature p256_signature;

    // The one text of a receipt: compact JSON without a byte to spare, so that a file is this
    // receipt exactly if its bytes are these.
    std::string to_json_text() const;
    base::Bytes signed_bytes() const;
};

base::Bytes receipt_transcript(
    const Receipt& receipt, const crypto::Ed25519PublicKey& ed25519_key,
    const crypto::P256PublicKey& p256_key);

// Internal: the signature failed its self-check.
Result<SignedReceipt> sign_receipt(const ComputeKeys& keys, Receipt receipt);

// Reads the exact text of to_json_text(), a final newline allowed. InvalidArgument: anything else,
// also the same members in another form. Signatures are not looked at.
Result<SignedReceipt> parse_receipt(std::string_view text);

// Both signatures. PermissionDenied, reason "bad_signature".
Result<void> check_signatures(const SignedReceipt& receipt);

}  // namespace adyton::compute

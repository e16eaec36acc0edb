#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace adyton::attest {

using ReportData = std::array<std::uint8_t, 64>;

// What a service states about itself and hardware evidence binds. The 64 bytes of report data are
// SHA-512 over the tagged transcript (crypto/transcript.h) of kind "attest" with these fields:
//   1 service id          5 SHA-256 of the TLS leaf's SPKI     9 software version
//   2 key purpose         6 policy digest                     10 SHA-256 of the Coordinator's root
//   3 public key, raw     7 the verifier's nonce              11 signing keys, "NAME:HEX\n" each
//   4 key algorithm       8 issued at, seconds (u64be)        12 build id
// 1 to 4 and 7 to 9 always stand there (the nonce may be empty), the others when they are known.
struct AttestationClaims {
    static constexpr std::size_t kNonceBytesMax = 64;

    std::string service_id;  // "neoaccounts"
    std::string purpose;     // "pool-master"
    base::Bytes public_key;  // P-256: 33 bytes compressed; X25519, Ed25519: 32
    std::string algorithm;   // "p256"
    std::optional<crypto::Sha256Digest> tls_spki;
    std::optional<crypto::Sha256Digest> policy_digest;
    base::Bytes nonce;
    std::uint64_t issued_at = 0;  // Unix seconds by the host's clock: informational
    std::string version;
    std::optional<crypto::Sha256Digest> coordinator_root;
    std::map<std::string, std::string> signing_keys;  // "receipt-ed25519" -> hex
    std::string build_id;

    // CHECK: the nonce's size.
    ReportData report_data() const;
    // {"service_id", "purpose", "pubkey", "alg", "tls_spki_sha256", "policy_digest", "nonce"
    // (base64url without padding), "issued_at", "version", "coordinator_root_sha256",
    // "signing_keys", "build_id"}; what is not known is absent.
    base::Json to_json() const;
    // InvalidArgument "malformed": unknown members, wrong types, upper-case hex, sizes.
    static Result<AttestationClaims> parse(const base::Json& json);
};

// base64url without padding (RFC 4648, 5). InvalidArgument "malformed".
std::string base64url_encode(base::ByteView bytes);
Result<base::Bytes> base64url_decode(std::string_view text);

}  // namespace adyton::attest

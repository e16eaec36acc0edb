#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "attest/attestation_policy.h"
#include "attest/claims.h"
#include "attest/collateral.h"
#include "attest/evidence.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::attest {

// What a service serves and a client checks: claims, and evidence that binds them. As JSON:
// {"format": "adyton/attest/v1", "type": "sgx-dcap" | "tdx-dcap" | "sev-snp" | "simulated",
//  "evidence": BASE64, "aux": {"snp_certs": BASE64, "collateral": {...}}, "claims": {...},
//  "report_data": HEX}. aux may be absent; report_data is for reading and must agree.
struct AttestationBundle {
    static constexpr std::string_view kFormat = "adyton/attest/v1";
    static constexpr std::size_t kBytesMax = 2 * 1024 * 1024;

    AttestationClaims claims;
    Evidence evidence;
    std::optional<DcapCollateral> collateral;

    base::Json to_json() const;
    // InvalidArgument "malformed": anything that is not as above, evidence that is not base64, a
    // report_data that is not that of the claims.
    static Result<AttestationBundle> parse(const base::Json& json);
    // A bundle, or an answer of GET /master-key, whose "attestation" it is; its pubkey, hash and
    // simulated must then agree with it.
    static Result<AttestationBundle> parse_answer(std::string_view text);
};

struct BundleOptions {
    base::Timestamp at;
    std::optional<base::Bytes> nonce;              // must be the claims' nonce
    std::optional<crypto::Sha256Digest> tls_spki;  // must be the claims'
    std::optional<std::uint64_t> age_seconds_max;  // from issued_at to `at`
    std::optional<DcapCollateral> collateral;      // instead of the bundle's
    std::string snp_key;                           // DER of the VCEK, instead of the bundle's
    std::string snp_chain;                         // PEM of ASK and ARK
    std::optional<crypto::Sha256Digest> root;      // another than the vendor's, for tests
};

struct BundleVerdict {
    EvidenceFacts facts;
    std::optional<DcapVerdict> dcap;
    std::optional<SnpVerdict> snp;
};

// Verifies the evidence and that it binds exactly the claims. PermissionDenied by reason: those of
// verify_dcap and verify_snp, then "binding_mismatch" (report data, nonce, TLS key), "stale".
// Whether the program is welcome is evaluate()'s to say. InvalidArgument: no collateral, or no chip
// key, is at hand.
Result<BundleVerdict> verify_bundle(const AttestationBundle& bundle, const BundleOptions& options);

}  // namespace adyton::attest

#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "attest/activation_message.h"
#include "attest/attestation_bundle.h"
#include "attest/attestation_policy.h"
#include "attest/evidence.h"
#include "base/bytes.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/secret.h"
#include "crypto/x25519.h"

// Attested key release without MarbleRun (enclave.md 7.4). A booting service asks the releaser for
// a challenge, makes a key for this one exchange, and shows evidence that binds both: a bundle
// (claims.h) with
//   service_id = the marble type, purpose "activation", alg "x25519", pubkey = the key, nonce = the
//   challenge.
// The releaser verifies it against the policy of that type and answers the Parameters message of a
// MarbleRun activation, sealed to the key: only the program that the evidence measured can open it,
// whoever carries the messages.
//
//   sealed = AES-256-GCM(K, Parameters, associated data = the 64 bytes of report data)
//   K = HKDF-SHA256(X25519(releaser's fresh key, pubkey), salt = challenge,
//                   info = "adyton/release/v1" || releaser's key || pubkey)
namespace adyton::attest {

// What programs of one type get, and which programs those are.
struct ReleaseGrant {
    AttestationPolicy policy;
    std::map<std::string, crypto::SecretBuffer> env;
    // What judging needs besides the evidence: Intel's collateral (instead of the bundle's), the
    // chip's VCEK in DER and AMD's ASK and ARK in PEM.
    std::optional<DcapCollateral> collateral;
    std::string snp_key;
    std::string snp_chain;
    std::optional<crypto::Sha256Digest> root;  // another than the vendor's, for tests
};

struct ReleaseOptions {
    base::Duration challenge_ttl = std::chrono::minutes(1);
    std::size_t challenges_max = 1024;  // outstanding; then the oldest is forgotten
};

// A released answer: everybody may see it.
struct SealedRelease {
    crypto::X25519PublicKey key;  // the releaser's, for this one answer
    base::Bytes sealed;

    base::Json to_json() const;                                  // {"key": HEX, "sealed": BASE64}
    static Result<SealedRelease> parse(const base::Json& json);  // InvalidArgument "malformed"
};

// Thread safe. References must outlive it.
class KeyReleaser {
public:
    // `grants` by marble type.
    KeyReleaser(
        const base::Clock& clock, base::RandomSource& random,
        std::map<std::string, ReleaseGrant> grants, ReleaseOptions options = {});
    ~KeyReleaser();
    KeyReleaser(const KeyReleaser&) = delete;
    KeyReleaser& operator=(const KeyReleaser&) = delete;

    static constexpr std::size_t kChallengeSize = 32;
    // Good for one release.
    base::Bytes challenge();

    struct Released {
        SealedRelease answer;
        EvidenceFacts facts;  // for the audit record
        Acceptance acceptance = Acceptance::Simulated;
    };
    // PermissionDenied by reason: "release_challenge" (not ours, used before, too old),
    // "release_unknown_type", "binding_mismatch" (another purpose or kind of key), and those of
    // verify_bundle() and evaluate(). A refused release uses its challenge up. InvalidArgument: the
    // bundle brings no collateral.
    Result<Released> release(const AttestationBundle& bundle);

private:
    Result<void> use_challenge(const base::Bytes& nonce);
    Result<SealedRelease> seal(const AttestationBundle& bundle, const ReleaseGrant& grant);

    const base::Clock& clock_;
    base::RandomSource& random_;
    const std::map<std::string, ReleaseGrant> grants_;
    const ReleaseOptions options_;
    std::mutex mutex_;
    std::vector<std::pair<base::Bytes, base::SteadyTime>> challenges_;  // oldest first
};

// The booting service's side: one exchange.
class ReleaseRequest {
public:
    // Errors of the provider. Blocks as it does.
    static Result<ReleaseRequest> create(
        const std::string& marble_type, base::Bytes challenge, const std::string& version,
        EvidenceProvider& evidence, base::RandomSource& random, base::Timestamp now);

    const AttestationBundle& bundle() const { return bundle_; }
    // PermissionDenied "bad_signature": not sealed to this request. Errors of
    // ActivationParameters::parse.
    Result<ActivationParameters> open(const SealedRelease& answer) const;

private:
    ReleaseRequest(crypto::X25519KeyPair key, AttestationBundle bundle)
        : key_(std::move(key)), bundle_(std::move(bundle)) {}

    crypto::X25519KeyPair key_;
    AttestationBundle bundle_;
};

}  // namespace adyton::attest

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "attest/attestation_bundle.h"
#include "attest/claims.h"
#include "attest/evidence.h"
#include "base/bytes.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace adyton::attest {

struct AttestationLimits {
    // How long a bundle without nonce is served before the platform is asked again.
    base::Duration refresh = std::chrono::minutes(10);
    // Bundles for a nonce cost a call of the hardware and are asked for by strangers: so many at
    // once, then one more each period; for one address, and for all together.
    double burst_per_peer = 4;
    base::Duration period_per_peer = std::chrono::seconds(10);
    double burst = 16;
    base::Duration period = std::chrono::seconds(1);
    // Calls that wait for the platform, the running one included.
    std::size_t waiting_max = 4;
    std::size_t peers_max = 4096;  // addresses remembered
};

// What a service states about itself, with evidence: the bundle of GET /master-key and GET
// /attestation. Thread safe once built.
class AttestationService {
public:
    // `claims`: service id, version, build id and what else is known; keys come by set_key() and
    // add_signing_key(). `clock` must outlive it.
    AttestationService(
        const base::Clock& clock, std::unique_ptr<EvidenceProvider> provider,
        AttestationClaims claims, AttestationLimits limits = {});
    ~AttestationService();
    AttestationService(const AttestationService&) = delete;
    AttestationService& operator=(const AttestationService&) = delete;

    // Each makes the next bundle a new one. Which service this is; until that is said, there is
    // nothing to attest.
    void set_service(std::string service_id);
    bool has_service() const;
    // The key that the purpose names, raw ("p256": 33 bytes,
    // "ed25519": 32).
    void set_key(std::string purpose, base::Bytes public_key, std::string algorithm);
    // A key under which this service signs statements that strangers check: "audit-ed25519",
    // "receipt-ed25519". The public key in lower-case hex.
    void add_signing_key(const std::string& name, const std::string& public_key_hex);
    void set_policy_digest(std::optional<crypto::Sha256Digest> digest);
    // Of the certificate that the listener shows; changes with a reload.
    void set_tls_spki(std::optional<crypto::Sha256Digest> spki);

    struct Served {
        AttestationBundle bundle;
        std::string json;  // the bundle as text
    };
    using ServedPtr = std::shared_ptr<const Served>;  // shared by cache and the answers under way

    // The bundle without nonce: the same bytes until it is refreshed. On an executor. Errors of
    // EvidenceProvider::collect (a hardware platform that gives nothing is never answered with
    // less); ResourceExhausted, reason "attestation_busy": too many wait for the platform.
    Task<Result<ServedPtr>> cached();
    // One that binds this nonce; at most 64 bytes, or InvalidArgument. `peer`: the caller's
    // "address:port". ResourceExhausted, reason "attestation_rate": asked too often; and as above.
    Task<Result<ServedPtr>> fresh(base::Bytes nonce, std::string_view peer);

    PlatformMode mode() const;
    bool simulated() const { return mode() == PlatformMode::Simulation; }
    // {"mode", "simulated", "build_id", "version", "signing_keys"} for GET /info.
    base::Json info() const;
    AttestationClaims claims() const;  // without nonce and time

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with calls of the platform that outlive a request
};

// The identity of the running program: its GNU build id in hex ("readelf -n"), empty when it was
// linked without one.
std::string running_build_id();

// SHA-256 of the public key info of the first certificate of a PEM chain. InvalidArgument: none.
Result<crypto::Sha256Digest> leaf_spki(std::string_view certificate_chain_pem);

}  // namespace adyton::attest

#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attest/activation_message.h"
#include "attest/evidence.h"
#include "base/random.h"
#include "base/result.h"
#include "crypto/digest.h"
#include "crypto/secret.h"

// Being a MarbleRun marble without MarbleRun's pre-main: this program shows its quote to the
// Coordinator, which gives it its secrets and its certificate, straight into locked memory
// (enclave.md 1.4). Before anything received is used, the Coordinator proves that it is the pinned
// one (1.14): a genuine enclave that took its keys from somebody else's Coordinator would attest
// them all the same.
namespace adyton::attest {

struct MarbleOptions {
    std::string coordinator = "localhost:2001";  // EDG_MARBLE_COORDINATOR_ADDR
    std::string marble_type;                     // EDG_MARBLE_TYPE
    std::vector<std::string> dns_names = {"localhost"};
    std::string uuid_file = "uuid";
    // SHA-256 of the Coordinator's root certificate (DER). Nothing: whoever answers is believed,
    // for trials only.
    std::optional<crypto::Sha256Digest> coordinator_root;
    std::chrono::milliseconds timeout{10'000};  // of one call
    // How often it is asked again while it is not ready or not there, with growing pauses.
    int attempts_max = 60;
    std::chrono::milliseconds pause_min{500};
    std::chrono::milliseconds pause_max{15'000};
    // How the pauses pass; empty: this thread sleeps.
    std::function<void(std::chrono::milliseconds)> pause;
};

// The names under which an activation brings the marble's own credentials.
inline constexpr const char* kMarbleChain = "MARBLE_PREDEFINED_MARBLE_CERTIFICATE_CHAIN";
inline constexpr const char* kMarbleKey = "MARBLE_PREDEFINED_PRIVATE_KEY";
inline constexpr const char* kMarbleRoot = "MARBLE_PREDEFINED_ROOT_CA";
inline constexpr const char* kCoordinatorRoot = "MARBLE_PREDEFINED_COORDINATOR_ROOT_CA";

struct MarbleActivation {
    ActivationParameters parameters;
    std::string uuid;
    crypto::Sha256Digest coordinator_root;
};

// One activation. Blocks: for main, before there are threads. `evidence` null: no quote, which only
// a Coordinator outside of enclaves accepts. InvalidArgument: options, or a UUID file that holds
// none. Unavailable "coordinator_not_ready": still no manifest, or nobody there, after all
// attempts. PermissionDenied "activation_refused": it does not want this program; and those of
// check_coordinator(): "coordinator_pin", "coordinator_chain", "coordinator_server",
// "marble_certificate". CorruptData, TooLarge: the answer.
Result<MarbleActivation> activate_marble(
    const MarbleOptions& options, EvidenceProvider* evidence, base::RandomSource& random);

// Remembers which secrets an activation brought, without keeping them, so that a later one can be
// held against it: certificates and their key are renewed, a master key never is.
class ActivationMemory {
public:
    explicit ActivationMemory(base::RandomSource& random);
    // `names`: the variables that hold secrets which must stay the same.
    void remember(const ActivationParameters& parameters, const std::vector<std::string>& names);
    // Conflict, reason "activation_secret_changed", naming the variable: one is another, is gone
    // or is new.
    Result<void> check(const ActivationParameters& parameters) const;

private:
    crypto::Sha256Digest fingerprint(const crypto::SecretBuffer& value) const;

    crypto::SecretBytes<32> salt_;
    std::map<std::string, std::optional<crypto::Sha256Digest>> known_;
};

// The marble's lasting name: 36 characters in a file of mode 0600, made when it is not there.
// InvalidArgument: it holds no UUID. PermissionDenied, Unavailable: the file.
Result<std::string> load_or_create_uuid(const std::string& path, base::RandomSource& random);

}  // namespace adyton::attest

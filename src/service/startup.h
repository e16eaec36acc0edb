#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attest/peer_identity.h"
#include "attest/secret_source.h"
#include "base/result.h"
#include "http/server.h"
#include "http/tls.h"
#include "service/config.h"
#include "service/frame.h"
#include "service/settings.h"

// From the configuration to the parts that `serve` is made of. Main thread, before threads start,
// but for TrustLoader::load.

namespace adyton::service {

// The settings of serve, and how they depend on each other: minimum and maximum, certificate and
// key, durations. Errors as Config::load; obsolete variables become warnings.
Result<Config> load_serve_config(const ConfigInputs& inputs);

// Variables besides the settings' that decide something here: for read_environment.
std::span<const std::string_view> watched_variables();

// Why the host's variables demand strict identity, one text each ("MARBLE_ENV is production");
// empty when they do not (decisions.md 10, services.md 1.5).
std::vector<std::string> strict_triggers(const ConfigInputs& inputs);

// Strict unless the flag said development. InvalidArgument: development by another way than the
// flag, on a listener that is not loopback, or where the host demands strict; strict without
// certificate, key and an authority for clients.
Result<attest::IdentityMode> decide_identity_mode(const Config& config, const ConfigInputs& inputs);

// Certificates, key and trust of the service's listener, and who the trusted authorities may vouch
// for. Both come from the same files, so both are read together and again for a reload.
class TrustLoader {
public:
    struct Trust {
        std::shared_ptr<const http::TlsContext> tls;  // null: no certificate is configured
        attest::CertificateIdentifier identifier;
    };

    // SHA-256 of the public key info of the certificate that the last load() read; nothing when
    // none is configured.
    const std::optional<crypto::Sha256Digest>& certificate_spki() const { return spki_; }

    // For calls to other services with this one's certificate, trusting the same authorities; null
    // when no certificate is configured. Of the last load().
    const std::shared_ptr<const http::TlsContext>& client_tls() const { return client_tls_; }

    // Both must outlive the loader.
    TrustLoader(const Config& config, attest::IdentityMode mode, attest::SecretSource& secrets)
        : config_(config), mode_(mode), secrets_(secrets) {}

    // InvalidArgument: malformed or contradicting settings or certificates; errors of
    // SecretSource. After a first load that took the key from the environment, a second fails with
    // NotFound: a variable is read once.
    Result<Trust> load();

private:
    Result<std::shared_ptr<const http::TlsContext>> load_tls(
        const std::vector<std::string>& authorities);

    const Config& config_;
    attest::IdentityMode mode_;
    attest::SecretSource& secrets_;
    std::optional<crypto::Sha256Digest> spki_;
    std::shared_ptr<const http::TlsContext> client_tls_;
};

// Limits and addresses of the two listeners. "localhost" becomes 127.0.0.1. Unset metrics address
// or metrics.enabled = false: nothing for the operator.
http::ServerOptions server_options(const Config& config);
std::optional<http::ServerOptions> operator_server_options(const Config& config);

}  // namespace adyton::service

#include "apps/connection.h"

#include <chrono>
#include <optional>

#include "attest/secret_source.h"
#include "http/tls.h"
#include "http/url.h"

namespace adyton::apps {
namespace {

attest::SecretReference file(const std::string& path) {
    return {attest::SecretReference::Kind::File, path};
}

Result<std::shared_ptr<const http::TlsContext>> load_tls(const ConnectionOptions& options) {
    attest::SecretSource source;
    std::string ca;
    std::string certificate;
    crypto::SecretBuffer key;
    if (!options.ca.empty()) {
        TRY(ca, source.read_public_text(file(options.ca)));
    }
    if (options.certificate.empty() != options.key.empty()) {
        return Error::invalid_argument("--cert and --key belong together");
    }
    if (!options.certificate.empty()) {
        TRY(certificate, source.read_public_text(file(options.certificate)));
        TRY(key, source.read(file(options.key)));
    }
    http::ClientTlsOptions tls;
    if (!ca.empty()) tls.server_ca_pem.push_back(ca);
    tls.certificate_chain_pem = certificate;
    if (!key.empty()) tls.private_key_pem = base::as_text(key.expose());
    return http::TlsContext::create_client(tls);
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const ConnectionOptions& options) {
    TRY(const auto url, http::Url::parse(options.url));
    if (url.target != "/") {
        return Error::invalid_argument("--url has a path; give the server's address only");
    }
    http::ClientOptions client;
    client.response_bytes_max = options.response_bytes_max;
    if (url.tls) {
        TRY(client.tls, load_tls(options));
    } else if (!options.certificate.empty() || !options.ca.empty()) {
        return Error::invalid_argument("certificates are given, but --url does not say https");
    }
    std::unique_ptr<Connection> out(new Connection());
    out->client_ = std::make_unique<http::Client>(out->loop_, std::move(client));
    api::PoolClientOptions pool;
    pool.base_url = options.url;
    pool.service_id = options.service;
    pool.attempt_timeout = std::chrono::seconds(options.attempt_seconds);
    pool.total_timeout = std::chrono::seconds(options.timeout_seconds);
    out->pool_ =
        std::make_unique<api::PoolClient>(*out->client_, out->loop_, out->random_, std::move(pool));
    return out;
}

}  // namespace adyton::apps

#include "apps/keystore_connection.h"

#include <algorithm>
#include <chrono>

#include "http/tls.h"
#include "http/url.h"

namespace adyton::apps {
namespace {

constexpr const char* kTokenVariable = "KEYSTORE_AUTH_TOKEN";

bool is_local(std::string_view url) {
    return url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:") ||
           url.starts_with("http://[::1]:");
}

// A file's final newline is no part of the token.
void drop_line_end(crypto::SecretBuffer& token) {
    while (token.size() > 0 && (token.expose().back() == '\n' || token.expose().back() == '\r')) {
        token.shrink(token.size() - 1);
    }
}

Result<crypto::SecretBuffer> read_token(
    const KeystoreConnectionOptions& options, attest::SecretSource& secrets) {
    using Kind = attest::SecretReference::Kind;
    if (!options.token_file.empty()) {
        TRY(auto token, secrets.read({Kind::File, options.token_file}));
        drop_line_end(token);
        return token;
    }
    if (secrets.has_environment(kTokenVariable)) {
        return secrets.read({Kind::Environment, kTokenVariable});
    }
    if (is_local(options.url)) {
        return crypto::SecretBuffer::copy_of(base::as_bytes(kDevelopmentOperatorToken));
    }
    return Error::invalid_argument("no token: give --token-file, or set KEYSTORE_AUTH_TOKEN");
}

}  // namespace

Result<std::unique_ptr<KeystoreConnection>> KeystoreConnection::open(
    const KeystoreConnectionOptions& options, attest::SecretSource& secrets) {
    TRY(const auto url, http::Url::parse(options.url));
    if (url.target != "/") {
        return Error::invalid_argument("--url has a path; give the server's address only");
    }
    TRY(auto token, read_token(options, secrets));
    http::ClientOptions client;
    if (url.tls) {
        http::ClientTlsOptions tls;
        std::string ca;
        if (!options.ca.empty()) {
            TRY(ca, secrets.read_public_text({attest::SecretReference::Kind::File, options.ca}));
            tls.server_ca_pem.push_back(ca);
        }
        TRY(client.tls, http::TlsContext::create_client(tls));
    } else if (!is_local(options.url)) {
        return Error::invalid_argument("a token travels over https only; --url says http");
    }
    std::unique_ptr<KeystoreConnection> out(new KeystoreConnection());
    out->client_ = std::make_unique<http::Client>(out->loop_, std::move(client));
    api::KeystoreClientOptions keystore;
    keystore.base_url = options.url;
    while (keystore.base_url.ends_with('/')) keystore.base_url.pop_back();
    keystore.attempt_timeout = std::chrono::seconds(options.timeout_seconds);
    out->keystore_ = std::make_unique<api::HttpKeystoreClient>(
        *out->client_, out->loop_, out->random_, std::move(token), std::move(keystore));
    return out;
}

}  // namespace adyton::apps

#include "apps/keystore_connection.h"

#include <chrono>

#include "apps/token_connection.h"

namespace adyton::apps {
namespace {

constexpr const char* kTokenVariable = "KEYSTORE_AUTH_TOKEN";

Result<crypto::SecretBuffer> read_token(
    const KeystoreConnectionOptions& options, attest::SecretSource& secrets) {
    using Kind = attest::SecretReference::Kind;
    if (!options.token_file.empty()) {
        return read_line_secret(secrets, {Kind::File, options.token_file});
    }
    if (secrets.has_environment(kTokenVariable)) {
        return secrets.read({Kind::Environment, kTokenVariable});
    }
    if (is_this_machine(options.url)) {
        return crypto::SecretBuffer::copy_of(base::as_bytes(kDevelopmentOperatorToken));
    }
    return Error::invalid_argument("no token: give --token-file, or set KEYSTORE_AUTH_TOKEN");
}

}  // namespace

Result<std::unique_ptr<KeystoreConnection>> KeystoreConnection::open(
    const KeystoreConnectionOptions& options, attest::SecretSource& secrets) {
    TRY(auto transport,
        token_transport(
            options.url, options.ca, secrets, "a token travels over https only; --url says http"));
    TRY(auto token, read_token(options, secrets));
    std::unique_ptr<KeystoreConnection> out(new KeystoreConnection());
    out->client_ = std::make_unique<http::Client>(out->loop_, std::move(transport.client));
    api::KeystoreClientOptions keystore;
    keystore.base_url = std::move(transport.base_url);
    keystore.attempt_timeout = std::chrono::seconds(options.timeout_seconds);
    out->keystore_ = std::make_unique<api::HttpKeystoreClient>(
        *out->client_, out->loop_, out->random_, std::move(token), std::move(keystore));
    return out;
}

}  // namespace adyton::apps

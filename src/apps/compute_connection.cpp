#include "apps/compute_connection.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <utility>

#include "http/tls.h"
#include "http/url.h"

namespace adyton::apps {
namespace {

constexpr const char* kKeyVariable = "ADYTON_COMPUTE_KEY";
constexpr const char* kDevelopmentUser = "developer";

bool is_local(std::string_view url) {
    return url.starts_with("http://127.0.0.1:") || url.starts_with("http://localhost:") ||
           url.starts_with("http://[::1]:");
}

Result<crypto::SecretBuffer> read_user_key(
    const ComputeConnectionOptions& options, attest::SecretSource& secrets) {
    using Kind = attest::SecretReference::Kind;
    crypto::SecretBuffer key;
    if (!options.key_file.empty()) {
        TRY(key, secrets.read({Kind::File, options.key_file}));
    } else if (secrets.has_environment(kKeyVariable)) {
        TRY(key, secrets.read({Kind::Environment, kKeyVariable}));
    }
    // A file's final newline is no part of the key.
    while (key.size() > 0 && (key.expose().back() == '\n' || key.expose().back() == '\r')) {
        key.shrink(key.size() - 1);
    }
    return key;
}

// {"message": ..., "details": {"reason": ...}} of a refusal.
Error refusal(http::Status status, const std::string& body) {
    std::string message = "the server answered " + std::to_string(http::status_number(status));
    std::string reason;
    const auto json = base::Json::parse(body);
    const base::Json* const text = json ? json->find("message") : nullptr;
    if (text != nullptr && text->is_string()) message = text->string_value();
    const base::Json* const details = json ? json->find("details") : nullptr;
    const base::Json* const word = details != nullptr ? details->find("reason") : nullptr;
    if (word != nullptr && word->is_string()) reason = word->string_value();
    return Error(http::error_code_of(status), std::move(message), std::move(reason));
}

}  // namespace

void add_compute_connection(CLI::App& command, ComputeConnectionOptions& options) {
    command.add_option("--url", options.url, "Where compute listens")->capture_default_str();
    command.add_option("--user", options.user, "Development: whose jobs and secrets [developer]");
    command.add_option(
        "--key-file", options.key_file,
        "File with a key of POST /user-keys [variable ADYTON_COMPUTE_KEY]");
    command.add_option("--ca", options.ca, "PEM file of the authority to trust, for https");
}

Result<std::unique_ptr<ComputeConnection>> ComputeConnection::open(
    const ComputeConnectionOptions& options, attest::SecretSource& secrets) {
    TRY(const auto url, http::Url::parse(options.url));
    if (url.target != "/") {
        return Error::invalid_argument("--url has a path; give the server's address only");
    }
    std::unique_ptr<ComputeConnection> out(new ComputeConnection());
    out->options_ = options;
    while (out->options_.url.ends_with('/')) out->options_.url.pop_back();
    TRY(out->key_, read_user_key(options, secrets));
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
        return Error::invalid_argument(
            "keys and secrets travel over https only; --url says http to another machine");
    }
    if (out->key_.empty() && options.user.empty()) out->options_.user = kDevelopmentUser;
    out->client_ = std::make_unique<http::Client>(out->loop_, std::move(client));
    return out;
}

Task<Result<std::string>> ComputeConnection::send_task(http::ClientRequest request) {
    auto sending = client_->send(std::move(request));
    CO_TRY(auto answer, co_await std::move(sending));
    const unsigned status = http::status_number(answer.status);
    if (status < 200 || status > 299) co_return refusal(answer.status, answer.body);
    co_return std::move(answer.body);
}

Result<std::string> ComputeConnection::send(
    std::string method, std::string path, std::string body) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = options_.url + path;
    request.body = std::move(body);
    request.timeout = std::chrono::seconds(options_.timeout_seconds);
    if (!options_.user.empty()) request.headers.add("X-User-ID", options_.user);
    if (!key_.empty()) {
        request.headers.add("Authorization", "Bearer " + std::string(base::as_text(key_.expose())));
    }
    return loop_.run_until_done(send_task(std::move(request)));
}

Result<base::Json> ComputeConnection::ask(std::string method, std::string path, std::string body) {
    TRY(const auto text, send(std::move(method), std::move(path), std::move(body)));
    return base::Json::parse(text);
}

}  // namespace adyton::apps

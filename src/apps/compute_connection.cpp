#include "apps/compute_connection.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <utility>

#include "apps/token_connection.h"

namespace adyton::apps {
namespace {

constexpr const char* kKeyVariable = "ADYTON_COMPUTE_KEY";
constexpr const char* kDevelopmentUser = "developer";

Result<crypto::SecretBuffer> read_user_key(
    const ComputeConnectionOptions& options, attest::SecretSource& secrets) {
    using Kind = attest::SecretReference::Kind;
    if (!options.key_file.empty()) {
        return read_line_secret(secrets, {Kind::File, options.key_file});
    }
    if (secrets.has_environment(kKeyVariable)) {
        return read_line_secret(secrets, {Kind::Environment, kKeyVariable});
    }
    return crypto::SecretBuffer();
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
    TRY(auto transport,
        token_transport(
            options.url, options.ca, secrets,
            "keys and secrets travel over https only; --url says http to another machine"));
    std::unique_ptr<ComputeConnection> out(new ComputeConnection());
    out->options_ = options;
    out->options_.url = std::move(transport.base_url);
    TRY(out->key_, read_user_key(options, secrets));
    if (out->key_.empty() && options.user.empty()) out->options_.user = kDevelopmentUser;
    out->client_ = std::make_unique<http::Client>(out->loop_, std::move(transport.client));
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

#include "apps/workflow_connection.h"

#include <chrono>
#include <utility>

#include "apps/token_connection.h"

namespace adyton::apps {
namespace {

constexpr const char* kTokenVariable = "INTERNAL_WALLET_AUTH_TOKEN";

Result<crypto::SecretBuffer> read_secret(
    const WorkflowConnectionOptions& options, attest::SecretSource& secrets) {
    using Kind = attest::SecretReference::Kind;
    if (!options.key_file.empty()) return read_line_secret(secrets, {Kind::File, options.key_file});
    if (options.wallet.empty()) {
        return Error::invalid_argument("whose workflows: give --wallet, or --key-file");
    }
    if (!options.token_file.empty()) {
        return read_line_secret(secrets, {Kind::File, options.token_file});
    }
    if (secrets.has_environment(kTokenVariable)) {
        return secrets.read({Kind::Environment, kTokenVariable});
    }
    if (is_this_machine(options.url)) {
        return crypto::SecretBuffer::copy_of(base::as_bytes(kDevelopmentInternalToken));
    }
    return Error::invalid_argument(
        "no token: give --token-file, or set INTERNAL_WALLET_AUTH_TOKEN");
}

}  // namespace

Result<std::unique_ptr<WorkflowConnection>> WorkflowConnection::open(
    const WorkflowConnectionOptions& options, attest::SecretSource& secrets) {
    TRY(auto transport,
        token_transport(
            options.url, options.ca, secrets, "a token travels over https only; --url says http"));
    std::unique_ptr<WorkflowConnection> out(new WorkflowConnection());
    TRY(out->secret_, read_secret(options, secrets));
    out->client_ = std::make_unique<http::Client>(out->loop_, std::move(transport.client));
    out->base_url_ = std::move(transport.base_url);
    out->wallet_ = options.wallet;
    out->is_api_key_ = !options.key_file.empty();
    out->timeout_ = std::chrono::seconds(options.timeout_seconds);
    return out;
}

Task<Result<http::Response>> WorkflowConnection::send(
    std::string method, std::string path, std::string body) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = base_url_ + path;
    request.timeout = timeout_;
    request.body = std::move(body);
    if (!request.body.empty()) request.headers.add("Content-Type", "application/json");
    const std::string_view secret = base::as_text(secret_.expose());
    if (is_api_key_) {
        request.headers.add("Authorization", "Bearer " + std::string(secret));
    } else {
        request.headers.add("X-Internal-Wallet-Auth", secret);
        request.headers.add("X-Wallet-Id", wallet_);
    }
    auto sending = client_->send(std::move(request));
    co_return co_await std::move(sending);
}

Result<WorkflowConnection::Reply> WorkflowConnection::ask(
    std::string method, std::string path, std::string body) {
    TRY(const auto response,
        loop_.run_until_done(send(std::move(method), std::move(path), std::move(body))));
    auto json = base::Json::parse(response.body, base::Json::Limits{128});
    if (!json) return Error::corrupt_data("the server's answer is no JSON");
    return Reply{static_cast<int>(http::status_number(response.status)), *std::move(json)};
}

void WorkflowConnection::pause(base::Duration delay) {
    constexpr auto kPause = [](base::Executor* executor, base::Duration span) -> Task<bool> {
        auto sleeping = base::sleep_for(*executor, span);
        co_await std::move(sleeping);
        co_return true;
    };
    loop_.run_until_done(kPause(&loop_, delay));
}

}  // namespace adyton::apps

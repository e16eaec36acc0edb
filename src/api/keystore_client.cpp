#include "api/keystore_client.h"

#include <algorithm>

#include "http/status.h"

namespace adyton::api {
namespace {

using base::Json;

std::string error_text(const std::string& body) {
    const auto json = Json::parse(body);
    const Json* const found = json ? json->find("error") : nullptr;
    if (found != nullptr && found->is_string()) return found->string_value();
    return "the keystore refused without a reason";
}

// Whether to ask again: nothing was refused for its own sake.
bool is_passing(const Error& error) {
    return error.code() == ErrorCode::Unavailable || error.code() == ErrorCode::OutcomeUnknown ||
           error.code() == ErrorCode::DeadlineExceeded ||
           error.code() == ErrorCode::ResourceExhausted;
}

Error refusal(const http::Response& response) {
    return Error(http::error_code_of(response.status), error_text(response.body));
}

}  // namespace

HttpKeystoreClient::HttpKeystoreClient(
    http::Transport& transport, base::Executor& executor, base::RandomSource& random,
    crypto::SecretBuffer token, KeystoreClientOptions options)
    : transport_(transport),
      executor_(executor),
      random_(random),
      token_(std::move(token)),
      options_(std::move(options)) {}

Task<Result<http::Response>> HttpKeystoreClient::attempt(
    const std::string& method, const std::string& path, const std::string& body) {
    http::ClientRequest request;
    request.method = method;
    request.url = options_.base_url + path;
    request.body = body;
    request.timeout = options_.attempt_timeout;
    request.headers.add("Content-Type", "application/json");
    std::string authorization = "Bearer ";
    authorization.append(base::as_text(token_.expose()));
    request.headers.add("Authorization", authorization);
    crypto::wipe({reinterpret_cast<std::uint8_t*>(authorization.data()), authorization.size()});
    auto sending = transport_.send(std::move(request));
    co_return co_await std::move(sending);
}

Task<Result<Json>> HttpKeystoreClient::exchange(
    std::string method, std::string path, std::string body) {
    base::Duration pause = options_.pause_first;
    for (unsigned number = 1;; ++number) {
        auto trying = attempt(method, path, body);
        auto answer = co_await std::move(trying);
        if (answer && http::status_number(answer->status) / 100 == 2) {
            auto json = Json::parse(answer->body);
            if (!json) co_return Error::corrupt_data("the keystore's answer is no JSON");
            co_return json;
        }
        Error error = answer ? refusal(*answer) : std::move(answer).error();
        if (!is_passing(error) || number >= options_.attempts_max) co_return error;
        // Drawn from the upper half, so that many who failed together do not come back together.
        std::array<std::uint8_t, 2> draw{};
        random_.fill(draw);
        const auto half = pause / 2;
        co_await base::sleep_for(executor_, half + half * (draw[0] * 256 + draw[1]) / 65'536);
        pause *= 2;
    }
}

Task<Result<Json>> HttpKeystoreClient::post(std::string path, std::string body) {
    auto exchanging = exchange("POST", std::move(path), std::move(body));
    co_return co_await std::move(exchanging);
}

Task<Result<Json>> HttpKeystoreClient::get(std::string path) {
    auto exchanging = exchange("GET", std::move(path), {});
    co_return co_await std::move(exchanging);
}

Task<Result<DeriveAddressResponse>> HttpKeystoreClient::derive_address(
    DeriveAddressRequest request) {
    auto exchanging = post("/wallet/derive-address", to_json_text(request));
    CO_TRY(const Json json, co_await std::move(exchanging));
    co_return parse_derive_address_response(json);
}

Task<Result<CheckPolicyResponse>> HttpKeystoreClient::check_policy(CheckPolicyRequest request) {
    auto exchanging = post("/wallet/check-policy", to_json_text(request));
    CO_TRY(const Json json, co_await std::move(exchanging));
    co_return parse_check_policy_response(json);
}

Task<Result<SignNep413Response>> HttpKeystoreClient::sign_nep413(SignNep413Request request) {
    auto exchanging = post("/wallet/sign-nep413", to_json_text(request));
    CO_TRY(const Json json, co_await std::move(exchanging));
    co_return parse_sign_nep413_response(json);
}

Task<Result<SignDelegateResponse>> HttpKeystoreClient::sign_delegate(SignDelegateRequest request) {
    auto exchanging = post("/wallet/sign-nep366-delegate", to_json_text(request));
    CO_TRY(const Json json, co_await std::move(exchanging));
    co_return parse_sign_delegate_response(json);
}

Task<Result<SignedTransactionResponse>> HttpKeystoreClient::sign_near_call(
    SignNearCallRequest request) {
    auto exchanging = post("/wallet/sign-near-call", to_json_text(request));
    CO_TRY(const Json json, co_await std::move(exchanging));
    co_return parse_signed_transaction_response(json);
}

Task<Result<PrepareFunctionCallKeyResponse>> HttpKeystoreClient::prepare_function_call_key(
    PrepareFunctionCallKeyRequest request) {
    auto exchanging = post("/wallet/direct-user/prepare-function-call-key", to_json_text(request));
    CO_TRY(const Json json, co_await std::move(exchanging));
    co_return parse_prepare_function_call_key_response(json);
}

Task<Result<SignedTransactionResponse>> HttpKeystoreClient::sign_scoped_calls(
    SignScopedCallsRequest request) {
    auto exchanging = post("/wallet/direct-user/sign-scoped-function-calls", to_json_text(request));
    CO_TRY(const Json json, co_await std::move(exchanging));
    co_return parse_signed_transaction_response(json);
}

}  // namespace adyton::api

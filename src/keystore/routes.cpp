#include <optional>

#include "keystore/internal/route_support.h"
#include "keystore/keystore_service.h"
#include "keystore/policy_check.h"
#include "keystore/records.h"
#include "keystore/signing.h"
#include "keystore/wallet_id.h"
#include "workflow/idempotency.h"

// The routes of coordinators (near.md 5.2, 5.3): authenticated by the frame; parse, act, answer.
namespace adyton::keystore {
namespace {

using http::Response;
using service::Call;
using Parts = KeystoreService::Parts;

// A signing route: how its requests are read, become orders and are answered.
template <typename Request, typename Reply>
struct SigningRoute {
    Result<Request> (*parse)(const base::Json&);
    Result<Order> (*order)(const KeyRing&, const Request&, std::uint32_t);
    Result<Reply> (*answer)(const Order&, const Signed&);
};

Result<std::string> idempotency_key(const Call& call) {
    const http::Headers& headers = call.request.headers;
    TRY(const auto key, workflow::choose_idempotency_key(
                            headers.find("Idempotency-Key"), headers.find("X-Idempotency-Key")));
    return key.value_or("");
}

// Whether the version that was guessed may be why it failed.
bool may_be_rotated(const Error& error) {
    return error.reason() == "key_version_changed" || error.code() == ErrorCode::InvalidArgument;
}

template <typename Request, typename Reply>
Task<Result<std::string>> sign_once(
    const Parts& parts, const SigningCall& call, const Request& request,
    const SigningRoute<Request, Reply>& route, std::uint32_t version) {
    CO_TRY(const Order order, route.order(parts.keys, request, version));
    auto signing = sign(parts.context, call, order);
    CO_TRY(const Signed made, co_await std::move(signing));
    CO_TRY(const Reply reply, route.answer(order, made));
    co_return api::to_json_text(reply);
}

template <typename Request, typename Reply>
Answer sign_route(Parts& parts, Call call, SigningRoute<Request, Reply> route) {
    CO_TRY_VOID(check_ready(parts));
    CO_TRY(const auto body, api::parse_keystore_body(call.request.body));
    CO_TRY(const Request request, route.parse(body));
    CO_TRY_VOID(check_wallet_id(request.wallet_id));
    SigningCall signing{caller_of(call), {}};
    CO_TRY(signing.idempotency_key, idempotency_key(call));
    std::uint32_t version = parts.versions.guess(request.wallet_id);
    for (;;) {
        auto trying = sign_once(parts, signing, request, route, version);
        auto text = co_await std::move(trying);
        if (text) co_return service::json_answer(*std::move(text));
        if (!may_be_rotated(text.error())) co_return failed(text.error());
        auto reading = read_version(parts, request.wallet_id);
        CO_TRY(const std::uint32_t current, co_await std::move(reading));
        if (current == version) co_return failed(text.error());
        version = current;
    }
}

// A route that only derives.
template <typename Request, typename Reply>
struct DerivingRoute {
    Result<Request> (*parse)(const base::Json&);
    Result<Reply> (*derive)(const KeyRing&, const Request&, std::uint32_t);
};

template <typename Request, typename Reply>
Answer derive_route(Parts& parts, Call call, DerivingRoute<Request, Reply> route) {
    CO_TRY_VOID(check_ready(parts));
    CO_TRY(const auto body, api::parse_keystore_body(call.request.body));
    CO_TRY(const Request request, route.parse(body));
    CO_TRY_VOID(check_wallet_id(request.wallet_id));
    auto reading = read_version(parts, request.wallet_id);
    CO_TRY(const std::uint32_t version, co_await std::move(reading));
    CO_TRY(const Reply reply, route.derive(parts.keys, request, version));
    co_return service::json_answer(api::to_json_text(reply));
}

Answer check_policy_route(Parts& parts, Call call) {
    CO_TRY_VOID(check_ready(parts));
    CO_TRY(const auto body, api::parse_keystore_body(call.request.body));
    CO_TRY(auto request, api::parse_check_policy_request(body));
    CO_TRY_VOID(check_wallet_id(request.wallet_id));
    auto reading = read_version(parts, request.wallet_id);
    CO_TRY(const std::uint32_t version, co_await std::move(reading));
    auto checking = check_policy(parts.context, std::move(request), version);
    CO_TRY(const auto answer, co_await std::move(checking));
    co_return service::json_answer(api::to_json_text(answer));
}

Answer encrypt_policy_route(Parts& parts, Call call) {
    CO_TRY_VOID(check_ready(parts));
    CO_TRY(const auto body, api::parse_keystore_body(call.request.body));
    CO_TRY(const auto request, api::parse_encrypt_policy_request(body));
    CO_TRY(auto sealed, encrypt_policy(parts.context, request));
    co_return service::json_answer(
        api::to_json_text(api::EncryptPolicyResponse{std::move(sealed)}));
}

Answer sign_policy_route(Parts& parts, Call call) {
    CO_TRY_VOID(check_ready(parts));
    CO_TRY(const auto body, api::parse_keystore_body(call.request.body));
    CO_TRY(auto request, api::parse_sign_policy_request(body));
    CO_TRY_VOID(check_wallet_id(request.wallet_id));
    auto reading = read_version(parts, request.wallet_id);
    CO_TRY(const std::uint32_t version, co_await std::move(reading));
    auto signing = sign_policy(parts.context, caller_of(call), std::move(request), version);
    CO_TRY(const auto answer, co_await std::move(signing));
    co_return service::json_answer(api::to_json_text(answer));
}

template <typename Route>
void add_signing(Parts& parts, service::ServiceFrame& frame, std::string_view path, Route route) {
    frame.add("POST", path, service::Access::Service, [&parts, route](Call call) {
        return sign_route(parts, call, route);
    });
}

template <typename Route>
void add_deriving(Parts& parts, service::ServiceFrame& frame, std::string_view path, Route route) {
    frame.add("POST", path, service::Access::Service, [&parts, route](Call call) {
        return derive_route(parts, call, route);
    });
}

void add_transactions(Parts& parts, service::ServiceFrame& frame) {
    using api::SignedTransactionResponse;
    add_signing(
        parts, frame, "/wallet/sign-near-call",
        SigningRoute<api::SignNearCallRequest, SignedTransactionResponse>{
            &api::parse_sign_near_call_request, &near_call_order, &transaction_answer});
    add_signing(
        parts, frame, "/wallet/sign-near-transfer",
        SigningRoute<api::SignNearTransferRequest, SignedTransactionResponse>{
            &api::parse_sign_near_transfer_request, &near_transfer_order, &transaction_answer});
    add_signing(
        parts, frame, "/wallet/sign-near-delete-account",
        SigningRoute<api::SignNearDeleteAccountRequest, SignedTransactionResponse>{
            &api::parse_sign_near_delete_account_request, &delete_account_order,
            &transaction_answer});
    add_signing(
        parts, frame, "/wallet/direct-user/sign-proof",
        SigningRoute<api::SignProofRequest, SignedTransactionResponse>{
            &api::parse_sign_proof_request, &user_proof_order, &transaction_answer});
    add_signing(
        parts, frame, "/wallet/direct-user/sign-function-calls",
        SigningRoute<api::SignFunctionCallsRequest, SignedTransactionResponse>{
            &api::parse_sign_function_calls_request, &user_calls_order, &transaction_answer});
    add_signing(
        parts, frame, "/wallet/direct-user/sign-scoped-function-calls",
        SigningRoute<api::SignScopedCallsRequest, SignedTransactionResponse>{
            &api::parse_sign_scoped_calls_request, &user_scoped_calls_order, &transaction_answer});
}

}  // namespace

Result<void> check_ready(const Parts& parts) {
    if (parts.ready.load()) return {};
    return Error::unauthenticated("Keystore not ready", "not_ready");
}

Result<void> check_operator(const Call& call) {
    if (call.caller().service_id.text() == kOperator) return {};
    return Error::permission_denied("this needs an operator's token", "operator_only");
}

Task<Result<std::uint32_t>> read_version(Parts& parts, std::string wallet_id) {
    auto unit = [&wallet_id](storage::Transaction& tx) {
        return records::key_version(tx, wallet_id);
    };
    auto read = parts.context.database.read(std::move(unit));
    CO_TRY(const std::uint32_t version, co_await std::move(read));
    parts.versions.note(wallet_id, version);
    co_return version;
}

Result<Response> failed(const Error& error) {
    if (error.reason() != "chain_query") return error;
    std::string body;
    base::JsonWriter out(body);
    out.begin_object().member("error", std::string_view(error.message())).end_object();
    return service::json_answer(std::move(body), http::Status::InternalServerError);
}

Response render_error(const http::ErrorInfo& error) {
    std::string body;
    base::JsonWriter out(body);
    const bool no_caller = error.code == "AUTH_REQUIRED";
    out.begin_object();
    out.member(
        "error", no_caller ? std::string_view("Unauthorized: an accepted bearer token is required")
                           : std::string_view(error.message));
    out.end_object();
    return service::json_answer(std::move(body), error.status);
}

void KeystoreService::register_routes(service::ServiceFrame& frame) {
    Parts& parts = *parts_;
    add_deriving(
        parts, frame, "/wallet/derive-address",
        DerivingRoute<api::DeriveAddressRequest, api::DeriveAddressResponse>{
            &api::parse_derive_address_request, &derive_address});
    add_deriving(
        parts, frame, "/wallet/direct-user/prepare-key",
        DerivingRoute<api::PrepareKeyRequest, api::PrepareKeyResponse>{
            &api::parse_prepare_key_request, &prepare_key});
    add_deriving(
        parts, frame, "/wallet/direct-user/prepare-function-call-key",
        DerivingRoute<api::PrepareFunctionCallKeyRequest, api::PrepareFunctionCallKeyResponse>{
            &api::parse_prepare_function_call_key_request, &prepare_function_call_key});
    add_signing(
        parts, frame, "/wallet/sign-nep413",
        SigningRoute<api::SignNep413Request, api::SignNep413Response>{
            &api::parse_sign_nep413_request, &nep413_order, &nep413_answer});
    add_signing(
        parts, frame, "/wallet/sign-nep366-delegate",
        SigningRoute<api::SignDelegateRequest, api::SignDelegateResponse>{
            &api::parse_sign_delegate_request, &delegate_order, &delegate_answer});
    add_transactions(parts, frame);
    const auto add = [&](std::string_view path, Answer (*handler)(Parts&, Call)) {
        frame.add("POST", path, service::Access::Service, [&parts, handler](Call call) {
            return handler(parts, call);
        });
    };
    add("/wallet/check-policy", &check_policy_route);
    add("/wallet/encrypt-policy", &encrypt_policy_route);
    add("/wallet/sign-policy", &sign_policy_route);
    register_operator_routes(parts, frame);
}

}  // namespace adyton::keystore

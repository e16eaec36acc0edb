#pragma once

#include <chrono>
#include <string>

#include "api/keystore_types.h"
#include "base/executor.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "crypto/secret.h"
#include "http/client.h"

namespace adyton::api {

// The keystore as the coordinator sees it (near.md 5.2 and the funding lane's signer). Errors:
//   InvalidArgument    400: the request's own fault, with the keystore's text
//   Unauthenticated    401: a wrong token, or a keystore that is not ready
//   PermissionDenied   403: the policy says no, with the rule in the text; approvals are missing
//   OutcomeUnknown, Unavailable, DeadlineExceeded, CorruptData: as http::Transport
// Signing is idempotent: a request that is repeated word for word gives the same signature and
// reserves nothing a second time.
class KeystoreClient {
public:
    virtual ~KeystoreClient() = default;

    virtual Task<Result<DeriveAddressResponse>> derive_address(DeriveAddressRequest request) = 0;
    virtual Task<Result<CheckPolicyResponse>> check_policy(CheckPolicyRequest request) = 0;
    virtual Task<Result<SignNep413Response>> sign_nep413(SignNep413Request request) = 0;
    virtual Task<Result<SignDelegateResponse>> sign_delegate(SignDelegateRequest request) = 0;
    virtual Task<Result<SignedTransactionResponse>> sign_near_call(SignNearCallRequest request) = 0;
    virtual Task<Result<PrepareFunctionCallKeyResponse>> prepare_function_call_key(
        PrepareFunctionCallKeyRequest request) = 0;
    virtual Task<Result<SignedTransactionResponse>> sign_scoped_calls(
        SignScopedCallsRequest request) = 0;
};

struct KeystoreClientOptions {
    std::string base_url = "http://127.0.0.1:8087";  // KEYSTORE_URL
    base::Duration attempt_timeout = std::chrono::seconds(10);
    // An attempt of unknown outcome, or one that was refused for the moment, is repeated: every
    // call may be.
    unsigned attempts_max = 3;
    base::Duration pause_first = std::chrono::milliseconds(100);
};

// Over HTTP: an external keystore with http::Client, one in this process with
// http::RouterTransport. Both go through the same routes, tokens and checks. Answers are bounded
// and checked for their form; what was signed is for the caller to verify.
class HttpKeystoreClient final : public KeystoreClient {
public:
    // All referenced must outlive the client, and the client its unfinished calls. `token` is the
    // bearer token (KEYSTORE_AUTH_TOKEN).
    HttpKeystoreClient(
        http::Transport& transport, base::Executor& executor, base::RandomSource& random,
        crypto::SecretBuffer token, KeystoreClientOptions options);

    Task<Result<DeriveAddressResponse>> derive_address(DeriveAddressRequest request) override;
    Task<Result<CheckPolicyResponse>> check_policy(CheckPolicyRequest request) override;
    Task<Result<SignNep413Response>> sign_nep413(SignNep413Request request) override;
    Task<Result<SignDelegateResponse>> sign_delegate(SignDelegateRequest request) override;
    Task<Result<SignedTransactionResponse>> sign_near_call(SignNearCallRequest request) override;
    Task<Result<PrepareFunctionCallKeyResponse>> prepare_function_call_key(
        PrepareFunctionCallKeyRequest request) override;
    Task<Result<SignedTransactionResponse>> sign_scoped_calls(
        SignScopedCallsRequest request) override;

    // Any route, for tools: the answer's JSON.
    Task<Result<base::Json>> post(std::string path, std::string body);
    Task<Result<base::Json>> get(std::string path);

private:
    Task<Result<base::Json>> exchange(std::string method, std::string path, std::string body);
    Task<Result<http::Response>> attempt(
        const std::string& method, const std::string& path, const std::string& body);

    http::Transport& transport_;
    base::Executor& executor_;
    base::RandomSource& random_;
    crypto::SecretBuffer token_;
    KeystoreClientOptions options_;
};

}  // namespace adyton::api

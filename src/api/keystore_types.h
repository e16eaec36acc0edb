#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

// Requests and answers of the keystore as they are on the wire (near.md 5): ids, amounts and keys
// as text, gas, nonces and heights as numbers. What the fields mean is checked by the keystore.
//
// parse_*_request: InvalidArgument for what is no JSON object of the right member types; unknown
// members are ignored, null counts as absent. parse_*_response: CorruptData. to_json_text: compact.
namespace adyton::api {

// How long texts of a request may be, in bytes.
inline constexpr std::size_t kWalletIdBytesMax = 128;
inline constexpr std::size_t kKeyLabelBytesMax = 256;
inline constexpr std::size_t kMethodNameBytesMax = 256;
inline constexpr std::size_t kMethodNamesMax = 64;
inline constexpr std::size_t kCallsMax = 100;
inline constexpr std::size_t kApproversMax = 64;
inline constexpr std::size_t kArgsBytesMax = std::size_t{1} << 20U;

// Who approved what (near.md 5.2). The approvals themselves were handed in before, signed.
struct ApprovalInfo {
    std::vector<std::string> approver_ids;
    std::string request_hash;  // hex; empty: not said
};

// What every call about a wallet says.
struct WalletCall {
    std::string wallet_id;
    std::optional<ApprovalInfo> approval_info;
    // Which derivation of the wallet's keys; absent: the wallet's current one. (Ours.)
    std::optional<std::uint32_t> key_version;
};

// At most one of the two; none: empty arguments.
struct CallArgs {
    std::optional<std::string> args_json;
    std::optional<std::string> args_base64;
};

struct DeriveAddressRequest : WalletCall {
    std::string chain;
};
struct DeriveAddressResponse {
    std::string address;     // 64 hex digits
    std::string public_key;  // "ed25519:" and HEX: the one field with hex (near.md 0, finding 8)
};

struct CheckPolicyRequest : WalletCall {
    base::Json action;  // an object
    std::optional<std::string> encrypted_policy_data;
};
struct CheckPolicyResponse {
    bool allowed = false;
    bool frozen = false;
    std::optional<bool> requires_approval;
    std::optional<std::int64_t> required_approvals;
    std::optional<std::string> reason;
    base::Json policy;  // of encrypted_policy_data; null when there was none. Never log it.
    std::string rule;   // which rule decided (ours)
};

struct SignNep413Request : WalletCall {
    std::string chain;
    std::string message;
    std::string nonce_base64;
    std::string recipient;
};
struct SignNep413Response {
    std::string signature_base58;  // "ed25519:<base58>"
    std::string public_key;        // "ed25519:<base58>"
};

struct SignDelegateRequest : WalletCall {
    std::string sender_id;
    std::string receiver_id;
    std::string method_name;
    CallArgs args;
    std::uint64_t gas = 0;
    std::string deposit;
    std::uint64_t nonce = 0;
    std::uint64_t max_block_height = 0;
    std::optional<std::uint64_t> current_block_height;
};
struct SignDelegateResponse {
    std::string signed_delegate_base64;
    std::string delegate_hash;
    std::string sender_id;
    std::string public_key;
    std::uint64_t nonce = 0;
    std::uint64_t max_block_height = 0;
};

// A signed transaction; `key_label` is empty for a wallet's own.
struct SignedTransactionResponse {
    std::string signed_tx_base64;
    std::string tx_hash;
    std::string signer_id;
    std::string public_key;
    std::string key_label;
    std::uint64_t nonce = 0;
};

struct SignNearCallRequest : WalletCall {
    std::string receiver_id;
    std::string method_name;
    CallArgs args;
    std::uint64_t gas = 0;
    std::string deposit;
    std::optional<std::uint64_t> override_nonce;
};
struct SignNearTransferRequest : WalletCall {
    std::string receiver_id;
    std::string amount;
    std::optional<std::uint64_t> override_nonce;  // ours
};
struct SignNearDeleteAccountRequest : WalletCall {
    std::string beneficiary_id;
    std::optional<std::uint64_t> override_nonce;  // ours
};

struct FunctionCallAction {
    std::string method_name;
    CallArgs args;
    std::uint64_t gas = 0;
    std::string deposit;
};

struct PrepareKeyRequest : WalletCall {
    std::string user_id;
    std::optional<std::string> key_label;
};
struct PrepareKeyResponse {
    std::string user_id;
    std::string public_key;
    std::string key_label;
};

struct PrepareFunctionCallKeyRequest : WalletCall {
    std::string user_id;
    std::string registry_id;
    std::string receiver_id;
    std::vector<std::string> method_names;
    std::optional<std::string> key_label;
};
struct PrepareFunctionCallKeyResponse {
    std::string user_id;
    std::string registry_id;
    std::string receiver_id;
    std::vector<std::string> method_names;  // sorted
    std::string method_names_hash;
    std::string public_key;
    std::string key_label;
};

struct SignScopedCallsRequest : PrepareFunctionCallKeyRequest {
    std::vector<FunctionCallAction> actions;
    std::optional<std::uint64_t> override_nonce;
};
struct SignFunctionCallsRequest : WalletCall {
    std::string user_id;
    std::string receiver_id;
    std::vector<FunctionCallAction> actions;
    std::optional<std::string> key_label;
    std::optional<std::uint64_t> override_nonce;
};
struct SignProofRequest : WalletCall {
    std::string user_id;
    std::string registry_id;
    std::string challenge;
    std::optional<std::string> key_label;
    std::optional<std::uint64_t> gas;
    std::optional<std::uint64_t> override_nonce;
};

struct EncryptPolicyRequest : WalletCall {
    std::string policy_json;
};
struct EncryptPolicyResponse {
    std::string encrypted_base64;
};
struct SignPolicyRequest : WalletCall {
    std::string encrypted_data;  // what encrypt-policy gave: a bare hash is never signed
};
struct SignPolicyResponse {
    std::string signature_hex;
    std::string public_key_hex;
};

// Of a request body: as base::Json::parse, and InvalidArgument for anything but an object.
Result<base::Json> parse_keystore_body(std::string_view body);

Result<DeriveAddressRequest> parse_derive_address_request(const base::Json& json);
Result<CheckPolicyRequest> parse_check_policy_request(const base::Json& json);
Result<SignNep413Request> parse_sign_nep413_request(const base::Json& json);
Result<SignDelegateRequest> parse_sign_delegate_request(const base::Json& json);
Result<SignNearCallRequest> parse_sign_near_call_request(const base::Json& json);
Result<SignNearTransferRequest> parse_sign_near_transfer_request(const base::Json& json);
Result<SignNearDeleteAccountRequest> parse_sign_near_delete_account_request(const base::Json& json);
Result<PrepareKeyRequest> parse_prepare_key_request(const base::Json& json);
Result<PrepareFunctionCallKeyRequest> parse_prepare_function_call_key_request(
    const base::Json& json);
Result<SignScopedCallsRequest> parse_sign_scoped_calls_request(const base::Json& json);
Result<SignFunctionCallsRequest> parse_sign_function_calls_request(const base::Json& json);
Result<SignProofRequest> parse_sign_proof_request(const base::Json& json);
Result<EncryptPolicyRequest> parse_encrypt_policy_request(const base::Json& json);
Result<SignPolicyRequest> parse_sign_policy_request(const base::Json& json);

std::string to_json_text(const DeriveAddressRequest& request);
std::string to_json_text(const CheckPolicyRequest& request);
std::string to_json_text(const SignNep413Request& request);
std::string to_json_text(const SignDelegateRequest& request);
std::string to_json_text(const SignNearCallRequest& request);
std::string to_json_text(const PrepareFunctionCallKeyRequest& request);
std::string to_json_text(const SignScopedCallsRequest& request);

std::string to_json_text(const DeriveAddressResponse& response);
std::string to_json_text(const CheckPolicyResponse& response);
std::string to_json_text(const SignNep413Response& response);
std::string to_json_text(const SignDelegateResponse& response);
std::string to_json_text(const SignedTransactionResponse& response);
std::string to_json_text(const PrepareKeyResponse& response);
std::string to_json_text(const PrepareFunctionCallKeyResponse& response);
std::string to_json_text(const EncryptPolicyResponse& response);
std::string to_json_text(const SignPolicyResponse& response);

Result<DeriveAddressResponse> parse_derive_address_response(const base::Json& json);
Result<CheckPolicyResponse> parse_check_policy_response(const base::Json& json);
Result<SignNep413Response> parse_sign_nep413_response(const base::Json& json);
Result<SignDelegateResponse> parse_sign_delegate_response(const base::Json& json);
Result<SignedTransactionResponse> parse_signed_transaction_response(const base::Json& json);
Result<PrepareFunctionCallKeyResponse> parse_prepare_function_call_key_response(
    const base::Json& json);

}  // namespace adyton::api

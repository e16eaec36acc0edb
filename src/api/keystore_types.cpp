#include "api/keystore_types.h"

#include "api/internal/keystore_members.h"

namespace adyton::api {
namespace {

using base::Json;
using base::JsonWriter;
using internal::KeystoreMembers;

// One reader for requests and answers: `fields` lists the members.
template <typename T, typename F>
Result<T> read(const Json& json, ErrorCode code, F fields) {
    T out;
    KeystoreMembers members(json, code);
    fields(members, out);
    TRY_VOID(members.done());
    return out;
}

template <typename T, typename F>
Result<T> read_request(const Json& json, F fields) {
    return read<T>(json, ErrorCode::InvalidArgument, [&](KeystoreMembers& members, T& out) {
        members.wallet(out);
        fields(members, out);
    });
}

template <typename T, typename F>
Result<T> read_response(const Json& json, F fields) {
    return read<T>(json, ErrorCode::CorruptData, fields);
}

void read_key_scope(KeystoreMembers& members, PrepareFunctionCallKeyRequest& out) {
    members.text("user_id", out.user_id)
        .text("registry_id", out.registry_id)
        .text("receiver_id", out.receiver_id)
        .texts("method_names", kMethodNamesMax, out.method_names)
        .text("key_label", out.key_label);
}

template <typename F>
std::string write(F fields) {
    std::string text;
    JsonWriter out(text);
    out.begin_object();
    fields(out);
    out.end_object();
    return text;
}

void member(JsonWriter& out, std::string_view name, const std::string& text) {
    out.member(name, std::string_view(text));
}
void member(JsonWriter& out, std::string_view name, const std::optional<std::string>& text) {
    if (text) member(out, name, *text);
}
void member(JsonWriter& out, std::string_view name, const std::optional<std::uint64_t>& number) {
    if (number) out.member(name, *number);
}
void member(JsonWriter& out, std::string_view name, const std::vector<std::string>& texts) {
    out.key(name).begin_array();
    for (const std::string& text : texts) out.value(std::string_view(text));
    out.end_array();
}

void write_wallet(JsonWriter& out, const WalletCall& call) {
    member(out, "wallet_id", call.wallet_id);
    if (call.approval_info) {
        out.key("approval_info").begin_object();
        member(out, "approver_ids", call.approval_info->approver_ids);
        member(out, "request_hash", call.approval_info->request_hash);
        out.end_object();
    }
    if (call.key_version) out.member("key_version", std::uint64_t{*call.key_version});
}

void write_args(JsonWriter& out, const CallArgs& args) {
    member(out, "args_json", args.args_json);
    member(out, "args_base64", args.args_base64);
}

void write_key_scope(JsonWriter& out, const PrepareFunctionCallKeyRequest& request) {
    write_wallet(out, request);
    member(out, "user_id", request.user_id);
    member(out, "registry_id", request.registry_id);
    member(out, "receiver_id", request.receiver_id);
    member(out, "method_names", request.method_names);
    member(out, "key_label", request.key_label);
}

}  // namespace

Result<Json> parse_keystore_body(std::string_view body) {
    auto json = Json::parse(body);
    if (!json) return std::move(json).error().with_context("invalid JSON body");
    if (!json->is_object()) return Error::invalid_argument("the body must be a JSON object");
    return json;
}

Result<DeriveAddressRequest> parse_derive_address_request(const Json& json) {
    return read_request<DeriveAddressRequest>(
        json, [](KeystoreMembers& members, auto& out) { members.text("chain", out.chain); });
}

Result<CheckPolicyRequest> parse_check_policy_request(const Json& json) {
    return read_request<CheckPolicyRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.object("action", out.action)
            .text("encrypted_policy_data", out.encrypted_policy_data);
    });
}

Result<SignNep413Request> parse_sign_nep413_request(const Json& json) {
    return read_request<SignNep413Request>(json, [](KeystoreMembers& members, auto& out) {
        members.text("chain", out.chain)
            .text("message", out.message)
            .text("nonce_base64", out.nonce_base64)
            .text("recipient", out.recipient);
    });
}

Result<SignDelegateRequest> parse_sign_delegate_request(const Json& json) {
    return read_request<SignDelegateRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("sender_id", out.sender_id)
            .text("receiver_id", out.receiver_id)
            .text("method_name", out.method_name)
            .args(out.args)
            .number("gas", out.gas)
            .text("deposit", out.deposit)
            .number("nonce", out.nonce)
            .number("max_block_height", out.max_block_height)
            .number("current_block_height", out.current_block_height);
    });
}

Result<SignNearCallRequest> parse_sign_near_call_request(const Json& json) {
    return read_request<SignNearCallRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("receiver_id", out.receiver_id)
            .text("method_name", out.method_name)
            .args(out.args)
            .number("gas", out.gas)
            .text("deposit", out.deposit)
            .number("override_nonce", out.override_nonce);
    });
}

Result<SignNearTransferRequest> parse_sign_near_transfer_request(const Json& json) {
    return read_request<SignNearTransferRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("receiver_id", out.receiver_id)
            .text("amount", out.amount)
            .number("override_nonce", out.override_nonce);
    });
}

Result<SignNearDeleteAccountRequest> parse_sign_near_delete_account_request(const Json& json) {
    return read_request<SignNearDeleteAccountRequest>(
        json, [](KeystoreMembers& members, auto& out) {
            members.text("beneficiary_id", out.beneficiary_id)
                .number("override_nonce", out.override_nonce);
        });
}

Result<PrepareKeyRequest> parse_prepare_key_request(const Json& json) {
    return read_request<PrepareKeyRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("user_id", out.user_id).text("key_label", out.key_label);
    });
}

Result<PrepareFunctionCallKeyRequest> parse_prepare_function_call_key_request(const Json& json) {
    return read_request<PrepareFunctionCallKeyRequest>(json, &read_key_scope);
}

Result<SignScopedCallsRequest> parse_sign_scoped_calls_request(const Json& json) {
    return read_request<SignScopedCallsRequest>(json, [](KeystoreMembers& members, auto& out) {
        read_key_scope(members, out);
        members.actions("actions", out.actions).number("override_nonce", out.override_nonce);
    });
}

Result<SignFunctionCallsRequest> parse_sign_function_calls_request(const Json& json) {
    return read_request<SignFunctionCallsRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("user_id", out.user_id)
            .text("receiver_id", out.receiver_id)
            .actions("actions", out.actions)
            .text("key_label", out.key_label)
            .number("override_nonce", out.override_nonce);
    });
}

Result<SignProofRequest> parse_sign_proof_request(const Json& json) {
    return read_request<SignProofRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("user_id", out.user_id)
            .text("registry_id", out.registry_id)
            .text("challenge", out.challenge)
            .text("key_label", out.key_label)
            .number("gas", out.gas)
            .number("override_nonce", out.override_nonce);
    });
}

Result<EncryptPolicyRequest> parse_encrypt_policy_request(const Json& json) {
    return read_request<EncryptPolicyRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("policy_json", out.policy_json);
    });
}

Result<SignPolicyRequest> parse_sign_policy_request(const Json& json) {
    return read_request<SignPolicyRequest>(json, [](KeystoreMembers& members, auto& out) {
        members.text("encrypted_data", out.encrypted_data);
    });
}

std::string to_json_text(const DeriveAddressRequest& request) {
    return write([&](JsonWriter& out) {
        write_wallet(out, request);
        member(out, "chain", request.chain);
    });
}

std::string to_json_text(const CheckPolicyRequest& request) {
    return write([&](JsonWriter& out) {
        write_wallet(out, request);
        out.key("action").raw(request.action.dump());
        member(out, "encrypted_policy_data", request.encrypted_policy_data);
    });
}

std::string to_json_text(const SignNep413Request& request) {
    return write([&](JsonWriter& out) {
        write_wallet(out, request);
        member(out, "chain", request.chain);
        member(out, "message", request.message);
        member(out, "nonce_base64", request.nonce_base64);
        member(out, "recipient", request.recipient);
    });
}

std::string to_json_text(const SignDelegateRequest& request) {
    return write([&](JsonWriter& out) {
        write_wallet(out, request);
        member(out, "sender_id", request.sender_id);
        member(out, "receiver_id", request.receiver_id);
        member(out, "method_name", request.method_name);
        write_args(out, request.args);
        out.member("gas", request.gas);
        member(out, "deposit", request.deposit);
        out.member("nonce", request.nonce);
        out.member("max_block_height", request.max_block_height);
        member(out, "current_block_height", request.current_block_height);
    });
}

std::string to_json_text(const SignNearCallRequest& request) {
    return write([&](JsonWriter& out) {
        write_wallet(out, request);
        member(out, "receiver_id", request.receiver_id);
        member(out, "method_name", request.method_name);
        write_args(out, request.args);
        out.member("gas", request.gas);
        member(out, "deposit", request.deposit);
        member(out, "override_nonce", request.override_nonce);
    });
}

std::string to_json_text(const PrepareFunctionCallKeyRequest& request) {
    return write([&](JsonWriter& out) { write_key_scope(out, request); });
}

std::string to_json_text(const SignScopedCallsRequest& request) {
    return write([&](JsonWriter& out) {
        write_key_scope(out, request);
        out.key("actions").begin_array();
        for (const FunctionCallAction& action : request.actions) {
            out.begin_object();
            member(out, "method_name", action.method_name);
            write_args(out, action.args);
            out.member("gas", action.gas);
            member(out, "deposit", action.deposit);
            out.end_object();
        }
        out.end_array();
        member(out, "override_nonce", request.override_nonce);
    });
}

std::string to_json_text(const DeriveAddressResponse& response) {
    return write([&](JsonWriter& out) {
        member(out, "address", response.address);
        member(out, "public_key", response.public_key);
    });
}

std::string to_json_text(const CheckPolicyResponse& response) {
    return write([&](JsonWriter& out) {
        out.member("allowed", response.allowed).member("frozen", response.frozen);
        if (response.requires_approval) {
            out.member("requires_approval", *response.requires_approval);
        }
        if (response.required_approvals) {
            out.member("required_approvals", *response.required_approvals);
        }
        member(out, "reason", response.reason);
        if (!response.policy.is_null()) out.key("policy").raw(response.policy.dump());
        if (!response.rule.empty()) member(out, "rule", response.rule);
    });
}

std::string to_json_text(const SignNep413Response& response) {
    return write([&](JsonWriter& out) {
        member(out, "signature_base58", response.signature_base58);
        member(out, "public_key", response.public_key);
    });
}

std::string to_json_text(const SignDelegateResponse& response) {
    return write([&](JsonWriter& out) {
        member(out, "signed_delegate_base64", response.signed_delegate_base64);
        member(out, "delegate_hash", response.delegate_hash);
        member(out, "sender_id", response.sender_id);
        member(out, "public_key", response.public_key);
        out.member("nonce", response.nonce).member("max_block_height", response.max_block_height);
    });
}

std::string to_json_text(const SignedTransactionResponse& response) {
    return write([&](JsonWriter& out) {
        member(out, "signed_tx_base64", response.signed_tx_base64);
        member(out, "tx_hash", response.tx_hash);
        member(out, "signer_id", response.signer_id);
        member(out, "public_key", response.public_key);
        if (!response.key_label.empty()) member(out, "key_label", response.key_label);
        out.member("nonce", response.nonce);
    });
}

std::string to_json_text(const PrepareKeyResponse& response) {
    return write([&](JsonWriter& out) {
        member(out, "user_id", response.user_id);
        member(out, "public_key", response.public_key);
        member(out, "key_label", response.key_label);
    });
}

std::string to_json_text(const PrepareFunctionCallKeyResponse& response) {
    return write([&](JsonWriter& out) {
        member(out, "user_id", response.user_id);
        member(out, "registry_id", response.registry_id);
        member(out, "receiver_id", response.receiver_id);
        member(out, "method_names", response.method_names);
        member(out, "method_names_hash", response.method_names_hash);
        member(out, "public_key", response.public_key);
        member(out, "key_label", response.key_label);
    });
}

std::string to_json_text(const EncryptPolicyResponse& response) {
    return write(
        [&](JsonWriter& out) { member(out, "encrypted_base64", response.encrypted_base64); });
}

std::string to_json_text(const SignPolicyResponse& response) {
    return write([&](JsonWriter& out) {
        member(out, "signature_hex", response.signature_hex);
        member(out, "public_key_hex", response.public_key_hex);
    });
}

Result<DeriveAddressResponse> parse_derive_address_response(const Json& json) {
    return read_response<DeriveAddressResponse>(json, [](KeystoreMembers& members, auto& out) {
        members.text("address", out.address).text("public_key", out.public_key);
    });
}

Result<CheckPolicyResponse> parse_check_policy_response(const Json& json) {
    return read_response<CheckPolicyResponse>(json, [](KeystoreMembers& members, auto& out) {
        std::optional<std::uint64_t> required;
        std::optional<std::string> rule;
        members.flag("allowed", out.allowed)
            .flag("frozen", out.frozen)
            .flag("requires_approval", out.requires_approval)
            .number("required_approvals", required)
            .text("reason", out.reason)
            .text("rule", rule);
        if (required) out.required_approvals = static_cast<std::int64_t>(*required);
        out.rule = rule.value_or("");
    });
}

Result<SignNep413Response> parse_sign_nep413_response(const Json& json) {
    return read_response<SignNep413Response>(json, [](KeystoreMembers& members, auto& out) {
        members.text("signature_base58", out.signature_base58).text("public_key", out.public_key);
    });
}

Result<SignDelegateResponse> parse_sign_delegate_response(const Json& json) {
    return read_response<SignDelegateResponse>(json, [](KeystoreMembers& members, auto& out) {
        members.text("signed_delegate_base64", out.signed_delegate_base64)
            .text("delegate_hash", out.delegate_hash)
            .text("sender_id", out.sender_id)
            .text("public_key", out.public_key)
            .number("nonce", out.nonce)
            .number("max_block_height", out.max_block_height);
    });
}

Result<SignedTransactionResponse> parse_signed_transaction_response(const Json& json) {
    return read_response<SignedTransactionResponse>(json, [](KeystoreMembers& members, auto& out) {
        std::optional<std::string> label;
        members.text("signed_tx_base64", out.signed_tx_base64)
            .text("tx_hash", out.tx_hash)
            .text("signer_id", out.signer_id)
            .text("public_key", out.public_key)
            .text("key_label", label)
            .number("nonce", out.nonce);
        out.key_label = label.value_or("");
    });
}

Result<PrepareFunctionCallKeyResponse> parse_prepare_function_call_key_response(const Json& json) {
    return read_response<PrepareFunctionCallKeyResponse>(
        json, [](KeystoreMembers& members, auto& out) {
            members.text("user_id", out.user_id)
                .text("registry_id", out.registry_id)
                .text("receiver_id", out.receiver_id)
                .texts("method_names", kMethodNamesMax, out.method_names)
                .text("method_names_hash", out.method_names_hash)
                .text("public_key", out.public_key)
                .text("key_label", out.key_label);
        });
}

}  // namespace adyton::api

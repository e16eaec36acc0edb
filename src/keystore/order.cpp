#include "keystore/order.h"

#include <algorithm>

#include "keystore/wallet_id.h"
#include "near/compact_json.h"

namespace adyton::keystore {
namespace {

constexpr std::uint64_t kProofGas = 30 * near::Gas::kUnitsPerTgas;
constexpr std::string_view kProofMethod = "prove_full_access";
constexpr std::size_t kChallengeBytesMax = 1024;

Error bad(std::string text) {
    return Error::invalid_argument(std::move(text));
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

Result<void> check_chain(std::string chain) {
    std::transform(chain.begin(), chain.end(), chain.begin(), lower);
    if (chain == "near") return {};
    return bad("Unsupported chain: only near");
}

Result<std::uint32_t> choose_version(const api::WalletCall& call, std::uint32_t current) {
    TRY_VOID(check_wallet_id(call.wallet_id));
    if (!call.key_version) return current;
    if (*call.key_version > current) return bad("key_version: the wallet has no such version yet");
    return *call.key_version;
}

Result<void> check_method(const std::string& name) {
    if (name.empty()) return bad("method_name is required");
    if (name.size() > api::kMethodNameBytesMax) return bad("method_name is too long");
    return {};
}

Result<near::FunctionCall> function_call(
    const std::string& method_name, const api::CallArgs& args, std::uint64_t gas,
    const std::string& deposit) {
    TRY_VOID(check_method(method_name));
    if (gas == 0) return bad("gas must be greater than zero");
    TRY(const near::YoctoNear attached, parse_amount("deposit", deposit));
    TRY(auto bytes, call_args(args));
    return near::FunctionCall{method_name, std::move(bytes), near::Gas(gas), attached};
}

// An order signed by one of the wallet's own keys.
Order wallet_order(
    const KeyRing& keys, Operation operation, const api::WalletCall& call, std::uint32_t version) {
    KeyName key = KeyName::wallet(call.wallet_id, version);
    const crypto::Ed25519PublicKey public_key = keys.public_key(key);
    return Order{operation,  call.wallet_id,         version, std::move(key),
                 public_key, near::MessagePayload{}, {},      !call.key_version,
                 {},         call.approval_info};
}

near::Transaction transaction(
    const near::AccountId& signer, const Order& order, near::AccountId receiver,
    std::vector<near::Action> actions) {
    return near::Transaction{
        signer,
        near::PublicKey(order.public_key),
        order.override_nonce.value_or(0),
        std::move(receiver),
        near::BlockHash{},
        std::move(actions)};
}

// Standard labels end in the version of the key.
std::string label_or(
    const std::optional<std::string>& given, std::string standard, std::uint32_t version) {
    if (given) return *given;
    standard.resize(standard.rfind('v') + 1);
    return standard + std::to_string(version);
}

Result<void> check_label(const std::optional<std::string>& label) {
    if (!label) return {};
    if (label->empty()) return bad("key_label must not be empty");
    if (label->size() > api::kKeyLabelBytesMax) return bad("key_label is too long");
    return {};
}

Result<std::vector<near::Action>> user_actions(
    const std::vector<api::FunctionCallAction>& actions) {
    if (actions.empty()) return bad("direct-user transaction requires at least one action");
    std::vector<near::Action> out;
    for (const api::FunctionCallAction& action : actions) {
        TRY(auto call, function_call(action.method_name, action.args, action.gas, action.deposit));
        out.emplace_back(std::move(call));
    }
    return out;
}

std::string trimmed(const std::string& text) {
    const auto names = near::normalize_method_names({text});
    return names.empty() ? std::string() : names.front();
}

Result<std::vector<std::string>> method_names(const std::vector<std::string>& given) {
    for (const std::string& name : given) {
        if (trimmed(name).empty()) return bad("method_names must not contain empty methods");
        if (name.size() > api::kMethodNameBytesMax) return bad("a method name is too long");
        // The names are hashed joined by line feeds.
        if (trimmed(name).find('\n') != std::string::npos) {
            return bad("method_names must not contain line breaks");
        }
    }
    if (given.empty()) {
        return bad("direct-user FunctionCall key requires at least one method name");
    }
    return near::normalize_method_names(given);
}

// The checked parts of a scoped key's name.
struct KeyScope {
    near::AccountId user_id;
    near::AccountId registry_id;
    near::AccountId receiver_id;
    std::vector<std::string> method_names;
    std::string label;
};

Result<KeyScope> key_scope(
    const api::PrepareFunctionCallKeyRequest& request, std::uint32_t version) {
    TRY(auto user_id, parse_account("user_id", request.user_id));
    TRY(auto registry_id, parse_account("registry_id", request.registry_id));
    TRY(auto receiver_id, parse_account("receiver_id", request.receiver_id));
    TRY(auto names, method_names(request.method_names));
    TRY_VOID(check_label(request.key_label));
    std::string label = label_or(
        request.key_label,
        near::direct_user_function_call_label(request.wallet_id, registry_id, receiver_id),
        version);
    return KeyScope{
        std::move(user_id), std::move(registry_id), std::move(receiver_id), std::move(names),
        std::move(label)};
}

Result<std::vector<near::Action>> scoped_actions(
    const std::vector<api::FunctionCallAction>& actions, const KeyScope& scope) {
    if (actions.empty()) {
        return bad("direct-user scoped FunctionCall transaction requires at least one action");
    }
    std::vector<near::Action> out;
    for (const api::FunctionCallAction& action : actions) {
        const std::string name = trimmed(action.method_name);
        const auto& names = scope.method_names;
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            return bad(
                "method " + name.substr(0, api::kMethodNameBytesMax) +
                " is not allowed by the scoped FunctionCall key");
        }
        TRY(const near::YoctoNear deposit, parse_amount("deposit", action.deposit));
        if (!deposit.is_zero()) {
            return bad("scoped direct-user FunctionCall keys cannot attach deposit");
        }
        TRY(auto call, function_call(name, action.args, action.gas, action.deposit));
        out.emplace_back(std::move(call));
    }
    return out;
}

// An order signed by a key that was derived for a user.
Order user_order(
    const KeyRing& keys, Operation operation, const api::WalletCall& call, std::uint32_t version,
    KeyName key, std::string label) {
    const crypto::Ed25519PublicKey public_key = keys.public_key(key);
    return Order{operation,        call.wallet_id,         version, std::move(key),
                 public_key,       near::MessagePayload{}, {},      !call.key_version,
                 std::move(label), call.approval_info};
}

// The version whose account the sender is, the newest first.
std::optional<std::uint32_t> version_of_sender(
    const KeyRing& keys, const api::SignDelegateRequest& request, std::uint32_t newest) {
    constexpr std::uint32_t kTried = 16;
    for (std::uint32_t version = newest; version >= 1 && newest - version < kTried; --version) {
        const auto key = keys.public_key(KeyName::wallet(request.wallet_id, version));
        if (near::AccountId::implicit(key).text() == request.sender_id) return version;
    }
    return std::nullopt;
}

}  // namespace

std::string_view to_string(Operation operation) {
    switch (operation) {
        case Operation::Nep413:
            return "sign_nep413";
        case Operation::Delegate:
            return "sign_delegate";
        case Operation::NearCall:
            return "sign_near_call";
        case Operation::NearTransfer:
            return "sign_near_transfer";
        case Operation::DeleteAccount:
            return "sign_delete_account";
        case Operation::UserProof:
            return "sign_user_proof";
        case Operation::UserCalls:
            return "sign_user_calls";
        case Operation::UserScopedCalls:
            return "sign_user_scoped_calls";
    }
    return "";
}

near::AccountId Order::account() const {
    if (const auto* const delegate = std::get_if<near::DelegateAction>(&content)) {
        return delegate->sender_id;
    }
    if (const auto* const transaction = std::get_if<near::Transaction>(&content)) {
        return transaction->signer_id;
    }
    return near::AccountId::implicit(public_key);
}

Result<base::Bytes> call_args(const api::CallArgs& args) {
    base::Bytes out;
    if (args.args_base64) {
        auto bytes = base::base64_decode(*args.args_base64);
        if (!bytes) return bad("Invalid args_base64: " + bytes.error().message());
        out = *std::move(bytes);
    } else if (args.args_json) {
        const auto bytes = base::as_bytes(*args.args_json);
        out.assign(bytes.begin(), bytes.end());
    }
    if (out.size() > api::kArgsBytesMax) {
        return bad(
            "args are " + std::to_string(out.size()) + " bytes, the most is " +
            std::to_string(api::kArgsBytesMax));
    }
    return out;
}

Result<near::AccountId> parse_account(std::string_view field, const std::string& text) {
    auto id = near::AccountId::parse(text);
    if (!id) return bad("Invalid " + std::string(field) + ": " + id.error().message());
    return id;
}

Result<near::YoctoNear> parse_amount(std::string_view field, const std::string& text) {
    auto amount = near::YoctoNear::parse(text);
    if (!amount) return bad("Invalid " + std::string(field) + ": " + amount.error().message());
    return amount;
}

Result<Order> nep413_order(
    const KeyRing& keys, const api::SignNep413Request& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY_VOID(check_chain(request.chain));
    const auto nonce = base::base64_decode(request.nonce_base64);
    if (!nonce) return bad("Invalid base64 in nonce_base64: " + nonce.error().message());
    if (nonce->size() != near::MessageNonce::kSize) {
        return bad("Invalid nonce length: " + std::to_string(nonce->size()) + " (expected 32)");
    }
    if (request.message.size() > near::kMessageBytesMax) return bad("message is too long");
    if (request.recipient.empty()) return bad("recipient is required");
    if (request.recipient.size() > 1024) return bad("recipient is too long");
    near::MessagePayload payload;
    payload.message = request.message;
    TRY(payload.nonce, near::MessageNonce::from_bytes(*nonce));
    payload.recipient = request.recipient;
    Order order = wallet_order(keys, Operation::Nep413, request, chosen);
    order.content = std::move(payload);
    return order;
}

Result<Order> delegate_order(
    const KeyRing& keys, const api::SignDelegateRequest& request, std::uint32_t version) {
    TRY(auto chosen, choose_version(request, version));
    TRY_VOID(check_method(request.method_name));
    if (request.gas == 0) return bad("gas must be greater than zero");
    if (request.max_block_height == 0) return bad("max_block_height must be greater than zero");
    if (request.current_block_height && request.max_block_height <= *request.current_block_height) {
        return bad("max_block_height must be greater than current_block_height");
    }
    if (!request.key_version) {
        chosen = version_of_sender(keys, request, version).value_or(version);
    }
    Order order = wallet_order(keys, Operation::Delegate, request, chosen);
    order.wants_current = order.wants_current && chosen == version;
    const near::AccountId derived = near::AccountId::implicit(order.public_key);
    if (request.sender_id != derived.text()) {
        return bad("sender_id must match derived wallet account " + derived.text());
    }
    TRY(auto receiver, parse_account("receiver_id", request.receiver_id));
    TRY(auto call, function_call(request.method_name, request.args, request.gas, request.deposit));
    std::vector<near::PlainAction> actions;
    actions.emplace_back(std::move(call));
    order.content = near::DelegateAction{
        derived,       std::move(receiver),      std::move(actions),
        request.nonce, request.max_block_height, near::PublicKey(order.public_key)};
    return order;
}

Result<Order> near_call_order(
    const KeyRing& keys, const api::SignNearCallRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(auto receiver, parse_account("receiver_id", request.receiver_id));
    TRY(auto call, function_call(request.method_name, request.args, request.gas, request.deposit));
    Order order = wallet_order(keys, Operation::NearCall, request, chosen);
    order.override_nonce = request.override_nonce;
    std::vector<near::Action> actions;
    actions.emplace_back(std::move(call));
    order.content = transaction(
        near::AccountId::implicit(order.public_key), order, std::move(receiver),
        std::move(actions));
    return order;
}

Result<Order> near_transfer_order(
    const KeyRing& keys, const api::SignNearTransferRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(auto receiver, parse_account("receiver_id", request.receiver_id));
    TRY(const auto amount, parse_amount("amount", request.amount));
    if (amount.is_zero()) return bad("Invalid amount: must be greater than zero");
    Order order = wallet_order(keys, Operation::NearTransfer, request, chosen);
    order.override_nonce = request.override_nonce;
    std::vector<near::Action> actions;
    actions.emplace_back(near::Transfer{amount});
    order.content = transaction(
        near::AccountId::implicit(order.public_key), order, std::move(receiver),
        std::move(actions));
    return order;
}

Result<Order> delete_account_order(
    const KeyRing& keys, const api::SignNearDeleteAccountRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(auto beneficiary, parse_account("beneficiary_id", request.beneficiary_id));
    Order order = wallet_order(keys, Operation::DeleteAccount, request, chosen);
    order.override_nonce = request.override_nonce;
    const near::AccountId self = near::AccountId::implicit(order.public_key);
    if (beneficiary == self) {
        return bad("Invalid beneficiary_id: the account itself would burn its balance");
    }
    std::vector<near::Action> actions;
    actions.emplace_back(near::DeleteAccount{std::move(beneficiary)});
    order.content = transaction(self, order, self, std::move(actions));
    return order;
}

Result<Order> user_proof_order(
    const KeyRing& keys, const api::SignProofRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(auto user_id, parse_account("user_id", request.user_id));
    TRY(auto registry_id, parse_account("registry_id", request.registry_id));
    TRY_VOID(check_label(request.key_label));
    if (request.challenge.empty()) return bad("challenge is required");
    if (request.challenge.size() > kChallengeBytesMax) return bad("challenge is too long");
    if (request.gas && *request.gas == 0) return bad("gas must be greater than zero");
    std::string label =
        label_or(request.key_label, near::direct_user_full_access_label(request.wallet_id), chosen);
    const std::string args =
        near::compact_json(base::Json::object()
                               .set("user_id", base::Json::string(user_id.text()))
                               .set("key_label", base::Json::string(label))
                               .set("challenge", base::Json::string(request.challenge)));
    const auto args_bytes = base::as_bytes(args);
    Order order = user_order(
        keys, Operation::UserProof, request, chosen,
        KeyName::direct_user(request.wallet_id, user_id, chosen), std::move(label));
    order.override_nonce = request.override_nonce;
    std::vector<near::Action> actions;
    actions.emplace_back(near::FunctionCall{
        std::string(kProofMethod), base::Bytes(args_bytes.begin(), args_bytes.end()),
        near::Gas(request.gas.value_or(kProofGas)), near::YoctoNear(base::Amount(1))});
    order.content = transaction(user_id, order, std::move(registry_id), std::move(actions));
    return order;
}

Result<Order> user_calls_order(
    const KeyRing& keys, const api::SignFunctionCallsRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(auto user_id, parse_account("user_id", request.user_id));
    TRY(auto receiver, parse_account("receiver_id", request.receiver_id));
    TRY_VOID(check_label(request.key_label));
    TRY(auto actions, user_actions(request.actions));
    Order order = user_order(
        keys, Operation::UserCalls, request, chosen,
        KeyName::direct_user(request.wallet_id, user_id, chosen),
        label_or(
            request.key_label, near::direct_user_full_access_label(request.wallet_id), chosen));
    order.override_nonce = request.override_nonce;
    order.content = transaction(user_id, order, std::move(receiver), std::move(actions));
    return order;
}

Result<Order> user_scoped_calls_order(
    const KeyRing& keys, const api::SignScopedCallsRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(auto scope, key_scope(request, chosen));
    TRY(auto actions, scoped_actions(request.actions, scope));
    Order order = user_order(
        keys, Operation::UserScopedCalls, request, chosen,
        KeyName::direct_user_calls(
            request.wallet_id, scope.user_id, scope.registry_id, scope.receiver_id,
            scope.method_names, chosen),
        scope.label);
    order.override_nonce = request.override_nonce;
    order.content = transaction(scope.user_id, order, scope.receiver_id, std::move(actions));
    return order;
}

Result<api::DeriveAddressResponse> derive_address(
    const KeyRing& keys, const api::DeriveAddressRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY_VOID(check_chain(request.chain));
    const auto key = keys.public_key(KeyName::wallet(request.wallet_id, chosen));
    const std::string hex = base::hex_encode(key.bytes);
    return api::DeriveAddressResponse{hex, "ed25519:" + hex};
}

Result<api::PrepareKeyResponse> prepare_key(
    const KeyRing& keys, const api::PrepareKeyRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(const auto user_id, parse_account("user_id", request.user_id));
    TRY_VOID(check_label(request.key_label));
    const auto key = keys.public_key(KeyName::direct_user(request.wallet_id, user_id, chosen));
    return api::PrepareKeyResponse{
        user_id.text(), near::PublicKey(key).to_string(),
        label_or(
            request.key_label, near::direct_user_full_access_label(request.wallet_id), chosen)};
}

Result<api::PrepareFunctionCallKeyResponse> prepare_function_call_key(
    const KeyRing& keys, const api::PrepareFunctionCallKeyRequest& request, std::uint32_t version) {
    TRY(const auto chosen, choose_version(request, version));
    TRY(auto scope, key_scope(request, chosen));
    const auto key = keys.public_key(KeyName::direct_user_calls(
        request.wallet_id, scope.user_id, scope.registry_id, scope.receiver_id, scope.method_names,
        chosen));
    api::PrepareFunctionCallKeyResponse out;
    out.user_id = scope.user_id.text();
    out.registry_id = scope.registry_id.text();
    out.receiver_id = scope.receiver_id.text();
    out.method_names_hash = near::method_names_hash(scope.method_names);
    out.method_names = std::move(scope.method_names);
    out.public_key = near::PublicKey(key).to_string();
    out.key_label = std::move(scope.label);
    return out;
}

}  // namespace adyton::keystore

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "api/keystore_types.h"
#include "base/result.h"
#include "crypto/ed25519.h"
#include "keystore/key_ring.h"
#include "near/delegate.h"
#include "near/nep413.h"
#include "near/transaction.h"

namespace adyton::keystore {

// What can be asked to be signed; the names stand in records and in the audit log.
enum class Operation : std::uint8_t {
    Nep413,           // sign_nep413
    Delegate,         // sign_delegate
    NearCall,         // sign_near_call
    NearTransfer,     // sign_near_transfer
    DeleteAccount,    // sign_delete_account
    UserProof,        // sign_user_proof
    UserCalls,        // sign_user_calls: with the user's full-access key
    UserScopedCalls,  // sign_user_scoped_calls: with a key for one receiver and some methods
};
std::string_view to_string(Operation operation);
inline bool is_direct_user(Operation operation) {
    return operation >= Operation::UserProof;
}

// A request whose every field was checked, as the thing that is to be signed. Of transactions the
// nonce (unless the caller sets it) and the block hash are the chain's and still missing.
struct Order {
    Operation operation = Operation::Nep413;
    std::string wallet_id;
    std::uint32_t key_version = 1;
    KeyName key;
    crypto::Ed25519PublicKey public_key;
    std::variant<near::MessagePayload, near::DelegateAction, near::Transaction> content;
    std::optional<std::uint64_t> override_nonce;
    // The version was not named: it must be the wallet's current one.
    bool wants_current = true;
    std::string key_label;
    std::optional<api::ApprovalInfo> approval_info;

    // The account that acts.
    near::AccountId account() const;
    bool is_transaction() const { return std::holds_alternative<near::Transaction>(content); }
};

// From request to order. `version` is the wallet's current one, used where the request names none.
// InvalidArgument with the texts of near.md 5.2.
Result<Order> nep413_order(
    const KeyRing& keys, const api::SignNep413Request& request, std::uint32_t version);
// A sender that is an earlier version's account is signed for with that version.
Result<Order> delegate_order(
    const KeyRing& keys, const api::SignDelegateRequest& request, std::uint32_t version);
Result<Order> near_call_order(
    const KeyRing& keys, const api::SignNearCallRequest& request, std::uint32_t version);
Result<Order> near_transfer_order(
    const KeyRing& keys, const api::SignNearTransferRequest& request, std::uint32_t version);
Result<Order> delete_account_order(
    const KeyRing& keys, const api::SignNearDeleteAccountRequest& request, std::uint32_t version);
Result<Order> user_proof_order(
    const KeyRing& keys, const api::SignProofRequest& request, std::uint32_t version);
Result<Order> user_calls_order(
    const KeyRing& keys, const api::SignFunctionCallsRequest& request, std::uint32_t version);
Result<Order> user_scoped_calls_order(
    const KeyRing& keys, const api::SignScopedCallsRequest& request, std::uint32_t version);

// Key preparation: derivation alone.
Result<api::DeriveAddressResponse> derive_address(
    const KeyRing& keys, const api::DeriveAddressRequest& request, std::uint32_t version);
Result<api::PrepareKeyResponse> prepare_key(
    const KeyRing& keys, const api::PrepareKeyRequest& request, std::uint32_t version);
Result<api::PrepareFunctionCallKeyResponse> prepare_function_call_key(
    const KeyRing& keys, const api::PrepareFunctionCallKeyRequest& request, std::uint32_t version);

// The bytes of a call's arguments. InvalidArgument: "Invalid args_base64: ..", too long.
Result<base::Bytes> call_args(const api::CallArgs& args);
// "Invalid <field>: ..".
Result<near::AccountId> parse_account(std::string_view field, const std::string& text);
Result<near::YoctoNear> parse_amount(std::string_view field, const std::string& text);

}  // namespace adyton::keystore

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "near/action.h"

// NEP-366 meta transactions: hash = SHA-256(u32le(2^30 + 366) || Borsh(DelegateAction)); the
// signature is plain Ed25519 over the 32 bytes of the hash.
namespace adyton::near {

// More than any gate or chain takes in one transaction.
inline constexpr std::size_t kDelegateBytesMax = std::size_t{3} * 512 * 1024;

base::Bytes serialize(const DelegateAction& action);
base::Bytes serialize(const SignedDelegate& signed_delegate);
// The tag and the serialized action: what is hashed.
base::Bytes signable(const DelegateAction& action);
DelegateHash hash(const DelegateAction& action);
// The same from serialize(action), for those who have it: any other bytes give a hash of nothing.
DelegateHash hash_of_serialized_delegate(base::ByteView serialized);

// InvalidArgument: the action names another key. (No rule ties the key to the sender; the gate does
// not check it, so a signer must.)
Result<SignedDelegate> sign(DelegateAction action, const crypto::Ed25519KeyPair& key);
// Whether the signature is the action's key's; false for secp256k1.
bool verify(const SignedDelegate& signed_delegate);

// The bare form, as the gate takes it. InvalidArgument: malformed, bytes behind the value, or the
// form with the action tag 0x08 in front (which is told apart and named). TooLarge.
Result<SignedDelegate> parse_signed_delegate(base::ByteView bytes);
// Standard base64 with padding, no white space.
Result<SignedDelegate> parse_signed_delegate_base64(std::string_view text);
std::string to_base64(const SignedDelegate& signed_delegate);
// The same from serialize(delegate_action), which is taken as it is.
std::string signed_delegate_base64(base::ByteView serialized, const Signature& signature);
// Unsigned, for those who check before they sign. InvalidArgument, TooLarge.
Result<DelegateAction> parse_delegate_action(base::ByteView bytes);

// What gate.submit_intent asks of a delegate besides a valid signature (near.md 2.3, 4.4 to 4.6).
struct GateLimits {
    Gas submit_gas = Gas::from_tgas(300);  // what the submit transaction will carry
    std::uint64_t current_block_height = 0;
};
// The most gas that an inner call may have so that a chained batch cannot run dry: with submit gas
// S in Tgas, g + 60 + 15 <= 200 + max(0, S - 215).
Gas inner_gas_max(Gas submit_gas);
// InvalidArgument, with the rule in words: not exactly one FunctionCall, a key that is not Ed25519,
// a max_block_height that is not above the current height, a method name that would spoil the
// gate's log (only A-Z a-z 0-9 _, 1 to 256), too much gas for the callback, a wrong signature.
Result<void> check_gate_rules(const SignedDelegate& signed_delegate, const GateLimits& limits);

// What a person should read before passing it on, one fact a line.
std::string explain(const SignedDelegate& signed_delegate);

// The fields by their names; hash as base58, actions as in action.h.
base::Json to_json(const DelegateAction& action);
base::Json to_json(const SignedDelegate& signed_delegate);
// {"sender_id","receiver_id","actions":[..] (or one "action"),"nonce","max_block_height",
// "public_key"}. InvalidArgument: anything malformed or unknown.
Result<DelegateAction> delegate_action_from_json(const base::Json& json);

}  // namespace adyton::near

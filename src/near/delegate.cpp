#include "near/delegate.h"

#include <algorithm>

#include "near/nep461.h"

namespace adyton::near {
namespace {

constexpr std::size_t kMethodNameBytesMax = 256;
constexpr std::uint64_t kCallbackTgas = 200;    // reserved by submit_intent for its callback
constexpr std::uint64_t kSubmitOwnTgas = 15;    // what submit_intent burns itself, at most
constexpr std::uint64_t kChainTgas = 60;        // for continuing the chain
constexpr std::uint64_t kCallbackOwnTgas = 15;  // what the callback burns itself, with reserve

bool is_plain_method_name(std::string_view name) {
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    };
    return !name.empty() && name.size() <= kMethodNameBytesMax &&
           std::all_of(name.begin(), name.end(), plain);
}

// A delegate in an action begins with 0x08 and a length of 2 to 64; a bare one that begins with
// 0x08 goes on with three zero bytes.
bool has_action_tag(base::ByteView bytes) {
    return bytes.size() >= 2 && bytes[0] == SignedDelegate::kIndex && bytes[1] != 0;
}

Result<void> check_size(base::ByteView bytes) {
    if (bytes.size() > kDelegateBytesMax) return Error::too_large("delegate is too long");
    if (has_action_tag(bytes)) {
        return Error::invalid_argument(
            "delegate begins with the action tag 0x08; the bare SignedDelegateAction is expected");
    }
    return {};
}

}  // namespace

base::Bytes serialize(const DelegateAction& action) {
    BorshWriter out;
    write_borsh(out, action);
    return out.take();
}

base::Bytes serialize(const SignedDelegate& signed_delegate) {
    BorshWriter out;
    write_borsh(out, signed_delegate);
    return out.take();
}

base::Bytes signable(const DelegateAction& action) {
    BorshWriter out;
    out.u32(kNep366Tag);
    write_borsh(out, action);
    return out.take();
}

DelegateHash hash(const DelegateAction& action) {
    return hash_of_serialized_delegate(serialize(action));
}

DelegateHash hash_of_serialized_delegate(base::ByteView serialized) {
    BorshWriter tag;
    tag.u32(kNep366Tag);
    return DelegateHash{crypto::Sha256().update(tag.view()).update(serialized).finish()};
}

Result<SignedDelegate> sign(DelegateAction action, const crypto::Ed25519KeyPair& key) {
    if (!(action.public_key == PublicKey(key.public_key()))) {
        return Error::invalid_argument("delegate names another public key");
    }
    const auto signature = key.sign(hash(action).view());
    return SignedDelegate{std::move(action), Signature(signature)};
}

bool verify(const SignedDelegate& signed_delegate) {
    const DelegateAction& action = signed_delegate.delegate_action;
    return verify(action.public_key, hash(action).view(), signed_delegate.signature);
}

Result<SignedDelegate> parse_signed_delegate(base::ByteView bytes) {
    TRY_VOID(check_size(bytes));
    BorshReader in(bytes);
    TRY(auto out, read_signed_delegate(in));
    TRY_VOID(in.finish());
    return out;
}

Result<SignedDelegate> parse_signed_delegate_base64(std::string_view text) {
    if (text.size() > kDelegateBytesMax * 4 / 3 + 4)
        return Error::too_large("delegate is too long");
    if (text.find_first_of("\r\n") != std::string_view::npos) {
        return Error::invalid_argument("delegate has line breaks in its base64");
    }
    TRY(const auto bytes, base::base64_decode(text));
    return parse_signed_delegate(bytes);
}

std::string to_base64(const SignedDelegate& signed_delegate) {
    return base::base64_encode(serialize(signed_delegate));
}

std::string signed_delegate_base64(base::ByteView serialized, const Signature& signature) {
    BorshWriter out;
    out.fixed(serialized);
    write_borsh(out, signature);
    return base::base64_encode(out.view());
}

Result<DelegateAction> parse_delegate_action(base::ByteView bytes) {
    TRY_VOID(check_size(bytes));
    BorshReader in(bytes);
    TRY(auto out, read_delegate_action(in));
    TRY_VOID(in.finish());
    return out;
}

Gas inner_gas_max(Gas submit_gas) {
    constexpr std::uint64_t kReserved = (kCallbackTgas + kSubmitOwnTgas) * Gas::kUnitsPerTgas;
    constexpr std::uint64_t kBase =
        (kCallbackTgas - kChainTgas - kCallbackOwnTgas) * Gas::kUnitsPerTgas;
    const std::uint64_t submit = submit_gas.units();
    return Gas(kBase + (submit > kReserved ? submit - kReserved : 0));
}

Result<void> check_gate_rules(const SignedDelegate& signed_delegate, const GateLimits& limits) {
    const DelegateAction& action = signed_delegate.delegate_action;
    if (action.actions.size() != 1) {
        return Error::invalid_argument("gate requires exactly one action per delegate");
    }
    const auto* const call = std::get_if<FunctionCall>(&action.actions.front());
    if (call == nullptr) {
        return Error::invalid_argument("gate supports only FunctionCall actions");
    }
    if (action.public_key.type() != KeyType::Ed25519) {
        return Error::invalid_argument("gate supports only ed25519 keys");
    }
    if (!is_plain_method_name(call->method_name)) {
        return Error::invalid_argument(
            "method name must be 1 to 256 letters, digits or underscores: the gate writes it into "
            "its log unescaped");
    }
    if (action.max_block_height <= limits.current_block_height) {
        return Error::invalid_argument("max_block_height is not above the current block height");
    }
    const Gas most = inner_gas_max(limits.submit_gas);
    if (call->gas > most) {
        return Error::invalid_argument(
            "gas is above " + most.to_string() + ", which would starve the gate's callback");
    }
    if (!verify(signed_delegate)) {
        return Error::invalid_argument("signature does not belong to the delegate and its key");
    }
    return {};
}

}  // namespace adyton::near

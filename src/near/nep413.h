#pragma once

#include <optional>
#include <string>

#include "near/hash.h"
#include "near/keys.h"
#include "near/nonce.h"

// NEP-413: messages signed outside the chain. hash = SHA-256(u32le(2^31 + 413) || Borsh(payload)),
// plain Ed25519 over the 32 bytes of the hash.
namespace adyton::near {

inline constexpr std::size_t kMessageBytesMax = std::size_t{1} << 20U;

struct MessagePayload {
    std::string message;  // UTF-8, signed as it is
    MessageNonce nonce;
    std::string recipient;                    // for intents the verifying contract
    std::optional<std::string> callback_url;  // an empty one is not none
    bool operator==(const MessagePayload&) const = default;
};

struct SignedMessage {
    MessagePayload payload;
    PublicKey public_key;
    Signature signature;
    bool operator==(const SignedMessage&) const = default;
};

base::Bytes serialize(const MessagePayload& payload);
// InvalidArgument: malformed, not UTF-8, bytes behind the value. TooLarge.
Result<MessagePayload> parse_message_payload(base::ByteView bytes);
MessageHash hash(const MessagePayload& payload);

SignedMessage sign(MessagePayload payload, const crypto::Ed25519KeyPair& key);
// Whether the key signed exactly this payload; false for secp256k1.
bool verify(const SignedMessage& message);

}  // namespace adyton::near

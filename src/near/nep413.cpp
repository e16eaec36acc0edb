#include "near/nep413.h"

#include "near/borsh.h"
#include "near/nep461.h"

namespace adyton::near {
namespace {

void write_payload(BorshWriter& out, const MessagePayload& payload) {
    out.string(payload.message).fixed(payload.nonce.bytes).string(payload.recipient);
    out.u8(payload.callback_url.has_value() ? 1 : 0);
    if (payload.callback_url.has_value()) out.string(*payload.callback_url);
}

}  // namespace

base::Bytes serialize(const MessagePayload& payload) {
    BorshWriter out;
    write_payload(out, payload);
    return out.take();
}

Result<MessagePayload> parse_message_payload(base::ByteView bytes) {
    if (bytes.size() > kMessageBytesMax) return Error::too_large("message payload is too long");
    BorshReader in(bytes);
    MessagePayload out;
    TRY(out.message, in.string("message"));
    TRY(const auto nonce, in.fixed(MessageNonce::kSize, "nonce"));
    TRY(out.nonce, MessageNonce::from_bytes(nonce));
    TRY(out.recipient, in.string("recipient"));
    TRY(const bool has_callback, in.option("callbackUrl"));
    if (has_callback) {
        TRY(out.callback_url, in.string("callbackUrl"));
    }
    TRY_VOID(in.finish());
    return out;
}

MessageHash hash(const MessagePayload& payload) {
    BorshWriter out;
    out.u32(kNep413Tag);
    write_payload(out, payload);
    return MessageHash{crypto::sha256(out.view())};
}

SignedMessage sign(MessagePayload payload, const crypto::Ed25519KeyPair& key) {
    const auto signature = key.sign(hash(payload).view());
    return SignedMessage{std::move(payload), PublicKey(key.public_key()), Signature(signature)};
}

bool verify(const SignedMessage& message) {
    return verify(message.public_key, hash(message.payload).view(), message.signature);
}

}  // namespace adyton::near

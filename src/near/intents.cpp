#include "near/intents.h"

#include <algorithm>
#include <array>

#include "near/compact_json.h"
#include "near/internal/json_fields.h"

// Writing of intents messages, and signed payloads.
namespace adyton::near {
namespace {

using base::Json;
using internal::JsonFields;

constexpr std::string_view kNep413 = "nep413";
constexpr std::array<std::string_view, 6> kForeignStandards = {
    "erc191", "tip191", "raw_ed25519", "webauthn", "ton_connect", "sep53"};
constexpr std::size_t kArgsBytesMax = std::size_t{4} << 20U;  // the chain's limit for arguments

Result<MessagePayload> read_payload(const Json& json) {
    TRY(auto fields, JsonFields::of(json, "payload"));
    MessagePayload out;
    TRY(out.message, fields.text("message"));
    TRY(const std::string nonce, fields.text("nonce"));
    TRY(out.nonce, MessageNonce::parse_base64(nonce));
    TRY(out.recipient, fields.text("recipient"));
    TRY(out.callback_url, fields.optional_text("callbackUrl"));
    TRY_VOID(fields.finish());
    return out;
}

Result<SignedMessage> read_nep413(JsonFields& fields) {
    TRY(const Json* const payload_member, fields.value("payload"));
    TRY(auto payload, read_payload(*payload_member));
    TRY(const auto key, fields.public_key("public_key"));
    TRY(const std::string signature_text, fields.text("signature"));
    TRY(const auto signature, Signature::parse(signature_text));
    if (key.type() != KeyType::Ed25519 || signature.type() != KeyType::Ed25519) {
        return Error::invalid_argument("nep413 payloads are signed with ed25519 keys");
    }
    TRY_VOID(fields.finish());
    return SignedMessage{std::move(payload), key, signature};
}

}  // namespace

std::string intents_message_text(
    const AccountId& signer_id, std::string_view deadline, const Json& intents) {
    CHECK(intents.is_array());
    Json message = Json::object();
    message.set("signer_id", Json::string(signer_id.text()));
    message.set("deadline", Json::string(std::string(deadline)));
    message.set("intents", intents);
    return compact_json(message);
}

std::string deadline_text(base::Timestamp deadline) {
    const auto second = std::chrono::floor<std::chrono::seconds>(deadline);
    const auto milliseconds =
        std::chrono::floor<std::chrono::milliseconds>(deadline - second).count();
    std::string digits = std::to_string(milliseconds);
    digits.insert(0, 3 - digits.size(), '0');
    std::string out = base::to_rfc3339_seconds(deadline);
    out.pop_back();  // the Z
    return out + "." + digits + "Z";
}

MultiPayload MultiPayload::of(SignedMessage message) {
    Json json = to_json(message);
    return MultiPayload{std::string(kNep413), std::move(message), std::move(json)};
}

Result<MultiPayload> parse_multi_payload(const Json& json) {
    TRY(auto fields, JsonFields::of(json, "signed payload"));
    TRY(auto standard, fields.text("standard"));
    if (standard == kNep413) {
        TRY(auto message, read_nep413(fields));
        return MultiPayload{std::move(standard), std::move(message), json};
    }
    const bool known = std::find(kForeignStandards.begin(), kForeignStandards.end(), standard) !=
                       kForeignStandards.end();
    if (!known) return fields.error("standard", "is not known");
    return MultiPayload{std::move(standard), std::nullopt, json};
}

bool verify(const MultiPayload& payload) {
    return payload.nep413.has_value() && verify(*payload.nep413);
}

Json to_json(const SignedMessage& message) {
    Json payload = Json::object();
    payload.set("message", Json::string(message.payload.message));
    payload.set("nonce", Json::string(message.payload.nonce.to_base64()));
    payload.set("recipient", Json::string(message.payload.recipient));
    if (message.payload.callback_url.has_value()) {
        payload.set("callbackUrl", Json::string(*message.payload.callback_url));
    }
    Json out = Json::object();
    out.set("standard", Json::string(std::string(kNep413)));
    out.set("payload", std::move(payload));
    out.set("public_key", Json::string(message.public_key.to_string()));
    out.set("signature", Json::string(message.signature.to_string()));
    return out;
}

std::string execute_intents_args(const std::vector<MultiPayload>& payloads) {
    Json list = Json::array();
    for (const MultiPayload& payload : payloads) list.push_back(payload.json);
    return compact_json(Json::object().set("signed", std::move(list)));
}

Result<std::vector<MultiPayload>> parse_execute_intents_args(base::ByteView args) {
    if (args.size() > kArgsBytesMax) return Error::too_large("arguments are too long");
    TRY(const auto json, Json::parse(base::as_text(args)));
    TRY(auto fields, JsonFields::of(json, "arguments"));
    TRY(const Json* const list, fields.value("signed"));
    if (!list->is_array()) return fields.error("signed", "is not a list");
    TRY_VOID(fields.finish());
    std::vector<MultiPayload> out;
    for (const Json& each : list->items()) {
        TRY(auto payload, parse_multi_payload(each));
        out.push_back(std::move(payload));
    }
    return out;
}

}  // namespace adyton::near

// Adyton's side of the comparison with near-api-js: one JSON object a line on standard input, one
// answer a line on standard output. The keys it is given are made for the test.
#include <iostream>
#include <string>

#include "base/bytes.h"
#include "near/compact_json.h"
#include "near/delegate.h"
#include "near/intents.h"
#include "near/test_random.h"
#include "near/transaction.h"

namespace adyton {
namespace {

using base::Json;

Json text(std::string value) {
    return Json::string(std::move(value));
}

Result<const Json*> member(const Json& request, std::string_view name) {
    const Json* const found = request.find(name);
    if (found == nullptr) return Error::invalid_argument("no member " + std::string(name));
    return found;
}

Result<std::string> text_member(const Json& request, std::string_view name) {
    TRY(const Json* const found, member(request, name));
    return found->as_string();
}

Result<crypto::Ed25519KeyPair> key_member(const Json& request) {
    TRY(const std::string secret, text_member(request, "secret_key"));
    return near::parse_secret_key(base::as_bytes(secret));
}

Result<Json> answer_key(const Json& request) {
    TRY(const auto key, key_member(request));
    const auto both_halves = near::encode_secret_key(key);
    Json out = Json::object();
    out.set("public_key", text(near::PublicKey(key.public_key()).to_string()));
    out.set("secret_key", text(std::string(base::as_text(both_halves.expose()))));
    out.set("account_id", text(near::AccountId::implicit(key.public_key()).text()));
    TRY(const std::string message, text_member(request, "message_hex"));
    TRY(const auto bytes, base::hex_decode(message));
    out.set("signature", text(near::Signature(key.sign(bytes)).to_string()));
    TRY(const std::string foreign, text_member(request, "signature"));
    TRY(const auto signature, near::Signature::parse(foreign));
    out.set(
        "verified",
        Json::boolean(near::verify(near::PublicKey(key.public_key()), bytes, signature)));
    return out;
}

Json signed_transaction_json(const near::SignedTransaction& value) {
    Json out = Json::object();
    out.set("bytes", text(base::base64_encode(near::serialize(value.transaction))));
    out.set("hash", text(near::hash(value.transaction).to_string()));
    out.set("signed", text(near::to_base64(value)));
    return out;
}

Result<Json> answer_transaction(const Json& request) {
    TRY(const auto key, key_member(request));
    TRY(const Json* const description, member(request, "transaction"));
    TRY(auto transaction, near::transaction_from_json(*description));
    TRY(const auto value, near::sign(std::move(transaction), key));
    return signed_transaction_json(value);
}

Result<Json> answer_read_transaction(const Json& request) {
    TRY(const std::string base64, text_member(request, "signed"));
    TRY(const auto value, near::parse_signed_transaction_base64(base64));
    return Json::object().set("transaction", near::to_json(value));
}

Result<Json> answer_delegate(const Json& request) {
    TRY(const auto key, key_member(request));
    TRY(const Json* const description, member(request, "delegate"));
    TRY(auto action, near::delegate_action_from_json(*description));
    TRY(const auto value, near::sign(std::move(action), key));
    Json out = Json::object();
    out.set("signable", text(base::base64_encode(near::signable(value.delegate_action))));
    out.set("hash", text(near::hash(value.delegate_action).to_string()));
    out.set("signed", text(near::to_base64(value)));
    return out;
}

Result<Json> answer_read_delegate(const Json& request) {
    TRY(const std::string base64, text_member(request, "signed"));
    TRY(const auto value, near::parse_signed_delegate_base64(base64));
    Json out = Json::object();
    out.set("delegate", near::to_json(value.delegate_action));
    out.set("valid", Json::boolean(near::verify(value)));
    return out;
}

Result<Json> answer_message(const Json& request) {
    TRY(const auto key, key_member(request));
    near::MessagePayload payload;
    TRY(payload.message, text_member(request, "message"));
    TRY(const std::string nonce, text_member(request, "nonce"));
    TRY(payload.nonce, near::MessageNonce::parse_base64(nonce));
    TRY(payload.recipient, text_member(request, "recipient"));
    if (request.find("callback_url") != nullptr) {
        TRY(payload.callback_url, text_member(request, "callback_url"));
    }
    const auto value = near::sign(std::move(payload), key);
    Json out = Json::object();
    out.set("hash", text(base::base64_encode(near::hash(value.payload).view())));
    out.set("payload", near::to_json(value));
    return out;
}

Result<Json> answer_check_message(const Json& request) {
    TRY(const Json* const json, member(request, "payload"));
    TRY(const auto payload, near::parse_multi_payload(*json));
    return Json::object().set("valid", Json::boolean(near::verify(payload)));
}

// The kinds that near-api-js has no names for.
bool is_newer(const near::Action& action) {
    if (std::holds_alternative<near::DeterministicStateInit>(action) ||
        std::holds_alternative<near::TransferToGasKey>(action) ||
        std::holds_alternative<near::WithdrawFromGasKey>(action)) {
        return true;
    }
    if (const auto* const add = std::get_if<near::AddKey>(&action)) {
        return add->access_key.permission.index() > 1;
    }
    const auto* const delegate = std::get_if<near::SignedDelegate>(&action);
    if (delegate == nullptr) return false;
    for (const near::PlainAction& one : delegate->delegate_action.actions) {
        if (is_newer(near::to_action(one))) return true;
    }
    return false;
}

Result<Json> answer_random(const Json& request) {
    TRY(const Json* const seed_member, member(request, "seed"));
    TRY(const std::uint64_t seed, seed_member->as_uint64());
    near::RandomNear random(seed);
    const auto key = random.key_pair();
    auto transaction = random.transaction(near::PublicKey(key.public_key()));
    std::erase_if(transaction.actions, is_newer);
    TRY(const auto value, near::sign(std::move(transaction), key));
    Json out = signed_transaction_json(value);
    out.set("transaction", near::to_json(value));
    return out;
}

Result<Json> answer(const std::string& line) {
    TRY(const Json request, Json::parse(line));
    TRY(const std::string what, text_member(request, "op"));
    if (what == "key") return answer_key(request);
    if (what == "transaction") return answer_transaction(request);
    if (what == "read_transaction") return answer_read_transaction(request);
    if (what == "delegate") return answer_delegate(request);
    if (what == "read_delegate") return answer_read_delegate(request);
    if (what == "message") return answer_message(request);
    if (what == "check_message") return answer_check_message(request);
    if (what == "random") return answer_random(request);
    return Error::invalid_argument("unknown op");
}

}  // namespace
}  // namespace adyton

int main() {
    std::string line;
    while (std::getline(std::cin, line)) {
        const auto result = adyton::answer(line);
        const adyton::base::Json json =
            result ? *result
                   : adyton::base::Json::object().set(
                         "error", adyton::base::Json::string(result.error().message()));
        std::cout << adyton::near::compact_json(json) << '\n';
    }
    return 0;
}

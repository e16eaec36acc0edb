#include "near/delegate.h"
#include "near/derivation.h"
#include "near/intents.h"
#include "near/nep413.h"
#include "near/nep461.h"
#include "near/test_vectors.h"
#include "near/transaction.h"

// Published vectors against the code that signs; see test_vectors.h for where they come from.
namespace adyton::near {
namespace {

using base::hex_encode;
using base::Json;
using crypto::from_hex;

// The members of a vector's input that are the object itself, without helpers such as seeds.
Json pick(const Json& input, const std::vector<std::string>& names) {
    Json out = Json::object();
    for (const std::string& name : names) out.set(name, member_of(input, name));
    return out;
}

TEST(NearVectorTest, Keys) {
    for_each_case(read_vectors("keys.json"), [](const Json& each) {
        const auto key = key_of_seed(text_of(each, "seed_hex"));
        const PublicKey public_key(key.public_key());
        EXPECT_EQ(key.public_key().to_hex(), text_of(each, "public_key_hex"));
        EXPECT_EQ(public_key.to_string(), text_of(each, "public_key"));
        EXPECT_EQ(PublicKey::parse(text_of(each, "public_key")).value(), public_key);
        EXPECT_EQ(base::base58_encode(public_key.bytes()), text_of(each, "public_key_base58"));
        EXPECT_EQ(
            AccountId::implicit(key.public_key()).text(), text_of(each, "implicit_account_id"));
        const auto account = AccountId::parse(text_of(each, "implicit_account_id"));
        ASSERT_TRUE(account);
        EXPECT_EQ(account->implicit_key(), key.public_key());
        BorshWriter borsh;
        write_borsh(borsh, public_key);
        EXPECT_EQ(hex_encode(borsh.view()), text_of(each, "borsh_public_key_hex"));
        EXPECT_FALSE(PublicKey::parse(text_of(each, "derive_address_style_public_key")));

        const std::string secret = text_of(each, "secret_key");
        EXPECT_EQ(base::as_text(encode_secret_key(key).expose()), secret);
        const auto parsed = parse_secret_key(base::as_bytes(secret));
        ASSERT_TRUE(parsed);
        EXPECT_EQ(hex_encode(parsed->expose_seed()), text_of(each, "seed_hex"));

        const auto message = from_hex(text_of(each, "sign_message_hex"));
        const Signature signature(key.sign(message));
        EXPECT_EQ(hex_encode(signature.bytes()), text_of(each, "signature_hex"));
        EXPECT_EQ(signature.to_string(), text_of(each, "signature"));
        EXPECT_EQ(base::base58_encode(signature.bytes()), text_of(each, "signature_base58"));
        EXPECT_EQ(Signature::parse(text_of(each, "signature")).value(), signature);
        EXPECT_TRUE(verify(public_key, message, signature));
    });
}

TEST(NearVectorTest, Transactions) {
    for_each_case(read_vectors("transactions.json"), [](const Json& each) {
        const Json& input = member_of(each, "input");
        const Json& expected = member_of(each, "expected");
        const auto transaction = transaction_from_json(pick(
            input, {"signer_id", "public_key", "nonce", "receiver_id", "block_hash", "actions"}));
        ASSERT_TRUE(transaction) << transaction.error().message();
        EXPECT_EQ(hex_encode(transaction->block_hash.view()), text_of(input, "block_hash_hex"));
        const auto bytes = serialize(*transaction);
        EXPECT_EQ(hex_encode(bytes), text_of(expected, "transaction_borsh_hex"));
        EXPECT_EQ(parse_transaction(bytes).value(), *transaction);
        EXPECT_EQ(message_tag(bytes), (MessageTag{MessageDomain::Transaction, 0}));
        EXPECT_EQ(hash(*transaction).digest.to_hex(), text_of(expected, "hash_hex"));
        EXPECT_EQ(hash(*transaction).to_string(), text_of(expected, "hash_base58"));

        const auto signed_transaction =
            sign(*transaction, key_of_seed(text_of(input, "signer_seed_hex")));
        ASSERT_TRUE(signed_transaction);
        EXPECT_EQ(
            hex_encode(signed_transaction->signature.bytes()), text_of(expected, "signature_hex"));
        EXPECT_EQ(signed_transaction->signature.to_string(), text_of(expected, "signature"));
        EXPECT_EQ(
            hex_encode(serialize(*signed_transaction)),
            text_of(expected, "signed_transaction_borsh_hex"));
        const std::string base64 = text_of(expected, "signed_transaction_base64");
        EXPECT_EQ(to_base64(*signed_transaction), base64);
        const auto read = parse_signed_transaction_base64(base64);
        ASSERT_TRUE(read);
        EXPECT_EQ(*read, *signed_transaction);
        EXPECT_TRUE(verify(*read));
        // The JSON form loses nothing.
        for (const Action& action : read->transaction.actions) {
            EXPECT_EQ(action_from_json(to_json(action)).value(), action);
        }
    });
}

TEST(NearVectorTest, DelegateActions) {
    for_each_case(read_vectors("delegate_actions.json"), [](const Json& each) {
        const Json& input = member_of(each, "input");
        const Json& expected = member_of(each, "expected");
        const auto action = delegate_action_from_json(pick(
            input,
            {"sender_id", "receiver_id", "action", "nonce", "max_block_height", "public_key"}));
        ASSERT_TRUE(action) << action.error().message();
        EXPECT_EQ(hex_encode(serialize(*action)), text_of(expected, "delegate_action_borsh_hex"));
        const auto bytes = signable(*action);
        EXPECT_EQ(hex_encode(bytes), text_of(expected, "signable_hex"));
        EXPECT_EQ(hex_encode(bytes).substr(0, 8), text_of(expected, "prefix_hex"));
        EXPECT_EQ(message_tag(bytes), (MessageTag{MessageDomain::OnChain, 366}));
        EXPECT_EQ(hash(*action).digest.to_hex(), text_of(expected, "delegate_hash_hex"));
        EXPECT_EQ(hash(*action).to_string(), text_of(expected, "delegate_hash_base58"));

        const auto signed_delegate = sign(*action, key_of_seed(text_of(input, "signer_seed_hex")));
        ASSERT_TRUE(signed_delegate);
        EXPECT_EQ(
            hex_encode(signed_delegate->signature.bytes()), text_of(expected, "signature_hex"));
        EXPECT_EQ(signed_delegate->signature.to_string(), text_of(expected, "signature"));
        EXPECT_EQ(
            hex_encode(serialize(*signed_delegate)),
            text_of(expected, "signed_delegate_borsh_hex"));
        const std::string base64 = text_of(expected, "signed_delegate_base64");
        EXPECT_EQ(to_base64(*signed_delegate), base64);
        const auto read = parse_signed_delegate_base64(base64);
        ASSERT_TRUE(read);
        EXPECT_EQ(*read, *signed_delegate);
        EXPECT_TRUE(verify(*read));
        EXPECT_EQ(
            Json::object().set("signed_delegate", Json::string(base64)).dump(),
            text_of(expected, "submit_intent_args_json"));

        // The form with the action tag is an action, and nothing that the gate takes.
        const auto tagged = from_hex(text_of(expected, "action_variant_borsh_hex"));
        EXPECT_FALSE(parse_signed_delegate(tagged));
        BorshReader reader(tagged);
        EXPECT_EQ(read_action(reader).value(), Action(*signed_delegate));
        EXPECT_TRUE(reader.finish());
    });
}

MessagePayload payload_of(const Json& input) {
    MessagePayload out;
    out.message = text_of(input, "message");
    out.nonce = MessageNonce::from_bytes(from_hex(text_of(input, "nonce_hex"))).value();
    out.recipient = text_of(input, "recipient");
    const Json& callback = member_of(input, "callback_url");
    if (callback.is_string()) out.callback_url = callback.string_value();
    return out;
}

TEST(NearVectorTest, Nep413Messages) {
    for_each_case(read_vectors("nep413.json"), [](const Json& each) {
        const Json& input = member_of(each, "input");
        const Json& expected = member_of(each, "expected");
        const auto payload = payload_of(input);
        EXPECT_EQ(payload.nonce.to_base64(), text_of(input, "nonce_base64"));
        EXPECT_EQ(
            MessageNonce::parse_base64(text_of(input, "nonce_base64")).value(), payload.nonce);
        const auto bytes = serialize(payload);
        EXPECT_EQ(hex_encode(bytes), text_of(expected, "payload_borsh_hex"));
        EXPECT_EQ(parse_message_payload(bytes).value(), payload);
        BorshWriter tag;
        tag.u32(kNep413Tag);
        EXPECT_EQ(hex_encode(tag.view()), text_of(expected, "tag_hex"));
        EXPECT_EQ(hash(payload).digest.to_hex(), text_of(expected, "hash_hex"));
        EXPECT_EQ(hash(payload).to_string(), text_of(expected, "hash_base58"));
        const auto message = sign(payload, key_of_seed(text_of(input, "signer_seed_hex")));
        EXPECT_EQ(message.public_key.to_string(), text_of(input, "public_key"));
        EXPECT_EQ(hex_encode(message.signature.bytes()), text_of(expected, "signature_hex"));
        EXPECT_EQ(
            base::base64_encode(message.signature.bytes()), text_of(expected, "signature_base64"));
        EXPECT_EQ(message.signature.to_string(), text_of(expected, "signature"));
        EXPECT_TRUE(verify(message));
    });
}

TEST(NearVectorTest, IntentsPayloads) {
    for_each_case(read_vectors("intents_multipayload.json"), [](const Json& each) {
        const Json& input = member_of(each, "input");
        const Json& expected = member_of(each, "expected");
        const auto signer = AccountId::parse(text_of(input, "signer_id"));
        ASSERT_TRUE(signer);
        const std::string text =
            intents_message_text(*signer, text_of(input, "deadline"), member_of(input, "intents"));
        EXPECT_EQ(text, text_of(expected, "message"));
        const auto message = parse_intents_message(text);
        ASSERT_TRUE(message);
        EXPECT_EQ(message->signer_id, *signer);
        EXPECT_EQ(deadline_text(message->deadline), text_of(input, "deadline"));
        EXPECT_EQ(message->intents.size(), member_of(input, "intents").size());
        EXPECT_TRUE(message->unknown_members.empty());
        for (const Intent& intent : message->intents) {
            EXPECT_FALSE(std::holds_alternative<UnknownIntent>(intent));
        }

        const MessagePayload payload{
            text, MessageNonce::from_bytes(from_hex(text_of(input, "nonce_hex"))).value(),
            text_of(input, "recipient"), std::nullopt};
        EXPECT_EQ(hash(payload).digest.to_hex(), text_of(expected, "hash_hex"));
        EXPECT_EQ(hash(payload).to_string(), text_of(expected, "intent_hash"));
        const auto signed_message = sign(payload, key_of_seed(text_of(input, "signer_seed_hex")));
        EXPECT_EQ(signed_message.signature.to_string(), text_of(expected, "signature"));
        const auto multi = MultiPayload::of(signed_message);
        EXPECT_EQ(multi.json, member_of(expected, "multi_payload"));
        const std::string args = execute_intents_args({multi});
        EXPECT_EQ(args, text_of(expected, "execute_intents_args_json"));
        EXPECT_EQ(
            base::base64_encode(base::as_bytes(args)),
            text_of(expected, "execute_intents_args_base64"));
        const auto read = parse_execute_intents_args(base::as_bytes(args));
        ASSERT_TRUE(read);
        ASSERT_EQ(read->size(), 1U);
        EXPECT_EQ(read->front().nep413, signed_message);
        EXPECT_TRUE(verify(read->front()));
    });
}

TEST(NearVectorTest, VersionedNonces) {
    for_each_case(read_vectors("versioned_nonce.json"), [](const Json& each) {
        const Json& input = member_of(each, "input");
        const Json& expected = member_of(each, "expected");
        VersionedNonce nonce;
        nonce.salt = IntentsSalt::parse(text_of(input, "salt_hex")).value();
        EXPECT_EQ(nonce.salt.to_string(), text_of(input, "salt_hex"));
        const auto deadline = parse_u64(text_of(input, "nonce_deadline_unix_ns"));
        ASSERT_TRUE(deadline);
        nonce.deadline_ns = static_cast<std::int64_t>(*deadline);
        const auto random = from_hex(text_of(input, "random15_hex"));
        ASSERT_EQ(random.size(), nonce.random.size());
        std::copy(random.begin(), random.end(), nonce.random.begin());
        const auto encoded = nonce.encode();
        EXPECT_EQ(hex_encode(encoded.bytes), text_of(expected, "nonce_hex"));
        EXPECT_EQ(encoded.to_base64(), text_of(expected, "nonce_base64"));
        EXPECT_EQ(VersionedNonce::find_in(encoded), nonce);
    });
}

// "wallet:<id>:near:direct-user-fc:<user>:<registry>:<receiver>:<hash>:v1" -> the parts between the
// colons behind the prefix.
std::vector<std::string> split_tail(const std::string& seed_text, const std::string& prefix) {
    std::vector<std::string> out;
    EXPECT_TRUE(seed_text.starts_with(prefix)) << seed_text;
    std::string rest = seed_text.substr(std::min(prefix.size(), seed_text.size()));
    for (std::size_t colon = 0; (colon = rest.find(':')) != std::string::npos;) {
        out.push_back(rest.substr(0, colon));
        rest.erase(0, colon + 1);
    }
    out.push_back(rest);
    return out;
}

AccountId account(const std::string& text) {
    return AccountId::parse(text).value();
}

void check_function_call_derivation(const Json& each, const std::string& wallet_id) {
    std::vector<std::string> names;
    for (const Json& name : member_of(each, "method_names_in").items()) {
        names.push_back(name.string_value());
    }
    std::vector<std::string> normalized;
    for (const Json& name : member_of(each, "method_names").items()) {
        normalized.push_back(name.string_value());
    }
    EXPECT_EQ(normalize_method_names(names), normalized);
    EXPECT_EQ(method_names_hash(names), text_of(each, "method_names_hash"));
    const auto parts =
        split_tail(text_of(each, "seed_string"), "wallet:" + wallet_id + ":near:direct-user-fc:");
    ASSERT_EQ(parts.size(), 5U);
    EXPECT_EQ(
        direct_user_function_call_seed_text(
            wallet_id, account(parts[0]), account(parts[1]), account(parts[2]),
            method_names_hash(names)),
        text_of(each, "seed_string"));
    EXPECT_EQ(
        direct_user_function_call_label(wallet_id, account(parts[1]), account(parts[2])),
        text_of(each, "key_label"));
}

TEST(NearVectorTest, KeystoreDerivation) {
    const Json document = read_vectors("keystore_derivation.json");
    const KeyDeriver deriver(crypto::secret32(from_hex(text_of(document, "master_secret_hex"))));
    const std::string wallet_id = text_of(document, "wallet_id");
    for_each_case(document, [&](const Json& each) {
        const std::string seed_text = text_of(each, "seed_string");
        const auto key = deriver.derive(seed_text);
        EXPECT_EQ(hex_encode(key.expose_seed()), text_of(each, "ed25519_seed_hex"));
        EXPECT_EQ(key.public_key().to_hex(), text_of(each, "public_key_hex"));
        EXPECT_EQ(PublicKey(key.public_key()).to_string(), text_of(each, "public_key"));
        EXPECT_EQ(
            AccountId::implicit(key.public_key()).text(), text_of(each, "implicit_account_id"));
        if (each.find("method_names_in") != nullptr) {
            check_function_call_derivation(each, wallet_id);
        } else if (seed_text.find(":direct-user-fa:") != std::string::npos) {
            const auto parts =
                split_tail(seed_text, "wallet:" + wallet_id + ":near:direct-user-fa:");
            ASSERT_EQ(parts.size(), 2U);
            EXPECT_EQ(direct_user_full_access_seed_text(wallet_id, account(parts[0])), seed_text);
            EXPECT_EQ(direct_user_full_access_label(wallet_id), text_of(each, "key_label"));
        } else if (seed_text.starts_with("wallet-policy:")) {
            EXPECT_EQ(policy_seed_text(wallet_id), seed_text);
        } else {
            const auto parts = split_tail(seed_text, "wallet:" + wallet_id + ":");
            ASSERT_EQ(parts.size(), 1U);
            EXPECT_EQ(wallet_seed_text(wallet_id, parts[0]), seed_text);
        }
    });
}

}  // namespace
}  // namespace adyton::near

#include <gtest/gtest.h>

#include <cctype>

#include "api/keystore_types.h"
#include "keystore/test_keystore.h"
#include "near/delegate.h"
#include "near/intents.h"
#include "near/nep413.h"
#include "near/transaction.h"

// The contract of near.md 5, as a caller over HTTP sees it.
namespace adyton::keystore {
namespace {

class KeystoreRoutesTest : public KeystoreTest {
public:
    // A request with one member replaced; the answer must be 400 with this text.
    void expect_refused(
        const std::string& path, const std::string& body, const std::string& from,
        const std::string& to, const std::string& error) {
        std::string changed = body;
        const std::size_t at = changed.find(from);
        ASSERT_NE(at, std::string::npos) << from;
        changed.replace(at, from.size(), to);
        const auto answer = post(path, changed);
        EXPECT_EQ(answer.status, 400) << changed << answer.text;
        EXPECT_EQ(answer.error().substr(0, error.size()), error) << answer.text;
        EXPECT_EQ(answer.body.size(), 1U) << answer.text;
    }
};

const std::string kDelegate = "/wallet/sign-nep366-delegate";
const std::string kNep413 = "/wallet/sign-nep413";
const std::string kScoped = "/wallet/direct-user/sign-scoped-function-calls";
const std::string kUserKey = "ed25519:5edPbuU2KxLVbBEqgreb1WszcLfx69A5nG9vubxKkvED";
const std::string kFullKey = "ed25519:8pWgCFNvhrWJmdRcMxTHKkNTCZE94GreZLBBttdzHZyc";
const std::string kWalletKey = "ed25519:5A1NXEBirWJb5otEmEfDLswJfBshaC6Eg7HGD4bDUFGR";

const std::string kScope = "\"wallet_id\":\"" + kWallet +
                           "\",\"user_id\":\"alice.near\",\"registry_id\":\"reg.example.near\","
                           "\"receiver_id\":\"count.alice.near\",\"method_names\":[\"increase\"]";
const std::string kScopedBody =
    "{" + kScope +
    ",\"actions\":[{\"method_name\":\"increase\",\"args_json\":\"{}\",\"gas\":30000000000000,"
    "\"deposit\":\"0\"}]}";
const std::string kCallBody =
    "{\"wallet_id\":\"" + kWallet +
    "\",\"receiver_id\":\"wrap.near\",\"method_name\":\"near_deposit\",\"args_json\":\"{}\","
    "\"gas\":30000000000000,\"deposit\":\"1000\"}";

std::string nep413_body(const std::string& nonce, const std::string& message = "hello") {
    return "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\",\"message\":\"" + message +
           "\",\"nonce_base64\":\"" + nonce + "\",\"recipient\":\"app.near\"}";
}
const std::string kNonce = "CaOaJhPqcmJOHclJNWoU3hwdyINxpY7v9upKMq6tooE=";

TEST_P(KeystoreRoutesTest, HealthIsPublicAndSaysOk) {
    open();
    const auto answer = call({"GET", "/health", "", "", {}});
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.string("status"), "ok");
    EXPECT_EQ(call({"GET", "/ready", "", "", {}}).status, 200);
    EXPECT_EQ(call({"GET", "/info", "", "", {}}).string("chain"), "near:mainnet");
    EXPECT_EQ(call({"GET", "/openapi.json", "", "", {}}).string("openapi"), "3.1.0");
}

// What the host adds (GET /attestation and others), it documents itself: service/hosted_openapi.h.
TEST_P(KeystoreRoutesTest, EveryRouteStandsInTheDocumentAndEveryOneOfTheDocumentIsServed) {
    open();
    const auto document = base::Json::parse(openapi_json());
    ASSERT_TRUE(document) << document.error().message();
    const base::Json& paths = *document->find("paths");
    std::size_t served = 0;
    const auto routes = keystore().frame().router().routes();
    for (const auto& route : routes) {
        const base::Json* const path = paths.find(route.pattern);
        ASSERT_NE(path, nullptr) << route.pattern;
        std::string method = route.method;
        for (char& c : method) c = static_cast<char>(std::tolower(c));
        EXPECT_NE(path->find(method), nullptr) << route.method << " " << route.pattern;
        ++served;
    }
    std::size_t documented = 0;
    for (const auto& [path, methods] : paths.members()) documented += methods.size();
    EXPECT_EQ(served, documented);
}

TEST_P(KeystoreRoutesTest, EverythingElseWantsAKnownToken) {
    open();
    for (const std::string& token :
         {std::string(), std::string("a-token-nobody-listed"), std::string("short"),
          kCoordinatorToken + "x"}) {
        const auto answer = call({"POST", "/wallet/derive-address", token, "{}", {}});
        EXPECT_EQ(answer.status, 401) << token;
        EXPECT_FALSE(answer.error().empty());
    }
    TestCall twice{"POST", "/wallet/derive-address", kCoordinatorToken, "{}", {}};
    twice.headers.emplace_back("Authorization", "Bearer " + kOperatorToken);
    EXPECT_EQ(call(twice).status, 401);
    TestCall basic{"POST", "/wallet/derive-address", "", "{}", {}};
    basic.headers.emplace_back("Authorization", "Basic " + kCoordinatorToken);
    EXPECT_EQ(call(basic).status, 401);
}

TEST_P(KeystoreRoutesTest, ACoordinatorIsNoOperator) {
    open();
    for (const char* path :
         {"/wallet/policy/put", "/wallet/policy/get", "/wallet/policy/remove", "/wallet/freeze",
          "/wallet/unfreeze", "/wallet/rotate-key", "/wallet/policy/import", "/wallet/policy/test",
          "/wallet/list", "/audit/checkpoint"}) {
        EXPECT_EQ(post(path, "{\"wallet_id\":\"w\"}").status, 403) << path;
    }
    EXPECT_EQ(call({"GET", "/audit/export", kCoordinatorToken, "", {}}).status, 403);
}

TEST_P(KeystoreRoutesTest, ThereIsNoRouteThatSignsBytesNobodyRead) {
    open();
    for (const auto& route : keystore().frame().router().routes()) {
        EXPECT_EQ(route.pattern.find("sign-transaction"), std::string::npos) << route.pattern;
        EXPECT_EQ(route.pattern.find("sign-digest"), std::string::npos) << route.pattern;
    }
    const std::string body =
        "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\",\"tx_bytes_base64\":\"AAAA\"}";
    EXPECT_EQ(post("/wallet/sign-transaction", body).status, 404);
    EXPECT_EQ(post("/wallet/sign-transaction", body, kOperatorToken).status, 404);
}

TEST_P(KeystoreRoutesTest, NotReadyIs401WithTheContractsText) {
    auto options = permissive();
    options.ready = false;
    open(options);
    const auto answer = sign_delegate(1);
    EXPECT_EQ(answer.status, 401);
    EXPECT_EQ(answer.error().rfind("Keystore not ready", 0), 0U);
}

TEST_P(KeystoreRoutesTest, DerivesTheAddressInHex) {
    open();
    const auto answer =
        post("/wallet/derive-address", "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\"}");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(
        answer.text,
        "{\"address\":\"" + kAddress + "\",\"public_key\":\"ed25519:" + kAddress + "\"}\n");
    EXPECT_EQ(
        post("/wallet/derive-address", "{\"wallet_id\":\"w\",\"chain\":\"solana\"}").status, 400);
}

TEST_P(KeystoreRoutesTest, PreparesTheKeysOfAUser) {
    open();
    const auto full = post(
        "/wallet/direct-user/prepare-key",
        "{\"wallet_id\":\"" + kWallet + "\",\"user_id\":\"alice.near\"}");
    EXPECT_EQ(full.string("public_key"), kFullKey) << full.text;
    EXPECT_EQ(full.string("key_label"), "outlayer:" + kWallet + ":direct-user-fa:v1");
    const auto scoped = post("/wallet/direct-user/prepare-function-call-key", "{" + kScope + "}");
    EXPECT_EQ(scoped.string("public_key"), kUserKey) << scoped.text;
    EXPECT_EQ(
        scoped.string("method_names_hash"),
        "e20a548f23fa36bc8d5ba48237ec3ee4d4f00087841d3614f81749e3c6c1b47e");
    EXPECT_EQ(
        scoped.string("key_label"),
        "outlayer:" + kWallet + ":direct-user-fc:reg.example.near:count.alice.near:v1");
}

TEST_P(KeystoreRoutesTest, SignsADelegateThatSaysWhatWasAsked) {
    open();
    const auto answer = sign_delegate(1'776'712'345'678'901);
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto made = near::parse_signed_delegate_base64(answer.string("signed_delegate_base64"));
    ASSERT_TRUE(made);
    const near::DelegateAction& action = made->delegate_action;
    EXPECT_TRUE(near::verify(*made));
    EXPECT_EQ(action.sender_id.text(), kAddress);
    EXPECT_EQ(action.receiver_id.text(), "count.near");
    EXPECT_EQ(action.nonce, 1'776'712'345'678'901U);
    EXPECT_EQ(action.max_block_height, 194'854'180U);
    ASSERT_EQ(action.actions.size(), 1U);
    const auto& call = std::get<near::FunctionCall>(action.actions[0]);
    EXPECT_EQ(call.method_name, "poke");
    EXPECT_EQ(base::as_text(call.args), "{}");
    EXPECT_EQ(call.gas.units(), 30'000'000'000'000U);
    EXPECT_TRUE(call.deposit.is_zero());
    EXPECT_EQ(answer.string("delegate_hash"), near::hash(action).to_string());
    EXPECT_EQ(answer.string("sender_id"), kAddress);
    EXPECT_EQ(answer.string("public_key"), kWalletKey);
    EXPECT_EQ(answer.at("nonce").number_text(), "1776712345678901");
    EXPECT_EQ(answer.at("max_block_height").number_text(), "194854180");
}

TEST_P(KeystoreRoutesTest, RefusesADelegateWithTheContractsTexts) {
    open();
    const std::string body = delegate_body(5);
    const auto refused = [&](const char* from, const char* to, const std::string& error) {
        expect_refused(kDelegate, body, from, to, error);
    };
    refused(
        kAddress.c_str(), "0000000000000000000000000000000000000000000000000000000000000000",
        "sender_id must match derived wallet account " + kAddress);
    refused("\"poke\"", "\"\"", "method_name is required");
    refused("30000000000000", "0", "gas must be greater than zero");
    refused("194854180", "0", "max_block_height must be greater than zero");
    refused("194854180", "194854000", "max_block_height must be greater than current_block_height");
    refused("count.near", "Count.near", "Invalid receiver_id: ");
    refused("\"deposit\":\"0\"", "\"deposit\":\"-1\"", "Invalid deposit: ");
    refused(
        "\"deposit\":\"0\"", "\"deposit\":\"340282366920938463463374607431768211456\"",
        "Invalid deposit: ");
    refused("\"deposit\":\"0\"", "\"deposit\":\"01\"", "Invalid deposit: ");
    refused("\"deposit\":\"0\"", "\"deposit\":\"1e3\"", "Invalid deposit: ");
    refused("\"deposit\":\"0\"", "\"deposit\":0", "deposit must be a string");
    refused("\"args_json\":\"{}\"", "\"args_base64\":\"%%\"", "Invalid args_base64: ");
    refused(
        "\"args_json\":\"{}\"", "\"args_json\":\"{}\",\"args_base64\":\"e30=\"",
        "provide exactly one of args_base64 or args_json");
    refused("\"args_json\":\"{}\"", "\"args_json\":{}", "args_json must be a string");
    refused("\"gas\":30000000000000", "\"gas\":\"30000000000000\"", "gas must be an integer");
    refused("\"nonce\":5", "\"nonce\":5.5", "nonce must be an integer");
    refused("\"nonce\":5", "\"nonce\":-5", "nonce must be an integer");
    refused("\"nonce\":5", "\"nonce\":18446744073709551616", "nonce must be an integer");
    refused("\"nonce\":5,", "", "nonce is required");
    refused(("\"" + kWallet + "\"").c_str(), "\"\"", "wallet_id is required");
    refused(("\"" + kWallet + "\"").c_str(), "\"a:near\"", "Invalid wallet_id");
    refused(
        ("\"" + kWallet + "\"").c_str(), ("\"" + std::string(129, 'w') + "\"").c_str(),
        "Invalid wallet_id");
    refused("{\"wallet_id\"", "{\"gas\":1,\"wallet_id\"", "invalid JSON body");
    EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), 0);
}

TEST_P(KeystoreRoutesTest, TheLargestNumbersAreSigned) {
    open();
    std::string body = delegate_body(18'446'744'073'709'551'615U, "0");
    const auto answer = post(kDelegate, body);
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.at("nonce").number_text(), "18446744073709551615");
}

TEST_P(KeystoreRoutesTest, ArgumentsAreBounded) {
    open();
    const std::string large(api::kArgsBytesMax + 1, 'a');
    expect_refused(
        kDelegate, delegate_body(5), "\"args_json\":\"{}\"", "\"args_json\":\"" + large + "\"",
        "args are 1048577 bytes, the most is 1048576");
    expect_refused(
        kDelegate, delegate_body(5), "\"poke\"", "\"" + std::string(257, 'm') + "\"",
        "method_name is too long");
}

TEST_P(KeystoreRoutesTest, SignsAMessage) {
    open();
    const auto answer = post(kNep413, nep413_body(kNonce));
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto key = near::PublicKey::parse(answer.string("public_key"));
    const auto signature = near::Signature::parse(answer.string("signature_base58"));
    ASSERT_TRUE(key && signature);
    near::MessagePayload payload;
    payload.message = "hello";
    payload.nonce = near::MessageNonce::parse_base64(kNonce).value();
    payload.recipient = "app.near";
    EXPECT_TRUE(near::verify({payload, *key, *signature}));
}

TEST_P(KeystoreRoutesTest, RefusesAMessageWithABadNonceOrChain) {
    open();
    const std::string body = nep413_body(kNonce);
    expect_refused(kNep413, body, kNonce, "AAAA", "Invalid nonce length: 3 (expected 32)");
    expect_refused(kNep413, body, kNonce, "A", "Invalid base64 in nonce_base64: ");
    expect_refused(kNep413, body, "\"near\"", "\"ethereum\"", "Unsupported chain");
    expect_refused(kNep413, body, "\"app.near\"", "\"\"", "recipient is required");
    expect_refused(kNep413, body, "\"message\":\"hello\",", "", "message is required");
}

TEST_P(KeystoreRoutesTest, SignsCallsWithAScopedKey) {
    open();
    chain().install("alice.near", kUserKey, 190'000'000'000'000);
    const auto answer = post(kScoped, kScopedBody);
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto made = near::parse_signed_transaction_base64(answer.string("signed_tx_base64"));
    ASSERT_TRUE(made);
    EXPECT_TRUE(near::verify(*made));
    EXPECT_EQ(made->transaction.signer_id.text(), "alice.near");
    EXPECT_EQ(made->transaction.receiver_id.text(), "count.alice.near");
    EXPECT_EQ(made->transaction.nonce, 190'000'000'000'001U);
    EXPECT_EQ(made->transaction.block_hash, chain().block_hash);
    EXPECT_EQ(answer.at("nonce").number_text(), "190000000000001");
    EXPECT_EQ(answer.string("signer_id"), "alice.near");
    EXPECT_EQ(answer.string("public_key"), kUserKey);
    EXPECT_EQ(answer.string("tx_hash"), near::hash(made->transaction).to_string());
    EXPECT_FALSE(answer.string("key_label").empty());
}

TEST_P(KeystoreRoutesTest, RefusesScopedCallsBeyondTheScope) {
    open();
    chain().install("alice.near", kUserKey, 1);
    expect_refused(
        kScoped, kScopedBody, "{\"method_name\":\"increase\"", "{\"method_name\":\"reset\"",
        "method reset is not allowed by the scoped FunctionCall key");
    expect_refused(
        kScoped, kScopedBody, "\"deposit\":\"0\"", "\"deposit\":\"1\"",
        "scoped direct-user FunctionCall keys cannot attach deposit");
    const auto empty = post(kScoped, "{" + kScope + ",\"actions\":[]}");
    EXPECT_EQ(empty.status, 400);
    EXPECT_EQ(
        empty.error(), "direct-user scoped FunctionCall transaction requires at least one action");
    expect_refused(
        kScoped, kScopedBody, "[\"increase\"]", "[]",
        "direct-user FunctionCall key requires at least one method name");
    expect_refused(
        kScoped, kScopedBody, "[\"increase\"]", "[\" \"]",
        "method_names must not contain empty methods");
    expect_refused(kScoped, kScopedBody, "alice.near", "Alice", "Invalid user_id: ");
    EXPECT_EQ(chain().asked, 0);
}

TEST_P(KeystoreRoutesTest, AMissingKeyOrChainIs500WithItsText) {
    open();
    const auto missing = post(kScoped, kScopedBody);
    EXPECT_EQ(missing.status, 500);
    EXPECT_EQ(missing.error().rfind("Failed to query scoped direct-user access key: ", 0), 0U);
    EXPECT_EQ(post("/wallet/sign-near-call", kCallBody).status, 500);
    auto options = permissive();
    options.with_chain = false;
    open(options);
    const auto without = post("/wallet/sign-near-call", kCallBody);
    EXPECT_EQ(without.status, 500);
    EXPECT_EQ(without.error(), "NEAR client not configured");
}

TEST_P(KeystoreRoutesTest, SignsANearCallAndTakesTheCallersNonce) {
    open();
    chain().install(kAddress, kWalletKey, 7);
    const auto answer = post("/wallet/sign-near-call", kCallBody);
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.at("nonce").number_text(), "8");
    EXPECT_EQ(answer.string("signer_id"), kAddress);
    EXPECT_EQ(answer.body.find("key_label"), nullptr);
    std::string named = kCallBody;
    named.insert(named.size() - 1, ",\"override_nonce\":42");
    const auto next = post("/wallet/sign-near-call", named);
    ASSERT_EQ(next.status, 200) << next.text;
    EXPECT_EQ(next.at("nonce").number_text(), "42");
}

TEST_P(KeystoreRoutesTest, SignsTransfersProofsAndCallsOfAUser) {
    open();
    chain().install(kAddress, kWalletKey, 7);
    chain().install("alice.near", kFullKey, 9);
    const auto transfer = post(
        "/wallet/sign-near-transfer",
        "{\"wallet_id\":\"" + kWallet + "\",\"receiver_id\":\"bob.near\",\"amount\":\"5\"}");
    ASSERT_EQ(transfer.status, 200) << transfer.text;
    const auto moved = near::parse_signed_transaction_base64(transfer.string("signed_tx_base64"));
    ASSERT_TRUE(moved);
    EXPECT_EQ(std::get<near::Transfer>(moved->transaction.actions.at(0)).deposit.to_string(), "5");
    const auto proof = post(
        "/wallet/direct-user/sign-proof",
        "{\"wallet_id\":\"" + kWallet +
            "\",\"user_id\":\"alice.near\",\"registry_id\":\"reg.near\",\"challenge\":\"abc\"}");
    ASSERT_EQ(proof.status, 200) << proof.text;
    const auto proved = near::parse_signed_transaction_base64(proof.string("signed_tx_base64"));
    ASSERT_TRUE(proved);
    const auto& call = std::get<near::FunctionCall>(proved->transaction.actions.at(0));
    EXPECT_EQ(call.method_name, "prove_full_access");
    EXPECT_EQ(call.deposit.to_string(), "1");
    EXPECT_EQ(call.gas.units(), 30'000'000'000'000U);
    EXPECT_EQ(
        base::as_text(call.args), "{\"user_id\":\"alice.near\",\"key_label\":\"outlayer:" +
                                      kWallet + ":direct-user-fa:v1\",\"challenge\":\"abc\"}");
    const auto calls = post(
        "/wallet/direct-user/sign-function-calls",
        "{\"wallet_id\":\"" + kWallet +
            "\",\"user_id\":\"alice.near\",\"receiver_id\":\"shop.near\",\"actions\":[{\"method_"
            "name\":\"buy\",\"gas\":1,\"deposit\":\"3\"},{\"method_name\":\"wrap\",\"args_"
            "base64\":\"AQ==\",\"gas\":1,\"deposit\":\"0\"}]}");
    ASSERT_EQ(calls.status, 200) << calls.text;
    EXPECT_EQ(calls.string("public_key"), kFullKey);
}

TEST_P(KeystoreRoutesTest, DeletingTheAccountNeedsARuleThatSaysSo) {
    open();
    chain().install(kAddress, kWalletKey, 7);
    const std::string body = "{\"wallet_id\":\"" + kWallet + "\",\"beneficiary_id\":\"bob.near\"}";
    EXPECT_EQ(post("/wallet/sign-near-delete-account", body).status, 403);
    put_policy(R"({"rules":[{"name":"close","effect":"allow","operations":["delete"]}]})");
    const auto answer = post("/wallet/sign-near-delete-account", body);
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto made = near::parse_signed_transaction_base64(answer.string("signed_tx_base64"));
    ASSERT_TRUE(made);
    EXPECT_EQ(made->transaction.receiver_id.text(), kAddress);
}

TEST_P(KeystoreRoutesTest, PoliciesAreSealedToTheirWalletAndSigned) {
    open();
    const auto sealed = post(
        "/wallet/encrypt-policy",
        "{\"wallet_id\":\"" + kWallet +
            "\",\"policy_json\":\"{\\\"rules\\\":{\\\"allowed_tokens\\\":[\\\"native\\\"]}}\"}");
    ASSERT_EQ(sealed.status, 200) << sealed.text;
    const std::string blob = sealed.string("encrypted_base64");
    const auto check = [&](const std::string& wallet, const std::string& token) {
        return post(
            "/wallet/check-policy",
            "{\"wallet_id\":\"" + wallet +
                "\",\"action\":{\"type\":\"transfer\",\"to\":\"bob.near\",\"amount\":\"1\","
                "\"token\":\"" +
                token + "\"},\"encrypted_policy_data\":\"" + blob + "\"}");
    };
    const auto native = check(kWallet, "native");
    ASSERT_EQ(native.status, 200) << native.text;
    EXPECT_TRUE(native.at("allowed").boolean_value()) << native.text;
    EXPECT_TRUE(native.at("policy").is_object());
    const auto other = check(kWallet, "usdt.tether-token.near");
    ASSERT_EQ(other.status, 200) << other.text;
    EXPECT_FALSE(other.at("allowed").boolean_value()) << other.text;
    EXPECT_EQ(check("another-wallet", "native").status, 400);
    EXPECT_EQ(
        post(
            "/wallet/encrypt-policy", "{\"wallet_id\":\"w\",\"policy_json\":\"{\\\"rulez\\\":1}\"}")
            .status,
        400);

    const auto signing = post(
        "/wallet/sign-policy",
        "{\"wallet_id\":\"" + kWallet + "\",\"encrypted_data\":\"" + blob + "\"}");
    ASSERT_EQ(signing.status, 200) << signing.text;
    EXPECT_EQ(signing.string("public_key_hex"), kAddress);
    const auto key = near::PublicKey::parse(kWalletKey).value().ed25519().value();
    const auto signature =
        crypto::Ed25519Signature::parse(base::hex_decode(signing.string("signature_hex")).value())
            .value();
    const auto digest = crypto::sha256(base::as_bytes(blob));
    EXPECT_TRUE(crypto::verify(key, digest.view(), signature));
    // A bare hash is not signed: it could be a transaction's.
    EXPECT_EQ(
        post(
            "/wallet/sign-policy", "{\"wallet_id\":\"" + kWallet + "\",\"encrypted_data_hash\":\"" +
                                       std::string(64, 'a') + "\"}")
            .status,
        400);
}

TEST_P(KeystoreRoutesTest, BodiesThatAreNoObjectsAreRefused) {
    open();
    for (const char* body : {"", "[]", "1", "{", "{\"wallet_id\":1}", "{}x", "\xff"}) {
        EXPECT_EQ(post("/wallet/derive-address", body).status, 400) << body;
        EXPECT_EQ(post(kDelegate, body).status, 400) << body;
    }
}

ADYTON_ON_ALL_DATABASES(KeystoreRoutesTest);

}  // namespace
}  // namespace adyton::keystore

#include <gtest/gtest.h>

#include "crypto/transcript.h"
#include "keystore/internal/service_parts.h"
#include "keystore/settle.h"
#include "keystore/test_keystore.h"
#include "near/derivation.h"
#include "near/intents.h"
#include "near/nep413.h"
#include "near/transaction.h"
#include "policy/approval.h"

// What the keystore promises beyond its routes: exact limits, one signature for one request,
// approvals, freezes, rotation, and reservations given back on proof alone.
namespace adyton::keystore {
namespace {

const std::string kDelegate = "/wallet/sign-nep366-delegate";
const std::string kWalletKey = "ed25519:5A1NXEBirWJb5otEmEfDLswJfBshaC6Eg7HGD4bDUFGR";
const std::string kDaily100 =
    R"({"limits":{"daily":{"native":"100"}},"rules":[)"
    R"({"name":"calls","effect":"allow","operations":["call"],"receivers":["count.near"]}]})";

near::MessageNonce nonce_of(std::uint8_t first) {
    near::MessageNonce nonce;
    nonce.bytes.fill(first);
    return nonce;
}

std::string intents_text(const std::string& amount, const std::string& to = "bob.near") {
    base::Json intent = base::Json::object();
    intent.set("intent", base::Json::string("transfer"));
    intent.set("receiver_id", base::Json::string(to));
    intent.set("tokens", base::Json::object().set("nep141:wrap.near", base::Json::string(amount)));
    base::Json intents = base::Json::array();
    intents.push_back(std::move(intent));
    return near::intents_message_text(
        near::AccountId::parse(kAddress).value(), "2026-04-24T20:00:00.000Z", intents);
}

std::string quoted(const std::string& text) {
    return base::Json::string(text).dump();
}

class KeystoreSigningTest : public KeystoreTest {
public:
    TestAnswer sign_message(std::uint8_t nonce, const std::string& amount) {
        return post(
            "/wallet/sign-nep413",
            "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\",\"message\":" +
                quoted(intents_text(amount)) + ",\"nonce_base64\":\"" +
                nonce_of(nonce).to_base64() + "\",\"recipient\":\"intents.near\"}");
    }
    // A delegate that carries the payload of sign_message.
    TestAnswer carry(
        std::uint64_t delegate_nonce, std::uint8_t nonce, const std::string& amount,
        const near::Signature& signature) {
        near::SignedMessage message{{}, near::PublicKey::parse(kWalletKey).value(), signature};
        message.payload.message = intents_text(amount);
        message.payload.nonce = nonce_of(nonce);
        message.payload.recipient = "intents.near";
        const std::string args =
            near::execute_intents_args({near::MultiPayload::of(std::move(message))});
        return post(
            kDelegate, "{\"wallet_id\":\"" + kWallet + "\",\"sender_id\":\"" + kAddress +
                           "\",\"receiver_id\":\"intents.near\",\"method_name\":\"execute_"
                           "intents\",\"args_json\":" +
                           quoted(args) + ",\"gas\":100000000000000,\"deposit\":\"0\",\"nonce\":" +
                           std::to_string(delegate_nonce) + ",\"max_block_height\":200}");
    }
    TestAnswer check(const std::string& action) {
        return post(
            "/wallet/check-policy",
            "{\"wallet_id\":\"" + kWallet + "\",\"action\":" + action + "}");
    }
    bool allowed(const std::string& action) {
        const auto answer = check(action);
        EXPECT_EQ(answer.status, 200) << answer.text;
        return answer.at("allowed").is_boolean() && answer.at("allowed").boolean_value();
    }
    bool call_allowed(const std::string& amount) {
        return allowed(
            R"({"type":"call","receiver_id":"count.near","method_name":"poke","deposit":")" +
            amount + "\"}");
    }
    std::int64_t reservations(const std::string& state = "reserved") {
        return number("SELECT COUNT(*) FROM policy_reservations WHERE state = '" + state + "'");
    }
};

// ----- the same request, the same signature
// ---------------------------------------------------------

TEST_P(KeystoreSigningTest, TheSameRequestGivesTheSameSignatureAndReservesOnce) {
    open();
    put_policy(kDaily100);
    const auto first = sign_delegate(1, "60");
    ASSERT_EQ(first.status, 200) << first.text;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(sign_delegate(1, "60").text, first.text);
    EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), 1);
    EXPECT_EQ(reservations(), 1);
    EXPECT_EQ(sign_delegate(2, "41").status, 403);
    EXPECT_EQ(sign_delegate(2, "40").status, 200);
    EXPECT_EQ(sign_delegate(1, "60").text, first.text);
}

TEST_P(KeystoreSigningTest, EachSignatureIsInTheAuditChain) {
    open();
    put_policy(kDaily100);
    ASSERT_EQ(sign_delegate(1, "60").status, 200);
    ASSERT_EQ(sign_delegate(1, "60").status, 200);
    ASSERT_EQ(sign_delegate(2, "60").status, 403);
    const std::vector<std::string> wanted = {"policy.put", "keystore.sign", "keystore.refused"};
    EXPECT_EQ(audit_kinds(), wanted);
}

TEST_P(KeystoreSigningTest, ATransactionIsSignedAgainOnlyWhenItsNonceIsUsed) {
    open();
    chain().install(kAddress, kWalletKey, 10);
    const std::string body = "{\"wallet_id\":\"" + kWallet +
                             "\",\"receiver_id\":\"wrap.near\",\"method_name\":\"near_deposit\","
                             "\"gas\":1,\"deposit\":\"7\"}";
    const auto first = post("/wallet/sign-near-call", body);
    ASSERT_EQ(first.status, 200) << first.text;
    EXPECT_EQ(first.at("nonce").number_text(), "11");
    // A later block, the nonce still free: the very same bytes.
    chain().block.height += 50;
    chain().block_hash.digest.bytes.fill(9);
    EXPECT_EQ(post("/wallet/sign-near-call", body).text, first.text);
    // Landed: the same words ask for another transaction now.
    chain().install(kAddress, kWalletKey, 11);
    const auto second = post("/wallet/sign-near-call", body);
    EXPECT_EQ(second.at("nonce").number_text(), "12");
    EXPECT_EQ(post("/wallet/sign-near-call", body).text, second.text);
    EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), 2);
}

TEST_P(KeystoreSigningTest, AnIdempotencyKeyOrANonceNamesOneTransactionForEver) {
    open();
    chain().install(kAddress, kWalletKey, 10);
    std::string body =
        "{\"wallet_id\":\"" + kWallet + "\",\"receiver_id\":\"bob.near\",\"amount\":\"7\"}";
    TestCall keyed{
        "POST",
        "/wallet/sign-near-transfer",
        kCoordinatorToken,
        body,
        {{"Idempotency-Key", "step-1"}}};
    const auto first = call(keyed);
    ASSERT_EQ(first.status, 200) << first.text;
    chain().install(kAddress, kWalletKey, 50);
    EXPECT_EQ(call(keyed).text, first.text);
    body.insert(body.size() - 1, ",\"override_nonce\":20");
    const auto named = post("/wallet/sign-near-transfer", body);
    EXPECT_EQ(named.at("nonce").number_text(), "20");
    chain().install(kAddress, kWalletKey, 60);
    EXPECT_EQ(post("/wallet/sign-near-transfer", body).text, named.text);
}

// ----- limits -----------------------------------------------------------------------------------

TEST_P(KeystoreSigningTest, CheckingAgreesWithSigningAndReservesNothing) {
    open();
    put_policy(kDaily100);
    EXPECT_TRUE(call_allowed("100"));
    EXPECT_TRUE(call_allowed("100"));
    EXPECT_FALSE(call_allowed("101"));
    EXPECT_EQ(sign_delegate(1, "101").status, 403);
    ASSERT_EQ(sign_delegate(1, "60").status, 200);
    EXPECT_TRUE(call_allowed("40"));
    EXPECT_FALSE(call_allowed("41"));
    EXPECT_EQ(reservations(), 1);
    const auto answer =
        check(R"({"type":"call","receiver_id":"other.near","method_name":"poke","deposit":"0"})");
    EXPECT_FALSE(answer.at("allowed").boolean_value());
    EXPECT_FALSE(answer.string("reason").empty());
    EXPECT_FALSE(answer.string("rule").empty());
}

TEST_P(KeystoreSigningTest, ClaimedUsageOnlyTightens) {
    open();
    put_policy(kDaily100);
    const auto with_usage = [&](const std::string& used) {
        return allowed(
            R"({"type":"call","receiver_id":"count.near","method_name":"poke","deposit":"50",)"
            R"("current_usage":{"daily":{"native":")" +
            used + "\"}}}");
    };
    EXPECT_TRUE(with_usage("0"));
    EXPECT_TRUE(with_usage("50"));
    EXPECT_FALSE(with_usage("51"));
    ASSERT_EQ(sign_delegate(1, "60").status, 200);
    EXPECT_FALSE(with_usage("0"));
    EXPECT_EQ(
        check(R"({"type":"call","receiver_id":"count.near","method_name":"poke",)"
              R"("current_usage":{"daily":{"native":"-1"}}})")
            .status,
        400);
}

TEST_P(KeystoreSigningTest, WithoutAPolicyAStrictKeystoreSignsNothing) {
    open({});
    const auto answer = sign_delegate(1);
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.error().rfind("no policy is stored for the wallet", 0), 0U) << answer.text;
    EXPECT_FALSE(call_allowed("0"));
    put_policy(kDaily100);
    EXPECT_EQ(sign_delegate(1).status, 200);
    EXPECT_TRUE(call_allowed("0"));
}

TEST_P(KeystoreSigningTest, UnknownRulesAndUnknownActionsAreRefused) {
    open();
    for (const char* policy :
         {R"({"rules":[{"name":"a","effect":"allow","operation":["call"]}]})",
          R"({"rules":[{"name":"a","effect":"maybe"}]})", R"({"limits":{"weekly":{"native":"1"}}})",
          R"({"default":"allow","limits":{"daily":{"native":"-1"}}})",
          R"({"rules":{"speed":1}})"}) {
        const auto answer = post(
            "/wallet/policy/put", "{\"wallet_id\":\"" + kWallet + "\",\"policy\":" + policy + "}",
            kOperatorToken);
        EXPECT_EQ(answer.status, 400) << policy << answer.text;
    }
    EXPECT_EQ(check(R"({"type":"teleport"})").status, 400);
    EXPECT_EQ(check(R"({"amount":"1"})").status, 400);
    EXPECT_EQ(check(R"({"type":"transfer","to":"Bob","amount":"1"})").status, 400);
    EXPECT_EQ(
        check(
            R"({"type":"transfer","to":"bob.near","amount":"340282366920938463463374607431768211456"})")
            .status,
        400);
}

TEST_P(KeystoreSigningTest, AnUnlimitedSumNeverWrapsAround) {
    open();
    put_policy(
        R"({"limits":{"total":{"native":"340282366920938463463374607431768211455"}},"rules":[)"
        R"({"name":"calls","effect":"allow","receivers":["count.near"]}]})");
    const std::string all = "340282366920938463463374607431768211455";
    ASSERT_EQ(sign_delegate(1, all).status, 200);
    EXPECT_EQ(sign_delegate(2, "1").status, 403);
    EXPECT_EQ(sign_delegate(3, "0").status, 200);
}

TEST_P(KeystoreSigningTest, ClocksThatJumpNeverGiveAllowanceBack) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated clock";
    open();
    put_policy(kDaily100);
    test().sim()->shift_clock(std::chrono::hours(12));  // it stands at midnight
    ASSERT_EQ(sign_delegate(1, "100").status, 200);
    test().sim()->shift_clock(-std::chrono::hours(3));
    EXPECT_EQ(sign_delegate(2, "1").status, 403);
    test().sim()->shift_clock(std::chrono::hours(6));
    EXPECT_EQ(sign_delegate(3, "1").status, 403);
    test().sim()->shift_clock(std::chrono::hours(24));
    EXPECT_EQ(sign_delegate(4, "100").status, 200);
    test().sim()->shift_clock(-std::chrono::hours(24));
    EXPECT_EQ(sign_delegate(5, "1").status, 403);
}

// ----- intents ----------------------------------------------------------------------------------

const std::string kIntentsPolicy =
    R"({"limits":{"daily":{"nep141:wrap.near":"100"}},"rules":[)"
    R"({"name":"pay","effect":"allow","operations":["intents_transfer"],)"
    R"("destinations":["bob.near"]},)"
    R"({"name":"gate","effect":"allow","operations":["call"],"receivers":["intents.near"],)"
    R"("methods":["execute_intents"]}]})";

TEST_P(KeystoreSigningTest, ADelegateWithASignedPayloadAddsOnlyGasAndDeposit) {
    open();
    put_policy(kIntentsPolicy);
    const auto message = sign_message(1, "100");
    ASSERT_EQ(message.status, 200) << message.text;
    const auto signature = near::Signature::parse(message.string("signature_base58")).value();
    const auto carried = carry(1, 1, "100", signature);
    EXPECT_EQ(carried.status, 200) << carried.text;
    EXPECT_EQ(carry(2, 1, "100", signature).status, 200);
    EXPECT_EQ(sign_message(2, "1").status, 403);
    EXPECT_TRUE(
        allowed(R"({"type":"call","receiver_id":"intents.near","method_name":"execute_intents"})"));
    EXPECT_FALSE(allowed(
        R"({"type":"intents_transfer","to":"bob.near","token":"nep141:wrap.near","amount":"1"})"));
    EXPECT_FALSE(allowed(
        R"({"type":"intents_transfer","to":"eve.near","token":"nep141:wrap.near","amount":"0"})"));
}

TEST_P(KeystoreSigningTest, APayloadThatWasSignedElsewhereIsChargedWhenItIsCarried) {
    open();
    put_policy(kIntentsPolicy);
    crypto::SecretBytes<32> master;
    const auto bytes = base::hex_decode(kTestSecretHex).value();
    std::copy(bytes.begin(), bytes.end(), master.expose_mutable().begin());
    const near::KeyDeriver deriver(master);
    const auto pair = deriver.derive(near::wallet_seed_text(kWallet, "near"));
    near::MessagePayload payload;
    payload.message = intents_text("70");
    payload.nonce = nonce_of(3);
    payload.recipient = "intents.near";
    const auto made = near::sign(payload, pair);
    // Asking sees it too, as long as nobody charged it.
    const std::string carrying =
        R"({"type":"call","receiver_id":"intents.near","method_name":"execute_intents",)"
        R"("current_usage":{"daily":{"nep141:wrap.near":"31"}},"args_json":)" +
        quoted(near::execute_intents_args({near::MultiPayload::of(made)})) + "}";
    EXPECT_FALSE(allowed(carrying));
    ASSERT_EQ(carry(1, 3, "70", made.signature).status, 200);
    EXPECT_EQ(carry(2, 3, "70", made.signature).status, 200);  // charged once
    EXPECT_EQ(sign_message(4, "31").status, 403);
    EXPECT_TRUE(allowed(carrying));
    EXPECT_EQ(sign_message(4, "30").status, 200);
}

TEST_P(KeystoreSigningTest, WhatAnIntentDoesDecidesNotWhatTheRequestSays) {
    open();
    put_policy(kIntentsPolicy);
    const auto sign_text = [&](const std::string& message) {
        return post(
                   "/wallet/sign-nep413",
                   "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\",\"message\":" +
                       quoted(message) + ",\"nonce_base64\":\"" + nonce_of(9).to_base64() +
                       "\",\"recipient\":\"intents.near\"}")
            .status;
    };
    EXPECT_EQ(sign_text(intents_text("1", "eve.near")), 403);
    EXPECT_EQ(sign_text("{}"), 403);
    EXPECT_EQ(sign_text("free text"), 403);
    std::string unknown = intents_text("1");
    unknown.replace(unknown.find("\"transfer\""), 10, "\"teleport\"");
    EXPECT_EQ(sign_text(unknown), 403);
    std::string extra = intents_text("1");
    extra.insert(extra.size() - 1, ",\"more\":1");
    EXPECT_EQ(sign_text(extra), 403);
    EXPECT_EQ(sign_text(intents_text("1")), 200);
}

// ----- freezes and approvals
// ------------------------------------------------------------------------

TEST_P(KeystoreSigningTest, AFrozenWalletSignsNothingNotEvenAgain) {
    open();
    const auto first = sign_delegate(1);
    ASSERT_EQ(first.status, 200);
    const std::string body = "{\"wallet_id\":\"" + kWallet + "\",\"reason\":\"incident 7\"}";
    EXPECT_EQ(post("/wallet/freeze", body, kOperatorToken).status, 200);
    const auto answer = sign_delegate(1);
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.error(), "wallet_frozen: incident 7");
    const auto checked = check(R"({"type":"transfer","to":"bob.near","amount":"1"})");
    EXPECT_FALSE(checked.at("allowed").boolean_value());
    EXPECT_TRUE(checked.at("frozen").boolean_value());
    EXPECT_EQ(checked.string("reason"), "wallet_frozen");
    EXPECT_EQ(post("/wallet/unfreeze", body, kOperatorToken).status, 200);
    EXPECT_EQ(sign_delegate(1).text, first.text);
}

class KeystoreApprovalTest : public KeystoreSigningTest {
public:
    struct Person {
        std::string id;
        crypto::Ed25519KeyPair key;
    };
    static crypto::Ed25519KeyPair key_of(std::uint8_t seed) {
        crypto::SecretBytes<32> bytes;
        bytes.expose_mutable()[0] = seed;
        return crypto::Ed25519KeyPair(std::move(bytes));
    }
    static std::string approver(const std::string& id, std::uint8_t seed) {
        return "{\"id\":\"" + id + "\",\"key\":\"" +
               near::PublicKey(key_of(seed).public_key()).to_string() + "\"}";
    }
    void put_quorum() {
        put_policy(
            R"({"limits":{"daily":{"native":"100"}},"rules":[{"name":"calls","effect":"allow",)"
            R"("receivers":["count.near"],"approvals":2}],"approval":{"approvers":[)" +
            approver("ann", 1) + "," + approver("ben", 2) + "," + approver("cid", 3) + "]}}");
    }
    base::Json request() {
        const auto answer = post("/wallet/approvals", "{\"wallet_id\":\"" + kWallet + "\"}");
        EXPECT_EQ(answer.status, 200) << answer.text;
        const auto& list = answer.at("approvals");
        EXPECT_GE(list.size(), 1U);
        return list.size() == 0 ? base::Json() : list.items().front();
    }
    TestAnswer vote(
        const base::Json& request, const std::string& id, std::uint8_t seed,
        policy::ApprovalDecision decision = policy::ApprovalDecision::Approve) {
        policy::ApprovalStatement statement;
        statement.request_id = request.find("id")->string_value();
        statement.subject = "wallet:" + kWallet;
        statement.operation =
            crypto::Sha256Digest::parse(
                base::hex_decode(request.find("operation")->string_value()).value())
                .value();
        statement.expires_at =
            base::parse_rfc3339(request.find("expires_at")->string_value()).value();
        statement.approver_id = id;
        statement.decision = decision;
        const auto signature = key_of(seed).sign(statement.digest().view());
        return post(
            "/wallet/approvals/vote",
            "{\"request_id\":\"" + statement.request_id + "\",\"approver_id\":\"" + id +
                "\",\"decision\":\"" + std::string(policy::to_string(decision)) +
                "\",\"signature_base64\":\"" + base::base64_encode(signature.bytes) + "\"}");
    }
};

TEST_P(KeystoreApprovalTest, AllowedWithRequiredApprovalIsNoPermission) {
    open();
    put_quorum();
    const auto checked =
        check(R"({"type":"call","receiver_id":"count.near","method_name":"poke","deposit":"5"})");
    EXPECT_TRUE(checked.at("allowed").boolean_value());
    EXPECT_TRUE(checked.at("requires_approval").boolean_value());
    EXPECT_EQ(checked.at("required_approvals").number_text(), "2");
    const auto answer = sign_delegate(1, "5");
    EXPECT_EQ(answer.status, 403);
    EXPECT_EQ(answer.error().rfind("requires 2 approvals", 0), 0U) << answer.text;
    EXPECT_EQ(reservations(), 0);
}

TEST_P(KeystoreApprovalTest, AQuorumLetsExactlyThatOperationPassOnce) {
    open();
    put_quorum();
    ASSERT_EQ(sign_delegate(1, "5").status, 403);
    const base::Json asked = request();
    ASSERT_EQ(vote(asked, "ann", 1).status, 200);
    EXPECT_EQ(vote(asked, "ann", 1).status, 409);  // once
    EXPECT_EQ(vote(asked, "ben", 3).status, 403);  // somebody else's key
    EXPECT_EQ(vote(asked, "eve", 4).status, 403);
    EXPECT_EQ(sign_delegate(1, "5").status, 403);
    ASSERT_EQ(vote(asked, "ben", 2).status, 200);
    EXPECT_EQ(sign_delegate(1, "6").status, 403);  // another operation
    EXPECT_EQ(sign_delegate(2, "5").status, 403);
    const auto made = sign_delegate(1, "5");
    ASSERT_EQ(made.status, 200) << made.text;
    EXPECT_EQ(sign_delegate(1, "5").text, made.text);  // the same request, the same signature
    EXPECT_EQ(reservations(), 1);
}

TEST_P(KeystoreApprovalTest, ApprovalInfoCanOnlyDemandMore) {
    open();
    put_quorum();
    ASSERT_EQ(sign_delegate(1, "5").status, 403);
    const base::Json asked = request();
    ASSERT_EQ(vote(asked, "ann", 1).status, 200);
    ASSERT_EQ(vote(asked, "ben", 2).status, 200);
    const auto with_info = [&](const std::string& ids, const std::string& hash) {
        std::string body = delegate_body(1, "5");
        body.insert(
            body.size() - 1, ",\"approval_info\":{\"approver_ids\":[" + ids +
                                 "],\"request_hash\":\"" + hash + "\"}");
        return post(kDelegate, body).status;
    };
    const std::string hash = asked.find("operation")->string_value();
    EXPECT_EQ(with_info("\"ann\"", std::string(64, 'a')), 403);
    EXPECT_EQ(with_info("\"ann\",\"cid\"", hash), 403);
    EXPECT_EQ(with_info("1", hash), 400);
    EXPECT_EQ(with_info("\"ann\",\"ben\"", hash), 200);
}

TEST_P(KeystoreApprovalTest, IdsWithoutSignaturesApproveNothing) {
    open();
    put_quorum();
    std::string body = delegate_body(1, "5");
    body.insert(
        body.size() - 1,
        ",\"approval_info\":{\"approver_ids\":[\"ann\",\"ben\"],\"request_hash\":\"\"}");
    EXPECT_EQ(post(kDelegate, body).status, 403);
}

TEST_P(KeystoreApprovalTest, RejectedMeansRejected) {
    open();
    put_quorum();
    ASSERT_EQ(sign_delegate(1, "5").status, 403);
    const base::Json asked = request();
    ASSERT_EQ(vote(asked, "ann", 1, policy::ApprovalDecision::Reject).status, 200);
    ASSERT_EQ(vote(asked, "ben", 2, policy::ApprovalDecision::Reject).status, 200);
    EXPECT_NE(vote(asked, "cid", 3).status, 200);
    EXPECT_EQ(sign_delegate(1, "5").status, 403);
}

// ----- keys -------------------------------------------------------------------------------------

TEST_P(KeystoreSigningTest, RotationGivesANewAddressAndKeepsTheOldOne) {
    open();
    const std::string derive = "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\"}";
    ASSERT_EQ(sign_delegate(1).status, 200);
    const auto rotated =
        post("/wallet/rotate-key", "{\"wallet_id\":\"" + kWallet + "\"}", kOperatorToken);
    ASSERT_EQ(rotated.status, 200) << rotated.text;
    EXPECT_EQ(rotated.at("key_version").number_text(), "2");
    const auto fresh = post("/wallet/derive-address", derive);
    EXPECT_EQ(fresh.string("address"), rotated.string("address"));
    EXPECT_NE(fresh.string("address"), kAddress);
    // Who still sends from the old account gets the old key.
    const auto old = sign_delegate(2);
    ASSERT_EQ(old.status, 200) << old.text;
    EXPECT_EQ(old.string("public_key"), kWalletKey);
    std::string body = delegate_body(3);
    body.replace(body.find(kAddress), kAddress.size(), fresh.string("address"));
    const auto made = post(kDelegate, body);
    ASSERT_EQ(made.status, 200) << made.text;
    EXPECT_EQ(made.string("public_key"), rotated.string("public_key"));
    const auto named = post(
        "/wallet/derive-address",
        "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\",\"key_version\":1}");
    EXPECT_EQ(named.string("address"), kAddress);
    EXPECT_EQ(
        post(
            "/wallet/derive-address",
            "{\"wallet_id\":\"" + kWallet + "\",\"chain\":\"near\",\"key_version\":3}")
            .status,
        400);
}

TEST_P(KeystoreSigningTest, AnotherSecretIsRefusedByTheDatabase) {
    open();
    auto options = permissive();
    options.secret_hex = std::string(64, '1');
    FakeChain chain;
    const auto other = run(TestKeystore::open(database(), executor(), chain, std::move(options)));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().reason(), "keystore_secret_changed");
}

TEST_P(KeystoreSigningTest, PoliciesAreVersionedSealedExportedAndImported) {
    open();
    put_policy(kDaily100);
    put_policy(kIntentsPolicy);
    const std::string id = "{\"wallet_id\":\"" + kWallet + "\"}";
    const auto got = post("/wallet/policy/get", id, kOperatorToken);
    EXPECT_EQ(got.at("version").number_text(), "2");
    const auto exported = post("/wallet/policy/export", id, kOperatorToken);
    ASSERT_EQ(exported.status, 200) << exported.text;
    EXPECT_EQ(post("/wallet/policy/history", id, kOperatorToken).at("versions").size(), 2U);
    const auto stale = post(
        "/wallet/policy/put",
        "{\"wallet_id\":\"" + kWallet + "\",\"expected_version\":1,\"policy\":{}}", kOperatorToken);
    EXPECT_EQ(stale.status, 409) << stale.text;
    EXPECT_EQ(post("/wallet/policy/remove", id, kOperatorToken).status, 200);
    EXPECT_EQ(sign_message(1, "1").status, 200);  // permissive without a policy
    const auto imported = post(
        "/wallet/policy/import", "{\"exported\":" + exported.body.dump() + "}", kOperatorToken);
    ASSERT_EQ(imported.status, 200) << imported.text;
    EXPECT_EQ(sign_message(2, "101").status, 403);
    const auto tested = post(
        "/wallet/policy/test",
        "{\"wallet_id\":\"" + kWallet +
            "\",\"action\":{\"type\":\"intents_transfer\",\"to\":\"eve.near\",\"token\":\"nep141:"
            "wrap.near\",\"amount\":\"1\"}}",
        kOperatorToken);
    ASSERT_EQ(tested.status, 200) << tested.text;
    EXPECT_EQ(tested.string("outcome"), "denied") << tested.text;
    EXPECT_TRUE(tested.at("facts").is_object());
}

ADYTON_ON_ALL_DATABASES(KeystoreSigningTest);
ADYTON_ON_ALL_DATABASES(KeystoreApprovalTest);

}  // namespace
}  // namespace adyton::keystore

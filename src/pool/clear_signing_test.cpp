#include <gtest/gtest.h>

#include "neo/address.h"
#include "neo/explain.h"
#include "neo/nep17.h"
#include "neo/script.h"
#include "neo/token.h"
#include "neo/transaction.h"
#include "neo/verification_script.h"
#include "pool/test_pool.h"

namespace adyton::pool {
namespace {

constexpr std::uint32_t kNetwork = 42;

neo::ScriptHash stranger(std::uint8_t number = 9) {
    return neo::ScriptHash::from_wire(base::Bytes(20, number)).value();
}

class ClearSigningTest : public PoolTest {
public:
    static TestPoolOptions with_network() {
        TestPoolOptions options = small_pool();
        options.pool.network = neo::NetworkMagic{kNetwork};
        return options;
    }

    void open_with(std::string_view rules) {
        TestPoolOptions options = with_network();
        const auto parsed = policy::RuleSet::parse(base::Json::parse(rules).value());
        CHECK(parsed.has_value());
        options.rules = *parsed;
        open(options);
    }

    // An account that "svc" holds.
    void hold(std::size_t count = 1) {
        for (const auto& account : request(static_cast<std::int64_t>(count)).accounts) {
            ids_.push_back(account.id);
            hashes_.push_back(neo::Address::parse(account.address)->script_hash());
        }
    }

    neo::Transaction around(base::Bytes script, std::size_t account = 0) {
        neo::Transaction out;
        out.nonce = ++nonce_;
        out.system_fee = 1000;
        out.network_fee = 200;
        out.valid_until_block = 500;
        out.signers = {{hashes_.at(account), neo::kScopeCalledByEntry, {}, {}, {}}};
        out.script = std::move(script);
        return out;
    }
    neo::Transaction gas(
        std::uint64_t amount, const neo::ScriptHash& to = stranger(), std::size_t account = 0) {
        return around(
            neo::nep17_transfer_script(neo::Nep17Transfer{
                neo::gas_token().contract, hashes_.at(account), to, base::Amount(amount), {}}),
            account);
    }
    neo::Transaction vote() {
        neo::ScriptBuilder builder;
        builder.call(
            neo::neo_token().contract, "vote", neo::kCallAll,
            {neo::Value::of_hash(hashes_.at(0)), neo::Value::null()});
        return around(builder.take());
    }

    std::string item(
        const neo::Transaction& transaction, std::size_t account = 0,
        std::uint32_t network = kNetwork) {
        return "{\"account_id\":\"" + ids_.at(account) + "\",\"transaction\":\"" +
               base::base64_encode(neo::serialize_unsigned(transaction)) +
               "\",\"network\":" + std::to_string(network) + "}";
    }
    TestAnswer sign_it(const neo::Transaction& transaction) {
        return post("/sign", item(transaction));
    }
    std::string members(const std::string& more) {
        return "{\"account_id\":\"" + ids_.at(0) + "\"" + more + "}";
    }
    static std::string base64(const neo::Transaction& transaction) {
        return base::base64_encode(neo::serialize_unsigned(transaction));
    }

    std::vector<std::string> ids_;
    std::vector<neo::ScriptHash> hashes_;
    std::uint32_t nonce_ = 0;
};

// The signature is over what a node checks for this transaction on this network.
void expect_signs(
    const base::Json& answer, const neo::Transaction& transaction, const neo::ScriptHash& account) {
    const auto parsed = api::parse_sign_response(answer);
    ASSERT_TRUE(parsed);
    const auto key = crypto::P256PublicKey::parse(parsed->public_key);
    const auto signature = crypto::P256Signature::parse(parsed->signature);
    ASSERT_TRUE(key && signature);
    EXPECT_EQ(neo::account_script_hash(*key), account);
    EXPECT_TRUE(crypto::verify(
        *key, neo::sign_digest(neo::NetworkMagic{kNetwork}, transaction), *signature));
    EXPECT_EQ(parsed->tx_hash, neo::hash(transaction).to_string());
    ASSERT_TRUE(parsed->explanation);
    EXPECT_EQ(*parsed->explanation, neo::to_json(neo::explain(transaction)));
}

constexpr std::string_view kPayBob = R"({"rules":[
    {"name":"hold","effect":"allow","services":["*"],"operations":["request_accounts"]},
    {"name":"pay","effect":"allow","services":["svc"],"operations":["sign_transaction"],
     "tokens":["GAS"],"destinations":["0x0909090909090909090909090909090909090909"],
     "limits":{"daily":{"GAS":"100"}}}]})";

TEST_P(ClearSigningTest, ATransferIsExplainedAndSigned) {
    open(with_network());
    hold();
    const auto transaction = gas(255);
    const auto answer = sign_it(transaction);
    ASSERT_EQ(answer.status, 200) << answer.text;
    expect_signs(answer.body, transaction, hashes_[0]);
    EXPECT_TRUE(answer.at("explanation").find("understood")->boolean_value());
    EXPECT_EQ(sign_it(transaction).text, answer.text);  // the same bytes again
}

TEST_P(ClearSigningTest, TheAuditRecordSaysWhatLeaves) {
    open(with_network());
    hold();
    const auto transaction = gas(255);
    ASSERT_EQ(sign_it(transaction).status, 200);
    const auto bodies = audit_bodies("pool.sign_transaction");
    ASSERT_EQ(bodies.size(), 1U);
    const base::Json& body = bodies[0];
    EXPECT_EQ(body.find("account_id")->string_value(), ids_[0]);
    EXPECT_EQ(body.find("tx_hash")->string_value(), neo::hash(transaction).to_string());
    EXPECT_EQ(body.find("network")->number_text(), "42");
    EXPECT_EQ(
        body.find("digest")->string_value(),
        neo::sign_digest(neo::NetworkMagic{kNetwork}, transaction).to_hex());
    EXPECT_TRUE(body.find("understood")->boolean_value());
    ASSERT_EQ(body.find("moves")->size(), 1U);
    const base::Json& move = body.find("moves")->items()[0];
    EXPECT_EQ(move.find("amount")->string_value(), "255");
    EXPECT_EQ(move.find("to")->string_value(), neo::Address(stranger()).to_string());
    EXPECT_EQ(body.find("fees")->string_value(), "1200");
    EXPECT_TRUE(audit_bodies("pool.sign").empty());
}

TEST_P(ClearSigningTest, ExactlyOneOfHashAndTransactionIsTaken) {
    open(with_network());
    hold();
    const std::string transaction = ",\"transaction\":\"" + base64(gas(1)) + "\"";
    const std::string network = ",\"network\":42";
    const std::string hash = ",\"tx_hash\":\"" + kDigest + "\"";
    const auto reason = [&](const std::string& more) {
        const auto answer = post("/sign", members(more));
        EXPECT_EQ(answer.status, 400) << answer.text;
        return answer.reason();
    };
    EXPECT_EQ(reason(transaction + network + hash), "exactly_one");
    EXPECT_EQ(reason(transaction + network + ",\"network_magic\":42"), "exactly_one");
    EXPECT_EQ(reason(network + hash), "exactly_one");
    EXPECT_EQ(reason(transaction), "missing_field");
    EXPECT_EQ(reason(network), "missing_field");
    EXPECT_EQ(reason(""), "missing_field");
    EXPECT_EQ(post("/sign", members(hash)).status, 200);
    EXPECT_EQ(post("/sign", members(transaction + network)).status, 200);
}

TEST_P(ClearSigningTest, OtherNetworksAreRefused) {
    open(with_network());
    hold();
    const auto answer = post("/sign", item(gas(1), 0, 43));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.reason(), "wrong_network");
    EXPECT_EQ(post("/sign", members(",\"transaction\":\"AA==\",\"network\":-1")).status, 400);
    EXPECT_EQ(
        post("/sign", members(",\"transaction\":\"AA==\",\"network\":4294967296")).status, 400);
}

TEST_P(ClearSigningTest, WithoutANetworkOfItsOwnThePoolSignsNoTransactions) {
    open();
    hold();
    const auto answer = sign_it(gas(1));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.reason(), "no_network");
}

TEST_P(ClearSigningTest, BytesThatAreNotOneUnsignedTransactionAreRefused) {
    open(with_network());
    hold();
    const auto bytes = neo::serialize_unsigned(gas(1));
    const auto send = [&](const base::Bytes& changed) {
        return post(
            "/sign",
            members(",\"network\":42,\"transaction\":\"" + base::base64_encode(changed) + "\""));
    };
    auto longer = bytes;
    longer.insert(longer.end(), {0, 0});
    auto cut = bytes;
    cut.pop_back();
    base::Bytes wide(bytes.begin(), bytes.begin() + 25);
    wide.insert(wide.end(), {0xfd, 0x01, 0x00});  // one signer, said in three bytes
    wide.insert(wide.end(), bytes.begin() + 26, bytes.end());
    auto version = bytes;
    version[0] = 1;
    neo::Transaction witnessed = gas(1);
    witnessed.witnesses.resize(1);
    for (const auto& bad :
         {longer, cut, wide, version, neo::serialize(witnessed), base::Bytes{0}}) {
        const auto answer = send(bad);
        EXPECT_EQ(answer.status, 400);
        EXPECT_EQ(answer.reason(), "bad_transaction") << answer.text;
    }
    EXPECT_EQ(send(bytes).status, 200);
    auto with_count = bytes;
    with_count.push_back(0);  // a witness count of zero changes nothing
    EXPECT_EQ(send(with_count).status, 200);
    EXPECT_EQ(post("/sign", members(",\"network\":42,\"transaction\":\"%%\"")).status, 400);
    EXPECT_EQ(post("/sign", members(",\"network\":42,\"transaction\":7")).status, 400);
    EXPECT_EQ(
        post(
            "/sign",
            members(",\"network\":42,\"transaction\":\"" + std::string(150'000, 'A') + "\""))
            .status,
        400);
}

TEST_P(ClearSigningTest, AnAccountThatIsNoSignerDoesNotSign) {
    open(with_network());
    hold(2);
    const auto answer = post("/sign", item(gas(1, stranger(), 1), 0));
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.reason(), "not_a_signer");
    EXPECT_TRUE(audit_bodies("pool.sign_transaction").empty());
}

TEST_P(ClearSigningTest, LocksAreCheckedAsForAHash) {
    open(with_network());
    hold();
    EXPECT_EQ(post("/sign", item(gas(1)), "other").status, 403);
    auto unknown = item(gas(1));
    unknown.replace(unknown.find(ids_[0]), ids_[0].size(), "00000000-0000-4000-8000-000000000000");
    EXPECT_EQ(post("/sign", unknown).status, 404);
    auto stale = item(gas(1));
    stale.insert(stale.size() - 1, ",\"fencing\":99");
    EXPECT_EQ(post("/sign", stale).reason(), "stale_fencing");
}

TEST_P(ClearSigningTest, WhatIsNotUnderstoodNeedsARuleThatSaysSo) {
    open_with(R"({"rules":[
        {"name":"hold","effect":"allow","services":["*"],"operations":["request_accounts"]},
        {"name":"trusted","effect":"allow","services":["trusted"],
         "operations":["sign_transaction"],"not_understood":true},
        {"name":"plain","effect":"allow","services":["svc"],"operations":["sign_transaction"]}]})");
    hold();
    auto deep = gas(1);
    deep.signers[0].scopes = neo::kScopeGlobal;
    for (const auto& transaction : {deep, around({0x22, 0x02, 0x40}), vote()}) {
        const auto answer = sign_it(transaction);
        EXPECT_EQ(answer.status, 403) << answer.text;
        EXPECT_TRUE(answer.reason().starts_with("policy_")) << answer.text;
    }
    EXPECT_EQ(sign_it(gas(1)).status, 200);
    EXPECT_EQ(audit_bodies("policy.refused").size(), 3U);
    EXPECT_EQ(
        audit_bodies("policy.refused")[0].find("operation")->string_value(), "sign_transaction");
    ids_.clear();
    hashes_.clear();
    for (const auto& account : request(1, "trusted").accounts) {
        ids_.push_back(account.id);
        hashes_.push_back(neo::Address::parse(account.address)->script_hash());
    }
    deep = gas(1);
    deep.signers[0].scopes = neo::kScopeGlobal;
    EXPECT_EQ(post("/sign", item(deep), "trusted").status, 200);
}

// The contract gets the account's witness, whoever it is told to move something of.
TEST_P(ClearSigningTest, ATransferOfSomebodyElsesTokensIsACallOfItsContract) {
    const neo::ScriptHash vault = stranger(5);
    open_with(
        R"({"default":"allow","rules":[{"name":"no vault","effect":"deny","services":["*"],
        "operations":["sign_transaction"],"receivers":[")" +
        vault.to_string() + R"("]}]})");
    hold();
    const auto moving = [&](const neo::ScriptHash& token, const neo::ScriptHash& from) {
        return around(neo::nep17_transfer_script(
            neo::Nep17Transfer{token, from, stranger(8), base::Amount(5), {}}));
    };
    EXPECT_EQ(sign_it(moving(vault, hashes_[0])).status, 403);
    const auto refused = sign_it(moving(vault, stranger(7)));
    EXPECT_EQ(refused.status, 403) << refused.text;
    EXPECT_EQ(refused.reason(), "policy_denied");
    const auto elsewhere = sign_it(moving(stranger(6), stranger(7)));
    EXPECT_EQ(elsewhere.status, 200) << elsewhere.text;
    const auto bodies = audit_bodies("pool.sign_transaction");
    ASSERT_EQ(bodies.size(), 1U);
    ASSERT_EQ(bodies[0].find("calls")->size(), 1U);
    EXPECT_EQ(
        bodies[0].find("calls")->items()[0].find("contract")->string_value(),
        stranger(6).to_string());
}

TEST_P(ClearSigningTest, RulesJudgeWhatLeavesAndNotWhatIsSaid) {
    open_with(kPayBob);
    hold();
    EXPECT_EQ(sign_it(gas(1)).status, 200);
    const auto elsewhere = sign_it(gas(1, stranger(8)));
    EXPECT_EQ(elsewhere.status, 403) << elsewhere.text;
    EXPECT_EQ(elsewhere.reason(), "policy_denied");
    auto other = gas(1);
    other.script = neo::nep17_transfer_script(
        neo::Nep17Transfer{neo::neo_token().contract, hashes_[0], stranger(), base::Amount(1), {}});
    EXPECT_EQ(sign_it(other).status, 403);
    const std::vector<neo::Nep17Transfer> both = {
        {neo::gas_token().contract, hashes_[0], stranger(), base::Amount(1), {}},
        {neo::gas_token().contract, hashes_[0], stranger(8), base::Amount(1), {}}};
    EXPECT_EQ(sign_it(around(neo::nep17_transfer_script(both).value())).status, 403);
}

TEST_P(ClearSigningTest, ACapIsExactAndTheSameTransactionCountsOnce) {
    open_with(kPayBob);
    hold();
    const auto sixty = gas(60);
    EXPECT_EQ(sign_it(sixty).status, 200);
    EXPECT_EQ(sign_it(sixty).status, 200);
    EXPECT_EQ(sign_it(gas(101)).status, 403);  // never fits
    const auto over = sign_it(gas(41));
    EXPECT_EQ(over.status, 429) << over.text;
    EXPECT_TRUE(over.headers.find("Retry-After"));
    EXPECT_EQ(sign_it(gas(40)).status, 200);
    EXPECT_EQ(sign_it(gas(1)).status, 429);
    EXPECT_EQ(sign_it(sixty).status, 200);  // its share is taken already
    EXPECT_EQ(audit_bodies("pool.sign_transaction").size(), 4U);
}

TEST_P(ClearSigningTest, BlindAndClearSigningAreTwoPermissions) {
    open_with(kPayBob);
    hold();
    EXPECT_EQ(sign(ids_[0]).status, 403);
    EXPECT_EQ(sign(ids_[0]).reason(), "policy_denied");
    EXPECT_EQ(sign_it(gas(1)).status, 200);
}

TEST_P(ClearSigningTest, ThePermissionForHashesSignsNoTransactions) {
    open_with(R"({"rules":[{"name":"blind","effect":"allow","services":["*"],
        "operations":["request_accounts","sign_digest"]}]})");
    hold();
    EXPECT_EQ(sign(ids_[0]).status, 200);
    EXPECT_EQ(sign_it(gas(1)).status, 403);
}

TEST_P(ClearSigningTest, ASponsorPaysTheFeesAndNothingElse) {
    open_with(R"({"rules":[
        {"name":"hold","effect":"allow","services":["*"],"operations":["request_accounts"]},
        {"name":"few","effect":"allow","services":["*"],"operations":["sign_transaction"],
         "limits":{"fee_per_transaction":{"GAS":"1200"}}}]})");
    hold(2);
    auto transaction = gas(7, stranger(), 1);
    transaction.signers.insert(
        transaction.signers.begin(), {hashes_[0], neo::kScopeNone, {}, {}, {}});
    EXPECT_EQ(post("/sign", item(transaction, 0)).status, 200);
    EXPECT_EQ(post("/sign", item(transaction, 1)).status, 200);
    transaction.network_fee += 1;
    EXPECT_EQ(post("/sign", item(transaction, 0)).status, 403);
    EXPECT_EQ(post("/sign", item(transaction, 1)).status, 200);
    const auto bodies = audit_bodies("pool.sign_transaction");
    ASSERT_EQ(bodies.size(), 3U);
    EXPECT_EQ(bodies[0].find("moves")->size(), 0U);
    EXPECT_EQ(bodies[1].find("fees"), nullptr);
}

// Fees are burned before the script runs: a transfer of nothing could burn everything.
TEST_P(ClearSigningTest, FeesThatAreTooHighAreNotSigned) {
    open(with_network());
    hold(2);
    auto transaction = gas(0, stranger(), 1);
    transaction.signers.insert(
        transaction.signers.begin(), {hashes_[0], neo::kScopeNone, {}, {}, {}});
    transaction.system_fee = PoolOptions().sign_fees_max;
    transaction.network_fee = 0;
    EXPECT_EQ(post("/sign", item(transaction, 0)).status, 200);
    transaction.network_fee = 1;
    const auto payer = post("/sign", item(transaction, 0));
    EXPECT_EQ(payer.status, 422);
    EXPECT_EQ(payer.reason(), "fee_too_high");
    EXPECT_EQ(post("/sign", item(transaction, 1)).status, 200);  // they are not its own
}

TEST_P(ClearSigningTest, ABatchTakesBothForms) {
    open(with_network());
    hold(2);
    const auto first = gas(1);
    const auto second = gas(2, stranger(), 1);
    const auto answer = post(
        "/batch-sign", "{\"requests\":[" + item(first) + ",{\"account_id\":\"" + ids_[0] +
                           "\",\"tx_hash\":\"" + kDigest + "\"}," + item(second, 1) + "," +
                           item(second, 0) + "," + item(first, 0, 7) + "]}");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto parsed = api::parse_batch_sign_response(answer.body);
    ASSERT_TRUE(parsed);
    ASSERT_EQ(parsed->results.size(), 5U);
    expect_signs(answer.at("results").items()[0], first, hashes_[0]);
    ASSERT_TRUE(parsed->results[1].signed_item);
    EXPECT_TRUE(parsed->results[1].signed_item->tx_hash.empty());
    EXPECT_FALSE(parsed->results[1].signed_item->explanation);
    expect_signs(answer.at("results").items()[2], second, hashes_[1]);
    EXPECT_EQ(parsed->results[3].error->reason, "not_a_signer");
    EXPECT_EQ(parsed->results[4].error->reason, "wrong_network");
    const auto bodies = audit_bodies("pool.batch_sign");
    ASSERT_EQ(bodies.size(), 1U);
    const auto& signatures = bodies[0].find("signatures")->items();
    ASSERT_EQ(signatures.size(), 3U);
    EXPECT_EQ(signatures[0].find("tx_hash")->string_value(), neo::hash(first).to_string());
    EXPECT_EQ(signatures[1].find("tx_hash"), nullptr);
}

TEST_P(ClearSigningTest, NoNameOfAMethodSpoilsABatch) {
    open(with_network());
    hold();
    const auto calling = [&](const std::string& method) {
        neo::ScriptBuilder builder;
        builder.call(stranger(), method, neo::kCallAll, {});
        return around(builder.take());
    };
    std::string wide = "x";
    for (int i = 0; i < 60; ++i) wide += "\u00e4";  // the 80th byte is inside of a character
    const auto answer = post(
        "/batch-sign", "{\"requests\":[" + item(gas(1)) + "," + item(calling(wide)) + "," +
                           item(calling("x\x7fy")) + "]}");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto parsed = api::parse_batch_sign_response(answer.body);
    ASSERT_TRUE(parsed);
    for (const auto& result : parsed->results) EXPECT_TRUE(result.signed_item);
    const auto bodies = audit_bodies("pool.batch_sign");
    ASSERT_EQ(bodies.size(), 1U);
    const auto& signatures = bodies[0].find("signatures")->items();
    ASSERT_EQ(signatures.size(), 3U);
    const auto method_of = [&](std::size_t i) {
        return signatures[i].find("calls")->items()[0].find("method")->string_value();
    };
    EXPECT_EQ(method_of(1), wide.substr(0, 79));
    EXPECT_EQ(method_of(2), "x?y");
}

TEST_P(ClearSigningTest, EachTransactionOfABatchIsJudgedByItself) {
    open_with(kPayBob);
    hold();
    const auto answer = post(
        "/batch-sign", "{\"requests\":[" + item(gas(60)) + "," + item(gas(1, stranger(8))) + "," +
                           item(gas(60)) + "," + item(gas(40)) + "]}");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto parsed = api::parse_batch_sign_response(answer.body);
    ASSERT_TRUE(parsed);
    EXPECT_TRUE(parsed->results[0].signed_item);
    EXPECT_EQ(parsed->results[1].error->reason, "policy_denied");
    ASSERT_TRUE(parsed->results[2].error);
    EXPECT_EQ(parsed->results[2].error->code, "HTTP_429");
    EXPECT_TRUE(parsed->results[3].signed_item);
    const auto bodies = audit_bodies("pool.batch_sign");
    ASSERT_EQ(bodies.size(), 1U);
    EXPECT_EQ(bodies[0].find("signatures")->size(), 2U);
    EXPECT_EQ(bodies[0].find("refused")->size(), 2U);
    // One hash among them, and the batch needs the other permission.
    const auto mixed = post(
        "/batch-sign", "{\"requests\":[" + item(gas(1)) + ",{\"account_id\":\"" + ids_[0] +
                           "\",\"tx_hash\":\"" + kDigest + "\"}]}");
    EXPECT_EQ(mixed.status, 403);
}

TEST_P(ClearSigningTest, SignatureRatesCountBothForms) {
    open_with(R"({"rules":[{"name":"slow","effect":"allow","services":["*"],
        "operations":["request_accounts","sign_digest"],"signatures_per_day":2},
        {"name":"slow too","effect":"allow","services":["*"],
        "operations":["sign_transaction"],"signatures_per_day":2}]})");
    hold();
    EXPECT_EQ(sign(ids_[0]).status, 200);
    EXPECT_EQ(sign_it(gas(1)).status, 200);
    EXPECT_EQ(sign_it(gas(2)).status, 429);
    EXPECT_EQ(sign(ids_[0]).status, 429);
}

ADYTON_ON_ALL_DATABASES(ClearSigningTest);

}  // namespace
}  // namespace adyton::pool

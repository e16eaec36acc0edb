#include <gtest/gtest.h>

#include "attest/attestation_bundle.h"
#include "crypto/p256.h"
#include "pool/test_pool.h"

// The contract of services.md 2 and 7, over the routes.
namespace adyton::pool {
namespace {

class RoutesTest : public PoolTest {};

bool verifies(const base::Json& answer, const std::string& digest_hex) {
    const auto signature = crypto::P256Signature::parse(
        *base::base64_decode(answer.find("signature")->string_value()));
    const auto key = crypto::P256PublicKey::parse(
        *base::base64_decode(answer.find("public_key")->string_value()));
    const auto digest = crypto::Sha256Digest::parse(*base::hex_decode(digest_hex));
    return signature && key && digest && crypto::verify(*key, *digest, *signature);
}

TEST_P(RoutesTest, RequestSignAndReleaseWork) {
    open();
    const auto allocation = request(2);
    ASSERT_EQ(allocation.accounts.size(), 2U);
    EXPECT_FALSE(allocation.lock_id.empty());
    for (const auto& account : allocation.accounts) {
        EXPECT_EQ(account.locked_by, "svc");
        EXPECT_EQ(account.lock_id, allocation.lock_id);
        EXPECT_EQ(account.fencing, 1);
        ASSERT_EQ(account.balances.size(), 2U);
        EXPECT_EQ(account.balances[0].first, "GAS");
        EXPECT_EQ(account.balances[1].first, "NEO");
    }
    const auto signature = sign(allocation.accounts[0].id);
    ASSERT_EQ(signature.status, 200) << signature.text;
    EXPECT_TRUE(verifies(signature.body, kDigestHex));
    EXPECT_EQ(signature.text, sign(allocation.accounts[0].id).text);  // deterministic

    const auto released = post("/release", "{}");
    EXPECT_EQ(released.text, "{\"released_count\":2}\n");
    EXPECT_EQ(sign(allocation.accounts[0].id).status, 409);
}

TEST_P(RoutesTest, EveryRouteButTheMasterKeyNeedsAnIdentity) {
    open();
    const std::pair<const char*, const char*> routes[] = {
        {"GET", "/pool-info"},
        {"GET", "/accounts"},
        {"GET", "/accounts/low-balance"},
        {"POST", "/request"},
        {"POST", "/release"},
        {"POST", "/renew"},
        {"POST", "/sign"},
        {"POST", "/batch-sign"},
        {"POST", "/balance"},
        {"POST", "/grow"},
        {"POST", "/freeze"},
        {"POST", "/unfreeze"},
        {"GET", "/freezes"},
        {"GET", "/allocations"},
        {"GET", "/audit/export"},
        {"POST", "/audit/checkpoint"}};
    for (const auto& [method, path] : routes) {
        const auto answer = call({method, path, "", "{", {}});
        EXPECT_EQ(answer.status, 401) << path;  // before the body is looked at
        EXPECT_EQ(answer.at("code").string_value(), "AUTH_REQUIRED") << path;
    }
    EXPECT_EQ(get("/master-key", "").status, 200);
}

TEST_P(RoutesTest, AnotherServicesIdInBodyOrQueryIsRefused) {
    open();
    for (const char* const path :
         {"/request", "/release", "/renew", "/sign", "/batch-sign", "/balance"}) {
        const auto answer = post(path, "{\"service_id\":\"other\"}", "svc");
        EXPECT_EQ(answer.status, 403) << path;
        EXPECT_EQ(answer.reason(), "service_id_mismatch") << path;
    }
    EXPECT_EQ(get("/accounts?service_id=other").status, 403);
    EXPECT_EQ(get("/accounts?service_id=SVC").status, 403);  // exactly, decisions.md 6
    EXPECT_EQ(get("/accounts?service_id=svc").status, 200);
    EXPECT_EQ(get("/accounts?service_id=").status, 200);
    EXPECT_EQ(get("/accounts?service_id=svc&service_id=svc").status, 400);
}

TEST_P(RoutesTest, RequestCreatesWhatIsMissingAndKeepsTheMaximum) {
    open(small_pool(10));
    EXPECT_EQ(request(4).accounts.size(), 4U);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts"), 4);
    EXPECT_EQ(request(6).accounts.size(), 6U);
    const auto full = post("/request", "{\"count\":1}");
    EXPECT_EQ(full.status, 503);
    EXPECT_EQ(full.reason(), "pool_exhausted");
    EXPECT_TRUE(full.headers.find("Retry-After"));
    EXPECT_NE(full.at("message").string_value().find("pool.max_accounts"), std::string::npos);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts"), 10);
}

TEST_P(RoutesTest, BadRequestsAreRefusedBeforeAnythingHappens) {
    open();
    for (const char* const body :
         {"", "{", "[]", "{\"count\":101}", "{\"count\":\"1\"}", "{\"count\":1}x",
          "{\"count\":1,\"count\":1}", "{\"ttl_seconds\":0}", "{\"ttl_seconds\":86401}"}) {
        const auto answer = post("/request", body);
        EXPECT_EQ(answer.status, 400) << body;
        EXPECT_EQ(answer.at("code").string_value(), "HTTP_400");
        EXPECT_FALSE(answer.at("trace_id").string_value().empty());
    }
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts"), 0);
    EXPECT_TRUE(audit_kinds().empty());
}

TEST_P(RoutesTest, AServiceIdOfAnotherTypeIsRefusedOnEveryRouteThatReadsABody) {
    open();
    for (const char* const path :
         {"/request", "/release", "/renew", "/sign", "/batch-sign", "/balance", "/freeze",
          "/unfreeze", "/grow"}) {
        for (const char* const claimed : {"{}", "7", "[\"svc\"]", "true"}) {
            const std::string body =
                std::string("{\"scope\":\"pool\",\"to\":1,\"service_id\":") + claimed + "}";
            EXPECT_EQ(post(path, body).status, 400) << path << ' ' << body;
        }
    }
    EXPECT_TRUE(audit_kinds().empty());
}

TEST_P(RoutesTest, CountsOfNothingMeanOne) {
    open();
    EXPECT_EQ(post("/request", "{\"count\":0}").at("accounts").size(), 1U);
    EXPECT_EQ(post("/request", "{}").at("accounts").size(), 1U);
    EXPECT_EQ(post("/request", "{\"count\":-5}").at("accounts").size(), 1U);
}

TEST_P(RoutesTest, ReleaseTakesOnlyOwnAccountsAndPassesOverTheRest) {
    open();
    const auto mine = request(2);
    const auto theirs = request(1, "other");
    const std::string ids = "{\"account_ids\":[\"" + mine.accounts[0].id + "\",\"" +
                            theirs.accounts[0].id +
                            "\",\"no-id\",\"00000000-0000-4000-8000-000000000000\"]}";
    EXPECT_EQ(post("/release", ids).text, "{\"released_count\":1}\n");
    EXPECT_EQ(post("/release", ids).text, "{\"released_count\":0}\n");
    EXPECT_EQ(sign(theirs.accounts[0].id, "other").status, 200);
    EXPECT_EQ(sign(mine.accounts[1].id).status, 200);
    EXPECT_EQ(post("/release", "{\"account_ids\":[]}").text, "{\"released_count\":1}\n");
    expect_consistent();
}

TEST_P(RoutesTest, ReleaseTouchesTheTimeOfLastUse) {
    open();
    const auto held = request(1);
    ASSERT_EQ(post("/release", "{}").status, 200);
    const auto again = request(1);
    ASSERT_EQ(again.accounts[0].id, held.accounts[0].id);
    EXPECT_GE(again.accounts[0].last_used_at, held.accounts[0].last_used_at);
    EXPECT_EQ(again.accounts[0].fencing, 2);
}

TEST_P(RoutesTest, SigningRefusalsHaveTruthfulStatuses) {
    open();
    const auto held = request(1);
    grow_to(2);
    const std::string id = held.accounts[0].id;
    EXPECT_EQ(post("/sign", "{}").at("message").string_value(), "account_id and tx_hash required");
    EXPECT_EQ(post("/sign", "{\"account_id\":\"" + id + "\"}").status, 400);
    EXPECT_EQ(post("/sign", "{\"account_id\":\"" + id + "\",\"tx_hash\":\"AAEC\"}").status, 400);
    EXPECT_EQ(sign("00000000-0000-4000-8000-000000000000").status, 404);
    EXPECT_EQ(sign("not-a-uuid").status, 404);
    const auto other = sign(id, "other");
    EXPECT_EQ(other.status, 403);
    EXPECT_EQ(other.at("code").string_value(), "HTTP_403");
    EXPECT_EQ(other.reason(), "not_locker");
}

TEST_P(RoutesTest, NetworkMagicSignsTheNeoWitnessDigest) {
    open();
    const auto held = request(1);
    const auto signature = sign(held.accounts[0].id, "svc", ",\"network_magic\":894710606");
    ASSERT_EQ(signature.status, 200);
    EXPECT_TRUE(verifies(
        signature.body, "6eaf184a673070d536005a6646a125e88148cd5497658c87b1da401117be23d1"));
}

TEST_P(RoutesTest, BatchKeepsPositionsAndAnswersEachByItself) {
    open();
    const auto held = request(2);
    const auto item = [](const std::string& id) {
        return "{\"account_id\":\"" + id + "\",\"tx_hash\":\"" + kDigest + "\"}";
    };
    const auto answer = post(
        "/batch-sign", "{\"requests\":[" + item(held.accounts[0].id) + "," + item("bad") + "," +
                           item(held.accounts[1].id) + ",{\"account_id\":\"" + held.accounts[0].id +
                           "\",\"tx_hash\":\"AAEC\"}," + item(held.accounts[0].id) + "]}");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto parsed = api::parse_batch_sign_response(answer.body);
    ASSERT_TRUE(parsed);
    ASSERT_EQ(parsed->results.size(), 5U);
    EXPECT_TRUE(parsed->results[0].signed_item);
    EXPECT_EQ(parsed->results[1].error->code, "HTTP_404");
    EXPECT_EQ(parsed->results[2].signed_item->account_id, held.accounts[1].id);
    EXPECT_EQ(parsed->results[3].error->message, "tx_hash must be 32 bytes");
    EXPECT_EQ(parsed->results[4].signed_item, parsed->results[0].signed_item);
    EXPECT_EQ(answer.at("signatures").size(), 3U);
    EXPECT_EQ(answer.at("errors").items()[0].string_value(), "bad: account not found");
    for (const auto& signature : answer.at("signatures").items()) {
        EXPECT_TRUE(verifies(signature, kDigestHex));
    }
    EXPECT_EQ(post("/batch-sign", "{}").text, "{\"signatures\":[],\"results\":[]}\n");
}

TEST_P(RoutesTest, BatchOverTheLimitIsRefusedWhole) {
    TestPoolOptions options = small_pool();
    options.pool.batch_sign_max = 2;
    open(options);
    EXPECT_EQ(post("/batch-sign", "{\"requests\":[{},{}]}").status, 200);
    EXPECT_EQ(post("/batch-sign", "{\"requests\":[{},{},{}]}").status, 400);
}

TEST_P(RoutesTest, BalancesAddSubtractAndSet) {
    open();
    const std::string id = request(1).accounts[0].id;
    const auto change = [&](const std::string& members) {
        return post("/balance", "{\"account_id\":\"" + id + "\"" + members + "}");
    };
    EXPECT_EQ(
        change(",\"delta\":7").text,
        "{\"account_id\":\"" + id +
            "\",\"token\":\"GAS\",\"old_balance\":0,\"new_balance\":7,\"tx_count\":1}\n");
    EXPECT_EQ(change(",\"delta\":-3").at("new_balance").number_text(), "4");
    EXPECT_EQ(change("").at("tx_count").number_text(), "3");
    EXPECT_EQ(change(",\"delta\":5,\"absolute\":999").at("new_balance").number_text(), "999");
    EXPECT_EQ(change(",\"absolute\":\"0\"").at("new_balance").string_value(), "0");
    EXPECT_EQ(change(",\"token\":\"FLM\",\"delta\":2").at("old_balance").number_text(), "0");
    EXPECT_EQ(change(",\"delta\":-1").status, 409);
    EXPECT_EQ(change(",\"delta\":-1").reason(), "insufficient_balance");
    EXPECT_EQ(change(",\"delta\":9007199254740992").status, 422);
    EXPECT_EQ(change(",\"absolute\":-1").status, 422);
    EXPECT_EQ(change(",\"absolute\":9007199254740992").status, 422);
    EXPECT_EQ(change(",\"delta\":1.5").status, 400);
    EXPECT_EQ(change(",\"script_hash\":\"zz\",\"delta\":1").status, 400);
    EXPECT_EQ(post("/balance", "{}").at("message").string_value(), "account_id required");
    EXPECT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":1}", "other").status, 403);
    EXPECT_EQ(
        change(",\"absolute\":9007199254740991").at("new_balance").number_text(),
        "9007199254740991");
    EXPECT_EQ(change(",\"delta\":1").status, 422);
    expect_consistent();
}

TEST_P(RoutesTest, TwoContractsOfOneTokenTypeStayApart) {
    open();
    const std::string id = request(1).accounts[0].id;
    const std::string other = "0x1111111111111111111111111111111111111111";
    ASSERT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":5}").status, 200);
    ASSERT_EQ(
        post(
            "/balance",
            "{\"account_id\":\"" + id + "\",\"delta\":8,\"script_hash\":\"" + other + "\"}")
            .status,
        200);
    const auto list = get("/accounts");
    const base::Json& balances = *list.at("accounts").items()[0].find("balances");
    EXPECT_EQ(balances.find("GAS")->find("amount")->number_text(), "5");
    EXPECT_EQ(balances.find("GAS:" + other)->find("amount")->number_text(), "8");
    const auto info = get("/pool-info");
    EXPECT_EQ(info.at("token_stats").find("GAS")->find("total_balance")->number_text(), "5");
    EXPECT_EQ(
        info.at("token_stats").find("GAS:" + other)->find("locked_balance")->number_text(), "8");
}

TEST_P(RoutesTest, PoolInfoCountsEachAccountOnceAndSumsByClass) {
    open();
    grow_to(1);
    const auto locked = request(2);
    execute("UPDATE pool_account_balances SET amount = 1000000 WHERE token_type = 'GAS'");
    grow_to(3);
    execute(
        "UPDATE pool_account_balances SET amount = 500000 WHERE token_type = 'GAS' AND account_id "
        "IN (SELECT id FROM pool_accounts WHERE locked_by IS NULL)");
    execute("UPDATE pool_accounts SET is_retiring = true WHERE locked_by IS NULL");
    grow_to(4);
    const auto info = get("/pool-info");
    ASSERT_EQ(info.status, 200);
    EXPECT_EQ(info.at("total_accounts").number_text(), "4");
    EXPECT_EQ(info.at("active_accounts").number_text(), "1");
    EXPECT_EQ(info.at("locked_accounts").number_text(), "2");
    EXPECT_EQ(info.at("retiring_accounts").number_text(), "1");
    const base::Json& gas = *info.at("token_stats").find("GAS");
    EXPECT_EQ(gas.find("total_balance")->number_text(), "2500000");
    EXPECT_EQ(gas.find("locked_balance")->number_text(), "2000000");
    EXPECT_EQ(gas.find("available_balance")->number_text(), "0");
    EXPECT_EQ(
        gas.find("script_hash")->string_value(), "0xd2a4cff31913016155e38e474a2c06d08be276cf");
    EXPECT_NE(info.at("token_stats").find("NEO"), nullptr);
}

TEST_P(RoutesTest, AccountsAreFilteredByTokenAndMinimumTogetherOnly) {
    open();
    const auto held = request(2);
    ASSERT_EQ(
        post("/balance", "{\"account_id\":\"" + held.accounts[0].id + "\",\"absolute\":12}").status,
        200);
    const auto size = [&](const std::string& query) {
        return get("/accounts" + query).at("accounts").size();
    };
    EXPECT_EQ(size(""), 2U);
    EXPECT_EQ(size("?token=GAS&min_balance=12abc"), 1U);
    EXPECT_EQ(size("?token=GAS&min_balance=13"), 0U);
    EXPECT_EQ(size("?token=GAS&min_balance=0"), 2U);
    EXPECT_EQ(size("?token=GAS&min_balance=abc"), 2U);
    EXPECT_EQ(size("?token=GAS"), 2U);
    EXPECT_EQ(size("?min_balance=13"), 2U);
    EXPECT_EQ(size("?token=FOO&min_balance=1"), 0U);
    EXPECT_EQ(get("/accounts", "nobody").text, "{\"accounts\":[]}\n");
    EXPECT_EQ(get("/accounts").text.find("public_key"), std::string::npos);
}

TEST_P(RoutesTest, LowBalanceIsStrictlyBelowAndSeesAllServices) {
    open();
    const auto held = request(3);
    const auto set = [&](std::size_t index, const char* amount) {
        return post(
                   "/balance", "{\"account_id\":\"" + held.accounts[index].id +
                                   "\",\"absolute\":" + amount + "}")
            .status;
    };
    ASSERT_EQ(set(0, "10000000"), 200);
    ASSERT_EQ(set(1, "9999999"), 200);
    EXPECT_EQ(get("/accounts/low-balance", "other").at("accounts").size(), 2U);
    EXPECT_EQ(get("/accounts/low-balance?max_balance=1").at("accounts").size(), 1U);
    EXPECT_EQ(get("/accounts/low-balance?limit=1").at("accounts").size(), 1U);
    EXPECT_EQ(get("/accounts/low-balance?token=FOO").at("accounts").size(), 3U);
}

TEST_P(RoutesTest, MasterKeyStatementIsStableAndHoldsTheContractsFields) {
    open();
    const auto answer = get("/master-key");
    EXPECT_EQ(
        answer.at("pubkey").string_value(),
        "03847a275ba62fdde0b83d2d690d032067691281578cf52ae756127ed0e3ef79a4");
    EXPECT_EQ(
        answer.at("hash").string_value(),
        "6fe1865e7fa3bef354f18772f7f3053875ccd44ff22b50d35f822196628fe74a");
    EXPECT_EQ(answer.at("source").string_value(), "neoaccounts");
    EXPECT_TRUE(answer.at("simulated").boolean_value());
    EXPECT_EQ(answer.body.find("quote"), nullptr);
    EXPECT_EQ(answer.headers.find("Cache-Control"), "public, max-age=60");
    EXPECT_EQ(get("/master-key").text, answer.text) << "the same bytes for everybody";
    EXPECT_EQ(get("/attestation").body, answer.at("attestation"));
}

TEST_P(RoutesTest, MasterKeyAnswerVerifiesAndBindsTheKeysThatSign) {
    open();
    const auto answer = get("/master-key");
    const auto bundle = attest::AttestationBundle::parse_answer(answer.text);
    ASSERT_TRUE(bundle) << bundle.error().message();
    EXPECT_EQ(
        answer.at("attestation_hash").string_value(),
        crypto::sha256(bundle->evidence.bytes).to_hex());
    EXPECT_EQ(bundle->claims.service_id, "neoaccounts");
    EXPECT_EQ(bundle->claims.purpose, "pool-master");
    EXPECT_EQ(bundle->claims.signing_keys.count("audit-ed25519"), 1U);
    EXPECT_FALSE(bundle->claims.build_id.empty());
    EXPECT_TRUE(bundle->claims.policy_digest.has_value());
    attest::BundleOptions options;
    options.at = base::Timestamp(std::chrono::seconds(bundle->claims.issued_at));
    const auto verdict = attest::verify_bundle(*bundle, options);
    ASSERT_TRUE(verdict) << verdict.error().message();
    EXPECT_EQ(verdict->facts.type, attest::EvidenceType::Simulated);
}

TEST_P(RoutesTest, ANonceIsBoundNeverCachedAndRateLimited) {
    open();
    const auto first = get("/master-key?nonce=AQID");
    ASSERT_EQ(first.status, 200);
    EXPECT_EQ(first.headers.find("Cache-Control"), "no-store");
    EXPECT_EQ(first.at("attestation").find("claims")->find("nonce")->string_value(), "AQID");
    EXPECT_NE(first.at("attestation"), get("/master-key").at("attestation"));
    for (const std::string_view bad : {"", "A", "AQID=", "AQIR%0a", "AQJ", "a+b/", "%00"}) {
        EXPECT_EQ(get("/master-key?nonce=" + std::string(bad)).status, 400) << bad;
    }
    EXPECT_EQ(get("/master-key?nonce=" + std::string(87, 'A')).status, 400);
    EXPECT_EQ(get("/master-key?nonce=AQID&nonce=AQID").status, 400);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(get("/master-key?nonce=AQID").status, 200);
    const auto refused = get("/master-key?nonce=AQID");
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.reason(), "attestation_rate");
    EXPECT_TRUE(refused.headers.find("Retry-After").has_value());
    EXPECT_EQ(get("/master-key").status, 200) << "the cached one is for everybody";
}

TEST_P(RoutesTest, IdempotencyKeyRepeatsTheAnswerAndRefusesAnotherBody) {
    open();
    const auto first = post("/request", "{\"count\":2}", "svc", {{"Idempotency-Key", "k1"}});
    ASSERT_EQ(first.status, 200);
    const auto again = post("/request", "{\"count\":2}", "svc", {{"X-Idempotency-Key", "k1"}});
    EXPECT_EQ(again.text, first.text);
    EXPECT_EQ(again.headers.find("Idempotency-Replayed"), "true");
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts"), 2);
    const auto other = post("/request", "{\"count\":3}", "svc", {{"Idempotency-Key", "k1"}});
    EXPECT_EQ(other.status, 409);
    EXPECT_EQ(other.reason(), "idempotency_key_reused");
    // Another service's key is another key; so is the same key on another route.
    EXPECT_EQ(post("/request", "{}", "other", {{"Idempotency-Key", "k1"}}).status, 200);
    EXPECT_EQ(
        post("/release", "{}", "svc", {{"Idempotency-Key", "k1"}}).text,
        "{\"released_count\":2}\n");
    EXPECT_EQ(
        post("/release", "{}", "svc", {{"Idempotency-Key", "k1"}}).text,
        "{\"released_count\":2}\n");
    EXPECT_EQ(
        post("/request", "{}", "svc", {{"Idempotency-Key", "a"}, {"X-Idempotency-Key", "b"}})
            .status,
        400);
    EXPECT_EQ(post("/request", "{}", "svc", {{"Idempotency-Key", "a b"}}).status, 400);
}

TEST_P(RoutesTest, IdempotencyKeyRemembersRefusedBalances) {
    open();
    const std::string id = request(1).accounts[0].id;
    const std::string body = "{\"account_id\":\"" + id + "\",\"delta\":-5}";
    const auto refused = post("/balance", body, "svc", {{"Idempotency-Key", "k"}});
    ASSERT_EQ(refused.status, 409);
    ASSERT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":10}").status, 200);
    const auto again = post("/balance", body, "svc", {{"Idempotency-Key", "k"}});
    EXPECT_EQ(again.status, 409);
    EXPECT_EQ(again.reason(), "insufficient_balance");
    EXPECT_EQ(again.at("message"), refused.at("message"));
    EXPECT_EQ(post("/balance", body).status, 200);
}

TEST_P(RoutesTest, IdempotencyKeyOfAShortPoolIsFreeAgain) {
    open(small_pool(1));
    const auto held = request(1);
    ASSERT_EQ(post("/request", "{}", "b", {{"Idempotency-Key", "k"}}).status, 503);
    ASSERT_EQ(post("/release", "{}").status, 200);
    EXPECT_EQ(post("/request", "{}", "b", {{"Idempotency-Key", "k"}}).status, 200);
}

TEST_P(RoutesTest, FreezesStopWhatTheyNameAndSurviveARestart) {
    open();
    const auto held = request(2);
    const std::string frozen = held.accounts[0].id;
    const auto set = [&](const std::string& path, const std::string& body) {
        return post(path, body, "operator");
    };
    const std::string account =
        "{\"scope\":\"account\",\"subject\":\"" + frozen + "\",\"reason\":\"key leaked\"}";
    EXPECT_EQ(set("/freeze", account).text, "{\"frozen\":true,\"changed\":true}\n");
    EXPECT_EQ(set("/freeze", account).text, "{\"frozen\":true,\"changed\":false}\n");
    EXPECT_EQ(sign(frozen).status, 423);
    EXPECT_EQ(sign(frozen).reason(), "account_frozen");
    EXPECT_EQ(sign(held.accounts[1].id).status, 200);
    ASSERT_EQ(post("/release", "{}").status, 200);  // giving back is always possible
    open();
    const auto next = request(2);  // passes over the frozen one
    for (const auto& given : next.accounts) EXPECT_NE(given.id, frozen);

    ASSERT_EQ(set("/freeze", "{\"scope\":\"service\",\"subject\":\"svc\"}").status, 200);
    EXPECT_EQ(sign(next.accounts[0].id).reason(), "service_frozen");
    EXPECT_EQ(post("/request", "{}").status, 423);
    const std::string pay = "{\"account_id\":\"" + next.accounts[1].id + "\",\"delta\":1}";
    EXPECT_EQ(post("/balance", pay, "svc", {{"Idempotency-Key", "thaw"}}).status, 423);
    EXPECT_EQ(post("/request", "{}", "other").status, 200);
    EXPECT_EQ(post("/renew", "{\"lock_id\":\"" + next.lock_id + "\"}").status, 423);
    EXPECT_EQ(post("/balance", "{\"account_id\":\"" + next.accounts[0].id + "\"}").status, 423);
    ASSERT_EQ(set("/unfreeze", "{\"scope\":\"service\",\"subject\":\"svc\"}").status, 200);
    ASSERT_EQ(set("/freeze", "{\"scope\":\"pool\"}").status, 200);
    EXPECT_EQ(sign(next.accounts[0].id).reason(), "pool_frozen");
    EXPECT_EQ(post("/request", "{}", "other").status, 423);
    EXPECT_EQ(get("/freezes", "operator").at("freezes").size(), 2U);
    ASSERT_EQ(set("/unfreeze", "{\"scope\":\"pool\"}").status, 200);
    EXPECT_EQ(post("/balance", pay, "svc", {{"Idempotency-Key", "thaw"}}).status, 200);
    EXPECT_EQ(sign(next.accounts[0].id).status, 200);
}

TEST_P(RoutesTest, GrowCreatesAheadAndNamesTheSettingAtTheMaximum) {
    TestPoolOptions options = small_pool(30);
    options.pool.create_step = 4;
    options.pool.grow_step = 10;
    open(options);
    EXPECT_EQ(
        post("/grow", "{\"to\":15}").text,
        "{\"created\":10,\"total_accounts\":10,\"target\":15,\"complete\":false}\n");
    EXPECT_EQ(
        post("/grow", "{\"to\":15}").text,
        "{\"created\":5,\"total_accounts\":15,\"target\":15,\"complete\":true}\n");
    EXPECT_EQ(post("/grow", "{\"to\":15}").at("created").number_text(), "0");
    const auto over = post("/grow", "{\"to\":31}");
    EXPECT_EQ(over.status, 422);
    EXPECT_NE(over.at("message").string_value().find("pool.max_accounts"), std::string::npos);
}

TEST_P(RoutesTest, AllocationsAreListedWhileTheyHoldAccounts) {
    open();
    const auto held = request(2);
    const auto listed = get("/allocations", "operator");
    ASSERT_EQ(listed.at("allocations").size(), 1U);
    const auto parsed = api::parse_allocations_response(listed.body);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->allocations[0].lock_id, held.lock_id);
    EXPECT_EQ(parsed->allocations[0].account_count, 2);
    ASSERT_EQ(post("/release", "{}").status, 200);
    EXPECT_EQ(get("/allocations", "operator").at("allocations").size(), 0U);
}

TEST_P(RoutesTest, HealthReadyInfoAndDocumentAreServed) {
    open();
    EXPECT_EQ(get("/health", "").status, 200);
    EXPECT_EQ(get("/ready", "").at("status").string_value(), "healthy");
    const auto info = get("/info", "");
    EXPECT_EQ(info.at("service").string_value(), "Account Pool Service");
    EXPECT_EQ(info.at("audit_durability").string_value(), "durable");
    EXPECT_EQ(info.at("identity_mode").string_value(), "development");
    EXPECT_EQ(info.at("workers").size(), 7U);
    const auto document = get("/openapi.json", "");
    EXPECT_EQ(document.at("openapi").string_value(), "3.1.0");
}

TEST_P(RoutesTest, EveryRouteStandsInTheDocumentAndEveryOneOfTheDocumentIsServed) {
    open();
    const auto document = base::Json::parse(openapi_json());
    ASSERT_TRUE(document) << document.error().message();
    const base::Json& paths = *document->find("paths");
    std::size_t served = 0;
    for (const auto& route : pool().frame().router().routes()) {
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

TEST_P(RoutesTest, UnknownPathsAndMethodsAreAnsweredInTheEnvelope) {
    open();
    const auto unknown = get("/nothing");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(unknown.at("code").string_value(), "HTTP_404");
    EXPECT_EQ(get("/sign").status, 405);
}

ADYTON_ON_ALL_DATABASES(RoutesTest);

}  // namespace
}  // namespace adyton::pool

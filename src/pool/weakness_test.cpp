#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "base/test_vectors.h"
#include "crypto/p256.h"
#include "crypto/test_bytes.h"
#include "crypto/uuid.h"
#include "neo/account_key.h"
#include "neo/verification_script.h"
#include "neo/wif.h"
#include "pool/allocator.h"
#include "pool/internal/service_parts.h"
#include "pool/test_pool.h"
#include "pool/workers.h"

// services.md 9.1: each weakness of the original that concerns the pool, and that it is gone. A11,
// A13 and A14 are about transfers, A25, A26 and A29 about enclaves.
namespace adyton::pool {
namespace {

class PoolWeaknessTest : public PoolTest {
public:
    const PoolContext& context() { return pool().context(); }
    std::int64_t free_stale_locks() {
        const auto freed = run(pool::free_stale_locks(context(), {}));
        EXPECT_TRUE(freed);
        return freed ? *freed : -1;
    }
    std::int64_t rotate_once() {
        const auto done = run(rotate(context(), {}));
        EXPECT_TRUE(done) << done.error().message();
        return done ? *done : -1;
    }
    // Accounts old enough for the rotation.
    void age_accounts() {
        auto unit = [](storage::Transaction& tx) -> Result<void> {
            TRY(const auto now, tx.now());
            TRY_VOID(tx.execute(
                "UPDATE pool_accounts SET created_at = $1, last_used_at = $1",
                {now - std::chrono::hours(48)}));
            return {};
        };
        ASSERT_TRUE(run(database().write(unit)));
    }
    // As if the last rotation was a day ago.
    void let_a_day_pass() {
        auto unit = [](storage::Transaction& tx) -> Result<void> {
            TRY(const auto now, tx.now());
            const auto then = now - std::chrono::hours(24);
            return accounts::write_meta(
                tx, "rotation_credit_at_micro", std::to_string(then.time_since_epoch().count()));
        };
        ASSERT_TRUE(run(database().write(unit)));
    }
    std::int64_t total() { return number("SELECT COUNT(*) FROM pool_accounts"); }
    std::int64_t locked() {
        return number("SELECT COUNT(*) FROM pool_accounts WHERE locked_by IS NOT NULL");
    }
};

// On the simulated disk only: virtual time.
class SimulatedPoolWeaknessTest : public PoolWeaknessTest {};
// On one real database: the memory of the process.
class PoolMemoryWeaknessTest : public PoolWeaknessTest {};

std::string request_body(std::int64_t count) {
    return "{\"count\":" + std::to_string(count) + "}";
}

TEST_P(PoolWeaknessTest, A1StaleLocksAreClearedAndFreshOnesStay) {
    open();
    const auto stale = request(2, "gone");
    const auto fresh = request(1, "busy");
    expire(stale.lock_id);
    EXPECT_EQ(free_stale_locks(), 2);
    EXPECT_EQ(
        number("SELECT COUNT(*) FROM pool_accounts WHERE locked_by IS NULL AND locked_at IS NULL "
               "AND lock_id IS NULL"),
        2);
    EXPECT_EQ(sign(fresh.accounts[0].id, "busy").status, 200);
    EXPECT_EQ(request(2, "next").accounts.size(), 2U);
    EXPECT_EQ(total(), 3);
    EXPECT_EQ(free_stale_locks(), 0);
    ASSERT_EQ(audit_bodies("pool.lock_expired").size(), 1U);
    EXPECT_EQ(audit_bodies("pool.lock_expired")[0].find("service_id")->string_value(), "gone");
}

TEST_P(SimulatedPoolWeaknessTest, A2EveryWorkerRunsOnItsOwnScheduleEveryHour) {
    TestPoolOptions options = small_pool();
    options.pool.accounts_min = 20;
    open(options);
    pool().service().start();
    test().sim()->run_for(std::chrono::hours(5));
    test().sim()->run_until_done(pool().service().stop());
    std::set<std::string> seen;
    for (const auto& status : pool().service().parts().runner.status()) {
        seen.insert(status.name);
        EXPECT_GE(status.runs, 4U) << status.name;
        EXPECT_EQ(status.failures, 0U) << status.name << ": " << status.last_error;
    }
    EXPECT_EQ(seen.size(), 7U);
    EXPECT_EQ(total(), 20);
}

TEST_P(PoolWeaknessTest, A3LargeRequestsCreateNothingWhileEnoughAreFree) {
    open(small_pool(120));
    grow_to(100);
    for (const std::int64_t count : {26, 74}) {
        EXPECT_EQ(request(count).accounts.size(), static_cast<std::size_t>(count));
    }
    EXPECT_EQ(total(), 100);
    EXPECT_EQ(request(20).accounts.size(), 20U);
    EXPECT_EQ(post("/request", request_body(1)).status, 503);
    EXPECT_EQ(total(), 120);
}

TEST_P(PoolWeaknessTest, A4AllocationIsAllOrNothing) {
    open(small_pool(10));
    grow_to(10);
    EXPECT_EQ(request(6).accounts.size(), 6U);
    const auto refused = post("/request", request_body(5), "other");
    EXPECT_EQ(refused.status, 503);
    EXPECT_EQ(locked(), 6);
    EXPECT_EQ(request(4, "other").accounts.size(), 4U);
}

TEST_P(PoolWeaknessTest, A4CallersAtTheSameTimeEachGetAllTheirAccounts) {
    open(small_pool(100));
    grow_to(100);
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 12; ++i) {
        calls.push_back(
            pool().call({"POST", "/request", "svc-" + std::to_string(i), request_body(9), {}}));
    }
    std::set<std::string> given;
    int refused = 0;
    for (const auto& answer : test().run_all(std::move(calls))) {
        if (answer.status != 200) {
            EXPECT_EQ(answer.status, 503) << answer.text;
            ++refused;
            continue;
        }
        const auto allocation = api::parse_allocation_response(answer.body);
        ASSERT_TRUE(allocation);
        EXPECT_EQ(allocation->accounts.size(), 9U);
        for (const auto& account : allocation->accounts) {
            EXPECT_TRUE(given.insert(account.id).second) << "two owners";
        }
    }
    EXPECT_EQ(refused, 1);  // 11 times 9 fit into 100
    EXPECT_EQ(given.size(), 99U);
    EXPECT_EQ(locked(), 99);
    EXPECT_EQ(total(), 100);
}

TEST_P(PoolWeaknessTest, A5ReleaseByLockIdFreesThatAllocationOnly) {
    open();
    const auto first = request(2);
    const auto second = request(3);
    const auto release = [&](const std::string& lock_id, const std::string& service = "svc") {
        return post("/release", "{\"lock_id\":\"" + lock_id + "\"}", service);
    };
    EXPECT_EQ(release(first.lock_id, "other").status, 403);
    EXPECT_EQ(release("00000000-0000-4000-8000-000000000000").status, 404);
    EXPECT_EQ(release("x").status, 404);
    EXPECT_EQ(locked(), 5);
    EXPECT_EQ(release(first.lock_id).text, "{\"released_count\":2}\n");
    EXPECT_EQ(release(first.lock_id).text, "{\"released_count\":0}\n");
    EXPECT_EQ(locked(), 3);
    // Both together: of this allocation, these accounts.
    const std::string both = "{\"lock_id\":\"" + second.lock_id + "\",\"account_ids\":[\"" +
                             second.accounts[0].id + "\",\"" + first.accounts[0].id + "\"]}";
    EXPECT_EQ(post("/release", both).text, "{\"released_count\":1}\n");
    EXPECT_EQ(locked(), 2);
}

TEST_P(PoolWeaknessTest, A6ConcurrentBalanceChangesAddUp) {
    open();
    const std::string id = request(1).accounts[0].id;
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 40; ++i) {
        calls.push_back(pool().call(
            {"POST", "/balance", "svc", "{\"account_id\":\"" + id + "\",\"delta\":1}", {}}));
    }
    for (const auto& answer : test().run_all(std::move(calls))) EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(number("SELECT amount FROM pool_account_balances WHERE token_type = 'GAS'"), 40);
    EXPECT_EQ(number("SELECT tx_count FROM pool_accounts"), 40);
}

TEST_P(PoolWeaknessTest, A6RefusedBalanceChangesLeaveTheCounterAlone) {
    open();
    const std::string id = request(1).accounts[0].id;
    EXPECT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":-1}").status, 409);
    EXPECT_EQ(number("SELECT tx_count FROM pool_accounts"), 0);
    EXPECT_TRUE(audit_bodies("pool.balance").empty());
}

TEST_P(PoolWeaknessTest, A7BalanceChangesWriteNothingButTheBalance) {
    open();
    const auto held = request(1);
    const std::string id = held.accounts[0].id;
    execute("UPDATE pool_accounts SET is_retiring = true");
    ASSERT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":1}").status, 200);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE is_retiring"), 1);
    ASSERT_EQ(post("/release", "{}").status, 200);
    // The release must not come back, whatever order calls run in.
    EXPECT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":1}").status, 409);
    EXPECT_EQ(locked(), 0);
    std::vector<Task<TestAnswer>> calls;
    execute("UPDATE pool_accounts SET is_retiring = false");
    ASSERT_EQ(request(1).accounts[0].id, id);
    calls.push_back(pool().call(
        {"POST", "/balance", "svc", "{\"account_id\":\"" + id + "\",\"delta\":1}", {}}));
    calls.push_back(pool().call({"POST", "/release", "svc", "{}", {}}));
    calls.push_back(pool().call(
        {"POST", "/balance", "svc", "{\"account_id\":\"" + id + "\",\"delta\":1}", {}}));
    test().run_all(std::move(calls));
    EXPECT_EQ(locked(), 0);
}

TEST_P(PoolWeaknessTest, A8ExpiredLeasesSignNothing) {
    open();
    const auto held = request(1);
    expire(held.lock_id);
    const auto refused = sign(held.accounts[0].id);
    EXPECT_EQ(refused.status, 409);
    EXPECT_EQ(refused.reason(), "lease_expired");
    EXPECT_EQ(
        post("/balance", "{\"account_id\":\"" + held.accounts[0].id + "\"}").reason(),
        "lease_expired");
    EXPECT_EQ(post("/renew", "{\"lock_id\":\"" + held.lock_id + "\"}").reason(), "lease_expired");
    EXPECT_TRUE(audit_bodies("pool.sign").empty());
}

TEST_P(PoolWeaknessTest, A8StaleFencingNumbersAndLocksSignNothing) {
    open(small_pool(1));
    const auto old_lock = request(1);
    const std::string id = old_lock.accounts[0].id;
    const auto claim = [&](const api::AllocationResponse& lock) {
        return ",\"lock_id\":\"" + lock.lock_id +
               "\",\"fencing\":" + std::to_string(lock.accounts[0].fencing);
    };
    EXPECT_EQ(sign(id, "svc", claim(old_lock)).status, 200);
    ASSERT_EQ(post("/release", "{}").status, 200);
    const auto new_lock = request(1);
    ASSERT_EQ(new_lock.accounts[0].id, id);
    EXPECT_EQ(sign(id, "svc", claim(new_lock)).status, 200);
    EXPECT_EQ(sign(id, "svc", claim(old_lock)).reason(), "stale_lease");
    const auto stale =
        sign(id, "svc", ",\"fencing\":" + std::to_string(old_lock.accounts[0].fencing));
    EXPECT_EQ(stale.status, 409);
    EXPECT_EQ(stale.reason(), "stale_fencing");
}

TEST_P(PoolWeaknessTest, A8RenewalMovesTheEndOfALease) {
    open();
    const auto answer = post("/request", "{\"ttl_seconds\":60}");
    ASSERT_EQ(answer.status, 200);
    const auto held = api::parse_allocation_response(answer.body);
    ASSERT_TRUE(held);
    EXPECT_EQ(*held->expires_at - *held->accounts[0].locked_at, std::chrono::seconds(60));
    const auto renewed = api::parse_renew_response(
        post("/renew", "{\"lock_id\":\"" + held->lock_id + "\",\"ttl_seconds\":600}").body);
    ASSERT_TRUE(renewed);
    EXPECT_EQ(renewed->account_count, 1);
    EXPECT_GE(renewed->expires_at - *held->expires_at, std::chrono::seconds(500));
    EXPECT_EQ(post("/renew", "{\"lock_id\":\"" + held->lock_id + "\"}", "other").status, 403);
    ASSERT_EQ(post("/release", "{}").status, 200);
    EXPECT_EQ(post("/renew", "{\"lock_id\":\"" + held->lock_id + "\"}").reason(), "lock_released");
}

TEST_P(PoolWeaknessTest, A9AccountsLockedAfterTheSnapshotAreNotRetired) {
    open();
    grow_to(3);
    age_accounts();
    const auto rule = run(database().read([](storage::Transaction& tx) {
        return [&]() -> Result<accounts::RotationRule> {
            TRY(const auto now, tx.now());
            return accounts::RotationRule{now - std::chrono::hours(24), 100'000};
        }();
    }));
    ASSERT_TRUE(rule);
    const auto snapshot = run(database().read(
        [&](storage::Transaction& tx) { return accounts::find_rotatable(tx, *rule, 3); }));
    ASSERT_TRUE(snapshot);
    ASSERT_EQ(snapshot->size(), 3U);
    const auto taken = request(1);
    const auto retired = run(database().write(
        [&](storage::Transaction& tx) { return accounts::retire(tx, *rule, *snapshot); }));
    ASSERT_TRUE(retired);
    EXPECT_EQ(retired->size(), 2U);
    EXPECT_EQ(sign(taken.accounts[0].id).status, 200);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE is_retiring"), 2);
}

TEST_P(PoolWeaknessTest, A9AnyOtherTokenKeepsAnAccountFromRotation) {
    TestPoolOptions options = small_pool();
    options.pool.rotation_rate_per_day = 1;
    open(options);
    const auto held = request(4);
    const auto set = [&](std::size_t index, const std::string& members) {
        return post(
                   "/balance",
                   "{\"account_id\":\"" + held.accounts[index].id + "\"," + members + "}")
            .status;
    };
    ASSERT_EQ(set(0, "\"token\":\"FLM\",\"absolute\":1"), 200);
    ASSERT_EQ(set(1, "\"token\":\"NEO\",\"absolute\":1"), 200);
    ASSERT_EQ(set(2, "\"absolute\":100000"), 200);
    ASSERT_EQ(set(3, "\"absolute\":99999"), 200);
    ASSERT_EQ(post("/release", "{}").status, 200);
    age_accounts();
    rotate_once();
    let_a_day_pass();
    EXPECT_EQ(rotate_once(), 1);
    EXPECT_EQ(
        number(
            "SELECT COUNT(*) FROM pool_accounts WHERE is_retiring AND id = '" +
            held.accounts[3].id + "'"),
        1);
}

TEST_P(PoolWeaknessTest, A10RichAccountsAreNeverTakenForPoorOnes) {
    TestPoolOptions options = small_pool(2000);
    options.pool.rotation_rate_per_day = 1;
    open(options);
    grow_to(1200);
    execute("UPDATE pool_account_balances SET amount = 50000000 WHERE token_type = 'GAS'");
    age_accounts();
    EXPECT_EQ(get("/accounts/low-balance?limit=100").at("accounts").size(), 0U);
    rotate_once();
    let_a_day_pass();
    EXPECT_EQ(rotate_once(), 0);
    // When balances cannot be read that is an error, not a zero.
    if (test().backend() == storage::TestBackend::Postgres) {
        execute("ALTER TABLE pool_account_balances RENAME TO hidden");
        EXPECT_EQ(get("/accounts/low-balance").status, 500);
        EXPECT_FALSE(run(rotate(context(), {})));
        execute("ALTER TABLE hidden RENAME TO pool_account_balances");
    }
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE is_retiring"), 0);
}

TEST_P(PoolWeaknessTest, A12CountsAndListsAreWholeAboveOneThousandRows) {
    open(small_pool(1500));
    grow_to(1500);
    for (int i = 0; i < 11; ++i) ASSERT_EQ(request(100).accounts.size(), 100U);
    const auto info = get("/pool-info");
    EXPECT_EQ(info.at("total_accounts").number_text(), "1500");
    EXPECT_EQ(info.at("locked_accounts").number_text(), "1100");
    EXPECT_EQ(get("/accounts").at("accounts").size(), 1100U);
    EXPECT_EQ(post("/release", "{}").text, "{\"released_count\":1100}\n");
    EXPECT_EQ(total(), 1500);
}

policy::Rule rule_for(const std::string& service, policy::RuleLimits limits) {
    policy::Rule rule;
    rule.name = "limits of " + service;
    rule.effect = policy::Effect::Allow;
    rule.services = {service};
    rule.limits = limits;
    return rule;
}

TEST_P(PoolWeaknessTest, A15SignaturesAreLimitedAuditedAndDeniedByDefault) {
    TestPoolOptions options = small_pool();
    policy::RuleLimits limits;
    limits.signatures_per_day = 5;
    limits.batch_size_max = 3;
    options.rules = policy::RuleSet{policy::Effect::Deny, {rule_for("svc", limits)}};
    open(options);
    const auto answer = post("/request", "{\"purpose\":\"compute jobs\"}");
    ASSERT_EQ(answer.status, 200);
    const std::string id = api::parse_allocation_response(answer.body)->accounts[0].id;
    EXPECT_EQ(audit_bodies("pool.request")[0].find("purpose")->string_value(), "compute jobs");

    EXPECT_EQ(sign(id).status, 200);
    EXPECT_EQ(sign(id).status, 200);
    ASSERT_EQ(audit_bodies("pool.sign").size(), 2U);
    const base::Json record = audit_bodies("pool.sign")[0];
    EXPECT_EQ(record.find("account_id")->string_value(), id);
    EXPECT_EQ(record.find("digest")->string_value(), kDigestHex);
    EXPECT_EQ(record.find("rule")->string_value(), "limits of svc");

    EXPECT_EQ(batch_sign({id, id, id, id}).status, 403);  // over the rule's batch size
    EXPECT_EQ(batch_sign({id, id}).status, 200);
    ASSERT_EQ(audit_bodies("pool.batch_sign").size(), 1U);
    EXPECT_EQ(audit_bodies("pool.batch_sign")[0].find("signatures")->size(), 2U);
    const auto limited = batch_sign({id, id});  // 6 of 5
    EXPECT_EQ(limited.status, 429);
    EXPECT_TRUE(limited.headers.find("Retry-After"));
    EXPECT_EQ(sign(id).status, 200);
    EXPECT_EQ(sign(id).status, 429);

    const auto denied = post("/request", "{}", "stranger");
    EXPECT_EQ(denied.status, 403);
    EXPECT_EQ(denied.reason(), "policy_denied");
    EXPECT_EQ(audit_bodies("policy.refused").size(), 4U);
}

TEST_P(PoolWeaknessTest, A16RetriesWithAnIdempotencyKeyHaveOneEffect) {
    open();
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 6; ++i) {
        calls.push_back(pool().call(
            {"POST", "/request", "svc", request_body(3), {{"Idempotency-Key", "same"}}}));
    }
    const auto answers = test().run_all(std::move(calls));
    for (const auto& answer : answers) {
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.text, answers[0].text);
    }
    EXPECT_EQ(total(), 3);
    const std::string id = api::parse_allocation_response(answers[0].body)->accounts[0].id;
    const std::string body = "{\"account_id\":\"" + id + "\",\"delta\":5}";
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(post("/balance", body, "svc", {{"Idempotency-Key", "pay"}}).status, 200);
    }
    EXPECT_EQ(
        number(
            "SELECT amount FROM pool_account_balances WHERE account_id = '" + id +
            "' AND token_type = 'GAS'"),
        5);
    EXPECT_EQ(audit_bodies("pool.balance").size(), 1U);
}

std::string upper(std::string text) {
    for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

TEST_P(PoolWeaknessTest, A17UpperCaseIdsSignWithTheSameKey) {
    open();
    const std::string id = request(1).accounts[0].id;
    const auto lower_case = sign(id);
    const auto upper_case = sign(upper(id));
    ASSERT_EQ(upper_case.status, 200);
    EXPECT_EQ(upper_case.text, lower_case.text);
    std::string bare = id;
    bare.erase(std::remove(bare.begin(), bare.end(), '-'), bare.end());
    EXPECT_EQ(sign(bare).status, 404);
    EXPECT_EQ(
        batch_sign({upper(id)}).at("signatures").items()[0].find("account_id")->string_value(), id);
    EXPECT_EQ(
        post("/release", "{\"account_ids\":[\"" + upper(id) + "\"]}").text,
        "{\"released_count\":1}\n");
}

TEST_P(PoolWeaknessTest, A18AnotherKeyThanTheAccountsSignsNothing) {
    open();
    const auto held = request(3);
    const std::string id = held.accounts[0].id;
    const std::string taken_over = held.accounts[1].id;
    // Another account's fingerprint: as after a wrong restore of a row.
    execute(
        "UPDATE pool_accounts SET key_fingerprint = (SELECT key_fingerprint FROM pool_accounts "
        "WHERE id = '" +
        held.accounts[2].id + "') WHERE id = '" + id + "'");
    const auto refused = sign(id);
    EXPECT_EQ(refused.status, 500);
    EXPECT_EQ(refused.text.find("signature\""), std::string::npos);
    EXPECT_EQ(
        batch_sign({id}).at("results").items()[0].find("error")->find("code")->string_value(),
        "HTTP_500");
    // Rows of the original have no fingerprint: there the address must prove the key.
    execute("UPDATE pool_accounts SET key_fingerprint = NULL WHERE id = '" + taken_over + "'");
    EXPECT_EQ(sign(taken_over).status, 200);
    execute(
        "UPDATE pool_accounts SET address = 'NPzYFBbwnxEPhuPjJqaonr2wHiBsRJXjvD' WHERE id = '" +
        taken_over + "'");
    EXPECT_EQ(sign(taken_over).status, 500);
    const auto verified = run(verify_keys(context(), {}));
    ASSERT_TRUE(verified);
    EXPECT_EQ(*verified, 0);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE key_fingerprint IS NULL"), 1);
}

TEST_P(PoolWeaknessTest, A18AChangedMasterKeyRefusesToStart) {
    open();
    request(1);
    TestPoolOptions options = small_pool();
    options.master_key = "another-master-key-32-bytes-long";
    auto opened = run(TestPool::open(database(), executor(), options));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().reason(), "master_key_changed");
    // Also without the memory of the first start: an account tells.
    execute("DELETE FROM pool_meta");
    opened = run(TestPool::open(database(), executor(), options));
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().reason(), "master_key_changed");
    open();  // the right one is taken
    EXPECT_EQ(get("/ready").status, 200);
}

// An account whose key is stored, sealed with `sealing`.
struct StoredKey {
    std::string sealed;
    std::string address;
};

StoredKey stored_key(const std::string& sealing) {
    const auto key = crypto::P256PrivateKey::from_scalar(crypto::secret32(base::Bytes(32, 0x11)));
    const auto wif = neo::encode_wif(*key);
    const auto bytes = base::as_bytes(sealing);
    const auto aes = crypto::secret32(base::Bytes(bytes.begin(), bytes.end()));
    const auto sealed = crypto::aes_gcm_seal(aes, crypto::AesGcmNonce{}, wif.expose(), {});
    return {base::base64_encode(sealed), neo::account_address(key->public_key()).to_string()};
}

TEST_P(PoolWeaknessTest, A18StoredKeysThatDoNotOpenNeverFallBackToDerivation) {
    const std::string sealing(32, 'k');
    TestPoolOptions options = small_pool();
    options.encryption_key = sealing;
    open(options);
    const std::string id = request(1).accounts[0].id;
    const StoredKey stored = stored_key(sealing);
    execute(
        "UPDATE pool_accounts SET key_fingerprint = NULL, encrypted_wif = '" + stored.sealed +
        "', address = '" + stored.address + "'");
    const auto good = sign(id);
    ASSERT_EQ(good.status, 200) << good.text;
    EXPECT_EQ(
        good.at("public_key").string_value(),
        base::base64_encode(
            crypto::P256PrivateKey::from_scalar(crypto::secret32(base::Bytes(32, 0x11)))
                ->public_key()
                .bytes()));
    ASSERT_EQ(*run(verify_keys(context(), {})), 1);
    EXPECT_EQ(sign(id).text, good.text);
    options.encryption_key = std::string(32, 'x');
    open(options);
    EXPECT_EQ(sign(id).status, 500);
    open();  // no encryption key at all
    EXPECT_EQ(sign(id).status, 500);
}

TEST(PoolKeyWeaknessTest, A19EveryVectorAccountSignsAlsoWithAScalarAboveTheOrder) {
    const base::Json vectors = base::read_vectors("neo/hkdf_accounts.json");
    std::size_t above_order = 0;
    for (const base::Json& entry : vectors.find("cases")->items()) {
        const std::string master = entry.find("master_key")->string_value();
        const auto bytes = base::hex_decode(master);
        if (!bytes || bytes->size() < 32) continue;
        auto buffer = crypto::SecretBuffer::copy_of(*bytes);
        ASSERT_TRUE(buffer);
        auto key = neo::MasterKey::create(*std::move(buffer));
        ASSERT_TRUE(key);
        const Signer signer(*std::move(key), {}, Signer::Options{crypto::SelfCheck::On, 16});
        KeyRecord record;
        record.id = entry.find("account_id")->string_value();
        record.address = entry.find("address")->string_value();
        const auto digest = crypto::sha256(base::as_bytes("digest"));
        const auto made = signer.sign(record, digest);
        ASSERT_TRUE(made) << record.id;
        EXPECT_EQ(made->public_key.to_hex(), entry.find("public_key")->string_value());
        EXPECT_TRUE(crypto::verify(made->public_key, digest, made->signature));
        EXPECT_EQ(signer.sign(record, digest)->signature, made->signature);
        EXPECT_LT(made->signature.bytes[32], 0x80);  // low s
        if (!entry.find("okm_in_range")->boolean_value()) ++above_order;
    }
    EXPECT_GE(above_order, 1U);
}

TEST_P(PoolWeaknessTest, A20RefusalsHaveTruthfulStatuses) {
    open(small_pool(2));
    const std::string id = request(1).accounts[0].id;
    grow_to(2);
    const std::string nobodys = "00000000-0000-4000-8000-000000000000";
    EXPECT_EQ(post("/request", request_body(101)).status, 400);
    EXPECT_EQ(post("/request", request_body(2)).status, 503);
    EXPECT_EQ(sign(nobodys).status, 404);
    EXPECT_EQ(sign(id, "other").status, 403);
    EXPECT_EQ(post("/balance", "{\"account_id\":\"" + nobodys + "\"}").status, 404);
    EXPECT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":-1}").status, 409);
    EXPECT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"absolute\":-1}").status, 422);
    ASSERT_EQ(post("/release", "{}").status, 200);
    EXPECT_EQ(sign(id).status, 409);
    EXPECT_EQ(sign(id).reason(), "account_not_locked");
}

TEST_P(SimulatedPoolWeaknessTest, A21SigningGoesOnWhileThePoolGrows) {
    open(small_pool(3000));
    const std::string id = request(1).accounts[0].id;
    std::optional<base::SteadyTime> grown;
    std::optional<base::SteadyTime> signed_at;
    const auto note = [&](Task<TestAnswer> call, std::optional<base::SteadyTime>& at) {
        constexpr auto kRun = [](Task<TestAnswer> inner, base::Executor& clock,
                                 std::optional<base::SteadyTime>& when) -> Task<TestAnswer> {
            auto answer = co_await std::move(inner);
            when = clock.steady_now();
            co_return answer;
        };
        return kRun(std::move(call), executor(), at);
    };
    std::vector<Task<TestAnswer>> calls;
    calls.push_back(note(pool().call({"POST", "/grow", "op", "{\"to\":2500}", {}}), grown));
    calls.push_back(note(
        pool().call(
            {"POST",
             "/sign",
             "svc",
             "{\"account_id\":\"" + id + "\",\"tx_hash\":\"" + kDigest + "\"}",
             {}}),
        signed_at));
    for (const auto& answer : test().run_all(std::move(calls))) {
        EXPECT_EQ(answer.status, 200) << answer.text;
    }
    ASSERT_TRUE(grown && signed_at);
    EXPECT_LT(*signed_at, *grown);
}

TEST_P(SimulatedPoolWeaknessTest, A22StartAnswersAtOnceAndInstancesFillThePoolTogether) {
    TestPoolOptions options = small_pool(1000);
    options.pool.accounts_min = 300;
    open(options);
    EXPECT_EQ(get("/ready").status, 200);
    EXPECT_EQ(total(), 0);
    const auto other_database = test().open_another();
    options.instance = "test-2";
    options.seed = 77;
    const auto other = open_another(*other_database, options);
    pool().service().start();
    other->service().start();
    EXPECT_EQ(request(1).accounts.size(), 1U);  // before the minimum is there
    ASSERT_EQ(post("/release", "{}").status, 200);
    test().sim()->run_for(std::chrono::minutes(12));
    test().sim()->run_until_done(pool().service().stop());
    test().sim()->run_until_done(other->service().stop());
    EXPECT_EQ(total(), 300);
    // In bulk: a few units of work, not one an account.
    EXPECT_LE(audit_bodies("pool.create").size(), 6U);
}

TEST_P(PoolWeaknessTest, A23AServiceIdIsOneExactName) {
    open();
    EXPECT_EQ(get("/accounts", "neocompute.anything").status, 400);
    EXPECT_EQ(get("/accounts", "NeoCompute").status, 400);
    const auto held = request(1, "neocompute");
    EXPECT_EQ(sign(held.accounts[0].id, "neocompute2").status, 403);
}

// Whether the bytes stand anywhere in this process's writable memory, but for the masked copy.
bool memory_holds(const std::array<std::uint8_t, 32>& masked, std::uint8_t mask) {
    std::ifstream maps("/proc/self/maps");
    std::ifstream memory("/proc/self/mem", std::ios::binary);
    std::string line;
    while (std::getline(maps, line)) {
        unsigned long long from = 0;
        unsigned long long to = 0;
        char mode[5] = {};
        if (std::sscanf(line.c_str(), "%llx-%llx %4s", &from, &to, mode) != 3) continue;
        if (mode[0] != 'r' || mode[1] != 'w' || line.find("[v") != std::string::npos) continue;
        // Compared in place, without copying the memory that may hold it.
        const auto* const begin = reinterpret_cast<const volatile std::uint8_t*>(from);
        const std::size_t size = static_cast<std::size_t>(to - from);
        for (std::size_t i = 0; i + 32 <= size; ++i) {
            std::size_t k = 0;
            while (k < 32 && static_cast<std::uint8_t>(begin[i + k] ^ mask) == masked[k]) ++k;
            if (k == 32) return true;
        }
    }
    return false;
}

TEST_P(PoolMemoryWeaknessTest, A24NoAccountKeyStaysInMemoryAfterASignature) {
#ifdef ADYTON_SANITIZED
    GTEST_SKIP()
        << "NOT RUN: a sanitizer's shadow memory cannot be read, and it keeps freed memory";
#endif
    open();
    const std::string id = request(1).accounts[0].id;
    constexpr std::uint8_t kMask = 0xa5;
    std::array<std::uint8_t, 32> masked{};
    {
        const auto key = neo::derive_account_key(test_master_key(), id);
        ASSERT_TRUE(key);
        const auto scalar = key->expose_scalar();
        for (std::size_t i = 0; i < 32; ++i) masked[i] = scalar[i] ^ kMask;
        ASSERT_TRUE(memory_holds(masked, kMask));  // the search finds what is there
    }
    ASSERT_EQ(sign(id).status, 200);
    ASSERT_EQ(batch_sign({id, id, id, id, id, id, id, id}).status, 200);
    EXPECT_FALSE(memory_holds(masked, kMask));
}

TEST(PoolKeyWeaknessTest, A27MasterKeysAndPinsHaveOneTypedForm) {
    const auto buffer = [](std::string_view text) {
        return *crypto::SecretBuffer::copy_of(base::as_bytes(text));
    };
    const std::string hash = "6fe1865e7fa3bef354f18772f7f3053875ccd44ff22b50d35f822196628fe74a";
    const auto load = [&](std::string_view key, const std::string& pin) {
        MasterKeySources sources;
        if (!key.empty()) sources.master_key = buffer(key);
        sources.pinned_hash = pin;
        return load_master_key(std::move(sources));
    };
    EXPECT_TRUE(load(kTestMasterKey, hash));
    const auto raw = *base::hex_decode(hash);
    EXPECT_TRUE(load(kTestMasterKey, std::string(raw.begin(), raw.end())));
    EXPECT_EQ(load("another-master-key-32-bytes-long", hash).error().reason(), "master_key_pin");
    EXPECT_FALSE(load(kTestMasterKey, "zz"));
    EXPECT_FALSE(load("short", ""));
    EXPECT_FALSE(load("", ""));
    MasterKeySources seed;
    seed.seed = buffer("test-seed-that-is-long-enough!!!");
    EXPECT_TRUE(load_master_key(std::move(seed)));
    MasterKeySources short_seed;
    short_seed.seed = buffer("fifteen-bytes!!");
    EXPECT_FALSE(load_master_key(std::move(short_seed)));
}

TEST_P(PoolWeaknessTest, A28KeysMadeElsewhereAreNotAccepted) {
    open();
    // A row as a generation script outside would insert it: its address is another key's.
    const std::string id = "550e8400-e29b-41d4-a716-446655440000";
    execute(
        "INSERT INTO pool_accounts (id, address, created_at, last_used_at) SELECT '" + id +
        "', 'NPzYFBbwnxEPhuPjJqaonr2wHiBsRJXjvD', MIN(applied_at), MIN(applied_at) "
        "FROM schema_migrations");
    ASSERT_EQ(request(1).accounts[0].id, id);
    EXPECT_EQ(sign(id).status, 500);
    ASSERT_EQ(*run(verify_keys(context(), {})), 0);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE key_fingerprint IS NULL"), 1);
}

TEST_P(PoolWeaknessTest, A30ManyHealthCallsShareOneProbe) {
    open();
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 50; ++i) {
        calls.push_back(pool().call({"GET", i % 2 == 0 ? "/ready" : "/health", "", "", {}}));
    }
    for (const auto& answer : test().run_all(std::move(calls))) EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(pool().probes(), 1U);
}

TEST_P(PoolWeaknessTest, A31RotationCountsExactlyWhatItRetiredAndCreates) {
    TestPoolOptions options = small_pool(250);
    options.pool.accounts_min = 200;
    open(options);
    EXPECT_EQ(rotate_once(), 200);  // an empty pool retires nothing and is filled
    age_accounts();
    execute("DELETE FROM pool_meta WHERE key LIKE 'rotation%'");
    EXPECT_EQ(rotate_once(), 0);  // an hour's credit is less than one account
    let_a_day_pass();
    EXPECT_EQ(rotate_once(), 40);  // a day's: 20 retired and 20 created for them
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE is_retiring"), 20);
    EXPECT_EQ(get("/pool-info").at("active_accounts").number_text(), "200");
    EXPECT_EQ(rotate_once(), 0);  // the credit is spent
    age_accounts();
    let_a_day_pass();
    rotate_once();
    age_accounts();
    let_a_day_pass();
    rotate_once();
    // The maximum holds, and nothing is retired that could not be replaced.
    EXPECT_EQ(total(), 250);
    EXPECT_EQ(get("/pool-info").at("active_accounts").number_text(), "200");
    age_accounts();
    let_a_day_pass();
    EXPECT_EQ(rotate_once(), 0);
}

TEST_P(PoolWeaknessTest, A31UnusedCreditNeverPassesADaysWorth) {
    TestPoolOptions options = small_pool(1000);
    open(options);
    grow_to(100);
    for (int i = 0; i < 5; ++i) {
        let_a_day_pass();
        rotate_once();  // all accounts are young
    }
    age_accounts();
    EXPECT_EQ(rotate_once(), 10);
}

TEST_P(PoolWeaknessTest, A32QuotasAndLeasesBoundWhatOneServiceHolds) {
    TestPoolOptions options = small_pool(5);
    policy::RuleLimits limits;
    limits.locked_accounts_max = 3;
    limits.request_count_max = 2;
    limits.lock_ttl_max = std::chrono::hours(1);
    options.rules =
        policy::RuleSet{policy::Effect::Deny, {rule_for("svc", limits), rule_for("other", {})}};
    open(options);
    EXPECT_EQ(post("/request", request_body(3)).reason(), "policy_request_count");
    EXPECT_EQ(post("/request", "{\"ttl_seconds\":3601}").reason(), "policy_lock_ttl");
    const auto held = request(2);
    EXPECT_EQ(*held.expires_at - *held.accounts[0].locked_at, std::chrono::hours(1));  // not 24
    EXPECT_EQ(post("/request", request_body(2)).status, 429);
    const auto third = request(1);
    EXPECT_EQ(post("/request", request_body(1)).reason(), "policy_locked_accounts");
    EXPECT_EQ(
        post("/renew", "{\"lock_id\":\"" + held.lock_id + "\",\"ttl_seconds\":3601}").reason(),
        "policy_lock_ttl");
    // Others do not wait for the hourly clean-up: expired locks are free as soon as they are
    // needed.
    EXPECT_EQ(post("/request", request_body(3), "other").status, 503);
    expire(held.lock_id);
    EXPECT_EQ(request(4, "other").accounts.size(), 4U);
    EXPECT_EQ(sign(held.accounts[0].id).status, 403);
}

TEST_P(PoolWeaknessTest, A32ConcurrentRequestsCannotPassTheQuotaTogether) {
    TestPoolOptions options = small_pool(100);
    policy::RuleLimits limits;
    limits.locked_accounts_max = 10;
    options.rules = policy::RuleSet{policy::Effect::Deny, {rule_for("svc", limits)}};
    open(options);
    grow_to(60);
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 8; ++i) {
        calls.push_back(pool().call({"POST", "/request", "svc", request_body(3), {}}));
    }
    int granted = 0;
    for (const auto& answer : test().run_all(std::move(calls))) {
        granted += answer.status == 200 ? 1 : 0;
    }
    EXPECT_EQ(granted, 3);
    EXPECT_EQ(locked(), 9);
}

TEST_P(PoolWeaknessTest, A33ABareHeaderIsNoIdentityInStrictMode) {
    TestPoolOptions options = small_pool();
    options.identity = attest::IdentityMode::Strict;
    open(options);
    EXPECT_EQ(post("/request", "{}", "neocompute").status, 401);
    EXPECT_EQ(sign("00000000-0000-4000-8000-000000000000", "neocompute").status, 401);
    EXPECT_EQ(get("/pool-info", "neocompute").status, 401);
}

ADYTON_ON_ALL_DATABASES(PoolWeaknessTest);
INSTANTIATE_TEST_SUITE_P(
    Databases, SimulatedPoolWeaknessTest, ::testing::Values(storage::TestBackend::SqliteSimulated));
INSTANTIATE_TEST_SUITE_P(
    Databases, PoolMemoryWeaknessTest, ::testing::Values(storage::TestBackend::Sqlite));

}  // namespace
}  // namespace adyton::pool

#include <gtest/gtest.h>

#include "audit/verify.h"
#include "pool/internal/service_parts.h"
#include "pool/test_pool.h"

// What callers see when the disk does not do what it should, and what is left afterwards.
namespace adyton::pool {
namespace {

class BadDaysTest : public PoolTest {
public:
    storage::SimDisk& disk() { return *test().disk(); }
    std::int64_t locked() {
        return number("SELECT COUNT(*) FROM pool_accounts WHERE locked_by IS NOT NULL");
    }
    // As a client does: the same call with the same key until its outcome is known.
    TestAnswer insist(const std::string& path, const std::string& body, const std::string& key) {
        TestAnswer answer;
        for (int attempt = 0; attempt < 200; ++attempt) {
            answer = post(path, body, "svc", {{"Idempotency-Key", key}});
            if (answer.status < 500) break;
            test().sim()->run_for(std::chrono::milliseconds(100));
        }
        return answer;
    }
};

TEST_P(BadDaysTest, AFullDiskRefusesWholeCallsAndTheNextDayGoesOn) {
    open();
    grow_to(20);
    const auto held = request(2);
    disk().set_full(true);
    int refused = 0;
    for (int i = 0; i < 30; ++i) {
        const auto answer = post("/request", "{\"count\":5}", "other-" + std::to_string(i));
        if (answer.status == 200) continue;
        EXPECT_EQ(answer.status, 503) << answer.text;
        EXPECT_TRUE(answer.headers.find("Retry-After"));
        ++refused;
    }
    EXPECT_GT(refused, 0);
    disk().set_full(false);
    test().sim()->run_for(std::chrono::seconds(2));
    expect_consistent();
    EXPECT_EQ((locked() - 2) % 5, 0);  // no half allocation
    EXPECT_EQ(sign(held.accounts[0].id).status, 200);
    EXPECT_EQ(post("/release", "{}").text, "{\"released_count\":2}\n");
}

TEST_P(BadDaysTest, NoSignatureLeavesWhenItsRecordDidNotReachTheDisk) {
    open();
    const std::string id = request(1).accounts[0].id;
    int failed = 0;
    for (int i = 0; i < 20; ++i) {
        disk().fail_next(storage::SimDisk::Operation::Sync, 1);
        const auto answer = sign(id);
        if (answer.status == 200) continue;
        EXPECT_GE(answer.status, 500) << answer.text;
        EXPECT_EQ(answer.body.find("signature"), nullptr);
        ++failed;
        test().sim()->run_for(std::chrono::seconds(1));
    }
    EXPECT_GT(failed, 0);
    disk().fail_next(storage::SimDisk::Operation::Sync, 0);
    test().sim()->run_for(std::chrono::seconds(5));
    EXPECT_EQ(sign(id).status, 200);
    expect_consistent();
}

TEST_P(BadDaysTest, RetriesWithAKeyHaveOneEffectHoweverOftenTheDiskFails) {
    open();
    const auto first = insist("/request", "{\"count\":1}", "a");
    ASSERT_EQ(first.status, 200);
    const std::string id = api::parse_allocation_response(first.body)->accounts[0].id;
    disk().set_failure_rate(storage::SimDisk::Operation::Write, 60'000);
    disk().set_failure_rate(storage::SimDisk::Operation::Sync, 60'000);
    for (int i = 0; i < 25; ++i) {
        const auto answer = insist(
            "/balance", "{\"account_id\":\"" + id + "\",\"delta\":1}", "k" + std::to_string(i));
        ASSERT_EQ(answer.status, 200) << answer.text;
        EXPECT_EQ(answer.at("new_balance").number_text(), std::to_string(i + 1));
    }
    disk().set_failure_rate(storage::SimDisk::Operation::Write, 0);
    disk().set_failure_rate(storage::SimDisk::Operation::Sync, 0);
    test().sim()->run_for(std::chrono::seconds(5));
    EXPECT_EQ(number("SELECT MAX(amount) FROM pool_account_balances"), 25);
    EXPECT_EQ(audit_bodies("pool.balance").size(), 25U);
    expect_consistent();
}

INSTANTIATE_TEST_SUITE_P(
    Databases, BadDaysTest, ::testing::Values(storage::TestBackend::SqliteSimulated));

class AuditRoutesTest : public PoolTest {};

TEST_P(AuditRoutesTest, TheExportVerifiesAndAChangedRecordIsNamed) {
    open();
    const auto held = request(2);
    ASSERT_EQ(sign(held.accounts[0].id).status, 200);
    const auto made = api::parse_checkpoint_response(post("/audit/checkpoint", "", "op").body);
    ASSERT_TRUE(made);
    EXPECT_EQ(made->number, 1);
    ASSERT_EQ(post("/release", "{}").status, 200);

    const auto exported = get("/audit/export", "op");
    ASSERT_EQ(exported.status, 200);
    EXPECT_EQ(exported.headers.find("Content-Type"), "application/x-ndjson");
    const auto check = [&](const std::string& text) {
        audit::VerifyOptions options;
        options.trusted_keys = {pool().service().parts().checkpoint_key.public_key()};
        audit::ExportVerifier verifier(std::move(options));
        verifier.feed(text);
        return verifier.finish();
    };
    const auto report = check(exported.text);
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_TRUE(report.key_trusted);
    EXPECT_TRUE(report.trailer_signed);
    EXPECT_GE(report.records, 4);

    std::string forged = exported.text;
    const std::size_t at = forged.find(kDigestHex);
    ASSERT_NE(at, std::string::npos);
    forged[at] = '1';
    const auto fault = check(forged).fault;
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->sequence, 3);  // create, request, sign
}

TEST_P(AuditRoutesTest, EveryEffectIsRecordedOnceWithItsTraceId) {
    open();
    const auto held = request(1);
    const std::string id = held.accounts[0].id;
    ASSERT_EQ(sign(id).status, 200);
    ASSERT_EQ(batch_sign({id}).status, 200);
    ASSERT_EQ(post("/balance", "{\"account_id\":\"" + id + "\",\"delta\":1}").status, 200);
    ASSERT_EQ(post("/renew", "{\"lock_id\":\"" + held.lock_id + "\"}").status, 200);
    ASSERT_EQ(post("/release", "{}").status, 200);
    ASSERT_EQ(post("/release", "{}").status, 200);  // nothing to release: no effect, no record
    ASSERT_EQ(sign(id).status, 409);
    ASSERT_EQ(post("/freeze", "{\"scope\":\"pool\"}", "op").status, 200);
    const std::vector<std::string> expected = {"pool.create",     "pool.request", "pool.sign",
                                               "pool.batch_sign", "pool.balance", "pool.renew",
                                               "pool.release",    "policy.freeze"};
    EXPECT_EQ(audit_kinds(), expected);
    for (const char* const kind :
         {"pool.request", "pool.sign", "pool.batch_sign", "pool.balance", "pool.renew",
          "pool.release"}) {
        ASSERT_EQ(audit_bodies(kind).size(), 1U);
        EXPECT_FALSE(audit_bodies(kind)[0].find("trace_id")->string_value().empty()) << kind;
    }
}

ADYTON_ON_ALL_DATABASES(AuditRoutesTest);

}  // namespace
}  // namespace adyton::pool

#include "policy/policy_store.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "policy/policy_test_support.h"
#include "policy/value_policy_test_support.h"

namespace adyton::policy {
namespace {

using storage::Transaction;

const base::Bytes kSecret(32, 7);
const base::Bytes kNextSecret(32, 8);

class PolicyStoreTest : public PolicyDatabaseTest {
protected:
    void SetUp() override {
        PolicyDatabaseTest::SetUp();
        if (IsSkipped()) return;
        audit_ = run(audit::AuditLog::open(database(), "test")).value();
    }
    PolicyStore::Change change(const std::string& subject = "wallet:w") {
        return {subject, std::nullopt, "operator", "why"};
    }
    Result<std::int64_t> put(
        const ValuePolicy& policy, const PolicyStore::Change& change, PolicyStore& store) {
        return write([&](Transaction& tx) { return store.put(tx, *audit_, change, policy); });
    }
    Result<std::int64_t> put(const ValuePolicy& policy) { return put(policy, change(), store_); }
    Result<StoredPolicy> load(PolicyStore& store, const std::string& subject = "wallet:w") {
        return write([&](Transaction& tx) { return store.load(tx, subject); });
    }
    StoredPolicy loaded() { return load(store_).value(); }
    Result<void> script(const std::string& sql) {
        return write([&](Transaction& tx) { return tx.execute_script(sql); });
    }
    static ValuePolicy with_daily(std::uint64_t max) {
        ValuePolicy policy = ValuePolicy::allow_all();
        policy.limits.of(CapWindow::Day)["native"] = Amount(max);
        return policy;
    }

    base::SeededRandom random_{1};
    PolicyStore store_{PolicyKeys(kSecret), random_, {}};
    std::unique_ptr<audit::AuditLog> audit_;
};

TEST_P(PolicyStoreTest, EveryChangeIsAVersion) {
    EXPECT_EQ(loaded().version, 0);
    EXPECT_EQ(loaded().policy, nullptr);
    EXPECT_EQ(put(with_daily(1)).value(), 1);
    EXPECT_EQ(put(with_daily(2)).value(), 2);
    EXPECT_EQ(loaded().version, 2);
    EXPECT_EQ(*loaded().policy, with_daily(2));
    const auto removed =
        write([&](Transaction& tx) { return store_.remove(tx, *audit_, change()); });
    EXPECT_EQ(removed.value(), 3);
    EXPECT_EQ(loaded().policy, nullptr);
    EXPECT_EQ(loaded().version, 3);
    EXPECT_EQ(
        write([&](Transaction& tx) { return store_.remove(tx, *audit_, change()); }).error().code(),
        ErrorCode::NotFound);
    EXPECT_EQ(put(with_daily(4)).value(), 4);
    const auto history = write([&](Transaction& tx) { return store_.history(tx, "wallet:w", 10); });
    ASSERT_TRUE(history);
    ASSERT_EQ(history->size(), 4U);
    EXPECT_EQ(history->at(0).version, 4);
    EXPECT_EQ(history->at(0).digest, digest_of(with_daily(4)));
    EXPECT_TRUE(history->at(1).removed);
    EXPECT_EQ(history->at(3).actor, "operator");
    const auto old = [&](std::int64_t version) {
        return write([&](Transaction& tx) { return store_.find_version(tx, "wallet:w", version); });
    };
    EXPECT_EQ(old(1).value(), with_daily(1));
    EXPECT_EQ(old(3).error().code(), ErrorCode::NotFound);
    EXPECT_EQ(old(9).error().code(), ErrorCode::NotFound);
    EXPECT_EQ(count("audit_records"), 4);
}

TEST_P(PolicyStoreTest, SubjectsWithOnePolicyShareItInMemoryUntilOneOfThemChanges) {
    const PolicyStore::Change other = change("wallet:other");
    ASSERT_TRUE(put(with_daily(1)));
    ASSERT_TRUE(put(with_daily(1), other, store_));
    const StoredPolicy first = loaded();
    EXPECT_EQ(load(store_, other.subject)->policy, first.policy);
    ASSERT_TRUE(put(with_daily(2), other, store_));
    EXPECT_EQ(*load(store_, other.subject)->policy, with_daily(2));
    EXPECT_EQ(loaded().policy, first.policy);
    EXPECT_EQ(*loaded().policy, with_daily(1));
}

TEST_P(PolicyStoreTest, AnotherVersionThanExpectedIsAConflict) {
    PolicyStore::Change first = change();
    first.expected_version = 0;
    EXPECT_EQ(put(with_daily(1), first, store_).value(), 1);
    EXPECT_EQ(put(with_daily(2), first, store_).error().reason(), "policy_version");
    first.expected_version = 1;
    EXPECT_EQ(put(with_daily(2), first, store_).value(), 2);
    PolicyStore::Change bad = change("");
    EXPECT_EQ(put(with_daily(1), bad, store_).error().code(), ErrorCode::InvalidArgument);
    bad = change("a\nb");
    EXPECT_EQ(put(with_daily(1), bad, store_).error().code(), ErrorCode::InvalidArgument);
    bad = change();
    bad.note = std::string(257, 'x');
    EXPECT_EQ(put(with_daily(1), bad, store_).error().code(), ErrorCode::InvalidArgument);
}

TEST_P(PolicyStoreTest, AnotherProcessSeesTheNewVersionAtOnce) {
    PolicyStore other(PolicyKeys(kSecret), random_, {});
    ASSERT_TRUE(put(with_daily(1)));
    EXPECT_EQ(*load(other)->policy, with_daily(1));
    ASSERT_TRUE(put(with_daily(2)));
    EXPECT_EQ(*load(other)->policy, with_daily(2));
    ASSERT_TRUE(write(
        [&](Transaction& tx) { return store_.freeze(tx, *audit_, "wallet:w", "lost", "op"); }));
    EXPECT_TRUE(load(other)->frozen);
}

TEST_P(PolicyStoreTest, TheCacheHoldsWhatIsStoredNotWhatWasRolledBack) {
    ASSERT_TRUE(put(with_daily(1)));
    const auto undone = write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(store_.put(tx, *audit_, change(), with_daily(666)));
        TRY(const StoredPolicy inside, store_.load(tx, "wallet:w"));
        EXPECT_EQ(*inside.policy, with_daily(666));
        return Error::conflict("no");
    });
    EXPECT_FALSE(undone);
    EXPECT_EQ(*loaded().policy, with_daily(1));
    EXPECT_EQ(put(with_daily(2)).value(), 2);  // the number that was rolled back
    EXPECT_EQ(*loaded().policy, with_daily(2));
    EXPECT_EQ(loaded().policy, loaded().policy);  // from the cache
}

TEST_P(PolicyStoreTest, ASmallCacheForgetsWhatWasUsedLast) {
    PolicyStore::Options options;
    options.cached_max = 2;
    PolicyStore small(PolicyKeys(kSecret), random_, options);
    for (const std::string subject : {"a", "b", "c"}) {
        ASSERT_TRUE(put(with_daily(subject.size()), change(subject), small));
        ASSERT_TRUE(load(small, subject));
    }
    const auto first = load(small, "b")->policy;
    EXPECT_EQ(first, load(small, "b")->policy);
    ASSERT_TRUE(load(small, "a"));
    EXPECT_EQ(first, load(small, "b")->policy);
    ASSERT_TRUE(load(small, "c"));
    EXPECT_EQ(first, load(small, "b")->policy);
    EXPECT_EQ(*load(small, "a")->policy, with_daily(1));
}

TEST_P(PolicyStoreTest, AFreezeHoldsWithAndWithoutAPolicy) {
    const auto freeze = [&](const std::string& reason) {
        return write(
            [&](Transaction& tx) { return store_.freeze(tx, *audit_, "wallet:w", reason, "op"); });
    };
    const auto unfreeze = [&] {
        return write(
            [&](Transaction& tx) { return store_.unfreeze(tx, *audit_, "wallet:w", "op"); });
    };
    EXPECT_TRUE(freeze("lost device").value());
    EXPECT_FALSE(freeze("again").value());
    EXPECT_TRUE(loaded().frozen);
    EXPECT_EQ(loaded().freeze_reason, "lost device");
    EXPECT_EQ(loaded().policy, nullptr);
    ASSERT_TRUE(put(with_daily(1)));
    EXPECT_TRUE(loaded().frozen);  // no policy lifts it
    EXPECT_TRUE(unfreeze().value());
    EXPECT_FALSE(unfreeze().value());
    EXPECT_FALSE(loaded().frozen);
    ValuePolicy frozen = with_daily(1);
    frozen.frozen = true;
    ASSERT_TRUE(put(frozen));
    EXPECT_TRUE(loaded().frozen);
    EXPECT_EQ(freeze("a\tb").error().code(), ErrorCode::InvalidArgument);
}

TEST_P(PolicyStoreTest, ARowOpensOnlyInItsPlace) {
    ASSERT_TRUE(put(with_daily(1)));
    ASSERT_TRUE(put(with_daily(2)));
    ASSERT_TRUE(put(with_daily(3), change("wallet:x"), store_));
    const auto fresh = [&](const std::string& subject, const std::string& name = "policy") {
        PolicyStore::Options options;
        options.name = name;
        PolicyStore store(PolicyKeys(kSecret), random_, options);
        return load(store, subject);
    };
    EXPECT_TRUE(fresh("wallet:w"));
    // An older version of the same subject.
    ASSERT_TRUE(
        script("UPDATE policy_versions SET sealed = (SELECT v.sealed FROM policy_versions v "
               "WHERE v.subject = 'wallet:w' AND v.version = 1) "
               "WHERE subject = 'wallet:w' AND version = 2"));
    EXPECT_EQ(fresh("wallet:w").error().code(), ErrorCode::CorruptData);
    // Another subject's of the same version.
    ASSERT_TRUE(
        script("UPDATE policy_versions SET sealed = (SELECT v.sealed FROM policy_versions v "
               "WHERE v.subject = 'wallet:w' AND v.version = 1) WHERE subject = 'wallet:x'"));
    EXPECT_EQ(fresh("wallet:x").error().code(), ErrorCode::CorruptData);
    // Another store's.
    ASSERT_TRUE(put(with_daily(4)));
    EXPECT_TRUE(fresh("wallet:w"));
    ASSERT_TRUE(
        script("UPDATE policy_versions SET store = 'b'; UPDATE policy_heads SET store = 'b'"));
    EXPECT_EQ(fresh("wallet:w", "b").error().code(), ErrorCode::CorruptData);
}

TEST_P(PolicyStoreTest, PoliciesAreNotReadableInTheDatabase) {
    ASSERT_TRUE(put(with_daily(123456789)));
    const auto rows =
        write([](Transaction& tx) { return tx.query("SELECT sealed FROM policy_versions", {}); });
    const base::Bytes sealed = rows->bytes(0, 0).value();
    EXPECT_EQ(base::as_text(sealed).find("123456789"), std::string_view::npos);
    PolicyStore other(PolicyKeys(kNextSecret), random_, {});
    EXPECT_EQ(load(other).error().code(), ErrorCode::CorruptData);
}

TEST_P(PolicyStoreTest, ASecretIsReplacedByRotation) {
    for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(put(with_daily(i)));
    ASSERT_TRUE(write([&](Transaction& tx) { return store_.remove(tx, *audit_, change()); }));
    PolicyKeys both(kNextSecret);
    both.add_former(kSecret);
    PolicyStore moving(std::move(both), random_, {});
    const auto rotate = [&](PolicyStore& store) {
        return write([&](Transaction& tx) { return store.rotate(tx, 4); }).value();
    };
    EXPECT_EQ(rotate(moving), 4);
    EXPECT_EQ(rotate(moving), 2);
    EXPECT_EQ(rotate(moving), 0);
    PolicyStore moved(PolicyKeys(kNextSecret), random_, {});
    EXPECT_EQ(load(moved)->policy, nullptr);
    const auto old = write([&](Transaction& tx) { return moved.find_version(tx, "wallet:w", 3); });
    EXPECT_EQ(old.value(), with_daily(3));
    PolicyStore behind(PolicyKeys(kSecret), random_, {});
    EXPECT_FALSE(write([&](Transaction& tx) { return behind.find_version(tx, "wallet:w", 3); }));
}

TEST_P(PolicyStoreTest, WhatIsExportedImportsElsewhere) {
    ASSERT_TRUE(put(with_daily(1)));
    const auto exported =
        write([&](Transaction& tx) { return store_.export_policy(tx, "wallet:w"); });
    ASSERT_TRUE(exported) << exported.error().message();
    PolicyStore::Options options;
    options.name = "elsewhere";
    PolicyStore other(PolicyKeys(kNextSecret), random_, options);
    const auto import = [&](const base::Json& json) {
        return write([&](Transaction& tx) { return other.import_policy(tx, *audit_, json, "op"); });
    };
    EXPECT_EQ(import(*exported).value(), 1);
    EXPECT_EQ(*load(other)->policy, with_daily(1));
    base::Json changed = *exported;
    changed.set("policy", to_json(with_daily(9)));
    EXPECT_EQ(import(changed).error().message(), "the digest is not the policy's");
    base::Json more = *exported;
    more.set("extra", base::Json::boolean(true));
    EXPECT_FALSE(import(more));
    EXPECT_FALSE(import(base::Json::object()));
    EXPECT_EQ(
        write([&](Transaction& tx) { return store_.export_policy(tx, "none"); }).error().code(),
        ErrorCode::NotFound);
    const auto listed = write([&](Transaction& tx) { return other.list(tx, "", 10); });
    ASSERT_EQ(listed->size(), 1U);
    EXPECT_TRUE(listed->at(0).has_policy);
}

// The freeze counts what was signed when it takes hold: nothing may join that afterwards.
TEST_P(PolicyStoreTest, NothingIsSignedAfterAFreeze) {
    ASSERT_TRUE(
        script("CREATE TABLE signed (id BIGINT PRIMARY KEY);"
               "CREATE TABLE seen (subject VARCHAR(64) PRIMARY KEY, signatures BIGINT)"));
    const auto other = test().open_another();
    const auto log = run(audit::AuditLog::open(*other, "other")).value();
    std::int64_t id = 0;
    std::int64_t refused = 0;
    for (int round = 0; round < 4; ++round) {
        const std::string subject = "wallet:" + std::to_string(round);
        ASSERT_TRUE(put(with_daily(1), change(subject), store_));
        std::vector<Task<Result<bool>>> tasks;
        for (int i = 0; i < 24; ++i) {
            storage::Database& at = i % 2 == 0 ? database() : *other;
            const std::int64_t mine = ++id;
            if (i == 7) {
                tasks.push_back(other->write([&, subject](Transaction& tx) -> Result<bool> {
                    TRY_VOID(store_.freeze(tx, *log, subject, "stop", "op"));
                    TRY_VOID(tx.execute(
                        "INSERT INTO seen (subject, signatures) "
                        "SELECT $1, count(*) FROM signed",
                        {subject}));
                    return true;
                }));
            }
            tasks.push_back(at.write([this, subject, mine](Transaction& tx) -> Result<bool> {
                TRY(const StoredPolicy stored, store_.load_to_sign(tx, subject));
                if (stored.frozen) return false;
                if (tx.dialect() == storage::Dialect::Postgres) {
                    TRY_VOID(tx.query("SELECT 1 FROM pg_sleep(0.003)", {}));  // time to slip in
                }
                TRY_VOID(tx.execute("INSERT INTO signed (id) VALUES ($1)", {mine}));
                return true;
            }));
        }
        for (const auto& done : test().run_all(std::move(tasks))) {
            ASSERT_TRUE(done) << done.error().message();
            if (!*done) ++refused;
        }
        const auto seen = write([&](Transaction& tx) -> Result<std::int64_t> {
            TRY(const auto rows,
                tx.query("SELECT signatures FROM seen WHERE subject = $1", {subject}));
            return rows.integer(0, 0);
        });
        EXPECT_EQ(seen.value(), count("signed")) << round;
    }
    EXPECT_GT(refused, 0);
}

TEST_P(PolicyStoreTest, ChangesAtOnceBecomeVersionsInARow) {
    const auto other = test().open_another();
    const auto log = run(audit::AuditLog::open(*other, "other")).value();
    std::vector<Task<Result<std::int64_t>>> tasks;
    const PolicyStore::Change what = change();
    const ValuePolicy policy = with_daily(1);
    for (int i = 0; i < 16; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        audit::AuditLog& audit = i % 2 == 0 ? *audit_ : *log;
        tasks.push_back(at.write([this, &audit, &what, &policy](Transaction& tx) {
            return store_.put(tx, audit, what, policy);
        }));
    }
    for (const auto& version : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(version) << version.error().message();
    }
    EXPECT_EQ(loaded().version, 16);
    EXPECT_EQ(count("policy_versions"), 16);
}

ADYTON_ON_ALL_DATABASES(PolicyStoreTest);

}  // namespace
}  // namespace adyton::policy

#include "workflow/idempotency.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "workflow/workflow_test_support.h"

namespace adyton::workflow {
namespace {

using storage::Transaction;

const crypto::Sha256Digest kRequest = crypto::sha256(base::as_bytes("{\"count\":1}"));
const crypto::Sha256Digest kOtherRequest = crypto::sha256(base::as_bytes("{\"count\":2}"));
const IdempotencyKey kKey{"pool", "neocompute", "POST /request", "key-1"};

TEST(IdempotencyKeyTest, VisibleAsciiIsTakenAndEverythingElseRefused) {
    EXPECT_EQ(parse_idempotency_key("a-B_9~!").value(), "a-B_9~!");
    EXPECT_TRUE(parse_idempotency_key(std::string(255, 'k')));
    for (const std::string& bad :
         {std::string(), std::string(256, 'k'), std::string("a b"), std::string("a\tb"),
          std::string("\xc3\xa9"), std::string("a\x7f"), std::string(1, '\0')}) {
        const auto refused = parse_idempotency_key(bad);
        ASSERT_FALSE(refused) << base::hex_encode(base::as_bytes(bad));
        EXPECT_EQ(refused.error().reason(), "idempotency_key_invalid");
    }
}

TEST(IdempotencyKeyTest, BothHeadersMustAgree) {
    EXPECT_EQ(choose_idempotency_key({}, {}).value(), std::nullopt);
    EXPECT_EQ(choose_idempotency_key("a", {}).value(), "a");
    EXPECT_EQ(choose_idempotency_key({}, "b").value(), "b");
    EXPECT_EQ(choose_idempotency_key("a", "a").value(), "a");
    EXPECT_EQ(choose_idempotency_key("a", "b").error().code(), ErrorCode::InvalidArgument);
    EXPECT_FALSE(choose_idempotency_key("", {}));
    EXPECT_FALSE(choose_idempotency_key({}, "a b"));
}

class IdempotencyTest : public WorkflowDatabaseTest {
protected:
    IdempotencyStore store_;

    // A request whose effect is one row; its answer names the row.
    static Result<StoredAnswer> request(
        Transaction& tx, const IdempotencyStore& store, const IdempotencyKey& key,
        const crypto::Sha256Digest& digest, std::int64_t id) {
        TRY(auto stored, store.begin(tx, key, digest));
        if (stored) return std::move(*stored);
        TRY_VOID(tx.execute("INSERT INTO effects (id) VALUES ($1)", {id}));
        StoredAnswer answer{200, "{\"id\":" + std::to_string(id) + "}"};
        TRY_VOID(store.finish(tx, key, answer));
        return answer;
    }
    Result<StoredAnswer> request(
        const IdempotencyKey& key, const crypto::Sha256Digest& digest, std::int64_t id) {
        return write([&](Transaction& tx) { return request(tx, store_, key, digest, id); });
    }
};

TEST_P(IdempotencyTest, ARepetitionGetsTheFirstAnswerAndNoSecondEffect) {
    const auto first = request(kKey, kRequest, 1);
    ASSERT_TRUE(first) << first.error().message();
    const auto second = request(kKey, kRequest, 2);
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(second->status, 200);
    EXPECT_EQ(second->body, "{\"id\":1}");
    EXPECT_EQ(count("effects"), 1);
}

TEST_P(IdempotencyTest, AnotherRequestWithTheSameKeyIsAConflict) {
    ASSERT_TRUE(request(kKey, kRequest, 1));
    const auto refused = request(kKey, kOtherRequest, 2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Conflict);
    EXPECT_EQ(refused.error().reason(), "idempotency_key_reused");
    EXPECT_EQ(count("effects"), 1);
    EXPECT_EQ(request(kKey, kRequest, 3)->body, "{\"id\":1}");
}

TEST_P(IdempotencyTest, ScopesCallersRoutesAndTextsAreApart) {
    ASSERT_TRUE(request(kKey, kRequest, 1));
    std::int64_t id = 1;
    for (const IdempotencyKey& other :
         {IdempotencyKey{"compute", "neocompute", "POST /request", "key-1"},
          IdempotencyKey{"pool", "neofeeds", "POST /request", "key-1"},
          IdempotencyKey{"pool", "neocompute", "POST /release", "key-1"},
          IdempotencyKey{"pool", "neocompute", "POST /request", "KEY-1"}}) {
        ++id;
        EXPECT_EQ(request(other, kOtherRequest, id)->body, "{\"id\":" + std::to_string(id) + "}");
    }
    EXPECT_EQ(count("effects"), 5);
}

TEST_P(IdempotencyTest, AUnitThatFailsStoresNothing) {
    const auto failed = write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(store_.begin(tx, kKey, kRequest));
        TRY_VOID(store_.finish(tx, kKey, {200, "{}"}));
        return Error::unavailable("no accounts");
    });
    EXPECT_FALSE(failed);
    EXPECT_EQ(count("idempotency_keys"), 0);
    // Even another body may use the key now.
    EXPECT_EQ(request(kKey, kOtherRequest, 7)->body, "{\"id\":7}");
}

TEST_P(IdempotencyTest, ARefusalCanBeRememberedToo) {
    const auto refuse = [&](Transaction& tx) -> Result<StoredAnswer> {
        TRY(auto stored, store_.begin(tx, kKey, kRequest));
        if (stored) return std::move(*stored);
        StoredAnswer answer{409, "{\"code\":\"HTTP_409\"}"};
        TRY_VOID(store_.finish(tx, kKey, answer));
        return answer;
    };
    EXPECT_EQ(write(refuse)->status, 409);
    EXPECT_EQ(request(kKey, kRequest, 1)->status, 409);
    EXPECT_EQ(count("effects"), 0);
}

TEST_P(IdempotencyTest, BodiesComeBackByteForByte) {
    std::string body("{\"a\":\"\0\xff\xfe\"}", 12);
    body += std::string(100000, 'x');
    ASSERT_TRUE(write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(store_.begin(tx, kKey, kRequest));
        return store_.finish(tx, kKey, {201, body});
    }));
    const auto again = request(kKey, kRequest, 1);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->status, 201);
    EXPECT_EQ(again->body, body);
}

TEST_P(IdempotencyTest, AKeyWithoutAnAnswerIsAConflictAndFinishNeedsABegin) {
    ASSERT_TRUE(write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(store_.begin(tx, kKey, kRequest));
        return {};
    }));
    EXPECT_EQ(request(kKey, kRequest, 1).error().reason(), "idempotency_key_unfinished");
    const auto unbegun = write([&](Transaction& tx) {
        return store_.finish(tx, {"pool", "neocompute", "POST /request", "key-2"}, {200, "{}"});
    });
    EXPECT_EQ(unbegun.error().code(), ErrorCode::Internal);
    const auto large = write([&](Transaction& tx) -> Result<void> {
        IdempotencyKey key = kKey;
        key.text = "key-3";
        TRY_VOID(store_.begin(tx, key, kRequest));
        return store_.finish(tx, key, {200, std::string(4 * 1024 * 1024 + 1, 'x')});
    });
    EXPECT_EQ(large.error().code(), ErrorCode::TooLarge);
}

TEST_P(IdempotencyTest, ManyAtOnceHaveOneEffectAndOneAnswer) {
    const auto other = test().open_another();
    std::vector<Task<Result<StoredAnswer>>> tasks;
    for (std::int64_t i = 0; i < 40; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        tasks.push_back(at.write(
            [this, i](Transaction& tx) { return request(tx, store_, kKey, kRequest, i); }));
    }
    std::string body;
    for (const auto& answer : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(answer) << answer.error().message();
        if (body.empty()) body = answer->body;
        EXPECT_EQ(answer->body, body);
    }
    EXPECT_EQ(count("effects"), 1);
}

TEST_P(IdempotencyTest, AnExpiredKeyIsFreeAgainAndIsCleanedUp) {
    const IdempotencyStore short_lived(IdempotencyOptions{std::chrono::hours(0)});
    const auto begin = [&](const crypto::Sha256Digest& digest) {
        return write([&](Transaction& tx) { return short_lived.begin(tx, kKey, digest); });
    };
    ASSERT_EQ(begin(kRequest).value().has_value(), false);
    const auto again = begin(kOtherRequest);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_FALSE(again->has_value());

    ASSERT_TRUE(request({"pool", "a", "r", "kept"}, kRequest, 1));
    const auto removed = write([&](Transaction& tx) { return store_.remove_expired(tx, 100); });
    EXPECT_EQ(removed.value(), 1);
    EXPECT_EQ(count("idempotency_keys"), 1);
}

// Where the clock can be moved.
class IdempotencyTimeTest : public IdempotencyTest {};

TEST_P(IdempotencyTimeTest, AnswersAreKeptForSevenDays) {
    ASSERT_TRUE(request(kKey, kRequest, 1));
    test().sim()->run_for(std::chrono::hours(24 * 7) - std::chrono::minutes(1));
    EXPECT_EQ(request(kKey, kRequest, 2)->body, "{\"id\":1}");
    test().sim()->run_for(std::chrono::minutes(2));
    EXPECT_EQ(request(kKey, kRequest, 3)->body, "{\"id\":3}");
}

TEST_P(IdempotencyTest, CleanUpKeepsToItsLimit) {
    const IdempotencyStore short_lived(IdempotencyOptions{std::chrono::hours(0)});
    ASSERT_TRUE(write([&](Transaction& tx) -> Result<void> {
        for (int i = 0; i < 5; ++i) {
            TRY_VOID(short_lived.begin(tx, {"pool", "a", "r", std::to_string(i)}, kRequest));
        }
        return {};
    }));
    EXPECT_EQ(write([&](Transaction& tx) { return store_.remove_expired(tx, 3); }).value(), 3);
    EXPECT_EQ(count("idempotency_keys"), 2);
}

ADYTON_ON_ALL_DATABASES(IdempotencyTest);
INSTANTIATE_TEST_SUITE_P(
    Simulated, IdempotencyTimeTest, ::testing::Values(storage::TestBackend::SqliteSimulated));

// A client that repeats its request until it is answered, through losses of power.
TEST(IdempotencyCrashTest, ARequestRepeatedThroughCrashesHasOneEffect) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const auto test =
            storage::TestDatabase::create(storage::TestBackend::SqliteSimulated, seed);
        ASSERT_TRUE(test->run(storage::migrate(test->database(), migrations())));
        ASSERT_TRUE(test->run(test->database().write([](Transaction& tx) {
            return tx.execute_script("CREATE TABLE effects (id BIGINT PRIMARY KEY)");
        })));
        base::SeededRandom random(seed);
        const IdempotencyStore store;
        for (int key = 0; key < 6; ++key) {
            std::optional<StoredAnswer> answer;
            for (int attempt = 0; !answer && attempt < 50; ++attempt) {
                const std::int64_t id = key * 1000 + attempt;
                test->disk()->power_off_after(1 + random.below(12));
                constexpr auto kAsk = [](storage::Database* database, const IdempotencyStore* keys,
                                         std::string text, std::int64_t effect,
                                         std::optional<StoredAnswer>* out) -> Task<void> {
                    auto unit = [&](Transaction& tx) -> Result<StoredAnswer> {
                        const IdempotencyKey named{"pool", "a", "r", text};
                        TRY(auto stored, keys->begin(tx, named, kRequest));
                        if (stored) return std::move(*stored);
                        TRY_VOID(tx.execute("INSERT INTO effects (id) VALUES ($1)", {effect}));
                        StoredAnswer made{200, std::to_string(effect)};
                        TRY_VOID(keys->finish(tx, named, made));
                        return made;
                    };
                    auto task = database->write(unit);
                    auto result = co_await std::move(task);
                    if (result) *out = *result;
                };
                base::spawn(
                    test->executor(),
                    kAsk(&test->database(), &store, std::to_string(key), id, &answer));
                while (!answer && test->disk()->powered() && test->sim()->step()) {
                }
                test->crash();
            }
            ASSERT_TRUE(answer) << key;
        }
        const auto effects =
            test->run(test->database().read([](Transaction& tx) -> Result<std::int64_t> {
                TRY(const auto rows, tx.query("SELECT count(*) FROM effects", {}));
                return rows.integer(0, 0);
            }));
        EXPECT_EQ(effects.value(), 6);
    }
}

}  // namespace
}  // namespace adyton::workflow

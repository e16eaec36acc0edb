#include "storage/migrator.h"

#include <gtest/gtest.h>

#include "storage/test_database.h"

namespace adyton::storage {
namespace {

constexpr Migration kFirst{
    1, "first", "CREATE TABLE first (id INTEGER PRIMARY KEY)",
    "CREATE TABLE first (id bigint PRIMARY KEY)"};
// A trigger body with semicolons of its own, and every way to hide one.
constexpr Migration kSecond{
    2, "second",
    "CREATE TABLE log (entry TEXT NOT NULL); -- a comment; still\n"
    "CREATE TRIGGER noted AFTER INSERT ON first BEGIN\n"
    "  INSERT INTO log VALUES ('one;'); INSERT INTO log VALUES ('it''s two');\n"
    "END; /* a; b */ INSERT INTO first VALUES (1);",
    "CREATE TABLE log (entry text NOT NULL); -- a comment; still\n"
    "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN\n"
    "  INSERT INTO log VALUES ('one;'); INSERT INTO log VALUES ('it''s two'); RETURN NEW;\n"
    "END $$; CREATE TRIGGER noted AFTER INSERT ON first FOR EACH ROW EXECUTE FUNCTION note();\n"
    "/* a; b */ INSERT INTO first VALUES (1);"};
constexpr Migration kThird{
    3, "third", "ALTER TABLE first ADD COLUMN name TEXT", "ALTER TABLE first ADD COLUMN name text"};
constexpr Migration kBroken{
    3, "broken", "CREATE TABLE half (id INTEGER); INSERT INTO missing VALUES (1)",
    "CREATE TABLE half (id bigint); INSERT INTO missing VALUES (1)"};

constexpr Migration kOne[] = {kFirst};
constexpr Migration kTwo[] = {kFirst, kSecond};
constexpr Migration kThree[] = {kFirst, kSecond, kThird};
constexpr Migration kWithBroken[] = {kFirst, kSecond, kBroken};

class MigratorTest : public DatabaseTest {
protected:
    SchemaCheck check(std::span<const Migration> migrations) {
        return run(check_schema(database(), migrations)).value();
    }
    Result<std::int64_t> count(std::string_view table) {
        return run(database().read([table](Transaction& tx) -> Result<std::int64_t> {
            TRY(const Rows rows, tx.query("SELECT count(*) FROM " + std::string(table), {}));
            return rows.integer(0, 0);
        }));
    }
};

ADYTON_ON_ALL_DATABASES(MigratorTest);

TEST_P(MigratorTest, RunsEachMigrationOnceInOrder) {
    const auto ran = run(migrate(database(), kTwo));
    ASSERT_TRUE(ran) << ran.error().message();
    EXPECT_EQ(*ran, (std::vector<int>{1, 2}));
    EXPECT_EQ(count("log").value(), 2);
    EXPECT_EQ(run(migrate(database(), kTwo)).value(), std::vector<int>());
    EXPECT_EQ(run(migrate(database(), kThree)).value(), std::vector<int>{3});
    EXPECT_EQ(count("schema_migrations").value(), 3);
}

TEST_P(MigratorTest, RecordsWhenAMigrationRan) {
    ASSERT_TRUE(run(migrate(database(), kOne)));
    const auto known = run(database().read([](Transaction& tx) -> Result<void> {
        TRY(const Rows rows,
            tx.query("SELECT number, name, applied_at FROM schema_migrations", {}));
        EXPECT_EQ(rows.integer(0, 0).value(), 1);
        EXPECT_EQ(rows.text(0, 1).value(), "first");
        TRY(const base::Timestamp at, rows.timestamp(0, 2));
        TRY(const base::Timestamp now, tx.now());
        EXPECT_LE(at, now + std::chrono::seconds(1));
        EXPECT_GT(at, now - std::chrono::minutes(5));
        return {};
    }));
    EXPECT_TRUE(known) << known.error().message();
}

TEST_P(MigratorTest, AnEmptyDatabaseIsOlder) {
    const SchemaCheck empty = check(kTwo);
    EXPECT_EQ(empty.state, SchemaState::Older);
    EXPECT_EQ(empty.recorded, 0);
    EXPECT_EQ(empty.expected, 2);
    EXPECT_NE(empty.message.find("adyton migrate"), std::string::npos);
    EXPECT_FALSE(count("schema_migrations"));  // looking creates nothing
}

TEST_P(MigratorTest, TellsOlderCurrentAndNewerApart) {
    ASSERT_TRUE(run(migrate(database(), kTwo)));
    EXPECT_EQ(check(kTwo).state, SchemaState::Current);
    EXPECT_EQ(check(kTwo).message, "");
    EXPECT_EQ(check(kThree).state, SchemaState::Older);
    const SchemaCheck newer = check(kOne);
    EXPECT_EQ(newer.state, SchemaState::Newer);
    EXPECT_EQ(newer.recorded, 2);
    EXPECT_NE(newer.message.find("newer"), std::string::npos);
    const auto refused = run(migrate(database(), kOne));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), "schema_newer");
}

TEST_P(MigratorTest, AFailingMigrationLeavesNothingAndThoseBeforeItStay) {
    const auto ran = run(migrate(database(), kWithBroken));
    ASSERT_FALSE(ran);
    EXPECT_NE(ran.error().message().find("migration 3 (broken)"), std::string::npos);
    EXPECT_EQ(count("schema_migrations").value(), 2);
    EXPECT_FALSE(count("half"));
    EXPECT_EQ(run(migrate(database(), kThree)).value(), std::vector<int>{3});
}

TEST_P(MigratorTest, ANumberUnderAnotherNameIsRefused) {
    ASSERT_TRUE(run(migrate(database(), kOne)));
    Migration other = kFirst;
    other.name = "other";
    const Migration migrations[] = {other, kSecond};
    EXPECT_EQ(run(migrate(database(), migrations)).error().reason(), "schema_mismatch");
    EXPECT_EQ(run(check_schema(database(), migrations)).error().reason(), "schema_mismatch");
}

TEST_P(MigratorTest, NumbersThatRepeatOrFallAreRefused) {
    const Migration twice[] = {kFirst, kFirst};
    const Migration falling[] = {kSecond, kFirst};
    Migration zero = kFirst;
    zero.number = 0;
    const Migration from_zero[] = {zero};
    Migration unnamed = kFirst;
    unnamed.name = "";
    const Migration nameless[] = {unnamed};
    Migration half = kFirst;
    half.postgres = "";
    const Migration one_sided[] = {half};
    for (const std::span<const Migration> wrong :
         {std::span<const Migration>(twice), std::span<const Migration>(falling),
          std::span<const Migration>(from_zero), std::span<const Migration>(nameless),
          std::span<const Migration>(one_sided)}) {
        EXPECT_EQ(run(migrate(database(), wrong)).error().code(), ErrorCode::InvalidArgument);
        EXPECT_EQ(run(check_schema(database(), wrong)).error().code(), ErrorCode::InvalidArgument);
    }
}

TEST_P(MigratorTest, SeveralMigratorsAtOnceRunEachMigrationOnce) {
    std::vector<std::unique_ptr<Database>> others;
    std::vector<Task<Result<std::vector<int>>>> tasks;
    for (int i = 0; i < 4; ++i) {
        others.push_back(test().open_another());
        tasks.push_back(migrate(*others.back(), kThree));
    }
    std::vector<int> ran;
    for (const auto& result : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(result) << result.error().message();
        ran.insert(ran.end(), result->begin(), result->end());
    }
    std::sort(ran.begin(), ran.end());
    EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(count("log").value(), 2);
}

}  // namespace
}  // namespace adyton::storage

#include "storage/sqlite/page_cache.h"

#include <gtest/gtest.h>

#include <vector>

#include "storage/sim_disk.h"
#include "storage/sqlite/sqlite_connection.h"

namespace adyton::storage::sqlite {
namespace {

constexpr unsigned kLent = 262'145;

// Renumbers two pages the way a b-tree does.
void swap(PageNumbers& numbers, unsigned one, unsigned other) {
    numbers.renumber(one, kLent);
    numbers.renumber(other, one);
    numbers.renumber(kLent, other);
}

TEST(PageNumbersTest, NothingIsBehindTheHighestPage) {
    PageNumbers numbers;
    EXPECT_FALSE(numbers.reach(1));
    for (unsigned number = 1; number <= 10; ++number) numbers.create(number);
    EXPECT_FALSE(numbers.reach(11));
    EXPECT_TRUE(numbers.reach(10));
    EXPECT_TRUE(numbers.reach(1));
    numbers.drop_from(10);
    EXPECT_FALSE(numbers.reach(10));
    EXPECT_TRUE(numbers.reach(9));
    numbers.create(10);
    EXPECT_TRUE(numbers.reach(10));
    numbers.drop_from(1);
    EXPECT_FALSE(numbers.reach(1));
}

TEST(PageNumbersTest, ALentNumberThatWasGivenBackIsForgotten) {
    PageNumbers numbers;
    numbers.create(5);
    for (int i = 0; i < 3; ++i) {
        swap(numbers, 3, 5);
        EXPECT_FALSE(numbers.reach(6));
        EXPECT_TRUE(numbers.reach(5));
    }
}

TEST(PageNumbersTest, ALentNumberThatIsKeptCountsUntilItIsDropped) {
    PageNumbers numbers;
    numbers.create(5);
    numbers.renumber(5, kLent);
    EXPECT_TRUE(numbers.reach(6));
    EXPECT_TRUE(numbers.reach(kLent));
    EXPECT_FALSE(numbers.reach(kLent + 1));
    numbers.drop_from(6);
    EXPECT_FALSE(numbers.reach(6));
    // Two at a time.
    numbers.renumber(4, kLent);
    numbers.renumber(3, kLent + 1);
    numbers.renumber(kLent, 3);
    EXPECT_TRUE(numbers.reach(kLent + 1));
    numbers.drop_from(6);
    EXPECT_FALSE(numbers.reach(6));
    EXPECT_TRUE(numbers.reach(5));
}

// What SQLite makes of the real one, in files that grow, are put in order and shrink.
TEST(SqliteOnThePageCacheTest, AFileThatGrowsAndShrinksStaysWhole) {
    SimDisk disk(11);
    const auto opened = Connection::open(
        {"/test.db", disk.vfs(), std::chrono::milliseconds(100), 2048}, Access::Write);
    ASSERT_TRUE(opened) << opened.error().message();
    Connection& connection = **opened;
    ASSERT_TRUE(connection.execute_script(
        "CREATE TABLE facts (key BLOB PRIMARY KEY, padding BLOB NOT NULL) WITHOUT ROWID"));
    const auto integrity = [&] {
        const auto rows = connection.query("PRAGMA integrity_check", {});
        return rows ? rows->text(0, 0).value() : rows.error().message();
    };
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 60; ++i) {
            ASSERT_TRUE(connection.run(Connection::Command::BeginImmediate));
            ASSERT_TRUE(connection.execute(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20) "
                "INSERT INTO facts (key, padding) SELECT randomblob(16), zeroblob(300) FROM n",
                {}));
            const bool keep = i % 7 != 0;
            ASSERT_TRUE(
                connection.run(keep ? Connection::Command::Commit : Connection::Command::Rollback));
        }
        EXPECT_EQ(integrity(), "ok");
        ASSERT_TRUE(connection.execute("DELETE FROM facts WHERE key > x'20'", {}));
        ASSERT_TRUE(connection.execute_script("VACUUM"));
        EXPECT_EQ(integrity(), "ok");
    }
}

}  // namespace
}  // namespace adyton::storage::sqlite

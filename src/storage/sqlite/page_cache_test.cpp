#include "storage/sqlite/page_cache.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <vector>

#include "storage/sim_disk.h"
#include "storage/sqlite/sqlite_connection.h"

namespace adyton::storage::sqlite {
namespace {

// A cache that holds nothing and notes what it is told to drop.
struct Below {
    std::vector<unsigned> limits;
    int caches = 0;
};
Below below;

sqlite3_pcache_methods2 noting() {
    sqlite3_pcache_methods2 out{};
    out.iVersion = 1;
    out.xCreate = [](int, int, int) {
        ++below.caches;
        return reinterpret_cast<sqlite3_pcache*>(&below);
    };
    out.xFetch = [](sqlite3_pcache*, unsigned, int) -> sqlite3_pcache_page* { return nullptr; };
    out.xRekey = [](sqlite3_pcache*, sqlite3_pcache_page*, unsigned, unsigned) {};
    out.xTruncate = [](sqlite3_pcache*, unsigned limit) { below.limits.push_back(limit); };
    out.xDestroy = [](sqlite3_pcache*) { --below.caches; };
    return out;
}

// The layer over that, put back to what SQLite runs with.
class PageCacheTest : public testing::Test {
protected:
    PageCacheTest() {
        below = {};
        sqlite3_pcache_methods2 running{};
        sqlite3_config(SQLITE_CONFIG_GETPCACHE2, &running);
        cache_ = layer_.xCreate(4096, 64, 1);
    }
    ~PageCacheTest() override {
        layer_.xDestroy(cache_);
        EXPECT_EQ(below.caches, 0);
    }
    void fetch(unsigned number, int create = 1) { layer_.xFetch(cache_, number, create); }
    void rekey(unsigned from, unsigned to) { layer_.xRekey(cache_, nullptr, from, to); }
    void truncate(unsigned limit) { layer_.xTruncate(cache_, limit); }
    // Renumbers two pages the way a b-tree does.
    void swap(unsigned one, unsigned other) {
        rekey(one, kLent);
        rekey(other, one);
        rekey(kLent, other);
    }

    static constexpr unsigned kLent = 262'145;
    const sqlite3_pcache_methods2 layer_ = page_cache_over(noting());
    sqlite3_pcache* cache_ = nullptr;
};

using Limits = std::vector<unsigned>;

TEST_F(PageCacheTest, ACommitLooksForPagesBehindTheEndOnlyWhereOneCanBe) {
    for (unsigned number = 1; number <= 10; ++number) fetch(number);
    truncate(11);
    EXPECT_EQ(below.limits, Limits());
    truncate(10);
    EXPECT_EQ(below.limits, Limits({10}));
    truncate(10);  // it is gone
    EXPECT_EQ(below.limits, Limits({10}));
    fetch(10);
    truncate(10);
    EXPECT_EQ(below.limits, Limits({10, 10}));
}

TEST_F(PageCacheTest, ALentNumberThatWasGivenBackIsNoReasonToLook) {
    fetch(5);
    for (int i = 0; i < 3; ++i) {
        swap(3, 5);
        truncate(6);
    }
    EXPECT_EQ(below.limits, Limits());
    truncate(5);
    EXPECT_EQ(below.limits, Limits({5}));
}

TEST_F(PageCacheTest, APageThatKeepsALentNumberIsDropped) {
    fetch(5);
    rekey(5, kLent);
    truncate(6);
    EXPECT_EQ(below.limits, Limits({6}));
    truncate(6);
    EXPECT_EQ(below.limits, Limits({6}));
    // Two at a time.
    rekey(4, kLent);
    rekey(3, kLent + 1);
    rekey(kLent, 3);
    truncate(6);
    EXPECT_EQ(below.limits, Limits({6, 6}));
    truncate(6);
    EXPECT_EQ(below.limits, Limits({6, 6}));
}

TEST_F(PageCacheTest, EverythingIsDroppedWhereEverythingMayGo) {
    fetch(1, 2);
    truncate(1);
    EXPECT_EQ(below.limits, Limits({1}));
    fetch(7, 0);  // only asked for
    truncate(1);
    EXPECT_EQ(below.limits, Limits({1}));
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

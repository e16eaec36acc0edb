#include "storage/sqlite/sqlite_database.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/event_loop.h"
#include "storage/migrator.h"

namespace adyton::storage {
namespace {

TEST(SqliteDatabaseTest, Smoke) {
    char dir[] = "/tmp/adyton-storage.XXXXXX";
    ASSERT_NE(mkdtemp(dir), nullptr);
    base::WorkerThreads workers(2);
    base::EventLoop loop(workers);
    SqliteOptions options;
    options.path = std::string(dir) + "/a/b/test.db";
    auto database = create_sqlite_database(options, loop, base::null_logger());
    ASSERT_TRUE(database) << database.error().message();
    Database& db = **database;
    static constexpr Migration kMigrations[] = {
        {1, "first", "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t (b);",
         "x"}};
    auto ran = loop.run_until_done(migrate(db, kMigrations));
    ASSERT_TRUE(ran) << ran.error().message();
    EXPECT_EQ(ran->size(), 1U);
    auto got = loop.run_until_done(db.write([](Transaction& tx) -> Result<std::int64_t> {
        TRY_VOID(tx.execute("INSERT INTO t (a, b) VALUES ($2, $1)", {"x", 7}));
        TRY(const Rows rows, tx.query("SELECT a FROM t WHERE b = $1", {"x"}));
        return rows.integer(0, 0);
    }));
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(*got, 7);
}

}  // namespace
}  // namespace adyton::storage

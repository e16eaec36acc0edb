#include "apps/product_hosting.h"

#include <gtest/gtest.h>

#include "apps/schema.h"
#include "base/sim_executor.h"
#include "storage/migrator.h"
#include "storage/sim_disk.h"
#include "storage/sqlite/sqlite_database.h"

namespace adyton::apps {
namespace {

class ProbeDiskTest : public ::testing::Test {
protected:
    ProbeDiskTest() {
        storage::SqliteOptions options;
        options.path = "test.db";
        options.vfs = disk.vfs();
        options.disk_full = &full;
        database = *storage::create_sqlite_database(options, loop, base::null_logger());
        EXPECT_TRUE(loop.run_until_done(storage::migrate(*database, all_migrations())));
    }
    ~ProbeDiskTest() override {
        loop.drop_all();
        database.reset();
    }
    ProbeDiskTest(const ProbeDiskTest&) = delete;
    ProbeDiskTest& operator=(const ProbeDiskTest&) = delete;

    Result<void> probe(const std::string& instance = "one") {
        return loop.run_until_done(probe_disk(*database, full, instance));
    }
    Result<void> work() {
        return loop.run_until_done(database->write([](storage::Transaction& tx) {
            return tx.execute_script(
                "CREATE TABLE IF NOT EXISTS work (id INTEGER); "
                "INSERT INTO work (id) VALUES (1)");
        }));
    }

    base::SimExecutor loop{1};
    storage::SimDisk disk{1};
    std::atomic<bool> full = false;
    std::unique_ptr<storage::Database> database;
};

TEST_F(ProbeDiskTest, NothingIsWrittenWhileCommitsWork) {
    ASSERT_TRUE(work());
    const std::uint64_t syncs = disk.counters().syncs;
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(probe());
    EXPECT_EQ(disk.counters().syncs, syncs);
}

TEST_F(ProbeDiskTest, AFullDiskIsToldUntilAWriteOfTheProbeSucceeds) {
    ASSERT_TRUE(work());
    disk.set_full(true);
    EXPECT_TRUE(probe());  // nobody has met it yet
    EXPECT_FALSE(work());
    for (int i = 0; i < 3; ++i) {
        const auto refused = probe();
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().reason(), "disk_full");
    }
    // Without any other write: a balancer sends none to an instance that is not ready.
    disk.set_full(false);
    const std::uint64_t syncs = disk.counters().syncs;
    EXPECT_TRUE(probe());
    EXPECT_GT(disk.counters().syncs, syncs);
    EXPECT_FALSE(full);
    EXPECT_TRUE(work());
}

TEST_F(ProbeDiskTest, EachInstancesProbeWritesAtOnce) {
    for (const char* instance : {"one", "two", "two", "one"}) {
        full = true;
        const std::uint64_t syncs = disk.counters().syncs;
        EXPECT_TRUE(probe(instance));
        EXPECT_GT(disk.counters().syncs, syncs) << instance;
    }
}

}  // namespace
}  // namespace adyton::apps

#include "storage/sqlite/gathering_vfs.h"

#include <gtest/gtest.h>

#include "storage/sim_disk.h"
#include "storage/sqlite/sqlite_connection.h"

namespace adyton::storage::sqlite {
namespace {

constexpr std::uint64_t kSeed = 7;

class GatheringVfsTest : public testing::Test {
protected:
    std::unique_ptr<Connection> connect(Access access, std::int64_t cache_kib = 4096) {
        auto opened = Connection::open(
            {"/test.db", disk_.vfs(), std::chrono::milliseconds(100), cache_kib}, access);
        EXPECT_TRUE(opened) << opened.error().message();
        return opened ? *std::move(opened) : nullptr;
    }
    // A table with a row of `bytes` for each of `rows` numbers.
    static void insert(Connection& connection, std::int64_t first, std::int64_t rows) {
        const base::Bytes padding(3000, 0x5a);
        for (std::int64_t i = first; i < first + rows; ++i) {
            ASSERT_TRUE(connection.execute(
                "INSERT INTO facts (id, padding) VALUES ($1, $2)",
                std::vector<Parameter>{i, padding}));
        }
    }
    static std::int64_t count(Connection& connection) {
        const auto rows = connection.query("SELECT count(*) FROM facts", {});
        return rows ? rows->integer(0, 0).value() : -1;
    }
    static std::string integrity(Connection& connection) {
        const auto rows = connection.query("PRAGMA integrity_check", {});
        return rows ? rows->text(0, 0).value() : rows.error().message();
    }
    static void create(Connection& connection) {
        ASSERT_TRUE(connection.execute_script(
            "CREATE TABLE facts (id INTEGER PRIMARY KEY, padding BLOB NOT NULL)"));
    }

    SimDisk disk_{kSeed};
};

TEST_F(GatheringVfsTest, ACommitOfManyPagesIsFewWrites) {
    const auto writer = connect(Access::Write);
    create(*writer);
    insert(*writer, 0, 1);
    ASSERT_TRUE(writer->run(Connection::Command::BeginImmediate));
    insert(*writer, 1, 40);
    const auto before = disk_.counters();
    ASSERT_TRUE(writer->run(Connection::Command::Commit));
    const auto after = disk_.counters();
    EXPECT_GE(after.bytes_written - before.bytes_written, 40U * 4096U);
    EXPECT_LE(after.writes - before.writes, 4U);
    EXPECT_EQ(after.syncs - before.syncs, 1U);
}

TEST_F(GatheringVfsTest, EveryCommitIsInTheFileForOthersBeforeItReturns) {
    const auto writer = connect(Access::Write);
    create(*writer);
    ASSERT_TRUE(writer->set_synchronous(Synchronous::Normal));  // no sync writes it either
    const auto reader = connect(Access::Read);
    for (std::int64_t i = 0; i < 20; ++i) {
        ASSERT_TRUE(writer->run(Connection::Command::BeginImmediate));
        insert(*writer, i * 10, 10);
        ASSERT_TRUE(writer->run(Connection::Command::Commit));
        EXPECT_EQ(count(*reader), (i + 1) * 10);
        EXPECT_EQ(integrity(*reader), "ok");
    }
    // Killed, not closed: what the process held in memory is gone.
    disk_.kill_process();
    const auto next = connect(Access::Write);
    EXPECT_EQ(count(*next), 200);
}

TEST_F(GatheringVfsTest, PagesThatSpillBeforeTheCommitAreReadBackAndRollBack) {
    const auto writer = connect(Access::Write, 64);
    create(*writer);
    insert(*writer, 0, 5);
    ASSERT_TRUE(writer->run(Connection::Command::BeginImmediate));
    insert(*writer, 5, 300);
    EXPECT_EQ(count(*writer), 305);
    // Frames of this transaction are written a second time, and their checksums anew.
    ASSERT_TRUE(writer->execute("UPDATE facts SET padding = zeroblob(2000)", {}));
    EXPECT_EQ(count(*writer), 305);
    ASSERT_TRUE(writer->run(Connection::Command::Rollback));
    EXPECT_EQ(count(*writer), 5);
    EXPECT_EQ(integrity(*writer), "ok");

    ASSERT_TRUE(writer->set_synchronous(Synchronous::Normal));
    ASSERT_TRUE(writer->run(Connection::Command::BeginImmediate));
    insert(*writer, 5, 300);
    ASSERT_TRUE(writer->execute("UPDATE facts SET padding = zeroblob(2500)", {}));
    ASSERT_TRUE(writer->run(Connection::Command::Commit));
    disk_.kill_process();
    const auto next = connect(Access::Read);
    EXPECT_EQ(count(*next), 305);
    EXPECT_EQ(integrity(*next), "ok");
}

TEST_F(GatheringVfsTest, AWriteThatFailsFailsTheCommitAndNothingOfItIsThere) {
    auto writer = connect(Access::Write);
    create(*writer);
    insert(*writer, 0, 5);
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(writer->set_synchronous(i == 0 ? Synchronous::Normal : Synchronous::Full));
        ASSERT_TRUE(writer->run(Connection::Command::BeginImmediate));
        insert(*writer, 5, 40);
        disk_.fail_next(SimDisk::Operation::Write, 1);
        EXPECT_FALSE(writer->run(Connection::Command::Commit));
        EXPECT_EQ(writer->damage(), Connection::Damage::Suspect);
        writer = connect(Access::Write);
        EXPECT_EQ(count(*writer), 5);
        EXPECT_EQ(integrity(*writer), "ok");
    }
    ASSERT_TRUE(writer->run(Connection::Command::BeginImmediate));
    insert(*writer, 5, 40);
    ASSERT_TRUE(writer->run(Connection::Command::Commit));
    EXPECT_EQ(count(*writer), 45);
}

TEST_F(GatheringVfsTest, AnUnknownVfsIsRefused) {
    EXPECT_FALSE(GatheringVfs::create("no such vfs"));
    const auto made = GatheringVfs::create("");
    ASSERT_TRUE(made);
    EXPECT_FALSE((*made)->name().empty());
}

}  // namespace
}  // namespace adyton::storage::sqlite

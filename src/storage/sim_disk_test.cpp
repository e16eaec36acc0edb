#include "storage/sim_disk.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <set>

namespace adyton::storage {
namespace {

using Operation = SimDisk::Operation;

// A file on the disk, used as SQLite does.
class File {
public:
    File(const SimDisk& disk, const char* name, int type = SQLITE_OPEN_MAIN_DB)
        : vfs_(sqlite3_vfs_find(disk.vfs().c_str())),
          storage_(static_cast<std::size_t>(vfs_->szOsFile), 0) {
        const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | type;
        opened_ = vfs_->xOpen(vfs_, name, file(), flags, nullptr) == SQLITE_OK;
    }
    ~File() {
        if (opened_) file()->pMethods->xClose(file());
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;

    bool opened() const { return opened_; }
    int write(const std::string& text, sqlite3_int64 offset) {
        return file()->pMethods->xWrite(file(), text.data(), static_cast<int>(text.size()), offset);
    }
    int sync() { return file()->pMethods->xSync(file(), SQLITE_SYNC_NORMAL); }
    int truncate(sqlite3_int64 size) { return file()->pMethods->xTruncate(file(), size); }
    int read_code() {
        char byte = 0;
        return file()->pMethods->xRead(file(), &byte, 1, 0);
    }
    int lock(int level) { return file()->pMethods->xLock(file(), level); }
    int unlock(int level) { return file()->pMethods->xUnlock(file(), level); }

private:
    sqlite3_file* file() { return reinterpret_cast<sqlite3_file*>(storage_.data()); }

    sqlite3_vfs* vfs_;
    std::vector<std::uint64_t> storage_;
    bool opened_ = false;
};

std::string text_of(const SimDisk& disk, const std::string& name) {
    const auto contents = disk.contents();
    const auto found = contents.find(name);
    return found == contents.end() ? "(none)" : std::string(base::as_text(found->second));
}

TEST(SimDiskTest, WhatWasSyncedSurvivesEveryLossOfPower) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SimDisk disk(seed);
        File file(disk, "log", SQLITE_OPEN_WAL);
        ASSERT_EQ(file.write(std::string(2000, 'a'), 0), SQLITE_OK);
        ASSERT_EQ(file.sync(), SQLITE_OK);
        ASSERT_EQ(file.write("later", 1000), SQLITE_OK);
        disk.crash();
        const std::string text = text_of(disk, "log");
        ASSERT_EQ(text.size(), 2000U);
        EXPECT_EQ(text.substr(0, 1000), std::string(1000, 'a'));
        EXPECT_EQ(text.substr(1005), std::string(995, 'a'));
    }
}

TEST(SimDiskTest, WhatWasNotSyncedSurvivesInEveryWay) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SimDisk disk(seed);
        File file(disk, "log", SQLITE_OPEN_WAL);
        ASSERT_EQ(file.write(std::string(1024, '.'), 0), SQLITE_OK);
        ASSERT_EQ(file.sync(), SQLITE_OK);
        ASSERT_EQ(file.write("one", 0), SQLITE_OK);
        ASSERT_EQ(file.write("two", 600), SQLITE_OK);
        disk.crash();
        const std::string text = text_of(disk, "log");
        outcomes.insert(text.substr(0, 3) + "/" + text.substr(600, 3));
    }
    // Kept, lost, in the wrong order, torn.
    for (const char* outcome : {"one/two", ".../...", ".../two", "one/..."}) {
        EXPECT_TRUE(outcomes.contains(outcome)) << outcome;
    }
    EXPECT_GT(outcomes.size(), 4U);
}

TEST(SimDiskTest, AFileWhoseDirectoryWasNotSyncedMayVanish) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SimDisk disk(seed);
        File file(disk, "main");
        ASSERT_EQ(file.write("x", 0), SQLITE_OK);
        ASSERT_EQ(file.sync(), SQLITE_OK);
        disk.crash();
        outcomes.insert(text_of(disk, "main"));
    }
    EXPECT_EQ(outcomes, (std::set<std::string>{"(none)", "x"}));
}

TEST(SimDiskTest, TheFirstSyncOfAJournalKeepsAllNames) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SimDisk disk(seed);
        File main(disk, "main");
        File log(disk, "log", SQLITE_OPEN_WAL);
        ASSERT_EQ(log.sync(), SQLITE_OK);
        disk.crash();
        EXPECT_EQ(disk.contents().size(), 2U);
    }
}

TEST(SimDiskTest, AFailedSyncForgetsPagesThatALaterSyncDoesNotWrite) {
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        SimDisk disk(seed);
        File file(disk, "log", SQLITE_OPEN_WAL);
        ASSERT_EQ(file.write(std::string(1024, '.'), 0), SQLITE_OK);
        ASSERT_EQ(file.sync(), SQLITE_OK);
        ASSERT_EQ(file.write("one", 0), SQLITE_OK);
        disk.fail_next(Operation::Sync, 1);
        EXPECT_EQ(file.sync(), SQLITE_IOERR_FSYNC);
        ASSERT_EQ(file.write("two", 600), SQLITE_OK);
        ASSERT_EQ(file.sync(), SQLITE_OK);
        disk.crash();
        EXPECT_EQ(text_of(disk, "log").substr(600, 3), "two");
        outcomes.insert(text_of(disk, "log").substr(0, 3));
    }
    EXPECT_TRUE(outcomes.contains("...")) << "the later sync wrote it after all";
    EXPECT_TRUE(outcomes.contains("one"));
}

TEST(SimDiskTest, ATruncationIsLostOrKeptUntilItIsSynced) {
    std::set<std::size_t> sizes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SimDisk disk(seed);
        File file(disk, "log", SQLITE_OPEN_WAL);
        ASSERT_EQ(file.write(std::string(1000, 'a'), 0), SQLITE_OK);
        ASSERT_EQ(file.sync(), SQLITE_OK);
        ASSERT_EQ(file.truncate(100), SQLITE_OK);
        EXPECT_EQ(text_of(disk, "log").size(), 100U);
        disk.crash();
        sizes.insert(text_of(disk, "log").size());
    }
    EXPECT_EQ(sizes, (std::set<std::size_t>{100, 1000}));
}

TEST(SimDiskTest, AFileFromBeforeTheCrashIsDead) {
    SimDisk disk(1);
    File file(disk, "log", SQLITE_OPEN_WAL);
    ASSERT_EQ(file.write("x", 0), SQLITE_OK);
    ASSERT_EQ(file.sync(), SQLITE_OK);
    disk.crash();
    EXPECT_NE(file.write("y", 0), SQLITE_OK);
    EXPECT_NE(file.sync(), SQLITE_OK);
    EXPECT_NE(file.truncate(0), SQLITE_OK);
    EXPECT_NE(file.read_code(), SQLITE_OK);
    EXPECT_NE(file.lock(SQLITE_LOCK_SHARED), SQLITE_OK);
    EXPECT_EQ(text_of(disk, "log"), "x");
    File again(disk, "log", SQLITE_OPEN_WAL);
    EXPECT_EQ(again.write("z", 0), SQLITE_OK);
    EXPECT_EQ(text_of(disk, "log"), "z");
}

TEST(SimDiskTest, TheDeathOfAProcessKeepsWhatItWroteAndFreesItsLocks) {
    SimDisk disk(1);
    File file(disk, "main");
    ASSERT_EQ(file.write("written", 0), SQLITE_OK);
    ASSERT_EQ(file.lock(SQLITE_LOCK_SHARED), SQLITE_OK);
    ASSERT_EQ(file.lock(SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
    disk.kill_process();
    EXPECT_EQ(text_of(disk, "main"), "written");
    EXPECT_NE(file.write("late", 0), SQLITE_OK);
    File again(disk, "main");
    EXPECT_EQ(again.lock(SQLITE_LOCK_SHARED), SQLITE_OK);
    EXPECT_EQ(again.lock(SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
}

TEST(SimDiskTest, ThePowerGoesInTheMiddleOfTheChosenChange) {
    SimDisk disk(3);
    File file(disk, "log", SQLITE_OPEN_WAL);
    disk.power_off_after(3);
    EXPECT_EQ(file.write("a", 0), SQLITE_OK);
    EXPECT_EQ(file.sync(), SQLITE_OK);
    EXPECT_TRUE(disk.powered());
    EXPECT_NE(file.write("b", 0), SQLITE_OK);
    EXPECT_FALSE(disk.powered());
    EXPECT_NE(file.sync(), SQLITE_OK);
    EXPECT_FALSE(File(disk, "other").opened());
    disk.restart();
    EXPECT_TRUE(disk.powered());
    EXPECT_TRUE(File(disk, "other").opened());
}

TEST(SimDiskTest, AFullDiskTakesWhatDoesNotGrow) {
    SimDisk disk(1);
    File file(disk, "log");
    ASSERT_EQ(file.write("abcd", 0), SQLITE_OK);
    disk.set_full(true);
    EXPECT_EQ(file.write("WXYZ", 0), SQLITE_OK);
    EXPECT_EQ(file.write("1234", 2), SQLITE_FULL);
    EXPECT_EQ(text_of(disk, "log"), "WX12");
    disk.set_full(false);
    EXPECT_EQ(file.write("1234", 2), SQLITE_OK);
    EXPECT_EQ(text_of(disk, "log"), "WX1234");
}

TEST(SimDiskTest, LocksExcludeEachOther) {
    SimDisk disk(1);
    File one(disk, "main");
    File two(disk, "main");
    EXPECT_EQ(one.lock(SQLITE_LOCK_SHARED), SQLITE_OK);
    EXPECT_EQ(two.lock(SQLITE_LOCK_SHARED), SQLITE_OK);
    EXPECT_EQ(one.lock(SQLITE_LOCK_RESERVED), SQLITE_OK);
    EXPECT_EQ(two.lock(SQLITE_LOCK_RESERVED), SQLITE_BUSY);
    EXPECT_EQ(one.lock(SQLITE_LOCK_EXCLUSIVE), SQLITE_BUSY);
    EXPECT_EQ(two.unlock(SQLITE_LOCK_NONE), SQLITE_OK);
    EXPECT_EQ(one.lock(SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
    EXPECT_EQ(two.lock(SQLITE_LOCK_SHARED), SQLITE_BUSY);
    EXPECT_EQ(one.unlock(SQLITE_LOCK_NONE), SQLITE_OK);
    EXPECT_EQ(two.lock(SQLITE_LOCK_SHARED), SQLITE_OK);
}

TEST(SimDiskTest, TheSameSeedLosesTheSame) {
    const auto run = [](std::uint64_t seed) {
        SimDisk disk(seed);
        File file(disk, "log", SQLITE_OPEN_WAL);
        for (int i = 0; i < 40; ++i)
            file.write(std::string(100, static_cast<char>('a' + i % 26)), i * 90);
        disk.crash();
        return text_of(disk, "log");
    };
    EXPECT_EQ(run(7), run(7));
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) outcomes.insert(run(seed));
    EXPECT_GT(outcomes.size(), 5U);
}

}  // namespace
}  // namespace adyton::storage

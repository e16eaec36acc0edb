#include "storage/sqlite/sqlite_database.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>

#include "base/event_loop.h"
#include "base/sim_executor.h"
#include "storage/sim_disk.h"
#include "storage/sqlite/sqlite_connection.h"

namespace adyton::storage {
namespace {

Result<void> insert(Transaction& tx, std::int64_t id) {
    TRY_VOID(tx.execute("INSERT INTO t (id) VALUES ($1)", {id}));
    return {};
}

Result<std::int64_t> count(Transaction& tx) {
    TRY(const Rows rows, tx.query("SELECT count(*) FROM t", {}));
    return rows.integer(0, 0);
}

class LineLogger final : public base::Logger {
public:
    bool enabled(base::LogLevel) const override { return true; }
    void flush() override {}
    void write(
        base::LogLevel, std::string_view message, std::initializer_list<base::LogField>) override {
        lines.emplace_back(message);
    }
    std::vector<std::string> lines;
};

// SQLite on the simulated disk.
class SqliteDiskTest : public ::testing::Test {
protected:
    void SetUp() override {
        options_.path = "test.db";
        options_.vfs = disk_.vfs();
        open();
        auto create = database_->write([](Transaction& tx) {
            return tx.execute_script("CREATE TABLE t (id INTEGER PRIMARY KEY, padding BLOB)");
        });
        ASSERT_TRUE(executor_.run_until_done(std::move(create)));
    }
    void TearDown() override {
        executor_.drop_all();
        database_.reset();
    }
    void open() {
        database_.reset();
        auto opened = create_sqlite_database(options_, executor_, logger_);
        ASSERT_TRUE(opened) << opened.error().message();
        database_ = std::move(*opened);
    }
    template <typename F>
    auto write(F unit, Durability durability = Durability::Durable) {
        return executor_.run_until_done(database_->write(std::move(unit), durability));
    }
    Result<void> insert_one(std::int64_t id, Durability durability = Durability::Durable) {
        return write([id](Transaction& tx) { return insert(tx, id); }, durability);
    }
    // Units [first, first + units) at once.
    std::vector<Result<void>> insert_many(std::int64_t first, std::int64_t units) {
        std::vector<Task<Result<void>>> tasks;
        for (std::int64_t id = first; id < first + units; ++id) {
            tasks.push_back(database_->write([id](Transaction& tx) { return insert(tx, id); }));
        }
        return executor_.run_until_done(base::when_all(std::move(tasks)));
    }
    std::int64_t rows() { return executor_.run_until_done(database_->read(count)).value(); }

    base::SimExecutor executor_{1};
    SimDisk disk_{1};
    LineLogger logger_;
    std::atomic<bool> full_ = false;
    SqliteOptions options_;
    std::unique_ptr<Database> database_;
};

TEST_F(SqliteDiskTest, ConcurrentWritersShareSyncs) {
    const std::uint64_t before = disk_.counters().syncs;
    for (const auto& result : insert_many(1, 64)) ASSERT_TRUE(result);
    const std::uint64_t shared = disk_.counters().syncs - before;
    EXPECT_GE(shared, 1U);
    EXPECT_LE(shared, 4U);
    EXPECT_EQ(rows(), 64);
}

TEST_F(SqliteDiskTest, EachWriteThatIsAloneIsSynced) {
    for (std::int64_t id = 1; id <= 5; ++id) {
        const std::uint64_t before = disk_.counters().syncs;
        ASSERT_TRUE(insert_one(id));
        EXPECT_GE(disk_.counters().syncs, before + 1) << "answered without a sync";
    }
}

TEST_F(SqliteDiskTest, ABatchHoldsNoMoreThanItsLimit) {
    options_.batch_limit = 8;
    open();
    const std::uint64_t before = disk_.counters().syncs;
    for (const auto& result : insert_many(1, 64)) ASSERT_TRUE(result);
    EXPECT_GE(disk_.counters().syncs - before, 8U);
}

TEST_F(SqliteDiskTest, TheQueueRefusesWhatIsTooMuch) {
    options_.queue_limit = 10;
    open();
    std::size_t refused = 0;
    const auto results = insert_many(1, 50);
    for (const auto& result : results) {
        if (result) continue;
        ++refused;
        EXPECT_EQ(result.error().code(), ErrorCode::Unavailable);
        EXPECT_EQ(result.error().reason(), "queue_full");
    }
    EXPECT_GT(refused, 0U);
    EXPECT_LT(refused, 45U);
    EXPECT_EQ(rows(), static_cast<std::int64_t>(results.size() - refused));
    EXPECT_TRUE(insert_one(1000));
}

TEST_F(SqliteDiskTest, AFailedCommitFailsAllOfItsUnits) {
    std::vector<Task<Result<void>>> tasks;
    for (std::int64_t id = 0; id < 10; ++id) {
        tasks.push_back(database_->write([id](Transaction& tx) -> Result<void> {
            TRY_VOID(insert(tx, id));
            if (id == 4) return Error::not_found("on purpose");
            return {};
        }));
    }
    disk_.fail_next(SimDisk::Operation::Sync, 1);
    const auto results = executor_.run_until_done(base::when_all(std::move(tasks)));
    for (std::size_t id = 0; id < results.size(); ++id) {
        ASSERT_FALSE(results[id]);
        // The failed unit saw neighbours that are gone, so its own error counts for nothing; but it
        // is certain that nothing of it happened.
        EXPECT_EQ(
            to_string(results[id].error().code()), id == 4 ? "unavailable" : "outcome_unknown");
    }
    EXPECT_EQ(rows(), 0);
    ASSERT_TRUE(insert_one(4));  // and the disk works again
    EXPECT_EQ(rows(), 1);
}

TEST_F(SqliteDiskTest, AStrayCommitIsWrittenOverAndNeverBuiltUpon) {
    // The disk forgets the pages of a failed sync; recovery from the running system's view would
    // find them all the same, and what follows would stand on nothing.
    ASSERT_TRUE(insert_one(1));
    disk_.fail_next(SimDisk::Operation::Sync, 2);  // also of a connection that closes
    EXPECT_EQ(insert_one(2).error().code(), ErrorCode::OutcomeUnknown);
    static_cast<void>(insert_one(3));
    for (std::int64_t id = 4; id < 10; ++id) ASSERT_TRUE(insert_one(id));
    executor_.drop_all();
    disk_.crash();
    open();
    EXPECT_EQ(rows(), 7);  // without 2 and 3
}

TEST_F(SqliteDiskTest, AFullDiskRefusesAndRecovers) {
    for (const auto& result : insert_many(1, 5)) ASSERT_TRUE(result);
    disk_.set_full(true);
    for (int round = 0; round < 3; ++round) {
        for (const auto& result : insert_many(100, 5)) {
            ASSERT_FALSE(result);
            EXPECT_EQ(result.error().code(), ErrorCode::Unavailable);
            EXPECT_EQ(result.error().reason(), "disk_full");
        }
        EXPECT_EQ(rows(), 5);  // reads go on
    }
    disk_.set_full(false);
    for (const auto& result : insert_many(100, 5)) EXPECT_TRUE(result);
    EXPECT_EQ(rows(), 10);
}

TEST_F(SqliteDiskTest, AFullDiskIsToldAlsoWhereNoCallerHearsOfIt) {
    options_.disk_full = &full_;
    open();
    ASSERT_TRUE(insert_one(1));
    EXPECT_FALSE(full_);
    disk_.set_full(true);
    EXPECT_FALSE(insert_one(2));
    EXPECT_TRUE(full_.exchange(false));
    EXPECT_TRUE(insert_one(3, Durability::Relaxed));
    executor_.run();
    EXPECT_TRUE(full_.exchange(false));
    disk_.set_full(false);
    EXPECT_TRUE(insert_one(4));
    EXPECT_FALSE(full_);
}

TEST_F(SqliteDiskTest, ACommitOfNothingIsNoSignOfAHealthyDisk) {
    ASSERT_TRUE(insert_one(1));
    logger_.lines.clear();
    disk_.set_full(true);
    for (int round = 0; round < 3; ++round) {
        EXPECT_FALSE(insert_one(2));
        EXPECT_TRUE(write([](Transaction&) { return Result<void>(); }));
    }
    EXPECT_EQ(logger_.lines, (std::vector<std::string>{"database writes fail"}));
    disk_.set_full(false);
    EXPECT_TRUE(insert_one(3));
    ASSERT_EQ(logger_.lines.size(), 2U);
    EXPECT_EQ(logger_.lines.back(), "database writes work again");
}

TEST_F(SqliteDiskTest, ErrorsOfReadingAndWritingPassWithTheDisksTrouble) {
    for (const auto& result : insert_many(1, 20)) ASSERT_TRUE(result);
    open();  // with a cold cache
    for (const auto operation : {SimDisk::Operation::Read, SimDisk::Operation::Write}) {
        disk_.set_failure_rate(operation, 1'000'000);
        for (int round = 0; round < 3; ++round) {
            const auto result = insert_one(100);
            ASSERT_FALSE(result);
            EXPECT_TRUE(
                result.error().code() == ErrorCode::Unavailable ||
                result.error().code() == ErrorCode::OutcomeUnknown);
        }
        disk_.set_failure_rate(operation, 0);
        EXPECT_EQ(rows(), 20);
    }
    EXPECT_TRUE(insert_one(100));
}

TEST_F(SqliteDiskTest, ARelaxedUnitIsAnsweredBeforeItsCommit) {
    disk_.fail_next(SimDisk::Operation::Write, 1);
    EXPECT_TRUE(insert_one(1, Durability::Relaxed));
    executor_.run();
    EXPECT_EQ(rows(), 0);  // the commit failed, and the unit is not run a second time
    EXPECT_TRUE(insert_one(2, Durability::Relaxed));
    executor_.run();
    EXPECT_EQ(rows(), 1);
}

TEST_F(SqliteDiskTest, RelaxedUnitsOutliveTheProcessAtOnceAndTheMachineSoon) {
    ASSERT_TRUE(insert_one(1, Durability::Relaxed));
    executor_.run_for(std::chrono::milliseconds(5));
    const std::uint64_t syncs = disk_.counters().syncs;
    executor_.drop_all();
    disk_.kill_process();
    open();
    EXPECT_EQ(rows(), 1);
    for (std::int64_t id = 2; id <= 20; ++id) ASSERT_TRUE(insert_one(id, Durability::Relaxed));
    EXPECT_LE(disk_.counters().syncs, syncs + 3) << "relaxed units wait for the disk";
    executor_.run_for(std::chrono::milliseconds(100));
    executor_.drop_all();
    disk_.crash();
    open();
    EXPECT_EQ(rows(), 20);
}

TEST_F(SqliteDiskTest, ADurableUnitTakesTheRelaxedOnesBeforeItAlong) {
    ASSERT_TRUE(insert_one(1, Durability::Relaxed));
    ASSERT_TRUE(insert_one(2));
    executor_.drop_all();
    disk_.crash();
    open();
    EXPECT_EQ(rows(), 2);
}

// Linux forgets the pages of a failed sync: a hole in the log, behind which nothing counts.
TEST_F(SqliteDiskTest, NothingDurableFollowsRelaxedUnitsWhoseSyncFailed) {
    std::int64_t id = 0;
    for (int round = 0; round < 40; ++round) {
        ASSERT_TRUE(insert_one(++id, Durability::Relaxed));
        disk_.fail_next(SimDisk::Operation::Sync, 1);
        if (round % 2 == 0) {
            executor_.run_for(std::chrono::milliseconds(100));  // the delayed sync fails
        } else {
            EXPECT_FALSE(insert_one(++id));  // the sync of a durable commit fails
            --id;
        }
        ASSERT_TRUE(insert_one(++id));
        const std::int64_t before = rows();
        executor_.drop_all();
        disk_.crash();
        open();
        EXPECT_EQ(rows(), before) << "round " << round;
        EXPECT_GE(before, id);
    }
}

TEST_F(SqliteDiskTest, TheLogStaysBounded) {
    options_.checkpoint_pages = 50;
    open();
    std::size_t longest = 0;
    for (std::int64_t id = 1; id <= 600; ++id) {
        ASSERT_TRUE(write([id](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute(
                "INSERT INTO t (id, padding) VALUES ($1, $2)", {id, base::Bytes(3000, 1)}));
            return {};
        }));
        longest = std::max(longest, disk_.contents()["test.db-wal"].size());
    }
    EXPECT_LT(longest, std::size_t{150} * 4120);  // 600 units write well over 1,000 pages
    EXPECT_EQ(rows(), 600);
}

TEST_F(SqliteDiskTest, APowerCutLosesNothingAnsweredAndClosingThenWritesNothing) {
    for (const auto& result : insert_many(1, 30)) ASSERT_TRUE(result);
    std::vector<Task<Result<void>>> never_awaited;
    base::spawn(executor_, [](Database& database) -> Task<void> {
        auto late = database.write([](Transaction& tx) { return insert(tx, 1000); });
        static_cast<void>(co_await std::move(late));
    }(*database_));
    executor_.step();
    executor_.drop_all();
    disk_.crash();
    const auto before = disk_.contents();
    database_.reset();
    EXPECT_EQ(disk_.contents(), before);
    open();
    EXPECT_EQ(rows(), 30);
}

TEST_F(SqliteDiskTest, AUnitThatEndsTheTransactionItselfIsRefused) {
    const auto result = write([](Transaction& tx) -> Result<void> {
        TRY_VOID(insert(tx, 1));
        return tx.execute_script("COMMIT");
    });
    ASSERT_FALSE(result);
    EXPECT_TRUE(insert_one(2));
}

// SQLite on the system's disk.
class SqliteFileTest : public ::testing::Test {
protected:
    SqliteFileTest() {
        std::string pattern = (std::filesystem::temp_directory_path() / "adyton-XXXXXX").string();
        EXPECT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    ~SqliteFileTest() override { std::filesystem::remove_all(directory_); }
    SqliteFileTest(const SqliteFileTest&) = delete;
    SqliteFileTest& operator=(const SqliteFileTest&) = delete;

    Result<std::unique_ptr<Database>> open(const std::string& path) {
        SqliteOptions options;
        options.path = path;
        options.busy_timeout = std::chrono::milliseconds(50);
        return create_sqlite_database(options, loop_, base::null_logger());
    }
    static unsigned mode(const std::string& path) {
        struct stat status {};
        EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
        return status.st_mode & 0777U;
    }

    std::string directory_;
    base::WorkerThreads workers_{2};
    base::EventLoop loop_{workers_};
};

TEST_F(SqliteFileTest, FilesAndFoldersAreForTheirOwnerAlone) {
    const std::string path = directory_ + "/new/deeper/test.db";
    auto database = open(path);
    ASSERT_TRUE(database) << database.error().message();
    auto create = (*database)->write([](Transaction& tx) {
        return tx.execute_script("CREATE TABLE t (id INTEGER PRIMARY KEY)");
    });
    ASSERT_TRUE(loop_.run_until_done(std::move(create)));
    EXPECT_EQ(mode(path), 0600U);
    EXPECT_EQ(mode(path + "-wal"), 0600U);
    EXPECT_EQ(mode(path + "-shm"), 0600U);
    EXPECT_EQ(mode(directory_ + "/new"), 0700U);
    EXPECT_EQ(mode(directory_ + "/new/deeper"), 0700U);
}

TEST_F(SqliteFileTest, APathThatCannotBeIsRefused) {
    EXPECT_EQ(open("").error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(open(directory_).error().code(), ErrorCode::Unavailable);
    std::ofstream(directory_ + "/file") << "x";
    EXPECT_EQ(open(directory_ + "/file/test.db").error().code(), ErrorCode::Unavailable);
}

TEST_F(SqliteFileTest, AFileThatIsNoDatabaseIsRefusedAndKept) {
    const std::string path = directory_ + "/test.db";
    const std::string text(8192, 'x');
    std::ofstream(path) << text;
    EXPECT_EQ(open(path).error().code(), ErrorCode::CorruptData);
    std::ifstream file(path);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), text);
}

TEST_F(SqliteFileTest, ALockOfAnotherProcessMakesItBusyForAWhile) {
    const std::string path = directory_ + "/test.db";
    auto one = open(path);
    auto other = open(path);
    ASSERT_TRUE(one && other);
    std::promise<void> locked;
    std::promise<void> release;
    auto hold = (*one)->write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute_script("CREATE TABLE t (id INTEGER PRIMARY KEY)"));
        locked.set_value();
        release.get_future().wait();
        return {};
    });
    const auto try_other = [](Database& database, std::promise<void>& started,
                              std::promise<void>& end) -> Task<Result<void>> {
        // Waits on a thread of its own: the loop still has to start the first write.
        auto wait = base::run_blocking(*base::Executor::current(), [&started] {
            started.get_future().wait();
            return true;
        });
        co_await std::move(wait);
        auto write =
            database.write([](Transaction& tx) { return tx.execute_script("CREATE TABLE u (i)"); });
        Result<void> result = co_await std::move(write);
        end.set_value();
        co_return result;
    };
    std::vector<Task<Result<void>>> tasks;
    tasks.push_back(std::move(hold));
    tasks.push_back(try_other(**other, locked, release));
    const auto results = loop_.run_until_done(base::when_all(std::move(tasks)));
    EXPECT_TRUE(results[0]);
    ASSERT_FALSE(results[1]);
    EXPECT_EQ(results[1].error().reason(), "busy");
    auto again = (*other)->write([](Transaction& tx) { return insert(tx, 1); });
    EXPECT_TRUE(loop_.run_until_done(std::move(again)));
}

TEST_F(SqliteFileTest, StatementsArePreparedOnce) {
    auto connection = sqlite::Connection::open(
        {directory_ + "/test.db", "", std::chrono::seconds(1), 1024}, sqlite::Access::Write);
    ASSERT_TRUE(connection) << connection.error().message();
    sqlite::Connection& sqlite = **connection;
    for (std::int64_t i = 0; i < 10; ++i) {
        const Parameter value = i;
        EXPECT_EQ(sqlite.query("SELECT $1 + 1", {&value, 1}).value().integer(0, 0).value(), i + 1);
    }
    EXPECT_EQ(sqlite.cached_statements(), 1U);
    EXPECT_FALSE(sqlite.query("SELECT ?1", {}));
    EXPECT_FALSE(sqlite.query("SELECT :name", {}));
    EXPECT_FALSE(sqlite.query("SELECT $1, $3", {}));
    EXPECT_FALSE(sqlite.query("SELECT $0", {}));
    EXPECT_EQ(sqlite.cached_statements(), 1U);
}

}  // namespace
}  // namespace adyton::storage

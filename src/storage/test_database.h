#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/sim_executor.h"
#include "storage/database.h"
#include "storage/migrator.h"
#include "storage/sim_disk.h"

namespace adyton::storage {

// Runs the same repository tests on every database:
//
//     class AccountsTest : public storage::DatabaseTest {};
//     TEST_P(AccountsTest, RemembersAnAccount) {
//         ASSERT_TRUE(run(migrate(database(), kMigrations)));
//         ...
//     }
//     ADYTON_ON_ALL_DATABASES(AccountsTest);
enum class TestBackend {
    Sqlite,           // a file in a temporary folder, real threads
    SqliteSimulated,  // the simulated disk and executor
    Postgres,         // a fresh schema on the server of ADYTON_TEST_POSTGRES_URL
};

std::string to_string(TestBackend backend);

// An empty database, its executor and its disk. All of it is gone with the object.
class TestDatabase {
public:
    // Null for PostgreSQL when ADYTON_TEST_POSTGRES_URL is not set. CHECKs that the rest works.
    // The seed is that of the simulated executor and disk.
    static std::unique_ptr<TestDatabase> create(TestBackend backend, std::uint64_t seed = 1);
    ~TestDatabase();
    TestDatabase(const TestDatabase&) = delete;
    TestDatabase& operator=(const TestDatabase&) = delete;

    Database& database() { return *database_; }
    base::Executor& executor();
    TestBackend backend() const { return backend_; }
    // Null unless simulated.
    base::SimExecutor* sim() { return sim_.get(); }
    SimDisk* disk() { return disk_.get(); }
    // PostgreSQL only: a URL that leads to this test's schema.
    const std::string& postgres_url() const { return url_; }
    // SQLite only: the path of the file.
    const std::string& path() const { return path_; }

    // A second database object on the same data, like another process.
    std::unique_ptr<Database> open_another();
    // Closes the database and opens it again.
    void reopen();
    // Simulated only: a loss of power, or just kill -9; then opens again.
    enum class Crash { Power, Process };
    void crash(Crash kind = Crash::Power);

    // Runs the task to its end on the database's executor.
    template <typename T>
    T run(Task<T> task) {
        if (sim_) return sim_->run_until_done(std::move(task));
        return loop_->run_until_done(std::move(task));
    }
    // All at once; their values in the order of the tasks.
    template <typename T>
    std::vector<T> run_all(std::vector<Task<T>> tasks) {
        return run(base::when_all(std::move(tasks)));
    }

private:
    explicit TestDatabase(TestBackend backend) : backend_(backend) {}
    void create_schema(const std::string& server);
    void drop_schema();

    TestBackend backend_;
    std::unique_ptr<base::WorkerThreads> workers_;
    std::unique_ptr<base::EventLoop> loop_;
    std::unique_ptr<base::SimExecutor> sim_;
    std::unique_ptr<SimDisk> disk_;
    std::string directory_;
    std::string path_;
    std::string schema_;
    std::string url_;
    std::unique_ptr<Database> server_;  // for the schema itself
    std::unique_ptr<Database> database_;
};

class DatabaseTest : public ::testing::TestWithParam<TestBackend> {
public:
    TestDatabase& test() { return *test_; }
    Database& database() { return test_->database(); }
    base::Executor& executor() { return test_->executor(); }
    template <typename T>
    T run(Task<T> task) {
        return test_->run(std::move(task));
    }
    // One unit of work.
    template <typename F>
    auto write(F unit) {
        return run(database().write(std::move(unit)));
    }
    // Runs those of them that have a lower number: a schema as it was. Which ones it ran.
    Result<std::vector<int>> migrate_below(std::span<const Migration> migrations, int number);

protected:
    void SetUp() override;
    void TearDown() override { test_.reset(); }

private:
    std::unique_ptr<TestDatabase> test_;
};

}  // namespace adyton::storage

#define ADYTON_ON_ALL_DATABASES(suite)                                                 \
    INSTANTIATE_TEST_SUITE_P(                                                          \
        Databases, suite,                                                              \
        ::testing::Values(                                                             \
            ::adyton::storage::TestBackend::Sqlite,                                    \
            ::adyton::storage::TestBackend::SqliteSimulated,                           \
            ::adyton::storage::TestBackend::Postgres),                                 \
        [](const ::testing::TestParamInfo<::adyton::storage::TestBackend>& database) { \
            return ::adyton::storage::to_string(database.param);                       \
        })

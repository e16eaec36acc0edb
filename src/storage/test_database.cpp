#include "storage/test_database.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "storage/postgres/postgres_database.h"
#include "storage/sqlite/sqlite_database.h"

namespace adyton::storage {
namespace {

constexpr const char* kPostgresUrl = "ADYTON_TEST_POSTGRES_URL";

// Unique among the test processes that use one server at a time, and those before them.
std::string fresh_schema_name(const base::Clock& clock) {
    static std::atomic<unsigned> next{1};
    return fmt::format(
        "test_{}_{}_{}", clock.now().time_since_epoch().count(), ::getpid(), next.fetch_add(1));
}

template <typename T>
T must(Result<T> result) {
    if (!result) fmt::print(stderr, "{}\n", result.error().message());
    CHECK(result.has_value());
    return std::move(result).value();
}

}  // namespace

std::string to_string(TestBackend backend) {
    switch (backend) {
        case TestBackend::Sqlite:
            return "Sqlite";
        case TestBackend::SqliteSimulated:
            return "SqliteSimulated";
        case TestBackend::Postgres:
            return "Postgres";
    }
    return "";
}

std::unique_ptr<TestDatabase> TestDatabase::create(TestBackend backend, std::uint64_t seed) {
    const char* const server = std::getenv(kPostgresUrl);
    if (backend == TestBackend::Postgres && server == nullptr) return nullptr;
    std::unique_ptr<TestDatabase> test(new TestDatabase(backend));
    if (backend == TestBackend::SqliteSimulated) {
        test->sim_ = std::make_unique<base::SimExecutor>(seed);
        test->disk_ = std::make_unique<SimDisk>(seed);
        test->path_ = "test.db";
    } else {
        test->workers_ = std::make_unique<base::WorkerThreads>(2);
        test->loop_ = std::make_unique<base::EventLoop>(*test->workers_);
    }
    if (backend == TestBackend::Postgres) test->create_schema(server);
    if (backend == TestBackend::Sqlite) {
        std::string pattern = (std::filesystem::temp_directory_path() / "adyton-XXXXXX").string();
        CHECK(::mkdtemp(pattern.data()) != nullptr);
        test->directory_ = pattern;
        test->path_ = pattern + "/test.db";
    }
    test->database_ = test->open_another();
    return test;
}

TestDatabase::~TestDatabase() {
    database_.reset();
    if (server_) drop_schema();
    server_.reset();
    if (!directory_.empty()) {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }
}

base::Executor& TestDatabase::executor() {
    if (sim_) return *sim_;
    return *loop_;
}

void TestDatabase::create_schema(const std::string& server) {
    schema_ = fresh_schema_name(*loop_);
    const char joint = server.find('?') == std::string::npos ? '?' : '&';
    url_ = fmt::format("{}{}options=-csearch_path%3D{}", server, joint, schema_);
    PostgresOptions options;
    options.url = server;
    server_ = must(create_postgres_database(options, *loop_, base::null_logger()));
    auto create = server_->write([this](Transaction& tx) {
        return tx.execute_script("SET LOCAL synchronous_commit = off; CREATE SCHEMA " + schema_);
    });
    must(run(std::move(create)));
}

void TestDatabase::drop_schema() {
    auto drop = server_->write([this](Transaction& tx) {
        return tx.execute_script(
            fmt::format("SET LOCAL synchronous_commit = off; DROP SCHEMA {} CASCADE", schema_));
    });
    // A test may have left the server in any state.
    static_cast<void>(run(std::move(drop)));
}

std::unique_ptr<Database> TestDatabase::open_another() {
    if (backend_ == TestBackend::Postgres) {
        PostgresOptions options;
        options.url = url_;
        return must(create_postgres_database(options, executor(), base::null_logger()));
    }
    SqliteOptions options;
    options.path = path_;
    if (disk_) options.vfs = disk_->vfs();
    return must(create_sqlite_database(options, executor(), base::null_logger()));
}

void TestDatabase::reopen() {
    database_.reset();
    database_ = open_another();
}

void TestDatabase::crash(Crash kind) {
    CHECK(sim_ != nullptr);
    sim_->drop_all();
    if (kind == Crash::Power) {
        disk_->crash();
    } else {
        disk_->kill_process();
    }
    database_.reset();
    database_ = open_another();
}

void DatabaseTest::SetUp() {
    test_ = TestDatabase::create(GetParam());
    if (!test_) GTEST_SKIP() << "NOT RUN: " << kPostgresUrl << " is not set";
}

Result<std::vector<int>> DatabaseTest::migrate_below(
    std::span<const Migration> migrations, int number) {
    std::vector<Migration> some(migrations.begin(), migrations.end());
    std::erase_if(some, [number](const Migration& one) { return one.number >= number; });
    return run(migrate(database(), some));
}

}  // namespace adyton::storage

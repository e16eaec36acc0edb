#include "storage/postgres/postgres_database.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <set>

#include "base/event_loop.h"
#include "storage/migrator.h"
#include "storage/test_database.h"

namespace adyton::storage {
namespace {

// Stands between a database and its server, on a port of its own, and breaks things.
class Proxy {
public:
    // `url`: of a server that has an IPv4 address or is "localhost".
    explicit Proxy(const std::string& url) : workers_(1) {
        std::size_t host = url.find("://") + 3;
        if (const auto at = url.find('@', host); at != std::string::npos) host = at + 1;
        const auto colon = url.find(':', host);
        const auto end = url.find('/', host);
        std::string address = url.substr(host, std::min(colon, end) - host);
        if (address == "localhost") address = "127.0.0.1";
        const std::string port = colon < end ? url.substr(colon + 1, end - colon - 1) : "5432";
        server_.sin_family = AF_INET;
        server_.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
        EXPECT_EQ(::inet_pton(AF_INET, address.c_str(), &server_.sin_addr), 1) << address;
        listen();
        url_ = url.substr(0, host) + "127.0.0.1:" + std::to_string(port_) + url.substr(end);
        url_ += std::string(url_.find('?') == std::string::npos ? "?" : "&") + "sslmode=disable";
        workers_.post([this] { serve(); });
    }
    ~Proxy() {
        stop_ = true;
        while (!stopped_) ::poll(nullptr, 0, 1);
        ::close(listener_);
    }
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    const std::string& url() const { return url_; }
    // Breaks all connections and lets none through until it is set again.
    void set_passing(bool passing) { passing_ = passing; }
    // The next COMMIT reaches the server, and its answer nobody.
    void lose_answer_of_next_commit() { lose_commit_ = true; }

private:
    struct Pair {
        int client;
        int server;
        bool committing;
    };

    void listen() {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&own), sizeof(own)), 0);
        EXPECT_EQ(::listen(listener_, 16), 0);
        socklen_t size = sizeof(own);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&own), &size);
        port_ = ntohs(own.sin_port);
    }

    void serve() {
        std::vector<Pair> pairs;
        while (!stop_) {
            std::vector<pollfd> waiting{{listener_, POLLIN, 0}};
            for (const Pair& pair : pairs) {
                waiting.push_back({pair.client, POLLIN, 0});
                waiting.push_back({pair.server, POLLIN, 0});
            }
            ::poll(waiting.data(), waiting.size(), 2);
            std::vector<Pair> kept;
            for (std::size_t i = 0; i < pairs.size(); ++i) {
                const bool up = waiting[2 * i + 1].revents == 0 || forward_up(pairs[i]);
                const bool down = waiting[2 * i + 2].revents == 0 || forward_down(pairs[i]);
                if (passing_ && up && down) {
                    kept.push_back(pairs[i]);
                } else {
                    close(pairs[i]);
                }
            }
            pairs = std::move(kept);
            if (waiting[0].revents != 0) accept(pairs);
        }
        for (const Pair& pair : pairs) close(pair);
        stopped_ = true;
    }

    static void close(const Pair& pair) {
        ::close(pair.client);
        ::close(pair.server);
    }

    void accept(std::vector<Pair>& pairs) {
        Pair pair{::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), -1, false};
        pair.server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const auto* address = reinterpret_cast<const sockaddr*>(&server_);
        if (passing_ && ::connect(pair.server, address, sizeof(server_)) == 0) {
            pairs.push_back(pair);
        } else {
            close(pair);
        }
    }

    bool forward_up(Pair& pair) {
        char buffer[65536];
        const ssize_t count = ::recv(pair.client, buffer, sizeof(buffer), 0);
        if (count <= 0) return false;
        const std::string_view text(buffer, static_cast<std::size_t>(count));
        if (lose_commit_ && text.find("COMMIT") != std::string_view::npos) {
            lose_commit_ = false;
            pair.committing = true;
        }
        return ::send(pair.server, buffer, text.size(), MSG_NOSIGNAL) == count;
    }

    static bool forward_down(const Pair& pair) {
        char buffer[65536];
        const ssize_t count = ::recv(pair.server, buffer, sizeof(buffer), 0);
        if (count <= 0 || pair.committing) return false;
        return ::send(pair.client, buffer, static_cast<std::size_t>(count), MSG_NOSIGNAL) == count;
    }

    sockaddr_in server_{};
    std::string url_;
    int listener_ = -1;
    unsigned port_ = 0;
    std::atomic<bool> passing_ = true;
    std::atomic<bool> lose_commit_ = false;
    std::atomic<bool> stop_ = false;
    std::atomic<bool> stopped_ = false;
    base::WorkerThreads workers_;
};

class PostgresDatabaseTest : public ::testing::Test {
protected:
    void SetUp() override {
        test_ = TestDatabase::create(TestBackend::Postgres);
        if (!test_) GTEST_SKIP() << "NOT RUN: ADYTON_TEST_POSTGRES_URL is not set";
        options_.url = test_->postgres_url();
        ASSERT_TRUE(script("CREATE TABLE t (id bigint PRIMARY KEY, n bigint NOT NULL DEFAULT 0)"));
    }

    Database& database() { return test_->database(); }
    // A database object with options_.
    std::unique_ptr<Database> open() {
        auto opened = create_postgres_database(options_, test_->executor(), base::null_logger());
        EXPECT_TRUE(opened) << opened.error().message();
        return std::move(*opened);
    }
    template <typename F>
    auto write(Database& database, F unit, Durability durability = Durability::Durable) {
        return test_->run(database.write(std::move(unit), durability));
    }
    Result<void> script(const char* sql) {
        return write(database(), [sql](Transaction& tx) { return tx.execute_script(sql); });
    }
    static Result<void> insert(Transaction& tx, std::int64_t id) {
        TRY_VOID(tx.execute("INSERT INTO t (id) VALUES ($1)", {id}));
        return {};
    }
    Result<void> insert_one(Database& database, std::int64_t id) {
        return write(database, [id](Transaction& tx) { return insert(tx, id); });
    }
    // In one batch, if it takes so many: they gather behind a slow unit.
    std::vector<Result<void>> run_units(Database& database, const std::vector<UnitOfWork>& units) {
        std::vector<Task<Result<void>>> tasks;
        const UnitOfWork slow = [](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.query("SELECT pg_sleep(0.1)", {}));
            return {};
        };
        tasks.push_back(database.write_unit(slow, Durability::Durable));
        for (const UnitOfWork& unit : units) {
            tasks.push_back(database.write_unit(unit, Durability::Durable));
        }
        auto results = test_->run_all(std::move(tasks));
        results.erase(results.begin());
        return results;
    }
    static Result<void> die(Transaction& tx) {
        TRY_VOID(tx.query("SELECT pg_terminate_backend(pg_backend_pid())", {}));
        return {};
    }
    std::int64_t rows(const char* sql = "SELECT count(*) FROM t") {
        const auto count = [sql](Transaction& tx) -> Result<std::int64_t> {
            TRY(const Rows found, tx.query(sql, {}));
            return found.integer(0, 0);
        };
        return test_->run(database().read(count)).value();
    }
    void wait(base::Duration span) {
        test_->run([](base::Executor& executor, base::Duration time) -> Task<bool> {
            co_await base::sleep_for(executor, time);
            co_return true;
        }(test_->executor(), span));
    }

    std::unique_ptr<TestDatabase> test_;
    PostgresOptions options_;
};

TEST_F(PostgresDatabaseTest, ConcurrentWritersShareTransactions) {
    std::vector<Task<Result<std::string>>> tasks;
    for (std::int64_t id = 0; id < 64; ++id) {
        tasks.push_back(database().write([id](Transaction& tx) -> Result<std::string> {
            TRY_VOID(insert(tx, id));
            TRY(const Rows found, tx.query("SELECT pg_current_xact_id()::text", {}));
            return found.text(0, 0);
        }));
    }
    std::set<std::string> transactions;
    for (const auto& result : test_->run_all(std::move(tasks))) {
        transactions.insert(result.value());
    }
    EXPECT_LE(transactions.size(), 4U);
    EXPECT_EQ(rows(), 64);
}

TEST_F(PostgresDatabaseTest, AFullDiskOfTheServerIsTold) {
    std::atomic<bool> full = false;
    options_.disk_full = &full;
    const auto own = open();
    ASSERT_TRUE(insert_one(*own, 1));
    EXPECT_FALSE(full);
    const auto refused = write(*own, [](Transaction& tx) {
        return tx.execute_script("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$");
    });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), "disk_full");
    EXPECT_TRUE(full.exchange(false));
    EXPECT_TRUE(insert_one(*own, 2));
    EXPECT_FALSE(full);
}

TEST_F(PostgresDatabaseTest, AKilledIdleConnectionIsReplacedUnnoticed) {
    options_.url += "&application_name=victim";
    const auto victim = open();
    ASSERT_TRUE(insert_one(*victim, 1));
    const auto look = [](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT 1", {}));
        return {};
    };
    ASSERT_TRUE(test_->run(victim->read(look)));
    for (int round = 0; round < 3; ++round) {
        const auto killed = write(database(), [](Transaction& tx) -> Result<std::int64_t> {
            TRY(const Rows found,
                tx.query(
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
                    "WHERE application_name = 'victim'",
                    {}));
            return found.integer(0, 0);
        });
        EXPECT_EQ(killed.value(), 2);
        EXPECT_TRUE(insert_one(*victim, 10 + round));
        EXPECT_TRUE(test_->run(victim->read(look)));
    }
}

TEST_F(PostgresDatabaseTest, AConnectionLostBeforeTheCommitRunsTheBatchAgain) {
    std::atomic<int> runs = 0;
    std::vector<UnitOfWork> units;
    for (std::int64_t id = 0; id < 10; ++id) {
        units.push_back([id, &runs](Transaction& tx) -> Result<void> {
            TRY_VOID(insert(tx, id));
            if (id == 5 && runs++ == 0) return die(tx);
            return {};
        });
    }
    for (const auto& result : run_units(database(), units)) {
        EXPECT_TRUE(result) << result.error().message();
    }
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(rows(), 10);
}

TEST_F(PostgresDatabaseTest, AUnitThatBreaksEveryConnectionTakesNobodyWithIt) {
    std::atomic<int> runs = 0;
    std::vector<UnitOfWork> units;
    for (std::int64_t id = 0; id < 6; ++id) {
        units.push_back([id, &runs](Transaction& tx) -> Result<void> {
            TRY_VOID(insert(tx, id));
            if (id != 3) return {};
            ++runs;
            return die(tx);
        });
    }
    const auto results = run_units(database(), units);
    for (std::size_t id = 0; id < results.size(); ++id) {
        EXPECT_EQ(results[id].has_value(), id != 3) << id;
    }
    ASSERT_FALSE(results[3]);
    EXPECT_EQ(results[3].error().code(), ErrorCode::Unavailable);
    EXPECT_LE(runs, 14);
    EXPECT_EQ(rows(), 5);
}

// Lets the server end the connection in the middle of a commit.
constexpr const char* kDieAtCommit =
    "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;"
    "CREATE CONSTRAINT TRIGGER die_late AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW WHEN (NEW.id = 666) EXECUTE FUNCTION die()";

TEST_F(PostgresDatabaseTest, AConnectionLostDuringTheCommitLeavesTheOutcomeUnknown) {
    ASSERT_TRUE(script(kDieAtCommit));
    std::vector<UnitOfWork> units;
    units.push_back([](Transaction& tx) { return insert(tx, 1); });
    units.push_back([](Transaction& tx) -> Result<void> {
        TRY_VOID(insert(tx, 2));
        return Error::not_found("on purpose");
    });
    units.push_back([](Transaction& tx) { return insert(tx, 666); });
    const auto results = run_units(database(), units);
    for (const auto& result : results) ASSERT_FALSE(result);
    EXPECT_EQ(to_string(results[0].error().code()), "outcome_unknown");
    EXPECT_EQ(to_string(results[1].error().code()), "unavailable");  // surely nothing
    EXPECT_EQ(to_string(results[2].error().code()), "outcome_unknown");
    EXPECT_EQ(rows(), 0);
    EXPECT_TRUE(insert_one(database(), 1));
}

TEST_F(PostgresDatabaseTest, ACommitWhoseAnswerIsLostIsUnknownAndNotRepeated) {
    Proxy proxy(options_.url);
    options_.url = proxy.url();
    const auto through = open();
    ASSERT_TRUE(insert_one(*through, 1));
    proxy.lose_answer_of_next_commit();
    const auto result = insert_one(*through, 2);
    ASSERT_FALSE(result);
    EXPECT_EQ(to_string(result.error().code()), "outcome_unknown");
    EXPECT_EQ(rows(), 2);  // it did happen
    EXPECT_TRUE(insert_one(*through, 3));
}

TEST_F(PostgresDatabaseTest, ARelaxedUnitIsNeverRunAgain) {
    ASSERT_TRUE(script(kDieAtCommit));
    std::atomic<int> runs = 0;
    const auto result = write(
        database(),
        [&runs](Transaction& tx) {
            ++runs;
            return insert(tx, 666);
        },
        Durability::Relaxed);
    EXPECT_TRUE(result);
    ASSERT_TRUE(insert_one(database(), 1));  // behind it in the queue
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(rows(), 1);
}

TEST_F(PostgresDatabaseTest, DatabaseAwayIsSaidAtOnceAndHealsByItself) {
    Proxy proxy(options_.url);
    options_.url = proxy.url();
    const auto through = open();
    ASSERT_TRUE(insert_one(*through, 1));
    proxy.set_passing(false);
    wait(std::chrono::milliseconds(20));
    for (int round = 0; round < 5; ++round) {
        const auto begin = test_->executor().steady_now();
        const auto result = insert_one(*through, 2);
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().code(), ErrorCode::Unavailable);
        EXPECT_EQ(result.error().reason(), "connection");
        const auto read = test_->run(through->read([](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.query("SELECT 1", {}));
            return {};
        }));
        ASSERT_FALSE(read);
        EXPECT_EQ(read.error().reason(), "connection");
        EXPECT_LT(test_->executor().steady_now() - begin, std::chrono::seconds(2));
    }
    proxy.set_passing(true);
    bool healed = false;
    for (int i = 0; i < 100 && !healed; ++i) {
        wait(std::chrono::milliseconds(50));
        healed = insert_one(*through, 100).has_value();
    }
    EXPECT_TRUE(healed);
    EXPECT_EQ(rows(), 2);
}

TEST_F(PostgresDatabaseTest, DeadlocksAreRetriedUntilAllSucceed) {
    ASSERT_TRUE(script("INSERT INTO t VALUES (1), (2)"));
    // Long waits, so that the server's deadlock detection finds them.
    options_.lock_timeout = std::chrono::seconds(20);
    const auto one = open();
    const auto other = open();
    const auto both = [](std::int64_t first, std::int64_t second) -> UnitOfWork {
        return [first, second](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute("UPDATE t SET n = n + 1 WHERE id = $1", {first}));
            TRY_VOID(tx.query("SELECT pg_sleep(0.02)", {}));
            TRY_VOID(tx.execute("UPDATE t SET n = n + 1 WHERE id = $1", {second}));
            return {};
        };
    };
    std::vector<Task<Result<void>>> tasks;
    for (int i = 0; i < 5; ++i) {
        tasks.push_back(one->write_unit(both(1, 2), Durability::Durable));
        tasks.push_back(other->write_unit(both(2, 1), Durability::Durable));
    }
    for (const auto& result : test_->run_all(std::move(tasks))) {
        EXPECT_TRUE(result) << result.error().message();
    }
    EXPECT_EQ(rows("SELECT sum(n) FROM t"), 20);
}

TEST_F(PostgresDatabaseTest, AUnitThatWaitsLongForALockLeavesItsNeighbours) {
    ASSERT_TRUE(script("INSERT INTO t VALUES (1)"));
    const auto other = open();
    std::atomic<bool> locked = false;
    auto hold = [&locked](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute("UPDATE t SET n = 1 WHERE id = 1", {}));
        locked = true;
        TRY_VOID(tx.query("SELECT pg_sleep(0.6)", {}));
        return {};
    };
    base::SteadyTime neighbour_done{};
    base::SteadyTime blocked_done{};
    const auto when_locked = [](base::Executor& executor, Database& database,
                                const std::atomic<bool>& go, bool blocked,
                                base::SteadyTime& done) -> Task<Result<void>> {
        while (!go) co_await base::sleep_for(executor, std::chrono::milliseconds(1));
        auto write = database.write([blocked](Transaction& tx) -> Result<void> {
            if (!blocked) return insert(tx, 2);
            TRY_VOID(tx.execute("UPDATE t SET n = 2 WHERE id = 1", {}));
            return {};
        });
        Result<void> result = co_await std::move(write);
        done = executor.steady_now();
        co_return result;
    };
    std::vector<Task<Result<void>>> tasks;
    tasks.push_back(other->write(hold));
    base::Executor& executor = test_->executor();
    tasks.push_back(when_locked(executor, database(), locked, true, blocked_done));
    tasks.push_back(when_locked(executor, database(), locked, false, neighbour_done));
    for (const auto& result : test_->run_all(std::move(tasks))) {
        EXPECT_TRUE(result) << result.error().message();
    }
    EXPECT_LT(neighbour_done, blocked_done);
    EXPECT_EQ(rows("SELECT n FROM t WHERE id = 1"), 2);
}

// A sequence keeps counting across rollbacks, so the n-th run can behave otherwise.
constexpr const char* kFailTwice =
    "DO $$ BEGIN IF nextval('tries') <= 2 THEN"
    " RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END IF; END $$";

TEST_F(PostgresDatabaseTest, ASerializationFailureIsRetriedAlone) {
    ASSERT_TRUE(script("CREATE SEQUENCE tries"));
    std::atomic<int> neighbour_runs = 0;
    std::vector<UnitOfWork> units;
    for (std::int64_t id = 0; id < 8; ++id) {
        units.push_back([id, &neighbour_runs](Transaction& tx) -> Result<void> {
            TRY_VOID(insert(tx, id));
            if (id != 4) {
                ++neighbour_runs;
                return {};
            }
            TRY_VOID(tx.execute(kFailTwice, {}));
            return {};
        });
    }
    for (const auto& result : run_units(database(), units)) {
        EXPECT_TRUE(result) << result.error().message();
    }
    EXPECT_EQ(neighbour_runs, 7);  // each once
    EXPECT_EQ(rows(), 8);
    EXPECT_EQ(rows("SELECT last_value FROM tries"), 3);
}

TEST_F(PostgresDatabaseTest, AUnitThatAlwaysLosesIsGivenUp) {
    std::atomic<int> runs = 0;
    const auto result = write(database(), [&runs](Transaction& tx) -> Result<void> {
        ++runs;
        TRY_VOID(
            tx.execute("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$", {}));
        return {};
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code(), ErrorCode::Unavailable);
    EXPECT_EQ(result.error().reason(), "contention");
    EXPECT_EQ(runs, 6);
}

TEST_F(PostgresDatabaseTest, AStatementThatTakesTooLongIsEnded) {
    options_.statement_timeout = std::chrono::milliseconds(100);
    const auto hasty = open();
    const auto result = write(*hasty, [](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT pg_sleep(10)", {}));
        return {};
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().reason(), "timeout");
    EXPECT_TRUE(insert_one(*hasty, 1));
}

TEST_F(PostgresDatabaseTest, AMigrationMayTakeItsTime) {
    options_.statement_timeout = std::chrono::milliseconds(50);
    const auto hasty = open();
    static constexpr Migration kSlow[] = {
        {1, "slow", "SELECT 1", "SELECT pg_sleep(0.2); CREATE TABLE slow (id bigint)"}};
    const auto ran = test_->run(migrate(*hasty, kSlow));
    EXPECT_TRUE(ran) << ran.error().message();
}

TEST_F(PostgresDatabaseTest, TheQueueRefusesWhatIsTooMuch) {
    options_.queue_limit = 5;
    const auto narrow = open();
    std::vector<UnitOfWork> units(50, [](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT pg_sleep(0.01)", {}));
        return {};
    });
    std::size_t refused = 0;
    for (const auto& result : run_units(*narrow, units)) {
        if (result) continue;
        ++refused;
        EXPECT_EQ(result.error().reason(), "queue_full");
    }
    EXPECT_GT(refused, 0U);
    EXPECT_LT(refused, 50U);
    EXPECT_TRUE(insert_one(*narrow, 1));
}

TEST_F(PostgresDatabaseTest, NowIsTheClockOfTheServer) {
    const auto done = write(database(), [](Transaction& tx) -> Result<void> {
        TRY_VOID(insert(tx, 1));
        TRY(const base::Timestamp now, tx.now());
        TRY(const Rows found, tx.query("SELECT clock_timestamp()", {}));
        TRY(const base::Timestamp server, found.timestamp(0, 0));
        EXPECT_LT(now - server, std::chrono::milliseconds(50));
        EXPECT_LT(server - now, std::chrono::seconds(2));
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
}

TEST_F(PostgresDatabaseTest, TypesComeBackAsTheirValues) {
    const auto done = write(database(), [](Transaction& tx) -> Result<void> {
        TRY(const Rows found,
            tx.query(
                "SELECT 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid, 7::smallint, 8::int, "
                "'short'::varchar(9), '{\"a\": 1}'::jsonb, '2026-01-28 13:31:12.5+02'::timestamptz",
                {}));
        EXPECT_EQ(found.text(0, 0).value(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        EXPECT_EQ(found.integer(0, 1).value(), 7);
        EXPECT_EQ(found.integer(0, 2).value(), 8);
        EXPECT_EQ(found.text(0, 3).value(), "short");
        EXPECT_EQ(found.text(0, 4).value(), "{\"a\": 1}");
        EXPECT_EQ(base::to_rfc3339(found.timestamp(0, 5).value()), "2026-01-28T11:31:12.5Z");
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
    ASSERT_TRUE(script("CREATE TABLE ids (id uuid PRIMARY KEY)"));
    const std::string id = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
    EXPECT_TRUE(write(database(), [&id](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute("INSERT INTO ids VALUES ($1)", {id}));
        TRY(const Rows found, tx.query("SELECT id FROM ids WHERE id = $1", {id}));
        EXPECT_EQ(found.size(), 1U);
        return {};
    }));
    const auto malformed = write(database(), [](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT id FROM ids WHERE id = $1", {"no S3CRET uuid"}));
        return {};
    });
    ASSERT_FALSE(malformed);
    EXPECT_EQ(malformed.error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(malformed.error().message().find("S3CRET"), std::string::npos);
}

TEST_F(PostgresDatabaseTest, SeveralWritersWorkSideBySide) {
    options_.writers = 3;
    options_.batch_limit = 4;
    const auto wide = open();
    ASSERT_TRUE(script("INSERT INTO t VALUES (1)"));
    std::vector<UnitOfWork> units;
    for (std::int64_t id = 0; id < 60; ++id) {
        units.push_back([id](Transaction& tx) -> Result<void> {
            TRY_VOID(insert(tx, 100 + id));
            TRY_VOID(tx.execute("UPDATE t SET n = n + 1 WHERE id = 1", {}));
            return {};
        });
    }
    for (const auto& result : run_units(*wide, units)) {
        EXPECT_TRUE(result) << result.error().message();
    }
    EXPECT_EQ(rows("SELECT n FROM t WHERE id = 1"), 60);
    EXPECT_EQ(rows(), 61);
}

}  // namespace
}  // namespace adyton::storage

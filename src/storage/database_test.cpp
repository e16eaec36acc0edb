#include "storage/database.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <limits>

#include "storage/migrator.h"
#include "storage/test_database.h"

namespace adyton::storage {
namespace {

using std::chrono::microseconds;

constexpr Migration kMigrations[] = {
    {1, "things",
     "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB, at INTEGER, "
     "flag INTEGER NOT NULL DEFAULT 0, amount INTEGER NOT NULL DEFAULT 0 CHECK (amount >= 0));"
     "CREATE TABLE parts (id INTEGER PRIMARY KEY, thing INTEGER NOT NULL REFERENCES things (id));"
     "CREATE TABLE late_parts (thing INTEGER NOT NULL REFERENCES things (id) "
     "DEFERRABLE INITIALLY DEFERRED)",
     "CREATE TABLE things (id bigint PRIMARY KEY, name text UNIQUE, data bytea, at timestamptz, "
     "flag boolean NOT NULL DEFAULT false, amount bigint NOT NULL DEFAULT 0 CHECK (amount >= 0));"
     "CREATE TABLE parts (id bigint PRIMARY KEY, thing bigint NOT NULL REFERENCES things (id));"
     "CREATE TABLE late_parts (thing bigint NOT NULL REFERENCES things (id) "
     "DEFERRABLE INITIALLY DEFERRED)"},
};

constexpr const char* kInsertThing = "INSERT INTO things (id) VALUES ($1)";

Result<void> insert_thing(Transaction& tx, std::int64_t id) {
    TRY_VOID(tx.execute(kInsertThing, {id}));
    return {};
}

Result<std::int64_t> count_things(Transaction& tx) {
    TRY(const Rows rows, tx.query("SELECT count(*) FROM things", {}));
    return rows.integer(0, 0);
}

class DatabaseContractTest : public DatabaseTest {
protected:
    void SetUp() override {
        DatabaseTest::SetUp();
        if (IsSkipped()) return;
        const auto ran = run(migrate(database(), kMigrations));
        ASSERT_TRUE(ran) << ran.error().message();
    }
    template <typename F>
    auto write(F unit, Durability durability = Durability::Durable) {
        return run(database().write(std::move(unit), durability));
    }
    template <typename F>
    auto read(F unit) {
        return run(database().read(std::move(unit)));
    }
    Result<void> insert(std::int64_t id) {
        return write([id](Transaction& tx) { return insert_thing(tx, id); });
    }
    std::int64_t count() { return read(count_things).value(); }
    bool simulated() const { return GetParam() == TestBackend::SqliteSimulated; }
};

ADYTON_ON_ALL_DATABASES(DatabaseContractTest);

void expect_error(const Result<void>& result, ErrorCode code, std::string_view reason) {
    ASSERT_FALSE(result);
    EXPECT_EQ(to_string(result.error().code()), to_string(code)) << result.error().message();
    EXPECT_EQ(result.error().reason(), reason) << result.error().message();
}

TEST_P(DatabaseContractTest, IntegersKeepTheirEdges) {
    for (const std::int64_t value :
         {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::min(),
          std::numeric_limits<std::int64_t>::max()}) {
        const auto back = write([value](Transaction& tx) -> Result<std::int64_t> {
            TRY_VOID(tx.execute("DELETE FROM things", {}));
            TRY_VOID(insert_thing(tx, value));
            TRY(const Rows rows, tx.query("SELECT id FROM things WHERE id = $1", {value}));
            return rows.integer(0, 0);
        });
        ASSERT_TRUE(back) << back.error().message();
        EXPECT_EQ(*back, value);
    }
}

TEST_P(DatabaseContractTest, TextsKeepEveryCharacter) {
    for (const std::string& text :
         {std::string(), std::string("plain"), std::string("'; DROP TABLE things; --"),
          std::string("\u00e4\u4e2d\U0001f600\u0301"), std::string("\\x41\\"),
          std::string(100'000, 'a'), std::string("12345678\u00e9"),
          std::string("tab\tnewline\n\x7f\x01")}) {
        const auto back = write([&text](Transaction& tx) -> Result<std::string> {
            TRY_VOID(tx.execute("DELETE FROM things", {}));
            TRY_VOID(tx.execute("INSERT INTO things (id, name) VALUES (1, $1)", {text}));
            TRY(const Rows rows, tx.query("SELECT name FROM things WHERE name = $1", {text}));
            if (rows.size() != 1) return Error::not_found("not found by its text");
            return rows.text(0, 0);
        });
        ASSERT_TRUE(back) << back.error().message();
        EXPECT_EQ(*back, text);
    }
}

TEST_P(DatabaseContractTest, ATextThatIsNotUtf8OrHoldsANulIsRefused) {
    for (const std::string& text :
         {std::string("a\0b", 3), std::string(1, '\0'), std::string("12345678\0", 9),
          std::string("\xff"), std::string("\xc0\x80"), std::string("\xed\xa0\x80"),
          std::string("longer than eight \xc3")}) {
        const auto result = write([&text](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute("INSERT INTO things (id, name) VALUES (1, $1)", {text}));
            return {};
        });
        expect_error(result, ErrorCode::InvalidArgument, "text");
    }
    EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContractTest, BytesKeepNulsAndEveryValue) {
    base::Bytes all;
    for (int i = 0; i < 256; ++i) all.push_back(static_cast<std::uint8_t>(i));
    for (const base::Bytes& bytes : {base::Bytes(), base::Bytes(1, 0), base::Bytes(3, 0), all}) {
        const auto back = write([&bytes](Transaction& tx) -> Result<base::Bytes> {
            TRY_VOID(tx.execute("DELETE FROM things", {}));
            TRY_VOID(tx.execute("INSERT INTO things (id, data) VALUES (1, $1)", {bytes}));
            TRY(const Rows rows, tx.query("SELECT data FROM things WHERE data = $1", {bytes}));
            if (rows.size() != 1) return Error::not_found("not found by its bytes");
            return rows.bytes(0, 0);
        });
        ASSERT_TRUE(back) << back.error().message();
        EXPECT_EQ(*back, bytes);
    }
}

TEST_P(DatabaseContractTest, TimesKeepTheirMicroseconds) {
    const auto at = [](int year, unsigned month, unsigned day, std::int64_t micros) {
        return base::Timestamp(std::chrono::sys_days(
                   std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(day))) +
               microseconds(micros);
    };
    for (const base::Timestamp time :
         {base::Timestamp(), base::Timestamp(microseconds(1)), base::Timestamp(microseconds(-1)),
          at(1, 1, 1, 0), at(9999, 12, 31, 86'399'999'999), at(2024, 2, 29, 43'200'000'001),
          at(1900, 2, 28, 1), at(2000, 2, 29, 999'999), at(-44, 3, 15, 5), at(20'000, 1, 1, 7)}) {
        const auto back = write([time](Transaction& tx) -> Result<base::Timestamp> {
            TRY_VOID(tx.execute("DELETE FROM things", {}));
            TRY_VOID(tx.execute("INSERT INTO things (id, at) VALUES (1, $1)", {time}));
            TRY(const Rows rows, tx.query("SELECT at FROM things WHERE at = $1", {time}));
            if (rows.size() != 1) return Error::not_found("not found by its time");
            return rows.timestamp(0, 0);
        });
        ASSERT_TRUE(back) << back.error().message() << time.time_since_epoch().count();
        EXPECT_EQ(*back, time);
    }
}

TEST_P(DatabaseContractTest, BooleansAndNullsComeBack) {
    const auto done = write([](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute(
            "INSERT INTO things (id, flag, name, data, at) VALUES (1, $1, $2, $3, $4)",
            {true, std::monostate(), std::monostate(), std::monostate()}));
        TRY_VOID(tx.execute("INSERT INTO things (id, flag, name) VALUES (2, $1, $2)", {false, ""}));
        TRY(const Rows rows, tx.query("SELECT flag, name, data, at FROM things ORDER BY id", {}));
        EXPECT_EQ(rows.size(), 2U);
        EXPECT_TRUE(rows.boolean(0, 0).value());
        EXPECT_FALSE(rows.boolean(1, 0).value());
        EXPECT_TRUE(rows.is_null(0, 1) && rows.is_null(0, 2) && rows.is_null(0, 3));
        EXPECT_FALSE(rows.is_null(1, 1));
        EXPECT_EQ(rows.optional_text(0, 1).value(), std::nullopt);
        EXPECT_EQ(rows.optional_text(1, 1).value(), "");
        EXPECT_EQ(rows.optional_timestamp(0, 3).value(), std::nullopt);
        EXPECT_EQ(rows.text(0, 1).error().code(), ErrorCode::CorruptData);
        EXPECT_EQ(rows.integer(1, 1).error().code(), ErrorCode::CorruptData);
        EXPECT_EQ(rows.bytes(1, 1).error().code(), ErrorCode::CorruptData);
        EXPECT_EQ(rows.boolean(1, 1).error().code(), ErrorCode::CorruptData);
        EXPECT_EQ(rows.timestamp(1, 1).error().code(), ErrorCode::CorruptData);
        TRY(const Rows none, tx.query("SELECT id FROM things WHERE name = 'none'", {}));
        EXPECT_TRUE(none.empty());
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
}

TEST_P(DatabaseContractTest, AggregatesOfIntegersAreIntegers) {
    ASSERT_TRUE(write([](Transaction& tx) {
        return tx.execute("INSERT INTO things (id, amount) VALUES (1, 20), (2, 22)", {});
    }));
    const auto sum = read([](Transaction& tx) -> Result<std::int64_t> {
        TRY(const Rows rows, tx.query("SELECT sum(amount) FROM things", {}));
        return rows.integer(0, 0);
    });
    EXPECT_EQ(sum.value(), 42);
}

TEST_P(DatabaseContractTest, FloatingPointIsRefused) {
    const auto result = read([](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT CAST(1.5 AS double precision)", {}));
        return {};
    });
    expect_error(result, ErrorCode::CorruptData, "");
}

TEST_P(DatabaseContractTest, ParametersGoByNumberInAnyOrder) {
    const auto done = write([](Transaction& tx) -> Result<void> {
        TRY(const std::int64_t inserted,
            tx.execute("INSERT INTO things (name, id, amount) VALUES ($2, $1, $1)", {5, "five"}));
        EXPECT_EQ(inserted, 1);
        TRY(const Rows rows,
            tx.query(
                "SELECT id FROM things WHERE name = $2 AND amount = $1 AND id = $1", {5, "five"}));
        EXPECT_EQ(rows.size(), 1U);
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
}

TEST_P(DatabaseContractTest, BadSqlIsOurBug) {
    for (const char* sql :
         {"SELEC 1", "SELECT id FROM nowhere", "SELECT nothing FROM things",
          "SELECT id FROM things WHERE id = $1", "SELECT 1; SELECT 2"}) {
        const auto result = write([sql](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.query(sql, {}));
            return {};
        });
        ASSERT_FALSE(result) << sql;
        EXPECT_EQ(to_string(result.error().code()), "internal") << sql;
    }
    EXPECT_TRUE(insert(1));
}

TEST_P(DatabaseContractTest, ChangedRowsAreCounted) {
    const auto done = write([](Transaction& tx) -> Result<void> {
        TRY(const auto three, tx.execute("INSERT INTO things (id) VALUES (1), (2), (3)", {}));
        EXPECT_EQ(three, 3);
        TRY(const auto none,
            tx.execute("INSERT INTO things (id) VALUES (1) ON CONFLICT DO NOTHING", {}));
        EXPECT_EQ(none, 0);
        TRY(const auto two, tx.execute("UPDATE things SET amount = 1 WHERE id > $1", {1}));
        EXPECT_EQ(two, 2);
        TRY(const auto zero, tx.execute("UPDATE things SET amount = 1 WHERE id > $1", {9}));
        EXPECT_EQ(zero, 0);
        TRY(const auto table, tx.execute("CREATE TABLE others (id integer)", {}));
        EXPECT_EQ(table, 0);
        TRY(const auto select, tx.execute("SELECT id FROM things", {}));
        EXPECT_EQ(select, 0);
        TRY(const Rows gone, tx.query("DELETE FROM things WHERE id < $1 RETURNING id", {3}));
        EXPECT_EQ(gone.size(), 2U);
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
}

TEST_P(DatabaseContractTest, ViolatedConstraintsAreConflictsWithTheirKind) {
    ASSERT_TRUE(insert(1));
    const auto run_sql = [this](const char* sql) {
        return write([sql](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute(sql, {}));
            return {};
        });
    };
    expect_error(insert(1), ErrorCode::Conflict, "unique");
    ASSERT_TRUE(run_sql("UPDATE things SET name = 'taken'"));
    expect_error(
        run_sql("INSERT INTO things (id, name) VALUES (2, 'taken')"), ErrorCode::Conflict,
        "unique");
    expect_error(
        run_sql("INSERT INTO parts (id, thing) VALUES (1, 99)"), ErrorCode::Conflict,
        "foreign_key");
    expect_error(run_sql("UPDATE things SET amount = -1"), ErrorCode::Conflict, "check");
    expect_error(run_sql("UPDATE things SET flag = NULL"), ErrorCode::Conflict, "constraint");
    EXPECT_EQ(count(), 1);
}

TEST_P(DatabaseContractTest, AnErrorHoldsNoValue) {
    ASSERT_TRUE(write([](Transaction& tx) {
        return tx.execute("INSERT INTO things (id, name) VALUES (1, 'S3CRET')", {});
    }));
    const auto taken = write([](Transaction& tx) {
        return tx.execute("INSERT INTO things (id, name) VALUES ($1, $2)", {2, "S3CRET"});
    });
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().message().find("S3CRET"), std::string::npos);
}

TEST_P(DatabaseContractTest, AFailingUnitIsUndoneAloneAmongItsNeighbours) {
    std::vector<Task<Result<void>>> tasks;
    for (std::int64_t i = 0; i < 30; ++i) {
        auto unit = [i](Transaction& tx) -> Result<void> {
            TRY_VOID(insert_thing(tx, i));
            if (i % 3 == 0) return Error::not_found("on purpose");
            if (i % 3 == 1) return insert_thing(tx, i);  // again: a conflict
            return {};
        };
        tasks.push_back(database().write(unit));
    }
    const auto results = test().run_all(std::move(tasks));
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (i % 3 == 0) expect_error(results[i], ErrorCode::NotFound, "");
        if (i % 3 == 1) expect_error(results[i], ErrorCode::Conflict, "unique");
        EXPECT_EQ(results[i].has_value(), i % 3 == 2);
    }
    EXPECT_EQ(count(), 10);
}

TEST_P(DatabaseContractTest, AUnitThatSwallowsAFailedStatementFailsWithIt) {
    const auto result = write([](Transaction& tx) -> Result<void> {
        TRY_VOID(insert_thing(tx, 1));
        EXPECT_FALSE(tx.execute(kInsertThing, {1}));
        const auto after = tx.execute(kInsertThing, {2});
        EXPECT_FALSE(after);
        EXPECT_EQ(after.error().reason(), "unique");  // the first failure again
        EXPECT_FALSE(tx.query("SELECT 1", {}));
        return {};
    });
    expect_error(result, ErrorCode::Conflict, "unique");
    EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContractTest, ADeferredConstraintHitsOnlyItsOwnUnit) {
    std::vector<Task<Result<void>>> tasks;
    for (std::int64_t i = 0; i < 12; ++i) {
        auto unit = [i](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute("INSERT INTO late_parts (thing) VALUES ($1)", {i}));
            if (i != 5) return insert_thing(tx, i);
            return {};
        };
        tasks.push_back(database().write(unit));
    }
    const auto results = test().run_all(std::move(tasks));
    for (std::size_t i = 0; i < results.size(); ++i) {
        if (i == 5) {
            expect_error(results[i], ErrorCode::Conflict, "foreign_key");
        } else {
            EXPECT_TRUE(results[i]) << i;
        }
    }
    EXPECT_EQ(count(), 11);
}

TEST_P(DatabaseContractTest, ConcurrentIncrementsAreAllCounted) {
    ASSERT_TRUE(insert(1));
    constexpr int kCallers = 32;
    constexpr int kEach = 10;
    const auto increment = [](Database& database) -> Task<Result<void>> {
        for (int i = 0; i < kEach; ++i) {
            auto unit = [](Transaction& tx) -> Result<void> {
                TRY(const Rows rows, tx.query("SELECT amount FROM things WHERE id = 1", {}));
                TRY(const std::int64_t amount, rows.integer(0, 0));
                TRY_VOID(tx.execute("UPDATE things SET amount = $1 WHERE id = 1", {amount + 1}));
                return {};
            };
            auto write = database.write(unit);
            CO_TRY_VOID(co_await std::move(write));
        }
        co_return Result<void>();
    };
    std::vector<Task<Result<void>>> tasks;
    for (int i = 0; i < kCallers; ++i) tasks.push_back(increment(database()));
    for (const auto& result : test().run_all(std::move(tasks))) {
        EXPECT_TRUE(result) << result.error().message();
    }
    const auto amount = read([](Transaction& tx) -> Result<std::int64_t> {
        TRY(const Rows rows, tx.query("SELECT amount FROM things WHERE id = 1", {}));
        return rows.integer(0, 0);
    });
    EXPECT_EQ(amount.value(), kCallers * kEach);
}

TEST_P(DatabaseContractTest, AReadUnitMayNotWrite) {
    const auto result = read([](Transaction& tx) -> Result<void> { return insert_thing(tx, 1); });
    expect_error(result, ErrorCode::Internal, "");
    EXPECT_EQ(count(), 0);
}

TEST_P(DatabaseContractTest, AReadSeesOneSnapshotWhileWritersGoOn) {
    if (simulated()) GTEST_SKIP() << "units run whole in the simulation";
    ASSERT_TRUE(insert(1));
    std::atomic<bool> reading = false;
    std::promise<void> written;
    auto unit = [&](Transaction& tx) -> Result<void> {
        TRY(const std::int64_t before, count_things(tx));
        reading = true;
        EXPECT_EQ(
            written.get_future().wait_for(std::chrono::seconds(20)), std::future_status::ready);
        TRY(const std::int64_t after, count_things(tx));
        EXPECT_EQ(before, 1);
        EXPECT_EQ(after, 1);
        return {};
    };
    const auto write_meanwhile = [](DatabaseContractTest* self, std::atomic<bool>* started,
                                    std::promise<void>* done) -> Task<Result<void>> {
        while (!*started) co_await base::sleep_for(self->executor(), std::chrono::milliseconds(1));
        auto insert = self->database().write([](Transaction& tx) { return insert_thing(tx, 2); });
        auto result = co_await std::move(insert);
        done->set_value();
        co_return result;
    };
    std::vector<Task<Result<void>>> tasks;
    tasks.push_back(database().read(unit));
    tasks.push_back(write_meanwhile(this, &reading, &written));
    for (const auto& result : test().run_all(std::move(tasks))) {
        EXPECT_TRUE(result) << result.error().message();
    }
    EXPECT_EQ(count(), 2);
}

TEST_P(DatabaseContractTest, AnAnsweredWriteIsSeenByTheNextRead) {
    for (std::int64_t i = 1; i <= 10; ++i) {
        ASSERT_TRUE(insert(i));
        EXPECT_EQ(count(), i);
    }
}

TEST_P(DatabaseContractTest, RelaxedUnitsAreWrittenToo) {
    for (std::int64_t i = 0; i < 5; ++i) {
        ASSERT_TRUE(
            write([i](Transaction& tx) { return insert_thing(tx, i); }, Durability::Relaxed));
    }
    const auto failing =
        write([](Transaction& tx) { return insert_thing(tx, 1); }, Durability::Relaxed);
    expect_error(failing, ErrorCode::Conflict, "unique");
    ASSERT_TRUE(insert(100));  // behind them in the same queue
    EXPECT_EQ(count(), 6);
}

TEST_P(DatabaseContractTest, WhatWasWrittenIsThereAfterReopening) {
    ASSERT_TRUE(insert(1));
    test().reopen();
    EXPECT_EQ(count(), 1);
    ASSERT_TRUE(insert(2));
    EXPECT_EQ(count(), 2);
}

TEST_P(DatabaseContractTest, TheClockStandsStillWithinAUnitAndMovesBetweenThem) {
    const auto twice = [](Transaction& tx) -> Result<base::Timestamp> {
        TRY(const auto first, tx.now());
        for (int i = 0; i < 20; ++i) {
            TRY_VOID(count_things(tx));
        }
        TRY(const auto second, tx.now());
        EXPECT_EQ(first, second);
        return first;
    };
    const auto first = write(twice);
    ASSERT_TRUE(first) << first.error().message();
    run([](base::Executor& executor) -> Task<Result<void>> {
        co_await base::sleep_for(executor, std::chrono::milliseconds(2));
        co_return Result<void>();
    }(executor()))
        .value();
    const auto later = read(twice);
    EXPECT_GT(later.value(), *first);
    EXPECT_LT(later.value() - *first, std::chrono::minutes(5));
}

TEST_P(DatabaseContractTest, AUnitThatAsksNothingIsFine) {
    EXPECT_TRUE(write([](Transaction&) -> Result<void> { return {}; }));
    expect_error(
        write([](Transaction&) -> Result<void> { return Error::not_found("on purpose"); }),
        ErrorCode::NotFound, "");
    EXPECT_TRUE(read([](Transaction&) -> Result<void> { return {}; }));
    EXPECT_EQ(
        write([](Transaction& tx) -> Result<Dialect> { return tx.dialect(); }).value(),
        database().dialect());
}

TEST_P(DatabaseContractTest, RowLockFragmentsAreValidSql) {
    ASSERT_TRUE(insert(1));
    for (const Fragment fragment : {Fragment::ForUpdate, Fragment::ForUpdateSkipLocked}) {
        const auto found = write([fragment](Transaction& tx) -> Result<std::size_t> {
            const std::string sql =
                "SELECT id FROM things WHERE id = $1" + std::string(tx.fragment(fragment));
            TRY(const Rows rows, tx.query(sql, {1}));
            return rows.size();
        });
        EXPECT_EQ(found.value(), 1U);
    }
}

TEST_P(DatabaseContractTest, ManyConcurrentReadsAreAnswered) {
    ASSERT_TRUE(insert(1));
    std::vector<Task<Result<std::int64_t>>> tasks;
    for (int i = 0; i < 200; ++i) tasks.push_back(database().read(count_things));
    for (const auto& result : test().run_all(std::move(tasks))) EXPECT_EQ(result.value(), 1);
}

TEST_P(DatabaseContractTest, MoreStatementsThanTheCacheHoldsStillWork) {
    const auto done = write([](Transaction& tx) -> Result<void> {
        for (int i = 0; i < 600; ++i) {
            const std::string sql = "SELECT " + std::to_string(i);
            TRY(const Rows rows, tx.query(sql, {}));
            TRY(const std::int64_t got, rows.integer(0, 0));
            EXPECT_EQ(got, i);
        }
        return {};
    });
    EXPECT_TRUE(done) << done.error().message();
    EXPECT_TRUE(insert(1));
}

TEST_P(DatabaseContractTest, AStatementOutlivesAChangeOfItsTable) {
    const auto all = [](Transaction& tx) -> Result<std::size_t> {
        TRY(const Rows rows, tx.query("SELECT * FROM parts", {}));
        return rows.size();
    };
    ASSERT_TRUE(read(all));
    ASSERT_TRUE(write(all));
    ASSERT_TRUE(write([](Transaction& tx) {
        return tx.execute_script("ALTER TABLE parts ADD COLUMN colour text");
    }));
    EXPECT_TRUE(read(all));
    EXPECT_TRUE(write(all));
}

TEST_P(DatabaseContractTest, AScriptRunsWholeOrNotAtAll) {
    const auto result = write([](Transaction& tx) {
        return tx.execute_script(
            "INSERT INTO things (id) VALUES (1);\n-- a comment; with a semicolon\n"
            "INSERT INTO things (id, name) VALUES (2, 'a;b''c');/* ; */;\n"
            "INSERT INTO things (id) VALUES (1);");
    });
    expect_error(result, ErrorCode::Conflict, "unique");
    EXPECT_EQ(count(), 0);
    EXPECT_TRUE(write([](Transaction& tx) { return tx.execute_script(" -- nothing\n"); }));
    EXPECT_TRUE(write([](Transaction& tx) { return tx.execute_script(""); }));
    EXPECT_TRUE(insert(1));
}

}  // namespace
}  // namespace adyton::storage

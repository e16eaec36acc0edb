#include "storage/database.h"

#include <gtest/gtest.h>

#include <limits>

#include "storage/migrator.h"
#include "storage/test_database.h"

namespace adyton::storage {
namespace {

constexpr Migration kMigrations[] = {
    {1, "things",
     "CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB, at INTEGER, "
     "flag INTEGER NOT NULL DEFAULT 0, amount INTEGER NOT NULL DEFAULT 0 CHECK (amount >= 0));"
     "CREATE TABLE parts (id INTEGER PRIMARY KEY, thing INTEGER NOT NULL REFERENCES things (id))",
     "CREATE TABLE things (id bigint PRIMARY KEY, name text UNIQUE, data bytea, at timestamptz, "
     "flag boolean NOT NULL DEFAULT false, amount bigint NOT NULL DEFAULT 0 CHECK (amount >= 0));"
     "CREATE TABLE parts (id bigint PRIMARY KEY, thing bigint NOT NULL REFERENCES things (id))"},
};

class DatabaseContractTest : public DatabaseTest {
protected:
    void SetUp() override {
        DatabaseTest::SetUp();
        if (IsSkipped()) return;
        const auto ran = run(migrate(database(), kMigrations));
        ASSERT_TRUE(ran) << ran.error().message();
    }
    template <typename F>
    auto write(F unit) {
        return run(database().write(std::move(unit)));
    }
    template <typename F>
    auto read(F unit) {
        return run(database().read(std::move(unit)));
    }
    Result<void> insert(std::int64_t id) {
        return write([id](Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute("INSERT INTO things (id) VALUES ($1)", {id}));
            return {};
        });
    }
    std::int64_t count() {
        return read([](Transaction& tx) -> Result<std::int64_t> {
                   TRY(const Rows rows, tx.query("SELECT count(*) FROM things", {}));
                   return rows.integer(0, 0);
               })
            .value();
    }
};

TEST_P(DatabaseContractTest, ReadsBackWhatWasWritten) {
    ASSERT_TRUE(insert(7));
    EXPECT_EQ(count(), 1);
}

ADYTON_ON_ALL_DATABASES(DatabaseContractTest);

}  // namespace
}  // namespace adyton::storage

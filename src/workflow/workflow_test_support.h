#pragma once

#include <gtest/gtest.h>

#include "storage/migrator.h"
#include "storage/test_database.h"
#include "workflow/idempotency.h"

namespace adyton::workflow {

// A database with the workflow tables and a table `effects`.
class WorkflowDatabaseTest : public storage::DatabaseTest {
protected:
    template <typename F>
    auto write(F unit) {
        return run(database().write(std::move(unit)));
    }
    void SetUp() override {
        DatabaseTest::SetUp();
        if (IsSkipped()) return;
        const auto ran = run(storage::migrate(database(), migrations()));
        ASSERT_TRUE(ran) << ran.error().message();
        const auto effects = write([](storage::Transaction& tx) {
            return tx.execute_script("CREATE TABLE effects (id BIGINT PRIMARY KEY)");
        });
        ASSERT_TRUE(effects) << effects.error().message();
    }
    std::int64_t count(std::string_view table) {
        const std::string sql = "SELECT count(*) FROM " + std::string(table);
        return write([&](storage::Transaction& tx) -> Result<std::int64_t> {
                   TRY(const storage::Rows rows, tx.query(sql, {}));
                   return rows.integer(0, 0);
               })
            .value();
    }
    void sleep(base::Duration duration) {
        constexpr auto kSleep = [](base::Executor* executor, base::Duration delay) -> Task<bool> {
            auto pause = base::sleep_for(*executor, delay);
            co_await std::move(pause);
            co_return true;
        };
        run(kSleep(&executor(), duration));
    }
};

}  // namespace adyton::workflow

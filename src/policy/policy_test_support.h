#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "audit/audit_log.h"
#include "policy/rule.h"
#include "storage/migrator.h"
#include "storage/test_database.h"

namespace adyton::policy {

// A database with the audit and policy tables.
class PolicyDatabaseTest : public storage::DatabaseTest {
protected:
    void SetUp() override {
        DatabaseTest::SetUp();
        if (IsSkipped()) return;
        std::vector<storage::Migration> all(audit::migrations().begin(), audit::migrations().end());
        all.insert(all.end(), migrations().begin(), migrations().end());
        const auto ran = run(storage::migrate(database(), all));
        ASSERT_TRUE(ran) << ran.error().message();
    }
    std::int64_t count(std::string_view table) {
        const std::string sql = "SELECT count(*) FROM " + std::string(table);
        return write([&](storage::Transaction& tx) -> Result<std::int64_t> {
                   TRY(const storage::Rows rows, tx.query(sql, {}));
                   return rows.integer(0, 0);
               })
            .value();
    }
};

}  // namespace adyton::policy

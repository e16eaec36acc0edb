#include "apps/schema.h"

#include <gtest/gtest.h>

namespace adyton::apps {
namespace {

TEST(SchemaTest, EveryMigrationHasItsNumberANameAndTextForBothDatabases) {
    const auto all = all_migrations();
    ASSERT_FALSE(all.empty());
    for (const storage::Migration& migration : all) {
        EXPECT_GE(migration.number, 1);
        EXPECT_FALSE(migration.name.empty()) << migration.number;
        EXPECT_FALSE(migration.sqlite.empty()) << migration.number;
        EXPECT_FALSE(migration.postgres.empty()) << migration.number;
    }
}

TEST(SchemaTest, EveryModuleWithTablesIsThere) {
    bool workflow = false;
    bool audit = false;
    bool policy = false;
    bool pool = false;
    bool keystore = false;
    bool compute = false;
    for (const storage::Migration& migration : all_migrations()) {
        workflow |= migration.number < 10;
        audit |= migration.number >= 10 && migration.number < 20;
        policy |= migration.number >= 20 && migration.number < 30;
        pool |= migration.number >= 30 && migration.number < 40;
        keystore |= migration.number >= 40 && migration.number < 50;
        compute |= migration.number >= 50 && migration.number < 60;
    }
    EXPECT_TRUE(workflow && audit && policy && pool && keystore && compute);
}

}  // namespace
}  // namespace adyton::apps

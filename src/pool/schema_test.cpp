#include "pool/schema.h"

#include <gtest/gtest.h>

#include "neo/account_key.h"
#include "neo/verification_script.h"
#include "pool/test_pool.h"
#include "pool/workers.h"
#include "storage/migrator.h"

namespace adyton::pool {
namespace {

// Tables as the original's last migration left them (services.md 5.2).
constexpr std::string_view kOriginalTables[] = {
    "CREATE TABLE pool_accounts (id uuid PRIMARY KEY, address text NOT NULL UNIQUE, "
    "created_at timestamptz NOT NULL DEFAULT now(), last_used_at timestamptz NOT NULL DEFAULT "
    "now(), tx_count bigint NOT NULL DEFAULT 0, is_retiring boolean NOT NULL DEFAULT false, "
    "locked_by text, locked_at timestamptz, public_key text, encrypted_wif text, "
    "key_version integer DEFAULT 1, generation_batch text)",
    "CREATE INDEX idx_pool_accounts_locked_by ON pool_accounts (locked_by)",
    "CREATE TABLE pool_account_balances (account_id uuid NOT NULL REFERENCES pool_accounts (id) "
    "ON DELETE CASCADE, token_type varchar(32) NOT NULL, script_hash varchar(66) NOT NULL, "
    "amount bigint NOT NULL DEFAULT 0, decimals int NOT NULL DEFAULT 8, "
    "updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (account_id, token_type))",
    "CREATE INDEX idx_balances_token ON pool_account_balances (token_type, amount)",
};

struct OldRow {
    const char* id;
    const char* more_columns;
    const char* more_values;
};

constexpr OldRow kRows[] = {
    {"550e8400-e29b-41d4-a716-446655440000", "", ""},
    {"550e8400-e29b-41d4-a716-446655440001", ", locked_by, locked_at", ", 'neocompute', now()"},
    // A1: what the original's clean-up leaves behind.
    {"550e8400-e29b-41d4-a716-446655440002", ", locked_by, locked_at",
     ", 'neocompute', '0001-01-01T00:00:00Z'"},
    {"550e8400-e29b-41d4-a716-446655440003", ", locked_by, locked_at", ", NULL, now()"},
    {"550e8400-e29b-41d4-a716-446655440004", ", locked_by", ", 'neoflow'"},
    {"550e8400-e29b-41d4-a716-446655440005", ", is_retiring", ", true"},
};

class AdoptionTest : public storage::DatabaseTest {
public:
    void execute(const std::string& sql) {
        auto unit = [&](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute(sql, {}));
            return {};
        };
        const auto done = run(database().write(unit));
        ASSERT_TRUE(done) << sql << ": " << done.error().message();
    }
    std::int64_t number(const std::string& sql) {
        auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
            TRY(const auto rows, tx.query(sql, {}));
            return rows.integer(0, 0);
        };
        const auto value = run(database().read(unit));
        EXPECT_TRUE(value) << sql;
        return value ? *value : -1;
    }
    void create_original() {
        for (const auto sql : kOriginalTables) execute(std::string(sql));
        const neo::MasterKey master = test_master_key();
        for (const OldRow& row : kRows) {
            const auto key = neo::derive_account_key(master, row.id);
            const auto address = neo::account_address(key->public_key()).to_string();
            execute(
                "INSERT INTO pool_accounts (id, address" + std::string(row.more_columns) +
                ") VALUES ('" + row.id + "', '" + address + "'" + row.more_values + ")");
            execute(
                "INSERT INTO pool_account_balances (account_id, token_type, script_hash, amount) "
                "VALUES ('" +
                std::string(row.id) + "', 'GAS', '', 7), ('" + row.id + "', 'FLM', '', 3)");
        }
    }
};

TEST_P(AdoptionTest, TablesOfTheOriginalAreTakenOverWithTheirLocksAndBalances) {
    create_original();
    const auto migrations = all_migrations();
    ASSERT_TRUE(run(storage::migrate(database(), migrations)));
    const auto consistent =
        run(database().read([](storage::Transaction& tx) { return check_invariants(tx); }));
    EXPECT_TRUE(consistent) << consistent.error().message();
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_accounts WHERE locked_by IS NOT NULL"), 3);
    EXPECT_EQ(number("SELECT COUNT(*) FROM pool_allocations"), 2);  // one a locker
    EXPECT_EQ(
        number("SELECT COUNT(*) FROM pool_account_balances WHERE token_type = 'GAS' AND "
               "script_hash = '0xd2a4cff31913016155e38e474a2c06d08be276cf'"),
        6);

    TestPoolOptions options = PoolTest::small_pool();
    auto opened = run(TestPool::open(database(), executor(), options));
    ASSERT_TRUE(opened) << opened.error().message();
    TestPool& pool = **opened;
    const auto post = [&](const std::string& path, const std::string& body) {
        return run(pool.call({"POST", path, "neocompute", body, {}}));
    };
    const auto sign = [&](const char* id) {
        return post(
            "/sign",
            "{\"account_id\":\"" + std::string(id) + "\",\"tx_hash\":\"" + kDigest + "\"}");
    };
    const auto signature = sign(kRows[1].id);
    EXPECT_EQ(signature.status, 200) << signature.text;
    EXPECT_EQ(sign(kRows[2].id).reason(), "lease_expired");  // year 1
    EXPECT_EQ(sign(kRows[0].id).status, 409);
    const auto balance = post(
        "/balance",
        "{\"account_id\":\"" + std::string(kRows[1].id) + "\",\"token\":\"FLM\",\"delta\":2}");
    EXPECT_EQ(balance.at("new_balance").number_text(), "5");

    const auto verified = run(verify_keys(pool.context(), {}));
    ASSERT_TRUE(verified);
    EXPECT_EQ(*verified, 6);
    EXPECT_EQ(sign(kRows[1].id).text, signature.text);
    EXPECT_EQ(post("/release", "{}").text, "{\"released_count\":2}\n");
    const auto info = run(pool.call({"GET", "/pool-info", "neocompute", "", {}}));
    EXPECT_EQ(info.at("total_accounts").number_text(), "6");
    EXPECT_EQ(info.at("locked_accounts").number_text(), "1");
    EXPECT_EQ(info.at("retiring_accounts").number_text(), "1");
    EXPECT_EQ(info.at("token_stats").find("FLM")->find("total_balance")->number_text(), "20");
}

TEST_P(AdoptionTest, ANegativeBalanceOfTheOriginalStopsTheMigrationWhole) {
    create_original();
    execute("UPDATE pool_account_balances SET amount = -1 WHERE token_type = 'FLM'");
    const auto migrations = all_migrations();
    const auto migrated = run(storage::migrate(database(), migrations));
    ASSERT_FALSE(migrated);
    EXPECT_EQ(
        number("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'pool_meta' "
               "AND table_schema = current_schema()"),
        0);
}

INSTANTIATE_TEST_SUITE_P(
    Databases, AdoptionTest, ::testing::Values(storage::TestBackend::Postgres));

}  // namespace
}  // namespace adyton::pool

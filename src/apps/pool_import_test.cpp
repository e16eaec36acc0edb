#include "apps/pool_import.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "apps/schema.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "neo/verification_script.h"
#include "pool/account_repository.h"
#include "storage/migrator.h"
#include "storage/open_database.h"

namespace adyton::apps {
namespace {

constexpr const char* kMaster = "test-master-key-32-bytes-long!!!";

neo::MasterKey master() {
    auto bytes = crypto::SecretBuffer::copy_of(base::as_bytes(kMaster));
    return *neo::MasterKey::create(std::move(*bytes));
}

class PoolImportTest : public testing::Test {
protected:
    PoolImportTest() {
        std::string name = testing::TempDir() + "adyton-import.XXXXXX";
        root = ::mkdtemp(name.data());
        database = *storage::open_database({}, root, loop, base::null_logger());
        EXPECT_TRUE(loop.run_until_done(storage::migrate(*database, migrations)));
        audit = *loop.run_until_done(audit::AuditLog::open(*database, "import-test"));
    }
    ~PoolImportTest() override { std::filesystem::remove_all(root); }

    std::string address_of(const std::string& id) const {
        const auto key = neo::derive_account_key(signer.master(), id);
        return neo::account_address(key->public_key()).to_string();
    }
    std::string row(const std::string& id, const std::string& more = {}) const {
        return R"({"id":")" + id + R"(","address":")" + address_of(id) +
               R"(","created_at":"2025-01-02T03:04:05.678","last_used_at":"2025-02-03T04:05:06Z",)" +
               R"("tx_count":7,"is_retiring":false,"public_key":"ignored")" + more + "}\n";
    }
    Result<ImportReport> import(const std::string& accounts, const std::string& balances = {}) {
        auto account_rows = parse_account_rows(accounts);
        if (!account_rows) return account_rows.error();
        auto balance_rows = parse_balance_rows(balances);
        if (!balance_rows) return balance_rows.error();
        Import what{
            *database,
            *audit,
            signer,
            random,
            std::chrono::hours(24),
            [](std::string_view, std::uint64_t, std::uint64_t) {}};
        return loop.run_until_done(
            import_accounts(what, std::move(*account_rows), std::move(*balance_rows)));
    }
    std::int64_t count(std::string_view sql) {
        auto result = loop.run_until_done(
            database->read([&](storage::Transaction& tx) -> Result<std::int64_t> {
                TRY(const auto rows, tx.query(sql, {}));
                return rows.integer(0, 0);
            }));
        return result ? *result : -1;
    }

    const std::string first = "550e8400-e29b-41d4-a716-446655440000";
    const std::string second = "2faa609a-660b-48d5-b0b0-d2dffa076f54";
    std::string root;
    base::WorkerThreads workers{2};
    base::EventLoop loop{workers};
    const std::vector<storage::Migration> migrations = all_migrations();
    std::unique_ptr<storage::Database> database;
    std::unique_ptr<audit::AuditLog> audit;
    const pool::Signer signer{master(), std::nullopt, {}};
    base::SeededRandom random{5};
};

TEST_F(PoolImportTest, RowsKeepTheirAddressesTimesCountersAndBalances) {
    const auto report = import(
        row(first) + "\n" + row(second, R"(,"locked_by":"neocompute","locked_at":null)"),
        R"([{"account_id":")" + first + R"(","token_type":"GAS","amount":5,"decimals":8},)" +
            R"({"account_id":")" + first +
            R"(","token_type":"X","script_hash":"0x01","amount":9007199254740991}])");
    ASSERT_TRUE(report) << report.error().message();
    EXPECT_EQ(report->accounts, 2);
    EXPECT_EQ(report->imported, 2);
    EXPECT_EQ(report->balances, 2);
    EXPECT_EQ(report->verified, 2);
    const auto found = loop.run_until_done(database->read([&](storage::Transaction& tx) {
        return pool::accounts::find_for_signing(tx, second, "neocompute");
    }));
    ASSERT_TRUE(found);
    ASSERT_TRUE(found->has_value());
    EXPECT_EQ((*found)->lock.locked_by, "neocompute");
    EXPECT_TRUE((*found)->key.fingerprint.has_value());
    const auto counts = loop.run_until_done(
        database->read([](storage::Transaction& tx) { return pool::accounts::count(tx); }));
    ASSERT_TRUE(counts);
    EXPECT_EQ(counts->active, 1);
    EXPECT_EQ(counts->locked, 1);
    EXPECT_EQ(count("SELECT tx_count FROM pool_accounts LIMIT 1"), 7);
    EXPECT_EQ(count("SELECT COUNT(*) FROM pool_allocations"), 1);
    EXPECT_EQ(count("SELECT COUNT(*) FROM audit_records"), 1);
}

TEST_F(PoolImportTest, ASecondRunChangesNothing) {
    ASSERT_TRUE(import(row(first)));
    const auto again = import(row(first, R"(,"tx_count_":1)") + row(second));
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->imported, 1);
    EXPECT_EQ(count("SELECT COUNT(*) FROM pool_accounts"), 2);
}

TEST_F(PoolImportTest, OneForeignAccountStopsTheWholeImport) {
    std::string foreign = row(second);
    foreign.replace(foreign.find(address_of(second)), 34, address_of(first));
    const auto report = import(row(first) + foreign);
    ASSERT_TRUE(report);
    ASSERT_EQ(report->foreign.size(), 1U);
    EXPECT_EQ(report->foreign[0], second);
    EXPECT_EQ(report->imported, 0);
    EXPECT_EQ(count("SELECT COUNT(*) FROM pool_accounts"), 0);
}

TEST_F(PoolImportTest, UpperCaseIdsAreTakenInTheirCanonicalForm) {
    std::string upper = row(first);
    upper.replace(upper.find(first), 36, "550E8400-E29B-41D4-A716-446655440000");
    const auto rows = parse_account_rows(upper);
    ASSERT_TRUE(rows);
    EXPECT_EQ(rows->front().id, first);
}

TEST_F(PoolImportTest, WrongRowsAreNamed) {
    const std::string good = row(first);
    const auto message = [](const std::string& text) {
        const auto rows = parse_account_rows(text);
        return rows ? std::string("accepted") : rows.error().message();
    };
    EXPECT_NE(message(good + "nonsense").find("row 2"), std::string::npos);
    EXPECT_NE(message(good + good).find("row 2: id stands twice"), std::string::npos);
    EXPECT_NE(message("[1]").find("row 1"), std::string::npos);
    EXPECT_NE(message(R"({"id":"x"})").find("id is no UUID"), std::string::npos);
    EXPECT_NE(
        message(R"({"id":")" + first + R"("})").find("address is missing"), std::string::npos);
    EXPECT_FALSE(
        parse_balance_rows(R"({"account_id":")" + first + R"(","token_type":"GAS","amount":-1})"));
    EXPECT_FALSE(
        parse_balance_rows(R"({"account_id":")" + first + R"(","token_type":"GAS","amount":1.5})"));
    EXPECT_TRUE(parse_account_rows("")->empty());
}

}  // namespace
}  // namespace adyton::apps

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/migrator.h"
#include "storage/test_database.h"
#include "workflow/idempotency.h"

namespace adyton::workflow {
namespace {

using storage::Rows;
using storage::Transaction;

class WorkflowMigrationsTest : public storage::DatabaseTest {
protected:
    Result<void> insert_run(
        const std::string& id, const std::string& state, const storage::Value& driver) {
        return write([&](Transaction& tx) -> Result<void> {
            TRY(const base::Timestamp now, tx.now());
            TRY_VOID(tx.execute(
                "INSERT INTO workflow_runs (id, kind, subject, state, step, payload, attempts_max, "
                "next_attempt_at, driver, fencing, events, created_at, updated_at) "
                "VALUES ($1, 'kind', 'subject', $2, 'step', $3, 7, $4, $5, 3, 2, $4, $4)",
                {id, state, "{\"of\":\"" + id + "\"}", now, driver}));
            for (const std::int64_t sequence : {1, 2}) {
                TRY_VOID(tx.execute(
                    "INSERT INTO workflow_events (run_id, sequence, recorded_at, kind, body) "
                    "VALUES ($1, $2, $3, 'step', '{}')",
                    {id, sequence, now}));
            }
            return {};
        });
    }
    // Every row as text.
    std::vector<std::string> read(std::string_view sql) {
        return write([&](Transaction& tx) -> Result<std::vector<std::string>> {
                   TRY(const Rows rows, tx.query(sql, {}));
                   std::vector<std::string> out;
                   for (std::size_t i = 0; i < rows.size(); ++i) {
                       TRY(auto text, rows.text(i, 0));
                       out.push_back(std::move(text));
                   }
                   return out;
               })
            .value();
    }
    std::vector<std::string> runs() {
        return read(
            "SELECT id || ' ' || kind || ' ' || subject || ' ' || state || ' ' || step || ' ' || "
            "payload || ' ' || reason || ' ' || attempts || ' ' || attempts_max || ' ' || "
            "next_attempt_at || ' ' || cancel_requested || ' ' || COALESCE(driver, '-') || ' ' || "
            "fencing || ' ' || events || ' ' || created_at || ' ' || updated_at || ' ' || "
            "COALESCE(CAST(deadline AS TEXT), '-') FROM workflow_runs ORDER BY id");
    }
    std::vector<std::string> events() {
        return read(
            "SELECT run_id || ' ' || sequence || ' ' || recorded_at || ' ' || kind || ' ' || body "
            "FROM workflow_events ORDER BY run_id, sequence");
    }
};

ADYTON_ON_ALL_DATABASES(WorkflowMigrationsTest);

TEST_P(WorkflowMigrationsTest, RunsAndTheirEventsLiveThroughTheNewTables) {
    ASSERT_TRUE(migrate_below(migrations(), 7));
    ASSERT_TRUE(write([](Transaction& tx) -> Result<void> {
        TRY(const base::Timestamp now, tx.now());
        TRY_VOID(tx.execute(
            "INSERT INTO workflow_drivers (id, holder, expires_at) VALUES ('d', 'h', $1)", {now}));
        return {};
    }));
    ASSERT_TRUE(insert_run("driven", "running", std::string("d")));
    for (const std::string state : {"running", "paused", "succeeded", "failed", "cancelled"}) {
        ASSERT_TRUE(insert_run("of-" + state, state, std::monostate())) << state;
    }
    const auto runs_before = runs();
    const auto events_before = events();
    ASSERT_EQ(runs_before.size(), 6U);
    ASSERT_EQ(events_before.size(), 12U);
    ASSERT_EQ(migrate_below(migrations(), 100).value(), std::vector<int>{7});
    EXPECT_EQ(runs(), runs_before);
    EXPECT_EQ(events(), events_before);
}

TEST_P(WorkflowMigrationsTest, WhatTheTablesRefusedTheyStillRefuse) {
    ASSERT_TRUE(migrate_below(migrations(), 100));
    ASSERT_TRUE(insert_run("run", "paused", std::monostate()));
    EXPECT_EQ(insert_run("other", "unknown", std::monostate()).error().reason(), "check");
    EXPECT_EQ(
        insert_run("other", "running", std::string("nobody")).error().reason(), "foreign_key");
    EXPECT_EQ(
        insert_run("other", "paused", std::string("nobody")).error().code(), ErrorCode::Conflict);
    const auto execute = [&](std::string_view sql) {
        return write([sql](Transaction& tx) { return tx.execute(sql, {}); });
    };
    EXPECT_FALSE(execute("UPDATE workflow_events SET body = '[]'"));
    EXPECT_EQ(
        execute("UPDATE workflow_events SET run_id = 'none' WHERE sequence = 1").has_value(),
        false);
    EXPECT_FALSE(
        execute("INSERT INTO workflow_events SELECT 'none', 1, recorded_at, kind, body FROM "
                "workflow_events WHERE sequence = 1"));
    EXPECT_EQ(execute("DELETE FROM workflow_runs WHERE id = 'run'").value(), 1);
    EXPECT_TRUE(events().empty());  // they go along
}

}  // namespace
}  // namespace adyton::workflow

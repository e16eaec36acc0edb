#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "sim/lane_books.h"
#include "sim/world.h"
#include "sim/world_faults.h"

// Whoever pauses, resumes or cancels a workflow over several lanes means the batch that it waits
// for, too, and neither forgets it when the process dies.
namespace adyton::sim {
namespace {

using Kind = LaneStep::Kind;
using storage::TestBackend;
using storage::TestDatabase;

class LaneControlTest : public ::testing::Test {
protected:
    LaneControlTest() : database_(TestDatabase::create(TestBackend::SqliteSimulated, 31)) {
        WorldOptions options;
        options.seed = 31;
        switch_lanes_on(options);
        answer_at_once(options);
        world_ = std::make_unique<World>(*database_, options);
    }
    World& world() { return *world_; }
    const World::Wish& wish() { return world().wishes().front(); }
    std::string path(const std::string& id) { return "/wallet/v1/workflows/" + id; }
    WorldAnswer record(const std::string& id) { return world().get(path(id), wish().wallet); }
    WorldAnswer order(const std::string& action) {
        return world().post(path(wish().request_id) + action, wish().wallet, "{}");
    }
    // The request that carries the batch out; empty: it is not begun.
    std::string batch() {
        if (wish().request_id.empty()) return {};
        const WorldAnswer whole = record(wish().request_id);
        const base::Json* const segments = whole.body.find("segments");
        for (std::size_t i = 0; segments != nullptr && i < segments->size(); ++i) {
            const base::Json* const id = segments->items()[i].find("request_id");
            if (id != nullptr && id->is_string()) return id->string_value();
        }
        return {};
    }
    // Runs a workflow of three segments until its batch has begun.
    void run_to_batch() {
        run_until([](const WorldAnswer&) { return true; });
    }
    void run_until(const std::function<bool(const WorldAnswer&)>& there) {
        wish_lanes(world(), 0, {Kind::Register, Kind::Transfer, Kind::Transfer, Kind::Wrap});
        world().ask_all();
        for (int i = 0; i < 200; ++i) {
            const std::string id = batch();
            if (!id.empty() && there(record(id))) return;
            ASSERT_TRUE(world().live_some(1));
        }
        FAIL() << "its batch never comes so far";
    }
    // Nothing is signed and nothing new is sent.
    void expect_rest() {
        ASSERT_TRUE(world().live_some(3));  // what was begun is ended
        const std::size_t before = world().deeds();
        ASSERT_TRUE(world().live_some(60));
        EXPECT_EQ(world().deeds(), before);
    }
    void end_it(const std::string& status) {
        ASSERT_TRUE(world().live());
        world().check_books();
        report(world(), status);
        const WorldAnswer whole = record(wish().request_id);
        EXPECT_EQ(whole.string("status"), status) << whole.text;
    }
    bool paused(const std::string& id) {
        const WorldAnswer answer = record(id);
        const base::Json* const flag = answer.body.find("paused");
        return flag != nullptr && flag->is_boolean() && flag->boolean_value();
    }

private:
    std::unique_ptr<TestDatabase> database_;
    std::unique_ptr<World> world_;
};

TEST_F(LaneControlTest, APauseStopsTheBatchAndAResumeLetsItGoOn) {
    run_to_batch();
    EXPECT_EQ(order("/pause").status, 200);
    EXPECT_TRUE(paused(wish().request_id));
    EXPECT_TRUE(paused(batch()));
    expect_rest();
    EXPECT_EQ(order("/resume").status, 200);
    EXPECT_FALSE(paused(batch()));
    end_it("succeeded");
}

TEST_F(LaneControlTest, APauseOutlivesTheProcess) {
    run_to_batch();
    EXPECT_EQ(order("/pause").status, 200);
    world().crash_and_boot(TestDatabase::Crash::Power);
    EXPECT_TRUE(paused(wish().request_id));
    EXPECT_TRUE(paused(batch()));
    expect_rest();
    EXPECT_EQ(order("/resume").status, 200);
    world().crash_and_boot(TestDatabase::Crash::Power);
    EXPECT_FALSE(paused(batch()));
    end_it("succeeded");
}

TEST_F(LaneControlTest, ACancelEndsTheBatchBeforeItIsResumed) {
    run_to_batch();
    EXPECT_EQ(order("/cancel").status, 200);
    end_it("failed");
    const WorldAnswer whole = record(wish().request_id);
    EXPECT_NE(whole.string("user_visible_error").find("cancelled"), std::string::npos);
    EXPECT_EQ(record(batch()).string("status"), "failed");
}

TEST_F(LaneControlTest, ACancelOutlivesTheProcessAlsoOfAPausedWorkflow) {
    run_to_batch();
    EXPECT_EQ(order("/pause").status, 200);
    EXPECT_EQ(order("/cancel").status, 200);
    world().crash_and_boot(TestDatabase::Crash::Power);
    EXPECT_FALSE(paused(batch()));
    end_it("failed");
    EXPECT_EQ(record(batch()).string("status"), "failed");
}

TEST_F(LaneControlTest, ABatchThatTheGateHasBegunIsNotCancelledAndWhatFollowsIs) {
    run_until([](const WorldAnswer& its) { return its.string("phase") == "dispatch_poll"; });
    EXPECT_EQ(order("/cancel").status, 200);
    end_it("failed");
    EXPECT_EQ(record(batch()).string("status"), "succeeded");
    const WorldAnswer whole = record(wish().request_id);
    EXPECT_NE(whole.string("user_visible_error").find("cancelled before step 3"), std::string::npos)
        << whole.text;
}

// A cancel between a transaction's end and the word about it does not make it undone.
TEST_F(LaneControlTest, ACancelAtAnyTimeTellsWhatWasDone) {
    for (int blocks = 1; blocks <= 24; ++blocks) {
        const auto database = TestDatabase::create(
            TestBackend::SqliteSimulated, 40 + static_cast<std::uint64_t>(blocks));
        WorldOptions options = world().options();
        options.seed = 40 + static_cast<std::uint64_t>(blocks);
        World other(*database, options);
        wish_lanes(other, 0, {Kind::Wrap, Kind::Deposit});
        other.ask_all();
        ASSERT_TRUE(other.live_some(static_cast<std::uint64_t>(blocks)));
        const World::Wish& mine = other.wishes().front();
        other.post(path(mine.request_id) + "/cancel", mine.wallet, "{}");
        ASSERT_TRUE(other.live());
        other.check_books();
        report(other, "cancelled after " + std::to_string(blocks) + " blocks");
    }
}

}  // namespace
}  // namespace adyton::sim

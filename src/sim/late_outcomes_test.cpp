#include <gtest/gtest.h>

#include "sim/world.h"

// What nodes do not tell for as long as one waits: the record says that it does not know, and tells
// the truth once it can be known.
namespace adyton::sim {
namespace {

using base::Json;
using localchain::NearFault;
using localchain::NearFaultRule;
using storage::TestBackend;
using storage::TestDatabase;

class LateOutcomesTest : public ::testing::Test {
protected:
    LateOutcomesTest() : database_(TestDatabase::create(TestBackend::SqliteSimulated, 253)) {
        WorldOptions options;
        options.seed = 253;
        world_ = std::make_unique<World>(*database_, options);
    }
    World& world() { return *world_; }
    // No node says what became of any transaction until it is told otherwise.
    void hide() {
        NearFaultRule rule;
        rule.fault = NearFault::RpcError;
        rule.method = "EXPERIMENTAL_tx_status";
        rule.count = NearFaultRule::kForever;
        for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).order(rule);
    }
    void admit() {
        for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).clear_faults();
    }
    WorldAnswer record() {
        const World::Wish& wish = world().wishes().front();
        return world().get("/wallet/v1/workflows/" + wish.request_id, wish.wallet);
    }
    // Runs one workflow until its record is failed.
    void fail_it() {
        world().wish(0, 3);
        world().ask_all();
        for (int i = 0; i < 60; ++i) {
            ASSERT_TRUE(world().live_some(10));
            if (world().all_answered() && record().string("status") == "failed") return;
        }
        FAIL() << "it does not fail: " << record().text;
    }
    void end_it() {
        ASSERT_TRUE(world().live());
        world().check_books();
        for (const std::string& violation : world().violations()) ADD_FAILURE() << violation;
    }
    static std::string text(const Json& row, std::string_view name) {
        const Json* const found = row.find(name);
        return found == nullptr || !found->is_string() ? std::string() : found->string_value();
    }

private:
    std::unique_ptr<TestDatabase> database_;
    std::unique_ptr<World> world_;
};

TEST_F(LateOutcomesTest, SubmitsThatLandedUnseenAreToldOnceTheyAreSeen) {
    hide();
    fail_it();
    const WorldAnswer early = record();
    EXPECT_EQ(early.at("intent_ids").size(), 0U);
    ASSERT_EQ(early.at("live_until").size(), 3U) << early.text;
    for (const Json& row : early.at("live_until").items()) {
        EXPECT_EQ(text(row, "outcome"), "unknown");
    }
    EXPECT_NE(
        early.string("user_visible_error").find("unknown whether it landed"), std::string::npos);
    admit();
    ASSERT_TRUE(world().live_some(30));
    EXPECT_EQ(record().at("intent_ids").size(), 3U) << "at once, not at the end";
    end_it();
    const WorldAnswer late = record();
    EXPECT_EQ(late.string("status"), "failed");
    EXPECT_EQ(late.at("intent_ids").size(), 3U);
    EXPECT_EQ(late.at("live_until").size(), 0U);
    ASSERT_EQ(late.at("late_outcomes").size(), 3U);
    for (const Json& row : late.at("late_outcomes").items()) {
        EXPECT_EQ(text(row, "outcome"), "not_dispatched");
        EXPECT_NE(text(row, "intent_id"), "");
    }
    EXPECT_NE(late.string("user_visible_error").find("was taken as intent"), std::string::npos)
        << late.text;
}

TEST_F(LateOutcomesTest, ASubmitThatNeverLandedIsCalledSo) {
    NearFaultRule rule;
    rule.fault = NearFault::Swallow;
    rule.method = "broadcast_tx_async";
    rule.count = NearFaultRule::kForever;
    for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).order(rule);
    fail_it();
    EXPECT_EQ(record().at("live_until").size(), 3U);
    admit();
    end_it();
    const WorldAnswer late = record();
    EXPECT_EQ(late.at("intent_ids").size(), 0U);
    for (const Json& row : late.at("late_outcomes").items()) {
        EXPECT_EQ(text(row, "outcome"), "never_taken");
    }
    EXPECT_NE(
        late.string("user_visible_error").find("was not taken by the gate"), std::string::npos);
}

// Without a look at the gate each of them would be signed a second time after forty blocks.
TEST_F(LateOutcomesTest, ASubmitThatAllNodesDenyIsNotSignedAnewWhileTheGateHoldsItsIntent) {
    NearFaultRule rule;
    rule.fault = NearFault::Unknown;
    rule.method = "EXPERIMENTAL_tx_status";
    rule.count = NearFaultRule::kForever;
    for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).order(rule);
    world().wish(0, 3);
    world().ask_all();
    ASSERT_TRUE(world().live_some(70));
    admit();
    end_it();
    EXPECT_EQ(record().string("status"), "succeeded") << record().text;
}

TEST_F(LateOutcomesTest, TheWatchOutlivesItsProcess) {
    hide();
    fail_it();
    world().crash_and_boot(TestDatabase::Crash::Power);
    admit();
    ASSERT_TRUE(world().live_some(40));
    world().crash_and_boot(TestDatabase::Crash::Process);
    end_it();
    EXPECT_EQ(record().at("intent_ids").size(), 3U);
    EXPECT_EQ(record().at("late_outcomes").size(), 3U);
}

}  // namespace
}  // namespace adyton::sim

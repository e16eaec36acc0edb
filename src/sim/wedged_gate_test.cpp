#include <gtest/gtest.h>

#include <algorithm>

#include "near/intents.h"
#include "sim/world.h"

// A gate that somebody else's batch has wedged (near.md 4): every resume is refused until the owner
// clears its tail.
namespace adyton::sim {
namespace {

using storage::TestBackend;
using storage::TestDatabase;

constexpr std::string_view kGate = "gate.sequential.near";
constexpr std::string_view kOtherGate = "gate2.sequential.near";

class WedgedGateTest : public ::testing::Test {
protected:
    WedgedGateTest() : database_(TestDatabase::create(TestBackend::SqliteSimulated, 77)) {}

    void open(std::size_t gates = 1) {
        WorldOptions options;
        options.seed = 77;
        options.gates = gates;
        world_ = std::make_unique<World>(*database_, options);
        localchain::wedge_gate(world().chain(), account(kGate));
    }
    World& world() { return *world_; }
    static near::AccountId account(std::string_view id) {
        return near::AccountId::parse(id).value();
    }
    void unwedge() {
        ASSERT_TRUE(
            localchain::unwedge_gate(world().chain(), account(kGate), account("sequential.near")));
    }
    // One batch that waited in vain: by then it is known how long the gate has not moved.
    void let_one_fail() {
        world().wish(0, 3);
        world().ask_all();
        ASSERT_TRUE(world().live());
        EXPECT_EQ(record(0).string("status"), "failed") << record(0).text;
        EXPECT_EQ(submitted_so_far(), "3");
    }
    std::string submitted_so_far() {
        const auto stats = world().chain().view(account(kGate), "stats").value();
        return stats.items().front().string_value();
    }
    std::vector<std::string> events(std::size_t wish) {
        const World::Wish& asked = world().wishes().at(wish);
        const WorldAnswer answer =
            world().get("/wallet/v1/workflows/" + asked.request_id + "/events", asked.wallet);
        std::vector<std::string> out;
        for (const auto& event : answer.at("events").items()) {
            out.push_back(event.find("kind")->string_value());
        }
        return out;
    }
    void expect_held_back(std::size_t wish) {
        const WorldAnswer held = record(wish);
        EXPECT_EQ(held.string("status"), "processing") << held.text;
        EXPECT_EQ(held.string("phase"), "queued");
        EXPECT_EQ(held.at("signed_nep413_payloads").size(), 0U);
        const base::Json* const why = held.body.find("held_back");
        ASSERT_NE(why, nullptr) << held.text;
        EXPECT_EQ(
            why->find("reason")->string_value().find(
                "the batch at gate.sequential.near has not moved since block "),
            0U)
            << held.text;
        const auto told = events(wish);
        EXPECT_EQ(std::count(told.begin(), told.end(), "held_back"), 1);
        EXPECT_EQ(submitted_so_far(), "3");
    }
    WorldAnswer record(std::size_t wish) {
        const World::Wish& asked = world().wishes().at(wish);
        return world().get("/wallet/v1/workflows/" + asked.request_id, asked.wallet);
    }
    void end_it() {
        ASSERT_TRUE(world().live());
        world().check_books(true);  // a resume may be refused: the tail is somebody else's
        for (const std::string& violation : world().violations()) ADD_FAILURE() << violation;
    }

private:
    std::unique_ptr<TestDatabase> database_;
    std::unique_ptr<World> world_;
};

TEST_F(WedgedGateTest, ABatchWaitsForTheOwnerAndThenRuns) {
    open();
    world().wish(0, 3);
    world().ask_all();
    ASSERT_TRUE(world().live_some(60));
    EXPECT_EQ(record(0).string("status"), "processing") << record(0).text;
    unwedge();
    end_it();
    EXPECT_EQ(record(0).string("status"), "succeeded") << record(0).text;
}

TEST_F(WedgedGateTest, ABatchThatNoOwnerHelpsFailsAndSaysWhy) {
    open();
    world().wish(0, 3);
    world().ask_all();
    end_it();
    const WorldAnswer failed = record(0);
    EXPECT_EQ(failed.string("status"), "failed");
    EXPECT_TRUE(failed.at("resume_tx_hash").is_null()) << failed.text;
    ASSERT_EQ(failed.at("dispatch_receipts").size(), 3U);
    for (const auto& receipt : failed.at("dispatch_receipts").items()) {
        EXPECT_EQ(receipt.find("status")->string_value(), "not_dispatched");
    }
    EXPECT_NE(
        failed.string("user_visible_error").find("busy with other batches"), std::string::npos)
        << failed.text;
    unwedge();
    world().wish(1, 3);
    world().ask_all();
    end_it();
    EXPECT_EQ(record(1).string("status"), "succeeded") << record(1).text;
}

// Its intents would only die there, for gas.
TEST_F(WedgedGateTest, NothingIsSubmittedToAGateThatDoesNotMoveUntilItDoes) {
    open();
    let_one_fail();
    world().wish(1, 3);
    world().wish(2, 2);
    world().ask_all();
    ASSERT_TRUE(world().live_some(60));
    expect_held_back(1);
    const WorldAnswer preflight = world().get("/wallet/v1/preflight", world().wallet(0));
    EXPECT_NE(
        preflight.at("abort_reasons")
            .dump()
            .find("the batch at gate.sequential.near has not moved"),
        std::string::npos)
        << preflight.text;
    ASSERT_TRUE(world().live_some(600));
    expect_held_back(1);
    for (int outage = 0; outage < 15; ++outage) {  // more than attempts that may fail
        for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).set_down(true);
        ASSERT_TRUE(world().live_some(10));
        for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).set_down(false);
        ASSERT_TRUE(world().live_some(60));
    }
    expect_held_back(1);
    unwedge();
    ASSERT_TRUE(world().live_some(30));
    for (const std::size_t wish : {1U, 2U}) {
        EXPECT_EQ(record(wish).string("status"), "succeeded") << record(wish).text;
        EXPECT_EQ(record(wish).body.find("held_back"), nullptr);
    }
    end_it();
}

TEST_F(WedgedGateTest, WhatIsHeldBackCanBeCancelledCleanly) {
    open();
    let_one_fail();
    World::Wish& wish = world().wish(1, 3);
    world().ask_all();
    ASSERT_TRUE(world().live_some(60));
    expect_held_back(1);
    ASSERT_EQ(
        world().post("/wallet/v1/workflows/" + wish.request_id + "/cancel", wish.wallet, "").status,
        200);
    ASSERT_TRUE(world().live());
    EXPECT_EQ(record(1).string("user_visible_error"), "cancelled before anything was signed");
    EXPECT_EQ(record(1).body.find("held_back"), nullptr);
    end_it();
}

TEST_F(WedgedGateTest, WhatIsHeldBackEndsWithTheDeadlineOfItsRequest) {
    open();
    let_one_fail();
    World::Wish& wish = world().wish(1, 3, std::string(kGate));
    const base::Timestamp now{
        std::chrono::microseconds(world().chain().head().timestamp_ns / 1000)};
    const std::string deadline = near::deadline_text(now + std::chrono::seconds(60));
    const std::string form = R"("near_intents":{)";
    for (std::size_t at = 0; (at = wish.body.find(form, at)) != std::string::npos;) {
        at += form.size();
        wish.body.insert(at, R"("deadline":")" + deadline + R"(",)");
    }
    world().ask_all();
    ASSERT_TRUE(world().live_some(60));
    expect_held_back(1);
    ASSERT_TRUE(world().live());
    const std::string why = record(1).string("user_visible_error");
    EXPECT_EQ(why.find("the intents deadline " + deadline + " is over or too near; nothing"), 0U)
        << why;
    EXPECT_NE(why.find("has not moved since block"), std::string::npos) << why;
    EXPECT_EQ(submitted_so_far(), "3");
    end_it();
}

TEST_F(WedgedGateTest, WhoeverTakesOverHoldsItBackToo) {
    open();
    let_one_fail();
    world().wish(1, 3);
    world().ask_all();
    ASSERT_TRUE(world().live_some(60));
    expect_held_back(1);
    world().shut_down();
    world().boot();
    ASSERT_TRUE(world().live_some(60));
    expect_held_back(1);
    unwedge();
    end_it();
    EXPECT_EQ(record(1).string("status"), "succeeded") << record(1).text;
}

TEST_F(WedgedGateTest, WhoNamesNoGateGoesToOneThatMoves) {
    open(2);
    world().wish(0, 3, std::string(kGate));
    world().ask_all();
    ASSERT_TRUE(world().live());
    for (std::size_t i = 1; i < 4; ++i) world().wish(i, 2);
    world().ask_all();
    ASSERT_TRUE(world().live_some(60));
    for (std::size_t i = 1; i < 4; ++i) {
        EXPECT_EQ(record(i).string("status"), "succeeded") << record(i).text;
    }
    EXPECT_EQ(submitted_so_far(), "3");
    end_it();
}

TEST_F(WedgedGateTest, AnotherGateGoesOn) {
    open(2);
    world().wish(0, 3, std::string(kGate));
    world().wish(1, 3, std::string(kOtherGate));
    world().ask_all();
    ASSERT_TRUE(world().live_some(60));
    EXPECT_EQ(record(1).string("status"), "succeeded") << record(1).text;
    EXPECT_EQ(record(0).string("status"), "processing") << record(0).text;
    unwedge();
    end_it();
    EXPECT_EQ(record(0).string("status"), "succeeded") << record(0).text;
}

}  // namespace
}  // namespace adyton::sim

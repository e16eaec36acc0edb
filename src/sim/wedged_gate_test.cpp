#include <gtest/gtest.h>

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

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "sim/routes_test_support.h"

// Whoever waits for a gate gets there in its turn, whatever becomes of those around it.
namespace adyton::sim {
namespace {

class GateQueueTest : public RoutesTest {
protected:
    // So many batches, of all wallets in turn. The first one is at the gate.
    void line_up(std::size_t batches) {
        for (std::size_t i = 0; i < batches; ++i) ids_.push_back(begin(3, wallet_of(i)));
        until(ids_.front(), "dispatch_poll");
    }
    void open_with(std::int64_t lane_ahead) {
        WorldOptions options;
        options.configure = [lane_ahead](coordinator::CoordinatorOptions& its) {
            its.lane_ahead = lane_ahead;
        };
        open(std::move(options));
    }
    std::size_t wallet_of(std::size_t batch) { return batch % world().options().wallets; }
    std::string phase_of(std::size_t batch) {
        return record(ids_[batch], wallet_of(batch)).string("phase");
    }
    WorldAnswer order(std::size_t batch, const std::string& what) {
        return control(ids_[batch], what, wallet_of(batch));
    }
    void expect_success(std::size_t batch) {
        EXPECT_EQ(until(ids_[batch], "done", wallet_of(batch)).string("status"), "succeeded")
            << "batch " << batch;
    }
    void all_succeed() {
        for (std::size_t i = 0; i < ids_.size() && !HasFailure(); ++i) expect_success(i);
        world().check_books();
    }
    void set_down(bool down) {
        for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).set_down(down);
    }

    std::vector<std::string> ids_;
};

TEST_F(GateQueueTest, ALongQueueGoesOnAfterTheChainWasAwayForAMoment) {
    open();
    line_up(16);
    set_down(true);
    world().pass(std::chrono::seconds(3));
    set_down(false);
    all_succeed();
}

TEST_F(GateQueueTest, ALongQueueGoesOnAfterARestart) {
    open();
    line_up(24);
    world().crash_and_boot(storage::TestDatabase::Crash::Process);
    all_succeed();
}

TEST_F(GateQueueTest, WhoIsPausedInTheQueueHoldsNobodyUp) {
    open_with(0);
    line_up(8);
    for (std::size_t i = 1; i <= 5; ++i) {
        ASSERT_EQ(phase_of(i), "queued");
        ASSERT_EQ(order(i, "pause").status, 200);
    }
    expect_success(6);
    expect_success(7);
    for (std::size_t i = 1; i <= 5; ++i) {
        EXPECT_EQ(phase_of(i), "queued");
        ASSERT_EQ(order(i, "resume").status, 200);
    }
    all_succeed();
}

TEST_F(GateQueueTest, WhoIsPausedWithItsIntentsSubmittedHoldsNobodyUp) {
    open_with(1);
    line_up(4);
    until(ids_[1], "resume", wallet_of(1));
    ASSERT_EQ(order(1, "pause").status, 200);
    expect_success(2);
    expect_success(3);
    ASSERT_EQ(order(1, "resume").status, 200);
    expect_success(1);  // its intents live on
    all_succeed();
}

}  // namespace
}  // namespace adyton::sim

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
    std::size_t wallet_of(std::size_t batch) { return batch % world().options().wallets; }
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

}  // namespace
}  // namespace adyton::sim

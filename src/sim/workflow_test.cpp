#include <gtest/gtest.h>

#include "coordinator/evidence.h"
#include "sim/world.h"

// Workflows from the request to their evidence, over a real keystore and a simulated chain.
namespace adyton::sim {
namespace {

using base::Json;

class WorkflowTest : public storage::DatabaseTest {
protected:
    void open(WorldOptions options = {}) {
        if (test().sim() == nullptr) {
            // Real time: blocks come as soon as there is work.
            options.block_time = std::chrono::milliseconds(20);
            options.poll_interval = std::chrono::milliseconds(10);
        }
        world_ = std::make_unique<World>(test(), std::move(options));
    }
    void TearDown() override {
        world_.reset();
        DatabaseTest::TearDown();
    }
    World& world() { return *world_; }
    // Asks until the record is final and its run has ended.
    WorldAnswer finish(const std::string& id, const std::string& wallet) {
        WorldAnswer record;
        for (int i = 0; i < 2'000; ++i) {
            record = world().get("/wallet/v1/workflows/" + id, wallet);
            if (record.string("phase") == "done") return record;
            world().pass(world().options().block_time);
        }
        ADD_FAILURE() << "it does not end: " << record.text;
        return record;
    }
    void expect_no_violations() {
        for (const std::string& violation : world().violations()) ADD_FAILURE() << violation;
    }

private:
    std::unique_ptr<World> world_;
};

TEST_P(WorkflowTest, ThreeTransfersRunInOrderAndEndWithEvidence) {
    open();
    const auto& wish = world().wish(0, 3);
    const WorldAnswer first = world().post(wish.path, wish.wallet, wish.body);
    ASSERT_TRUE(first.status == 200 || first.status == 202) << first.text;
    const std::string id = first.string("request_id");
    EXPECT_EQ(first.headers.find("X-Request-Id"), id);
    const WorldAnswer record = finish(id, wish.wallet);
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(record.string("final_status"), "success");
    EXPECT_TRUE(record.at("user_visible_error").is_null());
    EXPECT_EQ(record.at("dispatch_receipts").size(), 3U);
    EXPECT_EQ(record.at("intent_ids").size(), 3U);
    EXPECT_EQ(record.at("signed_nep413_payloads").size(), 3U);
    EXPECT_EQ(record.at("signed_nep366_delegates").size(), 3U);
    EXPECT_EQ(record.at("balance_deltas").dump(), R"({"nep141:wrap.near:intents":"-3033"})");
    const auto& heights = record.at("dispatch_block_heights").items();
    ASSERT_EQ(heights.size(), 3U);
    EXPECT_EQ(heights[1].as_int64().value() - heights[0].as_int64().value(), 3);
    EXPECT_EQ(heights[2].as_int64().value() - heights[1].as_int64().value(), 3);
    const WorldAnswer bundle = world().get("/wallet/v1/workflows/" + id + "/evidence", wish.wallet);
    ASSERT_EQ(bundle.status, 200) << bundle.text;
    const auto parsed = coordinator::parse_evidence(bundle.body);
    ASSERT_TRUE(parsed) << parsed.error().message();
    const auto report = coordinator::check_evidence(*parsed, world().coordinator().evidence_key());
    for (const auto& problem : report.problems) ADD_FAILURE() << problem;
    // The same request again: the same record, nothing else.
    const WorldAnswer again = world().post(wish.path, wish.wallet, wish.body);
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.string("request_id"), id);
    world().wishes().back().request_id = id;
    world().check_books();
    expect_no_violations();
}

ADYTON_ON_ALL_DATABASES(WorkflowTest);

}  // namespace
}  // namespace adyton::sim

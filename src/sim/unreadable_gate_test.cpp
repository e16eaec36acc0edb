#include <gtest/gtest.h>

#include <string>

#include "sim/routes_test_support.h"

// A gate of the configuration that is not there, beside one that is.
namespace adyton::sim {
namespace {

constexpr std::string_view kMissing = "missing.sequential.near";
constexpr std::string_view kGate = "gate.sequential.near";

class UnreadableGateTest : public RoutesTest {
protected:
    void open_with(std::vector<std::string_view> gates) {
        WorldOptions options;
        options.configure = [gates](coordinator::CoordinatorOptions& its) {
            its.gates.clear();
            for (const std::string_view gate : gates) {
                its.gates.push_back(near::AccountId::parse(gate).value());
            }
        };
        open(std::move(options));
    }
    void expect_success(const std::string& id, std::size_t wallet) {
        const WorldAnswer record = until(id, "done", wallet);
        EXPECT_EQ(record.string("status"), "succeeded") << record.text;
        EXPECT_EQ(record.string("gate_id"), kGate) << record.text;
    }
};

TEST_F(UnreadableGateTest, TakesNoWorkflowThatAnotherGateCanTake) {
    open_with({kMissing, "missing2.sequential.near", kGate});
    for (std::size_t i = 0; i < 2; ++i) expect_success(begin(3, i), i);
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < 4; ++i) ids.push_back(begin(3, i));
    for (std::size_t i = 0; i < 4; ++i) expect_success(ids[i], i);
    // Long enough for it to be looked at anew.
    world().pass(std::chrono::minutes(2));
    expect_success(begin(3, 0), 0);
    world().check_books();
}

TEST_F(UnreadableGateTest, TakesNoneOfThoseThatComeAtOnce) {
    open_with({kGate, kMissing});
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < 4; ++i) ids.push_back(begin(3, i));
    for (std::size_t i = 0; i < 4; ++i) expect_success(ids[i], i);
    world().check_books();
}

TEST_F(UnreadableGateTest, KeepsWhoeverNamesIt) {
    open_with({kGate, kMissing});
    auto& wish = world().wish(0, 3, std::string(kMissing));
    const WorldAnswer answer = world().post(wish.path, wish.wallet, wish.body);
    const WorldAnswer record = until(answer.string("request_id"), "done");
    EXPECT_EQ(record.string("status"), "failed") << record.text;
    EXPECT_EQ(record.at("submit_tx_hashes").size(), 0U) << record.text;
}

TEST_F(UnreadableGateTest, IsNamedByPreflight) {
    open_with({kGate, kMissing});
    const WorldAnswer answer = world().get("/wallet/v1/preflight", world().wallet(0));
    EXPECT_TRUE(answer.at("ready").boolean_value()) << answer.text;
    const auto& unreadable = answer.at("unreadable_gates");
    ASSERT_EQ(unreadable.size(), 1U) << answer.text;
    EXPECT_EQ(unreadable.items().front().find("gate_id")->string_value(), kMissing);
    const std::string why = unreadable.items().front().find("error")->string_value();
    EXPECT_FALSE(why.empty());
}

}  // namespace
}  // namespace adyton::sim

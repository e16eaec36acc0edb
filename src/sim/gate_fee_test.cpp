#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "near/transaction.h"
#include "sim/routes_test_support.h"

// The gate's owner changes the fee while batches are under way (near.md 4.3).
namespace adyton::sim {
namespace {

class GateFeeTest : public RoutesTest {
protected:
    // A millinear for a batch of up to three; the configuration allows 50.
    void open_with_fee(unsigned milli) {
        WorldOptions options;
        options.configure = [](coordinator::CoordinatorOptions& its) {
            its.gate_fee = near::YoctoNear::parse(yocto(50)).value();
        };
        open(std::move(options));
        set_fee(milli);
        world().pass(std::chrono::seconds(5));
        // From now on the gate's views are remembered.
        const WorldAnswer preflight = world().get("/wallet/v1/preflight", world().wallet(0));
        EXPECT_EQ(preflight.at("gate").find("fee_yocto")->string_value(), yocto(milli));
    }
    void set_fee(unsigned milli) {
        const std::string tiers = R"({"tiers":[[3,")" + yocto(milli) + R"("],[6,")" + yocto(100) +
                                  R"("],[12,")" + yocto(120) + R"("]]})";
        ASSERT_TRUE(world().chain().inject(
            {account("sequential.near"),
             gate(),
             "set_fee_tiers",
             tiers,
             {},
             near::Gas::from_tgas(30)}));
    }
    static std::string yocto(unsigned milli) {
        return std::to_string(milli) + std::string(21, '0');
    }
    static near::AccountId account(std::string_view id) {
        return near::AccountId::parse(id).value();
    }
    static near::AccountId gate() { return account("gate.sequential.near"); }
    // Until the gate has taken that many intents, as its newest block says.
    void until_taken(const std::string& count) {
        for (int i = 0; i < 200; ++i) {
            const auto stats = world().chain().view(gate(), "stats").value();
            if (stats.items().front().string_value() == count) return;
            world().pass(std::chrono::milliseconds(50));
        }
        ADD_FAILURE() << "never took " << count;
    }
    // What was paid with each resume on the chain, and "!" where it was refused.
    std::vector<std::string> resumes() {
        std::vector<std::string> out;
        auto& chain = world().chain();
        for (auto height = chain.options().genesis_height; height <= chain.height(); ++height) {
            const auto* const block = chain.find_block(height);
            if (block == nullptr) continue;
            for (const auto& hash : block->transactions) {
                const auto* const tx = chain.find_transaction(hash);
                if (tx == nullptr) continue;
                const auto& actions = tx->transaction.transaction.actions;
                const auto* const call = std::get_if<near::FunctionCall>(&actions.front());
                if (call == nullptr || call->method_name != "resume_batch_chained") continue;
                bool refused = false;
                for (const auto& outcome : tx->outcomes) {
                    const std::string why = outcome.failure.dump();
                    refused = refused || why.find("insufficient fee") != std::string::npos;
                }
                out.push_back(call->deposit.to_string() + (refused ? "!" : ""));
            }
        }
        return out;
    }
    void settle() {
        ASSERT_TRUE(world().live());
        world().check_books();
    }
};

TEST_F(GateFeeTest, AFeeThatRoseWithinTheLimitIsPaid) {
    open_with_fee(30);
    set_fee(40);
    world().pass(std::chrono::seconds(3));
    const WorldAnswer record = until(begin(), "done");
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(resumes(), std::vector<std::string>{yocto(40)});
    settle();
}

TEST_F(GateFeeTest, NoMoreIsPaidThanTheGateAsksFor) {
    open_with_fee(30);
    set_fee(10);
    world().pass(std::chrono::seconds(3));
    const WorldAnswer record = until(begin(), "done");
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(resumes(), std::vector<std::string>{yocto(10)});
    settle();
}

TEST_F(GateFeeTest, NoResumeIsSignedForAFeeAboveTheLimit) {
    open_with_fee(30);
    set_fee(60);
    world().pass(std::chrono::seconds(3));
    const WorldAnswer record = until(begin(), "watch");
    EXPECT_EQ(record.string("status"), "failed") << record.text;
    const std::string why = record.string("user_visible_error");
    EXPECT_EQ(
        why.find(
            "1-3 call gate fee drift: expected " + yocto(50) + ", got " + yocto(60) +
            "; not resumed"),
        0U)
        << why;
    EXPECT_TRUE(resumes().empty());
    settle();
    // Who comes next is told before anything is submitted.
    const WorldAnswer next = until(begin(3, 1), "done", 1);
    EXPECT_EQ(next.at("submit_tx_hashes").size(), 0U) << next.text;
}

TEST_F(GateFeeTest, AResumeThatAFeeOvertookIsMadeAgainForTheNewOne) {
    open_with_fee(30);
    const std::string id = begin();
    until_taken("3");
    set_fee(40);  // in the next block, before the resume
    const WorldAnswer record = until(id, "done");
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(resumes(), (std::vector<std::string>{yocto(30) + "!", yocto(40)}));
    settle();
    EXPECT_EQ(until(begin(3, 1), "done", 1).string("status"), "succeeded");
    settle();
}

TEST_F(GateFeeTest, AResumeThatAFeeOvertookIsNotMadeAgainAboveTheLimit) {
    open_with_fee(30);
    const std::string id = begin();
    until_taken("3");
    set_fee(60);
    const WorldAnswer record = until(id, "watch");
    EXPECT_EQ(record.string("status"), "failed") << record.text;
    EXPECT_EQ(record.string("user_visible_error").find("1-3 call gate fee drift"), 0U)
        << record.text;
    EXPECT_EQ(resumes(), std::vector<std::string>{yocto(30) + "!"});
    settle();
}

TEST_F(GateFeeTest, AResumeThatAFeeOvertookIsMadeAgainByWhoeverTakesOver) {
    open_with_fee(30);
    const std::string id = begin();
    until_taken("3");
    set_fee(40);
    until(id, "resume_poll");
    world().crash_and_boot(storage::TestDatabase::Crash::Process);
    const WorldAnswer record = until(id, "done");
    EXPECT_EQ(record.string("status"), "succeeded") << record.text;
    EXPECT_EQ(resumes(), (std::vector<std::string>{yocto(30) + "!", yocto(40)}));
    settle();
}

}  // namespace
}  // namespace adyton::sim

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "localchain/near_test_support.h"

namespace adyton::localchain {
namespace {

using base::Json;
using testing::account_id;
using testing::in_near;
using testing::near_test_key;
using testing::yocto;

class NearGateTest : public testing::LocalNearTest {
protected:
    // Blocks known to the chain, as the client would learn them.
    near::BlockHeights heights() const {
        near::BlockHeights out;
        for (std::uint64_t h = chain_->options().genesis_height; h <= chain_->height(); ++h) {
            if (const auto* block = chain_->find_block(h)) out[block->hash] = h;
        }
        return out;
    }
    near::GateBatch read(
        const std::vector<near::TransactionHash>& submits, const near::TransactionHash& resumed) {
        near::GateBatch out{{}, status_of(resumed, names_.approver), {}};
        for (const auto& hash : submits) {
            out.submits.push_back(status_of(hash));
            out.calls.push_back({counter_, "increase", {'{', '}'}, std::nullopt});
        }
        return out;
    }
    std::string submit_failure(
        const near::SignedDelegate& signed_delegate, near::Gas gas = near::Gas::from_tgas(300)) {
        const auto hash = submit_intent(signed_delegate, gas);
        produce(2);
        return failure_of(hash);
    }
    std::string submit_bytes(const std::string& base64) {
        const auto hash = send(
            relayer_, key_of(names_.relayer), gate_,
            call(
                "submit_intent", fmt::format(R"({{"signed_delegate":"{}"}})", base64),
                near::Gas::from_tgas(300)));
        produce(2);
        return failure_of(hash);
    }
    std::string resume_failure(
        const std::vector<std::uint64_t>& ids, std::string_view fee = "30000000000000000000000") {
        const auto hash = resume(ids, fee);
        produce(2);
        return failure_of(hash);
    }
};

constexpr std::string_view kPanicked = "Smart contract panicked: ";

TEST_F(NearGateTest, ASubmitLogsItsIntentAndItsTransactionWaitsForTheYield) {
    const auto signed_delegate = delegate(counter_, "increase", "{}");
    const auto hash = submit_intent(signed_delegate);
    produce(2);
    const near::TransactionStatus status = status_of(hash);
    const near::GateSubmit submit = near::read_gate_submit(status, gate_);
    ASSERT_EQ(submit.state, near::GateState::Done) << submit.error;
    EXPECT_EQ(submit.intent_id, 0U);
    EXPECT_EQ(
        status.find_outcome(*submit.outer_receipt_id)->logs.front(),
        fmt::format(
            R"(trace:{{"ev":"intent_submitted","id":0,"sender":"{}","receiver":"{}","method":"increase","nonce":{}}})",
            alice_.text(), counter_.text(), signed_delegate.delegate_action.nonce));
    EXPECT_EQ(status.status.kind, near::ExecutionStatus::Kind::Pending);
    EXPECT_TRUE(status.receipts.back().is_promise_yield || status.receipts.size() > 1);
    EXPECT_EQ(gate_view("list_pending").dump(), R"(["0"])");
    const Json pending = gate_view("get_pending", R"({"intent_id":"0"})");
    EXPECT_EQ(pending.find("sender")->string_value(), alice_.text());
    EXPECT_EQ(pending.find("submitted_at_block")->string_value(), std::to_string(chain_->height()));
    expect_balanced_books();
}

TEST_F(NearGateTest, ABatchRunsInCallOrderThreeBlocksAStep) {
    const auto submits = submit_counts(3);
    const auto resumed = resume({2, 0, 1});
    produce(14);
    near::GateBatch batch = read({submits[2], submits[0], submits[1]}, resumed);
    const near::BatchEvidence evidence = near::read_gate_batch(batch, gate_, heights());
    EXPECT_TRUE(evidence.problems.empty()) << evidence.problems.front();
    EXPECT_TRUE(evidence.complete);
    EXPECT_TRUE(evidence.all_succeeded);
    ASSERT_EQ(evidence.heights.size(), 3U);
    const std::uint64_t included = chain_->find_transaction(resumed)->height;
    EXPECT_EQ(evidence.heights[0], included + 2);
    EXPECT_EQ(evidence.heights[1], included + 5);
    EXPECT_EQ(evidence.heights[2], included + 8);
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), Json::integer(3));
    EXPECT_EQ(gate_view("get_batch_tail").dump(), "[]");
    EXPECT_EQ(gate_view("list_pending").dump(), "[]");
    EXPECT_EQ(gate_view("stats").dump(), R"(["3","3","0","3","1"])");
    EXPECT_EQ(gate_view("get_fee_stats").dump(), R"(["30000000000000000000000","0"])");
    expect_balanced_books();
}

TEST_F(NearGateTest, TheLogsOfABatchAreTheContractsOwnWords) {
    const auto submits = submit_counts(2);
    const auto resumed = resume({0, 1});
    produce(12);
    const auto logs_of = [this](const near::TransactionHash& hash) {
        std::vector<std::string> out;
        for (const NearOutcome& outcome : chain_->find_transaction(hash)->outcomes) {
            if (outcome.executor != gate_) continue;
            out.insert(out.end(), outcome.logs.begin(), outcome.logs.end());
        }
        return out;
    };
    const std::vector<std::string> resume_logs = {
        R"(trace:{"ev":"fee_charged","n":2,"amount":"30000000000000000000000","tier_cap":3})",
        R"(trace:{"ev":"batch_started","batch_id":1,"n":2,"first_id":0})"};
    EXPECT_EQ(logs_of(resumed), resume_logs);
    const auto first = logs_of(submits[0]);
    ASSERT_EQ(first.size(), 3U);
    EXPECT_EQ(
        first[1],
        R"(trace:{"ev":"intent_dispatched","id":0,"receiver":"count.mike.near","method":"increase","seq":0})");
    EXPECT_EQ(
        first[2], R"(trace:{"ev":"chain_continued","next_id":1,"next_seq":1,"tail_remaining":0})");
    EXPECT_EQ(
        logs_of(submits[1])[1],
        R"(trace:{"ev":"intent_dispatched","id":1,"receiver":"count.mike.near","method":"increase","seq":1})");
}

TEST_F(NearGateTest, AFailedCallDoesNotStopTheBatch) {
    std::vector<near::TransactionHash> submits;
    for (const char* const method : {"increase", "fail", "increase"}) {
        submits.push_back(submit_intent(delegate(counter_, method, "{}")));
        produce(2);
    }
    const auto resumed = resume({0, 1, 2});
    produce(14);
    near::GateBatch batch = read(submits, resumed);
    batch.calls[1].method_name = "fail";
    const auto evidence = near::read_gate_batch(batch, gate_, heights());
    EXPECT_TRUE(evidence.complete);
    EXPECT_FALSE(evidence.all_succeeded);
    EXPECT_EQ(evidence.dispatches[1].target, near::GateDispatch::Target::Failed);
    EXPECT_EQ(evidence.dispatches[1].target_error, "Smart contract panicked: ordered failure");
    EXPECT_EQ(evidence.dispatches[2].target, near::GateDispatch::Target::Succeeded);
    expect_balanced_books();
}

TEST_F(NearGateTest, AYieldDiesAfterTwoHundredBlocksAndCostsNothing) {
    const auto hash = submit_counts(1).front();
    const std::uint64_t created = chain_->height();
    while (chain_->height() < created + 200) chain_->produce_block();
    EXPECT_EQ(gate_view("list_pending").dump(), R"(["0"])");
    chain_->produce_block();
    EXPECT_EQ(gate_view("list_pending").dump(), "[]");
    const auto dispatch = near::read_gate_dispatch(status_of(hash), gate_, 0).value();
    EXPECT_EQ(dispatch.state, near::GateDispatch::State::NotDispatched);
    EXPECT_EQ(dispatch.reason, "timeout");
    const NearOutcome& last = chain_->find_transaction(hash)->outcomes.back();
    EXPECT_EQ(last.height, created + 201);
    EXPECT_EQ(
        last.logs.front(),
        R"(trace:{"ev":"intent_resolved_err","id":0,"reason":"timeout","detail":"Failed"})");
    EXPECT_EQ(gate_view("stats").dump(), R"(["1","0","1","1","0"])");
    produce(1);
    expect_balanced_books();
}

TEST_F(NearGateTest, SkippedHeightsCountTowardsTheTimeout) {
    submit_counts(1);
    chain_->skip_heights(250);
    produce(2);
    EXPECT_EQ(gate_view("list_pending").dump(), "[]");
}

TEST_F(NearGateTest, ARejectedIntentIsNotDispatchedAndCostsItsFee) {
    const auto hash = submit_counts(1).front();
    send(
        approver_, key_of(names_.approver), gate_,
        call(
            "resume_intent", R"({"intent_id":"0","approve":false})", near::Gas::from_tgas(100),
            yocto("30000000000000000000000")));
    produce(4);
    const auto dispatch = near::read_gate_dispatch(status_of(hash), gate_, 0).value();
    EXPECT_EQ(dispatch.reason, "rejected");
    EXPECT_EQ(gate_view("get_fee_stats").dump(), R"(["30000000000000000000000","0"])");
}

TEST_F(NearGateTest, ASingleResumeDispatchesWithoutASequenceNumber) {
    const auto hash = submit_counts(1).front();
    send(
        approver_, key_of(names_.approver), gate_,
        call(
            "resume_intent", R"({"intent_id":"0","approve":true})", near::Gas::from_tgas(100),
            yocto("30000000000000000000000")));
    produce(6);
    const auto dispatch = near::read_gate_dispatch(status_of(hash), gate_, 0).value();
    EXPECT_EQ(dispatch.state, near::GateDispatch::State::Dispatched);
    EXPECT_FALSE(dispatch.seq.has_value());
    EXPECT_EQ(dispatch.target, near::GateDispatch::Target::Succeeded);
}

TEST_F(NearGateTest, SubmitsAreRefusedInTheContractsWords) {
    const std::string p(kPanicked);
    const auto good = delegate(counter_, "increase", "{}");
    auto forged = good;
    forged.delegate_action.nonce += 1;
    EXPECT_EQ(submit_failure(forged), p + "signature verification failed");
    near::DelegateAction old = good.delegate_action;
    old.max_block_height = chain_->height();
    EXPECT_EQ(
        submit_failure(near::sign(old, alice_key_).value()),
        p + "intent expired (max_block_height <= current block)");
    EXPECT_EQ(submit_failure(good), "");
    EXPECT_EQ(submit_failure(good), p + "nonce already used for this sender (replay rejected)");
    near::DelegateAction two = good.delegate_action;
    two.nonce += 100;
    two.actions.push_back(two.actions.front());
    EXPECT_EQ(
        submit_failure(near::sign(two, alice_key_).value()),
        p + "v0.1 gate requires exactly one action per delegate");
    two.actions = {near::Transfer{in_near(1)}};
    EXPECT_EQ(
        submit_failure(near::sign(two, alice_key_).value()),
        p + "invalid SignedDelegateAction: action variant 3 not supported in v0.1 (only "
            "FunctionCall)");
    EXPECT_EQ(
        submit_failure(delegate(counter_, "increase", "{}"), near::Gas::from_tgas(50)),
        "Exceeded the prepaid gas.");
    EXPECT_EQ(submit_bytes("AA=="), p + "invalid SignedDelegateAction: Unexpected length of input");
    EXPECT_EQ(submit_bytes("%"), p + "Failed to deserialize input from JSON.");
    base::Bytes longer = near::serialize(delegate(counter_, "increase", "{}"));
    longer.push_back(0);
    EXPECT_EQ(
        submit_bytes(base::base64_encode(longer)),
        p + "invalid SignedDelegateAction: Not all bytes read");
    const auto stranger = send(
        alice_, alice_key_, gate_,
        call("submit_intent", R"({"signed_delegate":"AA=="})", near::Gas::from_tgas(300)));
    produce(2);
    EXPECT_EQ(failure_of(stranger), p + "caller is not a whitelisted relayer");
}

TEST_F(NearGateTest, TheActionTagAndOtherKeysAreRefusedByName) {
    const std::string p = std::string(kPanicked) + "invalid SignedDelegateAction: ";
    base::Bytes bytes = near::serialize(delegate(counter_, "increase", "{}"));
    // The curve of the key stands before 32 + 1 + 64 bytes.
    bytes[bytes.size() - 98] = 1;
    EXPECT_EQ(
        submit_bytes(base::base64_encode(bytes)),
        p + "expected ed25519 public key (tag 0), got tag 1");
    // The tag of the only action, behind two names and a count.
    base::Bytes nested = near::serialize(delegate(counter_, "increase", "{}"));
    nested[4 + alice_.text().size() + 4 + counter_.text().size() + 4] = 8;
    EXPECT_EQ(
        submit_bytes(base::base64_encode(nested)), p + "nested DelegateAction forbidden (NEP-366)");
}

TEST_F(NearGateTest, ResumesAreRefusedInTheContractsWords) {
    const std::string p(kPanicked);
    EXPECT_EQ(resume_failure({0}), p + "unknown intent_id 0 in batch");
    submit_counts(3);
    EXPECT_EQ(
        resume_failure({0, 1, 2}, "29999999999999999999999"),
        p + "insufficient fee: required 30000000000000000000000 yocto for batch of 3, got "
            "29999999999999999999999");
    EXPECT_EQ(
        resume_failure({0, 1, 2, 9}, "50000000000000000000000"),
        p + "unknown intent_id 9 in batch");
    EXPECT_EQ(
        resume_failure({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, "90000000000000000000000"),
        p + "batch size 13 exceeds max fee tier (12)");
    const auto empty = send(
        approver_, key_of(names_.approver), gate_,
        call("resume_batch_chained", R"({"intent_ids":[]})", near::Gas::from_tgas(100)));
    const auto stranger = send(
        relayer_, key_of(names_.relayer), gate_,
        call("resume_batch_chained", R"({"intent_ids":["0"]})", near::Gas::from_tgas(100)));
    const auto thief =
        send(relayer_, key_of(names_.relayer), gate_, call("reset_batch_tail", "{}"));
    const auto inner = send(
        relayer_, key_of(names_.relayer), gate_,
        call("continue_chain", R"({"next_id":"0","next_seq":1})"));
    produce(2);
    EXPECT_EQ(failure_of(empty), p + "batch must not be empty");
    EXPECT_EQ(failure_of(stranger), p + "only approver can batch-resume");
    EXPECT_EQ(failure_of(thief), p + "owner-only");
    EXPECT_EQ(failure_of(inner), p + "Method continue_chain is private");
    // A refusal reverts everything, the fee too.
    EXPECT_EQ(gate_view("get_fee_stats").dump(), R"(["0","0"])");
    EXPECT_EQ(gate_view("list_pending").dump(), R"(["0","1","2"])");
    produce(2);
    expect_balanced_books();
}

TEST_F(NearGateTest, OneBatchAtATime) {
    submit_counts(4);
    resume({0, 1});
    resume({2, 3});
    produce(2);
    const auto second = chain_->head().transactions;
    EXPECT_EQ(gate_view("get_batch_tail").dump(), R"(["1"])");
    produce(10);
    EXPECT_EQ(gate_view("get_batch_tail").dump(), "[]");
    EXPECT_EQ(gate_view("list_pending").dump(), R"(["2","3"])");
    const auto third = resume({2, 3});
    produce(12);
    EXPECT_EQ(failure_of(third), "");
    EXPECT_EQ(gate_view("stats").dump(), R"(["4","4","0","4","2"])");
}

TEST_F(NearGateTest, InnerGasUpToTheRuleRunsAndTooMuchWedgesTheGate) {
    const near::Gas most = near::inner_gas_max(near::Gas::from_tgas(300));
    submit_intent(delegate(counter_, "increase", "{}", most));
    submit_intent(delegate(counter_, "increase", "{}", most));
    produce(2);
    resume({0, 1});
    produce(10);
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), Json::integer(2));

    const auto greedy =
        submit_intent(delegate(counter_, "increase", "{}", near::Gas::from_tgas(260)));
    submit_intent(delegate(counter_, "increase", "{}"));
    produce(2);
    resume({2, 3});
    produce(10);
    const auto dispatch = near::read_gate_dispatch(status_of(greedy), gate_, 2).value();
    EXPECT_EQ(dispatch.state, near::GateDispatch::State::NotDispatched);
    EXPECT_NE(dispatch.reason.find("Exceeded the prepaid gas."), std::string::npos);
    EXPECT_EQ(gate_view("get_batch_tail").dump(), R"(["3"])");
    EXPECT_EQ(
        resume_failure({3}), std::string(kPanicked) +
                                 "a chained batch is already in flight; owner must "
                                 "reset_batch_tail if stuck");
    send(owner_, key_of(names_.owner), gate_, call("reset_batch_tail", "{}"));
    produce(2);
    EXPECT_EQ(gate_view("get_batch_tail").dump(), "[]");
    EXPECT_EQ(resume_failure({3}), "");
    produce(4);
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), Json::integer(3));
    expect_balanced_books();
}

TEST_F(NearGateTest, ATailIntentThatTimesOutWedgesTheGate) {
    submit_counts(1);
    const std::uint64_t first = chain_->height();
    while (chain_->height() < first + 195) chain_->produce_block();
    submit_counts(1);
    resume({1, 0});
    produce(8);
    EXPECT_EQ(gate_view("get_batch_tail").dump(), R"(["0"])");
    unwedge_gate(*chain_, gate_, owner_).value();
    produce(2);
    EXPECT_EQ(gate_view("get_batch_tail").dump(), "[]");
}

TEST_F(NearGateTest, StrangersSubmitResumeAndWedge) {
    submit_counts(1);
    const auto foreign =
        inject_foreign_intents(*chain_, {gate_, relayer_, counter_, "increase", "{}"});
    ASSERT_TRUE(foreign);
    produce(2);
    EXPECT_EQ(gate_view("list_pending").dump(), R"(["0","1","2","3"])");
    ASSERT_TRUE(inject_foreign_batch(*chain_, gate_, approver_, {1, 2, 3}));
    produce(1);
    EXPECT_EQ(
        resume_failure({0}), std::string(kPanicked) +
                                 "a chained batch is already in flight; owner must "
                                 "reset_batch_tail if stuck");
    produce(12);
    EXPECT_EQ(resume_failure({0}), "");
    produce(4);
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), Json::integer(4));
    wedge_gate(*chain_, gate_);
    submit_counts(1);
    EXPECT_NE(resume_failure({4}), "");
    ASSERT_TRUE(unwedge_gate(*chain_, gate_, owner_));
    produce(2);
    EXPECT_EQ(resume_failure({4}), "");
    produce(4);
    expect_balanced_books();
}

TEST_F(NearGateTest, TheOwnerChangesPeopleTiersAndTakesTheFees) {
    const auto owner = key_of(names_.owner);
    const auto run = [&](const std::string& method, const std::string& args) {
        const auto hash = send(owner_, owner, gate_, call(method, args));
        produce(4);
        return failure_of(hash);
    };
    EXPECT_EQ(run("add_relayer", R"({"account_id":"mike.near"})"), "");
    EXPECT_EQ(gate_view("is_relayer", R"({"account_id":"mike.near"})"), Json::boolean(true));
    EXPECT_EQ(run("remove_relayer", R"({"account_id":"mike.near"})"), "");
    EXPECT_EQ(gate_view("is_relayer", R"({"account_id":"mike.near"})"), Json::boolean(false));
    EXPECT_EQ(run("set_fee_tiers", R"({"tiers":[[2,"5"],[4,"7"]]})"), "");
    EXPECT_EQ(gate_view("get_fee_tiers").dump(), R"([[2,"5"],[4,"7"]])");
    EXPECT_NE(run("set_fee_tiers", R"({"tiers":[[4,"5"],[4,"7"]]})"), "");
    submit_counts(3);
    resume({0, 1, 2}, "8");
    produce(12);
    EXPECT_EQ(gate_view("get_fee_stats").dump(), R"(["7","0"])");
    EXPECT_EQ(
        run("withdraw_fees", R"({"amount":"8","to":"mike.near"})"),
        std::string(kPanicked) + "insufficient fee balance: requested 8, available 7");
    const base::Amount before = balance(account_id(names_.user));
    EXPECT_EQ(run("withdraw_fees", R"({"amount":"7","to":"mike.near"})"), "");
    EXPECT_EQ(balance(account_id(names_.user)), before.plus(base::Amount(7)));
    EXPECT_EQ(run("set_approver", R"({"approver_id":"mike.near"})"), "");
    EXPECT_EQ(gate_view("get_approver"), Json::string("mike.near"));
    EXPECT_EQ(gate_view("get_owner"), Json::string(names_.owner));
    expect_balanced_books();
}

TEST_F(NearGateTest, BatchesGoUpToTwelve) {
    submit_counts(12);
    std::vector<std::uint64_t> ids;
    for (std::uint64_t id = 0; id < 12; ++id) ids.push_back(11 - id);
    const auto resumed = resume(ids, "60000000000000000000000");
    produce(2 + 3 * 12);
    EXPECT_EQ(failure_of(resumed), "");
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), Json::integer(12));
    EXPECT_EQ(gate_view("get_batch_tail").dump(), "[]");
}

TEST_F(NearGateTest, GatesAreIndependentOfOneAnother) {
    NearNetworkOptions network = standard_network();
    network.gates = 3;
    make_chain(standard_options(), network);
    wedge_gate(*chain_, account_id("gate2.sequential.near"));
    submit_counts(1);
    EXPECT_EQ(resume_failure({0}), "");
    EXPECT_EQ(
        chain_->view(account_id("gate3.sequential.near"), "get_batch_tail").value().dump(), "[]");
}

}  // namespace
}  // namespace adyton::localchain

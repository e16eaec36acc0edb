#include "coordinator/lane_request.h"

#include <gtest/gtest.h>

#include "coordinator/internal/lanes.h"
#include "coordinator/request.h"

// Workflows over several lanes: from their steps to segments, before anything is asked.
namespace adyton::coordinator {
namespace {

using base::Json;

const base::Timestamp kNow = base::parse_rfc3339("2026-04-24T19:55:00Z").value();

CoordinatorOptions lanes_on() {
    CoordinatorOptions out = CoordinatorOptions::mainnet();
    out.enable_funding_lane = true;
    out.enable_direct_user_lane = true;
    return out;
}

PlannedRequest plan(const std::string& steps, const CoordinatorOptions& options) {
    auto planned = plan_request(Json::parse(R"({"steps":[)" + steps + "]}").value(), options, kNow);
    EXPECT_TRUE(planned) << planned.error().message();
    return *std::move(planned);
}

const std::string kWrap = R"({"kind":"funding.wrap_near","amount":"5"})";
const std::string kTransfer =
    R"({"kind":"intents.transfer","token":"nep141:wrap.near","amount":"1","receiver_id":"a.near"})";
const std::string kIncrease =
    R"({"kind":"near.function_call","predecessor_requirement":"user_required",)"
    R"("user_id":"mike.near","receiver_id":"count.mike.near","method_name":"increase",)"
    R"("args_json":{"n":1}})";

TEST(LaneRequestTest, UnbrokenRunsOfGateStepsAreOneSegment) {
    const std::string list =
        kTransfer + "," + kTransfer + "," + kWrap + "," + kTransfer + "," + kIncrease;
    const PlannedRequest planned = plan(list, lanes_on());
    EXPECT_EQ(planned.outcome.plan.status, PlanOutcome::Status::Executable);
    EXPECT_EQ(planned.outcome.plan.predecessor_model, "gate");
    EXPECT_TRUE(planned.outcome.calls.empty());
    ASSERT_TRUE(planned.lanes);
    const std::vector<LaneSegment>& segments = planned.lanes->segments;
    ASSERT_EQ(segments.size(), 4U);
    EXPECT_EQ(segments[0].lane, Lane::GateProxy);
    EXPECT_EQ(segments[0].batch->calls.size(), 2U);
    EXPECT_EQ(segments[1].kind, "funding.wrap_near");
    EXPECT_EQ(segments[1].first_step, 2U);
    EXPECT_EQ(segments[2].batch->calls.size(), 1U);
    EXPECT_EQ(segments[3].lane, Lane::DirectUser);
    EXPECT_EQ(segments[3].calls.front().args, R"({"n":1})");
    EXPECT_EQ(segments[3].params.find("registry_id")->string_value(), "mike.sequential.near");
}

TEST(LaneRequestTest, EachSwitchOpensItsLaneAlone) {
    CoordinatorOptions funding = lanes_on();
    funding.enable_direct_user_lane = false;
    CoordinatorOptions user = lanes_on();
    user.enable_funding_lane = false;
    using Status = PlanOutcome::Status;
    EXPECT_EQ(plan(kWrap, funding).outcome.plan.status, Status::Executable);
    EXPECT_EQ(plan(kWrap, user).outcome.plan.status, Status::RequiresFundingSetup);
    EXPECT_EQ(plan(kIncrease, user).outcome.plan.status, Status::Executable);
    EXPECT_EQ(plan(kIncrease, funding).outcome.plan.status, Status::RequiresDirectUserSetup);
    EXPECT_FALSE(plan(kIncrease, funding).lanes);
    // A workflow of the gate alone is the gate's, whatever is on.
    EXPECT_FALSE(plan(kTransfer, lanes_on()).lanes);
    EXPECT_EQ(plan(kTransfer, lanes_on()).outcome.calls.size(), 1U);
}

TEST(LaneRequestTest, OnlyAnUnbrokenRunOfTooManyGateStepsIsRejected) {
    const std::string three = kTransfer + "," + kTransfer + "," + kTransfer;
    const PlannedRequest apart = plan(three + "," + kWrap + "," + three, lanes_on());
    EXPECT_EQ(apart.outcome.plan.status, PlanOutcome::Status::Executable);
    const PlannedRequest four = plan(three + "," + kTransfer + "," + kWrap, lanes_on());
    EXPECT_EQ(four.outcome.plan.status, PlanOutcome::Status::Rejected);
    EXPECT_EQ(four.outcome.plan.error, "gate batch supports at most 3 calls");
    CoordinatorOptions more = lanes_on();
    more.gate_calls_max = 4;
    EXPECT_TRUE(plan(three + "," + kTransfer + "," + kWrap, more).lanes);
}

TEST(LaneRequestTest, TheStateReadsBackAsItWas) {
    PlannedRequest planned = plan(kWrap + "," + kTransfer + "," + kIncrease, lanes_on());
    LanesState& state = *planned.lanes;
    LaneTransaction tx;
    tx.signer_id = "s.near";
    tx.public_key = "ed25519:x";
    tx.receiver_id = "r.near";
    tx.calls = {{"m", std::string("\0\xff", 2), 7, "8"}};
    tx.nonce = 9;
    tx.sent = SentTransaction{"ed25519:x", 9, "AAAA", "hash", 10};
    tx.over = true;
    tx.error = "why";
    tx.block_height = 11;
    state.segments[0].transactions.push_back(tx);
    state.segments[0].outcome = LaneSegment::Outcome::Skipped;
    state.segments[1].child_id = "child";
    state.current = 1;
    const Json written = to_json(state);
    const auto read = parse_lanes_state(Json::parse(written.dump()).value());
    ASSERT_TRUE(read);
    EXPECT_EQ(to_json(*read), written);
    EXPECT_EQ(read->segments[0].transactions[0].calls, tx.calls);
    EXPECT_EQ(read->segments[0].transactions[0].sent, tx.sent);
    // Without any of its members it is corrupt.
    for (const auto& [name, value] : written.find("segments")->items()[0].members()) {
        Json cut = Json::object();
        for (const auto& [other, kept] : written.find("segments")->items()[0].members()) {
            if (other != name) cut.set(other, kept);
        }
        Json segments = Json::array();
        segments.push_back(cut);
        const Json broken =
            Json::object().set("segments", segments).set("current", Json::unsigned_integer(0));
        const bool may_be_absent = name == "params" || name == "before" || name == "after" ||
                                   name == "result" || name == "batch";
        EXPECT_EQ(parse_lanes_state(broken).has_value(), may_be_absent) << name;
    }
    EXPECT_FALSE(parse_lanes_state(Json::object()));
}

TEST(LaneRequestTest, WhatABatchLeftIsAddedToWhatWasThere) {
    WorkflowRecord whole;
    GateState state;
    WorkflowRecord batch;
    batch.intent_ids = {"7"};
    batch.dispatch_evidence.set(
        "balance_deltas", Json::object().set("t", Json::string("-5")).set("u", Json::string("3")));
    batch.internal_state = to_text(GateState{});
    add_batch(batch, whole, state);
    batch.intent_ids = {"8", "9"};
    batch.dispatch_evidence.set("balance_deltas", Json::object().set("t", Json::string("7")));
    add_batch(batch, whole, state);
    EXPECT_EQ(whole.intent_ids, (std::vector<std::string>{"7", "8", "9"}));
    EXPECT_EQ(whole.dispatch_evidence.find("balance_deltas")->dump(), R"({"t":"2","u":"3"})");
    EXPECT_TRUE(whole.proxy_predecessor);
}

TEST(LaneRequestTest, PricesFollowTheTiers) {
    const CoordinatorOptions options = CoordinatorOptions::mainnet();
    EXPECT_EQ(options.fee_max(1).to_string(), "30000000000000000000000");
    EXPECT_EQ(options.fee_max(3), options.fee_max(1));
    EXPECT_EQ(options.fee_max(4).to_string(), "50000000000000000000000");
    EXPECT_EQ(options.fee_max(6), options.fee_max(4));
    EXPECT_EQ(options.fee_max(7).to_string(), "60000000000000000000000");
    CoordinatorOptions bad = options;
    bad.gate_calls_max = 13;
    EXPECT_FALSE(check_options(bad));
    bad.gate_calls_max = 2;
    EXPECT_FALSE(check_options(bad));
}

}  // namespace
}  // namespace adyton::coordinator

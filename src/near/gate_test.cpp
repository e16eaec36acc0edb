#include "near/gate.h"

#include <algorithm>

#include "near/test_vectors.h"

namespace adyton::near {
namespace {

using base::Json;

const AccountId kGate = AccountId::parse("gate.example.near").value();

BlockHeights heights_of(const Json& document) {
    BlockHeights out;
    for (const auto& [hash, height] : member_of(document, "block_heights").members()) {
        out.emplace(BlockHash::parse(hash).value(), height.as_uint64().value());
    }
    return out;
}

// The answer of a case; null, and checked, when the node does not know the transaction yet.
std::optional<TransactionStatus> status_of(const Json& each) {
    auto status = parse_transaction_status(member_of(each, "response"));
    if (status) return std::move(*status);
    EXPECT_EQ(status.error().reason(), "unknown_transaction") << status.error().message();
    EXPECT_EQ(text_of(member_of(each, "expected"), "state"), "pending");
    return std::nullopt;
}

void check_outer(const Json& each, const AccountId& gate) {
    const Json& expected = member_of(each, "expected");
    const std::string state = text_of(expected, "state");
    const auto status = status_of(each);
    if (!status) return;
    const auto submit = read_gate_submit(*status, gate);
    EXPECT_EQ(submit.state == GateState::Pending, state == "pending");
    EXPECT_EQ(submit.state == GateState::Done, state == "submitted");
    EXPECT_EQ(submit.state == GateState::Failed, state == "failed");
    if (state == "submitted") {
        EXPECT_EQ(std::to_string(submit.intent_id), text_of(expected, "intent_id"));
        EXPECT_EQ(submit.outer_receipt_id->to_string(), text_of(expected, "outer_receipt_id"));
    } else if (state == "failed") {
        EXPECT_EQ(submit.error, text_of(expected, "error"));
    }
}

void check_resume(const Json& each, const AccountId& gate) {
    const Json& expected = member_of(each, "expected");
    const auto status = status_of(each);
    if (!status) return;
    const auto resume = read_gate_resume(*status, gate);
    const std::string state = text_of(expected, "state");
    if (state == "started") {
        ASSERT_EQ(resume.state, GateState::Done) << resume.error;
        EXPECT_EQ(resume.batch_id, member_of(expected, "batch_id").as_uint64().value());
        EXPECT_EQ(resume.n, member_of(expected, "n").as_uint64().value());
        EXPECT_EQ(std::to_string(resume.first_id), text_of(expected, "first_id"));
        EXPECT_EQ(resume.fee->to_string(), text_of(expected, "fee"));
    } else if (state == "failed") {
        EXPECT_EQ(resume.state, GateState::Failed);
        EXPECT_EQ(resume.error, text_of(expected, "error"));
    } else {
        EXPECT_EQ(resume.state, GateState::Pending);
        EXPECT_EQ(state, "pending");
    }
}

void check_dispatch(const Json& each, const AccountId& gate) {
    const Json& expected = member_of(each, "expected");
    const auto status = status_of(each);
    if (!status) return;
    const auto id = parse_u64(text_of(each, "intent_id")).value();
    const auto dispatch = read_gate_dispatch(*status, gate, id);
    ASSERT_TRUE(dispatch);
    const std::string state = text_of(expected, "state");
    EXPECT_EQ(dispatch->state == GateDispatch::State::Pending, state == "pending");
    EXPECT_EQ(dispatch->state == GateDispatch::State::Dispatched, state == "dispatched");
    EXPECT_EQ(dispatch->state == GateDispatch::State::NotDispatched, state == "not_dispatched");
    if (expected.find("reason") != nullptr) {
        EXPECT_EQ(dispatch->reason, text_of(expected, "reason"));
    }
}

GateBatch batch_of(const Json& each) {
    const Json& arrivals = member_of(each, "submit_responses_in_arrival_order");
    std::vector<std::optional<TransactionStatus>> in_call_order(arrivals.size());
    for (const Json& arrival : arrivals.items()) {
        const auto index = member_of(arrival, "call_index").as_uint64().value();
        auto status = parse_transaction_status(member_of(arrival, "response"));
        CHECK(status.has_value() && index < in_call_order.size());
        in_call_order[index] = std::move(*status);
    }
    auto resume = parse_transaction_status(member_of(each, "resume_response"));
    CHECK(resume.has_value());
    GateBatch out{{}, std::move(*resume), {}};
    for (auto& status : in_call_order) out.submits.push_back(std::move(status).value());
    return out;
}

void check_dispatch_row(
    const Json& row, const GateDispatch& dispatch, std::optional<std::uint64_t> height,
    const BlockHeights& heights) {
    EXPECT_EQ(std::to_string(dispatch.intent_id), text_of(row, "intent_id"));
    EXPECT_EQ(dispatch.target_receipt_id->to_string(), text_of(row, "receipt_id"));
    EXPECT_EQ(dispatch.gate_receipt_id->to_string(), text_of(row, "gate_receipt_id"));
    EXPECT_EQ(dispatch.receiver_id->text(), text_of(row, "receiver_id"));
    EXPECT_EQ(dispatch.call->method_name, text_of(row, "method_name"));
    EXPECT_EQ(height, member_of(row, "block_height").as_uint64().value());
    EXPECT_EQ(
        heights.at(*dispatch.target_block_hash),
        member_of(row, "target_block_height").as_uint64().value());
    const bool success = text_of(row, "status") == "success";
    EXPECT_EQ(dispatch.target == GateDispatch::Target::Succeeded, success);
    EXPECT_EQ(dispatch.target == GateDispatch::Target::Failed, !success);
    if (!success) {
        EXPECT_EQ(dispatch.target_error, text_of(row, "error"));
    }
}

void check_batch(const Json& each, const AccountId& gate, const BlockHeights& heights) {
    const Json& expected = member_of(each, "expected");
    const auto evidence = read_gate_batch(batch_of(each), gate, heights);
    const auto& rows = member_of(expected, "dispatch").items();
    const auto& ids = member_of(expected, "intent_ids").items();
    ASSERT_EQ(evidence.dispatches.size(), rows.size());
    ASSERT_EQ(ids.size(), rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        EXPECT_EQ(std::to_string(evidence.dispatches[i].intent_id), ids[i].string_value());
        check_dispatch_row(rows[i], evidence.dispatches[i], evidence.heights[i], heights);
    }
    EXPECT_TRUE(evidence.complete);
    EXPECT_EQ(evidence.all_succeeded, member_of(expected, "all_succeeded").as_boolean().value());
    const bool increasing = std::is_sorted(
        evidence.heights.begin(), evidence.heights.end(), [](auto a, auto b) { return a <= b; });
    EXPECT_EQ(increasing, member_of(expected, "strictly_increasing").as_boolean().value());
    if (increasing) {
        EXPECT_TRUE(evidence.problems.empty()) << evidence.problems.front();
    }
}

TEST(NearGateVectorTest, OutcomesGiveTheEvidence) {
    const Json document = read_vectors("gate_tx_outcomes.json");
    const auto gate = AccountId::parse(text_of(document, "gate_id"));
    ASSERT_TRUE(gate);
    const auto heights = heights_of(document);
    for_each_case(document, [&](const Json& each) {
        const std::string kind = text_of(each, "kind");
        if (kind == "outer_receipt") return check_outer(each, *gate);
        if (kind == "resume") return check_resume(each, *gate);
        if (kind == "dispatch") return check_dispatch(each, *gate);
        if (kind == "batch") return check_batch(each, *gate, heights);
        ADD_FAILURE() << "unknown kind " << kind;
    });
}

// A case of the vectors, to be spoilt.
Json good_case(std::string_view name) {
    const Json document = read_vectors("gate_tx_outcomes.json");
    for (const Json& each : member_of(document, "cases").items()) {
        if (text_of(each, "name") == name) return each;
    }
    ADD_FAILURE() << "no case " << name;
    return Json::object();
}

GateBatch good_batch() {
    GateBatch out = batch_of(good_case("batch-ok"));
    for (std::size_t i = 0; i < out.submits.size(); ++i) {
        const auto submit = read_gate_submit(out.submits[i], kGate);
        const auto dispatch = read_gate_dispatch(out.submits[i], kGate, submit.intent_id).value();
        out.calls.push_back(
            {*dispatch.receiver_id, dispatch.call->method_name, dispatch.call->args, std::nullopt});
    }
    return out;
}

BatchEvidence evidence_of(const GateBatch& batch) {
    return read_gate_batch(batch, kGate, heights_of(read_vectors("gate_tx_outcomes.json")));
}

ExecutionOutcome& outcome_with(TransactionStatus& status, std::string_view log) {
    for (ExecutionOutcome& outcome : status.receipts_outcome) {
        for (const std::string& line : outcome.logs) {
            if (line.find(log) != std::string::npos) return outcome;
        }
    }
    CHECK(false);
    return status.transaction_outcome;
}

TEST(NearGateTest, AGoodBatchHasNoProblems) {
    const auto evidence = evidence_of(good_batch());
    EXPECT_TRUE(evidence.problems.empty()) << evidence.problems.front();
    EXPECT_TRUE(evidence.all_succeeded);
}

TEST(NearGateTest, LinesThatAnotherContractPrintsDoNotCount) {
    auto batch = good_batch();
    outcome_with(batch.submits[1], "intent_dispatched").executor_id =
        AccountId::parse("forger.near").value();
    const auto evidence = evidence_of(batch);
    EXPECT_FALSE(evidence.complete);
    EXPECT_EQ(evidence.dispatches[1].state, GateDispatch::State::Pending);
}

TEST(NearGateTest, LogsOfAFailedReceiptDoNotCount) {
    auto batch = good_batch();
    auto& callback = outcome_with(batch.submits[0], "intent_dispatched");
    callback.status = {ExecutionStatus::Kind::Failure, {}, {}, "Exceeded the prepaid gas."};
    const auto evidence = evidence_of(batch);
    EXPECT_EQ(evidence.dispatches[0].state, GateDispatch::State::NotDispatched);
    EXPECT_NE(evidence.dispatches[0].reason.find("Exceeded the prepaid gas."), std::string::npos);
    EXPECT_FALSE(evidence.all_succeeded);
    EXPECT_FALSE(evidence.problems.empty());
}

TEST(NearGateTest, EveryDisagreementIsNamed) {
    const auto problems = [](auto change) {
        GateBatch batch = good_batch();
        change(batch);
        return evidence_of(batch).problems.size();
    };
    EXPECT_GT(problems([](GateBatch& batch) { batch.calls[1].args.push_back('x'); }), 0U);
    EXPECT_GT(problems([](GateBatch& batch) { batch.calls[1].method_name = "other"; }), 0U);
    EXPECT_GT(
        problems([](GateBatch& batch) {
            batch.calls[2].receiver_id = AccountId::parse("other.near").value();
        }),
        0U);
    EXPECT_GT(problems([](GateBatch& batch) { batch.calls[0].intent_hash = MessageHash{}; }), 0U);
    EXPECT_GT(
        problems([](GateBatch& batch) { std::swap(batch.submits[0], batch.submits[1]); }), 0U);
    EXPECT_GT(problems([](GateBatch& batch) { batch.submits[1] = batch.submits[0]; }), 0U);
    EXPECT_GT(problems([](GateBatch& batch) { batch.submits.pop_back(); }), 0U);
    EXPECT_GT(
        problems([](GateBatch& batch) {
            for (ActionReceipt& receipt : batch.submits[0].receipts) {
                if (receipt.receiver_id.text() == "intents.near") {
                    receipt.predecessor_id = AccountId::parse("forger.near").value();
                }
            }
        }),
        0U);
    EXPECT_GT(
        problems([](GateBatch& batch) {
            auto& outcome = outcome_with(batch.submits[0], "chain_continued");
            outcome.logs.clear();
        }),
        0U);
    EXPECT_GT(
        problems([](GateBatch& batch) {
            auto& outcome = outcome_with(batch.submits[2], "intent_dispatched");
            outcome.block_hash = outcome_with(batch.submits[0], "intent_dispatched").block_hash;
        }),
        0U);
}

TEST(NearGateTest, TheIntentHashIsFoundInTheContractsOwnWords) {
    const auto batch = good_batch();
    const auto dispatch = evidence_of(batch).dispatches[0];
    bool found = false;
    for (const std::string& line : dispatch.target_logs) {
        const auto at = line.find("\"intent_hash\":\"");
        if (at == std::string::npos) continue;
        const auto text = line.substr(at + 15, line.find('"', at + 15) - at - 15);
        found = logs_show_intent(dispatch.target_logs, MessageHash::parse(text).value());
    }
    EXPECT_TRUE(found);
    EXPECT_FALSE(logs_show_intent(dispatch.target_logs, MessageHash{}));
}

TEST(NearGateTest, BothFormsOfALogLineAreReadAndNothingElse) {
    const auto trace = parse_gate_log(
        R"(trace:{"ev":"intent_dispatched","id":7,"receiver":"a.near","method":"m","seq":null})");
    ASSERT_TRUE(trace);
    EXPECT_EQ(trace->name, "intent_dispatched");
    EXPECT_EQ(trace->id, 7U);
    EXPECT_EQ(trace->seq, std::nullopt);
    const auto object = parse_gate_log(
        R"(EVENT_JSON:{"standard":"sequential","event":"batch_started","data":{"batch_id":"5"}})");
    ASSERT_TRUE(object);
    EXPECT_EQ(object->batch_id, 5U);
    EXPECT_TRUE(parse_gate_log(R"(EVENT_JSON:{"standard":"sequential","event":"x","data":[]})"));
    for (const std::string_view line :
         {"", "hello", "trace:", "trace:{}", "trace:[]", R"(trace:{"ev":7})",
          R"( trace:{"ev":"x"})", R"(EVENT_JSON:{"standard":"dip4","event":"x","data":[]})",
          R"(EVENT_JSON:{"event":"x","data":[]})", R"(trace:{"ev":"a","method":"q"uote"})"}) {
        EXPECT_FALSE(parse_gate_log(line)) << line;
    }
    // Numbers that are none, or too large for an id.
    const auto odd =
        parse_gate_log(R"(trace:{"ev":"x","id":1.5,"n":-1,"seq":"01","amount":"1e3"})");
    ASSERT_TRUE(odd);
    EXPECT_FALSE(odd->id || odd->n || odd->seq || odd->amount);
    EXPECT_FALSE(parse_gate_log(R"(trace:{"ev":"x","id":18446744073709551616})")->id);
}

TEST(NearGateTest, AnswersThatAreNoneAreRefused) {
    for (const char* text :
         {"null", "[]", "{}", R"({"result":{}})", R"({"result":"Unknown"})",
          R"({"result":{"transaction":{},"transaction_outcome":{}}})"}) {
        const auto status = parse_transaction_status(Json::parse(text).value());
        ASSERT_FALSE(status) << text;
        EXPECT_EQ(status.error().code(), ErrorCode::CorruptData) << text;
    }
    const auto busy = parse_transaction_status(
        Json::parse(R"({"error":{"name":"HANDLER_ERROR","cause":{"name":"NOT_SYNCED_YET"}}})")
            .value());
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().code(), ErrorCode::Unavailable);
    EXPECT_EQ(busy.error().reason(), "NOT_SYNCED_YET");
}

TEST(NearGateTest, ACircleOfReceiptsIsPending) {
    auto status =
        parse_transaction_status(member_of(good_case("submit-yield-pending"), "response")).value();
    auto& outcome = status.receipts_outcome.front();
    outcome.status.kind = ExecutionStatus::Kind::SuccessReceipt;
    outcome.status.receipt = outcome.id;
    EXPECT_EQ(status.find_final_outcome(outcome.id), nullptr);
}

}  // namespace
}  // namespace adyton::near

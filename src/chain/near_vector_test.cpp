#include <gtest/gtest.h>

#include <string>

#include "base/json.h"
#include "base/test_vectors.h"
#include "chain/json_rpc.h"
#include "chain/near_types.h"

// Answers about transactions (tests/vectors/near/gate_tx_outcomes.json, or the directory that
// ADYTON_VECTORS names) through the parsers. Every answer of every case is read.
namespace adyton::chain {
namespace {

base::Json read_outcomes() {
    return base::read_vectors("near/gate_tx_outcomes.json");
}

void check_transaction(const base::Json& result) {
    const auto transaction = parse_near_transaction(result);
    ASSERT_TRUE(transaction) << transaction.error().message();
    const base::Json& status = *result.find("status");
    using Status = NearTransaction::Status;
    EXPECT_EQ(transaction->status == Status::Success, status.find("SuccessValue") != nullptr);
    EXPECT_EQ(transaction->status == Status::Failure, status.find("Failure") != nullptr);
    if (status.is_string()) {
        const bool started = status.string_value() == "Started";
        EXPECT_EQ(transaction->status, started ? Status::Started : Status::NotStarted);
    }
    EXPECT_EQ(transaction->execution_status, result.find("final_execution_status")->string_value());
    EXPECT_EQ(transaction->result, result);
}

void check_answer(const base::Json& given) {
    // Only the id differs from ours, which are numbers; some cases are the result alone.
    base::Json response = given;
    if (response.find("jsonrpc") == nullptr) {
        response = base::Json::object().set("result", given);
    }
    response.set("id", base::Json::integer(1));
    const auto answer = parse_rpc_answer(response.dump(), 1);
    ASSERT_TRUE(answer) << answer.error().message();
    const auto* const error = std::get_if<RpcError>(&*answer);
    if (error == nullptr) return check_transaction(std::get<base::Json>(*answer));
    const base::Json& cause = *response.find("error")->find("cause")->find("name");
    EXPECT_EQ(error->cause, cause.string_value());
    EXPECT_EQ(is_unknown_near_transaction(*error), error->cause == "UNKNOWN_TRANSACTION");
}

TEST(NearRpcVectorTest, EveryAnswerAboutATransactionIsRead) {
    const base::Json file = read_outcomes();
    const base::Json* const cases = file.find("cases");
    ASSERT_NE(cases, nullptr);
    ASSERT_GT(cases->size(), 0U);
    for (const base::Json& one : cases->items()) {
        SCOPED_TRACE(one.find("name")->string_value());
        int answers = 0;
        for (const auto& [name, value] : one.members()) {
            if (name == "response" || name == "resume_response") {
                check_answer(value);
                ++answers;
            } else if (name == "submit_responses_in_arrival_order") {
                for (const base::Json& submit : value.items()) {
                    check_answer(*submit.find("response"));
                    ++answers;
                }
            }
        }
        EXPECT_GT(answers, 0);
    }
}

}  // namespace
}  // namespace adyton::chain

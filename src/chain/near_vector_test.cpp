#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"
#include "chain/json_rpc.h"
#include "chain/near_types.h"

// Answers about transactions (tests/vectors/near/gate_tx_outcomes.json, or the directory that
// ADYTON_VECTORS names) through the parsers. Every case is executed.
namespace adyton::chain {
namespace {

TEST(NearRpcVectorTest, EveryAnswerAboutATransactionIsRead) {
    const char* const configured = std::getenv("ADYTON_VECTORS");
    const std::string directory = configured != nullptr ? configured : "tests/vectors";
    const std::string path = directory + "/near/gate_tx_outcomes.json";
    std::ifstream file(path, std::ios::binary);
    ASSERT_TRUE(file) << "cannot read " << path;
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const auto parsed = base::Json::parse(text);
    ASSERT_TRUE(parsed) << path << " is not JSON";
    const base::Json* const cases = parsed->find("cases");
    ASSERT_NE(cases, nullptr);
    ASSERT_GT(cases->size(), 0U);
    for (const base::Json& one : cases->items()) {
        SCOPED_TRACE(one.find("name")->string_value());
        // Only the id differs from ours, which are numbers.
        base::Json response = *one.find("response");
        response.set("id", base::Json::integer(1));
        const auto answer = parse_rpc_answer(response.dump(), 1);
        ASSERT_TRUE(answer) << answer.error().message();
        if (const auto* error = std::get_if<RpcError>(&*answer)) {
            const base::Json& cause = *response.find("error")->find("cause")->find("name");
            EXPECT_EQ(error->cause, cause.string_value());
            EXPECT_EQ(is_unknown_near_transaction(*error), error->cause == "UNKNOWN_TRANSACTION");
            continue;
        }
        const base::Json& result = std::get<base::Json>(*answer);
        const auto transaction = parse_near_transaction(result);
        ASSERT_TRUE(transaction) << transaction.error().message();
        const base::Json& status = *result.find("status");
        using Status = NearTransaction::Status;
        EXPECT_EQ(transaction->status == Status::Success, status.find("SuccessValue") != nullptr);
        EXPECT_EQ(transaction->status == Status::Failure, status.find("Failure") != nullptr);
        if (status.is_string()) {
            EXPECT_EQ(
                transaction->status,
                status.string_value() == "Started" ? Status::Started : Status::NotStarted);
        }
    }
}

}  // namespace
}  // namespace adyton::chain

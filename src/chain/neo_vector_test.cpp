#include <gtest/gtest.h>

#include <map>
#include <string>

#include "base/json.h"
#include "base/test_vectors.h"
#include "chain/internal/neo_requests.h"
#include "chain/json_rpc.h"
#include "chain/neo_types.h"

// Answers of a live neo-go node (tests/vectors/neo/rpc_examples.json, or the directory that
// ADYTON_VECTORS names) through the parsers. Every case is executed.
namespace adyton::chain {
namespace {

base::Json read_examples() {
    return base::read_vectors("neo/rpc_examples.json");
}

// What the result itself says, found without our parsers.
std::string text_at(const base::Json& object, std::string_view name) {
    const base::Json* const member = object.find(name);
    return member != nullptr && member->is_string() ? member->string_value() : "";
}

void check_execution(
    const base::Json& said, VmState state, std::int64_t gas, const std::string& exception,
    const std::vector<StackItem>& stack, const std::vector<Notification>& notifications,
    std::string_view state_name) {
    EXPECT_EQ(text_at(said, state_name), to_string(state));
    EXPECT_EQ(text_at(said, "gasconsumed"), std::to_string(gas));
    EXPECT_EQ(text_at(said, "exception"), exception);
    EXPECT_EQ(said.find("stack")->size(), stack.size());
    const base::Json* const list = said.find("notifications");
    ASSERT_NE(list, nullptr);
    ASSERT_EQ(list->size(), notifications.size());
    for (std::size_t i = 0; i < notifications.size(); ++i) {
        EXPECT_EQ(text_at(list->items()[i], "contract"), notifications[i].contract.to_string());
        const auto event = as_nep17_transfer(notifications[i]);
        ASSERT_TRUE(event);
        const base::Json& amount = list->items()[i].find("state")->find("value")->items()[2];
        EXPECT_EQ(text_at(amount, "value"), event->amount.to_string());
    }
}

void check_log(const base::Json& result) {
    const auto log = parse_application_log(result);
    ASSERT_TRUE(log) << log.error().message();
    EXPECT_EQ(text_at(result, "txid"), log->hash.to_string());
    check_execution(
        result.find("executions")->items().front(), log->state, log->gas_consumed, log->exception,
        log->stack, log->notifications, "vmstate");
}

void check_invocation(const base::Json& result) {
    const auto invocation = parse_invocation(result);
    ASSERT_TRUE(invocation) << invocation.error().message();
    check_execution(
        result, invocation->state, invocation->gas_consumed, invocation->exception,
        invocation->stack, invocation->notifications, "state");
}

void check_version(const base::Json& result) {
    const auto network = parse_neo_version(result);
    ASSERT_TRUE(network) << network.error().message();
    const base::Json& protocol = *result.find("protocol");
    EXPECT_EQ(*protocol.find("network")->as_uint64(), static_cast<std::uint64_t>(network->magic));
    EXPECT_EQ(*protocol.find("msperblock")->as_int64(), network->block_time.count());
    EXPECT_EQ(
        *protocol.find("maxvaliduntilblockincrement")->as_uint64(),
        network->valid_until_increment_max);
    EXPECT_EQ(text_at(result, "useragent"), network->user_agent);
}

void check_transaction(const base::Json& result) {
    if (result.is_string()) return;  // the base64 form, which we do not ask for
    const auto found = parse_transaction_place(result);
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(text_at(result, "hash"), found->hash.to_string());
    EXPECT_EQ(result.find("confirmations") != nullptr, found->confirmed);
}

void check_result(const std::string& method, const base::Json& result) {
    if (method == "getversion") return check_version(result);
    if (method == "getblockcount") {
        EXPECT_EQ(*parse_block_count(result), *result.as_uint64());
    } else if (method == "calculatenetworkfee") {
        EXPECT_EQ(std::to_string(*parse_network_fee(result)), text_at(result, "networkfee"));
    } else if (method == "sendrawtransaction") {
        EXPECT_EQ(parse_sent_hash(result)->to_string(), text_at(result, "hash"));
    } else if (method == "getapplicationlog") {
        check_log(result);
    } else if (method == "invokescript" || method == "invokefunction") {
        check_invocation(result);
    } else if (method == "getblock") {
        EXPECT_EQ(parse_block_header(result)->index, *result.find("index")->as_uint64());
    } else if (method == "getrawtransaction") {
        check_transaction(result);
    } else {
        EXPECT_EQ(method, "getnep17balances") << "a method without a check";
    }
}

void check_error(const std::string& method, const std::string& name, const RpcError& error) {
    if (method == "sendrawtransaction") {
        const SendOutcome outcome = internal::outcome_of_refusal(error);
        EXPECT_NE(outcome.kind, SendOutcome::Kind::Accepted);
        EXPECT_NE(outcome.kind, SendOutcome::Kind::Unknown) << "neo.md 5.5 knows the code";
        const bool again = name.find("same bytes again") != std::string::npos;
        EXPECT_EQ(outcome.kind == SendOutcome::Kind::AlreadyKnown, again);
    } else if (method == "getapplicationlog") {
        EXPECT_TRUE(is_unknown_transaction(error));
    } else if (method == "getrawtransaction") {
        EXPECT_TRUE(is_unknown_transaction(error));
    } else {
        EXPECT_FALSE(is_unknown_transaction(error));
    }
}

TEST(NeoRpcVectorTest, EveryAnswerOfALiveNodeIsUnderstood) {
    const base::Json file = read_examples();
    const base::Json* const cases = file.find("cases");
    ASSERT_NE(cases, nullptr);
    std::map<std::string, int> results;
    int errors = 0;
    for (const base::Json& one : cases->items()) {
        const std::string name = text_at(one, "name");
        SCOPED_TRACE(name);
        const base::Json& request = *one.find("request");
        const std::string method = text_at(request, "method");
        const auto answer =
            parse_rpc_answer(one.find("response")->dump(), *request.find("id")->as_uint64());
        ASSERT_TRUE(answer) << answer.error().message();
        if (const auto* error = std::get_if<RpcError>(&*answer)) {
            ++errors;
            EXPECT_EQ(error->code, *one.find("response")->find("error")->find("code")->as_int64());
            check_error(method, name, *error);
        } else {
            ++results[method];
            check_result(method, std::get<base::Json>(*answer));
        }
    }
    EXPECT_GT(errors, 0);
    EXPECT_FALSE(results.empty());
}

}  // namespace
}  // namespace adyton::chain

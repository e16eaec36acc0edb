#include <gtest/gtest.h>

#include "sim/routes_test_support.h"

// What requests may not ask for, over HTTP: nothing of it reaches the chain.
namespace adyton::sim {
namespace {

using base::Json;

constexpr const char* kBatch = "/wallet/v1/sequential-batch";
constexpr const char* kPlan = "/wallet/v1/workflows/plan";
constexpr const char* kExecute = "/wallet/v1/workflows/execute";

class RequestChecksTest : public RoutesTest {
protected:
    std::string gate_view(const std::string& method) {
        return world().chain().view(gate_, method, "{}").value().dump();
    }
    // A record that ended before anything was asked.
    void expect_rejected(const WorldAnswer& answer, const std::string& why) {
        EXPECT_EQ(answer.status, 400) << answer.text;
        EXPECT_EQ(answer.string("status"), "rejected") << answer.text;
        EXPECT_EQ(answer.string("user_visible_error"), why);
        EXPECT_EQ(answer.body.find("error"), nullptr);
        const std::string id = answer.string("request_id");
        EXPECT_EQ(answer.headers.find("X-Request-Id"), id);
        EXPECT_EQ(record(id).string("status"), "rejected");
    }

    const near::AccountId gate_ = near::AccountId::parse("gate.sequential.near").value();
};

TEST_F(RequestChecksTest, NobodyActsInTheGatesName) {
    open();
    const std::string before = gate_view("stats");
    const std::string next = Json::parse(before).value().items().at(3).string_value();
    const std::string forged =
        R"({"receiver_id":"gate.sequential.near","method_name":"continue_chain",)"
        R"("gas":"30000000000000","args_json":{"next_id":")" +
        next + R"(","next_seq":1})";
    const std::string why = "receiver_id must not be a gate: it would be called in its own name";
    const WorldAnswer batch = world().post(
        kBatch, world().wallet(0),
        R"({"gate_id":"gate.sequential.near","calls":[)" + forged + "}]}");
    expect_rejected(batch, "calls[0]." + why);
    const WorldAnswer workflow = world().post(
        kExecute, world().wallet(0), R"({"steps":[)" + forged + R"(,"route":"gate_proxy"}]})");
    expect_rejected(workflow, "steps[0]." + why);
    world().pass(std::chrono::seconds(30));
    EXPECT_EQ(gate_view("stats"), before);
    EXPECT_EQ(gate_view("get_batch_tail"), "[]");
    EXPECT_EQ(world().deeds(), 0U);
}

TEST_F(RequestChecksTest, PlanAndExecuteRefuseTheSameForms) {
    open();
    for (const char* const step :
         {R"({"kind":"intents.transfer","amount":1,"token":5,"gas":true})",
          R"({"kind":"intents.transfer","receiver_id":"NOT AN ACCOUNT","amount":"-1"})",
          R"({"kind":"near.function_call","requires_user_predecessor":true,"user_id":5})",
          R"({"kind":"near.function_call","requires_user_predecessor":true,"actions":[]})",
          R"({"receiver_id":"intents.near","method_name":"execute_intents","near_intents":"x"})",
          R"({"kind":"funding.wrap_near","amount":"-1"})"}) {
        const std::string body = std::string(R"({"steps":[)") + step + "]}";
        for (const char* const path : {kPlan, kExecute}) {
            const WorldAnswer answer = world().post(path, world().wallet(0), body);
            expect_error(answer, 400, "invalid_request");
            EXPECT_TRUE(answer.string("message").starts_with("invalid workflow JSON: steps[0]."))
                << answer.text;
        }
    }
}

TEST_F(RequestChecksTest, ABatchOfWrongValuesIsARecord) {
    open();
    const auto post = [&](const std::string& call) {
        return world().post(
            kBatch, world().wallet(0),
            R"({"idempotency_key":"k","gate_id":"gate.sequential.near","calls":[)" + call + "]}");
    };
    const std::string call = R"({"receiver_id":"A","method_name":"m","gas":"1","args_json":"{}"})";
    const WorldAnswer rejected = post(call);
    expect_rejected(rejected, "calls[0].receiver_id is not an account id");
    EXPECT_EQ(post(call).string("request_id"), rejected.string("request_id"));
    expect_error(post(R"({"receiver_id":5})"), 400, "invalid_request");
}

TEST_F(RequestChecksTest, AForeignSignerIsNamedByItsPlaceInTheRequest) {
    open();
    const auto ends_as = [&](const char* path, const std::string& body) {
        const WorldAnswer kept = world().post(path, world().wallet(0), body);
        return until(kept.string("request_id"), "done").string("user_visible_error");
    };
    const std::string intents =
        R"("near_intents":{"signer_id":"bob.near","intents":[{"intent":"transfer",)"
        R"("receiver_id":"carol.near","tokens":{"nep141:wrap.near":"1"}}]}})";
    const std::string why = ".near_intents.signer_id is not the wallet's account";
    EXPECT_EQ(
        ends_as(kExecute, R"({"steps":[{"kind":"intents.execute_raw",)" + intents + "]}"),
        "steps[0]" + why);
    EXPECT_EQ(
        ends_as(
            kBatch, R"({"gate_id":"gate.sequential.near","calls":[{"receiver_id":"intents.near",)"
                    R"("method_name":"execute_intents","gas":"100000000000000",)" +
                        intents + "]}"),
        "calls[0]" + why);
}

TEST_F(RequestChecksTest, AKeyThatIsNotInstalledIsMissingAsOfABlock) {
    open();
    world().pass(std::chrono::seconds(5));
    const WorldAnswer answer =
        world().get("/wallet/v1/direct-user/function-call-key/status", world().wallet(0));
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_FALSE(answer.at("installed").boolean_value());
    EXPECT_TRUE(answer.at("nonce").is_null());
    const auto height = answer.at("block_height").as_uint64();
    ASSERT_TRUE(height) << answer.text;
    EXPECT_LE(*height, world().chain().height());
    EXPECT_GT(*height + 10, world().chain().height());
}

}  // namespace
}  // namespace adyton::sim

#include "coordinator/planner.h"

#include <gtest/gtest.h>

#include "base/test_vectors.h"

namespace adyton::coordinator {
namespace {

using base::Json;

Json read_vectors(const std::string& name) {
    return base::read_vectors("near/" + name);
}

Result<Plan> plan_of(std::string_view text) {
    TRY(const Json request, Json::parse(text));
    TRY(const auto steps, parse_workflow(request));
    return plan_workflow(steps, {});
}

void check_text(const Json& expected, std::string_view name, std::string_view value) {
    const Json* const member = expected.find(name);
    if (member != nullptr) {
        EXPECT_EQ(member->string_value(), value) << name;
    }
}

TEST(PlannerVectorTest, EveryWorkflowGetsItsPlanAndItsOutcome) {
    const Json document = read_vectors("planner.json");
    const Json* const cases = document.find("cases");
    ASSERT_TRUE(cases != nullptr && cases->size() > 0);
    for (const Json& each : cases->items()) {
        SCOPED_TRACE(each.find("name")->dump());
        const auto steps = parse_workflow(*each.find("workflow"));
        ASSERT_TRUE(steps) << steps.error().message();
        const Plan plan = plan_workflow(*steps, {});
        EXPECT_EQ(to_json(plan).dump(), each.find("expected_plan")->dump());
        const auto outcome = outcome_of(plan);
        const Json& expected = *each.find("expected_execute");
        check_text(expected, "status", to_string(outcome.status));
        check_text(expected, "predecessor_model", outcome.predecessor_model);
        check_text(expected, "ordering_model", outcome.ordering_model);
        check_text(expected, "user_visible_error", outcome.error);
        if (const Json* const proxy = expected.find("proxy_predecessor")) {
            EXPECT_EQ(
                outcome.status == PlanOutcome::Status::Executable, proxy->as_boolean().value());
        }
    }
}

TEST(PlannerTest, NullIsNoKindAndAWrongTypeIsRefused) {
    EXPECT_EQ(
        plan_of(R"({"steps":[{"kind":null,"receiver_id":"a.near","route":"gate_proxy"}]})")
            ->steps[0]
            .lane,
        Lane::GateProxy);
    for (const char* text :
         {"[]", "{}", R"({"steps":{}})", R"({"steps":[]})", R"({"steps":[7]})",
          R"({"steps":[{"kind":7}]})", R"({"steps":[{"receiver_id":null}]})",
          R"({"steps":[{"deposit":1}]})", R"({"steps":[{"requires_user_predecessor":"true"}]})",
          R"({"steps":[{"requires_user_predecessor":null}]})",
          R"({"steps":[{"route":"elsewhere"}]})", R"({"steps":[{"gate_batch":1}]})"}) {
        const auto refused = plan_of(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_TRUE(refused.error().message().starts_with("invalid workflow JSON: ")) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument);
    }
    std::string many = R"({"steps":[{})";
    for (std::size_t i = 1; i < kWorkflowStepsMax; ++i) many += ",{}";
    EXPECT_TRUE(plan_of(many + "]}"));
    EXPECT_FALSE(plan_of(many + ",{}]}"));
}

TEST(PlannerTest, FourGateCallsAreOneTooMany) {
    const std::string step = R"({"kind":"intents.transfer"})";
    const auto four = plan_of("{\"steps\":[" + step + "," + step + "," + step + "," + step + "]}");
    ASSERT_TRUE(four);
    EXPECT_TRUE(four->accepted);
    const auto outcome = outcome_of(*four);
    EXPECT_EQ(outcome.status, PlanOutcome::Status::Rejected);
    EXPECT_EQ(outcome.error, "gate batch supports at most 3 calls");
    EXPECT_EQ(outcome_of(Plan{true, {}}).error, "workflow contains no executable gate_proxy steps");
}

TEST(PlannerTest, ConfiguredContractsTakeThePlaceOfTheUsualOnes) {
    const auto json =
        Json::parse(R"({"steps":[{"receiver_id":"wrap.testnet","method_name":"near_deposit"},)"
                    R"({"kind":"intents.transfer"}]})");
    const auto plan =
        plan_workflow(parse_workflow(*json).value(), {"intents.testnet", "wrap.testnet"});
    EXPECT_EQ(plan.steps[0].lane, Lane::FundingSetup);
    EXPECT_EQ(plan.steps[1].receiver_id, "intents.testnet");
}

TEST(PlannerTest, SigningFieldsAreFoundAtAnyDepth) {
    for (const char* key :
         {"private_key", "signer_key", "signer_private_key", "signed_tx_base64",
          "signed_delegate_base64", "delegate_action", "sign_nep366_delegate",
          "sign_near_transaction"}) {
        const auto json = Json::parse(
            std::string(R"({"steps":[{},{"actions":[{"x":{")") + key + R"(":null}}]}]})");
        const auto refused = check_no_signing_fields(json.value());
        ASSERT_FALSE(refused) << key;
        EXPECT_EQ(
            refused.error().message(), std::string("wallet workflow must not include raw signing "
                                                   "field ") +
                                           key + " at $.steps[1].actions[0].x");
    }
    EXPECT_TRUE(check_no_signing_fields(Json::parse(R"({"memo":"private_key"})").value()));
}

}  // namespace
}  // namespace adyton::coordinator

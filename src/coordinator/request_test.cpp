#include "coordinator/request.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

namespace adyton::coordinator {
namespace {

using base::Json;

const base::Timestamp kNow =
    base::parse_rfc3339("2026-04-24T19:55:00Z").value();  // five minutes before the example's end

CoordinatorOptions options() {
    return CoordinatorOptions::mainnet();
}

Json json(std::string_view text) {
    auto parsed = Json::parse(text);
    EXPECT_TRUE(parsed) << text;
    return parsed ? *std::move(parsed) : Json();
}

Result<PlannedRequest> batch(const std::string& text) {
    return plan_batch_request(json(text), options(), kNow);
}

std::string batch_error(const std::string& text) {
    const auto planned = batch(text);
    EXPECT_TRUE(planned) << planned.error().message();
    if (!planned) return "";
    EXPECT_EQ(planned->outcome.plan.status, PlanOutcome::Status::Rejected);
    return planned->outcome.plan.error;
}

std::string with_call(const std::string& call) {
    return R"({"gate_id":"gate.sequential.near","calls":[)" + call + "]}";
}

TEST(RequestTest, CanonicalJsonKnowsNoOrderAndNoSpaces) {
    EXPECT_EQ(
        canonical_json(json(R"( { "b" : [1, 2.50, {"y":null,"x":"<é>"}], "a": true } )")),
        R"({"a":true,"b":[1,2.50,{"x":"<é>","y":null}]})");
    EXPECT_EQ(
        body_hash_of("workflow", json(R"({"steps":[],"idempotency_key":"k","x":1})")),
        body_hash_of("workflow", json(R"({"x":1,"steps":[],"idempotency_key":"other"})")));
    EXPECT_NE(
        body_hash_of("workflow", json(R"({"x":1})")), body_hash_of("workflow", json(R"({"x":2})")));
    EXPECT_NE(body_hash_of("workflow", json("{}")), body_hash_of("sequential_batch", json("{}")));
}

TEST(RequestTest, KeysOfBodyAndHeaderMustAgree) {
    EXPECT_EQ(idempotency_key_of(json(R"({"idempotency_key":"a"})"), "a")->value(), "a");
    EXPECT_EQ(idempotency_key_of(json("{}"), "b")->value(), "b");
    EXPECT_FALSE(idempotency_key_of(json("{}"), std::nullopt)->has_value());
    EXPECT_FALSE(idempotency_key_of(json(R"({"idempotency_key":"a"})"), "b"));
    EXPECT_FALSE(idempotency_key_of(json(R"({"idempotency_key":""})"), std::nullopt));
    EXPECT_FALSE(idempotency_key_of(json(R"({"idempotency_key":7})"), std::nullopt));
    EXPECT_FALSE(idempotency_key_of(
        json("{\"idempotency_key\":\"" + std::string(129, 'k') + "\"}"), std::nullopt));
}

TEST(RequestTest, BatchesAreRejectedWithTheTextsOfTheContract) {
    EXPECT_EQ(batch_error("{}"), "gate_id is required");
    EXPECT_EQ(
        batch_error(R"({"gate_id":"gate.sequential.near","calls":[]})"),
        "sequential batch requires 1 to 3 calls");
    EXPECT_EQ(batch_error(with_call("{},{},{},{}")), "sequential batch requires 1 to 3 calls");
    EXPECT_EQ(
        batch_error(R"({"gate_id":"other.near","calls":[{}]})"),
        "gate_id must be the configured gate gate.sequential.near");
    EXPECT_EQ(batch_error(with_call("{}")), "calls[0].receiver_id is required");
    EXPECT_EQ(
        batch_error(with_call(R"({"receiver_id":"a.near"})")), "calls[0].method_name is required");
    const std::string call = R"({"receiver_id":"a.near","method_name":"m")";
    EXPECT_EQ(batch_error(with_call(call + "}")), "calls[0].gas must be non-zero");
    EXPECT_EQ(
        batch_error(with_call(call + R"(,"gas":"0","args_json":{}})")),
        "calls[0].gas must be non-zero");
    EXPECT_EQ(
        batch_error(with_call(call + R"(,"gas":"1","requires_user_predecessor":true})")),
        "calls[0] requires user predecessor, which the gate proxy cannot satisfy");
    EXPECT_EQ(
        batch_error(with_call(call + R"(,"gas":"1"})")),
        "calls[0] must include exactly one of args_base64, args_json, or near_intents");
    EXPECT_EQ(
        batch_error(with_call(call + R"(,"gas":"1","args_json":{},"args_base64":"e30="})")),
        "calls[0] must include exactly one of args_base64, args_json, or near_intents");
    EXPECT_EQ(
        batch_error(with_call(call + R"(,"gas":"1","near_intents":{}})")),
        "calls[0].near_intents requires intents.near.execute_intents with zero deposit");
    EXPECT_EQ(
        batch_error(with_call(call + R"(,"gas":"210000000000001","args_json":{}})")),
        "calls[0].gas exceeds the gate limit");
    EXPECT_EQ(
        batch_error(with_call(call + R"(,"gas":"1","deposit":"1","args_json":{}})")),
        "calls[0].deposit must be zero: the gate would pay it with its own money");
}

TEST(RequestTest, NoGateIsCalledThroughAGate) {
    CoordinatorOptions two = options();
    two.gates.push_back(near::AccountId::parse("gate2.sequential.near").value());
    const auto refusal = [](const Result<PlannedRequest>& planned) {
        EXPECT_TRUE(planned) << planned.error().message();
        if (!planned) return std::string();
        EXPECT_TRUE(planned->outcome.calls.empty());
        EXPECT_EQ(planned->outcome.plan.status, PlanOutcome::Status::Rejected);
        return planned->outcome.plan.error;
    };
    const std::string why = " must not be a gate: it would be called in its own name";
    const std::string other =
        R"({"receiver_id":"count.mike.near","method_name":"increase","gas":"1","args_json":{}})";
    for (const near::AccountId& gate : two.gates) {
        const std::string call = R"({"receiver_id":")" + gate.text() +
                                 R"(","method_name":"continue_chain","gas":"1",)"
                                 R"("args_json":"{}","route":"gate_proxy"})";
        const Json in_batch = json(with_call(other + "," + call));
        EXPECT_EQ(refusal(plan_batch_request(in_batch, two, kNow)), "calls[1].receiver_id" + why);
        const Json alone = json(R"({"steps":[)" + call + "]}");
        EXPECT_EQ(refusal(plan_request(alone, two, kNow)), "steps[0].receiver_id" + why);
        CoordinatorOptions lanes = two;
        lanes.enable_funding_lane = true;
        const Json mixed =
            json(R"({"steps":[{"kind":"funding.wrap_near","amount":"1"},)" + call + "]}");
        EXPECT_EQ(refusal(plan_request(mixed, lanes, kNow)), "steps[1].receiver_id" + why);
    }
    // Others are called, the intents contract as well.
    const Json raw =
        json(with_call(R"({"receiver_id":"intents.near","method_name":"execute_intents","gas":"1",)"
                       R"("args_json":{"signed":[]}})"));
    EXPECT_EQ(
        plan_batch_request(raw, two, kNow)->outcome.plan.status, PlanOutcome::Status::Executable);
}

TEST(RequestTest, ArgumentsAreTakenByteForByteOrDumpedCompact) {
    const auto args = [](const std::string& member) {
        const auto planned = batch(
            with_call(R"({"receiver_id":"a.near","method_name":"m","gas":"1",)" + member + "}"));
        EXPECT_TRUE(planned) << planned.error().message();
        const auto bytes = base::base64_decode(planned->outcome.calls.at(0).raw_args.value());
        return std::string(base::as_text(*bytes));
    };
    EXPECT_EQ(args(R"("args_json":"{ \"a\" : 1 }")"), R"({ "a" : 1 })");
    EXPECT_EQ(args(R"("args_json":{ "a" : "<" })"), R"({"a":"<"})");
    EXPECT_EQ(args(R"("args_base64":"AAE=")"), std::string("\0\1", 2));
}

TEST(RequestTest, ValuesOfABatchThatCannotBeAreRejectedAndOtherJsonIsRefused) {
    const std::string call = R"({"receiver_id":"a.near","method_name":"m","gas":"1",)";
    const std::string start = R"({"method_name":"m","gas":"1","args_json":{},)";
    const std::string to_intents =
        R"({"receiver_id":"intents.near","method_name":"execute_intents","gas":"1",)"
        R"("near_intents":)";
    for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
             {start + R"("receiver_id":"A"})", "receiver_id is not an account id"},
             {R"({"receiver_id":"a.near","method_name":"a-b","gas":"1","args_json":{}})",
              "method_name is not an identifier of 1 to 256 characters"},
             {R"({"receiver_id":"a.near","method_name":"m","gas":"1e5","args_json":{}})",
              "gas is not a number in decimal digits"},
             {call + R"("args_json":"{"})", "args_json is not JSON"},
             {call + R"("args_base64":"!"})", "args_base64 is not base64"},
             {call + R"("args_json":{},"deposit":"-1"})",
              "deposit is not an amount in decimal digits"},
             {to_intents + R"({"intents":[]}})", "near_intents.intents is empty"},
             {to_intents + R"({"deadline":"tomorrow","intents":[{}]}})",
              "near_intents.deadline is not a time of RFC 3339"},
             {to_intents + R"({"kind":"transfer","token":"nep141:a.near","amount":"1"}})",
              "near_intents.receiver_id is required"}}) {
        EXPECT_EQ(batch_error(with_call(text)), "calls[0]." + why) << text;
    }
    const std::string good = with_call(call + R"("args_json":{}})");
    const std::string checked = good.substr(0, good.size() - 1) + R"(,"post_batch_view_checks":)";
    EXPECT_EQ(batch_error(checked + "[{}]}"), "post_batch_view_checks[0].contract_id is required");
    EXPECT_EQ(
        batch_error(R"({"gate_id":"","post_batch_view_checks":[{}]})"), "gate_id is required");
    for (const std::string& text :
         {with_call("7"), with_call(call + R"("args_json":7})"), with_call(R"({"receiver_id":5})"),
          with_call(call + R"("args_json":{},"deposit":1})"),
          with_call(R"({"receiver_id":"a.near","method_name":"m","gas":true,"args_json":{}})"),
          with_call(R"({"receiver_id":"a.near","method_name":"m","gas":1.5,"args_json":{}})"),
          with_call(to_intents + "5}"), with_call(to_intents + R"({"intents":{}}})"),
          std::string(R"({"gate_id":5})"),
          std::string(R"({"gate_id":"gate.sequential.near","calls":{}})"), checked + "5}",
          checked + "[5]}"}) {
        const auto refused = batch(text);
        ASSERT_FALSE(refused) << text;
        EXPECT_TRUE(refused.error().message().starts_with("invalid workflow JSON: ")) << text;
    }
}

TEST(RequestTest, ACallOfABatchHasNoKind) {
    const auto planned = batch(with_call(
        R"({"kind":"funding.wrap_near","receiver_id":"a.near","method_name":"m","gas":"1",)"
        R"("args_json":{}})"));
    ASSERT_TRUE(planned) << planned.error().message();
    EXPECT_EQ(planned->outcome.plan.status, PlanOutcome::Status::Executable);
    EXPECT_EQ(planned->plan.steps.at(0).lane, Lane::GateProxy);
}

TEST(RequestTest, LongArgumentsLeaveLessGas) {
    const auto error_of = [](std::size_t bytes, std::uint64_t gas) {
        const auto planned = batch(with_call(
            R"({"receiver_id":"a.near","method_name":"m","gas":)" + std::to_string(gas) +
            R"(,"args_json":"\")" + std::string(bytes - 2, 'x') + R"(\""})"));
        EXPECT_TRUE(planned) << planned.error().message();
        return planned ? planned->outcome.plan.error : "";
    };
    constexpr std::uint64_t kMost = 210'000'000'000'000;
    constexpr std::uint64_t kLess = kMost - 1'000 * kGasPerArgumentByte;
    EXPECT_EQ(error_of(kArgumentBytesFree, kMost), "");
    EXPECT_EQ(error_of(kArgumentBytesFree + 1'000, kLess), "");
    EXPECT_EQ(
        error_of(kArgumentBytesFree + 1'000, kLess + 1),
        "calls[0].gas exceeds the gate limit, which is 209700000000000 with 17384 bytes of "
        "arguments");
    // Intents are signed as text, with their quotes escaped.
    const auto planned = plan_request(
        json(
            R"({"steps":[{"kind":"intents.transfer","token":"nep141:a.near","amount":"1",)"
            R"("receiver_id":"b.near","gas":"210000000000000","memo":")" +
            std::string(kArgumentBytesFree, 'x') + R"("}]})"),
        options(), kNow);
    ASSERT_TRUE(planned) << planned.error().message();
    EXPECT_TRUE(
        planned->outcome.plan.error.starts_with("steps[0].gas exceeds the gate limit, which is "))
        << planned->outcome.plan.error;
}

TEST(RequestTest, ATransferAsksThePolicyForTheCallAndForWhatLeaves) {
    const auto planned = plan_request(
        json(R"({"steps":[{"kind":"intents.transfer","token":"nep141:wrap.near","amount":"5",)"
             R"("receiver_id":"bob.near","memo":"hi"}]})"),
        options(), kNow);
    ASSERT_TRUE(planned) << planned.error().message();
    ASSERT_EQ(planned->outcome.plan.status, PlanOutcome::Status::Executable);
    const GateCall& call = planned->outcome.calls.at(0);
    EXPECT_EQ(call.gas, kGasDefault);
    EXPECT_EQ(
        call.intents.dump(),
        R"([{"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:wrap.near":"5"},"memo":"hi"}])");
    ASSERT_EQ(call.actions.size(), 2U);
    EXPECT_EQ(call.actions.items()[0].find("type")->string_value(), "call");
    const Json& action = call.actions.items()[1];
    EXPECT_EQ(action.find("type")->string_value(), "intents_transfer");
    EXPECT_EQ(action.find("to")->string_value(), "bob.near");
    EXPECT_EQ(action.find("token")->string_value(), "nep141:wrap.near");
    EXPECT_EQ(action.find("amount")->string_value(), "5");
}

std::string step_error(const std::string& step) {
    const auto planned = plan_request(json(R"({"steps":[)" + step + "]}"), options(), kNow);
    EXPECT_TRUE(planned) << planned.error().message();
    if (!planned) return "";
    EXPECT_EQ(planned->outcome.plan.status, PlanOutcome::Status::Rejected);
    return planned->outcome.plan.error;
}

TEST(RequestTest, ASwapNeedsAQuoteOrACounterparty) {
    const std::string swap =
        R"({"kind":"intents.swap","token_in":"nep141:a.near","token_out":"nep141:b.near",)"
        R"("amount_in":"5")";
    EXPECT_EQ(step_error(swap + "}"), "intents.swap needs a quote or counterparty payloads");
    const auto planned = plan_request(
        json(R"({"steps":[)" + swap + R"(,"deposit_address":"quote.near"}]})"), options(), kNow);
    ASSERT_TRUE(planned) << planned.error().message();
    EXPECT_EQ(planned->outcome.plan.status, PlanOutcome::Status::Executable);
    EXPECT_EQ(
        planned->outcome.calls.at(0).intents.dump(),
        R"([{"intent":"transfer","receiver_id":"quote.near","tokens":{"nep141:a.near":"5"}}])");
}

TEST(RequestTest, IntentsThatChangeWhoMaySignAreNotCarriedOut) {
    const auto raw = [](const std::string& intent) {
        return R"({"kind":"intents.execute_raw","near_intents":{"intents":[)" + intent + "]}}";
    };
    EXPECT_EQ(
        step_error(raw(
            R"({"intent":"add_public_key","public_key":"ed25519:4zvwRjXUKGfvwnParsHAS3HuSVzV5cA4McphgmoCtajS"})")),
        "near_intents.intents[0] add_public_key is not allowed");
    EXPECT_EQ(
        step_error(raw(R"({"intent":"set_auth_by_predecessor_id","enabled":false})")),
        "near_intents.intents[0] set_auth_by_predecessor_id is not allowed");
    EXPECT_EQ(
        step_error(raw(R"({"intent":"made_up"})")).rfind("near_intents.intents[0] is not", 0), 0U);
    EXPECT_EQ(
        step_error(raw(R"({"intent":"auth_call","contract_id":"a.near","msg":""})")),
        "near_intents.intents[0] auth_call is not allowed");
}

TEST(RequestTest, OwnDeadlinesLieAheadAndNotFar) {
    const auto with = [](const std::string& deadline) {
        return R"({"kind":"intents.execute_raw","near_intents":{"deadline":")" + deadline +
               R"(","intents":[{"intent":"transfer","receiver_id":"b.near","tokens":{"nep141:a.near":"1"}}]}})";
    };
    EXPECT_EQ(
        step_error(with("2026-04-24T19:00:00Z")), "steps[0].near_intents.deadline has passed");
    EXPECT_EQ(
        step_error(with("2026-04-24T21:00:00Z")),
        "steps[0].near_intents.deadline is more than 1 h ahead");
    EXPECT_TRUE(
        plan_request(json(R"({"steps":[)" + with("2026-04-24T20:00:00Z") + "]}"), options(), kNow));
    EXPECT_FALSE(plan_request(json(R"({"steps":[)" + with("tomorrow") + "]}"), options(), kNow));
}

TEST(RequestTest, MalformedStepsAndRawSignaturesAreNotKept) {
    for (
        const char* const text :
        {R"({"steps":[{"kind":"intents.transfer","token":"wrap.near","amount":"5","receiver_id":"b.near"}]})",
         R"({"steps":[{"kind":"intents.transfer","token":"nep141:a.near","amount":"05","receiver_id":"b.near"}]})",
         R"({"steps":[{"kind":"intents.transfer","token":"nep141:a.near","amount":"0","receiver_id":"b.near"}]})",
         R"({"steps":[{"kind":"intents.transfer","token":"nep141:a.near","amount":"5","receiver_id":"B"}]})",
         R"({"steps":[{"kind":"intents.transfer","token":"nep141:a.near","amount":"5","receiver_id":"b.near","gas":"1e5"}]})",
         R"({"steps":[{"route":"gate_proxy","receiver_id":"a.near","method_name":"a\"b"}]})",
         R"({"steps":[{"kind":"near.function_call","predecessor_requirement":"user_required"}]})",
         R"({"steps":[{"kind":"intents.transfer","memo":{"signed_tx_base64":"x"}}]})"}) {
        const auto refused = plan_request(json(text), options(), kNow);
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument) << text;
    }
}

// Those of the contract alone: others of their shape are for the planner, which comes after this.
TEST(RequestTest, ShortStepsOfTheVectorsAreAnsweredAsTheySay) {
    std::ifstream file("tests/vectors/near/planner.json", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    const Json document = json(text);
    const Json* const cases = document.find("cases");
    ASSERT_TRUE(cases != nullptr && cases->size() > 0);
    for (const Json& each : cases->items()) {
        SCOPED_TRACE(each.find("name")->dump());
        const Json& workflow = *each.find("workflow");
        EXPECT_TRUE(check_step_forms(workflow));
        const Json& expected = *each.find("expected_execute");
        if (expected.find("http_status") == nullptr) continue;
        const auto planned = plan_request(workflow, options(), kNow);
        ASSERT_TRUE(planned) << planned.error().message();
        const PlanOutcome& outcome = planned->outcome.plan;
        EXPECT_EQ(to_string(outcome.status), expected.find("status")->string_value());
        if (const Json* const why = expected.find("user_visible_error")) {
            EXPECT_EQ(outcome.error, why->string_value());
        }
    }
}

TEST(RequestTest, FormsAreCheckedWhateverLaneIsOn) {
    const std::string user =
        R"("kind":"near.function_call","predecessor_requirement":"user_required",)"
        R"("receiver_id":"count.mike.near")";
    for (const std::string& step : {
             std::string(R"("kind":"funding.wrap_near","amount":5)"),
             std::string(R"("kind":"funding.wrap_near","amount":"-1")"),
             std::string(R"("kind":"funding.intents_deposit","amount":"1","token":7)"),
             std::string(R"("kind":"funding.balance_check","account_id":"A")"),
             std::string(R"("kind":"funding.storage_deposit","receiver_id":"A")"),
             std::string(R"("kind":"intents.transfer","amount":1)"),
             std::string(R"("kind":"intents.transfer","deposit":"1","receiver_id":"A B")"),
             std::string(R"("kind":"intents.transfer","deposit":"1","gas":true)"),
             std::string(R"("kind":"intents.swap","deposit":"1","amount_in":"x")"),
             std::string(R"("kind":"intents.swap","deposit":"1","counterparty_signed":{})"),
             std::string(R"("kind":"intents.execute_raw","deposit":"1","near_intents":[])"),
             std::string(R"("receiver_id":"A","method_name":"ft_balance_of")"),
             std::string(R"("receiver_id":"a.near","method_name":"a b","route":"direct_user")"),
             std::string(R"("receiver_id":"a.near","near_intents":"x")"),
             std::string(R"("receiver_id":"a.near","near_intents":{"intents":{}})"),
             user + R"(,"method_name":"m","user_id":5)",
             user + R"(,"method_name":"m","user_id":"NOT AN ID")",
             user + R"(,"method_name":"m","gas":"x")",
             user + R"(,"method_name":"m","gas":"300000000000001")",
             user + R"(,"method_name":"m","deposit":"-5")",
             user + R"(,"method_name":"m","args_json":"{")",
             user + R"(,"actions":5)",
             user + R"(,"actions":[])",
             user + R"(,"actions":[5])",
             user + R"(,"actions":[{"gas":"1"}])",
             user + R"(,"actions":[{"method_name":"in\"c"}])",
             user + R"(,"actions":[{"method_name":"m","gas":true}])",
             user + R"(,"actions":[{"method_name":"m","deposit":[]}])",
             user + R"(,"actions":[{"method_name":"m","args_base64":"!"}])",
         }) {
        const auto refused = plan_request(
            json(R"({"steps":[{"kind":"funding.balance_check"},{)" + step + "}]}"), options(),
            kNow);
        ASSERT_FALSE(refused) << step;
        EXPECT_TRUE(refused.error().message().starts_with("invalid workflow JSON: steps[1]."))
            << refused.error().message();
    }
    // What is missing is asked for by the lane that needs it.
    for (const char* const step :
         {R"("kind":"funding.wrap_near")", R"("kind":"intents.transfer","deposit":"1")",
          R"("kind":"near.function_call")", R"("kind":"unheard.of","amount":1)"}) {
        EXPECT_TRUE(
            plan_request(json(R"({"steps":[{)" + std::string(step) + "}]}"), options(), kNow))
            << step;
    }
}

TEST(RequestTest, ScopesAreComparedExactlyButForTheOrderOfMethods) {
    CoordinatorOptions scoped = options();
    scoped.direct_user_scopes.push_back({"a.near", "r.near", "c.near", {"x", "y"}});
    EXPECT_TRUE(check_scope(counter_proof_scope(), scoped));
    EXPECT_TRUE(check_scope({"a.near", "r.near", "c.near", {"y", "x"}}, scoped));
    EXPECT_FALSE(check_scope({"a.near", "r.near", "c.near", {"x"}}, scoped));
    const auto refused = check_scope({"b.near", "r.near", "c.near", {"x", "y"}}, scoped);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(), "direct-user scope is not allowed");
}

TEST(OptionsTest, ASubmitThatCannotWorkIsWarnedAbout) {
    CoordinatorOptions chosen = options();
    EXPECT_TRUE(check_options(chosen));
    EXPECT_TRUE(warnings_of(chosen).empty());
    EXPECT_EQ(chosen.submit_gas, near::Gas::from_tgas(300));
    chosen.submit_gas = near::Gas::from_tgas(50);
    EXPECT_TRUE(check_options(chosen));
    ASSERT_EQ(warnings_of(chosen).size(), 1U);
    EXPECT_NE(warnings_of(chosen).front().find("SUBMIT_INTENT_GAS is 50 Tgas"), std::string::npos);
    chosen.submit_gas = near::Gas::from_tgas(301);
    EXPECT_FALSE(check_options(chosen));
    chosen = options();
    chosen.gates.push_back(chosen.gates.front());
    EXPECT_FALSE(check_options(chosen));
    chosen = options();
    chosen.gate_code_hash = "not base58 0OIl";
    EXPECT_FALSE(check_options(chosen));
}

}  // namespace
}  // namespace adyton::coordinator

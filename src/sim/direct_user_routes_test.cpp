#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <utility>

#include "near/transaction.h"
#include "sim/routes_test_support.h"

// The counter proof of a direct user (near.md 6.12) over HTTP.
namespace adyton::sim {
namespace {

using base::Json;

constexpr const char* kPrepare = "/wallet/v1/direct-user/function-call-key/prepare";
constexpr const char* kStatus = "/wallet/v1/direct-user/function-call-key/status";
constexpr const char* kExecute = "/wallet/v1/direct-user/function-call/execute";
constexpr const char* kScope =
    R"("user_id":"mike.near","registry_id":"mike.sequential.near","receiver_id":"count.mike.near")";

std::string prepare_body(const std::string& names = R"(["increase"])") {
    return "{" + std::string(kScope) + R"(,"method_names":)" + names + "}";
}
std::string execute_body(const std::string& key, const std::string& more = "") {
    return R"({"idempotency_key":")" + key + R"(",)" + kScope + R"(,"method_name":"increase")" +
           more + "}";
}

class DirectUserRoutesTest : public RoutesTest {
protected:
    WorldAnswer prepare() { return world().post(kPrepare, world().wallet(0), prepare_body()); }
    WorldAnswer status(const std::string& query = "") {
        return world().get(kStatus + query, world().wallet(0));
    }
    WorldAnswer execute(const std::string& key, const std::string& more = "") {
        return world().post(kExecute, world().wallet(0), execute_body(key, more));
    }
    // The same call as a step of a workflow.
    WorldAnswer execute_step(const std::string& key) {
        return world().post(
            "/wallet/v1/workflows/execute", world().wallet(0),
            R"({"idempotency_key":")" + key +
                R"(","steps":[{"kind":"near.function_call",)"
                R"("predecessor_requirement":"user_required","user_id":"mike.near",)"
                R"("receiver_id":"count.mike.near","method_name":"increase"}]})");
    }
    // With the lane for such steps, and the wallet's key in the user's account.
    void open_lane() {
        WorldOptions options;
        options.configure = [](coordinator::CoordinatorOptions& its) {
            its.enable_direct_user_lane = true;
        };
        open(std::move(options));
        add_key(permission());
    }
    WorldAnswer find(const std::string& id, std::size_t wallet = 0) {
        return world().get("/wallet/v1/direct-user/function-call/" + id, world().wallet(wallet));
    }
    WorldAnswer finish(const std::string& id) {
        for (int i = 0; i < 2'000; ++i) {
            const WorldAnswer now = find(id);
            if (now.string("phase") == "done") return now;
            world().pass(std::chrono::milliseconds(100));
        }
        ADD_FAILURE() << "it does not end";
        return {};
    }
    std::uint64_t count() {
        return world()
            .chain()
            .view(near::AccountId::parse("count.mike.near").value(), "get_count")
            .value()
            .as_uint64()
            .value();
    }

    // The user adds the wallet's key to their account, as the answer of prepare asks for or not.
    void add_key(near::AccessKeyPermission permission) {
        const WorldAnswer prepared = prepare();
        ASSERT_EQ(prepared.status, 200) << prepared.text;
        const auto user = near::AccountId::parse("mike.near").value();
        const auto owner = localchain::near_network_key(base::as_bytes("public"), user.text());
        const near::PublicKey own(owner.public_key());
        const auto state = world().chain().access_key_at(user, own, world().chain().height());
        ASSERT_TRUE(state);
        near::Transaction transaction{
            user, own, state->nonce + 1, user, world().chain().head().hash, {}};
        transaction.actions.push_back(near::AddKey{
            near::PublicKey::parse(prepared.string("public_key")).value(),
            near::AccessKey{0, std::move(permission)}});
        const auto signed_by = near::sign(std::move(transaction), owner);
        ASSERT_TRUE(signed_by);
        ASSERT_TRUE(world().chain().submit(near::serialize(*signed_by)).accepted());
        world().pass(std::chrono::seconds(5));
    }
    // Nodes take what is sent and forget it. A transaction counts as too old after 200 blocks.
    void open_among_forgetful_nodes() {
        WorldOptions options;
        options.configure = [](coordinator::CoordinatorOptions& its) { its.validity_blocks = 200; };
        open(std::move(options));
        add_key(permission());
        localchain::NearFaultRule rule;
        rule.fault = localchain::NearFault::Swallow;
        rule.method = "broadcast_tx_async";
        rule.count = localchain::NearFaultRule::kForever;
        for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).order(rule);
    }
    void expect_lost(const WorldAnswer& answer, const std::string& why) {
        EXPECT_EQ(answer.string("status"), "failed") << answer.text;
        EXPECT_EQ(answer.string("final_status"), "failed");
        EXPECT_EQ(answer.string("phase"), "watch");
        const std::string text = answer.string("user_visible_error");
        EXPECT_NE(text.find(why), std::string::npos) << text;
        EXPECT_NE(text.find("it may still land until block"), std::string::npos) << text;
    }
    static std::string evidence_text(const WorldAnswer& answer, const char* name) {
        const Json* const found = answer.at("direct_user_evidence").find(name);
        if (found == nullptr) return {};
        return found->is_string() ? found->string_value() : found->dump();
    }
    static near::FunctionCallPermission permission(
        const std::string& allowance = "50000000000000000000000",
        const std::string& receiver = "count.mike.near",
        std::vector<std::string> methods = {"increase"}) {
        near::FunctionCallPermission out{
            std::nullopt, near::AccountId::parse(receiver).value(), std::move(methods)};
        if (!allowance.empty()) out.allowance = near::YoctoNear::parse(allowance).value();
        return out;
    }
    void expect_not_installed(const std::string& reason) {
        const WorldAnswer answer = status();
        ASSERT_EQ(answer.status, 200) << answer.text;
        EXPECT_FALSE(answer.at("installed").boolean_value());
        EXPECT_NE(answer.at("reasons").dump().find(reason), std::string::npos) << answer.text;
        const std::uint64_t before = count();
        const WorldAnswer kept = execute("not-installed");
        const WorldAnswer over = finish(kept.string("request_id"));
        EXPECT_EQ(over.string("status"), "requires_direct_user_setup") << over.text;
        EXPECT_NE(over.string("user_visible_error").find(reason), std::string::npos) << over.text;
        EXPECT_EQ(over.at("direct_signed_txs").size(), 0U);
        EXPECT_EQ(execute("not-installed").status, 409);
        EXPECT_EQ(count(), before);
    }
};

TEST_F(DirectUserRoutesTest, PrepareGivesTheKeyAndWhatTheUserIsToDo) {
    open();
    const WorldAnswer answer = prepare();
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.string("user_id"), "mike.near");
    EXPECT_EQ(answer.string("receiver_id"), "count.mike.near");
    EXPECT_EQ(answer.at("method_names").dump(), R"(["increase"])");
    EXPECT_TRUE(near::PublicKey::parse(answer.string("public_key")));
    EXPECT_FALSE(answer.string("key_label").empty());
    EXPECT_NE(answer.string("hint").find("mike.near"), std::string::npos);
    EXPECT_EQ(
        answer.at("add_key").dump(),
        R"({"permission":"FunctionCall","receiver_id":"count.mike.near","method_names":["increase"],"allowance_yocto":"50000000000000000000000"})");
    EXPECT_EQ(prepare().text, answer.text);  // the same key each time
    // Another wallet's is another.
    const WorldAnswer other = world().post(kPrepare, world().wallet(1), prepare_body());
    EXPECT_NE(other.string("public_key"), answer.string("public_key"));
    expect_auth("POST", kPrepare, prepare_body(), 200);
}

TEST_F(DirectUserRoutesTest, PrepareRefusesOtherScopesAndWhatItCannotRead) {
    open();
    const auto ask = [&](const std::string& body) {
        return world().post(kPrepare, world().wallet(0), body);
    };
    const auto refused = [&](const std::string& body) {
        const WorldAnswer answer = ask(body);
        expect_error(answer, 400, "invalid_request");
        EXPECT_EQ(answer.string("message"), "direct-user scope is not allowed");
    };
    refused(prepare_body(R"(["decrease"])"));
    refused(prepare_body(R"(["increase","decrease"])"));
    refused(
        R"({"user_id":"eve.near","registry_id":"mike.sequential.near","receiver_id":"count.mike.near","method_names":["increase"]})");
    refused(
        R"({"user_id":"mike.near","registry_id":"eve.near","receiver_id":"count.mike.near","method_names":["increase"]})");
    refused(
        R"({"user_id":"mike.near","registry_id":"mike.sequential.near","receiver_id":"eve.near","method_names":["increase"]})");
    EXPECT_EQ(ask(prepare_body("[]")).status, 400);
    EXPECT_EQ(ask(prepare_body("[1]")).status, 400);
    EXPECT_EQ(ask(prepare_body(R"("increase")")).status, 400);
    EXPECT_EQ(ask("{}").status, 400);
    expect_error(ask("{"), 400, "invalid_json");
    expect_error(ask("[]"), 400, "invalid_json");
    expect_error(world().get(kPrepare, world().wallet(0)), 405, "method_not_allowed");
}

TEST_F(DirectUserRoutesTest, TheStatusTellsAKeyThatIsNotThere) {
    open();
    const WorldAnswer answer = status();
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_FALSE(answer.at("installed").boolean_value());
    EXPECT_EQ(answer.at("reasons").dump(), R"(["access key not found"])");
    EXPECT_TRUE(answer.at("permission").is_null());
    EXPECT_TRUE(answer.at("nonce").is_null());
    EXPECT_EQ(answer.string("public_key"), prepare().string("public_key"));
    const std::string whole =
        "?user_id=mike.near&registry_id=mike.sequential.near&receiver_id=count.mike.near"
        "&method_names=increase";
    EXPECT_EQ(status(whole).text, answer.text);
    for (const char* const other :
         {"?user_id=eve.near", "?registry_id=eve.near", "?receiver_id=eve.near",
          "?method_names=decrease", "?method_names=increase,decrease", "?method_names="}) {
        expect_error(status(other), 400, "invalid_request");
    }
    expect_auth("GET", kStatus, "", 200);
    expect_not_installed("access key not found");
}

TEST_F(DirectUserRoutesTest, AKeyThatMayDoMoreIsNotInstalled) {
    open();
    add_key(near::FullAccess{});
    expect_not_installed("key is FullAccess");
}

TEST_F(DirectUserRoutesTest, AKeyForAnotherReceiverIsNotInstalled) {
    open();
    add_key(permission("50000000000000000000000", "wrap.near"));
    expect_not_installed("receiver mismatch");
}

TEST_F(DirectUserRoutesTest, AKeyForOtherMethodsIsNotInstalled) {
    open();
    add_key(permission("50000000000000000000000", "count.mike.near", {"increase", "decrease"}));
    expect_not_installed("method mismatch");
}

TEST_F(DirectUserRoutesTest, AKeyWithoutALimitIsNotInstalled) {
    open();
    add_key(permission(""));
    expect_not_installed("allowance is unlimited");
}

TEST_F(DirectUserRoutesTest, WithTheKeyTheCallIsMadeOnceAndProved) {
    open();
    add_key(permission());
    const WorldAnswer installed = status();
    EXPECT_TRUE(installed.at("installed").boolean_value()) << installed.text;
    EXPECT_EQ(installed.at("reasons").size(), 0U);
    EXPECT_EQ(installed.string("allowance"), "50000000000000000000000");
    const std::uint64_t before = count();
    const WorldAnswer kept = execute("proof-1");
    ASSERT_TRUE(kept.status == 200 || kept.status == 202) << kept.text;
    const std::string id = kept.string("request_id");
    EXPECT_EQ(kept.headers.find("X-Request-Id"), id);
    const WorldAnswer over = finish(id);
    EXPECT_EQ(over.string("status"), "succeeded") << over.text;
    EXPECT_EQ(over.string("endpoint"), "direct_user_function_call");
    EXPECT_EQ(over.string("predecessor_model"), "user");
    EXPECT_EQ(over.string("ordering_model"), "single_tx_atomic");
    EXPECT_FALSE(over.at("proxy_predecessor").boolean_value());
    const Json& evidence = over.at("direct_user_evidence");
    const auto number = [&](const char* name) { return evidence.find(name)->as_uint64().value(); };
    EXPECT_EQ(number("before_count"), before);
    EXPECT_EQ(number("after_count"), before + 1);
    EXPECT_TRUE(evidence.find("count_delta_ok")->boolean_value());
    EXPECT_EQ(evidence.find("signer_id")->string_value(), "mike.near");
    EXPECT_EQ(evidence.find("receipt_status")->string_value(), "success");
    EXPECT_EQ(evidence.find("final_status")->string_value(), "success");
    const auto hash = near::TransactionHash::parse(evidence.find("tx_hash")->string_value());
    ASSERT_TRUE(hash);
    const auto* const landed = world().chain().find_transaction(*hash);
    ASSERT_NE(landed, nullptr);
    EXPECT_EQ(landed->transaction.transaction.signer_id.text(), "mike.near");
    EXPECT_EQ(count(), before + 1);
    // The same again is the same record; another body under its key is refused.
    const WorldAnswer again = execute("proof-1");
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.string("request_id"), id);
    expect_error(execute("proof-1", R"(,"gas":"40000000000000")"), 409, "idempotency_conflict");
    EXPECT_EQ(count(), before + 1);
    // Only the wallet's own can be seen, by either route.
    expect_error(find(id, 1), 404, "request_not_found");
    expect_error(find("unknown"), 404, "request_not_found");
    EXPECT_EQ(record(id).text, over.text);
    expect_auth("GET", "/wallet/v1/direct-user/function-call/" + id, "", 200);
    expect_auth("POST", kExecute, execute_body("proof-1"), 200);
}

TEST_F(DirectUserRoutesTest, TwoCallsAskedForTogetherAreTwoTransactions) {
    open();
    add_key(permission());
    const std::uint64_t before = count();
    const std::string first = execute("one").string("request_id");
    const std::string second = execute("two").string("request_id");
    const std::string third = execute("gas", R"(,"gas":"40000000000000")").string("request_id");
    std::set<std::string> hashes;
    std::set<std::string> nonces;
    for (const std::string& id : {first, second, third}) {
        const WorldAnswer over = finish(id);
        EXPECT_EQ(over.string("status"), "succeeded") << over.text;
        hashes.insert(evidence_text(over, "tx_hash"));
        nonces.insert(evidence_text(over, "nonce"));
    }
    EXPECT_EQ(hashes.size(), 3U);
    EXPECT_EQ(nonces.size(), 3U);
    EXPECT_EQ(count(), before + 3);
    world().clear_violations();  // of whoever takes equal calls for one that was made twice
}

TEST_F(DirectUserRoutesTest, ANonceThatOthersHavePassedMeanwhileIsNotUsed) {
    open();
    add_key(permission());
    const std::uint64_t before = count();
    bool failed = false;
    world().trouble_keystore([&failed](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_scoped_calls" || std::exchange(failed, true)) return std::nullopt;
        return Error::unavailable("the keystore is away");
    });
    const std::string first = execute("one").string("request_id");
    const std::string second = execute("two").string("request_id");
    for (const std::string& id : {first, second}) {
        const WorldAnswer over = finish(id);
        EXPECT_EQ(over.string("status"), "succeeded") << over.text;
    }
    EXPECT_TRUE(failed);
    EXPECT_EQ(count(), before + 2);
    world().clear_violations();  // of whoever takes equal calls for one that was made twice
}

// What will be refused again is not asked again.
TEST_F(DirectUserRoutesTest, ARefusalOfTheKeystoreEndsItAtOnceWithItsReason) {
    open();
    add_key(permission());
    const std::uint64_t before = count();
    const std::pair<const char*, const char*> operations[] = {
        {"check_policy", "keystore check-policy: "},
        {"prepare_function_call_key", "keystore prepare-function-call-key: "},
        {"sign_scoped_calls", "keystore sign-scoped-function-calls: "}};
    for (const auto& [refused, told] : operations) {
        SCOPED_TRACE(refused);
        for (const bool denied : {false, true}) {
            int asked = 0;
            world().trouble_keystore(
                [&,
                 its = std::string(refused)](std::string_view operation) -> std::optional<Error> {
                    if (operation != its) return std::nullopt;
                    ++asked;
                    return denied ? Error::permission_denied("not you")
                                  : Error::invalid_argument("not this");
                });
            const WorldAnswer over =
                finish(execute(std::string(refused) + (denied ? "-denied" : "-refused"))
                           .string("request_id"));
            EXPECT_EQ(over.string("status"), denied ? "policy_denied" : "failed") << over.text;
            const std::string reason = denied ? "not you" : std::string(told) + "not this";
            EXPECT_EQ(over.string("user_visible_error"), reason);
            EXPECT_EQ(asked, 1);
        }
    }
    EXPECT_EQ(count(), before);
}

TEST_F(DirectUserRoutesTest, ARefusalOfTheKeystoreEndsAStepOfAWorkflowAtOnce) {
    open_lane();
    const std::uint64_t before = count();
    for (const std::string refused :
         {"derive_address", "check_policy", "prepare_function_call_key", "sign_scoped_calls"}) {
        SCOPED_TRACE(refused);
        int asked = 0;
        world().trouble_keystore([&](std::string_view operation) -> std::optional<Error> {
            if (operation != refused) return std::nullopt;
            ++asked;
            return Error::invalid_argument("not this");
        });
        const WorldAnswer kept = execute_step(refused);
        const WorldAnswer over = until(kept.string("request_id"), "done");
        EXPECT_EQ(over.string("status"), "failed") << over.text;
        EXPECT_NE(over.string("user_visible_error").find("keystore"), std::string::npos)
            << over.text;
        EXPECT_NE(over.string("user_visible_error").find("not this"), std::string::npos)
            << over.text;
        EXPECT_EQ(asked, 1);
    }
    EXPECT_EQ(count(), before);
}

TEST_F(DirectUserRoutesTest, ACallBesideAStepOfAWorkflowTakesAnotherNonce) {
    open_lane();
    const std::uint64_t before = count();
    const WorldAnswer kept = execute_step("lane");
    const std::string direct = execute("direct").string("request_id");
    for (const std::string& id : {kept.string("request_id"), direct}) {
        const WorldAnswer over = until(id, "done");
        EXPECT_EQ(over.string("status"), "succeeded") << over.text;
    }
    EXPECT_EQ(count(), before + 2);
    world().clear_violations();  // of whoever takes equal calls for one that was made twice
}

TEST_F(DirectUserRoutesTest, TheCallIsMadeOnceWhereverTheProcessDies) {
    for (std::uint64_t moment = 1; moment < 100; ++moment) {
        SCOPED_TRACE(moment);
        WorldOptions options;
        options.seed = moment;
        options.made_once = true;
        open(std::move(options));
        add_key(permission());
        const std::uint64_t before = count();
        world().die_at(moment);
        world().wishes().push_back(
            {world().wallet(0), "proof", kExecute, execute_body("proof"), {}, {}, {}, false, {}});
        world().ask_all();
        const bool lived = world().live();
        if (!lived) {
            world().crash_and_boot(
                moment % 2 == 0 ? storage::TestDatabase::Crash::Power
                                : storage::TestDatabase::Crash::Process);
            world().wishes().front().answered = false;
            world().ask_all();
            ASSERT_TRUE(world().live());
        }
        const WorldAnswer over = finish(world().wishes().front().request_id);
        EXPECT_EQ(over.string("status"), "succeeded") << over.text;
        EXPECT_EQ(count(), before + 1);
        TearDown();
        if (lived) return;
    }
    FAIL() << "it never lived to its end";
}

TEST_F(DirectUserRoutesTest, WhatNobodySeesIsToldAndFollowedToItsEnd) {
    open_among_forgetful_nodes();
    const std::uint64_t before = count();
    const std::string id = execute("lost").string("request_id");
    world().pass(std::chrono::seconds(50));
    EXPECT_EQ(find(id).string("status"), "processing");
    world().pass(std::chrono::seconds(30));
    expect_lost(find(id), "is not seen");
    const WorldAnswer over = finish(id);
    EXPECT_EQ(over.string("status"), "failed");
    const std::string text = over.string("user_visible_error");
    EXPECT_NE(text.find("it never took effect"), std::string::npos) << text;
    EXPECT_EQ(over.at("direct_signed_txs").size(), 1U);
    EXPECT_EQ(count(), before);
}

TEST_F(DirectUserRoutesTest, WhatLandsAfterItWasGivenUpIsTold) {
    open_among_forgetful_nodes();
    const std::uint64_t before = count();
    const std::string id = execute("late").string("request_id");
    world().pass(std::chrono::seconds(80));
    const WorldAnswer lost = find(id);
    expect_lost(lost, "is not seen");
    world().crash_and_boot(storage::TestDatabase::Crash::Power);
    const auto bytes =
        base::base64_decode(lost.at("direct_signed_txs").items().at(0).string_value());
    ASSERT_TRUE(bytes);
    ASSERT_TRUE(world().chain().submit(*bytes).accepted());
    const WorldAnswer over = finish(id);
    EXPECT_EQ(over.string("status"), "failed");
    const std::string text = over.string("user_visible_error");
    EXPECT_NE(text.find("yet it landed and succeeded"), std::string::npos) << text;
    EXPECT_EQ(evidence_text(over, "receipt_status"), "success");
    EXPECT_EQ(evidence_text(over, "after_count"), std::to_string(before + 1));
    EXPECT_EQ(count(), before + 1);
}

TEST_F(DirectUserRoutesTest, ACancelOfWhatNobodySeesEndsTheSending) {
    open_among_forgetful_nodes();
    const std::uint64_t before = count();
    const std::string id = execute("cancelled").string("request_id");
    until(id, "submit");
    world().pass(std::chrono::seconds(5));
    const WorldAnswer cancelled = control(id, "cancel");
    ASSERT_EQ(cancelled.status, 200) << cancelled.text;
    expect_lost(find(id), "cancelled");
    for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).clear_faults();
    world().pass(std::chrono::seconds(30));
    EXPECT_EQ(count(), before);
    expect_error(control(id, "cancel"), 409, "workflow_final");
    EXPECT_NE(
        finish(id).string("user_visible_error").find("it never took effect"), std::string::npos);
}

TEST_F(DirectUserRoutesTest, ExecuteRefusesOtherScopesAndWhatItCannotRead) {
    open();
    add_key(permission());
    const std::uint64_t before = count();
    const auto ask = [&](const std::string& body) {
        return world().post(kExecute, world().wallet(0), body);
    };
    const WorldAnswer other = ask("{" + std::string(kScope) + R"(,"method_name":"decrease"})");
    expect_error(other, 400, "invalid_request");
    EXPECT_EQ(other.string("message"), "direct-user scope is not allowed");
    EXPECT_EQ(
        ask(R"({"user_id":"eve.near","registry_id":"mike.sequential.near",)"
            R"("receiver_id":"count.mike.near","method_name":"increase"})")
            .status,
        400);
    EXPECT_EQ(execute("gas-0", R"(,"gas":"0")").status, 400);
    EXPECT_EQ(execute("gas-1", R"(,"gas":"300000000000001")").status, 400);
    EXPECT_EQ(execute("gas-2", R"(,"gas":"much")").status, 400);
    EXPECT_EQ(execute("raw", R"(,"signed_tx_base64":"AA==")").status, 400);
    EXPECT_EQ(execute(std::string(129, 'k')).status, 400);
    EXPECT_EQ(ask("{}").status, 400);
    expect_error(ask("{"), 400, "invalid_json");
    expect_error(ask("[]"), 400, "invalid_json");
    expect_error(world().get(kExecute, world().wallet(0)), 405, "method_not_allowed");
    const std::string big(300 * 1024, ' ');
    expect_error(ask("{" + big + "}"), 413, "payload_too_large");
    world().pass(std::chrono::seconds(30));
    EXPECT_EQ(count(), before);
}

TEST_F(DirectUserRoutesTest, WhatThePolicyDeniesIsNotSigned) {
    open();
    add_key(permission());
    world().put_policy(
        world().wallet(0), R"({"rules":{"transaction_types":["intents_transfer"]}})");
    const std::uint64_t before = count();
    const WorldAnswer kept = execute("denied");
    const WorldAnswer over = finish(kept.string("request_id"));
    EXPECT_EQ(over.string("status"), "policy_denied") << over.text;
    EXPECT_EQ(over.at("direct_signed_txs").size(), 0U);
    EXPECT_EQ(count(), before);
}

class DirectUserCancelTest : public DirectUserRoutesTest,
                             public ::testing::WithParamInterface<int> {};

TEST_P(DirectUserCancelTest, WhatWasCancelledBeforeItWasSignedIsNotSent) {
    WorldOptions options;
    options.latency_max = std::chrono::milliseconds(800);
    open(std::move(options));
    add_key(permission());
    const std::uint64_t before = count();
    const std::string first = execute("one").string("request_id");
    const std::string second = execute("two").string("request_id");  // waits for the key
    world().pass(std::chrono::milliseconds(400) * GetParam());
    const WorldAnswer cancelled = control(second, "cancel");
    const bool unsigned_yet = find(second).at("direct_signed_txs").size() == 0;
    const WorldAnswer over = finish(second);
    EXPECT_EQ(finish(first).string("status"), "succeeded");
    if (cancelled.status == 200 && unsigned_yet) {
        EXPECT_EQ(over.string("status"), "failed") << over.text;
        EXPECT_EQ(over.at("direct_signed_txs").size(), 0U) << over.text;
        EXPECT_EQ(count(), before + 1);
    }
    world().clear_violations();  // of whoever takes equal calls for one that was made twice
}

INSTANTIATE_TEST_SUITE_P(Moments, DirectUserCancelTest, ::testing::Range(0, 24));

}  // namespace
}  // namespace adyton::sim

#include <gtest/gtest.h>

#include <set>

#include "localchain/near_network.h"
#include "near/intents.h"
#include "sim/routes_test_support.h"

// Pause, resume, cancel, events and preflight over HTTP.
namespace adyton::sim {
namespace {

using base::Json;

class ControlRoutesTest : public RoutesTest {
protected:
    // One batch is at the gate, and a second one (of the second wallet) waits there, submitted.
    std::string second_waits_submitted() {
        first_ = begin(3, 0);
        until(first_, "dispatch_poll");
        const std::string id = begin(3, 1);
        until(id, "resume", 1);
        return id;
    }
    // One batch is at the gate, and a second one waits for a place, nothing of it signed.
    std::string second_waits_unsigned() {
        WorldOptions options;
        options.configure = [](coordinator::CoordinatorOptions& its) { its.lane_ahead = 0; };
        open(std::move(options));
        first_ = begin(3, 0);
        until(first_, "dispatch_poll");
        const std::string id = begin(3, 1);
        until(id, "queued", 1);
        return id;
    }
    // A batch of three transfers whose payloads are good for so long from now, by the chain.
    std::string begin_with_deadline(std::chrono::seconds life, std::size_t wallet) {
        const base::Timestamp now{
            std::chrono::microseconds(world().chain().head().timestamp_ns / 1000)};
        auto& wish = world().wish(wallet, 3, "gate.sequential.near");
        const std::string form = R"("near_intents":{)";
        const std::string deadline = near::deadline_text(now + life);
        for (std::size_t at = 0; (at = wish.body.find(form, at)) != std::string::npos;) {
            at += form.size();
            wish.body.insert(at, R"("deadline":")" + deadline + R"(",)");
        }
        const WorldAnswer answer = world().post(wish.path, wish.wallet, wish.body);
        EXPECT_TRUE(answer.status == 202 || answer.status == 200) << answer.text;
        wish.request_id = answer.string("request_id");
        wish.answered = true;
        return wish.request_id;
    }
    // Intents that the gate ever took.
    std::string submitted_so_far() {
        const auto gate = near::AccountId::parse("gate.sequential.near").value();
        return world().chain().view(gate, "stats").value().items().front().string_value();
    }
    // Of a record, those that may still be taken up.
    static std::vector<std::pair<std::string, std::uint64_t>> live_of(const WorldAnswer& answer) {
        std::vector<std::pair<std::string, std::uint64_t>> out;
        const Json* const list = answer.body.find("live_until");
        if (list == nullptr) return out;
        for (const Json& item : list->items()) {
            const Json* const id = item.find("intent_id");
            out.emplace_back(
                id == nullptr ? "" : id->string_value(),
                item.find("until_block")->as_uint64().value());
        }
        return out;
    }
    WorldAnswer events(
        const std::string& id, const std::string& query = "",
        std::vector<std::pair<std::string, std::string>> headers = {}) {
        return world().ask(
            {"GET", "/wallet/v1/workflows/" + id + "/events" + query, world().wallet(0), "",
             std::move(headers)});
    }
    static std::vector<std::int64_t> sequences(const WorldAnswer& answer) {
        std::vector<std::int64_t> out;
        for (const Json& event : answer.at("events").items()) {
            out.push_back(event.find("sequence")->as_int64().value());
        }
        return out;
    }

    struct Sent {
        std::int64_t id = 0;
        std::string event;
        std::string data;
    };
    static std::vector<Sent> parse_stream(const std::string& text) {
        std::vector<Sent> out;
        std::size_t at = 0;
        while (at < text.size()) {
            const std::size_t end = text.find("\n\n", at);
            EXPECT_NE(end, std::string::npos) << "an event that is not finished";
            if (end == std::string::npos) break;
            Sent one;
            std::size_t line = at;
            while (line < end) {
                const std::size_t stop = std::min(text.find('\n', line), end);
                const std::string content = text.substr(line, stop - line);
                if (content.starts_with("id: ")) one.id = std::stoll(content.substr(4));
                if (content.starts_with("event: ")) one.event = content.substr(7);
                if (content.starts_with("data: ")) one.data = content.substr(6);
                line = stop + 1;
            }
            out.push_back(std::move(one));
            at = end + 2;
        }
        return out;
    }

    std::string first_;
};

// ----- pause and resume -------------------------------------------------------------------------

TEST_F(ControlRoutesTest, APausedWorkflowStandsStillAndThenGoesOn) {
    const std::string id = second_waits_unsigned();
    const WorldAnswer paused = control(id, "pause", 1);
    ASSERT_EQ(paused.status, 200) << paused.text;
    EXPECT_TRUE(paused.at("paused").boolean_value());
    EXPECT_EQ(paused.headers.find("X-Request-Id"), id);
    world().pass(std::chrono::minutes(5));
    const WorldAnswer still = record(id, 1);
    EXPECT_EQ(still.string("status"), "processing");
    EXPECT_TRUE(still.at("paused").boolean_value());
    EXPECT_EQ(still.at("submit_tx_hashes").size(), 0U);
    EXPECT_EQ(until(first_, "done").string("status"), "succeeded");  // the others go on
    // Again is the same.
    EXPECT_EQ(control(id, "pause", 1).status, 200);
    const WorldAnswer resumed = control(id, "resume", 1);
    ASSERT_EQ(resumed.status, 200) << resumed.text;
    EXPECT_EQ(resumed.body.find("paused"), nullptr);
    EXPECT_EQ(until(id, "done", 1).string("status"), "succeeded");
    world().check_books();
}

TEST_F(ControlRoutesTest, ResumingWhatIsNotPausedChangesNothing) {
    open();
    const std::string id = begin();
    EXPECT_EQ(control(id, "resume").status, 200);
    EXPECT_EQ(until(id, "done").string("status"), "succeeded");
    world().check_books();
}

TEST_F(ControlRoutesTest, WhatIsPausedTooLongAfterItsSubmitEndsTruthfully) {
    open();
    const std::string id = second_waits_submitted();
    ASSERT_EQ(control(id, "pause", 1).status, 200);
    world().pass(std::chrono::minutes(3));  // 300 blocks; an intent lives 200
    ASSERT_EQ(control(id, "resume", 1).status, 200);
    const WorldAnswer over = until(id, "done", 1);
    EXPECT_EQ(over.string("status"), "failed");
    EXPECT_NE(over.string("user_visible_error").find("about to expire"), std::string::npos)
        << over.text;
    for (const Json& row : over.at("dispatch_receipts").items()) {
        EXPECT_EQ(row.find("status")->string_value(), "not_dispatched");
    }
    world().check_books();
}

// ----- cancel -----------------------------------------------------------------------------------

TEST_F(ControlRoutesTest, BeforeAnythingIsSignedACancelIsClean) {
    const std::string id = second_waits_unsigned();
    const WorldAnswer cancelled = control(id, "cancel", 1);
    ASSERT_EQ(cancelled.status, 200) << cancelled.text;
    const WorldAnswer over = until(id, "done", 1);
    EXPECT_EQ(over.string("status"), "failed");
    EXPECT_EQ(over.string("final_status"), "failed");
    EXPECT_EQ(over.string("user_visible_error"), "cancelled before anything was signed");
    EXPECT_EQ(over.at("signed_nep413_payloads").size(), 0U);
    EXPECT_EQ(over.at("signed_nep366_delegates").size(), 0U);
    EXPECT_EQ(over.at("submit_tx_hashes").size(), 0U);
    EXPECT_TRUE(live_of(over).empty());
    // Nothing of it is or comes on the chain.
    EXPECT_EQ(until(first_, "done").string("status"), "succeeded");
    world().pass(std::chrono::minutes(3));
    world().check_books();
    // It stays cancelled, and its key is used up.
    auto& wish = world().wishes().back();
    const WorldAnswer again = world().post(wish.path, wish.wallet, wish.body);
    EXPECT_EQ(again.status, 400);
    EXPECT_EQ(again.string("request_id"), id);
    expect_error(control(id, "cancel", 1), 409, "workflow_final");
}

// The keystore may have signed before it failed: what it signed is worth its tokens until then.
TEST_F(ControlRoutesTest, ACancelBetweenTwoSignaturesDoesNotSayThatNothingIsSigned) {
    open();
    std::size_t asked = 0;
    world().trouble_keystore([&asked](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_nep413" || ++asked == 1) return std::nullopt;
        return Error::unavailable("the keystore is away");
    });
    const std::string id = begin();
    until(id, "nep413");
    world().pass(std::chrono::seconds(1));
    ASSERT_GT(asked, 1U);
    ASSERT_EQ(control(id, "cancel").status, 200);
    const WorldAnswer over = until(id, "done");
    EXPECT_EQ(over.string("status"), "failed");
    const std::string text = over.string("user_visible_error");
    EXPECT_EQ(
        text.find("cancelled before anything was submitted; intents payloads that may have been "
                  "signed stay valid until 2"),
        0U)
        << text;
    world().check_books();
}

TEST_F(ControlRoutesTest, WhatIsGivenUpAfterItsPayloadsWereSignedSaysHowLongTheyAreValid) {
    open();
    world().trouble_keystore([](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_delegate") return std::nullopt;
        return Error::permission_denied("no delegates today");
    });
    const std::string id = begin();
    const WorldAnswer over = until(id, "done");
    EXPECT_EQ(over.string("status"), "policy_denied");
    EXPECT_EQ(over.at("signed_nep413_payloads").size(), 3U);
    const std::string text = over.string("user_visible_error");
    EXPECT_NE(text.find("; 3 signed intents payloads stay valid until 2"), std::string::npos)
        << text;
    world().check_books();
}

// Between the first signature and the refusal of another the answers were lost, or the process
// died.
TEST_F(ControlRoutesTest, ARefusalAtALaterTryTellsOfWhatAnEarlierOneMayHaveSigned) {
    open();
    std::size_t asked = 0;
    world().trouble_keystore([&asked](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_nep413" || ++asked == 1) return std::nullopt;
        if (asked == 2) return Error::unavailable("the keystore is away");
        return Error::permission_denied("no payloads any more");
    });
    const WorldAnswer over = until(begin(), "done");
    EXPECT_EQ(over.string("status"), "policy_denied");
    const std::string text = over.string("user_visible_error");
    EXPECT_EQ(
        text.find("no payloads any more; intents payloads that may have been signed stay valid "
                  "until 2"),
        0U)
        << text;
    world().check_books();
}

TEST_F(ControlRoutesTest, ARefusalAtTheFirstTryTellsOfNothingThatIsNotSigned) {
    open();
    world().trouble_keystore([](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_nep413") return std::nullopt;
        return Error::permission_denied("no payloads today");
    });
    const WorldAnswer over = until(begin(), "done");
    EXPECT_EQ(over.string("user_visible_error"), "no payloads today");
    world().check_books();
}

TEST_F(ControlRoutesTest, ADeadlineThatPassesBetweenTwoSignaturesTellsOfTheOthers) {
    open();
    bool away = true;
    std::size_t asked = 0;
    world().trouble_keystore([&](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_nep413" || ++asked == 1 || !away) return std::nullopt;
        return Error::unavailable("the keystore is away");
    });
    const std::string id = begin_with_deadline(std::chrono::seconds(8), 0);
    until(id, "nep413");
    world().pass(std::chrono::seconds(6));
    away = false;
    const WorldAnswer over = until(id, "done");
    const std::string text = over.string("user_visible_error");
    EXPECT_NE(
        text.find("is over or too near; nothing was submitted; intents payloads that may have "
                  "been signed stay valid until 2"),
        std::string::npos)
        << text;
    world().check_books();
}

TEST_F(ControlRoutesTest, ALongReasonGivesWayToWhatIsStillValid) {
    const std::string live = "stay valid until 20";
    open();
    const std::string long_reason(3'000, 'x');
    world().trouble_keystore([&](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_delegate") return std::nullopt;
        return Error::permission_denied(long_reason);
    });
    const WorldAnswer denied = until(begin(), "done");
    EXPECT_NE(denied.string("user_visible_error").find(live), std::string::npos) << denied.text;
    // The same where a budget of attempts is used up.
    world().trouble_keystore([&](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_nep413") return std::nullopt;
        return Error::unavailable(long_reason);
    });
    const WorldAnswer away = until(begin(), "done");
    EXPECT_EQ(away.string("status"), "failed");
    EXPECT_NE(away.string("user_visible_error").find(live), std::string::npos) << away.text;
    world().check_books();
}

TEST_F(ControlRoutesTest, APausedWorkflowCanBeCancelled) {
    const std::string id = second_waits_unsigned();
    ASSERT_EQ(control(id, "pause", 1).status, 200);
    ASSERT_EQ(control(id, "cancel", 1).status, 200);
    const WorldAnswer over = until(id, "done", 1);
    EXPECT_EQ(over.string("user_visible_error"), "cancelled before anything was signed");
    until(first_, "done");
    world().check_books();
}

TEST_F(ControlRoutesTest, AfterTheSubmitACancelSaysWhatIsLiveAndUntilWhichBlock) {
    open();
    const std::string id = second_waits_submitted();
    const WorldAnswer before = record(id, 1);
    ASSERT_EQ(before.at("intent_ids").size(), 3U) << before.text;
    const WorldAnswer cancelled = control(id, "cancel", 1);
    ASSERT_EQ(cancelled.status, 200) << cancelled.text;
    const WorldAnswer told = until(id, "watch", 1);
    EXPECT_EQ(told.string("status"), "failed");
    const auto live = live_of(told);
    ASSERT_EQ(live.size(), 3U) << told.text;
    const std::string text = told.string("user_visible_error");
    EXPECT_NE(text.find("cancelled after its intents were submitted"), std::string::npos) << text;
    for (std::size_t i = 0; i < live.size(); ++i) {
        EXPECT_EQ(live[i].first, before.at("intent_ids").items()[i].string_value());
        EXPECT_GT(live[i].second, world().chain().height());
        EXPECT_NE(
            text.find("intent " + live[i].first + " until block " + std::to_string(live[i].second)),
            std::string::npos)
            << text;
    }
    // Until then the gate has them; at that block they are gone, and the record says so.
    const auto pending = [&] {
        return world()
            .chain()
            .view(near::AccountId::parse("gate.sequential.near").value(), "list_pending")
            .value();
    };
    until(first_, "done");
    EXPECT_EQ(pending().size(), 3U);
    while (world().chain().height() <= live.back().second) world().pass(std::chrono::seconds(1));
    EXPECT_EQ(pending().size(), 0U);
    const WorldAnswer over = until(id, "done", 1);
    EXPECT_EQ(over.string("status"), "failed");
    EXPECT_TRUE(live_of(over).empty());
    EXPECT_TRUE(over.at("resume_tx_hash").is_null());
    for (const Json& row : over.at("dispatch_receipts").items()) {
        EXPECT_EQ(row.find("status")->string_value(), "not_dispatched");
    }
    world().check_books();
}

TEST_F(ControlRoutesTest, OnceResumedItIsTooLateToCancel) {
    open();
    const std::string id = begin();
    until(id, "dispatch_poll");
    expect_error(control(id, "cancel"), 409, "too_late");
    EXPECT_EQ(until(id, "done").string("status"), "succeeded");
    world().check_books();
}

// ----- deadlines --------------------------------------------------------------------------------

TEST_F(ControlRoutesTest, PayloadsWhoseDeadlinePassesInTheQueueAreNotSigned) {
    const std::string second = second_waits_unsigned();
    const std::string id = begin_with_deadline(std::chrono::seconds(5), 2);
    const WorldAnswer over = until(id, "done", 2);
    EXPECT_EQ(over.string("status"), "failed");
    EXPECT_NE(over.string("user_visible_error").find("deadline"), std::string::npos) << over.text;
    EXPECT_EQ(over.at("signed_nep413_payloads").size(), 0U);
    EXPECT_EQ(over.at("submit_tx_hashes").size(), 0U);
    EXPECT_EQ(until(second, "done", 1).string("status"), "succeeded");
    EXPECT_EQ(until(first_, "done").string("status"), "succeeded");
    world().check_books();
}

TEST_F(ControlRoutesTest, PayloadsWhoseDeadlinePassesBeforeTheDelegatesAreNotSubmitted) {
    open();
    bool away = true;
    world().trouble_keystore([&away](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_delegate" || !away) return std::nullopt;
        return Error::unavailable("the keystore is away");
    });
    const std::string id = begin_with_deadline(std::chrono::seconds(8), 0);
    until(id, "delegate");
    world().pass(std::chrono::seconds(9));
    EXPECT_EQ(record(id).string("status"), "processing");
    away = false;
    const WorldAnswer over = until(id, "done");
    EXPECT_EQ(over.string("status"), "failed");
    EXPECT_NE(over.string("user_visible_error").find("deadline"), std::string::npos) << over.text;
    EXPECT_EQ(over.at("submit_tx_hashes").size(), 0U);
    world().check_books();
}

// The relayer's nonce is told slowly, after the last delegate was signed.
TEST_F(ControlRoutesTest, PayloadsWhoseDeadlinePassesBeforeTheSubmitAreNotSubmitted) {
    open();
    std::size_t asked = 0;
    world().trouble_keystore([&](std::string_view operation) -> std::optional<Error> {
        if (operation != "sign_delegate" || ++asked != 3) return std::nullopt;
        localchain::NearFaultRule rule;
        rule.fault = localchain::NearFault::Delay;
        rule.method = "query";
        rule.delay = std::chrono::milliseconds(1800);
        for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).order(rule);
        return std::nullopt;
    });
    const std::string id = begin_with_deadline(std::chrono::seconds(4), 0);
    const WorldAnswer over = until(id, "done");
    EXPECT_EQ(asked, 3U);
    EXPECT_EQ(over.string("status"), "failed");
    const std::string text = over.string("user_visible_error");
    EXPECT_NE(text.find("is over or too near; nothing was submitted"), std::string::npos) << text;
    EXPECT_NE(text.find("3 signed intents payloads stay valid"), std::string::npos) << text;
    EXPECT_EQ(over.at("submit_tx_hashes").size(), 0U);
    EXPECT_EQ(submitted_so_far(), "0");
    world().check_books();
}

TEST_F(ControlRoutesTest, SubmitsThatNobodySawAreNotSentAgainWhenADeadlineHasPassed) {
    open();
    localchain::NearFaultRule rule;
    rule.fault = localchain::NearFault::LoseRequest;
    rule.method = "broadcast_tx_async";
    rule.count = localchain::NearFaultRule::kForever;
    for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).order(rule);
    const std::string id = begin_with_deadline(std::chrono::seconds(20), 0);
    until(id, "submit");
    world().pass(std::chrono::seconds(20));
    for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).clear_faults();
    world().pass(std::chrono::seconds(10));
    const WorldAnswer told = record(id);
    EXPECT_EQ(told.string("status"), "failed") << told.text;
    const std::string text = told.string("user_visible_error");
    EXPECT_NE(text.find("is over or too near; not resumed"), std::string::npos) << text;
    EXPECT_EQ(live_of(told).size(), 3U);
    until(id, "done");
    EXPECT_EQ(submitted_so_far(), "0");
    world().check_books();
}

TEST_F(ControlRoutesTest, IntentsWhoseDeadlinePassesAtTheGateAreNotResumed) {
    open();
    first_ = begin(3, 0);
    until(first_, "dispatch_poll");
    const std::string id = begin_with_deadline(std::chrono::seconds(30), 1);
    until(id, "resume", 1);
    ASSERT_EQ(control(id, "pause", 1).status, 200);
    world().pass(std::chrono::seconds(40));
    ASSERT_EQ(control(id, "resume", 1).status, 200);
    const WorldAnswer told = until(id, "watch", 1);
    EXPECT_EQ(told.string("status"), "failed");
    EXPECT_NE(told.string("user_visible_error").find("deadline"), std::string::npos) << told.text;
    EXPECT_EQ(live_of(told).size(), 3U);
    EXPECT_TRUE(until(id, "done", 1).at("resume_tx_hash").is_null());
    until(first_, "done");
    world().check_books();
}

// ----- refusals of the three --------------------------------------------------------------------

TEST_F(ControlRoutesTest, NobodyControlsWhatIsNotTheirsOrOver) {
    open();
    const std::string id = begin();
    const std::string unknown = "0a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d";
    for (const char* const what : {"pause", "resume", "cancel"}) {
        SCOPED_TRACE(what);
        expect_error(control(id, what, 1), 404, "request_not_found");
        expect_error(control(unknown, what), 404, "request_not_found");
        EXPECT_EQ(
            control(unknown, what).string("message"),
            "workflow request " + unknown + " was not found");
        const std::string path = "/wallet/v1/workflows/" + id + "/" + what;
        expect_error(world().get(path, world().wallet(0)), 405, "method_not_allowed");
    }
    EXPECT_EQ(until(id, "done").string("status"), "succeeded");
    for (const char* const what : {"pause", "resume", "cancel"}) {
        SCOPED_TRACE(what);
        expect_error(control(id, what), 409, "workflow_final");
        expect_auth("POST", "/wallet/v1/workflows/" + id + "/" + what, "", 409);
    }
    // What was never carried out has no run to control.
    const WorldAnswer rejected = world().post(
        "/wallet/v1/workflows/execute", world().wallet(0),
        R"({"idempotency_key":"no","steps":[{"kind":"unheard.of"}]})");
    ASSERT_EQ(rejected.string("status"), "rejected") << rejected.text;
    expect_error(control(rejected.string("request_id"), "cancel"), 409, "workflow_final");
    world().check_books();
}

// ----- events -----------------------------------------------------------------------------------

TEST_F(ControlRoutesTest, EventsAreAListWithoutGapsInPages) {
    open();
    const std::string id = begin();
    until(id, "done");
    const WorldAnswer all = events(id);
    ASSERT_EQ(all.status, 200) << all.text;
    const auto numbers = sequences(all);
    ASSERT_GE(numbers.size(), 8U);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        EXPECT_EQ(numbers[i], static_cast<std::int64_t>(i) + 1);
    }
    EXPECT_EQ(all.at("events").items().front().find("kind")->string_value(), "created");
    EXPECT_EQ(all.at("events").items().back().find("kind")->string_value(), "succeeded");
    EXPECT_TRUE(all.at("ended").boolean_value());
    EXPECT_EQ(all.at("next").as_int64().value(), numbers.back());
    const WorldAnswer rest = events(id, "?after=5");
    EXPECT_EQ(sequences(rest).front(), 6);
    EXPECT_EQ(sequences(rest).size(), numbers.size() - 5);
    EXPECT_EQ(events(id, "", {{"Last-Event-ID", "5"}}).text, rest.text);
    const WorldAnswer none = events(id, "?after=" + std::to_string(numbers.back()));
    EXPECT_EQ(none.at("events").size(), 0U);
    EXPECT_EQ(none.at("next").as_int64().value(), numbers.back());
    world().check_books();
}

TEST_F(ControlRoutesTest, TheStreamTellsAllAsItHappensAndEndsWithTheWorkflow) {
    open();
    const std::string id = begin();
    // The answer is whole when the workflow is over: it was open all the time.
    const WorldAnswer stream = events(id, "", {{"Accept", "text/event-stream"}});
    ASSERT_EQ(stream.status, 200) << stream.text;
    EXPECT_EQ(stream.headers.find("Content-Type"), "text/event-stream");
    EXPECT_EQ(stream.headers.find("Cache-Control"), "no-store");
    EXPECT_EQ(record(id).string("phase"), "done");
    const auto sent = parse_stream(stream.text);
    const WorldAnswer list = events(id);
    const auto& wanted = list.at("events").items();
    ASSERT_EQ(sent.size(), wanted.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
        EXPECT_EQ(sent[i].id, static_cast<std::int64_t>(i) + 1);
        EXPECT_EQ(sent[i].event, wanted[i].find("kind")->string_value());
        EXPECT_EQ(sent[i].data, wanted[i].dump());
    }
    world().check_books();
}

TEST_F(ControlRoutesTest, AStreamIsTakenUpWhereItBroke) {
    open();
    const std::string id = begin();
    until(id, "dispatch_poll");
    const WorldAnswer early = events(id);
    const std::int64_t last = sequences(early).back();
    const WorldAnswer stream =
        events(id, "", {{"Accept", "text/event-stream"}, {"Last-Event-ID", std::to_string(last)}});
    const auto sent = parse_stream(stream.text);
    ASSERT_FALSE(sent.empty());
    EXPECT_EQ(sent.front().id, last + 1);
    EXPECT_EQ(sent.back().event, "succeeded");
    const auto all = sequences(events(id));
    EXPECT_EQ(static_cast<std::int64_t>(sent.size()), all.back() - last);
    // Behind the end there is nothing, and it ends at once.
    const WorldAnswer over = events(
        id, "", {{"Accept", "text/event-stream"}, {"Last-Event-ID", std::to_string(all.back())}});
    EXPECT_EQ(over.status, 200);
    EXPECT_EQ(over.text, "");
    world().check_books();
}

TEST_F(ControlRoutesTest, EventsRefuseWhatIsNoPlaceAndWhoIsNotTheOwner) {
    open();
    const std::string id = begin();
    until(id, "done");
    for (const char* const bad : {"-1", "x", "1.5", "99999999999", ""}) {
        expect_error(events(id, "?after=" + std::string(bad)), 400, "invalid_request");
    }
    expect_error(events(id, "", {{"Last-Event-ID", "five"}}), 400, "invalid_request");
    const std::string path = "/wallet/v1/workflows/" + id + "/events";
    expect_error(world().get(path, world().wallet(1)), 404, "request_not_found");
    expect_error(events("no-such-request"), 404, "request_not_found");
    expect_error(world().post(path, world().wallet(0), "{}"), 405, "method_not_allowed");
    const WorldAnswer stranger =
        world().ask({"GET", path, world().wallet(1), "", {{"Accept", "text/event-stream"}}});
    expect_error(stranger, 404, "request_not_found");
    expect_auth("GET", path, "", 200);
}

// ----- preflight --------------------------------------------------------------------------------

class PreflightTest : public RoutesTest {
protected:
    WorldAnswer ask(const std::string& query = "") {
        return world().get("/wallet/v1/preflight" + query, world().wallet(0));
    }
    static std::string reasons(const WorldAnswer& answer) {
        return answer.at("abort_reasons").dump();
    }
    // What the gate's owner does to it. The coordinator keeps what it knows of a gate for 30 s.
    void by_owner(const std::string& method, const std::string& args) {
        const auto sent = world().chain().inject(
            {near::AccountId::parse("sequential.near").value(),
             near::AccountId::parse("gate.sequential.near").value(), method, args});
        ASSERT_TRUE(sent) << sent.error().message();
        world().pass(std::chrono::seconds(60));
    }
};

TEST_F(PreflightTest, AGateAsConfiguredIsReady) {
    open();
    const WorldAnswer answer = ask();
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_TRUE(answer.at("ready").boolean_value()) << answer.text;
    EXPECT_EQ(reasons(answer), "[]");
    EXPECT_EQ(answer.string("expected_gate_id"), "gate.sequential.near");
    EXPECT_EQ(answer.string("expected_fee_yocto"), "30000000000000000000000");
    EXPECT_EQ(answer.string("wallet_account"), world().account_of(world().wallet(0)).text());
    const Json& gate = answer.at("gate");
    EXPECT_EQ(gate.find("owner")->string_value(), "sequential.near");
    EXPECT_EQ(gate.find("approver")->string_value(), "approver.sequential.near");
    EXPECT_TRUE(gate.find("relayer_whitelisted")->boolean_value());
    EXPECT_EQ(gate.find("pending")->as_int64().value(), 0);
    expect_auth("GET", "/wallet/v1/preflight", "", 200);
    expect_error(
        world().post("/wallet/v1/preflight", world().wallet(0), "{}"), 405, "method_not_allowed");
}

TEST_F(PreflightTest, AnotherGateIsDrift) {
    WorldOptions options;
    options.gates = 2;
    open(std::move(options));
    const WorldAnswer second = ask("?gate_id=gate2.sequential.near");
    EXPECT_TRUE(second.at("ready").boolean_value()) << second.text;
    EXPECT_EQ(second.at("gate").find("gate_id")->string_value(), "gate2.sequential.near");
    const WorldAnswer other = ask("?gate_id=gate.other.near");
    ASSERT_EQ(other.status, 200);
    EXPECT_FALSE(other.at("ready").boolean_value());
    EXPECT_EQ(
        reasons(other), R"(["gate id drift: expected gate.sequential.near, got gate.other.near"])");
}

TEST_F(PreflightTest, IntentsThatWaitAtTheGateAreTold) {
    open();
    localchain::ForeignIntents intents{
        near::AccountId::parse("gate.sequential.near").value(),
        near::AccountId::parse("relayer.sequential.near").value(),
        near::AccountId::parse("count.mike.near").value(), "increase"};
    ASSERT_TRUE(localchain::inject_foreign_intents(world().chain(), intents));
    world().pass(std::chrono::seconds(5));
    const WorldAnswer answer = ask();
    EXPECT_FALSE(answer.at("ready").boolean_value());
    EXPECT_EQ(reasons(answer), R"x(["gate pending list is not empty: 3 pending item(s)"])x");
}

TEST_F(PreflightTest, ARelayerThatWasTakenOffTheListIsTold) {
    open();
    by_owner("remove_relayer", R"({"account_id":"relayer.sequential.near"})");
    EXPECT_EQ(
        reasons(ask()), R"(["relayer relayer.sequential.near is not confirmed whitelisted"])");
    // And no workflow begins.
    const std::string id = begin();
    const WorldAnswer over = until(id, "done");
    EXPECT_EQ(over.string("status"), "failed");
    EXPECT_EQ(over.at("signed_nep413_payloads").size(), 0U);
}

TEST_F(PreflightTest, AnotherApproverIsTold) {
    open();
    by_owner("set_approver", R"({"approver_id":"mike.near"})");
    EXPECT_EQ(
        reasons(ask()),
        R"(["gate approver drift: expected approver.sequential.near, got mike.near"])");
}

TEST_F(PreflightTest, AHigherFeeIsTold) {
    open();
    by_owner("set_fee_tiers", R"({"tiers":[[3,"30000000000000000000001"]]})");
    EXPECT_EQ(
        reasons(ask()),
        R"(["1-3 call gate fee drift: expected 30000000000000000000000, got 30000000000000000000001"])");
}

TEST_F(PreflightTest, AnotherCodeIsTold) {
    WorldOptions options;
    options.configure = [](coordinator::CoordinatorOptions& its) {
        its.gate_code_hash = "11111111111111111111111111111111";
    };
    open(std::move(options));
    EXPECT_EQ(reasons(ask()), R"(["gate code hash changed"])");
}

TEST_F(PreflightTest, AllThatIsWrongIsTold) {
    open();
    by_owner("set_approver", R"({"approver_id":"mike.near"})");
    by_owner("set_fee_tiers", R"({"tiers":[[3,"30000000000000000000001"]]})");
    const WorldAnswer answer = ask();
    EXPECT_EQ(answer.at("abort_reasons").size(), 2U) << answer.text;
    EXPECT_NE(reasons(answer).find("gate approver drift"), std::string::npos);
    EXPECT_NE(reasons(answer).find("call gate fee drift"), std::string::npos);
}

TEST_F(PreflightTest, AGateThatStandsInABatchIsNotReady) {
    open();
    EXPECT_TRUE(ask().at("ready").boolean_value());
    localchain::wedge_gate(world().chain(), near::AccountId::parse("gate.sequential.near").value());
    world().pass(std::chrono::seconds(5));
    const WorldAnswer answer = ask();
    EXPECT_FALSE(answer.at("ready").boolean_value()) << answer.text;
    EXPECT_NE(reasons(answer).find("gate batch tail is not empty"), std::string::npos)
        << answer.text;
    EXPECT_GT(answer.at("gate").find("batch_tail")->size(), 0U);
}

TEST_F(PreflightTest, WhatCannotBeLookedAtIsNotReady) {
    open();
    EXPECT_TRUE(ask().at("ready").boolean_value());
    localchain::NearFaultRule rule;
    rule.fault = localchain::NearFault::RpcError;
    rule.method = "query";
    rule.count = localchain::NearFaultRule::kForever;
    for (std::size_t i = 0; i < world().options().nodes; ++i) world().node(i).order(rule);
    const WorldAnswer answer = ask();
    EXPECT_FALSE(answer.at("ready").boolean_value()) << answer.text;
    EXPECT_NE(reasons(answer).find("the gate's pending list cannot be read"), std::string::npos)
        << answer.text;
}

TEST_F(PreflightTest, AKeystoreThatDoesNotAnswerIsNotReady) {
    open();
    EXPECT_TRUE(ask().at("ready").boolean_value());
    world().trouble_keystore([](std::string_view operation) -> std::optional<Error> {
        if (operation != "derive_address") return std::nullopt;
        return Error::unavailable("the keystore is away");
    });
    const WorldAnswer answer = ask();
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_FALSE(answer.at("ready").boolean_value()) << answer.text;
    EXPECT_EQ(reasons(answer), R"(["the keystore cannot be asked: the keystore is away"])");
    EXPECT_TRUE(answer.at("wallet_account").is_null());
}

TEST_F(PreflightTest, AChainThatDoesNotAnswerIsNotReady) {
    open();
    world().node(0).set_down(true);
    world().node(1).set_down(true);
    const WorldAnswer answer = ask();
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_FALSE(answer.at("ready").boolean_value());
    EXPECT_NE(reasons(answer).find("the gate cannot be read"), std::string::npos);
}

// At any moment of a batch among nodes that answer slowly.
class CancelTest : public ControlRoutesTest, public ::testing::WithParamInterface<int> {};

TEST_P(CancelTest, WhatWasCancelledIsNotResumed) {
    WorldOptions options;
    options.latency_max = std::chrono::milliseconds(800);
    open(std::move(options));
    const std::string id = begin();
    until(id, "submit");
    world().pass(std::chrono::milliseconds(600) * GetParam());
    const WorldAnswer cancelled = control(id, "cancel");
    const WorldAnswer over = until(id, "done");
    if (cancelled.status == 200) {
        EXPECT_EQ(over.string("status"), "failed");
        EXPECT_TRUE(over.at("resume_tx_hash").is_null()) << over.text;
    } else {
        expect_error(cancelled, 409, "too_late");
        EXPECT_EQ(over.string("status"), "succeeded");
    }
    world().check_books();
}

INSTANTIATE_TEST_SUITE_P(Moments, CancelTest, ::testing::Range(0, 24));

}  // namespace
}  // namespace adyton::sim

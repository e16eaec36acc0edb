#include "coordinator/webhook_outbox.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "audit/audit_log.h"
#include "base/json.h"
#include "base/random.h"
#include "coordinator/schema.h"
#include "http/status.h"
#include "storage/migrator.h"
#include "storage/test_database.h"
#include "workflow/idempotency.h"
#include "workflow/journal.h"

namespace adyton::coordinator {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using storage::Transaction;

constexpr std::string_view kSecretText = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr auto kGone = static_cast<http::Status>(410);
constexpr auto kFound = static_cast<http::Status>(302);

std::vector<crypto::SecretBuffer> secrets() {
    auto parsed = parse_webhook_secrets(base::as_bytes(kSecretText));
    EXPECT_TRUE(parsed);
    return *std::move(parsed);
}

// What a receiver got, and what it answers.
class Receiver final : public http::Transport {
public:
    struct Got {
        std::string url;
        std::string id;
        std::string body;
        http::Headers headers;
    };
    // By attempt, from 0; a status, or an error.
    using Reply = std::function<Task<Result<http::Response>>(std::size_t attempt)>;

    explicit Receiver(base::Executor& executor) : executor_(executor) {}

    Task<Result<http::Response>> send(http::ClientRequest request) override {
        Got got{
            request.url, std::string(request.headers.find(kWebhookIdHeader).value_or("")),
            request.body, request.headers};
        const std::size_t attempt = attempts_[got.id]++;
        all.push_back(std::move(got));
        times.push_back(executor_.steady_now());
        return reply(attempt);
    }
    std::size_t attempts(const std::string& id) const {
        const auto found = attempts_.find(id);
        return found == attempts_.end() ? 0 : found->second;
    }

    static Task<Result<http::Response>> status(http::Status status) {
        http::Response out;
        out.status = status;
        co_return out;
    }
    static Task<Result<http::Response>> failure(Error error) { co_return error; }

    Reply reply = [](std::size_t) { return status(http::Status::Ok); };
    std::vector<Got> all;
    std::vector<base::SteadyTime> times;

private:
    base::Executor& executor_;
    std::map<std::string, std::size_t> attempts_;
};

class WebhookOutboxTest : public storage::DatabaseTest {
protected:
    void SetUp() override {
        DatabaseTest::SetUp();
        if (IsSkipped()) return;
        std::vector<storage::Migration> all;
        for (const auto part : {workflow::migrations(), audit::migrations(), migrations()}) {
            all.insert(all.end(), part.begin(), part.end());
        }
        const auto ran = run(storage::migrate(database(), all));
        ASSERT_TRUE(ran) << ran.error().message();
        receiver_ = std::make_unique<Receiver>(executor());
        options_.attempts_max = 4;
        options_.retry_first = milliseconds(20);
        options_.retry_max = milliseconds(50);
        options_.poll_period = milliseconds(20);
    }
    void TearDown() override {
        if (outbox_ != nullptr && started_) stop();
        outbox_.reset();
        DatabaseTest::TearDown();
    }

    WebhookEndpoint endpoint(const std::string& name) {
        WebhookEndpoint out;
        out.name = name;
        out.url = "https://hooks.example.com/" + name;
        out.wallets = {"w1"};
        out.secrets = secrets();
        out.transport = receiver_.get();
        return out;
    }
    void open(std::vector<std::string> names = {"first"}) {
        WebhookSetup setup;
        for (const std::string& name : names) setup.endpoints.push_back(endpoint(name));
        setup.options = options_;
        auto made = WebhookOutbox::create(
            {database(), executor(), base::null_logger(), random_, metrics_,
             "test-" + std::to_string(++lives_), seconds(2)},
            std::move(setup));
        ASSERT_TRUE(made) << made.error().message();
        outbox_ = *std::move(made);
    }
    void start() {
        constexpr auto kStart = [](WebhookOutbox* outbox) -> Task<bool> {
            outbox->start();
            co_return true;
        };
        run(kStart(outbox_.get()));
        started_ = true;
    }
    void stop() {
        constexpr auto kStop = [](WebhookOutbox* outbox) -> Task<bool> {
            auto stopping = outbox->stop();
            co_await std::move(stopping);
            co_return true;
        };
        run(kStop(outbox_.get()));
        started_ = false;
    }
    static WorkflowRecord record(WorkflowStatus status, const std::string& wallet = "w1") {
        WorkflowRecord out;
        out.request_id = "request-1";
        out.wallet_id = wallet;
        out.idempotency_key = "k1";
        out.status = status;
        out.phase = std::string(phase::kDone);
        return out;
    }
    // The ids of what was announced.
    std::vector<std::string> announce(const WorkflowRecord& what) {
        const auto done = write([&](Transaction& tx) { return outbox_->announce(tx, what); });
        EXPECT_TRUE(done) << (done ? "" : done.error().message());
        std::vector<std::string> out;
        for (const auto& delivery : list(what.wallet_id)) out.push_back(delivery.id);
        return out;
    }
    std::vector<WebhookDelivery> list(
        const std::string& wallet, std::optional<WebhookState> state = {}) {
        webhooks::ListQuery query;
        query.wallet_id = wallet;
        query.state = state;
        const auto found = write([&](Transaction& tx) { return webhooks::list(tx, query); });
        EXPECT_TRUE(found) << (found ? "" : found.error().message());
        return found ? *found : std::vector<WebhookDelivery>();
    }
    // Until nothing is pending any more.
    void settle() {
        constexpr auto kPause = [](base::Executor* executor) -> Task<bool> {
            auto pause = base::sleep_for(*executor, milliseconds(20));
            co_await std::move(pause);
            co_return true;
        };
        for (int i = 0; i < 3'000; ++i) {
            if (list("w1", WebhookState::Pending).empty()) return;
            run(kPause(&executor()));
        }
        ADD_FAILURE() << "it does not come to rest";
    }

    base::SeededRandom random_{4711};
    service::MetricsRegistry metrics_;
    WebhookOptions options_;
    std::unique_ptr<Receiver> receiver_;
    std::unique_ptr<WebhookOutbox> outbox_;
    int lives_ = 0;
    bool started_ = false;
};

TEST_P(WebhookOutboxTest, WhatWasAnnouncedArrivesSignedAndOnce) {
    open();
    start();
    const auto ids = announce(record(WorkflowStatus::Succeeded));
    ASSERT_EQ(ids.size(), 1U);
    settle();
    ASSERT_EQ(receiver_->all.size(), 1U);
    const Receiver::Got& got = receiver_->all.front();
    EXPECT_EQ(got.url, "https://hooks.example.com/first");
    EXPECT_EQ(got.id, ids.front());
    EXPECT_EQ(got.headers.find("Content-Type"), "application/json");
    const auto verified =
        verify_webhook(got.headers, got.body, secrets().front(), executor().now());
    EXPECT_TRUE(verified) << verified.error().message();
    EXPECT_FALSE(verify_webhook(got.headers, got.body + " ", secrets().front(), executor().now()));
    const auto delivered = list("w1", WebhookState::Delivered);
    ASSERT_EQ(delivered.size(), 1U);
    EXPECT_EQ(delivered.front().attempts, 1);
    EXPECT_EQ(delivered.front().last_http_status, 200);
    EXPECT_EQ(delivered.front().event, "workflow.succeeded");
    EXPECT_EQ(delivered.front().body, got.body);
}

TEST_P(WebhookOutboxTest, SegmentsOfAWorkflowAreNotToldByThemselves) {
    open();
    WorkflowRecord segment = record(WorkflowStatus::Succeeded);
    segment.endpoint = std::string(kSegmentEndpoint);
    EXPECT_TRUE(announce(segment).empty());
    EXPECT_EQ(announce(record(WorkflowStatus::Succeeded)).size(), 1U);
}

TEST_P(WebhookOutboxTest, NothingIsToldOfAUnitThatWasUndone) {
    open();
    start();
    const auto undone = write([&](Transaction& tx) -> Result<void> {
        TRY_VOID(outbox_->announce(tx, record(WorkflowStatus::Succeeded)));
        return Error::conflict("no");
    });
    ASSERT_FALSE(undone);
    EXPECT_TRUE(list("w1").empty());
    announce(record(WorkflowStatus::Failed));
    settle();
    ASSERT_EQ(receiver_->all.size(), 1U);
    EXPECT_NE(receiver_->all.front().body.find("workflow.failed"), std::string::npos);
}

TEST_P(WebhookOutboxTest, EachEndpointGetsItsOwnAndOthersWalletsAreNotTold) {
    open({"first", "second"});
    start();
    announce(record(WorkflowStatus::Succeeded));
    EXPECT_TRUE(announce(record(WorkflowStatus::Succeeded, "w2")).empty());
    settle();
    std::set<std::string> urls;
    std::set<std::string> ids;
    for (const auto& got : receiver_->all) {
        urls.insert(got.url);
        ids.insert(got.id);
    }
    EXPECT_EQ(receiver_->all.size(), 2U);
    EXPECT_EQ(urls.size(), 2U);
    EXPECT_EQ(ids.size(), 2U);
}

TEST_P(WebhookOutboxTest, AfterALostAnswerTheSameMessageComesAgain) {
    open();
    receiver_->reply = [](std::size_t attempt) {
        if (attempt == 0) return Receiver::failure(Error::outcome_unknown("the line broke"));
        return Receiver::status(http::Status::NoContent);
    };
    start();
    announce(record(WorkflowStatus::Succeeded));
    settle();
    ASSERT_EQ(receiver_->all.size(), 2U);
    EXPECT_EQ(receiver_->all[0].id, receiver_->all[1].id);
    EXPECT_EQ(receiver_->all[0].body, receiver_->all[1].body);
    const auto delivered = list("w1", WebhookState::Delivered);
    ASSERT_EQ(delivered.size(), 1U);
    EXPECT_EQ(delivered.front().attempts, 2);
    EXPECT_EQ(delivered.front().last_http_status, 204);
    EXPECT_EQ(delivered.front().last_error, "");
}

TEST_P(WebhookOutboxTest, TroubleOfTheReceiverIsTriedAgainAndThenDead) {
    open();
    receiver_->reply = [](std::size_t) {
        return Receiver::status(http::Status::ServiceUnavailable);
    };
    start();
    const auto ids = announce(record(WorkflowStatus::Succeeded));
    settle();
    EXPECT_EQ(receiver_->attempts(ids.front()), 4U);  // attempts_max
    const auto dead = list("w1", WebhookState::Dead);
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead.front().attempts, 4);
    EXPECT_EQ(dead.front().last_http_status, 503);
    EXPECT_EQ(dead.front().last_error, "the receiver answered 503");
    const auto count =
        write([](Transaction& tx) { return webhooks::count(tx, WebhookState::Dead); });
    EXPECT_EQ(count.value(), 1);
}

TEST_P(WebhookOutboxTest, ADeadOneIsTriedAgainOnDemandUnderItsOwnId) {
    open();
    receiver_->reply = [](std::size_t attempt) {
        return Receiver::status(attempt < 4 ? http::Status::BadGateway : http::Status::Ok);
    };
    start();
    const auto ids = announce(record(WorkflowStatus::Succeeded));
    settle();
    ASSERT_EQ(list("w1", WebhookState::Dead).size(), 1U);
    const auto retry = [&](const std::string& wallet, const std::string& id) {
        return write([&](Transaction& tx) { return outbox_->retry(tx, wallet, id); });
    };
    EXPECT_EQ(retry("w2", ids.front()).error().code(), ErrorCode::NotFound);
    EXPECT_EQ(retry("w1", "msg_unknown").error().code(), ErrorCode::NotFound);
    const auto again = retry("w1", ids.front());
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_EQ(again->state, WebhookState::Pending);
    EXPECT_EQ(retry("w1", ids.front()).error().reason(), "webhook_not_dead");
    settle();
    const auto delivered = list("w1", WebhookState::Delivered);
    ASSERT_EQ(delivered.size(), 1U);
    EXPECT_EQ(delivered.front().id, ids.front());
    EXPECT_EQ(delivered.front().attempts, 5);
    EXPECT_EQ(delivered.front().rounds, 2);
    EXPECT_EQ(retry("w1", ids.front()).error().reason(), "webhook_not_dead");
}

TEST_P(WebhookOutboxTest, AReceiverThatIsGoneIsNotAskedAgain) {
    open();
    receiver_->reply = [](std::size_t) { return Receiver::status(kGone); };
    start();
    const auto ids = announce(record(WorkflowStatus::Succeeded));
    settle();
    EXPECT_EQ(receiver_->attempts(ids.front()), 1U);
    EXPECT_EQ(list("w1", WebhookState::Dead).size(), 1U);
}

TEST_P(WebhookOutboxTest, RedirectsAndRefusedAddressesAreFailures) {
    open();
    receiver_->reply = [](std::size_t attempt) {
        if (attempt == 0) return Receiver::status(kFound);
        return Receiver::failure(
            Error::permission_denied("the address is not public", "address_refused"));
    };
    start();
    announce(record(WorkflowStatus::Succeeded));
    settle();
    const auto dead = list("w1", WebhookState::Dead);
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead.front().last_error, "the address is not public");
    EXPECT_FALSE(dead.front().last_http_status.has_value());
    for (const auto& got : receiver_->all) EXPECT_EQ(got.url, "https://hooks.example.com/first");
}

TEST_P(WebhookOutboxTest, WhatAnEndpointThatIsGoneWasToHearIsDead) {
    open({"first", "second"});
    announce(record(WorkflowStatus::Succeeded));  // not started: both stay pending
    outbox_.reset();
    open({"second"});
    start();
    settle();
    const auto dead = list("w1", WebhookState::Dead);
    ASSERT_EQ(dead.size(), 1U);
    EXPECT_EQ(dead.front().endpoint, "first");
    EXPECT_EQ(dead.front().last_error, "the configuration no longer names the endpoint");
    EXPECT_EQ(list("w1", WebhookState::Delivered).size(), 1U);
}

TEST_P(WebhookOutboxTest, TheListIsOfOneWalletNewestFirstAndInPages) {
    open();
    for (int i = 0; i < 5; ++i) announce(record(WorkflowStatus::Succeeded));
    const auto all = list("w1");
    ASSERT_EQ(all.size(), 5U);
    EXPECT_TRUE(list("w2").empty());
    std::vector<std::string> seen;
    webhooks::ListQuery query;
    query.wallet_id = "w1";
    query.limit = 2;
    for (int page = 0; page < 4; ++page) {
        const auto found = write([&](Transaction& tx) { return webhooks::list(tx, query); });
        ASSERT_TRUE(found);
        if (found->empty()) break;
        for (const auto& delivery : *found) seen.push_back(delivery.id);
        query.after_id = found->back().id;
        query.after_at = found->back().created_at;
    }
    std::vector<std::string> wanted;
    for (const auto& delivery : all) wanted.push_back(delivery.id);
    EXPECT_EQ(seen, wanted);
    for (std::size_t i = 1; i < all.size(); ++i) {
        EXPECT_GE(all[i - 1].created_at, all[i].created_at);
    }
}

TEST_P(WebhookOutboxTest, OldOnesAreForgottenAndPendingOnesNever) {
    options_.keep = base::Duration::zero();
    open();
    start();
    announce(record(WorkflowStatus::Succeeded));
    settle();
    stop();
    announce(record(WorkflowStatus::Failed));
    constexpr auto kPause = [](base::Executor* executor) -> Task<bool> {
        auto pause = base::sleep_for(*executor, milliseconds(20));
        co_await std::move(pause);
        co_return true;
    };
    run(kPause(&executor()));
    const auto removed = run(outbox_->prune());
    ASSERT_TRUE(removed) << removed.error().message();
    EXPECT_EQ(*removed, 1);
    const auto left = list("w1");
    ASSERT_EQ(left.size(), 1U);
    EXPECT_EQ(left.front().state, WebhookState::Pending);
}

ADYTON_ON_ALL_DATABASES(WebhookOutboxTest);

// ----- slow receivers and crashes, in virtual time
// ------------------------------------------------

class WebhookCrashTest : public WebhookOutboxTest {};

TEST_P(WebhookCrashTest, ASlowReceiverHoldsUpNoOther) {
    options_.concurrent_max = 2;
    open({"fast", "slow"});
    base::Executor* const here = &executor();
    receiver_->reply = [this, here](std::size_t) {
        constexpr auto kWait = [](base::Executor* its) -> Task<Result<http::Response>> {
            auto pause = base::sleep_for(*its, std::chrono::minutes(1));
            co_await std::move(pause);
            co_return Error::outcome_unknown("no answer in time");
        };
        const bool slow = receiver_->all.back().url.find("slow") != std::string::npos;
        return slow ? kWait(here) : Receiver::status(http::Status::Ok);
    };
    start();
    for (int i = 0; i < 3; ++i) announce(record(WorkflowStatus::Succeeded));
    const base::SteadyTime begin = here->steady_now();
    const auto fast_left = [&] {
        std::size_t count = 0;
        for (const auto& delivery : list("w1", WebhookState::Pending)) {
            count += delivery.endpoint == "fast" ? 1U : 0U;
        }
        return count;
    };
    while (fast_left() > 0 && here->steady_now() - begin < std::chrono::minutes(30)) {
        test().sim()->run_for(milliseconds(100));
    }
    EXPECT_EQ(fast_left(), 0U);
    EXPECT_LT(here->steady_now() - begin, std::chrono::minutes(4));
    test().sim()->run_for(std::chrono::minutes(20));
    for (const auto& delivery : list("w1", WebhookState::Dead)) {
        EXPECT_EQ(delivery.endpoint, "slow");
        EXPECT_EQ(delivery.attempts, 4);
    }
    EXPECT_EQ(list("w1", WebhookState::Dead).size(), 3U);
}

// The process dies at each of the moments of a delivery: it arrives all the same, under one id.
TEST_P(WebhookCrashTest, ACrashBetweenSendAndMarkDeliversAgainUnderTheSameId) {
    open();
    bool sent = false;
    receiver_->reply = [&sent](std::size_t attempt) {
        sent = true;
        // The first answer never comes back: the process is gone.
        if (attempt == 0) {
            constexpr auto kHang = []() -> Task<Result<http::Response>> {
                base::Completion<Result<http::Response>> never;
                co_return co_await never;
            };
            return kHang();
        }
        return Receiver::status(http::Status::Ok);
    };
    start();
    const auto ids = announce(record(WorkflowStatus::Succeeded));
    while (!sent) test().sim()->run_for(milliseconds(10));
    test().sim()->drop_all();
    outbox_.reset();
    started_ = false;
    test().crash(storage::TestDatabase::Crash::Power);
    ASSERT_EQ(list("w1", WebhookState::Pending).size(), 1U);
    open();
    start();
    settle();
    ASSERT_EQ(receiver_->all.size(), 2U);
    EXPECT_EQ(receiver_->all[0].id, ids.front());
    EXPECT_EQ(receiver_->all[1].id, ids.front());
    EXPECT_EQ(receiver_->all[0].body, receiver_->all[1].body);
    EXPECT_TRUE(verify_webhook(
        receiver_->all[1].headers, receiver_->all[1].body, secrets().front(), executor().now()));
}

TEST_P(WebhookCrashTest, ACrashAtAnyWriteLosesNoMessage) {
    // From the first write of the delivery to beyond its last.
    bool beyond = false;
    for (std::uint64_t writes = 1; writes < 400 && !beyond; writes += 3) {
        SCOPED_TRACE(writes);
        if (outbox_ == nullptr) open();
        start();
        const std::size_t before = list("w1").size();
        announce(record(WorkflowStatus::Succeeded));
        test().disk()->power_off_after(writes);
        for (int i = 0; i < 200 && test().disk()->powered(); ++i) {
            test().sim()->run_for(milliseconds(50));
        }
        beyond = test().disk()->powered();
        test().sim()->drop_all();
        outbox_.reset();
        started_ = false;
        test().disk()->power_off_after(1'000'000'000'000);
        test().crash(storage::TestDatabase::Crash::Power);
        open();
        start();
        settle();
        const auto all = list("w1");
        ASSERT_EQ(all.size(), before + 1);  // it was durable before the power went
        for (const auto& delivery : all) {
            EXPECT_EQ(delivery.state, WebhookState::Delivered);
            EXPECT_GE(receiver_->attempts(delivery.id), 1U);
            EXPECT_LE(receiver_->attempts(delivery.id), 3U);
        }
        stop();
        outbox_.reset();
    }
    EXPECT_TRUE(beyond);
}

INSTANTIATE_TEST_SUITE_P(
    Simulated, WebhookCrashTest, ::testing::Values(storage::TestBackend::SqliteSimulated),
    [](const ::testing::TestParamInfo<storage::TestBackend>& database) {
        return storage::to_string(database.param);
    });

}  // namespace
}  // namespace adyton::coordinator

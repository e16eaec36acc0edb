#include "api/pool_client.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

#include "base/sim_executor.h"

namespace adyton::api {
namespace {

using base::SimExecutor;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Answers from a list and remembers what was asked.
class ScriptedTransport final : public http::Transport {
public:
    struct Step {
        Result<http::Response> answer;
        base::Duration takes = milliseconds(1);
    };

    explicit ScriptedTransport(SimExecutor& executor) : executor_(executor) {}

    void add(Result<http::Response> answer, base::Duration takes = milliseconds(1)) {
        steps_.push_back({std::move(answer), takes});
    }
    void add_json(http::Status status, std::string body) {
        add(http::Response::json(status, std::move(body)));
    }

    Task<Result<http::Response>> send(http::ClientRequest request) override {
        times.push_back(executor_.steady_now());
        requests.push_back(std::move(request));
        if (steps_.empty()) co_return Error::internal("the script has ended");
        Step step = std::move(steps_.front());
        steps_.pop_front();
        Task<void> waiting = base::sleep_for(executor_, step.takes);
        co_await std::move(waiting);
        co_return std::move(step.answer);
    }

    std::vector<http::ClientRequest> requests;
    std::vector<base::SteadyTime> times;

private:
    SimExecutor& executor_;
    std::deque<Step> steps_;
};

class PoolClientTest : public testing::Test {
protected:
    PoolClient client(PoolClientOptions options = {}) {
        return PoolClient(transport, executor, executor.random(), std::move(options));
    }
    std::string header(std::size_t index, std::string_view name) const {
        return std::string(transport.requests.at(index).headers.find(name).value_or(""));
    }

    SimExecutor executor{7};
    ScriptedTransport transport{executor};
};

constexpr const char* kAllocation =
    R"({"accounts":[],"lock_id":"11111111-1111-4111-8111-111111111111"})";
constexpr const char* kPoolInfo =
    R"({"total_accounts":3,"active_accounts":2,"locked_accounts":1,"retiring_accounts":0,"token_stats":{}})";

http::Response refusal(http::Status status, const std::string& reason) {
    return http::Response::json(
        status, R"({"code":"HTTP_X","message":"refused","details":{"reason":")" + reason +
                    R"("},"trace_id":"t"})");
}

TEST_F(PoolClientTest, AReadIsOneGetWithTraceIdAndServiceId) {
    transport.add_json(http::Status::Ok, kPoolInfo);
    PoolClient pool = client({.base_url = "http://pool:8085/", .service_id = "neocompute"});
    const auto reply = executor.run_until_done(pool.pool_info());
    ASSERT_TRUE(reply) << reply.error().message();
    EXPECT_EQ(reply->total_accounts, 3);
    EXPECT_EQ(reply.call.attempts, 1U);
    EXPECT_EQ(reply.call.http_status, 200U);
    ASSERT_EQ(transport.requests.size(), 1U);
    EXPECT_EQ(transport.requests[0].method, "GET");
    EXPECT_EQ(transport.requests[0].url, "http://pool:8085/pool-info");
    EXPECT_EQ(header(0, "X-Service-ID"), "neocompute");
    EXPECT_EQ(header(0, "X-Trace-ID").size(), 36U);
    EXPECT_EQ(header(0, "Idempotency-Key"), "");
}

TEST_F(PoolClientTest, ARepeatedRequestCarriesTheSameIdempotencyKeyAndBody) {
    transport.add(Error::outcome_unknown("the connection broke"));
    transport.add(http::Response::text(http::Status::BadGateway, "<html>"));
    transport.add_json(http::Status::Ok, kAllocation);
    PoolClient pool = client();
    AccountsRequest two;
    two.count = 2;
    const auto reply = executor.run_until_done(pool.request(two));
    ASSERT_TRUE(reply) << reply.error().message();
    EXPECT_EQ(reply.call.attempts, 3U);
    ASSERT_EQ(transport.requests.size(), 3U);
    EXPECT_EQ(header(0, "Idempotency-Key").size(), 36U);
    for (std::size_t i = 1; i < 3; ++i) {
        EXPECT_EQ(header(i, "Idempotency-Key"), header(0, "Idempotency-Key"));
        EXPECT_EQ(transport.requests[i].body, transport.requests[0].body);
    }
    EXPECT_EQ(reply.call.idempotency_key, header(0, "Idempotency-Key"));
}

TEST_F(PoolClientTest, TwoCallsHaveDifferentIdempotencyKeys) {
    transport.add_json(http::Status::Ok, kAllocation);
    transport.add_json(http::Status::Ok, kAllocation);
    PoolClient pool = client();
    ASSERT_TRUE(executor.run_until_done(pool.request({})));
    ASSERT_TRUE(executor.run_until_done(pool.request({})));
    EXPECT_NE(header(0, "Idempotency-Key"), header(1, "Idempotency-Key"));
}

TEST_F(PoolClientTest, AGivenIdempotencyKeyAndTraceIdAreUsed) {
    transport.add_json(http::Status::Ok, kAllocation);
    PoolClient pool = client();
    const auto reply = executor.run_until_done(
        pool.request({}, {.idempotency_key = "mine", .trace_id = "trace-1"}));
    ASSERT_TRUE(reply);
    EXPECT_EQ(header(0, "Idempotency-Key"), "mine");
    EXPECT_EQ(header(0, "X-Trace-ID"), "trace-1");
}

TEST_F(PoolClientTest, RefusalsAreNotRepeatedAndKeepTheServersReasonAndTraceId) {
    for (const auto status :
         {http::Status::BadRequest, http::Status::Unauthorized, http::Status::Forbidden,
          http::Status::NotFound, http::Status::Conflict, http::Status::UnprocessableContent,
          http::Status::Locked, http::Status::InternalServerError}) {
        transport.requests.clear();
        http::Response answer = refusal(status, "why");
        answer.headers.add("X-Trace-ID", "from-the-server");
        transport.add(std::move(answer));
        PoolClient pool = client();
        const auto reply = executor.run_until_done(pool.sign({}));
        ASSERT_FALSE(reply);
        EXPECT_EQ(reply.error().code(), http::error_code_of(status));
        EXPECT_EQ(reply.error().message(), "refused");
        EXPECT_EQ(reply.error().reason(), "why");
        EXPECT_EQ(reply.call.trace_id, "from-the-server");
        EXPECT_EQ(reply.call.http_status, http::status_number(status));
        EXPECT_EQ(transport.requests.size(), 1U) << http::status_number(status);
    }
}

TEST_F(PoolClientTest, RetryAfterLengthensThePause) {
    http::Response busy = refusal(http::Status::TooManyRequests, "rate_limited");
    busy.headers.add("Retry-After", "7");
    transport.add(std::move(busy));
    transport.add_json(http::Status::Ok, kPoolInfo);
    PoolClient pool = client();
    ASSERT_TRUE(executor.run_until_done(pool.pool_info()));
    ASSERT_EQ(transport.times.size(), 2U);
    EXPECT_GE(transport.times[1] - transport.times[0], seconds(7));
    EXPECT_LT(transport.times[1] - transport.times[0], seconds(8));
}

TEST_F(PoolClientTest, APauseThatDoesNotFitIntoTheTotalTimeEndsTheCallAtOnce) {
    http::Response busy = refusal(http::Status::ServiceUnavailable, "pool_exhausted");
    busy.headers.add("Retry-After", "600");
    transport.add(std::move(busy));
    PoolClient pool = client();
    const auto before = executor.steady_now();
    const auto reply = executor.run_until_done(pool.request({}));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), ErrorCode::Unavailable);
    EXPECT_EQ(reply.error().reason(), "pool_exhausted");
    EXPECT_EQ(reply.call.retry_after, base::Duration(seconds(600)));
    EXPECT_LT(executor.steady_now() - before, seconds(1));
}

TEST_F(PoolClientTest, PausesGrowAndAttemptsAreBounded) {
    for (int i = 0; i < 10; ++i) transport.add(Error::unavailable("refused"));
    PoolClient pool = client({.attempts_max = 5});
    const auto reply = executor.run_until_done(pool.pool_info());
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), ErrorCode::Unavailable);
    ASSERT_EQ(transport.times.size(), 5U);
    for (std::size_t i = 1; i < 5; ++i) {
        const auto pause = transport.times[i] - transport.times[i - 1] - milliseconds(1);
        const base::Duration full = milliseconds(100) * (1 << (i - 1));
        EXPECT_GE(pause, full / 2) << i;
        EXPECT_LE(pause, full) << i;
    }
}

TEST_F(PoolClientTest, AnUnknownOutcomeStaysUnknownEvenIfTheServerIsGoneAfterwards) {
    transport.add(Error::outcome_unknown("the connection broke"));
    for (int i = 0; i < 3; ++i) transport.add(Error::unavailable("refused"));
    PoolClient pool = client();
    const auto reply = executor.run_until_done(pool.release({}));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), ErrorCode::OutcomeUnknown);
    EXPECT_NE(reply.error().message().find(reply.call.idempotency_key), std::string::npos);
}

TEST_F(PoolClientTest, AttemptsShareTheTotalTime) {
    for (int i = 0; i < 4; ++i) transport.add(Error::outcome_unknown("timeout"), seconds(4));
    PoolClient pool = client({.attempt_timeout = seconds(4), .total_timeout = seconds(10)});
    const auto reply = executor.run_until_done(pool.sign({}));
    ASSERT_FALSE(reply);
    ASSERT_EQ(transport.requests.size(), 3U);
    EXPECT_EQ(transport.requests[0].timeout, base::Duration(seconds(4)));
    EXPECT_LT(transport.requests[2].timeout, seconds(2));
}

TEST_F(PoolClientTest, AnswersOutsideTheContractAreCorruptData) {
    for (const char* body : {"", "null", "[]", "{", R"({"total_accounts":"many"})"}) {
        transport.add_json(http::Status::Ok, body);
        PoolClient pool = client();
        const auto reply = executor.run_until_done(pool.pool_info());
        ASSERT_FALSE(reply) << body;
        EXPECT_EQ(reply.error().code(), ErrorCode::CorruptData) << body;
    }
}

TEST_F(PoolClientTest, ARefusalFromSomethingElseStillHasAMessage) {
    transport.add(http::Response::text(http::Status::Forbidden, "<html>no</html>"));
    PoolClient pool = client();
    const auto reply = executor.run_until_done(pool.accounts({}));
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(reply.error().message(), "HTTP 403 without a reason");
}

TEST_F(PoolClientTest, QueryValuesAreEncoded) {
    transport.add_json(http::Status::Ok, R"({"accounts":[]})");
    PoolClient pool = client();
    AccountsQuery query;
    query.token = "a&b=c";
    query.min_balance = 5;
    ASSERT_TRUE(executor.run_until_done(pool.accounts(query)));
    EXPECT_EQ(
        transport.requests[0].url, "http://127.0.0.1:8085/accounts?token=a%26b%3Dc&min_balance=5");
}

}  // namespace
}  // namespace adyton::api

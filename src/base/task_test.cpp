#include "base/task.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/sim_executor.h"

namespace adyton::base {
namespace {

using namespace std::chrono_literals;

Task<int> immediate(int value) {
    co_return value;
}

Task<long> sum_of_many(int count) {
    long total = 0;
    for (int i = 0; i < count; ++i) total += co_await immediate(1);
    co_return total;
}

Task<Result<int>> half(int value) {
    if (value % 2 != 0) co_return Error::invalid_argument("odd");
    co_return value / 2;
}

Task<Result<int>> quarter(int value) {
    CO_TRY(const int first, co_await half(value));
    CO_TRY(const int second, co_await half(first));
    co_return second;
}

TEST(TaskTest, LoopsOverReadyTasksKeepTheStackFlat) {
    SimExecutor executor(1);
    EXPECT_EQ(executor.run_until_done(sum_of_many(1'000'000)), 1'000'000);
}

TEST(TaskTest, ErrorsTravelThroughCoTry) {
    SimExecutor executor(1);
    EXPECT_EQ(executor.run_until_done(quarter(12)).value(), 3);
    EXPECT_EQ(executor.run_until_done(quarter(6)).error().code(), ErrorCode::InvalidArgument);
}

Task<void> append_after(
    Executor& executor, Duration delay, std::string name, std::vector<std::string>& out) {
    co_await sleep_for(executor, delay);
    out.push_back(std::move(name));
}

TEST(SimExecutorTest, VirtualTimeOrdersSleepersWithoutWaiting) {
    SimExecutor executor(1);
    std::vector<std::string> order;
    spawn(executor, append_after(executor, 3h, "third", order));
    spawn(executor, append_after(executor, 1h, "first", order));
    spawn(executor, append_after(executor, 2h, "second", order));
    const auto start = executor.now();
    executor.run();
    EXPECT_EQ(order, (std::vector<std::string>{"first", "second", "third"}));
    EXPECT_EQ(executor.now() - start, 3h);
}

std::string order_with_seed(std::uint64_t seed) {
    SimExecutor executor(seed);
    std::string order;
    for (char name = 'a'; name <= 'h'; ++name) executor.post([&order, name] { order += name; });
    executor.run();
    return order;
}

TEST(SimExecutorTest, TheSameSeedReplaysAndAnotherDiffers) {
    EXPECT_EQ(order_with_seed(5), order_with_seed(5));
    std::vector<std::string> orders;
    for (std::uint64_t seed = 0; seed < 8; ++seed) orders.push_back(order_with_seed(seed));
    EXPECT_NE(std::count(orders.begin(), orders.end(), orders[0]), 8);
}

Task<void> hold_until_dropped(Executor& executor, std::shared_ptr<int> held) {
    co_await sleep_for(executor, 1h);
    *held = 1;
}

TEST(SimExecutorTest, ACrashDropsWhatWasRunningAndFreesIt) {
    SimExecutor executor(1);
    auto held = std::make_shared<int>(0);
    spawn(executor, hold_until_dropped(executor, held));
    executor.run_for(1s);
    EXPECT_EQ(held.use_count(), 2);
    executor.drop_all();
    EXPECT_EQ(held.use_count(), 1);
    executor.run();
    EXPECT_EQ(*held, 0);
}

TEST(SimExecutorTest, ACancelledTimerNeverFires) {
    SimExecutor executor(1);
    bool fired = false;
    const auto timer = executor.post_after(1s, [&fired] { fired = true; });
    EXPECT_TRUE(executor.cancel(timer));
    EXPECT_FALSE(executor.cancel(timer));
    executor.run();
    EXPECT_FALSE(fired);
}

Task<int> on_worker(Executor& executor, int value) {
    const int doubled = co_await run_blocking(executor, [value] { return value * 2; });
    CHECK(Executor::current() == &executor);
    co_return doubled;
}

Task<int> fan_out(Executor& executor, int count) {
    std::vector<Task<int>> tasks;
    for (int i = 0; i < count; ++i) tasks.push_back(on_worker(executor, i));
    const std::vector<int> values = co_await when_all(std::move(tasks));
    int total = 0;
    for (const int value : values) total += value;
    co_return total;
}

TEST(TaskTest, BlockingWorkComesBackToItsExecutor) {
    SimExecutor simulated(1);
    EXPECT_EQ(simulated.run_until_done(fan_out(simulated, 100)), 9900);
    WorkerThreads workers(4);
    EventLoop loop(workers);
    EXPECT_EQ(loop.run_until_done(fan_out(loop, 1000)), 999000);
}

Task<int> many_rounds(Executor& executor, int rounds) {
    int total = 0;
    for (int i = 0; i < rounds; ++i) total += co_await on_worker(executor, 1);
    co_return total;
}

// Completions race with the suspension of their waiter here; run under tsan as well.
TEST(EventLoopTest, CompletionsFromOtherThreadsAreNeverLost) {
    WorkerThreads workers(4);
    EventLoop loop(workers);
    constexpr auto kAll = [](Executor& executor) -> Task<int> {
        std::vector<Task<int>> tasks;
        for (int i = 0; i < 16; ++i) tasks.push_back(many_rounds(executor, 500));
        const std::vector<int> values = co_await when_all(std::move(tasks));
        int total = 0;
        for (const int value : values) total += value;
        co_return total;
    };
    EXPECT_EQ(loop.run_until_done(kAll(loop)), 16 * 500 * 2);
}

TEST(EventLoopTest, TimersFireInOrderAndCancelWorks) {
    WorkerThreads workers(1);
    EventLoop loop(workers);
    std::string order;
    loop.post_after(20ms, [&] {
        order += 'c';
        loop.stop();
    });
    loop.post_after(10ms, [&] { order += 'b'; });
    loop.post_after(1ms, [&] { order += 'a'; });
    const auto cancelled = loop.post_after(5ms, [&] { order += 'x'; });
    EXPECT_TRUE(loop.cancel(cancelled));
    loop.run();
    EXPECT_EQ(order, "abc");
}

TEST(UniqueFunctionTest, MovesLargeAndSmallCallables) {
    int calls = 0;
    auto owned = std::make_unique<int>(3);
    UniqueFunction small([&calls, owned = std::move(owned)] { calls += *owned; });
    std::vector<std::string> large_state(10, std::string(100, 'x'));
    struct Padding {
        char bytes[200];
    };
    UniqueFunction large([&calls, large_state, padding = Padding{}] {
        calls += static_cast<int>(large_state.size()) + (padding.bytes[0] == 0 ? 0 : 1);
    });
    UniqueFunction moved = std::move(small);
    small = std::move(large);
    moved();
    small();
    EXPECT_EQ(calls, 13);
}

}  // namespace
}  // namespace adyton::base

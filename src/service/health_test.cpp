#include "service/health.h"

#include <gtest/gtest.h>

#include "base/sim_executor.h"

namespace adyton::service {
namespace {

// A database whose answer and delay the test sets.
struct FakeDatabase {
    explicit FakeDatabase(base::SimExecutor& executor) : loop(executor) {}

    Task<Result<void>> probe() {
        ++probes;
        ++running;
        running_max = std::max(running_max, running);
        if (delay > base::Duration::zero()) co_await base::sleep_for(loop, delay);
        --running;
        if (fails) co_return Error::unavailable("connection refused");
        co_return Result<void>();
    }

    base::SimExecutor& loop;
    base::Duration delay{};
    bool fails = false;
    int probes = 0;
    int running = 0;
    int running_max = 0;
};

class HealthTest : public ::testing::Test {
protected:
    HealthTest() {
        HealthOptions options;
        options.probe_database = [this] { return database_.probe(); };
        options.check_secrets = [this]() -> Result<void> {
            if (secrets_) return {};
            return Error::unavailable("master key not loaded");
        };
        monitor_ = std::make_unique<HealthMonitor>(std::move(options), loop_);
    }

    HealthReport report() { return loop_.run_until_done(monitor_->report()); }

    base::SimExecutor loop_{7};
    FakeDatabase database_{loop_};
    bool secrets_ = true;
    std::unique_ptr<HealthMonitor> monitor_;
};

TEST_F(HealthTest, OnlyARunningServiceWithDatabaseAndSecretsIsHealthy) {
    EXPECT_EQ(report().status, HealthStatus::Degraded);
    EXPECT_EQ(report().problem, "phase: starting");
    monitor_->set_phase(Phase::Running);
    EXPECT_EQ(report().status, HealthStatus::Healthy);
    EXPECT_EQ(report().problem, "");
    secrets_ = false;
    EXPECT_EQ(report().status, HealthStatus::Degraded);
    EXPECT_FALSE(report().secrets_loaded);
    secrets_ = true;
    monitor_->set_phase(Phase::Draining);
    EXPECT_EQ(report().status, HealthStatus::Degraded);
}

TEST_F(HealthTest, AFailedProbeIsUnhealthyUntilTheNextOneThatWorks) {
    monitor_->set_phase(Phase::Running);
    database_.fails = true;
    EXPECT_EQ(report().status, HealthStatus::Unhealthy);
    EXPECT_FALSE(report().database_connected);
    EXPECT_EQ(report().problem, "database: connection refused");
    database_.fails = false;
    EXPECT_EQ(report().status, HealthStatus::Unhealthy);  // the cached result
    loop_.run_for(std::chrono::seconds(1));
    EXPECT_EQ(report().status, HealthStatus::Healthy);
}

TEST_F(HealthTest, ManyQuestionsCostOneProbeASecond) {
    for (int i = 0; i < 1000; ++i) (void)report();
    EXPECT_EQ(database_.probes, 1);
    loop_.run_for(std::chrono::milliseconds(999));
    (void)report();
    EXPECT_EQ(database_.probes, 1);
    loop_.run_for(std::chrono::milliseconds(1));
    for (int i = 0; i < 10; ++i) (void)report();
    EXPECT_EQ(database_.probes, 2);
}

TEST_F(HealthTest, QuestionsAtTheSameTimeShareOneProbe) {
    monitor_->set_phase(Phase::Running);
    database_.delay = std::chrono::seconds(1);
    std::vector<Task<HealthReport>> tasks;
    for (int i = 0; i < 100; ++i) tasks.push_back(monitor_->report());
    const auto reports = loop_.run_until_done(base::when_all(std::move(tasks)));
    for (const HealthReport& one : reports) EXPECT_EQ(one.status, HealthStatus::Healthy);
    EXPECT_EQ(database_.probes, 1);
}

TEST_F(HealthTest, AProbeThatHangsIsAFailureAfterItsTimeAndNoSecondOneStarts) {
    monitor_->set_phase(Phase::Running);
    database_.delay = std::chrono::seconds(60);
    const auto before = loop_.steady_now();
    EXPECT_EQ(report().status, HealthStatus::Unhealthy);
    EXPECT_EQ(loop_.steady_now() - before, std::chrono::seconds(5));
    for (int i = 0; i < 5; ++i) {
        loop_.run_for(std::chrono::seconds(2));
        EXPECT_EQ(report().status, HealthStatus::Unhealthy);
    }
    EXPECT_EQ(database_.probes, 1);
    EXPECT_EQ(database_.running_max, 1);
    loop_.run_for(std::chrono::seconds(60));  // the hanging one ends, well
    database_.delay = base::Duration::zero();
    EXPECT_EQ(report().status, HealthStatus::Healthy);
    EXPECT_EQ(database_.running_max, 1);
}

TEST_F(HealthTest, TheReportTellsWhenAndForHowLong) {
    const auto started = loop_.now();
    loop_.run_for(std::chrono::seconds(90));
    const HealthReport now = report();
    EXPECT_EQ(now.uptime, std::chrono::seconds(90));
    ASSERT_TRUE(now.last_check);
    EXPECT_EQ(*now.last_check, started + std::chrono::seconds(90));
}

TEST_F(HealthTest, WithoutADatabaseNoneIsNeeded) {
    HealthMonitor plain({}, loop_);
    plain.set_phase(Phase::Running);
    const HealthReport now = loop_.run_until_done(plain.report());
    EXPECT_EQ(now.status, HealthStatus::Healthy);
    EXPECT_FALSE(now.database_configured);
    EXPECT_FALSE(now.last_check);
}

TEST_F(HealthTest, AMonitorMayGoBeforeAProbeThatHangs) {
    database_.delay = std::chrono::seconds(60);
    (void)report();
    monitor_.reset();
    loop_.run_for(std::chrono::seconds(120));
    EXPECT_EQ(database_.running, 0);
}

}  // namespace
}  // namespace adyton::service

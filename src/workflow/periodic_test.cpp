#include "workflow/periodic.h"

#include <gtest/gtest.h>

#include "workflow/workflow_test_support.h"

namespace adyton::workflow {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using storage::Transaction;

// What jobs of the tests did, in all instances.
struct Diary {
    base::Executor* executor = nullptr;
    std::vector<base::Timestamp> starts;
    std::vector<std::string> by;
    int running = 0;
    int running_most = 0;
    base::Duration takes{};
    int failures_left = 0;
    std::string seen;  // the last refusal of JobContext::check
};

Task<Result<std::int64_t>> note(
    Diary* diary, std::string holder, JobContext* context, storage::Database* database) {
    diary->starts.push_back(diary->executor->now());
    diary->by.push_back(holder);
    diary->running_most = std::max(diary->running_most, ++diary->running);
    auto pause = base::sleep_for(*diary->executor, diary->takes);
    co_await std::move(pause);
    --diary->running;
    auto unit = [context](Transaction& tx) { return context->check(tx); };
    auto check = database->write(unit);
    const auto held = co_await std::move(check);
    if (!held) {
        diary->seen = held.error().reason();
        co_return held.error();
    }
    if (diary->failures_left > 0) {
        --diary->failures_left;
        co_return Error::unavailable("not today");
    }
    co_return 3;
}

Task<bool> finished(Task<void> task) {
    co_await std::move(task);
    co_return true;
}

class PeriodicTest : public ::testing::Test {
protected:
    std::unique_ptr<storage::TestDatabase> test_ =
        storage::TestDatabase::create(storage::TestBackend::SqliteSimulated, 7);
    base::SeededRandom random_{7};
    Diary diary_;

    void SetUp() override {
        ASSERT_TRUE(test_->run(storage::migrate(test_->database(), migrations())));
        diary_.executor = &test_->executor();
    }
    std::unique_ptr<PeriodicRunner> start(
        const std::string& holder, base::Duration first = seconds(1),
        base::Duration period = hours(1)) {
        auto runner = std::make_unique<PeriodicRunner>(PeriodicRunner::Options{
            holder, test_->executor(), test_->database(), random_, base::null_logger()});
        PeriodicJob job;
        job.name = "job";
        job.period = period;
        job.first_delay = first;
        storage::Database* const database = &test_->database();
        Diary* const diary = &diary_;
        job.run = [diary, holder, database](JobContext& context) {
            return note(diary, holder, &context, database);
        };
        runner->add(std::move(job));
        runner->start();
        return runner;
    }
    void pass(base::Duration span) { test_->sim()->run_for(span); }
    void stop(PeriodicRunner& runner) { test_->run(finished(runner.stop())); }
};

TEST_F(PeriodicTest, AJobRunsOnceAPeriod) {
    const auto runner = start("a");
    pass(minutes(30));
    EXPECT_EQ(diary_.starts.size(), 1U);
    pass(hours(10));
    EXPECT_EQ(diary_.starts.size(), 11U);
    for (std::size_t i = 1; i < diary_.starts.size(); ++i) {
        const auto gap = diary_.starts[i] - diary_.starts[i - 1];
        EXPECT_GE(gap, hours(1) - seconds(1));
        EXPECT_LE(gap, hours(1) + minutes(5));
    }
    const JobStatus status = runner->status().at(0);
    EXPECT_EQ(status.runs, 11U);
    EXPECT_EQ(status.items, 33);
    EXPECT_EQ(status.failures, 0U);
    EXPECT_FALSE(status.running);
    EXPECT_EQ(status.last_error, "");
    stop(*runner);
}

TEST_F(PeriodicTest, AmongManyInstancesOneRunsEachPeriod) {
    std::vector<std::unique_ptr<PeriodicRunner>> runners;
    for (const std::string holder : {"a", "b", "c", "d"}) {
        runners.push_back(start(holder, seconds(1 + static_cast<int>(runners.size()))));
    }
    diary_.takes = minutes(5);
    pass(hours(20));
    EXPECT_GE(diary_.starts.size(), 18U);
    EXPECT_LE(diary_.starts.size(), 20U);
    EXPECT_EQ(diary_.running_most, 1);
    std::uint64_t skipped = 0;
    for (const auto& runner : runners) skipped += runner->status().at(0).skipped;
    EXPECT_GT(skipped, 0U);
    for (const auto& runner : runners) stop(*runner);
}

TEST_F(PeriodicTest, ARunLongerThanItsPeriodIsNeverDoubled) {
    const auto one = start("a", seconds(1), minutes(1));
    const auto two = start("b", seconds(2), minutes(1));
    diary_.takes = minutes(10);
    pass(hours(1));
    EXPECT_EQ(diary_.running_most, 1);
    EXPECT_GE(diary_.starts.size(), 5U);
    EXPECT_LE(diary_.starts.size(), 6U);
    stop(*one);
    stop(*two);
}

TEST_F(PeriodicTest, ARestartDoesNotRunItSooner) {
    {
        const auto runner = start("a");
        pass(minutes(10));
        stop(*runner);
    }
    const auto again = start("a");
    pass(minutes(40));
    EXPECT_EQ(diary_.starts.size(), 1U);
    EXPECT_GE(again->status().at(0).skipped, 1U);
    pass(minutes(15));
    EXPECT_EQ(diary_.starts.size(), 2U);
    stop(*again);
}

TEST_F(PeriodicTest, AFailedRunIsCountedAndTriedAgainSooner) {
    diary_.failures_left = 3;
    const auto runner = start("a");
    pass(minutes(30));
    EXPECT_EQ(diary_.starts.size(), 4U);  // after 10, 20 and 40 seconds, then well
    ASSERT_GE(diary_.starts.size(), 3U);
    EXPECT_GE(diary_.starts[2] - diary_.starts[1], seconds(19));
    const JobStatus status = runner->status().at(0);
    EXPECT_EQ(status.failures, 3U);
    EXPECT_EQ(status.runs, 4U);
    EXPECT_EQ(status.last_error, "");
    stop(*runner);
}

TEST_F(PeriodicTest, TriggerRunsItAtOnce) {
    const auto runner = start("a");
    pass(minutes(10));
    EXPECT_TRUE(runner->trigger("job"));
    EXPECT_FALSE(runner->trigger("unknown"));
    pass(minutes(1));
    EXPECT_EQ(diary_.starts.size(), 2U);
    stop(*runner);
    EXPECT_FALSE(runner->trigger("job"));
}

TEST_F(PeriodicTest, StopWaitsForTheRunAtHandAndGivesTheLeaseBack) {
    diary_.takes = minutes(3);
    const auto runner = start("a");
    pass(seconds(5));
    EXPECT_EQ(diary_.running, 1);
    stop(*runner);
    EXPECT_EQ(diary_.running, 0);
    EXPECT_EQ(runner->status().at(0).runs, 1U);
    const auto lease = test_->run(test_->database().write(
        [](Transaction& tx) { return acquire_lease(tx, "job", "other", minutes(1)); }));
    EXPECT_TRUE(lease.value());
    const std::size_t runs = diary_.starts.size();
    pass(hours(5));
    EXPECT_EQ(diary_.starts.size(), runs);
}

TEST_F(PeriodicTest, ALostLeaseStopsTheWorkOfTheOldRun) {
    diary_.takes = minutes(2);
    const auto runner = start("a");
    pass(seconds(30));
    // As if this process had slept: another instance takes over.
    ASSERT_TRUE(test_->run(test_->database().write([](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute("UPDATE leases SET holder = 'b', fencing = fencing + 1", {}));
        return {};
    })));
    pass(minutes(5));
    EXPECT_EQ(diary_.seen, "lease_lost");
    EXPECT_EQ(runner->status().at(0).failures, 1U);
    EXPECT_FALSE(runner->status().at(0).last_error.empty());
    stop(*runner);
}

TEST_F(PeriodicTest, AKilledRunIsMadeUpForByAnotherInstance) {
    diary_.takes = minutes(10);
    auto killed = start("a");
    pass(minutes(1));
    ASSERT_EQ(diary_.running, 1);
    test_->crash();
    killed.reset();
    diary_.running = 0;
    diary_.takes = seconds(1);
    const auto other = start("b");
    pass(minutes(3));
    ASSERT_EQ(diary_.by.size(), 2U);
    EXPECT_EQ(diary_.by[1], "b");
    stop(*other);
}

TEST_F(PeriodicTest, ADatabaseThatIsAwayIsAFailureAndNotTheEnd) {
    const auto runner = start("a");
    pass(minutes(10));
    test_->disk()->set_full(true);
    pass(hours(2));
    EXPECT_FALSE(runner->status().at(0).last_error.empty());
    test_->disk()->set_full(false);
    const std::size_t before = diary_.starts.size();
    pass(hours(2));
    EXPECT_GE(diary_.starts.size(), before + 1);
    EXPECT_EQ(runner->status().at(0).last_error, "");
    stop(*runner);
}

class PeriodicEverywhereTest : public WorkflowDatabaseTest {};

TEST_P(PeriodicEverywhereTest, TwoInstancesShareAJob) {
    Diary diary;
    diary.executor = &executor();
    diary.takes = milliseconds(5);
    base::SeededRandom random(1);
    const auto other = test().open_another();
    std::vector<std::unique_ptr<PeriodicRunner>> runners;
    for (const std::string holder : {"a", "b"}) {
        storage::Database& at = holder == "a" ? database() : *other;
        runners.push_back(std::make_unique<PeriodicRunner>(
            PeriodicRunner::Options{holder, executor(), at, random, base::null_logger()}));
        PeriodicJob job;
        job.name = "job";
        job.period = milliseconds(150);
        job.first_delay = milliseconds(1);
        job.run = [&diary, holder, &at](JobContext& context) {
            return note(&diary, holder, &context, &at);
        };
        runners.back()->add(std::move(job));
        runners.back()->start();
    }
    sleep(milliseconds(700));
    for (const auto& runner : runners) run(finished(runner->stop()));
    EXPECT_GE(diary.starts.size(), 2U);
    EXPECT_LE(diary.starts.size(), 5U);
    EXPECT_EQ(diary.running_most, 1);
}

ADYTON_ON_ALL_DATABASES(PeriodicEverywhereTest);

}  // namespace
}  // namespace adyton::workflow

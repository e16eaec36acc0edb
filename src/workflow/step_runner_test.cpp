#include "workflow/step_runner.h"

#include <gtest/gtest.h>

#include <map>

#include "workflow/workflow_test_support.h"

namespace adyton::workflow {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using storage::Transaction;

// Runs that count to `goal` in the table `effects`: each step inserts one row and advances, in one
// unit, after an outside effect of unknown outcome (a wait).
struct World {
    base::SimExecutor* sim = nullptr;
    storage::Database* database = nullptr;
    std::int64_t goal = 5;
    std::map<std::string, int> driving;  // calls under way, by run
    bool driven_twice = false;
    std::map<std::string, int> calls;
    int failures_left = 0;
    bool may_act_seen_false = false;
    base::Duration step_takes = milliseconds(20);
};

Result<void> count_up(
    Transaction& tx, const StepContext& context, std::int64_t done, std::int64_t goal) {
    // The primary key would refuse a step that is done twice.
    const auto number = std::stoll(context.run().id) * 1000 + done;
    TRY_VOID(tx.execute("INSERT INTO effects (id) VALUES ($1)", {number}));
    if (done + 1 == goal) {
        return context.finish(tx, RunState::Succeeded, "", {"finished", "{}"});
    }
    const std::string payload = std::to_string(done + 1);
    return context.advance(tx, {"count", payload, {}, {}}, {"counted", payload});
}

Task<Result<StepOutcome>> step(World* world, const StepContext* context) {
    const std::string id = context->run().id;
    ++world->calls[id];
    if (++world->driving[id] > 1) world->driven_twice = true;
    auto pause = base::sleep_for(*world->sim, world->step_takes);
    co_await std::move(pause);
    --world->driving[id];
    if (!context->may_act()) world->may_act_seen_false = true;
    if (world->failures_left > 0) {
        --world->failures_left;
        co_return Error::unavailable("not now");
    }
    const std::int64_t done = std::stoll(context->run().payload);
    auto unit = [context, done, goal = world->goal](Transaction& tx) {
        return count_up(tx, *context, done, goal);
    };
    auto write = world->database->write(unit);
    CO_TRY_VOID(co_await std::move(write));
    co_return done + 1 == world->goal ? StepOutcome::ended() : StepOutcome::again();
}

class StepRunnerTest : public ::testing::Test {
protected:
    std::unique_ptr<storage::TestDatabase> test_ =
        storage::TestDatabase::create(storage::TestBackend::SqliteSimulated, 11);
    base::SeededRandom random_{11};
    World world_;

    template <typename F>
    auto write(F unit) {
        return test_->run(test_->database().write(std::move(unit)));
    }
    void SetUp() override {
        ASSERT_TRUE(test_->run(storage::migrate(test_->database(), migrations())));
        ASSERT_TRUE(write([](Transaction& tx) {
            return tx.execute_script("CREATE TABLE effects (id INTEGER PRIMARY KEY)");
        }));
        world_.sim = test_->sim();
        world_.database = &test_->database();
    }
    std::unique_ptr<StepRunner> start(const std::string& holder, RunKind kind = {}) {
        StepRunner::Options options{
            holder, test_->executor(), test_->database(), random_, base::null_logger()};
        options.lease = seconds(9);
        auto runner = std::make_unique<StepRunner>(std::move(options));
        kind.name = "count";
        World* const world = &world_;
        if (!kind.step) kind.step = [world](StepContext& context) { return step(world, &context); };
        runner->add(std::move(kind));
        runner->start();
        return runner;
    }
    workflow::Run insert(
        int id, const std::string& driver = {}, std::optional<std::int64_t> attempts_max = {},
        std::optional<base::Timestamp> deadline = {}) {
        NewRun run;
        run.id = std::to_string(id);
        run.kind = "count";
        run.subject = "s" + std::to_string(id % 3);
        run.step = "count";
        run.payload = "0";
        run.attempts_max = attempts_max;
        run.deadline = deadline;
        return write([&](Transaction& tx) { return insert_run(tx, run, driver); }).value();
    }
    workflow::Run find(int id) {
        return write([&](Transaction& tx) { return find_run(tx, std::to_string(id)); })
            .value()
            .value();
    }
    std::int64_t effects() {
        return write([](Transaction& tx) -> Result<std::int64_t> {
                   TRY(const storage::Rows rows, tx.query("SELECT count(*) FROM effects", {}));
                   return rows.integer(0, 0);
               })
            .value();
    }
    void pass(base::Duration span) { test_->sim()->run_for(span); }
    void stop(StepRunner& runner) {
        constexpr auto kFinish = [](Task<void> task) -> Task<bool> {
            co_await std::move(task);
            co_return true;
        };
        test_->run(kFinish(runner.stop()));
    }
};

TEST_F(StepRunnerTest, ARunGoesThroughItsStepsOnce) {
    const auto runner = start("a");
    insert(1);
    pass(seconds(5));
    EXPECT_EQ(find(1).state, RunState::Succeeded);
    EXPECT_EQ(effects(), 5);
    EXPECT_EQ(world_.calls["1"], 5);
    EXPECT_EQ(runner->status().finished, 1U);
    EXPECT_EQ(runner->status().held, 0U);
    stop(*runner);
    EXPECT_FALSE(world_.driven_twice);
}

TEST_F(StepRunnerTest, AnAdoptedRunBeginsWithoutWaitingForARound) {
    const auto runner = start("a");
    pass(milliseconds(500));
    ASSERT_NE(runner->driver(), "");
    const workflow::Run run = insert(1, runner->driver());
    EXPECT_EQ(run.driver, runner->driver());
    runner->adopt(run);
    pass(milliseconds(300));
    EXPECT_EQ(find(1).state, RunState::Succeeded);
    EXPECT_EQ(runner->status().claimed, 0U);
    stop(*runner);
}

// What became of the unit that inserts it is unknown, and is known much later to nobody but the
// database.
TEST_F(StepRunnerTest, ARunWhoseInsertionLandsLateIsFoundByItsDriver) {
    const auto runner = start("a");
    pass(milliseconds(500));
    NewRun run{"1", "count", "s", "count", "0", {}, {}, {}};
    std::optional<workflow::Run> inserted;
    const auto undone = write([&](Transaction& tx) -> Result<void> {
        TRY(inserted, insert_run(tx, run, runner->driver()));
        return Error::outcome_unknown("the connection broke during the commit");
    });
    ASSERT_FALSE(undone);
    ASSERT_EQ(inserted->driver, runner->driver());
    runner->adopt_if_kept(*inserted);
    pass(seconds(12));
    EXPECT_EQ(runner->status().held, 1U);
    ASSERT_TRUE(write([&](Transaction& tx) { return insert_run(tx, run, runner->driver()); }));
    pass(seconds(10));
    EXPECT_EQ(find(1).state, RunState::Succeeded);
    EXPECT_EQ(effects(), 5);
    stop(*runner);
}

TEST_F(StepRunnerTest, ARunThatWasNeverKeptIsLetGo) {
    const auto runner = start("a");
    pass(milliseconds(500));
    workflow::Run never;
    never.id = "1";
    never.kind = "count";
    never.driver = runner->driver();
    runner->adopt_if_kept(never);
    pass(minutes(1));
    EXPECT_EQ(runner->status().held, 0U);
    EXPECT_EQ(runner->status().calls, 0U);
    stop(*runner);
}

TEST_F(StepRunnerTest, WhoRemembersARunHearsThatItIsAnothersNow) {
    std::vector<std::string> lost;
    RunKind kind;
    kind.lost = [&lost](const std::string& id) { lost.push_back(id); };
    world_.goal = 100;
    world_.step_takes = seconds(1);
    const auto one = start("a", std::move(kind));
    insert(1);
    insert(2);
    pass(seconds(5));
    EXPECT_TRUE(lost.empty());
    // Paused, by whomever.
    ASSERT_TRUE(write([](Transaction& tx) { return pause_run(tx, "1", "op"); }).value());
    pass(seconds(5));
    EXPECT_EQ(lost, std::vector<std::string>{"1"});
    // And the lease of everything that is left.
    ASSERT_TRUE(write([](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute("UPDATE workflow_drivers SET expires_at = 1", {}));
        TRY_VOID(free_orphans(tx, 10));
        return {};
    }));
    pass(seconds(10));
    ASSERT_GE(lost.size(), 2U);
    EXPECT_EQ(lost[1], "2");
    stop(*one);
}

// Carries out every write, and says of one of them that nobody knows.
class ForgetfulDatabase final : public storage::Database {
public:
    explicit ForgetfulDatabase(storage::Database& inner) : inner_(inner) {}
    storage::Dialect dialect() const override { return inner_.dialect(); }
    Task<Result<void>> write_unit(
        storage::UnitOfWork unit, storage::Durability durability) override {
        auto writing = inner_.write_unit(std::move(unit), durability);
        Result<void> done = co_await std::move(writing);
        if (done && countdown_ > 0 && --countdown_ == 0) {
            co_return Error::outcome_unknown("the connection broke during the commit");
        }
        co_return done;
    }
    Task<Result<void>> read_unit(storage::UnitOfWork unit) override {
        return inner_.read_unit(std::move(unit));
    }
    void forget_write(int number) { countdown_ = number; }
    bool forgot() const { return countdown_ == 0; }

private:
    storage::Database& inner_;
    int countdown_ = 0;
};

TEST_F(StepRunnerTest, NoRunIsLostWhereTheOutcomeOfAWriteIsUnknown) {
    ForgetfulDatabase forgetful(test_->database());
    for (int lost = 1; lost <= 10; ++lost) {
        StepRunner::Options options{
            "a", test_->executor(), forgetful, random_, base::null_logger()};
        options.lease = seconds(9);
        StepRunner runner(std::move(options));
        RunKind kind;
        kind.name = "count";
        World* const world = &world_;
        kind.step = [world](StepContext& context) { return step(world, &context); };
        runner.add(std::move(kind));
        runner.start();
        pass(milliseconds(1500));
        forgetful.forget_write(lost);  // of claims, renewals and retries; steps have their own way
        insert(lost);
        pass(minutes(1));
        EXPECT_TRUE(forgetful.forgot()) << lost;
        EXPECT_EQ(find(lost).state, RunState::Succeeded) << lost;
        EXPECT_EQ(effects(), 5 * lost) << lost;
        stop(runner);
    }
    EXPECT_FALSE(world_.driven_twice);
}

TEST_F(StepRunnerTest, TwoInstancesShareTheRunsAndDoEachStepOnce) {
    world_.step_takes = milliseconds(200);
    const auto one = start("a");
    const auto two = start("b");
    for (int i = 1; i <= 400; ++i) insert(i);
    pass(minutes(5));
    EXPECT_EQ(effects(), 2000);
    EXPECT_FALSE(world_.driven_twice);
    EXPECT_GT(one->status().finished, 0U);
    EXPECT_GT(two->status().finished, 0U);
    EXPECT_EQ(one->status().finished + two->status().finished, 400U);
    stop(*one);
    stop(*two);
}

TEST_F(StepRunnerTest, WhatFailsIsTriedAgainLaterAndLonger) {
    const auto runner = start("a");
    world_.failures_left = 4;
    insert(1);
    pass(minutes(2));
    EXPECT_EQ(find(1).state, RunState::Succeeded);
    EXPECT_EQ(runner->status().retries, 4U);
    EXPECT_EQ(world_.calls["1"], 9);
    EXPECT_EQ(find(1).attempts, 0);
    stop(*runner);
}

TEST_F(StepRunnerTest, ABudgetOfAttemptsEndsTheRunWithItsReason) {
    int given_up = 0;
    RunKind kind;
    kind.give_up = [&](Transaction&, const workflow::Run& run,
                       const std::string& reason) -> Result<void> {
        EXPECT_EQ(run.id, "1");
        EXPECT_NE(reason.find("attempts_used_up"), std::string::npos);
        ++given_up;
        return {};
    };
    const auto runner = start("a", std::move(kind));
    world_.failures_left = 1000;
    insert(1, {}, 3);
    pass(minutes(10));
    EXPECT_EQ(find(1).state, RunState::Failed);
    EXPECT_EQ(find(1).reason, "attempts_used_up: not now");
    EXPECT_EQ(world_.calls["1"], 3);
    EXPECT_EQ(given_up, 1);
    stop(*runner);
}

TEST_F(StepRunnerTest, ADeadlineEndsARunThatKeepsFailing) {
    const auto runner = start("a");
    world_.failures_left = 1'000'000;
    insert(1, {}, {}, test_->sim()->now() + minutes(3));
    pass(minutes(2));
    EXPECT_EQ(find(1).state, RunState::Running);
    pass(minutes(3));
    EXPECT_EQ(find(1).state, RunState::Failed);
    EXPECT_EQ(find(1).reason, "deadline_passed: not now");
    stop(*runner);
}

TEST_F(StepRunnerTest, APauseStopsARunInTheMiddleAndAResumeGoesOn) {
    world_.goal = 100;
    world_.step_takes = seconds(1);
    const auto runner = start("a");
    insert(1);
    pass(seconds(10));
    ASSERT_TRUE(write([](Transaction& tx) { return pause_run(tx, "1", "op"); }).value());
    pass(seconds(2));
    const std::int64_t then = effects();
    EXPECT_GT(then, 0);
    pass(minutes(1));
    EXPECT_EQ(effects(), then);
    EXPECT_EQ(runner->status().held, 0U);
    ASSERT_TRUE(write([](Transaction& tx) { return resume_run(tx, "1", "op"); }).value());
    pass(minutes(3));
    EXPECT_EQ(find(1).state, RunState::Succeeded);
    EXPECT_EQ(effects(), 100);
    stop(*runner);
}

TEST_F(StepRunnerTest, ACrashedInstancesRunsAreFinishedByAnother) {
    world_.goal = 20;
    world_.step_takes = seconds(1);
    auto one = start("a");
    for (int i = 1; i <= 10; ++i) insert(i);
    pass(seconds(5));
    const std::int64_t then = effects();
    EXPECT_GT(then, 0);
    EXPECT_LT(then, 200);
    test_->sim()->drop_all();
    one.reset();
    test_->crash();
    world_.driving.clear();
    world_.database = &test_->database();
    const auto two = start("b");
    pass(seconds(8));
    EXPECT_LE(effects(), then + 10);  // the lease of the dead one still runs
    pass(minutes(2));
    EXPECT_EQ(effects(), 200);
    EXPECT_FALSE(world_.driven_twice);
    stop(*two);
}

TEST_F(StepRunnerTest, AStoppedInstanceLeavesItsRunsToOthersAtOnce) {
    world_.goal = 50;
    world_.step_takes = seconds(1);
    const auto one = start("a");
    insert(1);
    pass(seconds(5));
    stop(*one);
    EXPECT_TRUE(world_.may_act_seen_false);
    EXPECT_EQ(find(1).driver, "");
    const auto two = start("b");
    pass(seconds(3));
    EXPECT_EQ(two->status().held, 1U);
    pass(minutes(2));
    EXPECT_EQ(effects(), 50);
    stop(*two);
}

TEST_F(StepRunnerTest, AProcessThatWasAwayTooLongActsNoMore) {
    world_.goal = 1000;
    world_.step_takes = seconds(1);
    const auto one = start("a");
    insert(1);
    pass(seconds(5));
    // Its clock stood still for it: others see its lease run out.
    ASSERT_TRUE(write([](Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute("UPDATE workflow_drivers SET expires_at = 1", {}));
        TRY_VOID(free_orphans(tx, 10));
        return {};
    }));
    pass(seconds(2));
    const std::int64_t then = effects();
    pass(seconds(30));
    EXPECT_GT(effects(), then);  // with a new lease
    EXPECT_GT(one->status().lost, 0U);
    EXPECT_FALSE(world_.driven_twice);
    stop(*one);
}

TEST_F(StepRunnerTest, SameSeedSameOrder) {
    // The whole runner draws from the executor and the random source given: nothing else.
    std::vector<std::uint64_t> steps;
    for (int round = 0; round < 2; ++round) {
        test_.reset();
        test_ = storage::TestDatabase::create(storage::TestBackend::SqliteSimulated, 5);
        random_ = base::SeededRandom(5);
        world_ = World();
        SetUp();
        const auto runner = start("a");
        for (int i = 1; i <= 50; ++i) insert(i);
        pass(seconds(30));
        EXPECT_EQ(effects(), 250);
        stop(*runner);
        steps.push_back(test_->sim()->steps());
    }
    EXPECT_EQ(steps[0], steps[1]);
}

}  // namespace
}  // namespace adyton::workflow

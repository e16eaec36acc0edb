#include <gtest/gtest.h>

#include <algorithm>
#include <deque>

#include "compute/job_runner.h"
#include "compute/receipt.h"
#include "compute/recording.h"
#include "compute/test_compute.h"

// Jobs through time: waiting, cancelling, restarts, limits that bind across processes.
namespace adyton::compute {
namespace {

class JobsTest : public ComputeTest {
public:
    TestAnswer async(const std::string& body, const std::string& user = "alice") {
        return call({"POST", "/execute?wait=0", body, user, {}});
    }
    std::string phase(const std::string& job_id, const std::string& user = "alice") {
        return get("/jobs/" + job_id, user).string("phase");
    }
    // A time that is over, for columns of either database.
    std::string past() {
        return database().dialect() == storage::Dialect::Sqlite ? "1" : "'epoch'";
    }
    // As after a pause of that process that was longer than its lease.
    void expire(const std::string& instance) {
        write(
            "UPDATE compute_instances SET alive_until = " + past() + " WHERE instance = '" +
            instance + "'");
    }
    void let_beats_pass() {
        int turns = 0;
        until([&] { return ++turns > 100; });
    }
    // Of one executor: bob's job, which is held, and the id of alice's, which waits.
    std::pair<std::shared_ptr<TestAnswer>, std::string> queue_behind_bob() {
        auto held = begin_hold("bob");
        until([&] { return engine().running == 1; });
        return {std::move(held), async(kHold).string("job_id")};
    }
    // A job of alice's that stays in the queue though the only executor is free: no beat comes.
    std::string leave_queued(TestComputeOptions options) {
        engine_ = std::make_unique<FakeEngine>(executor(), 1);
        options.compute.heartbeat = std::chrono::hours(1);
        open(std::move(options));
        let_beats_pass();
        const auto [held, id] = queue_behind_bob();
        engine().release();
        until([&, &waits = held] { return waits->status == 200; });
        return id;
    }
};

// Loses what comes of the units that end a job: the answer to their commit, or the commit.
class UnsureDatabase final : public storage::Database {
public:
    explicit UnsureDatabase(storage::Database& inner) : inner_(inner) {}

    storage::Dialect dialect() const override { return inner_.dialect(); }
    Task<Result<void>> read_unit(storage::UnitOfWork unit) override {
        return inner_.read_unit(std::move(unit));
    }
    Task<Result<void>> write_unit(
        storage::UnitOfWork unit, storage::Durability durability) override {
        bool loses = false;
        auto watched = [&](storage::Transaction& tx) -> Result<void> {
            TRY(const std::int64_t before, ended(tx));
            TRY_VOID(unit(tx));
            TRY(const std::int64_t after, ended(tx));
            loses = after > before && (answers_lost > 0 || commits_lost > 0);
            if (loses && commits_lost > 0) return Error::unavailable("lost");
            return {};
        };
        auto writing = inner_.write_unit(watched, durability);
        auto written = co_await std::move(writing);
        if (!loses) co_return written;
        --(commits_lost > 0 ? commits_lost : answers_lost);
        co_return Error::outcome_unknown("the connection broke during the commit");
    }

    int answers_lost = 0;  // of the next ones
    int commits_lost = 0;  // before those

private:
    static Result<std::int64_t> ended(storage::Transaction& tx) {
        TRY(const auto rows,
            tx.query("SELECT COUNT(*) FROM compute_jobs WHERE answer IS NOT NULL", {}));
        return rows.integer(0, 0);
    }

    storage::Database& inner_;
};

// Leaves its jobs as a killed process does: never stopped, its heart just ends.
void kill(std::unique_ptr<TestCompute>& compute) {
    compute->service().parts().heart->on.store(false);
}

Task<bool> pump(ComputeContext& compute) {
    auto pumping = pump_queue(compute);
    const auto started = co_await std::move(pumping);
    if (!started) co_return false;
    co_return *started == 1;
}

// After so many turns of the loop.
Task<bool> stop_after(base::Executor& executor, TestCompute& compute, int turns) {
    for (int i = 0; i < turns; ++i) {
        auto pause = base::sleep_for(executor, std::chrono::microseconds(200));
        co_await std::move(pause);
    }
    auto stopping = compute.stop();
    co_return co_await std::move(stopping);
}

TEST_P(JobsTest, AnAsynchronousJobIsAcceptedAndFetchedLater) {
    open();
    const auto accepted = async(kHold);
    ASSERT_EQ(accepted.status, 202) << accepted.text;
    const std::string id = accepted.string("job_id");
    EXPECT_EQ(accepted.string("status"), "running");
    EXPECT_EQ(accepted.headers.find("Location"), "/jobs/" + id);
    until([&] { return engine().running == 1; });
    EXPECT_EQ(phase(id), "running");
    EXPECT_EQ(get("/info").status, 200);
    engine().release();
    const auto done = get("/jobs/" + id + "?wait=30");
    EXPECT_EQ(done.string("status"), "completed");
    until([&] { return slots() == 0; });
    engine().released = false;
    const TestCall preferring{"POST", "/execute", kHold, "alice", {{"Prefer", "respond-async"}}};
    EXPECT_EQ(call(preferring).status, 202);
    engine().release();
    until([&] { return slots() == 0; });
    EXPECT_EQ(call({"POST", "/execute?wait=131", kHold, "alice", {}}).status, 400);
    EXPECT_EQ(call({"POST", "/execute?wait=x", kHold, "alice", {}}).status, 400);
}

TEST_P(JobsTest, TheSixthConcurrentJobOfAUserIs429AndAnotherUserGoesOn) {
    engine_ = std::make_unique<FakeEngine>(executor(), 16);
    open();
    std::vector<std::shared_ptr<TestAnswer>> held;
    for (int i = 0; i < 5; ++i) held.push_back(begin_hold());
    until([&] { return engine().running == 5; });
    const auto refused = execute(kHold);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.string("message"), "too many concurrent jobs (max 5)");
    EXPECT_TRUE(refused.headers.find("Retry-After").has_value());
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs"), 5);
    EXPECT_EQ(execute(R"({"script":"x"})", "bob").status, 200);
    engine().release();
    until([&] {
        return std::all_of(
            held.begin(), held.end(), [](const auto& one) { return one->status == 200; });
    });
    EXPECT_EQ(slots(), 0);
    EXPECT_EQ(execute(R"({"script":"x"})").status, 200);
}

TEST_P(JobsTest, TheLimitBindsAcrossProcesses) {
    engine_ = std::make_unique<FakeEngine>(executor(), 16);
    open();
    auto options = development();
    options.instance = "test-2";
    options.seed = 77;
    auto second = *run(TestCompute::open(database(), executor(), *engine_, options));
    std::vector<std::shared_ptr<TestAnswer>> held;
    for (int i = 0; i < 3; ++i) held.push_back(begin_hold());
    compute_.swap(second);
    for (int i = 0; i < 2; ++i) held.push_back(begin_hold());
    until([&] { return engine().running == 5; });
    EXPECT_EQ(execute(kHold).status, 429);
    compute_.swap(second);
    EXPECT_EQ(execute(kHold).status, 429);
    engine().release();
    until([&] {
        return std::all_of(
            held.begin(), held.end(), [](const auto& one) { return one->status == 200; });
    });
    run(second->stop());
}

TEST_P(JobsTest, MoreThanTheSlotsWaitInTheQueueAndRunInTurn) {
    engine_ = std::make_unique<FakeEngine>(executor(), 8);
    auto options = development();
    options.compute.queued_per_user_max = 3;
    open(options);
    std::vector<std::string> ids;
    for (int i = 0; i < 7; ++i) {
        const auto accepted = async(kHold);
        ASSERT_EQ(accepted.status, 202) << i << accepted.text;
        ids.push_back(accepted.string("job_id"));
    }
    // Four of the executors are for one user, so four run and three wait: no more.
    EXPECT_EQ(async(kHold).status, 429);
    EXPECT_EQ(phase(ids.back()), "queued");
    engine().release();
    for (const auto& id : ids) {
        EXPECT_EQ(get("/jobs/" + id + "?wait=60").string("status"), "completed");
    }
    until([&] { return slots() == 0; });
    EXPECT_EQ(number("SELECT SUM(waiting) FROM compute_users"), 0);
}

TEST_P(JobsTest, OneOfEachWaitingUserRunsBeforeASecondOfAny) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    std::vector<std::shared_ptr<TestAnswer>> held;
    held.push_back(begin_hold("zoe"));
    until([&] { return engine().running == 1; });
    for (int i = 0; i < 4; ++i) {
        held.push_back(begin_hold("greedy"));
        const std::size_t expected = static_cast<std::size_t>(i) + 1;
        until([&] { return compute().context().gate.waiting() == expected; });
    }
    held.push_back(begin_hold("modest"));
    until([&] { return compute().context().gate.waiting() == 5; });
    engine().release();
    until([&] {
        return std::all_of(
            held.begin(), held.end(), [](const auto& one) { return one->status == 200; });
    });
    ASSERT_EQ(engine().order.size(), 6u);
    EXPECT_EQ(engine().order[1], "greedy");
    EXPECT_EQ(engine().order[2], "modest");
    EXPECT_EQ(engine().running_max, 1u);
}

TEST_P(JobsTest, NoUserKeepsEveryExecutor) {
    engine_ = std::make_unique<FakeEngine>(executor(), 2);
    open();
    std::vector<std::string> ids;
    for (int i = 0; i < 3; ++i) ids.push_back(async(kHold, "hog").string("job_id"));
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs WHERE phase = 'running'"), 1);
    const auto held = begin_hold("hog");
    until([&] { return compute().context().gate.waiting() == 2; });
    EXPECT_EQ(phase(ids[0], "hog"), "running");
    EXPECT_EQ(phase(ids[1], "hog"), "queued");
    const auto other = begin({"POST", "/execute", R"({"script":"x"})", "victim", {}});
    until([&] { return other->status == 200; });
    EXPECT_EQ(engine().order, (std::vector<std::string>{"hog", "victim"}));
    engine().release();
    for (const auto& id : ids) until([&] { return phase(id, "hog") == "completed"; });
    until([&] { return held->status == 200 && slots() == 0; });
    EXPECT_EQ(compute().context().gate.running(), 0u);
}

// A holder of a ticket, once its turn has come.
struct Place {
    FairGate::Ticket ticket;
    bool has_turn = false;
};

Task<void> take(FairGate& gate, std::string user, Place& place) {
    place.ticket = *gate.enter(user);
    auto turn = gate.wait_turn(place.ticket);
    place.has_turn = co_await std::move(turn);
}

TEST_P(JobsTest, AUserGetsAnotherExecutorWhileMoreAreFreeThanItHas) {
    // How many each of so many users gets who would take all that there is.
    const auto shares = [this](std::size_t executors, std::size_t users) {
        FairGate gate(executors, 100, 5);
        std::deque<Place> places;
        std::vector<std::size_t> out(users);
        for (std::size_t user = 0; user < users; ++user) {
            const std::string name = "user-" + std::to_string(user);
            for (int i = 0; i < 8; ++i) {
                const bool room = gate.has_room(name);
                base::spawn(executor(), take(gate, name, places.emplace_back()));
                until([&] { return gate.running() + gate.waiting() == places.size(); });
                until([turns = 0]() mutable { return ++turns > 3; });
                EXPECT_EQ(places.back().has_turn, room);
                if (room) ++out[user];
            }
        }
        // Whoever waits has a turn in the end.
        for (std::size_t gone = 0; gone < places.size(); ++gone) {
            const auto first = std::find_if(
                places.begin(), places.end(), [](const Place& place) { return place.has_turn; });
            if (first == places.end()) break;
            { const FairGate::Ticket done = std::move(first->ticket); }
            first->has_turn = false;
            until([turns = 0]() mutable { return ++turns > 3; });
        }
        EXPECT_EQ(gate.running() + gate.waiting(), 0u);
        return out;
    };
    using Shares = std::vector<std::size_t>;
    EXPECT_EQ(shares(1, 2), (Shares{1, 0}));
    EXPECT_EQ(shares(2, 2), (Shares{1, 1}));
    EXPECT_EQ(shares(3, 3), (Shares{2, 1, 0}));
    EXPECT_EQ(shares(4, 4), (Shares{2, 1, 1, 0}));
    EXPECT_EQ(shares(16, 3), (Shares{5, 5, 3}));
}

TEST_P(JobsTest, TwoWhoWaitedForOnePlaceBothBeginWhereBothMay) {
    FairGate gate(6, 100, 5);
    std::deque<Place> places;
    for (const std::string user : {"a", "a", "b", "b", "b", "a"}) {
        base::spawn(executor(), take(gate, user, places.emplace_back()));
        until([&] { return gate.running() + gate.waiting() == places.size(); });
    }
    EXPECT_EQ(gate.running(), 4u);
    { const FairGate::Ticket done = std::move(places[0].ticket); }
    until([&] { return places[4].has_turn && places[5].has_turn; });
    EXPECT_EQ(gate.running(), 5u);
    until([turns = 0]() mutable { return ++turns > 3; });
}

TEST_P(JobsTest, AQueuedJobIsInTheSameLineAsThoseWhoseCallersWait) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    std::vector<std::shared_ptr<TestAnswer>> held;
    for (std::size_t i = 0; i < 4; ++i) {
        held.push_back(begin_hold("greedy"));
        until([&] { return engine().running == 1 && compute().context().gate.waiting() == i; });
    }
    std::vector<std::string> ids;
    for (int i = 0; i < 2; ++i) ids.push_back(async(kHold).string("job_id"));
    until([&] { return compute().context().gate.waiting() == 4; });
    EXPECT_EQ(phase(ids[0]), "queued");
    engine().release();
    for (const auto& id : ids) until([&] { return phase(id) == "completed"; });
    until([&] { return engine().order.size() == 6 && slots() == 0; });
    EXPECT_EQ(engine().order[1], "greedy");
    EXPECT_EQ(engine().order[2], "alice");
    EXPECT_EQ(engine().running_max, 1u);
    EXPECT_EQ(number("SELECT SUM(waiting) FROM compute_users"), 0);
    until([&] {
        return std::all_of(
            held.begin(), held.end(), [](const auto& one) { return one->status == 200; });
    });
}

Task<bool> give_up(base::Executor& executor, FairGate::Ticket& ticket) {
    auto pause = base::sleep_for(executor, std::chrono::milliseconds(5));
    co_await std::move(pause);
    { const FairGate::Ticket done = std::move(ticket); }
    co_return true;
}

// As soon as somebody else means to.
Task<bool> take_turn(base::Executor& executor, FairGate& gate, FairGate::Ticket& ticket) {
    while (gate.has_room("carol")) {
        auto pause = base::sleep_for(executor, std::chrono::microseconds(1));
        co_await std::move(pause);
    }
    ticket = *gate.enter("carol");
    auto turn = gate.wait_turn(ticket);
    co_await std::move(turn);
    co_return true;
}

TEST_P(JobsTest, AnAcceptedJobIsQueuedUntilItsTurnAndBeginsAfterARestart) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    auto options = development();
    options.compute.heartbeat = std::chrono::hours(1);
    open(options);
    let_beats_pass();
    // Its place is taken while it is being accepted.
    const auto sent = begin({"POST", "/execute?wait=0", kHold, "alice", {}});
    FairGate::Ticket taken;
    EXPECT_TRUE(run(take_turn(executor(), compute().context().gate, taken)));
    until([&] { return sent->status == 202; });
    const std::string id = sent->string("job_id");
    until([&] { return compute().context().gate.waiting() == 1; });
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs WHERE phase = 'running'"), 1);
    EXPECT_EQ(phase(id), "queued");
    EXPECT_EQ(get("/jobs?summary=true").body.items().at(0).find("phase")->string_value(), "queued");
    std::vector<Task<bool>> both;
    both.push_back(compute().stop());
    both.push_back(give_up(executor(), taken));
    test().run_all(std::move(both));
    EXPECT_TRUE(engine().order.empty());
    EXPECT_EQ(slots(), 0);
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs WHERE phase = 'queued'"), 1);
    open();
    engine().release();
    until([&] { return phase(id) == "completed"; });
    EXPECT_EQ(slots(), 0);
}

TEST_P(JobsTest, WhenTooManyWaitTheServiceSaysSo) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    auto options = development();
    options.compute.waiting_max = 1;
    open(options);
    const auto first = begin_hold("a");
    until([&] { return engine().running == 1; });
    const auto second = begin_hold("b");
    until([&] { return compute().context().gate.waiting() == 1; });
    const auto refused = execute(kHold, "c");
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.at("details").find("reason")->string_value(), "busy");
    engine().release();
    until([&] { return first->status == 200 && second->status == 200; });
}

TEST_P(JobsTest, ACancelledJobEndsAndSaysSo) {
    open();
    const auto held = begin_hold();
    until([&] { return engine().running == 1; });
    const std::string id = get("/jobs").body.items().at(0).find("job_id")->string_value();
    EXPECT_EQ(call({"DELETE", "/jobs/" + id, "", "bob", {}}).status, 404);
    const auto cancelled = call({"DELETE", "/jobs/" + id, "", "alice", {}});
    EXPECT_EQ(cancelled.status, 200);
    EXPECT_EQ(cancelled.string("phase"), "cancelled");
    EXPECT_EQ(cancelled.string("status"), "failed");
    EXPECT_EQ(cancelled.string("error_code"), "cancelled");
    until([&] { return held->status == 200; });
    EXPECT_EQ(held->string("phase"), "cancelled");
    EXPECT_EQ(slots(), 0);
    // Over is over.
    EXPECT_EQ(call({"DELETE", "/jobs/" + id, "", "alice", {}}).string("phase"), "cancelled");
}

TEST_P(JobsTest, AQueuedJobIsCancelledBeforeItRuns) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    const auto first = async(kHold);
    const auto second = async(kHold);
    EXPECT_EQ(phase(second.string("job_id")), "queued");
    const auto cancelled = call({"DELETE", "/jobs/" + second.string("job_id"), "", "alice", {}});
    EXPECT_EQ(cancelled.string("phase"), "cancelled");
    EXPECT_EQ(number("SELECT SUM(waiting) FROM compute_users"), 0);
    engine().release();
    get("/jobs/" + first.string("job_id") + "?wait=30");
    EXPECT_EQ(engine().order.size(), 1u);
}

TEST_P(JobsTest, ACancelReachesTheProcessThatRunsTheJob) {
    open();
    const auto held = begin_hold();
    until([&] { return engine().running == 1; });
    const std::string id = get("/jobs").body.items().at(0).find("job_id")->string_value();
    write("UPDATE compute_jobs SET cancel_requested = 1");  // as another instance does it
    until([&] { return held->status == 200; });
    EXPECT_EQ(held->string("phase"), "cancelled");
}

TEST_P(JobsTest, AJobCutOffByARestartIsReportedAndItsSlotComesBack) {
    open();
    FakeEngine lost(executor());
    auto options = development();
    options.instance = "lost";
    options.seed = 50;
    auto victim = *run(TestCompute::open(database(), executor(), lost, options));
    compute_.swap(victim);
    const auto id = async(kHold).string("job_id");
    until([&] { return lost.running == 1; });
    // Console lines of a job that runs for long are stored as they come.
    until([&] { return number("SELECT COUNT(*) FROM compute_job_logs") == 1; });
    kill(compute_);
    compute_.swap(victim);
    write("UPDATE compute_instances SET epoch = epoch + 1 WHERE instance = 'lost'");
    until([&] { return phase(id) == "interrupted"; });
    const auto answer = get("/jobs/" + id);
    EXPECT_EQ(answer.string("status"), "failed");
    EXPECT_EQ(answer.string("error_code"), "interrupted");
    EXPECT_NE(answer.at("logs").dump().find("holding"), std::string::npos);
    EXPECT_EQ(slots(), 0);
    // The lost process wakes up and changes nothing any more.
    lost.release();
    run(victim->stop());
    EXPECT_EQ(phase(id), "interrupted");
    EXPECT_EQ(slots(), 0);
}

TEST_P(JobsTest, AJobThatMayRunAgainDoesAfterItsProcessIsGone) {
    open();
    FakeEngine lost(executor());
    auto options = development();
    options.instance = "lost";
    options.seed = 51;
    auto victim = *run(TestCompute::open(database(), executor(), lost, options));
    compute_.swap(victim);
    const auto id = async(R"({"script":"hold","on_restart":"rerun"})").string("job_id");
    until([&] { return lost.running == 1; });
    kill(compute_);
    compute_.swap(victim);
    engine().release();
    write("UPDATE compute_instances SET epoch = epoch + 1 WHERE instance = 'lost'");
    until([&] { return phase(id) == "completed"; });
    EXPECT_EQ(engine().order.size(), 1u);
    EXPECT_EQ(slots(), 0);
    lost.release();
    run(victim->stop());
    EXPECT_EQ(phase(id), "completed");
}

TEST_P(JobsTest, AJobIsNotRunAgainForEver) {
    auto options = development();
    options.compute.attempts_max = 2;
    open(options);
    const auto id = async(R"({"script":"hold","on_restart":"rerun"})").string("job_id");
    until([&] { return engine().running == 1; });
    write("UPDATE compute_jobs SET attempts = 2");
    kill(compute_);
    auto other = development();
    other.compute.attempts_max = 2;
    other.instance = "test-2";
    other.seed = 52;
    FakeEngine second(executor());
    auto heir = *run(TestCompute::open(database(), executor(), second, other));
    write("UPDATE compute_instances SET epoch = epoch + 1 WHERE instance = 'test-1'");
    compute_.swap(heir);
    until([&] { return phase(id) == "interrupted"; });
    EXPECT_TRUE(second.order.empty());
    engine().release();
    run(heir->stop());
}

TEST_P(JobsTest, AJobThatWaitsForItsTurnIsCancelledAtOnce) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    const auto held = begin_hold("bob");
    until([&] { return engine().running == 1; });
    const auto waiting = begin_hold();
    until([&] { return compute().context().gate.waiting() == 1; });
    const auto listed = get("/jobs").body.items();
    ASSERT_EQ(listed.size(), 1U);
    const std::string id = listed.at(0).find("job_id")->string_value();
    EXPECT_EQ(phase(id), "queued");
    EXPECT_EQ(call({"DELETE", "/jobs/" + id, "", "alice", {}}).string("phase"), "cancelled");
    until([&] { return waiting->status != 0; });
    EXPECT_EQ(waiting->string("phase"), "cancelled");
    EXPECT_EQ(compute().context().gate.waiting(), 0U);
    EXPECT_EQ(engine().running, 1);
    EXPECT_EQ(slots(), 1);
    engine().release();
    until([&] { return held->status == 200; });
}

TEST_P(JobsTest, AProcessThatWasTakenForDeadGoesOnWhereItStopped) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    const auto [held, job_id] = queue_behind_bob();
    const std::string& id = job_id;  // lambdas take no structured binding
    EXPECT_EQ(phase(id), "queued");
    expire("test-1");
    let_beats_pass();
    engine().release();
    until([&] { return phase(id) == "completed"; });
    EXPECT_EQ(held->status, 200) << held->text;
    until([&] { return slots() == 0; });
}

TEST_P(JobsTest, WhatALateProcessAcceptsIsNotTakenFromIt) {
    open();
    FakeEngine late_engine(executor());
    auto options = development();
    options.instance = "late";
    options.seed = 53;
    options.started = false;  // no heartbeat of its own: all is up to the acceptance
    auto late = *run(TestCompute::open(database(), executor(), late_engine, options));
    expire("late");
    compute_.swap(late);
    const auto held = begin_hold();
    until([&] { return late_engine.running == 1; });
    compute_.swap(late);
    let_beats_pass();
    late_engine.release();
    until([&] { return held->status != 0; });
    EXPECT_EQ(held->status, 200) << held->text;
    EXPECT_EQ(slots(), 0);
}

TEST_P(JobsTest, AProcessWhoseNameWasTakenAcceptsNothing) {
    open();
    write("UPDATE compute_instances SET epoch = epoch + 1");
    const auto refused = execute(R"({"script":"x"})");
    EXPECT_EQ(refused.status, 409) << refused.text;
    EXPECT_EQ(refused.at("details").find("reason")->string_value(), "instance_lost");
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs"), 0);
}

TEST_P(JobsTest, AJobThatWasPutBackElsewhereBeginsHereWhenItsFirstRunIsOver) {
    open();
    const auto id = async(R"({"script":"hold","on_restart":"rerun"})").string("job_id");
    until([&] { return engine().running == 1; });
    // As another process does that takes this one for dead.
    write(
        "UPDATE compute_jobs SET phase = 'queued', instance = NULL, epoch = NULL, "
        "started_at = NULL; "
        "UPDATE compute_users SET running = running - 1, waiting = waiting + 1");
    until([&] { return engine().order.size() == 2; });
    EXPECT_EQ(engine().running_max, 1u);
    engine().release();
    until([&] { return phase(id) == "completed"; });
    EXPECT_EQ(engine().order.size(), 2u);
    EXPECT_EQ(slots(), 0);
}

TEST_P(JobsTest, AJobThatCannotBeStartedEndsAndGivesItsSlotBack) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    put_secret("api_key", "value-1");
    const auto held = begin_hold("bob");
    until([&] { return engine().running == 1; });
    const auto id = async(R"({"script":"x","secret_refs":["api_key"]})").string("job_id");
    EXPECT_EQ(phase(id), "queued");
    write("ALTER TABLE audit_records RENAME TO audit_away");
    engine().release();
    until([&] { return phase(id) == "interrupted"; });
    EXPECT_EQ(engine().order.size(), 1u);
    EXPECT_EQ(slots(), 0);
    EXPECT_EQ(number("SELECT SUM(waiting) FROM compute_users"), 0);
    write("ALTER TABLE audit_away RENAME TO audit_records");
}

TEST_P(JobsTest, AJobWhoseEndCannotBeStoredGivesItsSlotBack) {
    open();
    const auto held = begin_hold();
    until([&] { return engine().running == 1; });
    write("ALTER TABLE compute_users RENAME TO users_away");
    engine().release();
    until([&] { return held->status != 0; });
    EXPECT_GE(held->status, 500) << held->text;
    write("ALTER TABLE users_away RENAME TO compute_users");
    until([&] { return slots() == 0; });
    EXPECT_EQ(get("/jobs").body.items().at(0).find("phase")->string_value(), "interrupted");
    EXPECT_EQ(execute(R"({"script":"x"})").status, 200);
}

TEST_P(JobsTest, AnEndWhoseCommitIsUnsureIsStoredOnceAndTheCallerHasIt) {
    UnsureDatabase unsure(database());
    compute_ = *run(TestCompute::open(unsure, executor(), *engine_, development()));
    for (const auto& [answers, commits] : {std::pair(1, 0), std::pair(0, 1), std::pair(1, 2)}) {
        engine().released = false;
        const auto held = begin_hold();
        until([&] { return engine().running == 1; });
        unsure.answers_lost = answers;
        unsure.commits_lost = commits;
        engine().release();
        until([&] { return held->status != 0; });
        EXPECT_EQ(held->status, 200) << held->text;
        EXPECT_EQ(unsure.answers_lost + unsure.commits_lost, 0);
        let_beats_pass();
        EXPECT_EQ(get("/jobs/" + held->string("job_id")).text, held->text);
        EXPECT_EQ(slots(), 0);
    }
    // What another process has ended meanwhile stays as that said.
    engine().released = false;
    const auto held = begin_hold();
    until([&] { return engine().running == 1; });
    unsure.commits_lost = 1;
    engine().release();
    until([&] { return unsure.commits_lost == 0; });
    write(
        "UPDATE compute_jobs SET phase = 'interrupted', answer = (SELECT answer FROM "
        "compute_jobs WHERE answer IS NOT NULL LIMIT 1), instance = NULL, epoch = NULL WHERE phase "
        "= 'running'; "
        "UPDATE compute_users SET running = running - 1");
    until([&] { return held->status != 0; });
    EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs WHERE phase = 'interrupted'"), 1);
    EXPECT_EQ(slots(), 0);
    close();
}

Task<bool> take_place(FairGate& gate, FairGate::Ticket& ticket) {
    auto entered = gate.enter("carol");
    if (!entered) co_return false;
    ticket = *std::move(entered);
    co_return true;
}

TEST_P(JobsTest, AClaimedJobHasItsPlaceWhoeverComesMeanwhile) {
    auto options = development();
    options.compute.waiting_max = 0;
    const auto id = leave_queued(options);
    EXPECT_EQ(phase(id), "queued");
    FairGate::Ticket ticket;
    std::vector<Task<bool>> both;
    both.push_back(pump(compute().context()));
    both.push_back(take_place(compute().context().gate, ticket));
    EXPECT_EQ(test().run_all(std::move(both)), (std::vector<bool>{true, true}));
    { const FairGate::Ticket done = std::move(ticket); }
    until([&] { return phase(id) == "completed"; });
    EXPECT_EQ(slots(), 0);
}

TEST_P(JobsTest, AStoppingProcessEndsItsJobsAndTheNextOneTakesThemUp) {
    open();
    const auto kept = async(R"({"script":"hold","on_restart":"rerun"})").string("job_id");
    const auto cut = async(kHold).string("job_id");
    until([&] { return engine().running == 2; });
    close();
    engine_ = std::make_unique<FakeEngine>(executor());
    engine().release();
    open();
    EXPECT_EQ(phase(cut), "interrupted");
    until([&] { return phase(kept) == "completed"; });
    EXPECT_EQ(slots(), 0);
}

TEST_P(JobsTest, WhatIsTakenUpWhileTheProcessStopsIsLeftToTheNextOne) {
    for (int delay = 0; delay < 4; ++delay) {
        const auto id = leave_queued(development());
        std::vector<Task<bool>> both;
        both.push_back(pump(compute().context()));
        both.push_back(stop_after(executor(), compute(), delay));
        test().run_all(std::move(both));
        EXPECT_EQ(number("SELECT COUNT(*) FROM compute_jobs WHERE phase = 'running'"), 0);
        open();
        until([&] { return phase(id) == "completed"; });
        EXPECT_EQ(slots(), 0);
        close();
    }
}

TEST_P(JobsTest, QueuedJobsSurviveARestart) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    const auto first = async(kHold).string("job_id");
    const auto second = async(kHold).string("job_id");
    EXPECT_EQ(phase(second), "queued");
    close();
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    engine().release();
    open();
    until([&] { return phase(second) == "completed"; });
    EXPECT_EQ(phase(first), "interrupted");
}

TEST_P(JobsTest, AnExpiredJobIsGoneAtOnceAndItsRowSoon) {
    auto options = development();
    options.compute.result_ttl = std::chrono::milliseconds(1);
    options.compute.cleanup_period = std::chrono::seconds(1);
    open(options);
    const auto id = execute(R"({"script":"x"})").string("job_id");
    until([&] { return get("/jobs/" + id).status == 404; });
    EXPECT_EQ(get("/jobs").text, "[]\n");
    until([&] { return number("SELECT COUNT(*) FROM compute_jobs") == 0; });
}

TEST_P(JobsTest, OnlySoManyJobsOfAUserAreKept) {
    auto options = development();
    options.compute.kept_per_user_max = 2;
    options.compute.cleanup_period = std::chrono::seconds(1);
    open(options);
    std::string last;
    for (int i = 0; i < 5; ++i) last = execute(R"({"script":"x"})").string("job_id");
    until([&] { return number("SELECT COUNT(*) FROM compute_jobs") == 2; });
    EXPECT_EQ(get("/jobs/" + last).status, 200);
}

TEST_P(JobsTest, OnlySoManyBytesOfAUserAndOfAllAreKept) {
    auto options = development();
    options.compute.cleanup_period = std::chrono::seconds(1);
    options.compute.kept_bytes_per_user_max = 10'000;
    options.compute.kept_bytes_max = 17'000;
    open(options);
    engine().behave = [](const script::Job&, const FakeEngine::Secrets&) {
        return completed("{\"text\":\"" + std::string(1'000, 'x') + "\"}");
    };
    std::map<std::string, std::string> last;
    for (const std::string user : {"alice", "bob", "carol"}) {
        for (int i = 0; i < 8; ++i) {
            last[user] = execute(R"({"script":"x"})", user).string("job_id");
        }
    }
    const auto bytes = [this](const std::string& where) {
        return number(
            "SELECT COALESCE(SUM(LENGTH(answer) + COALESCE(LENGTH(request), 0)), 0) "
            "FROM compute_jobs " +
            where);
    };
    until([&] { return bytes("") <= 17'000; });
    EXPECT_GT(bytes(""), 10'000);
    EXPECT_LE(bytes("WHERE user_id = 'carol'"), 10'000);
    // The oldest of all went first.
    EXPECT_EQ(bytes("WHERE user_id = 'alice'"), 0);
    EXPECT_EQ(get("/jobs/" + last["bob"], "bob").status, 200);
    EXPECT_EQ(get("/jobs/" + last["carol"], "carol").status, 200);
}

TEST_P(JobsTest, LiveLinesAreServedAsEventsUntilTheEnd) {
    open();
    const auto id = async(kHold).string("job_id");
    until([&] { return engine().running == 1; });
    const auto events = begin({"GET", "/jobs/" + id + "/events", "", "alice", {}});
    const auto live = compute().context().live.find(id);
    ASSERT_NE(live, nullptr);
    until([&] { return live->watchers() == 1; });
    engine().release();
    until([&] { return events->status == 200; });
    EXPECT_NE(
        events->text.find("event: log\nid: 1\ndata: {\"text\":\"holding\"}\n\n"), std::string::npos)
        << events->text;
    EXPECT_NE(events->text.find("event: end\ndata: {\"job_id\":\"" + id), std::string::npos);
    EXPECT_EQ(get("/jobs/" + id + "/events", "bob").status, 404);
    const auto after = get("/jobs/" + id + "/events");
    EXPECT_EQ(after.text.substr(0, 11), "event: end\n");
    const TestCall bad{"GET", "/jobs/" + id + "/events", "", "alice", {{"Last-Event-ID", "x"}}};
    EXPECT_EQ(call(bad).status, 400);
}

TEST_P(JobsTest, AStreamThatBeganWhileItsJobWasQueuedShowsTheLinesToo) {
    engine_ = std::make_unique<FakeEngine>(executor(), 1);
    open();
    const std::string id = queue_behind_bob().second;
    EXPECT_EQ(phase(id), "queued");
    const auto events = begin({"GET", "/jobs/" + id + "/events", "", "alice", {}});
    let_beats_pass();
    for (const auto& job : compute().context().live.all()) {
        if (job->user() == "bob") engine().cancel(job->job_id());
    }
    until([&] {
        const auto live = compute().context().live.find(id);
        return live != nullptr && live->watchers() == 1;
    });
    engine().release();
    until([&] { return events->status == 200; });
    EXPECT_NE(
        events->text.find("event: log\nid: 1\ndata: {\"text\":\"holding\"}\n\n"), std::string::npos)
        << events->text;
    EXPECT_NE(events->text.find("event: end\ndata: {\"job_id\":\"" + id), std::string::npos);
}

TEST_P(JobsTest, ARepeatedKeyWaitsForTheSameJob) {
    open();
    const TestCall keyed{"POST", "/execute", kHold, "alice", {{"X-Idempotency-Key", "k"}}};
    const auto first = begin(keyed);
    until([&] { return engine().running == 1; });
    const auto second = begin(keyed);
    engine().release();
    until([&] { return first->status == 200 && second->status == 200; });
    EXPECT_EQ(first->text, second->text);
    EXPECT_EQ(engine().order.size(), 1u);
    EXPECT_EQ(slots(), 0);
}

TEST_P(JobsTest, ARepeatedKeyIsToldThatItsJobHasExpired) {
    open();
    for (const std::string path : {"/execute", "/execute?wait=0"}) {
        const TestCall keyed{
            "POST", path, R"({"script":"x"})", "alice", {{"Idempotency-Key", path}}};
        const std::string id = call(keyed).string("job_id");
        until([&] { return phase(id) == "completed"; });
        write("UPDATE compute_jobs SET expires_at = " + past());
        const auto again = call(keyed);
        EXPECT_EQ(again.status, 409) << again.text;
        EXPECT_EQ(again.at("details").find("reason")->string_value(), "job_expired");
    }
    EXPECT_EQ(engine().order.size(), 2u);
}

TEST_P(JobsTest, AnExpiredKeyIsForgotten) {
    auto options = development();
    options.compute.cleanup_period = std::chrono::seconds(1);
    open(options);
    const TestCall keyed{
        "POST", "/execute", R"({"script":"x"})", "alice", {{"Idempotency-Key", "k"}}};
    EXPECT_EQ(call(keyed).status, 200);
    EXPECT_EQ(number("SELECT COUNT(*) FROM idempotency_keys"), 1);
    write("UPDATE idempotency_keys SET expires_at = " + past());
    until([&] { return number("SELECT COUNT(*) FROM idempotency_keys") == 0; });
}

TEST_P(JobsTest, ARecordingHoldsWhatAReplayNeeds) {
    open();
    const auto plain = execute(R"({"script":"x"})").string("job_id");
    EXPECT_EQ(get("/jobs/" + plain + "/recording").status, 404);
    const auto id =
        execute(R"({"script":"x","record":true,"input":{"b":1,"a":2}})").string("job_id");
    const auto recording = get("/jobs/" + id + "/recording");
    ASSERT_EQ(recording.status, 200) << recording.text;
    EXPECT_EQ(recording.string("input"), "{\"a\":2,\"b\":1}");
    EXPECT_EQ(recording.number("metered_gas"), 1000);
    EXPECT_EQ(get("/jobs/" + id + "/recording", "bob").status, 404);
}

TEST(RecordingTest, AJobThatWasCutOffIsComparedUpToThere) {
    Recording recording;
    recording.status = "timed_out";
    recording.limits.time = std::chrono::seconds(1);
    recording.limits.gas = 0;
    recording.metered_gas = 5000;
    script::RunResult result;
    result.logs = {{script::LogLevel::Log, "a line"}};
    recording.console_hash = console_hash({{"log", "a line"}});
    recording.output = crypto::sha256({});
    EXPECT_EQ(recording.replay_limits().gas, 5000u);
    result.status = script::Status::GasExhausted;
    result.metered_gas = 5010;
    EXPECT_TRUE(differences(recording, result).empty());
    result.metered_gas = 4990;
    EXPECT_EQ(differences(recording, result).size(), 1u);
    result.metered_gas = 5000;
    result.logs.clear();
    EXPECT_EQ(differences(recording, result).size(), 1u);
    // Nothing was seen of it: a cap of 0 would be none.
    recording.metered_gas = 0;
    EXPECT_EQ(recording.replay_limits().gas, 1u);
    recording.status = "failed";
    EXPECT_EQ(recording.replay_limits().gas, 0u);
    EXPECT_EQ(differences(recording, result).size(), 3u);
}

TEST_P(JobsTest, AnotherMasterKeyIsRefusedUnlessTheOldOneComesAlong) {
    open();
    const auto id = execute(R"({"script":"x"})").string("job_id");
    close();
    auto options = development();
    options.master = 8;
    const auto refused = run(TestCompute::open(database(), executor(), *engine_, options));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().reason(), "compute_key_changed");
    options.previous_master = 7;
    open(options);
    EXPECT_EQ(get("/jobs/" + id).status, 200);
}

ADYTON_ON_ALL_DATABASES(JobsTest);

}  // namespace
}  // namespace adyton::compute

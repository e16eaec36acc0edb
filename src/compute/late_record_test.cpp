#include <gtest/gtest.h>

#include "compute/test_compute.h"

// Jobs that begin before they have a record: their caller waits, and all they can do is to answer.
namespace adyton::compute {
namespace {

constexpr const char* kJobs = "SELECT COUNT(*) FROM compute_jobs";

class LateRecordTest : public ComputeTest {
public:
    // An instance that knows that it is alone.
    void open_alone(base::Duration unrecorded_max) {
        auto options = development();
        options.compute.unrecorded_max = unrecorded_max;
        open(options);
        until([&] { return compute().context().alone.load(); });
    }

    static constexpr base::Duration kNever = std::chrono::hours(1);
};

TEST_P(LateRecordTest, AJobThatIsOverSoonIsStoredOnceWithItsEnd) {
    open_alone(kNever);
    const auto held = begin_hold();
    until([&] { return engine().running == 1; });
    EXPECT_EQ(number(kJobs), 0);
    EXPECT_EQ(held->status, 0);
    engine().release();
    until([&] { return held->status == 200; });
    EXPECT_EQ(number(kJobs), 1);
    EXPECT_EQ(slots(), 0);
    const auto stored = get("/jobs/" + held->string("job_id"));
    EXPECT_EQ(stored.text, held->text);
    EXPECT_TRUE(stored.has("receipt"));
    EXPECT_EQ(get("/jobs").body.items().size(), 1u);
}

TEST_P(LateRecordTest, AJobThatRunsOnGetsItsRecordWhileItRuns) {
    open_alone(std::chrono::milliseconds(5));
    const auto held = begin_hold();
    until([&] { return number(kJobs) == 1; });
    EXPECT_EQ(slots(), 1);
    const std::string id = get("/jobs").body.items().at(0).find("job_id")->string_value();
    EXPECT_EQ(get("/jobs/" + id).string("phase"), "running");
    until([&] { return compute().context().live.find(id) != nullptr; });
    const auto cancelled = call({"DELETE", "/jobs/" + id, "", "alice", {}});
    EXPECT_EQ(cancelled.string("phase"), "cancelled");
    until([&] { return held->status == 200; });
    EXPECT_EQ(slots(), 0);
    EXPECT_EQ(compute().context().live.size(), 0u);
}

TEST_P(LateRecordTest, ARecordedJobThatIsCutOffIsReported) {
    open_alone(std::chrono::milliseconds(5));
    FakeEngine lost(executor());
    auto options = development();
    options.compute.unrecorded_max = std::chrono::milliseconds(5);
    options.instance = "lost";
    options.seed = 50;
    auto victim = *run(TestCompute::open(database(), executor(), lost, options));
    victim->context().alone.store(true);
    compute_.swap(victim);
    const auto held = begin_hold();
    until([&] { return number(kJobs) == 1; });
    compute_->service().parts().heart->on.store(false);
    compute_.swap(victim);
    write("UPDATE compute_instances SET epoch = epoch + 1 WHERE instance = 'lost'");
    const std::string id = get("/jobs").body.items().at(0).find("job_id")->string_value();
    until([&] { return get("/jobs/" + id).string("phase") == "interrupted"; });
    EXPECT_EQ(slots(), 0);
    lost.release();
    until([&] { return held->status != 0; });
    EXPECT_EQ(held->status, 200);
    EXPECT_EQ(held->string("phase"), "interrupted");
    run(victim->stop());
}

TEST_P(LateRecordTest, TheSixthJobOfAUserIsRefusedWithOrWithoutRecords) {
    engine_ = std::make_unique<FakeEngine>(executor(), 16);
    open_alone(kNever);
    std::vector<std::shared_ptr<TestAnswer>> held;
    for (int i = 0; i < 5; ++i) held.push_back(begin_hold());
    until([&] { return engine().running == 5; });
    const auto refused = execute(kHold);
    EXPECT_EQ(refused.status, 429);
    EXPECT_EQ(refused.string("message"), "too many concurrent jobs (max 5)");
    EXPECT_TRUE(refused.headers.find("Retry-After").has_value());
    // One that nobody waits for is queued, and at the next beat is in the line; one with a record
    // of its own waits for its turn there.
    EXPECT_EQ(call({"POST", "/execute?wait=0", kHold, "alice", {}}).status, 202);
    const auto keyed = begin({"POST", "/execute", kHold, "alice", {{"Idempotency-Key", "k"}}});
    until([&] { return compute().context().gate.waiting() == 2; });
    EXPECT_EQ(keyed->status, 0);
    EXPECT_EQ(engine().running, 5u);
    EXPECT_EQ(execute(R"({"script":"x"})", "bob").status, 200);
    engine().release();
    until([&] {
        return keyed->status == 200 && std::all_of(held.begin(), held.end(), [](const auto& one) {
                   return one->status == 200;
               });
    });
    until([&] { return slots() == 0; });
    EXPECT_EQ(engine().running_max, 6u);  // with the one of bob
}

TEST_P(LateRecordTest, AQueuedJobStaysQueuedWhileJobsWithoutRecordsFillItsUsersPlaces) {
    engine_ = std::make_unique<FakeEngine>(executor(), 10);  // five of them for alice
    open_alone(kNever);
    std::vector<std::shared_ptr<TestAnswer>> held;
    for (int i = 0; i < 5; ++i) held.push_back(begin_hold());
    until([&] { return engine().running == 5; });
    const TestCall async{"POST", "/execute?wait=0", kHold, "alice", {}};
    const std::string first = call(async).string("job_id");
    const std::string second = call(async).string("job_id");
    until([&] { return compute().context().gate.waiting() == 1; });
    for (int beats = 0; beats < 3; ++beats) {
        const auto answer = get("/jobs/" + first);
        EXPECT_EQ(answer.string("phase"), "queued") << answer.text;
        until([turns = 0]() mutable { return ++turns > 25; });
    }
    EXPECT_EQ(slots(), 0);
    // The places that are left are for others meanwhile, and one that waits can be taken back.
    call({"POST", "/execute?wait=0", kHold, "bob", {}});
    until([&] { return engine().running == 6; });
    const auto cancelled = call({"DELETE", "/jobs/" + second, "", "alice", {}});
    EXPECT_EQ(cancelled.string("phase"), "cancelled") << cancelled.text;
    engine().release();
    until([&] { return get("/jobs/" + first).string("phase") == "completed"; });
    until([&] { return slots() == 0 && compute().context().gate.running() == 0; });
    EXPECT_EQ(engine().order.size(), 7u);
    EXPECT_EQ(engine().order.back(), "alice");
}

TEST_P(LateRecordTest, AJobWhoseUserHasNoSlotLeftElsewhereIsStoppedAndRefused) {
    open_alone(std::chrono::milliseconds(5));
    write(
        "INSERT INTO compute_users (user_id, running, waiting, last_started_at) "
        "SELECT 'alice', 5, 0, MAX(alive_until) FROM compute_instances");
    EXPECT_EQ(execute(kHold).status, 429);
    EXPECT_EQ(execute(R"({"script":"x"})").status, 429);
    EXPECT_EQ(number(kJobs), 0);
    EXPECT_EQ(engine().running, 0u);
    EXPECT_EQ(slots(), 5);
}

TEST_P(LateRecordTest, WhatMayBeAskedForAgainOrLeavesATraceHasItsRecordFirst) {
    engine_ = std::make_unique<FakeEngine>(executor(), 16);
    open_alone(kNever);
    const auto keyed = begin({"POST", "/execute", kHold, "alice", {{"Idempotency-Key", "k"}}});
    until([&] { return engine().running == 1; });
    EXPECT_EQ(number(kJobs), 1);
    const auto again =
        begin({"POST", "/execute", R"({"script":"hold","on_restart":"rerun"})", "alice", {}});
    until([&] { return engine().running == 2; });
    EXPECT_EQ(number(kJobs), 2);
    put_secret("S", "value");
    const auto secret =
        begin({"POST", "/execute", R"({"script":"hold","secret_refs":["S"]})", "alice", {}});
    until([&] { return engine().running == 3; });
    EXPECT_EQ(number(kJobs), 3);
    engine().release();
    until([&] { return keyed->status == 200 && again->status == 200 && secret->status == 200; });
}

TEST_P(LateRecordTest, WithAnotherInstanceTheRecordComesFirst) {
    open_alone(kNever);
    auto options = development();
    options.instance = "test-2";
    options.seed = 77;
    auto second = *run(TestCompute::open(database(), executor(), *engine_, options));
    until([&] { return !compute().context().alone.load(); });
    const auto held = begin_hold();
    until([&] { return engine().running == 1; });
    EXPECT_EQ(number(kJobs), 1);
    engine().release();
    until([&] { return held->status == 200; });
    run(second->stop());
    until([&] { return compute().context().alone.load(); });
}

ADYTON_ON_ALL_DATABASES(LateRecordTest);

}  // namespace
}  // namespace adyton::compute

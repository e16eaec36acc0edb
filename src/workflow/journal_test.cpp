#include "workflow/journal.h"

#include <gtest/gtest.h>

#include <set>

#include "workflow/workflow_test_support.h"

namespace adyton::workflow {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using storage::Transaction;

class JournalTest : public WorkflowDatabaseTest {
protected:
    void make_driver(const std::string& driver, const std::string& holder, base::Duration lease) {
        const auto made =
            write([&](Transaction& tx) { return register_driver(tx, driver, holder, lease); });
        ASSERT_TRUE(made) << made.error().message();
    }
    workflow::Run insert(
        const std::string& id, const std::string& subject, const std::string& driver = {}) {
        NewRun run;
        run.id = id;
        run.kind = "test";
        run.subject = subject;
        run.step = "first";
        run.payload = R"({"n":1})";
        return write([&](Transaction& tx) { return insert_run(tx, run, driver); }).value();
    }
    std::vector<workflow::Run> claim(const std::string& driver, std::int64_t limit = 10) {
        return write([&](Transaction& tx) {
                   return claim_due_runs(tx, {"test", driver, limit});
               })
            .value();
    }
    workflow::Run find(const std::string& id) {
        return write([&](Transaction& tx) { return find_run(tx, id); }).value().value();
    }
    std::vector<std::string> event_kinds(const std::string& id) {
        const auto events =
            write([&](Transaction& tx) { return list_events(tx, id, 0, 100); }).value();
        std::vector<std::string> kinds;
        std::int64_t sequence = 0;
        for (const RunEvent& event : events) {
            EXPECT_EQ(event.sequence, ++sequence);
            kinds.push_back(event.kind);
        }
        EXPECT_EQ(find(id).events, sequence);
        return kinds;
    }
    static RunClaim claim_of(const workflow::Run& run) { return {run.id, run.driver, run.fencing}; }
    template <typename T>
    static std::string reason(const Result<T>& result) {
        return result ? "" : result.error().reason();
    }
};

TEST_P(JournalTest, ARunKeepsWhatItWasGivenAndWhatHappened) {
    make_driver("d/1", "d", hours(1));
    NewRun wanted;
    wanted.id = "run-1";
    wanted.kind = "test";
    wanted.subject = "account";
    wanted.step = "first";
    wanted.payload = R"({"a":"ü"})";
    wanted.attempts_max = 3;
    const auto now = write([](Transaction& tx) { return tx.now(); }).value();
    wanted.deadline = now + hours(1);
    const workflow::Run made =
        write([&](Transaction& tx) { return insert_run(tx, wanted, "d/1"); }).value();
    EXPECT_EQ(made.driver, "d/1");
    const auto advanced = write([&](Transaction& tx) {
        return advance_run(
            tx, claim_of(made), {"second", R"({"b":2})", {}, {}}, {"sent", R"({"hash":"x"})"});
    });
    ASSERT_TRUE(advanced) << advanced.error().message();
    const workflow::Run run = find("run-1");
    EXPECT_EQ(run.step, "second");
    EXPECT_EQ(run.payload, R"({"b":2})");
    EXPECT_EQ(run.attempts_max, 3);
    EXPECT_EQ(run.deadline, wanted.deadline);
    EXPECT_EQ(run.state, RunState::Running);
    const auto attempts = write([&](Transaction& tx) {
        return retry_run(tx, claim_of(made), now + hours(2), {"retry", "{}"});
    });
    EXPECT_EQ(attempts.value(), 1);
    EXPECT_EQ(find("run-1").next_attempt_at, now + hours(2));
    ASSERT_TRUE(write([&](Transaction& tx) {
        return finish_run(tx, claim_of(made), RunState::Succeeded, "", {"done", "{}"});
    }));
    EXPECT_EQ(find("run-1").state, RunState::Succeeded);
    EXPECT_EQ(find("run-1").driver, "");
    EXPECT_EQ(event_kinds("run-1"), (std::vector<std::string>{"created", "sent", "retry", "done"}));
}

TEST_P(JournalTest, AnIdIsTakenOnce) {
    insert("run-1", "a");
    NewRun again;
    again.id = "run-1";
    again.kind = "test";
    again.subject = "a";
    again.step = "first";
    const auto made = write([&](Transaction& tx) { return insert_run(tx, again); });
    EXPECT_EQ(reason(made), "unique");
}

TEST_P(JournalTest, AFinishedRunIsNobodysToChange) {
    make_driver("d/1", "d", hours(1));
    const workflow::Run run = insert("run-1", "a", "d/1");
    ASSERT_TRUE(write([&](Transaction& tx) {
        return finish_run(tx, claim_of(run), RunState::Failed, "why", {"failed", "{}"});
    }));
    const auto advance = write([&](Transaction& tx) {
        return advance_run(tx, claim_of(run), {"second", {}, {}, {}}, {"x", "{}"});
    });
    EXPECT_EQ(reason(advance), "run_lost");
    EXPECT_EQ(
        reason(write([&](Transaction& tx) { return pause_run(tx, "run-1", "op"); })), "run_final");
    EXPECT_EQ(
        reason(write([&](Transaction& tx) { return resume_run(tx, "run-1", "op"); })), "run_final");
    EXPECT_EQ(
        reason(write([&](Transaction& tx) { return request_cancel(tx, "run-1", "op"); })),
        "run_final");
    EXPECT_EQ(
        reason(write([&](Transaction& tx) { return pause_run(tx, "nothing", "op"); })),
        "run_not_found");
    EXPECT_EQ(find("run-1").reason, "why");
    EXPECT_EQ(event_kinds("run-1").size(), 2U);
}

// PostgreSQL takes no half character, so the run would never end.
TEST_P(JournalTest, ALongReasonEndsBehindAWholeCharacter) {
    make_driver("one", "a", seconds(30));
    const workflow::Run run = insert("r1", "s1", "one");
    const std::string beginning(kRunReasonBytesMax - 1, 'x');
    const auto ended = write([&](Transaction& tx) {
        return finish_run(
            tx, claim_of(run), RunState::Failed, beginning + "\u00e4", {"failed", "{}"});
    });
    ASSERT_TRUE(ended) << ended.error().message();
    EXPECT_EQ(find("r1").reason, beginning);
}

TEST_P(JournalTest, WhatADriverHoldsNobodyElsePicks) {
    make_driver("a/1", "a", hours(1));
    make_driver("b/1", "b", hours(1));
    insert("run-1", "x", "a/1");
    insert("run-2", "x");
    const auto picked = claim("b/1");
    ASSERT_EQ(picked.size(), 1U);
    EXPECT_EQ(picked[0].id, "run-2");
    EXPECT_TRUE(claim("a/1").empty());
}

TEST_P(JournalTest, ADeadDriversRunsGoToAnotherAndItsWritesAreRefused) {
    make_driver("a/1", "a", milliseconds(50));
    make_driver("b/1", "b", hours(1));
    const workflow::Run run = insert("run-1", "x", "a/1");
    EXPECT_TRUE(claim("b/1").empty());
    sleep(milliseconds(80));
    // Expired, but nobody took it over: its writes still count.
    ASSERT_TRUE(write([&](Transaction& tx) {
        return note_event(tx, claim_of(run), {"late", "{}"});
    }));
    EXPECT_EQ(
        reason(write([&](Transaction& tx) { return renew_driver(tx, "a/1", hours(1)); })),
        "driver_lost");
    EXPECT_EQ(write([&](Transaction& tx) { return free_orphans(tx, 100); }).value(), 1);
    EXPECT_EQ(count("workflow_drivers"), 1);
    const auto picked = claim("b/1");
    ASSERT_EQ(picked.size(), 1U);
    EXPECT_GT(picked[0].fencing, run.fencing);
    EXPECT_EQ(
        reason(write([&](Transaction& tx) {
            return note_event(tx, claim_of(run), {"late", "{}"});
        })),
        "run_lost");
    EXPECT_TRUE(write([&](Transaction& tx) { return check_run(tx, claim_of(picked[0])); }));
    // And the dead one picks nothing any more.
    EXPECT_EQ(
        reason(write([&](Transaction& tx) {
            return claim_due_runs(tx, {"test", "a/1", 1});
        })),
        "driver_lost");
    // What it inserts belongs to nobody.
    EXPECT_EQ(insert("run-2", "x", "a/1").driver, "");
}

TEST_P(JournalTest, AnExpiredDriverGetsNothingAlsoBeforeItIsFoundDead) {
    make_driver("a/1", "a", milliseconds(50));
    sleep(milliseconds(80));
    EXPECT_EQ(insert("run-1", "x", "a/1").driver, "");
    EXPECT_EQ(
        reason(write([&](Transaction& tx) {
            return claim_due_runs(tx, {"test", "a/1", 1});
        })),
        "driver_lost");
    EXPECT_EQ(count("workflow_drivers"), 1);
}

TEST_P(JournalTest, ARestartedHolderGetsItsRunsBackAtOnce) {
    make_driver("a/1", "a", hours(1));
    insert("run-1", "x", "a/1");
    make_driver("a/2", "a", hours(1));
    EXPECT_EQ(write([&](Transaction& tx) { return free_orphans(tx, 100); }).value(), 1);
    ASSERT_EQ(claim("a/2").size(), 1U);
}

TEST_P(JournalTest, OrphansAreFreedInBoundedSteps) {
    make_driver("a/1", "a", hours(1));
    for (int i = 0; i < 5; ++i) insert("run-" + std::to_string(i), "x", "a/1");
    make_driver("a/2", "a", hours(1));
    EXPECT_EQ(write([&](Transaction& tx) { return free_orphans(tx, 2); }).value(), 2);
    EXPECT_EQ(write([&](Transaction& tx) { return free_orphans(tx, 2); }).value(), 2);
    EXPECT_EQ(count("workflow_drivers"), 2);
    EXPECT_EQ(write([&](Transaction& tx) { return free_orphans(tx, 2); }).value(), 1);
    EXPECT_EQ(count("workflow_drivers"), 1);
}

TEST_P(JournalTest, PickingIsFairAmongSubjects) {
    make_driver("a/1", "a", hours(1));
    for (int i = 0; i < 6; ++i) insert("busy-" + std::to_string(i), "busy");
    insert("quiet-1", "quiet");
    insert("other-1", "other");
    std::set<std::string> subjects;
    for (const workflow::Run& run : claim("a/1", 3)) subjects.insert(run.subject);
    EXPECT_EQ(subjects, (std::set<std::string>{"busy", "quiet", "other"}));
    EXPECT_EQ(claim("a/1", 3).size(), 3U);
    EXPECT_EQ(claim("a/1", 3).size(), 2U);
}

TEST_P(JournalTest, ARunIsNotPickedBeforeItIsDue) {
    make_driver("a/1", "a", hours(1));
    NewRun later;
    later.id = "run-1";
    later.kind = "test";
    later.subject = "x";
    later.step = "first";
    later.next_attempt_at =
        write([](Transaction& tx) { return tx.now(); }).value() + milliseconds(50);
    ASSERT_TRUE(write([&](Transaction& tx) { return insert_run(tx, later); }));
    EXPECT_TRUE(claim("a/1").empty());
    sleep(milliseconds(80));
    EXPECT_EQ(claim("a/1").size(), 1U);
}

TEST_P(JournalTest, APausedRunStandsStillUntilItIsResumed) {
    make_driver("a/1", "a", hours(1));
    const workflow::Run run = insert("run-1", "x", "a/1");
    EXPECT_TRUE(write([&](Transaction& tx) { return pause_run(tx, "run-1", "op"); }).value());
    EXPECT_FALSE(write([&](Transaction& tx) { return pause_run(tx, "run-1", "op"); }).value());
    EXPECT_TRUE(claim("a/1").empty());
    EXPECT_EQ(
        reason(write([&](Transaction& tx) { return check_run(tx, claim_of(run)); })), "run_lost");
    EXPECT_TRUE(write([&](Transaction& tx) { return resume_run(tx, "run-1", "op"); }).value());
    ASSERT_EQ(claim("a/1").size(), 1U);
    // The same driver again, and still the old claim does not count.
    EXPECT_EQ(
        reason(write([&](Transaction& tx) { return check_run(tx, claim_of(run)); })), "run_lost");
    EXPECT_EQ(event_kinds("run-1"), (std::vector<std::string>{"created", "paused", "resumed"}));
}

TEST_P(JournalTest, ACancelIsARequestThatWakesTheRun) {
    insert("run-1", "x");
    EXPECT_TRUE(write([&](Transaction& tx) { return pause_run(tx, "run-1", "op"); }).value());
    EXPECT_TRUE(write([&](Transaction& tx) { return request_cancel(tx, "run-1", "op"); }).value());
    EXPECT_FALSE(write([&](Transaction& tx) { return request_cancel(tx, "run-1", "op"); }).value());
    const workflow::Run run = find("run-1");
    EXPECT_TRUE(run.cancel_requested);
    EXPECT_EQ(run.state, RunState::Running);
}

TEST_P(JournalTest, EventsCannotBeRewrittenAndGoWithTheirRun) {
    make_driver("a/1", "a", hours(1));
    const workflow::Run run = insert("run-1", "x", "a/1");
    EXPECT_FALSE(write([](Transaction& tx) {
        return tx.execute_script("UPDATE workflow_events SET kind = 'other'");
    }));
    ASSERT_TRUE(write([&](Transaction& tx) {
        return finish_run(tx, claim_of(run), RunState::Succeeded, "", {"done", "{}"});
    }));
    insert("run-2", "x");
    const auto now = write([](Transaction& tx) { return tx.now(); }).value();
    EXPECT_EQ(
        write([&](Transaction& tx) {
            return remove_final_runs(tx, "", now - hours(1), 10);
        }).value(),
        0);
    EXPECT_EQ(
        write([&](Transaction& tx) {
            return remove_final_runs(tx, "other", now + hours(1), 10);
        }).value(),
        0);
    EXPECT_EQ(
        write([&](Transaction& tx) {
            return remove_final_runs(tx, "test", now + hours(1), 10);
        }).value(),
        1);
    EXPECT_EQ(count("workflow_runs"), 1);
    EXPECT_EQ(count("workflow_events"), 1);
}

TEST_P(JournalTest, RunsAreListedByKindSubjectAndState) {
    make_driver("a/1", "a", hours(1));
    insert("run-1", "x");
    insert("run-2", "y");
    const workflow::Run third = insert("run-3", "x", "a/1");
    ASSERT_TRUE(write([&](Transaction& tx) {
        return finish_run(tx, claim_of(third), RunState::Cancelled, "", {"cancelled", "{}"});
    }));
    const auto list = [&](RunQuery query) {
        return write([&](Transaction& tx) { return list_runs(tx, query); }).value().size();
    };
    EXPECT_EQ(list({}), 3U);
    EXPECT_EQ(list({"test", "x", {}, "", 100}), 2U);
    EXPECT_EQ(list({"test", "x", RunState::Running, "", 100}), 1U);
    EXPECT_EQ(list({"other", "", {}, "", 100}), 0U);
    EXPECT_EQ(list({"", "", {}, "run-2", 100}), 1U);
    EXPECT_EQ(list({"", "", {}, "", 2}), 2U);
}

ADYTON_ON_ALL_DATABASES(JournalTest);

}  // namespace
}  // namespace adyton::workflow

#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "storage/database.h"
#include "workflow/journal.h"

namespace adyton::workflow {

// One call of a step: the run as it stood when the call began, and the ways to change it, which are
// refused ("run_lost") as soon as this process no longer drives it.
class StepContext {
public:
    const Run& run() const { return run_; }
    const RunClaim& claim() const { return claim_; }

    // Inside the unit of work that records the step's effect (see journal.h).
    Result<void> check(storage::Transaction& tx) const { return check_run(tx, claim_); }
    Result<void> advance(
        storage::Transaction& tx, const Advance& advance, const NewEvent& event) const {
        return advance_run(tx, claim_, advance, event);
    }
    Result<void> note(storage::Transaction& tx, const NewEvent& event) const {
        return note_event(tx, claim_, event);
    }
    Result<void> finish(
        storage::Transaction& tx, RunState state, const std::string& reason,
        const NewEvent& event) const {
        return finish_run(tx, claim_, state, reason, event);
    }

    // False when this process might not drive the run any more (its lease could not be renewed in
    // time), or is stopping: begin no outside effect.
    bool may_act() const;
    // True for the first call after insert_run(): no other process ever drove the run.
    bool first_call_of_creator() const { return first_call_; }
    // True once the deadline has passed on the executor's clock.
    bool deadline_passed() const;

private:
    friend class StepRunner;
    Run run_;
    RunClaim claim_;
    bool first_call_ = false;
    std::function<bool()> may_act_;
    base::Timestamp called_at_;
};

// What a step says when it returns.
struct StepOutcome {
    enum class Kind {
        Again,  // call again after `delay`: nothing is written, a restart calls at once
        Retry,  // a failed attempt: written, waits longer each time, ends with the budget
        Ended,  // the step called finish() in its own unit
    };
    Kind kind = Kind::Again;
    base::Duration delay{};
    std::optional<Error> error;

    static StepOutcome again(base::Duration delay = {}) { return {Kind::Again, delay, {}}; }
    static StepOutcome retry(Error error) { return {Kind::Retry, {}, std::move(error)}; }
    static StepOutcome ended() { return {Kind::Ended, {}, {}}; }
};

struct RunKind {
    std::string name;
    // Does one step: journals before each outside effect and records what came of it, in units of
    // work that begin with a call of the context. May be killed at any point and is then called
    // again in the state it last recorded. An error is a retry. What it captures must outlive the
    // runner.
    std::function<Task<Result<StepOutcome>>(StepContext&)> step;
    // Called in the unit that fails a run whose budget of attempts is used up or whose deadline
    // passed while it was waiting to be retried; empty: nothing more to do.
    std::function<Result<void>(storage::Transaction&, const Run&, const std::string& reason)>
        give_up;
    // Called on the executor when this process holds a run no more that did not end here: it is
    // paused, or another's. What was remembered of it is stale. Empty: nothing is remembered.
    std::function<void(const std::string& run_id)> lost;
    // Between attempts; doubles from the first to the longest, each drawn from its upper half.
    base::Duration retry_first = std::chrono::milliseconds(500);
    base::Duration retry_max = std::chrono::seconds(30);
};

struct RunnerStatus {
    std::uint64_t held = 0;     // runs of this process now
    std::uint64_t calls = 0;    // of steps
    std::uint64_t claimed = 0;  // picked up, not created here
    std::uint64_t retries = 0;
    std::uint64_t finished = 0;
    std::uint64_t lost = 0;  // changed hands or were paused
    std::string last_error;
};

// Drives the runs of its kinds: those that this process created and adopted, and due ones that
// nobody drives. Among all instances one drives a run at a time; when a process dies, its runs are
// free after `lease`. Failures are logged and counted, never fatal.
class StepRunner {
public:
    struct Options {
        std::string holder;  // this instance, unique among live processes
        base::Executor& executor;
        storage::Database& database;
        base::RandomSource& random;
        base::Logger& logger;
        base::Duration lease = std::chrono::seconds(15);
        base::Duration poll_period = std::chrono::seconds(1);  // for runs that nobody drives
        std::size_t held_max = 50'000;
        std::size_t concurrent_max = 256;  // steps at once
        std::int64_t claim_batch = 128;    // of each kind at a time
    };
    // References must outlive the runner and the executor's tasks: await stop() first.
    explicit StepRunner(Options options);
    ~StepRunner();

    void add(RunKind kind);  // before start(); CHECKs a unique name
    void start();            // on the executor's thread
    // Lets running steps end, gives the rest back, waits. On the executor's thread; once.
    Task<void> stop();

    // The name to give insert_run(); empty while there is none (not started, lost, or full): the
    // run is then picked up like any other. Thread safe.
    std::string driver() const;
    // Takes over a run that was inserted under driver(), after its unit committed. Thread safe.
    void adopt(const Run& run);
    // The same after a unit of which nobody knows whether it committed, or still will: the run is
    // looked for again and again for half a minute, and let go when it is not there. Thread safe.
    void adopt_if_kept(const Run& run);
    // Makes a held run's next call come now. Thread safe; unknown ids are ignored.
    void nudge(const std::string& run_id);

    RunnerStatus status() const;  // thread safe

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with timers that may fire after the runner is gone
};

}  // namespace adyton::workflow

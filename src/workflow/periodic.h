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
#include "base/time.h"
#include "storage/database.h"
#include "workflow/lease.h"

namespace adyton::workflow {

// What a running job sees. Lives as long as the run.
class JobContext {
public:
    // Ends the unit with Conflict "lease_lost" when another instance has taken over: call it first
    // in every unit of work of the job.
    Result<void> check(storage::Transaction& tx) const;
    // True after stop() or a lost lease: finish the unit at hand and return.
    bool should_stop() const { return *stopping_ || lost_; }

private:
    friend class PeriodicRunner;
    Lease lease_;
    const bool* stopping_ = nullptr;
    bool lost_ = false;
};

struct PeriodicJob {
    std::string name;  // also the name of its lease: "pool.rotate"
    base::Duration period{};
    // Does the work and says how many items it handled. Called on the runner's executor. Must be
    // safe to kill at any point; what it captures must outlive the runner.
    std::function<Task<Result<std::int64_t>>(JobContext&)> run;
    // First attempt after start(); default: a random part of the period, at most 30 s, so that
    // instances started together spread out. A job that another instance has just run still waits.
    std::optional<base::Duration> first_delay;
    // Renewed while the job runs; after a crash others wait this long.
    base::Duration lease = std::chrono::seconds(60);
    // Wait after a failed run, doubled at each further failure up to the period.
    base::Duration retry = std::chrono::seconds(10);
};

// For /info and metrics.
struct JobStatus {
    std::string name;
    base::Duration period{};
    bool running = false;    // in this process
    std::uint64_t runs = 0;  // finished in this process, failures included
    std::uint64_t failures = 0;
    std::uint64_t skipped = 0;  // another instance held the lease or had run it
    std::int64_t items = 0;     // handled, in all runs of this process
    std::optional<base::Timestamp> last_started_at;
    std::optional<base::Timestamp> last_finished_at;
    std::string last_error;  // of the last run or attempt; empty when it went well
};

// Runs named jobs again and again, each in one instance at a time among all that share the
// database. When a job is due stands in the database (table periodic_jobs), so neither a restart
// nor a second instance makes it run more often. A run that takes longer than its period delays the
// next one. Failures are logged and counted, never fatal.
class PeriodicRunner {
public:
    struct Options {
        std::string holder;  // this instance, unique among live processes
        base::Executor& executor;
        storage::Database& database;
        base::RandomSource& random;
        base::Logger& logger;
    };
    // All references must outlive the runner, and so must the executor's tasks: await stop() first.
    explicit PeriodicRunner(Options options);
    ~PeriodicRunner();

    // Before start(). CHECKs: unique name, period and lease above zero.
    void add(PeriodicJob job);
    // On the executor's thread.
    void start();
    // Makes a job run now, due or not (still under its lease). Thread safe. False: no such job, or
    // the runner is not running.
    bool trigger(const std::string& name);
    // Lets running jobs end and waits for them. On the executor's thread; may be called once.
    Task<void> stop();

    std::vector<JobStatus> status() const;  // thread safe

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with timers that may fire after the runner is gone
};

}  // namespace adyton::workflow

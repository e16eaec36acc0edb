#include <chrono>
#include <map>
#include <utility>

#include "compute/job_runner.h"

// Jobs that nobody waits for: picked up, run by themselves, and settled when their owner is gone.
namespace adyton::compute {
namespace {

constexpr std::int64_t kOrphansAtOnce = 100;
constexpr std::int64_t kUsersAtOnce = 100;
constexpr std::string_view kInterrupted = "the job was cut off by a restart of the service";
constexpr std::string_view kNotStored = "the service could not store how the job went on";

// A claimed job as a plan again. A failure is the job's.
Result<std::optional<JobFailure>> plan_again(
    const ComputeContext& compute, const JobRow& row, JobPlan& plan) {
    plan.job_id = row.job_id;
    plan.user = row.user;
    plan.actor = "user:" + row.user;
    plan.created_at = row.created_at;
    plan.keep_request = true;
    if (!row.request) return Error::corrupt_data("a queued job has no request");
    TRY(const auto body, open_blob(compute, row, "request", *row.request));
    TRY(auto request, api::parse_execute_request(base::as_text(body)));
    return plan_job(compute, std::move(request), plan);
}

// Secrets are granted when a job starts, not when it was sent. True: go on.
Task<Result<bool>> start_claimed(ComputeContext& compute, SharedPlan plan) {
    JobPlan& filled = *plan;
    const base::Timestamp now = compute.executor.now();
    auto unit = [&](storage::Transaction& tx) -> Result<bool> {
        TRY(const auto denied, grant_secrets(tx, compute, filled));
        // After the grant: secrets are sealed anew once the key has changed.
        TRY_VOID(jobs::check_master_key(tx, compute.claim));
        if (!denied) {
            TRY_VOID(jobs::note_started(tx, filled.job_id, compute.claim, now));
            return true;
        }
        const std::string answer = conclude_failure(filled, *denied, now).to_json_text();
        TRY_VOID(jobs::finish(
            tx, filled.job_id, filled.user, compute.claim,
            final_job(compute, filled.job_id, filled.user, denied->phase, answer, now)));
        return false;
    };
    auto write = compute.database.write(std::move(unit));
    co_return co_await std::move(write);
}

Task<Result<void>> end_unplanned(ComputeContext& compute, SharedPlan plan, JobFailure failure) {
    const base::Timestamp now = compute.executor.now();
    const std::string answer = conclude_failure(*plan, failure, now).to_json_text();
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        return jobs::finish(
            tx, plan->job_id, plan->user, compute.claim,
            final_job(compute, plan->job_id, plan->user, failure.phase, answer, now));
    };
    auto write = compute.database.write(std::move(unit));
    co_return co_await std::move(write);
}

Task<Result<void>> run_claimed(
    ComputeContext& compute, JobRow row, FairGate::Ticket ticket, std::shared_ptr<LiveJob> live) {
    const auto plan = std::make_shared<JobPlan>();
    auto refusal = plan_again(compute, row, *plan);
    if (!refusal) {
        refusal = JobFailure{JobPhase::Failed, "the job cannot be read", "request_unreadable"};
    }
    bool go_on = false;
    Result<void> ended;
    if (*refusal) {
        auto ending = end_unplanned(compute, plan, **refusal);
        ended = co_await std::move(ending);
    } else {
        auto starting = start_claimed(compute, plan);
        auto started = co_await std::move(starting);
        if (started) {
            go_on = *started;
        } else {
            ended = std::move(started).error();
        }
    }
    if (go_on) {
        auto running = run_job(compute, plan, std::move(ticket), live);
        const auto text = co_await std::move(running);
        co_return Result<void>();  // run_job logs
    }
    live->end({});
    compute.live.remove(plan->job_id);
    co_return ended;
}

// The first queued job of a user, as ours. Null: there is none that may run now.
Task<Result<std::optional<JobRow>>> claim_next(ComputeContext& compute, std::string user) {
    std::optional<std::string> expected;
    const auto forget = [&] {
        if (expected) compute.live.forget(*expected);
        expected.reset();
    };
    auto unit = [&](storage::Transaction& tx) -> Result<std::optional<JobRow>> {
        forget();  // what another try of this unit took
        // A job that was put back while it still runs here waits until that run is over.
        TRY(auto row, jobs::claim_queued(
                          tx, {compute.claim, compute.options.instance_lease}, user,
                          compute.live.known(), compute.options.running_per_user_max));
        if (row) {
            compute.live.expect(row->job_id);
            expected = row->job_id;
        }
        return row;
    };
    auto write = compute.database.write(std::move(unit));
    auto claimed = co_await std::move(write);
    if (!claimed) forget();
    co_return claimed;
}

Task<void> pump_alone(ComputeContext& compute, QueueWork /*until it has begun*/) {
    auto pumping = pump_queue(compute);
    const auto more = co_await std::move(pumping);
    if (!more) compute.logger.warning("the queue", {{"cause", more.error().message()}});
}

// Waits for the user's turn, takes the user's next job then, and runs it.
Task<void> run_in_turn(
    ComputeContext& compute, std::string user, FairGate::Ticket ticket, QueueWork work) {
    auto turn = compute.gate.wait_turn(ticket);
    if (!co_await std::move(turn) || compute.stopping.load()) co_return;
    auto claiming = claim_next(compute, user);
    auto claimed = co_await std::move(claiming);
    if (!claimed) {
        compute.logger.warning("the queue", {{"cause", claimed.error().message()}});
        co_return;
    }
    if (!*claimed) co_return;
    JobRow row = **std::move(claimed);
    const std::string job_id = row.job_id;
    auto live = compute.live.add(job_id, user);
    // The user's next job gets in the line while this one runs.
    base::spawn(compute.executor, pump_alone(compute, std::move(work)));
    auto running = run_claimed(compute, std::move(row), std::move(ticket), std::move(live));
    const auto done = co_await std::move(running);
    if (!done) {
        compute.logger.error(
            "a queued job could not be run",
            {{"job_id", job_id}, {"cause", done.error().message()}});
    }
    if (compute.stopping.load()) co_return;
    auto pumping = pump_queue(compute);
    const auto more = co_await std::move(pumping);
    if (!more) compute.logger.warning("the queue", {{"cause", more.error().message()}});
}

bool is_ours(const ComputeContext& compute, const JobRow& row) {
    return row.owner.instance == compute.claim.instance && row.owner.epoch == compute.claim.epoch;
}

JobAnswer interrupted_answer(
    const ComputeContext& compute, const JobRow& row, const std::vector<LogRow>& lines,
    base::Timestamp now) {
    JobAnswer answer;
    answer.job_id = row.job_id;
    answer.phase = JobPhase::Interrupted;
    const bool cut_off = !is_ours(compute, row) || compute.stopping.load();
    answer.error = cut_off ? kInterrupted : kNotStored;
    answer.error_code = "interrupted";
    answer.created_at = row.created_at;
    answer.started_at = row.started_at;
    answer.finished_at = now;
    std::vector<std::string> logs;
    for (const LogRow& line : lines) {
        const auto plain = open_blob(compute, row, "log", line.line);
        if (plain) logs.emplace_back(base::as_text(*plain));
    }
    answer.logs = std::move(logs);
    return answer;
}

// Those of gone processes, and those of this one that nobody here sees to: a write that should have
// moved them on has failed.
Result<std::vector<JobRow>> find_abandoned(storage::Transaction& tx, ComputeContext& compute) {
    TRY(auto out, jobs::find_orphans(tx, kOrphansAtOnce));
    TRY(const auto owned, jobs::list_owned(tx, compute.claim));
    const auto known = compute.live.known();
    for (const auto& [job_id, cancel] : owned) {
        if (known.contains(job_id)) continue;
        TRY(auto row, jobs::find_owned(tx, job_id, compute.claim));
        // Asked again after the lock: it may have been taken up anew meanwhile.
        if (row && !compute.live.known().contains(job_id)) out.push_back(*std::move(row));
    }
    return out;
}

}  // namespace

Task<Result<std::size_t>> pump_queue(ComputeContext& compute) {
    QueueWork work(compute.queue_work);
    std::size_t entered = 0;
    if (compute.stopping.load()) co_return entered;
    auto unit = [&](storage::Transaction& tx) {
        return jobs::list_queued_users(tx, compute.options.running_per_user_max, kUsersAtOnce);
    };
    auto read = compute.database.read(std::move(unit));
    CO_TRY(const auto users, co_await std::move(read));
    for (const std::string& user : users) {
        auto ticket = compute.gate.enter_from_queue(user);
        if (!ticket) continue;
        ++entered;
        base::spawn(
            compute.executor,
            run_in_turn(compute, user, *std::move(ticket), QueueWork(compute.queue_work)));
    }
    co_return entered;
}

Task<Result<std::int64_t>> settle_orphans(ComputeContext& compute) {
    auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
        TRY(const auto orphans, find_abandoned(tx, compute));
        for (const JobRow& orphan : orphans) {
            TRY(const bool again, jobs::requeue_orphan(tx, orphan, compute.options.attempts_max));
            if (again) continue;
            const base::Timestamp now = compute.executor.now();
            TRY(const auto lines, jobs::list_logs(tx, orphan.job_id));
            const std::string answer =
                interrupted_answer(compute, orphan, lines, now).to_json_text();
            TRY_VOID(jobs::end_orphan(
                tx, orphan,
                final_job(
                    compute, orphan.job_id, orphan.user, JobPhase::Interrupted, answer, now)));
        }
        return static_cast<std::int64_t>(orphans.size());
    };
    auto write = compute.database.write(std::move(unit));
    co_return co_await std::move(write);
}

Task<Result<void>> watch_running(ComputeContext& compute) {
    const auto live = compute.live.all();
    if (live.empty()) co_return Result<void>();
    std::vector<LogRow> rows;
    for (const auto& job : live) {
        std::size_t first = 0;
        const std::vector<std::string> lines = job->take_unstored(first);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            rows.push_back(
                {job->job_id(), static_cast<std::int64_t>(first + i),
                 compute.keys.seal_job(
                     compute.random, job->job_id(), job->user(), "log", base::as_bytes(lines[i]))});
        }
    }
    auto unit = [&](storage::Transaction& tx) -> Result<std::map<std::string, bool>> {
        TRY_VOID(jobs::append_logs(tx, rows));
        return jobs::list_owned(tx, compute.claim);
    };
    auto write = compute.database.write(std::move(unit));
    CO_TRY(const auto owned, co_await std::move(write));
    for (const auto& job : live) {
        // One that is not ours any more was ended or put back by another process.
        const auto found = owned.find(job->job_id());
        if (found != owned.end() && !found->second) continue;
        cancel_live(compute, *job);
    }
    co_return Result<void>();
}

}  // namespace adyton::compute

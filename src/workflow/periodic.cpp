#include "workflow/periodic.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "workflow/internal/alarm.h"

namespace adyton::workflow {
namespace {

constexpr base::Duration kFirstDelayMax = std::chrono::seconds(30);
// Between two looks at a job that another instance holds, or at a database that is away.
constexpr base::Duration kPauseMin = std::chrono::milliseconds(100);
constexpr int kRetryDoublingsMax = 16;

std::chrono::microseconds to_micros(base::Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration);
}

// What an attempt to begin a run gave: the lease, or how long to wait for another attempt.
struct Beginning {
    std::optional<Lease> lease;
    base::Duration wait{};
    base::Timestamp started_at;
};

struct Ending {
    bool failed = false;
    std::int64_t items = 0;
    std::string error;
};

Result<Beginning> begin_run(
    storage::Transaction& tx, const PeriodicJob& job, const std::string& holder, bool even_early) {
    TRY(const base::Timestamp now, tx.now());
    Beginning out;
    out.started_at = now;
    // The lease first: what is read under it stays true.
    TRY(out.lease, acquire_lease(tx, job.name, holder, job.lease));
    if (!out.lease) {
        TRY(const std::optional<Lease> other, find_lease(tx, job.name));
        out.wait = other && other->expires_at > now ? base::Duration(other->expires_at - now)
                                                    : base::Duration::zero();
        return out;
    }
    TRY(const storage::Rows due,
        tx.query("SELECT due_at FROM periodic_jobs WHERE name = $1", {job.name}));
    if (!due.empty() && !even_early) {
        TRY(const base::Timestamp due_at, due.timestamp(0, 0));
        // A due time beyond a whole period comes from a clock that was wrong, or a longer period.
        if (due_at > now && due_at <= now + to_micros(job.period)) {
            TRY_VOID(release_lease(tx, *out.lease));
            out.lease.reset();
            out.wait = due_at - now;
            return out;
        }
    }
    // It stays due until it ends, so a run that is killed is made up for.
    TRY_VOID(tx.execute(
        "INSERT INTO periodic_jobs (name, due_at, last_holder, last_started_at) "
        "VALUES ($1, $3, $2, $3) ON CONFLICT (name) DO UPDATE SET "
        "due_at = excluded.due_at, last_holder = excluded.last_holder, "
        "last_started_at = excluded.last_started_at",
        {job.name, holder, now}));
    return out;
}

base::Duration retry_delay(const PeriodicJob& job, std::int64_t failures_in_row) {
    base::Duration delay = job.retry;
    const auto doublings = std::min<std::int64_t>(failures_in_row - 1, kRetryDoublingsMax);
    for (std::int64_t i = 0; i < doublings && delay < job.period; ++i) delay *= 2;
    return std::min(delay, job.period);
}

// Gives the wait until the job is due again. A lost lease changes nothing: its new holder writes.
Result<base::Duration> end_run(
    storage::Transaction& tx, const PeriodicJob& job, const Lease& lease, const Ending& ending,
    base::Timestamp started_at) {
    const Result<void> held = check_lease(tx, lease);
    if (!held && held.error().reason() != "lease_lost") return held.error();
    if (!held) return job.period;
    TRY(const base::Timestamp now, tx.now());
    TRY(const storage::Rows rows,
        tx.query("SELECT failures_in_row FROM periodic_jobs WHERE name = $1", {job.name}));
    if (rows.empty()) return Error::corrupt_data("the row of a running periodic job is gone");
    TRY(std::int64_t failures, rows.integer(0, 0));
    failures = ending.failed ? failures + 1 : 0;
    base::Timestamp due_at = started_at + to_micros(job.period);
    if (ending.failed) due_at = now + to_micros(retry_delay(job, failures));
    TRY_VOID(tx.execute(
        "UPDATE periodic_jobs SET due_at = $2, failures_in_row = $3, last_finished_at = $4, "
        "last_items = $5, last_error = $6 WHERE name = $1",
        {job.name, due_at, failures, now, ending.items, ending.error}));
    TRY_VOID(release_lease(tx, lease));
    return std::max<base::Duration>(due_at - now, base::Duration::zero());
}

}  // namespace

Result<void> JobContext::check(storage::Transaction& tx) const {
    return check_lease(tx, lease_);
}

struct PeriodicRunner::State : std::enable_shared_from_this<PeriodicRunner::State> {
    struct Entry {
        explicit Entry(PeriodicJob given, base::Executor& executor)
            : job(std::move(given)), alarm(executor), heartbeat(executor) {
            status.name = job.name;
            status.period = job.period;
        }
        PeriodicJob job;
        Alarm alarm;
        Alarm heartbeat;
        bool triggered = false;
        JobStatus status;  // under the state's mutex
    };

    explicit State(Options given) : options(std::move(given)) {}

    Options options;
    std::map<std::string, std::unique_ptr<Entry>> entries;
    bool started = false;
    bool stopping = false;
    std::size_t loops = 0;  // running ones
    std::shared_ptr<base::Completion<bool>::State> drained;

    mutable std::mutex mutex;  // guards each entry's status, and `accepting`
    bool accepting = false;    // between start and stop

    static Task<void> loop(std::shared_ptr<State> self, Entry* entry);
    Task<base::Duration> attempt(Entry& entry);
    Task<Ending> run_job(Entry& entry, JobContext& context);
    Task<bool> keep_lease(Entry& entry, JobContext& context, const bool& over);
    Task<bool> run_and_flag(Entry& entry, JobContext& context, Ending& ending, bool& over);
    void note_failure(Entry& entry, std::string_view what, const Error& error);
};

void PeriodicRunner::State::note_failure(Entry& entry, std::string_view what, const Error& error) {
    options.logger.warning(
        what,
        {{"job", entry.job.name}, {"code", to_string(error.code())}, {"error", error.message()}});
    const std::lock_guard lock(mutex);
    entry.status.last_error = error.message();
}

// One job's life, from start() to stop().
Task<void> PeriodicRunner::State::loop(std::shared_ptr<State> self, Entry* entry) {
    base::Duration wait = entry->job.first_delay.value_or(
        draw_below(self->options.random, std::min(entry->job.period, kFirstDelayMax)));
    while (!self->stopping) {
        auto pause = entry->alarm.wait(wait);
        co_await std::move(pause);
        if (self->stopping) break;
        auto attempt = self->attempt(*entry);
        wait = co_await std::move(attempt);
    }
    if (--self->loops == 0 && self->drained) self->drained->set(true);
}

// Runs the job if it is due and free; gives the wait until the next attempt.
Task<base::Duration> PeriodicRunner::State::attempt(Entry& entry) {
    const PeriodicJob& job = entry.job;
    const bool triggered = std::exchange(entry.triggered, false);
    auto begin = [this, &job, triggered](storage::Transaction& tx) {
        return begin_run(tx, job, options.holder, triggered);
    };
    auto begin_task = options.database.write(begin);
    const Result<Beginning> beginning = co_await std::move(begin_task);
    if (!beginning) {
        note_failure(entry, "a periodic job could not begin", beginning.error());
        co_return std::min(job.retry, job.period);
    }
    if (!beginning->lease) {
        const std::lock_guard lock(mutex);
        ++entry.status.skipped;
        // A little later than due, differently in each instance.
        const base::Duration spread = draw_below(options.random, job.period / 16);
        co_return std::max(std::min(beginning->wait, job.period) + spread, kPauseMin);
    }
    {
        const std::lock_guard lock(mutex);
        entry.status.running = true;
        entry.status.last_started_at = beginning->started_at;
    }
    JobContext context;
    context.lease_ = *beginning->lease;
    context.stopping_ = &stopping;
    auto run = run_job(entry, context);
    const Ending ending = co_await std::move(run);

    auto end = [&job, &context, &ending, &beginning](storage::Transaction& tx) {
        return end_run(tx, job, context.lease_, ending, beginning->started_at);
    };
    auto end_task = options.database.write(end);
    const Result<base::Duration> next = co_await std::move(end_task);
    if (!next) note_failure(entry, "the end of a periodic job could not be recorded", next.error());
    const std::lock_guard lock(mutex);
    entry.status.running = false;
    entry.status.last_finished_at = options.executor.now();
    ++entry.status.runs;
    if (ending.failed) ++entry.status.failures;
    entry.status.items += ending.items;
    if (next) entry.status.last_error = ending.error;
    co_return next ? *next : std::min(job.retry, job.period);
}

// The job and, beside it, the renewal of its lease.
Task<Ending> PeriodicRunner::State::run_job(Entry& entry, JobContext& context) {
    Ending ending;
    bool over = false;
    std::vector<Task<bool>> both;
    both.push_back(run_and_flag(entry, context, ending, over));
    both.push_back(keep_lease(entry, context, over));
    auto all = base::when_all(std::move(both));
    co_await std::move(all);
    co_return ending;
}

Task<bool> PeriodicRunner::State::run_and_flag(
    Entry& entry, JobContext& context, Ending& ending, bool& over) {
    auto task = entry.job.run(context);
    const Result<std::int64_t> items = co_await std::move(task);
    if (items) {
        ending.items = *items;
    } else {
        ending.failed = true;
        ending.error = items.error().message();
        note_failure(entry, "a periodic job failed", items.error());
    }
    over = true;
    entry.heartbeat.ring();
    co_return true;
}

Task<bool> PeriodicRunner::State::keep_lease(Entry& entry, JobContext& context, const bool& over) {
    while (!over && !context.lost_) {
        auto pause = entry.heartbeat.wait(entry.job.lease / 3);
        co_await std::move(pause);
        if (over) break;
        auto renew = [&context, &entry](storage::Transaction& tx) {
            return renew_lease(tx, context.lease_, entry.job.lease);
        };
        auto task = options.database.write(renew);
        const Result<Lease> renewed = co_await std::move(task);
        if (renewed) {
            context.lease_ = *renewed;
        } else if (renewed.error().reason() == "lease_lost") {
            context.lost_ = true;
            note_failure(entry, "a periodic job lost its lease", renewed.error());
        }
    }
    co_return true;
}

PeriodicRunner::PeriodicRunner(Options options)
    : state_(std::make_shared<State>(std::move(options))) {}
PeriodicRunner::~PeriodicRunner() = default;

void PeriodicRunner::add(PeriodicJob job) {
    CHECK(!state_->started);
    CHECK(!job.name.empty() && state_->entries.count(job.name) == 0);
    CHECK(job.period > base::Duration::zero() && job.lease > base::Duration::zero());
    CHECK(job.retry > base::Duration::zero());
    const std::string name = job.name;
    state_->entries[name] =
        std::make_unique<State::Entry>(std::move(job), state_->options.executor);
}

void PeriodicRunner::start() {
    CHECK(!state_->started);
    state_->started = true;
    {
        const std::lock_guard lock(state_->mutex);
        state_->accepting = true;
    }
    for (const auto& [name, entry] : state_->entries) {
        ++state_->loops;
        base::spawn(state_->options.executor, State::loop(state_, entry.get()));
    }
}

bool PeriodicRunner::trigger(const std::string& name) {
    const auto found = state_->entries.find(name);
    if (found == state_->entries.end()) return false;
    {
        const std::lock_guard lock(state_->mutex);
        if (!state_->accepting) return false;
    }
    State::Entry* const entry = found->second.get();
    state_->options.executor.post([state = state_, entry] {
        entry->triggered = true;
        entry->alarm.ring();
    });
    return true;
}

Task<void> PeriodicRunner::stop() {
    const std::shared_ptr<State> state = state_;
    {
        const std::lock_guard lock(state->mutex);
        state->accepting = false;
    }
    CHECK(!state->stopping);
    state->stopping = true;
    if (state->loops == 0) co_return;
    base::Completion<bool> drained;
    state->drained = drained.completer();
    for (const auto& [name, entry] : state->entries) entry->alarm.ring();
    co_await drained;
}

std::vector<JobStatus> PeriodicRunner::status() const {
    const std::lock_guard lock(state_->mutex);
    std::vector<JobStatus> out;
    for (const auto& [name, entry] : state_->entries) out.push_back(entry->status);
    return out;
}

}  // namespace adyton::workflow

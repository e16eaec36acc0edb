#include "workflow/step_runner.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <unordered_map>
#include <utility>

#include "base/bytes.h"
#include "base/check.h"
#include "workflow/internal/alarm.h"
#include "workflow/internal/run_rows.h"

namespace adyton::workflow {
namespace {

constexpr base::Duration kPauseAfterError = std::chrono::seconds(1);
constexpr std::int64_t kOrphansAtOnce = 1000;
constexpr int kRetryDoublingsMax = 20;
// For a run that may still be kept: after 0.25 s, twice as long each time, 32 s in all.
constexpr int kUnseenLooks = 7;
constexpr base::Duration kUnseenFirst = std::chrono::milliseconds(250);

std::string new_driver(const std::string& holder, base::RandomSource& random) {
    std::uint8_t bytes[8];
    random.fill(bytes);
    return holder.substr(0, 96) + "/" + base::hex_encode(bytes);
}

base::Duration retry_delay(
    const RunKind& kind, std::int64_t failures_before, base::RandomSource& random) {
    base::Duration delay = kind.retry_first;
    const auto doublings = std::min<std::int64_t>(failures_before, kRetryDoublingsMax);
    for (std::int64_t i = 0; i < doublings && delay < kind.retry_max; ++i) delay *= 2;
    delay = std::min(delay, kind.retry_max);
    return delay / 2 + draw_below(random, delay / 2);
}

std::string error_body(const Error& error) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object();
    out.member("code", to_string(error.code()));
    out.member("reason", std::string_view(error.reason()));
    out.member("message", std::string_view(error.message()));
    out.end_object();
    return body;
}

// Fails the run when its budget or time is used up; else writes the next attempt. Gives how long
// to wait, or nothing when it ended.
Result<std::optional<base::Duration>> record_retry(
    storage::Transaction& tx, const RunKind& kind, const RunClaim& claim, const Error& error,
    base::Duration delay) {
    TRY_VOID(check_run(tx, claim));
    TRY(const std::optional<Run> run, find_run(tx, claim.id));
    if (!run) return Error::corrupt_data("the row of a run is gone");
    TRY(const base::Timestamp now, tx.now());
    const std::string body = error_body(error);
    std::string_view spent;
    if (run->attempts_max && run->attempts + 1 >= *run->attempts_max) spent = "attempts_used_up";
    if (run->deadline && *run->deadline <= now) spent = "deadline_passed";
    if (!spent.empty()) {
        const std::string reason = std::string(spent) + ": " + error.message();
        if (kind.give_up) {
            TRY_VOID(kind.give_up(tx, *run, reason));
        }
        TRY_VOID(finish_run(tx, claim, RunState::Failed, reason, {spent, body}));
        return std::optional<base::Duration>();
    }
    const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(delay);
    TRY_VOID(retry_run(tx, claim, now + micros, {"retry", body}));
    return std::optional<base::Duration>(delay);
}

}  // namespace

bool StepContext::may_act() const {
    return may_act_();
}

bool StepContext::deadline_passed() const {
    return run_.deadline && *run_.deadline <= called_at_;
}

struct StepRunner::State : std::enable_shared_from_this<StepRunner::State> {
    // A run of this process.
    struct Held {
        RunClaim claim;
        const RunKind* kind = nullptr;
        std::optional<Run> fresh;  // as inserted or claimed: the next call need not read it
        bool created_here = false;
        bool calling = false;
        bool call_again = false;  // nudged while calling
        int unseen_looks = 0;     // left, while it may still be kept
        base::SteadyTime due{};
    };
    using Schedule = std::set<std::pair<base::SteadyTime, std::string>>;

    explicit State(Options given)
        : options(std::move(given)), claim_alarm(options.executor), renew_alarm(options.executor) {}

    Options options;
    std::unordered_map<std::string, RunKind> kinds;
    std::unordered_map<std::string, Held> held;
    Schedule schedule;  // of held runs that no call is under way for
    Alarm claim_alarm;
    Alarm renew_alarm;
    bool started = false;
    bool stopping = false;
    std::size_t active = 0;  // loops, batches and calls under way
    std::size_t calls = 0;   // of steps, under way
    bool reading = false;    // a batch of runs is being read
    std::shared_ptr<base::Completion<bool>::State> drained;
    base::SteadyTime valid_until{};  // of the lease, as far as this process can be sure
    std::optional<std::pair<base::SteadyTime, base::Executor::TimerId>> timer;

    mutable std::mutex mutex;  // guards the two below
    std::string driver;
    RunnerStatus counts;

    bool may_act() const { return !stopping && options.executor.steady_now() < valid_until; }
    void on_executor(base::UniqueFunction work);
    void leave();
    void note_held() {
        count([this](RunnerStatus& status) { status.held = held.size(); });
    }
    void note_error(std::string_view what, const Error& error);
    template <typename F>
    void count(F change) {
        const std::lock_guard lock(mutex);
        change(counts);
    }
    std::string current_driver() const {
        const std::lock_guard lock(mutex);
        return driver;
    }

    static Task<void> lease_loop(std::shared_ptr<State> self);
    Task<base::Duration> keep_driver();
    void lose_driver();
    static Task<void> claim_loop(std::shared_ptr<State> self);
    Task<base::Duration> claim_round();

    void hold(const Run& run, bool created_here);
    void drop(const std::string& id);
    void lose(const std::string& id);
    void schedule_call(const std::string& id, base::Duration delay);
    void arm();
    void dispatch();
    static Task<void> read_and_call(std::shared_ptr<State> self, std::vector<std::string> ids);
    void begin_call(const std::string& id, Run run);
    static Task<void> call(std::shared_ptr<State> self, StepContext context, const RunKind* kind);
    Task<void> settle(const RunClaim& claim, const RunKind& kind, Result<StepOutcome> outcome);
    void after_call(const RunClaim& claim, std::optional<base::Duration> again);
    void after_loss(const RunClaim& claim);
};

void StepRunner::State::on_executor(base::UniqueFunction work) {
    if (base::Executor::current() == &options.executor) {
        work();
    } else {
        options.executor.post(std::move(work));
    }
}

void StepRunner::State::leave() {
    if (--active == 0 && drained) drained->set(true);
}

void StepRunner::State::note_error(std::string_view what, const Error& error) {
    options.logger.warning(what, {{"code", to_string(error.code())}, {"error", error.message()}});
    count([&](RunnerStatus& status) { status.last_error = error.message(); });
}

// ----- the lease --------------------------------------------------------------------------------

Task<void> StepRunner::State::lease_loop(std::shared_ptr<State> self) {
    base::Duration wait{};
    while (!self->stopping) {
        auto pause = self->renew_alarm.wait(wait);
        co_await std::move(pause);
        if (self->stopping) break;
        auto keeping = self->keep_driver();
        wait = co_await std::move(keeping);
    }
    self->leave();
}

// Registers, or renews; gives the wait until the next time.
Task<base::Duration> StepRunner::State::keep_driver() {
    const base::SteadyTime asked = options.executor.steady_now();
    const std::string mine = current_driver();
    const std::string wanted = mine.empty() ? new_driver(options.holder, options.random) : mine;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        if (mine.empty()) return register_driver(tx, wanted, options.holder, options.lease);
        return renew_driver(tx, wanted, options.lease);
    };
    auto write = options.database.write(unit);
    const Result<void> kept = co_await std::move(write);
    if (kept) {
        // The lease ends by the database's clock; a tenth covers clocks of different speed.
        valid_until = asked + options.lease - options.lease / 10;
        if (mine.empty()) {
            {
                const std::lock_guard lock(mutex);
                driver = wanted;
            }
            claim_alarm.ring();
        }
        co_return options.lease / 3;
    }
    note_error("the lease on this process's runs could not be kept", kept.error());
    if (kept.error().reason() == "driver_lost") {
        lose_driver();
        co_return base::Duration::zero();
    }
    co_return std::min(kPauseAfterError, options.lease / 6);
}

// Others may have our runs now. Calls under way find out when they write.
void StepRunner::State::lose_driver() {
    {
        const std::lock_guard lock(mutex);
        driver.clear();
        counts.lost += held.size();
    }
    schedule.clear();
    const auto gone = std::exchange(held, {});
    valid_until = {};
    note_held();
    for (const auto& [id, entry] : gone) {
        if (entry.kind->lost) entry.kind->lost(id);
    }
}

// ----- picking runs up --------------------------------------------------------------------------

Task<void> StepRunner::State::claim_loop(std::shared_ptr<State> self) {
    base::Duration wait = self->options.poll_period;
    while (!self->stopping) {
        auto pause = self->claim_alarm.wait(wait);
        co_await std::move(pause);
        if (self->stopping) break;
        if (self->current_driver().empty()) continue;
        auto round = self->claim_round();
        wait = co_await std::move(round);
    }
    self->leave();
}

// One unit of work for all kinds; gives the wait until the next round.
Task<base::Duration> StepRunner::State::claim_round() {
    const std::string mine = current_driver();
    std::vector<std::string> names;
    for (const auto& [name, kind] : kinds) names.push_back(name);
    std::sort(names.begin(), names.end());
    const auto room =
        static_cast<std::int64_t>(options.held_max - std::min(options.held_max, held.size()));
    const std::int64_t each =
        std::min(options.claim_batch, room / static_cast<std::int64_t>(names.size()));
    std::vector<Run> claimed;
    bool more = false;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        claimed.clear();  // units may run twice
        TRY(const std::int64_t freed, free_orphans(tx, kOrphansAtOnce));
        more = freed >= kOrphansAtOnce;
        for (const auto& name : names) {
            if (each < 1) break;
            TRY(auto runs, claim_due_runs(tx, {name, mine, each}));
            if (static_cast<std::int64_t>(runs.size()) == each) more = true;
            for (auto& run : runs) claimed.push_back(std::move(run));
        }
        return {};
    };
    auto write = options.database.write(unit);
    const Result<void> done = co_await std::move(write);
    if (!done) {
        if (done.error().reason() != "driver_lost") {
            note_error("due runs could not be picked up", done.error());
        }
        // They may be ours in the database and unknown here, where nobody would ever drive them:
        // under another name this process finds them free again.
        if (done.error().code() == ErrorCode::OutcomeUnknown && mine == current_driver()) {
            lose_driver();
            renew_alarm.ring();
        }
        co_return std::max(kPauseAfterError, options.poll_period);
    }
    if (mine != current_driver()) co_return base::Duration::zero();  // lost meanwhile: not ours
    count([&](RunnerStatus& status) { status.claimed += claimed.size(); });
    for (const Run& run : claimed) hold(run, false);
    const bool full = held.size() + names.size() > options.held_max;
    co_return more && !full ? base::Duration::zero() : options.poll_period;
}

void StepRunner::State::hold(const Run& run, bool created_here) {
    const auto kind = kinds.find(run.kind);
    if (kind == kinds.end() || run.driver != current_driver()) return;
    Held& entry = held[run.id];
    note_held();
    entry.claim = {run.id, run.driver, run.fencing};
    entry.kind = &kind->second;
    entry.fresh = run;
    entry.created_here = created_here;
    if (entry.calling) {  // of an earlier claim; it will find that out
        entry.call_again = true;
        return;
    }
    const base::Timestamp now = options.executor.now();
    const base::Duration wait = created_here && run.next_attempt_at > now
                                    ? base::Duration(run.next_attempt_at - now)
                                    : base::Duration::zero();
    schedule_call(run.id, wait);
}

void StepRunner::State::drop(const std::string& id) {
    const auto found = held.find(id);
    if (found == held.end()) return;
    schedule.erase({found->second.due, id});
    held.erase(found);
    note_held();
}

void StepRunner::State::lose(const std::string& id) {
    const auto found = held.find(id);
    if (found == held.end()) return;
    const RunKind& kind = *found->second.kind;
    drop(id);
    count([](RunnerStatus& status) { ++status.lost; });
    if (kind.lost) kind.lost(id);
}

// ----- calling steps ----------------------------------------------------------------------------

void StepRunner::State::schedule_call(const std::string& id, base::Duration delay) {
    Held& entry = held.at(id);
    schedule.erase({entry.due, id});
    entry.due = options.executor.steady_now() + std::max(delay, base::Duration::zero());
    schedule.insert({entry.due, id});
    arm();
}

// Sets the timer for the first call that is due, unless everything is busy.
void StepRunner::State::arm() {
    if (stopping || schedule.empty() || reading || calls >= options.concurrent_max) return;
    const base::SteadyTime first = schedule.begin()->first;
    if (timer) {
        if (timer->first <= first) return;
        options.executor.cancel(timer->second);
        timer.reset();
    }
    const base::Duration wait =
        std::max<base::Duration>(first - options.executor.steady_now(), base::Duration::zero());
    auto fire = [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        self->timer.reset();
        self->dispatch();
    };
    timer = {first, options.executor.post_after(wait, std::move(fire))};
}

// Begins the calls that are due, the earliest first.
void StepRunner::State::dispatch() {
    if (stopping || reading) return;
    const base::SteadyTime now = options.executor.steady_now();
    std::vector<std::string> to_read;
    std::size_t room = options.concurrent_max - std::min(options.concurrent_max, calls);
    while (room > 0 && !schedule.empty() && schedule.begin()->first <= now) {
        const std::string id = schedule.begin()->second;
        schedule.erase(schedule.begin());
        Held& entry = held.at(id);
        --room;
        if (entry.fresh) {
            Run run = *std::exchange(entry.fresh, std::nullopt);
            begin_call(id, std::move(run));
        } else {
            entry.calling = true;
            to_read.push_back(id);
        }
    }
    if (!to_read.empty()) {
        reading = true;
        ++active;
        base::spawn(options.executor, read_and_call(shared_from_this(), std::move(to_read)));
        return;
    }
    arm();
}

Task<void> StepRunner::State::read_and_call(
    std::shared_ptr<State> self, std::vector<std::string> ids) {
    auto unit = [&ids](storage::Transaction& tx) { return find_runs(tx, ids); };
    auto read = self->options.database.read(unit);
    Result<std::vector<Run>> runs = co_await std::move(read);
    self->reading = false;
    std::unordered_map<std::string, Run> by_id;
    if (runs) {
        for (Run& run : *runs) by_id.emplace(run.id, std::move(run));
    } else {
        self->note_error("runs could not be read", runs.error());
    }
    for (const std::string& id : ids) {
        const auto entry = self->held.find(id);
        if (entry == self->held.end()) continue;  // lost meanwhile
        entry->second.calling = false;
        if (!runs) {
            self->schedule_call(id, kPauseAfterError);
            continue;
        }
        const auto found = by_id.find(id);
        const RunClaim& claim = entry->second.claim;
        const bool ours = found != by_id.end() && found->second.state == RunState::Running &&
                          found->second.driver == claim.driver &&
                          found->second.fencing == claim.fencing;
        int& looks = entry->second.unseen_looks;
        if (found == by_id.end() && looks > 0) {
            self->schedule_call(id, kUnseenFirst * (1 << (kUnseenLooks - looks--)));
        } else if (!ours && found != by_id.end() && found->second.fencing < claim.fencing) {
            self->schedule_call(id, {});  // read before it was claimed anew
        } else if (!ours) {
            self->lose(id);
        } else if (!self->stopping) {
            self->begin_call(id, std::move(found->second));
        }
    }
    self->arm();
    self->leave();
}

void StepRunner::State::begin_call(const std::string& id, Run run) {
    Held& entry = held.at(id);
    entry.calling = true;
    entry.call_again = false;
    StepContext context;
    context.run_ = std::move(run);
    context.claim_ = entry.claim;
    context.first_call_ = std::exchange(entry.created_here, false);
    context.called_at_ = options.executor.now();
    // The state outlives every call: stop() waits for them, and a crash drops them.
    context.may_act_ = [this, driver_then = entry.claim.driver] {
        return may_act() && current_driver() == driver_then;
    };
    ++active;
    ++calls;
    count([](RunnerStatus& status) { ++status.calls; });
    base::spawn(options.executor, call(shared_from_this(), std::move(context), entry.kind));
}

Task<void> StepRunner::State::call(
    std::shared_ptr<State> self, StepContext context, const RunKind* kind) {
    auto step = kind->step(context);
    Result<StepOutcome> outcome = co_await std::move(step);
    // Lost while the step was under way, which may have remembered it anew.
    if (kind->lost && self->held.count(context.claim().id) == 0) kind->lost(context.claim().id);
    auto settling = self->settle(context.claim(), *kind, std::move(outcome));
    co_await std::move(settling);
    --self->calls;
    self->arm();
    self->leave();
}

// Writes what an outcome asks for and plans the next call.
Task<void> StepRunner::State::settle(
    const RunClaim& claim, const RunKind& kind, Result<StepOutcome> outcome) {
    if (outcome && outcome->kind == StepOutcome::Kind::Again) {
        after_call(claim, outcome->delay);
        co_return;
    }
    if (outcome && outcome->kind == StepOutcome::Kind::Ended) {
        count([](RunnerStatus& status) { ++status.finished; });
        after_call(claim, std::nullopt);
        co_return;
    }
    const Error error =
        outcome ? outcome->error.value_or(Error::internal("a step failed")) : outcome.error();
    if (error.reason() == "run_lost") {
        after_loss(claim);
        co_return;
    }
    count([](RunnerStatus& status) { ++status.retries; });
    note_error("a step of a run failed", error);
    base::Duration delay{};
    auto unit = [&](storage::Transaction& tx) -> Result<std::optional<base::Duration>> {
        TRY(const std::optional<Run> run, find_run(tx, claim.id));
        delay = retry_delay(kind, run ? run->attempts : 0, options.random);
        return record_retry(tx, kind, claim, error, delay);
    };
    auto write = options.database.write(unit);
    const auto wait = co_await std::move(write);
    if (wait) {
        if (!*wait) count([](RunnerStatus& status) { ++status.finished; });
        after_call(claim, *wait);
    } else if (wait.error().reason() == "run_lost") {
        after_loss(claim);
    } else {
        after_call(claim, kPauseAfterError);
    }
}

// The next call of a run after `again`, or none: it ended or is another's.
void StepRunner::State::after_call(const RunClaim& claim, std::optional<base::Duration> again) {
    const auto found = held.find(claim.id);
    if (found == held.end()) return;
    Held& entry = found->second;
    entry.calling = false;
    const bool newer = entry.claim.driver != claim.driver || entry.claim.fencing != claim.fencing;
    if (newer) {
        schedule_call(claim.id, {});
    } else if (!again) {
        drop(claim.id);
    } else {
        schedule_call(claim.id, entry.call_again ? base::Duration::zero() : *again);
    }
}

void StepRunner::State::after_loss(const RunClaim& claim) {
    const auto found = held.find(claim.id);
    if (found == held.end()) return;  // counted then
    const RunClaim& now = found->second.claim;
    if (now.driver == claim.driver && now.fencing == claim.fencing) return lose(claim.id);
    count([](RunnerStatus& status) { ++status.lost; });
    after_call(claim, std::nullopt);
}

// ----- the runner -------------------------------------------------------------------------------

StepRunner::StepRunner(Options options) : state_(std::make_shared<State>(std::move(options))) {}
StepRunner::~StepRunner() = default;

void StepRunner::add(RunKind kind) {
    CHECK(!state_->started);
    CHECK(!kind.name.empty() && state_->kinds.count(kind.name) == 0);
    CHECK(kind.retry_first > base::Duration::zero() && kind.retry_max >= kind.retry_first);
    const std::string name = kind.name;
    state_->kinds.emplace(name, std::move(kind));
}

void StepRunner::start() {
    CHECK(!state_->started && !state_->kinds.empty());
    state_->started = true;
    state_->active += 2;
    base::spawn(state_->options.executor, State::lease_loop(state_));
    base::spawn(state_->options.executor, State::claim_loop(state_));
}

Task<void> StepRunner::stop() {
    const std::shared_ptr<State> state = state_;
    CHECK(!state->stopping);
    state->stopping = true;
    state->renew_alarm.ring();
    state->claim_alarm.ring();
    if (state->active > 0) {
        base::Completion<bool> drained;
        state->drained = drained.completer();
        co_await drained;
    }
    if (state->timer) state->options.executor.cancel(state->timer->second);
    const std::string mine = state->current_driver();
    if (mine.empty()) co_return;
    auto unit = [&mine](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(release_runs(tx, mine));
        return retire_driver(tx, mine);
    };
    auto write = state->options.database.write(unit);
    const Result<void> released = co_await std::move(write);
    if (!released) state->note_error("runs were not given back on stop", released.error());
}

std::string StepRunner::driver() const {
    const std::lock_guard lock(state_->mutex);
    return state_->counts.held < state_->options.held_max ? state_->driver : std::string();
}

void StepRunner::adopt(const Run& run) {
    if (run.driver.empty()) {  // nobody's: pick it up soon
        state_->on_executor([state = state_] { state->claim_alarm.ring(); });
        return;
    }
    state_->on_executor([state = state_, run] { state->hold(run, true); });
}

void StepRunner::adopt_if_kept(const Run& run) {
    if (run.driver.empty()) return adopt(run);
    state_->on_executor([state = state_, run] {
        state->hold(run, true);
        const auto found = state->held.find(run.id);
        if (found == state->held.end()) return;
        found->second.fresh.reset();
        found->second.unseen_looks = kUnseenLooks;
    });
}

void StepRunner::nudge(const std::string& run_id) {
    state_->on_executor([state = state_, run_id] {
        const auto found = state->held.find(run_id);
        if (found == state->held.end()) return;
        if (found->second.calling) {
            found->second.call_again = true;
        } else {
            state->schedule_call(run_id, {});
        }
    });
}

RunnerStatus StepRunner::status() const {
    const std::lock_guard lock(state_->mutex);
    return state_->counts;
}

}  // namespace adyton::workflow

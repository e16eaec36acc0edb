#include "service/health.h"

#include <atomic>
#include <utility>

#include "base/check.h"

namespace adyton::service {

std::string_view to_string(HealthStatus status) {
    switch (status) {
        case HealthStatus::Healthy:
            return "healthy";
        case HealthStatus::Degraded:
            return "degraded";
        case HealthStatus::Unhealthy:
            break;
    }
    return "unhealthy";
}

std::string_view to_string(Phase phase) {
    switch (phase) {
        case Phase::Starting:
            return "starting";
        case Phase::Running:
            return "running";
        case Phase::Draining:
            break;
    }
    return "draining";
}

struct HealthMonitor::State {
    State(HealthOptions its_options, const base::Clock& its_clock)
        : options(std::move(its_options)), clock(its_clock), started(its_clock.steady_now()) {}

    using Waiter = std::shared_ptr<base::Completion<bool>::State>;

    const HealthOptions options;
    const base::Clock& clock;
    const base::SteadyTime started;
    std::atomic<Phase> phase{Phase::Starting};

    mutable std::mutex mutex;
    bool probing = false;  // a probe runs, perhaps past its time
    std::uint64_t probe_count = 0;
    std::optional<Result<void>> latest;
    base::SteadyTime latest_at{};
    std::optional<base::Timestamp> last_check;
    std::vector<Waiter> waiters;

    // With the lock held. An overdue probe's failure stands until the probe ends.
    bool answers_at_once() const {
        if (!latest) return false;
        return (probing && waiters.empty()) || clock.steady_now() - latest_at < options.cache_time;
    }

    void settle(Result<void> result, std::vector<Waiter>& released) {
        latest = std::move(result);
        latest_at = clock.steady_now();
        last_check = clock.now();
        released.swap(waiters);
    }

    static void release(const std::vector<Waiter>& released) {
        for (const Waiter& waiter : released) waiter->set(true);
    }

    static Task<void> probe(std::shared_ptr<State> state) {
        Task<Result<void>> task = state->options.probe_database();
        Result<void> result = co_await std::move(task);
        std::vector<Waiter> released;
        {
            const std::lock_guard lock(state->mutex);
            state->probing = false;
            state->settle(std::move(result), released);
        }
        release(released);
    }

    static void time_out(const std::shared_ptr<State>& state, std::uint64_t number) {
        std::vector<Waiter> released;
        {
            const std::lock_guard lock(state->mutex);
            if (!state->probing || state->probe_count != number) return;
            state->settle(
                Error::deadline_exceeded("the database did not answer the probe"), released);
        }
        release(released);
    }

    // The latest result, after a probe when that is too old.
    static Task<void> refresh(std::shared_ptr<State> state) {
        base::Completion<bool> done;
        bool start = false;
        std::uint64_t number = 0;
        {
            const std::lock_guard lock(state->mutex);
            if (state->answers_at_once()) co_return;
            state->waiters.push_back(done.completer());
            if (!state->probing) {
                start = true;
                state->probing = true;
                number = ++state->probe_count;
            }
        }
        if (start) {
            base::Executor& executor = *base::Executor::current();
            executor.post_after(
                state->options.timeout, [state, number] { time_out(state, number); });
            base::spawn(executor, probe(state));
        }
        co_await done;
    }

    HealthReport report() const {
        HealthReport out;
        out.phase = phase.load(std::memory_order_acquire);
        out.uptime = clock.steady_now() - started;
        const Result<void> secrets =
            options.check_secrets ? options.check_secrets() : Result<void>();
        out.secrets_loaded = secrets.has_value();
        out.database_configured = static_cast<bool>(options.probe_database);
        const std::lock_guard lock(mutex);
        out.last_check = last_check;
        out.database_connected = latest && latest->has_value();
        if (out.database_configured && !out.database_connected) {
            out.status = HealthStatus::Unhealthy;
            out.problem = latest ? "database: " + latest->error().message() : "database: not tried";
        } else if (!secrets) {
            out.status = HealthStatus::Degraded;
            out.problem = "secrets: " + secrets.error().message();
        } else if (out.phase != Phase::Running) {
            out.status = HealthStatus::Degraded;
            out.problem = "phase: " + std::string(to_string(out.phase));
        } else {
            out.status = HealthStatus::Healthy;
        }
        return out;
    }
};

HealthMonitor::HealthMonitor(HealthOptions options, const base::Clock& clock)
    : state_(std::make_shared<State>(std::move(options), clock)) {}

HealthMonitor::~HealthMonitor() = default;

Task<HealthReport> HealthMonitor::report() {
    const std::shared_ptr<State> state = state_;
    if (state->options.probe_database) {
        Task<void> fresh = State::refresh(state);
        co_await std::move(fresh);
    }
    co_return state->report();
}

void HealthMonitor::set_phase(Phase phase) {
    state_->phase.store(phase, std::memory_order_release);
}

Phase HealthMonitor::phase() const {
    return state_->phase.load(std::memory_order_acquire);
}

}  // namespace adyton::service

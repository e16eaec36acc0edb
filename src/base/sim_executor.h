#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/executor.h"
#include "base/random.h"
#include "base/task.h"

namespace adyton::base {

// The simulated executor: one thread, virtual time, and an order of ready work drawn from a seed,
// so that a run replays from its seed alone. Time moves only when nothing is ready. Not thread
// safe: everything happens inside run_*().
class SimExecutor final : public Executor {
public:
    // Virtual time starts at 2026-01-01T00:00:00Z.
    explicit SimExecutor(std::uint64_t seed);
    ~SimExecutor() override;

    void post(UniqueFunction work) override;
    TimerId post_after(Duration delay, UniqueFunction work) override;
    bool cancel(TimerId timer) override;
    // Runs after a delay of up to 2 ms, drawn from the seed.
    void post_blocking(UniqueFunction work) override;
    unsigned parallelism() const override { return 2; }
    Timestamp now() const override;
    SteadyTime steady_now() const override;

    // Runs one piece of work, moving time if it must. False when nothing is left.
    bool step();
    // Until nothing is left to run. For tests without periodic work.
    void run();
    // Everything due within `span` of virtual time; time then stands at its end.
    void run_for(Duration span);
    // Moves civil time, as an operator or NTP would, without running anything.
    void shift_clock(Duration by) { civil_shift_ += by; }

    // Runs until `task` ends and gives its value. CHECKs that it ends before work runs out.
    template <typename T>
    T run_until_done(Task<T> task);

    // What a crash leaves: all queued work and all spawned coroutines are gone, time goes on.
    void drop_all();

    SeededRandom& random() { return random_; }
    std::uint64_t steps() const { return steps_; }

private:
    std::vector<UniqueFunction> ready_;
    std::multimap<SteadyTime, std::pair<TimerId, UniqueFunction>> timers_;
    SeededRandom random_;
    SteadyTime steady_now_{};
    Duration civil_shift_{};
    TimerId next_timer_ = 1;
    std::uint64_t steps_ = 0;
};

template <typename T>
T SimExecutor::run_until_done(Task<T> task) {
    if constexpr (std::is_void_v<T>) {
        bool done = false;
        constexpr auto kRun = [](Task<void> inner, bool* flag) -> Task<void> {
            co_await std::move(inner);
            *flag = true;
        };
        spawn(*this, kRun(std::move(task), &done));
        while (!done) CHECK(step());
    } else {
        std::optional<T> value;
        constexpr auto kRun = [](Task<T> inner, std::optional<T>* out) -> Task<void> {
            out->emplace(co_await std::move(inner));
        };
        spawn(*this, kRun(std::move(task), &value));
        while (!value.has_value()) CHECK(step());
        return std::move(*value);
    }
}

}  // namespace adyton::base

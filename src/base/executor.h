#pragma once

#include <cstdint>
#include <memory>
#include <mutex>

#include "base/time.h"
#include "base/unique_function.h"

namespace adyton::base {

class DetachedTasks;

// Where time comes from. Injected; thread safe.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Timestamp now() const = 0;
    virtual SteadyTime steady_now() const = 0;
};

// Runs work, later or elsewhere: the one way that anything above `base` waits, starts concurrent
// work or reads a clock. EventLoop is the real one (one thread with epoll), SimExecutor the
// simulated one (virtual time, order from a seed). Work posted to one executor never runs
// concurrently with other work of the same executor.
class Executor : public Clock {
public:
    using TimerId = std::uint64_t;

    Executor();
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    ~Executor() override;

    // Runs `work` soon on this executor. Thread safe.
    virtual void post(UniqueFunction work) = 0;
    // Runs `work` on this executor once `delay` has passed. Thread safe.
    virtual TimerId post_after(Duration delay, UniqueFunction work) = 0;
    // True when the timer had not fired: its work will not run. Thread safe.
    virtual bool cancel(TimerId timer) = 0;
    // Runs `work` where it may block or compute for long: a worker thread, or in simulation this
    // executor at a later moment. Thread safe.
    virtual void post_blocking(UniqueFunction work) = 0;
    // How many post_blocking works can truly run at once; at least 1.
    virtual unsigned parallelism() const = 0;

    // The executor whose work is running on this thread, or null.
    static Executor* current();

    // Coroutines started by spawn() and not finished yet (task.h).
    DetachedTasks& detached_tasks() { return *detached_tasks_; }

protected:
    // Sets current() for its lifetime.
    class CurrentScope {
    public:
        explicit CurrentScope(Executor* executor);
        ~CurrentScope();
        CurrentScope(const CurrentScope&) = delete;
        CurrentScope& operator=(const CurrentScope&) = delete;

    private:
        Executor* previous_;
    };

private:
    std::unique_ptr<DetachedTasks> detached_tasks_;
};

}  // namespace adyton::base

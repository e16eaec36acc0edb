#pragma once

#include <memory>

#include "base/executor.h"
#include "base/random.h"
#include "base/task.h"

namespace adyton::workflow {

// Waits that can be cut short. One waiter at a time; on one executor's thread.
class Alarm {
public:
    explicit Alarm(base::Executor& executor) : executor_(executor) {}

    Task<void> wait(base::Duration delay) {
        if (rung_) {
            rung_ = false;
            co_return;
        }
        base::Completion<bool> fired;
        completer_ = fired.completer();
        timer_ = executor_.post_after(delay, [state = completer_] { state->set(true); });
        co_await fired;
        completer_.reset();
        rung_ = false;
    }
    // Ends the wait at hand, or the next one.
    void ring() {
        rung_ = true;
        if (completer_ && executor_.cancel(timer_)) completer_->set(true);
    }

private:
    base::Executor& executor_;
    std::shared_ptr<base::Completion<bool>::State> completer_;
    base::Executor::TimerId timer_ = 0;
    bool rung_ = false;
};

// In [0, bound).
inline base::Duration draw_below(base::RandomSource& random, base::Duration bound) {
    if (bound <= base::Duration::zero()) return base::Duration::zero();
    std::uint8_t bytes[8];
    random.fill(bytes);
    std::uint64_t number = 0;
    for (const std::uint8_t byte : bytes) number = number << 8 | byte;
    return base::Duration(
        static_cast<std::int64_t>(number % static_cast<std::uint64_t>(bound.count())));
}

}  // namespace adyton::workflow

#include "base/task.h"

namespace adyton::base {
namespace {

// The root frame of a spawned task: registers itself, runs the task, removes and destroys itself.
struct Detached {
    struct promise_type {
        Detached get_return_object() noexcept {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        std::suspend_always initial_suspend() noexcept { return {}; }
        struct FinalAwaiter {
            bool await_ready() noexcept { return false; }
            void await_suspend(std::coroutine_handle<promise_type> self) noexcept {
                self.promise().owner->remove(self);
                self.destroy();
            }
            void await_resume() noexcept {}
        };
        FinalAwaiter final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

        DetachedTasks* owner = nullptr;
    };
    std::coroutine_handle<promise_type> handle;
};

Detached run_detached(Task<void> task) {
    co_await std::move(task);
}

}  // namespace

void DetachedTasks::add(std::coroutine_handle<> frame) {
    const std::scoped_lock lock(mutex_);
    frames_.emplace(frame.address(), frame);
}

void DetachedTasks::remove(std::coroutine_handle<> frame) {
    const std::scoped_lock lock(mutex_);
    frames_.erase(frame.address());
}

void DetachedTasks::drop_all() {
    // A frame's destructors may end or start others, so take one at a time.
    for (;;) {
        std::coroutine_handle<> frame;
        {
            const std::scoped_lock lock(mutex_);
            if (frames_.empty()) return;
            frame = frames_.begin()->second;
            frames_.erase(frames_.begin());
        }
        frame.destroy();
    }
}

std::size_t DetachedTasks::size() const {
    const std::scoped_lock lock(mutex_);
    return frames_.size();
}

void spawn(Executor& executor, Task<void> task) {
    const Detached detached = run_detached(std::move(task));
    detached.handle.promise().owner = &executor.detached_tasks();
    executor.detached_tasks().add(detached.handle);
    // When the executor drops its queue and its frames, the order does not matter: the queue entry
    // only names the frame.
    executor.post([handle = detached.handle] { handle.resume(); });
}

Task<void> sleep_for(Executor& executor, Duration delay) {
    Completion<bool> fired;
    executor.post_after(delay, [state = fired.completer()] { state->set(true); });
    co_await fired;
}

}  // namespace adyton::base

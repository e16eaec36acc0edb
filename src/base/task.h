#pragma once

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/executor.h"

namespace adyton::base {

// Task<T>: a lazy coroutine that is awaited exactly once, by `co_await std::move(task)` or as a
// temporary. It starts when awaited and owns its frame: a Task that is dropped while suspended
// destroys the frame and everything it awaits.
//
// A task that finishes without suspending continues its awaiter on the same stack frame, so loops
// over such tasks do not grow the stack in any build. Exceptions never leave a coroutine: one that
// escapes is a bug and stops the process.
template <typename T>
class Task;

namespace internal {

// Memory for coroutine frames: each thread keeps the free ones by size, because a request makes a
// handful and frees them in another order than malloc's own caches like. Thread safe; a frame may
// end on another thread.
void* allocate_frame(std::size_t size);
void free_frame(void* frame, std::size_t size) noexcept;

class PromiseBase {
public:
    // NOLINTNEXTLINE(misc-new-delete-overloads): the sized form is its fellow, as frames need it
    static void* operator new(std::size_t size) { return allocate_frame(size); }
    static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

    std::suspend_always initial_suspend() noexcept { return {}; }
    [[noreturn]] void unhandled_exception() noexcept { std::terminate(); }

    struct FinalAwaiter {
        bool await_ready() noexcept { return false; }
        template <typename Promise>
        void await_suspend(std::coroutine_handle<Promise> self) noexcept {
            // Whoever of the two (start in await_suspend below, completion here) comes second
            // continues the awaiter.
            if (self.promise().second_arrival()) self.promise().continuation_.resume();
        }
        void await_resume() noexcept {}
    };
    FinalAwaiter final_suspend() noexcept { return {}; }

    bool second_arrival() noexcept { return arrived_.exchange(true, std::memory_order_acq_rel); }

    std::coroutine_handle<> continuation_;

private:
    std::atomic<bool> arrived_{false};
};

template <typename T>
class Promise final : public PromiseBase {
public:
    Task<T> get_return_object() noexcept;
    template <typename U>
    requires std::is_constructible_v<T, U&&>
    void return_value(U&& value) { value_.emplace(std::forward<U>(value)); }
    T take() {
        CHECK(value_.has_value());
        return std::move(*value_);
    }

private:
    std::optional<T> value_;
};

template <>
class Promise<void> final : public PromiseBase {
public:
    Task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take() noexcept {}
};

}  // namespace internal

template <typename T = void>
class [[nodiscard]] Task {
public:
    using promise_type = internal::Promise<T>;
    using value_type = T;

    Task() = default;
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Task& operator=(Task&& other) noexcept {
        if (this != &other) {
            if (handle_) handle_.destroy();
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;
    ~Task() {
        if (handle_) handle_.destroy();
    }

    class Awaiter {
    public:
        explicit Awaiter(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
        bool await_ready() const noexcept { return false; }
        bool await_suspend(std::coroutine_handle<> awaiting) noexcept {
            auto handle = handle_;  // the frame that holds this awaiter may go on elsewhere
            handle.promise().continuation_ = awaiting;
            handle.resume();
            // Finished already: do not suspend. Otherwise its end resumes the awaiter.
            return !handle.promise().second_arrival();
        }
        T await_resume() { return handle_.promise().take(); }

    private:
        std::coroutine_handle<promise_type> handle_;
    };

    Awaiter operator co_await() && {
        CHECK(handle_);
        return Awaiter(handle_);
    }

private:
    std::coroutine_handle<promise_type> handle_;
};

namespace internal {
template <typename T>
Task<T> Promise<T>::get_return_object() noexcept {
    return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
    return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}
}  // namespace internal

// The unfinished spawned coroutines of one executor. Thread safe, but drop_all() must not run while
// the executor runs work.
class DetachedTasks {
public:
    DetachedTasks() = default;
    DetachedTasks(const DetachedTasks&) = delete;
    DetachedTasks& operator=(const DetachedTasks&) = delete;
    ~DetachedTasks() { drop_all(); }

    void add(std::coroutine_handle<> frame);
    void remove(std::coroutine_handle<> frame);
    // Destroys every unfinished frame: what a crash does to a process. Their destructors run.
    void drop_all();
    std::size_t size() const;

private:
    mutable std::mutex mutex_;
    std::unordered_map<void*, std::coroutine_handle<>> frames_;
};

// Starts `task` on `executor` and lets it run by itself. The frame belongs to the executor until it
// ends (Executor::detached_tasks).
void spawn(Executor& executor, Task<void> task);

// A value handed over once, from any thread to one waiting coroutine. The waiter continues on the
// executor it was waiting on. The Completer and the Completion may be destroyed in either order; a
// Completer destroyed unset leaves the waiter suspended for ever (it is owned by its own parent).
template <typename T>
class Completion {
public:
    class State : public std::enable_shared_from_this<State> {
    public:
        void set(T value) {
            value_.emplace(std::move(value));
            if (arrived_.exchange(true, std::memory_order_acq_rel)) resume();
        }

    private:
        friend class Completion;
        void resume() {
            home_->post([keep = this->shared_from_this()] {
                if (!keep->abandoned_.load(std::memory_order_acquire)) keep->waiter_.resume();
            });
        }
        std::optional<T> value_;
        std::coroutine_handle<> waiter_;
        Executor* home_ = nullptr;
        std::atomic<bool> arrived_{false};
        std::atomic<bool> abandoned_{false};
    };

    Completion() : state_(std::make_shared<State>()) {}
    Completion(Completion&&) = delete;
    Completion(const Completion&) = delete;
    ~Completion() { state_->abandoned_.store(true, std::memory_order_release); }

    // For the producing side; shared because the two ends die in either order.
    std::shared_ptr<State> completer() const { return state_; }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiting) {
        state_->waiter_ = awaiting;
        state_->home_ = Executor::current();
        CHECK(state_->home_ != nullptr);
        return !state_->arrived_.exchange(true, std::memory_order_acq_rel);
    }
    T await_resume() {
        CHECK(state_->value_.has_value());
        return std::move(*state_->value_);
    }

private:
    std::shared_ptr<State> state_;
};

// Continues on `executor` after `delay` of its time.
Task<void> sleep_for(Executor& executor, Duration delay);

// Runs `function` where it may block or compute for long, then continues here with its value.
template <typename F>
Task<std::invoke_result_t<F&>> run_blocking(Executor& executor, F function) {
    using Value = std::invoke_result_t<F&>;
    static_assert(!std::is_void_v<Value>, "return Result<void> or a value");
    Completion<Value> completion;
    executor.post_blocking([state = completion.completer(),
                            function = std::move(function)]() mutable { state->set(function()); });
    co_return co_await completion;
}

// Runs all tasks concurrently on the current executor; their values in the tasks' order.
template <typename T>
Task<std::vector<T>> when_all(std::vector<Task<T>> tasks) {
    struct Shared {
        std::vector<std::optional<T>> values;
        std::size_t missing = 0;
        std::shared_ptr<typename Completion<bool>::State> done;
    };
    std::vector<T> values;
    if (tasks.empty()) co_return values;
    Executor* const executor = Executor::current();
    CHECK(executor != nullptr);
    Completion<bool> done;
    auto shared = std::make_shared<Shared>();
    shared->values.resize(tasks.size());
    shared->missing = tasks.size();
    shared->done = done.completer();
    constexpr auto kRun = [](Task<T> task, std::shared_ptr<Shared> all,
                             std::size_t index) -> Task<void> {
        all->values[index].emplace(co_await std::move(task));
        if (--all->missing == 0) all->done->set(true);
    };
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        spawn(*executor, kRun(std::move(tasks[i]), shared, i));
    }
    co_await done;
    values.reserve(shared->values.size());
    for (auto& value : shared->values) values.push_back(std::move(*value));
    co_return values;
}

}  // namespace adyton::base

namespace adyton {
using base::Task;
}  // namespace adyton

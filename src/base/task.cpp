#include "base/task.h"

#include <array>
#include <new>

// A sanitizer sees a frame that is used after its end only if it gets it back.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ADYTON_POOL_FRAMES 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define ADYTON_POOL_FRAMES 0
#endif
#endif
#ifndef ADYTON_POOL_FRAMES
#define ADYTON_POOL_FRAMES 1
#endif

namespace adyton::base {
namespace internal {
namespace {

// Free frames of one thread: a stack for each step of sizes.
class FramePool {
public:
    ~FramePool() {
        for (Stack& stack : stacks_) {
            while (stack.top != nullptr) ::operator delete(pop(stack));
        }
    }
    void* take(std::size_t index) {
        Stack& stack = stacks_[index];
        return stack.top != nullptr ? pop(stack) : ::operator new((index + 1) * kStep);
    }
    bool give(void* frame, std::size_t index) {
        Stack& stack = stacks_[index];
        if (stack.count >= kKept) return false;
        stack.top = ::new (frame) Link{stack.top};
        ++stack.count;
        return true;
    }

    static constexpr std::size_t kStep = 64;
    static constexpr std::size_t kStacks = 64;  // frames up to 4 KiB

private:
    static constexpr std::size_t kKept = 256;
    struct Link {
        Link* next;
    };
    struct Stack {
        Link* top = nullptr;
        std::size_t count = 0;
    };
    static void* pop(Stack& stack) {
        Link* const link = stack.top;
        stack.top = link->next;
        --stack.count;
        return link;
    }
    std::array<Stack, kStacks> stacks_{};
};

// Plain data, usable while the thread's other variables go.
thread_local FramePool* pool = nullptr;
thread_local bool pool_closed = false;

struct PoolOwner {
    FramePool owned;
    PoolOwner() { pool = &owned; }
    ~PoolOwner() {
        pool = nullptr;
        pool_closed = true;
    }
};

FramePool* pool_of_thread() {
    if (pool != nullptr || pool_closed) return pool;
    thread_local PoolOwner owner;
    return &owner.owned;
}

}  // namespace

void* allocate_frame(std::size_t size) {
    const std::size_t index = (size - 1) / FramePool::kStep;
    if (ADYTON_POOL_FRAMES == 0 || index >= FramePool::kStacks) return ::operator new(size);
    FramePool* const frames = pool_of_thread();
    // Also without a pool of the whole step: another thread's may take the frame in.
    return frames != nullptr ? frames->take(index) : ::operator new((index + 1) * FramePool::kStep);
}

void free_frame(void* frame, std::size_t size) noexcept {
    const std::size_t index = (size - 1) / FramePool::kStep;
    if (ADYTON_POOL_FRAMES != 0 && index < FramePool::kStacks) {
        FramePool* const frames = pool_of_thread();
        if (frames != nullptr && frames->give(frame, index)) return;
    }
    ::operator delete(frame);
}

}  // namespace internal

namespace {

// The root frame of a spawned task: registers itself, runs the task, removes and destroys itself.
struct Detached {
    struct promise_type {
        static void* operator new(std::size_t size) { return internal::allocate_frame(size); }
        static void operator delete(void* frame, std::size_t size) noexcept {
            internal::free_frame(frame, size);
        }
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

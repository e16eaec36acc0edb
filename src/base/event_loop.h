#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/task.h"

namespace adyton::base {

// Threads for work that blocks or computes. Shared by event loops; thread safe. Work still queued
// when it is destroyed is dropped; work that runs is waited for.
class WorkerThreads {
public:
    // 0: one for each core this process may use and two more, because some wait for the disk
    // instead of computing. At most 64.
    explicit WorkerThreads(unsigned count);
    ~WorkerThreads();
    WorkerThreads(const WorkerThreads&) = delete;
    WorkerThreads& operator=(const WorkerThreads&) = delete;

    void post(UniqueFunction work);
    unsigned count() const { return static_cast<unsigned>(threads_.size()); }
    // How many compute at the same time: no more than there are cores.
    unsigned parallelism() const { return parallelism_; }

private:
    void run();

    std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<UniqueFunction> queue_;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
    unsigned parallelism_ = 1;
};

// The cores this process may run on (its affinity mask), at least 1.
unsigned usable_cores();

// The real executor: one thread that runs run(), with epoll, timers and posted work.
//
// File descriptors: watch() calls back on this loop's thread with the epoll events (EPOLLIN...,
// level triggered unless the caller adds EPOLLET). modify() and unwatch() only on that thread;
// after unwatch() no callback for the descriptor runs any more.
class EventLoop final : public Executor {
public:
    class Watcher {
    public:
        virtual ~Watcher() = default;
        virtual void on_events(std::uint32_t events) = 0;
    };

    // `workers` must outlive the loop.
    explicit EventLoop(WorkerThreads& workers);
    ~EventLoop() override;

    void post(UniqueFunction work) override;
    TimerId post_after(Duration delay, UniqueFunction work) override;
    bool cancel(TimerId timer) override;
    void post_blocking(UniqueFunction work) override;
    unsigned parallelism() const override { return workers_.parallelism(); }
    Timestamp now() const override;
    SteadyTime steady_now() const override;

    // Internal: epoll refused (too many descriptors).
    Result<void> watch(int fd, std::uint32_t events, Watcher& watcher);
    Result<void> modify(int fd, std::uint32_t events, Watcher& watcher);
    void unwatch(int fd);

    // Runs work until stop(). One thread at a time.
    void run();
    // Makes run() return after the work at hand. Thread safe, and safe in a signal handler's
    // self-pipe reader, not in the handler itself.
    void stop();

    // Runs the loop on the calling thread until `task` ends. For command lines and tests.
    template <typename T>
    T run_until_done(Task<T> task);

private:
    struct TimerEntry {
        TimerId id;
        UniqueFunction work;
    };

    void wake();
    bool run_posted();
    bool run_due_timers();
    int poll_timeout_ms();

    WorkerThreads& workers_;
    int epoll_fd_ = -1;
    int wake_fd_ = -1;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> sleeping_{false};
    std::atomic<std::thread::id> thread_{};

    std::mutex mutex_;
    std::vector<UniqueFunction> posted_;
    std::multimap<SteadyTime, TimerEntry> timers_;
    std::unordered_map<TimerId, std::multimap<SteadyTime, TimerEntry>::iterator> timer_index_;
    TimerId next_timer_ = 1;

    std::vector<UniqueFunction> running_;
    std::unordered_map<int, Watcher*> watchers_;
};

template <typename T>
T EventLoop::run_until_done(Task<T> task) {
    std::optional<T> value;
    constexpr auto kRun = [](Task<T> inner, std::optional<T>* out, EventLoop* loop) -> Task<void> {
        out->emplace(co_await std::move(inner));
        loop->stop();
    };
    spawn(*this, kRun(std::move(task), &value, this));
    run();
    CHECK(value.has_value());
    return std::move(*value);
}

}  // namespace adyton::base

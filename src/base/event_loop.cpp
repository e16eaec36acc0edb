#include "base/event_loop.h"

#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace adyton::base {
namespace {
constexpr unsigned kWorkerThreadsMax = 64;
constexpr unsigned kWaitingThreads = 2;
constexpr int kEventsPerPoll = 256;
}  // namespace

unsigned usable_cores() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
    return std::max(1U, static_cast<unsigned>(CPU_COUNT(&set)));
}

WorkerThreads::WorkerThreads(unsigned count) {
    if (count == 0) count = usable_cores() + kWaitingThreads;
    count = std::min(count, kWorkerThreadsMax);
    parallelism_ = std::min(count, usable_cores());
    threads_.reserve(count);
    for (unsigned i = 0; i < count; ++i) threads_.emplace_back([this] { run(); });
}

WorkerThreads::~WorkerThreads() {
    {
        const std::scoped_lock lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void WorkerThreads::post(UniqueFunction work) {
    {
        const std::scoped_lock lock(mutex_);
        queue_.push_back(std::move(work));
    }
    wake_.notify_one();
}

void WorkerThreads::run() {
    for (;;) {
        UniqueFunction work;
        {
            std::unique_lock lock(mutex_);
            wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            if (stopping_) return;
            work = std::move(queue_.front());
            queue_.pop_front();
        }
        work();
    }
}

EventLoop::EventLoop(WorkerThreads& workers) : workers_(workers) {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    CHECK(epoll_fd_ >= 0);
    wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(wake_fd_ >= 0);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = wake_fd_;
    CHECK(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
}

EventLoop::~EventLoop() {
    detached_tasks().drop_all();
    ::close(wake_fd_);
    ::close(epoll_fd_);
}

void EventLoop::wake() {
    const std::uint64_t one = 1;
    // EAGAIN means that the counter is full: the loop wakes anyway.
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof(one));
}

void EventLoop::post(UniqueFunction work) {
    {
        const std::scoped_lock lock(mutex_);
        posted_.push_back(std::move(work));
    }
    if (sleeping_.load(std::memory_order_seq_cst) &&
        thread_.load(std::memory_order_relaxed) != std::this_thread::get_id()) {
        wake();
    }
}

Executor::TimerId EventLoop::post_after(Duration delay, UniqueFunction work) {
    const SteadyTime due = steady_now() + std::max(delay, Duration::zero());
    TimerId id = 0;
    {
        const std::scoped_lock lock(mutex_);
        id = next_timer_++;
        timer_index_.emplace(id, timers_.emplace(due, TimerEntry{id, std::move(work)}));
    }
    if (sleeping_.load(std::memory_order_seq_cst) &&
        thread_.load(std::memory_order_relaxed) != std::this_thread::get_id()) {
        wake();
    }
    return id;
}

bool EventLoop::cancel(TimerId timer) {
    UniqueFunction dropped;  // destroyed outside the lock
    const std::scoped_lock lock(mutex_);
    const auto found = timer_index_.find(timer);
    if (found == timer_index_.end()) return false;
    dropped = std::move(found->second->second.work);
    timers_.erase(found->second);
    timer_index_.erase(found);
    return true;
}

void EventLoop::post_blocking(UniqueFunction work) {
    workers_.post(std::move(work));
}

Timestamp EventLoop::now() const {
    return std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
}

SteadyTime EventLoop::steady_now() const {
    return std::chrono::steady_clock::now();
}

Result<void> EventLoop::watch(int fd, std::uint32_t events, Watcher& watcher) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
        return Error::internal("epoll refused a descriptor");
    }
    watchers_[fd] = &watcher;
    return {};
}

Result<void> EventLoop::modify(int fd, std::uint32_t events, Watcher& watcher) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) != 0) {
        return Error::internal("epoll refused a descriptor");
    }
    watchers_[fd] = &watcher;
    return {};
}

void EventLoop::unwatch(int fd) {
    if (watchers_.erase(fd) > 0) epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

bool EventLoop::run_posted() {
    {
        const std::scoped_lock lock(mutex_);
        if (posted_.empty()) return false;
        running_.swap(posted_);
    }
    for (UniqueFunction& work : running_) {
        work();
        work = UniqueFunction();
    }
    running_.clear();
    return true;
}

bool EventLoop::run_due_timers() {
    bool any = false;
    for (;;) {
        UniqueFunction work;
        {
            const std::scoped_lock lock(mutex_);
            if (timers_.empty() || timers_.begin()->first > steady_now()) return any;
            timer_index_.erase(timers_.begin()->second.id);
            work = std::move(timers_.begin()->second.work);
            timers_.erase(timers_.begin());
        }
        work();
        any = true;
    }
}

int EventLoop::poll_timeout_ms() {
    const std::scoped_lock lock(mutex_);
    if (!posted_.empty() || stopping_.load(std::memory_order_relaxed)) return 0;
    if (timers_.empty()) return -1;
    const Duration left = timers_.begin()->first - steady_now();
    if (left <= Duration::zero()) return 0;
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
    return static_cast<int>(std::min<std::int64_t>(ms, 60'000));
}

void EventLoop::run() {
    const CurrentScope scope(this);
    thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    std::array<epoll_event, kEventsPerPoll> events{};
    while (!stopping_.load(std::memory_order_acquire)) {
        run_posted();
        run_due_timers();
        // Announce sleep before looking at the queues once more: a post() that misses the flag is
        // seen by poll_timeout_ms(), one that sees it writes to the wake descriptor.
        sleeping_.store(true, std::memory_order_seq_cst);
        const int timeout = poll_timeout_ms();
        const int count = epoll_wait(epoll_fd_, events.data(), kEventsPerPoll, timeout);
        sleeping_.store(false, std::memory_order_seq_cst);
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.fd == wake_fd_) {
                std::uint64_t ignored = 0;
                [[maybe_unused]] const auto got = ::read(wake_fd_, &ignored, sizeof(ignored));
                continue;
            }
            const auto watcher = watchers_.find(event.data.fd);
            if (watcher != watchers_.end()) watcher->second->on_events(event.events);
        }
    }
    stopping_.store(false, std::memory_order_release);
}

void EventLoop::stop() {
    stopping_.store(true, std::memory_order_release);
    wake();
}

}  // namespace adyton::base

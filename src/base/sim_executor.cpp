#include "base/sim_executor.h"

namespace adyton::base {
namespace {
constexpr Timestamp kEpoch{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
constexpr std::uint64_t kBlockingDelayMaxNs = 2'000'000;
}  // namespace

SimExecutor::SimExecutor(std::uint64_t seed) : random_(seed) {}
SimExecutor::~SimExecutor() {
    drop_all();
}

void SimExecutor::post(UniqueFunction work) {
    ready_.push_back(std::move(work));
}

Executor::TimerId SimExecutor::post_after(Duration delay, UniqueFunction work) {
    const TimerId id = next_timer_++;
    const SteadyTime due = steady_now_ + std::max(delay, Duration::zero());
    timers_.emplace(due, std::pair{id, std::move(work)});
    return id;
}

bool SimExecutor::cancel(TimerId timer) {
    for (auto entry = timers_.begin(); entry != timers_.end(); ++entry) {
        if (entry->second.first == timer) {
            timers_.erase(entry);
            return true;
        }
    }
    return false;
}

void SimExecutor::post_blocking(UniqueFunction work) {
    post_after(Duration(random_.below(kBlockingDelayMaxNs)), std::move(work));
}

Timestamp SimExecutor::now() const {
    return kEpoch + std::chrono::floor<std::chrono::microseconds>(
                        steady_now_.time_since_epoch() + civil_shift_);
}

SteadyTime SimExecutor::steady_now() const {
    return steady_now_;
}

bool SimExecutor::step() {
    if (ready_.empty()) {
        if (timers_.empty()) return false;
        steady_now_ = timers_.begin()->first;
        while (!timers_.empty() && timers_.begin()->first <= steady_now_) {
            ready_.push_back(std::move(timers_.begin()->second.second));
            timers_.erase(timers_.begin());
        }
    }
    const std::size_t chosen = random_.below(ready_.size());
    std::swap(ready_[chosen], ready_.back());
    UniqueFunction work = std::move(ready_.back());
    ready_.pop_back();
    ++steps_;
    const CurrentScope scope(this);
    work();
    return true;
}

void SimExecutor::run() {
    while (step()) {
    }
}

void SimExecutor::run_for(Duration span) {
    const SteadyTime end = steady_now_ + span;
    while (!ready_.empty() || (!timers_.empty() && timers_.begin()->first <= end)) step();
    steady_now_ = end;
}

void SimExecutor::drop_all() {
    detached_tasks().drop_all();
    ready_.clear();
    timers_.clear();
}

}  // namespace adyton::base

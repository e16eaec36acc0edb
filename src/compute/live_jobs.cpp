#include "compute/live_jobs.h"

#include <atomic>
#include <utility>

#include "base/check.h"

namespace adyton::compute {
namespace {

void drop_one(std::multiset<std::string>& from, const std::string& job_id) {
    const auto found = from.find(job_id);
    if (found != from.end()) from.erase(found);
}

}  // namespace

struct LiveJob::Waiter {
    std::atomic<bool> fired{false};
    std::shared_ptr<typename base::Completion<bool>::State> completer;

    void fire() {
        if (!fired.exchange(true)) completer->set(true);
    }
};

void LiveJob::wake() {
    std::vector<std::shared_ptr<Waiter>> waiters;
    {
        const std::lock_guard lock(mutex_);
        waiters.swap(waiters_);
    }
    for (const auto& waiter : waiters) waiter->fire();
}

void LiveJob::add_line(std::string line) {
    {
        const std::lock_guard lock(mutex_);
        lines_.push_back(std::move(line));
    }
    wake();
}

void LiveJob::begin() {
    const std::lock_guard lock(mutex_);
    begun_ = true;
}

bool LiveJob::begun() const {
    const std::lock_guard lock(mutex_);
    return begun_;
}

void LiveJob::end(std::string answer) {
    {
        const std::lock_guard lock(mutex_);
        answer_ = std::move(answer);
    }
    wake();
}

bool LiveJob::ask_cancel() {
    const std::lock_guard lock(mutex_);
    return !std::exchange(cancel_asked_, true);
}

bool LiveJob::cancel_asked() const {
    const std::lock_guard lock(mutex_);
    return cancel_asked_;
}

LiveJob::View LiveJob::view(std::size_t after) const {
    const std::lock_guard lock(mutex_);
    View out;
    for (std::size_t i = after; i < lines_.size(); ++i) out.lines.push_back(lines_[i]);
    out.next = lines_.size();
    out.answer = answer_;
    return out;
}

std::vector<std::string> LiveJob::take_unstored(std::size_t& first) {
    const std::lock_guard lock(mutex_);
    first = stored_ + 1;
    std::vector<std::string> out;
    if (answer_) return out;
    out.assign(lines_.begin() + static_cast<std::ptrdiff_t>(stored_), lines_.end());
    stored_ = lines_.size();
    return out;
}

Task<void> LiveJob::wait(std::optional<std::size_t> seen, base::Duration at_most) {
    base::Executor* const executor = base::Executor::current();
    CHECK(executor != nullptr);
    base::Completion<bool> change;
    const auto waiter = std::make_shared<Waiter>();
    waiter->completer = change.completer();
    {
        const std::lock_guard lock(mutex_);
        if (answer_ || (seen && lines_.size() > *seen)) co_return;
        waiters_.push_back(waiter);
    }
    const auto timer = executor->post_after(at_most, [waiter] { waiter->fire(); });
    co_await change;
    executor->cancel(timer);
}

Task<void> LiveJob::wait_change(std::size_t seen, base::Duration at_most) {
    return wait(seen, at_most);
}

Task<void> LiveJob::wait_end(base::Duration at_most) {
    const base::Executor* const executor = base::Executor::current();
    CHECK(executor != nullptr);
    const base::SteadyTime until = executor->steady_now() + at_most;
    for (;;) {
        const base::Duration left = until - executor->steady_now();
        if (left <= base::Duration::zero() || view(0).answer) co_return;
        auto waiting = wait(std::nullopt, left);
        co_await std::move(waiting);
    }
}

std::size_t LiveJob::watchers() const {
    const std::lock_guard lock(mutex_);
    return waiters_.size();
}

std::shared_ptr<LiveJob> LiveJobs::add(const std::string& job_id, const std::string& user) {
    auto job = std::make_shared<LiveJob>(job_id, user);
    add(job);
    return job;
}

void LiveJobs::add(std::shared_ptr<LiveJob> job) {
    const std::string& job_id = job->job_id();
    const std::lock_guard lock(mutex_);
    drop_one(expected_, job_id);
    const bool added = jobs_.emplace(job_id, std::move(job)).second;
    CHECK(added);
}

void LiveJobs::expect(const std::string& job_id) {
    const std::lock_guard lock(mutex_);
    expected_.insert(job_id);
}

void LiveJobs::forget(const std::string& job_id) {
    const std::lock_guard lock(mutex_);
    drop_one(expected_, job_id);
}

std::set<std::string> LiveJobs::known() const {
    const std::lock_guard lock(mutex_);
    std::set<std::string> out(expected_.begin(), expected_.end());
    for (const auto& [id, job] : jobs_) out.insert(id);
    return out;
}

std::shared_ptr<LiveJob> LiveJobs::find(const std::string& job_id) const {
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(job_id);
    return found == jobs_.end() ? nullptr : found->second;
}

void LiveJobs::remove(const std::string& job_id) {
    const std::lock_guard lock(mutex_);
    jobs_.erase(job_id);
}

std::vector<std::shared_ptr<LiveJob>> LiveJobs::all() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<LiveJob>> out;
    out.reserve(jobs_.size());
    for (const auto& [id, job] : jobs_) out.push_back(job);
    return out;
}

std::size_t LiveJobs::size() const {
    const std::lock_guard lock(mutex_);
    return jobs_.size();
}

}  // namespace adyton::compute

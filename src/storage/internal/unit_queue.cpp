#include "storage/internal/unit_queue.h"

#include <algorithm>

namespace adyton::storage::internal {

bool JobGate::enter() {
    const std::scoped_lock lock(mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
}

void JobGate::leave() {
    const std::scoped_lock lock(mutex_);
    if (--inside_ == 0) left_.notify_all();
}

void JobGate::close() {
    std::unique_lock lock(mutex_);
    closed_ = true;
    left_.wait(lock, [this] { return inside_ == 0; });
}

// Suspends the caller and queues its request.
struct UnitQueue::Wait {
    UnitQueue& queue;
    RequestPtr request;

    Wait(UnitQueue& owner, RequestPtr entry) : queue(owner), request(std::move(entry)) {}
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;
    ~Wait() { request->abandoned.store(true, std::memory_order_release); }

    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> awaiting) {
        request->waiter = awaiting;
        request->home = base::Executor::current();
        CHECK(request->home != nullptr);
        // Once queued, the answer may resume the awaiting frame, which holds this object.
        return queue.enqueue(request);
    }
    void await_resume() const noexcept {}
};

UnitQueue::UnitQueue(base::Executor& executor, Limits limits, Run run)
    : executor_(executor), limits_(limits), run_(std::move(run)), lane_busy_(limits.lanes, false) {
    CHECK(limits.lanes > 0 && limits.pending_max > 0 && limits.batch_max > 0);
}

Task<Result<void>> UnitQueue::submit(UnitOfWork unit, Durability durability) {
    auto request = std::make_shared<UnitRequest>();
    request->unit = std::move(unit);
    request->durability = durability;
    Wait wait(*this, std::move(request));
    co_await wait;
    co_return std::move(wait.request->result);
}

void UnitQueue::submit_detached(UnitOfWork unit) {
    auto request = std::make_shared<UnitRequest>();
    request->unit = std::move(unit);
    static_cast<void>(enqueue(std::move(request)));
}

// False when the queue is full: the request then holds the refusal.
bool UnitQueue::enqueue(RequestPtr request) {
    std::unique_lock lock(mutex_);
    if (pending_.size() >= limits_.pending_max) {
        request->result = Error::unavailable("the database has too much to do", "queue_full");
        return false;
    }
    pending_.push_back(std::move(request));
    start_lanes(std::move(lock));
    return true;
}

void UnitQueue::retry_alone(RequestPtr request, base::Duration delay) {
    executor_.post_after(delay, [self = shared_from_this(), again = std::move(request)]() mutable {
        std::unique_lock lock(self->mutex_);
        self->alone_.push_back(std::move(again));
        self->start_lanes(std::move(lock));
    });
}

// Gives a free lane a job if anything waits.
void UnitQueue::start_lanes(std::unique_lock<std::mutex> lock) {
    if (pending_.empty() && alone_.empty()) return;
    const auto idle = std::find(lane_busy_.begin(), lane_busy_.end(), false);
    if (idle == lane_busy_.end()) return;
    *idle = true;
    const auto lane = static_cast<std::size_t>(idle - lane_busy_.begin());
    base::Executor* home = alone_.empty() ? pending_.front()->home : nullptr;
    if (home == nullptr) home = &executor_;
    lock.unlock();
    // Not at once: the loop that brought this unit brings its neighbours in the same round, and a
    // commit costs the same for all of them.
    home->post([self = shared_from_this(), lane] {
        self->executor_.post_blocking([self, lane] { self->work(lane); });
    });
}

void UnitQueue::work(std::size_t lane) {
    if (!gate_.enter()) return;
    Batch batch = take();
    if (!batch.empty()) run_(lane, std::move(batch));
    {
        // One job a batch, so that other blocking work gets its turn between two of them.
        std::unique_lock lock(mutex_);
        lane_busy_[lane] = false;
        start_lanes(std::move(lock));
    }
    gate_.leave();
}

Batch UnitQueue::take() {
    Batch batch;
    const std::scoped_lock lock(mutex_);
    std::deque<RequestPtr>& source = alone_.empty() ? pending_ : alone_;
    const std::size_t limit = alone_.empty() ? limits_.batch_max : 1;
    batch.reserve(std::min(limit, source.size()));
    while (!source.empty() && batch.size() < limit) {
        // An abandoned unit refers to a destroyed frame.
        if (!source.front()->abandoned.load(std::memory_order_acquire)) {
            batch.push_back(std::move(source.front()));
        }
        source.pop_front();
    }
    return batch;
}

void UnitQueue::answer(std::span<const RequestPtr> requests) {
    // One post for all waiters of an executor: waking a sleeping loop costs a system call.
    std::vector<bool> done(requests.size(), false);
    for (std::size_t first = 0; first < requests.size(); ++first) {
        base::Executor* const home = requests[first]->home;
        if (done[first] || home == nullptr) continue;
        Batch group;
        group.reserve(requests.size() - first);
        for (std::size_t i = first; i < requests.size(); ++i) {
            if (done[i] || requests[i]->home != home) continue;
            group.push_back(requests[i]);
            done[i] = true;
        }
        home->post([waiting = std::move(group)] {
            for (const RequestPtr& request : waiting) {
                if (request->abandoned.load(std::memory_order_acquire)) continue;
                request->waiter.resume();
            }
        });
    }
}

}  // namespace adyton::storage::internal

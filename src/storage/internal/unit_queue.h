#pragma once

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/executor.h"
#include "base/task.h"
#include "storage/database.h"

namespace adyton::storage::internal {

// Lets an object wait, before it goes, for those of its blocking jobs that are running; jobs that
// have not started then do nothing. Held by the jobs too, so it outlives the object. Thread safe.
class JobGate {
public:
    // False when closed: the job must return at once. Otherwise leave() must follow.
    bool enter();
    void leave();
    // Waits for the jobs inside.
    void close();

private:
    std::mutex mutex_;
    std::condition_variable left_;
    bool closed_ = false;
    unsigned inside_ = 0;
};

// One caller's unit of work, waiting or running.
struct UnitRequest {
    UnitOfWork unit;
    Durability durability = Durability::Durable;
    Result<void> result;    // what answer() hands over
    unsigned attempts = 0;  // how often it was retried

    std::coroutine_handle<> waiter;
    base::Executor* home = nullptr;       // where the waiter continues; null: nobody waits
    std::atomic<bool> abandoned = false;  // the waiter was destroyed
};

// Shared by the queue or its batch and by the waiting coroutine, which may be dropped by a
// simulated crash while it is queued.
using RequestPtr = std::shared_ptr<UnitRequest>;
using Batch = std::vector<RequestPtr>;

// A bounded queue of units in front of a few lanes (connections). A lane runs one batch at a time
// as a blocking job; what arrives meanwhile gathers for the next one. Thread safe.
class UnitQueue : public std::enable_shared_from_this<UnitQueue> {
public:
    struct Limits {
        std::size_t lanes;
        std::size_t pending_max;
        std::size_t batch_max;
    };
    // Runs a batch on a lane, and answers or retries each of its requests.
    using Run = std::function<void(std::size_t lane, Batch batch)>;

    // `executor` must outlive the queue.
    UnitQueue(base::Executor& executor, Limits limits, Run run);

    // Ends when the unit was answered. Unavailable (reason "queue_full") at the limit.
    Task<Result<void>> submit(UnitOfWork unit, Durability durability);

    // Queues a unit whose result nobody waits for. Dropped when the queue is full.
    void submit_detached(UnitOfWork unit);

    // Lets the waiters of these requests continue with their results, each on its own executor.
    void answer(std::span<const RequestPtr> requests);
    // Queues a request again, after `delay`, for a batch of its own.
    void retry_alone(RequestPtr request, base::Duration delay);

    // Waits for running batches; afterwards nothing runs and nobody is answered.
    void close() { gate_.close(); }

private:
    struct Wait;
    bool enqueue(RequestPtr request);
    void start_lanes(std::unique_lock<std::mutex> lock);
    void work(std::size_t lane);
    Batch take();

    base::Executor& executor_;
    const Limits limits_;
    const Run run_;
    JobGate gate_;

    std::mutex mutex_;
    std::deque<RequestPtr> pending_;
    std::deque<RequestPtr> alone_;
    std::vector<bool> lane_busy_;
};

}  // namespace adyton::storage::internal

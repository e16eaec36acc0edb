#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "audit/audit_log.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "compute/fair_gate.h"
#include "compute/job_repository.h"
#include "compute/keys.h"
#include "compute/live_jobs.h"
#include "compute/options.h"
#include "script/engine.h"
#include "service/metrics.h"
#include "storage/database.h"

namespace adyton::compute {

class FetchBroker;

struct ComputeMetrics {
    service::Counter& completed;
    service::Counter& failed;
    service::Counter& refused;  // 429
    service::Counter& secrets_denied;
    service::Counter& leaks;  // outputs that held a secret
};

// One piece of work on the queue that a stop must wait for: it may take up a job yet.
class QueueWork {
public:
    using Count = std::shared_ptr<std::atomic<std::size_t>>;
    explicit QueueWork(Count count) : count_(std::move(count)) { ++*count_; }
    QueueWork(QueueWork&&) noexcept = default;
    QueueWork(const QueueWork&) = delete;
    QueueWork& operator=(const QueueWork&) = delete;
    QueueWork& operator=(QueueWork&&) = delete;
    ~QueueWork() {
        if (count_ != nullptr) --*count_;
    }

private:
    Count count_;  // the service may be gone before a dropped coroutine
};

// What the parts of a compute service share. All references live as long as the service.
struct ComputeContext {
    storage::Database& database;
    base::Executor& executor;  // runs the workers and jobs that nobody waits for
    base::Logger& logger;
    audit::AuditLog& audit;
    base::RandomSource& random;
    const ComputeKeys& keys;
    const ComputeKeys* previous_keys_or_null;  // during a change of the master key
    script::Engine& engine;
    std::string engine_name;  // for receipts
    const ComputeOptions& options;
    ComputeMetrics& metrics;
    FetchBroker* broker_or_null;
    FairGate& gate;
    LiveJobs& live;
    InstanceClaim claim;  // set by create(), before anything is served
    std::atomic<bool> stopping{false};
    QueueWork::Count queue_work = std::make_shared<std::atomic<std::size_t>>(0);
    std::atomic<bool> alone{false};  // at the last heartbeat no other instance was alive
    // At the last heartbeat the newest master key was another.
    std::atomic<bool> key_changed{false};
};

// Appends an audit record. `write` fills the members of its body.
template <typename F>
Result<void> record(
    storage::Transaction& tx, const ComputeContext& compute, std::string_view kind,
    std::string_view actor, F write) {
    std::string body;
    base::JsonWriter out(body);
    out.begin_object();
    write(out);
    out.end_object();
    TRY_VOID(compute.audit.append(tx, {kind, actor, body}));
    return {};
}

}  // namespace adyton::compute

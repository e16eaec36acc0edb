#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "audit/checkpoint.h"
#include "compute/compute_service.h"
#include "compute/context.h"
#include "workflow/periodic.h"

namespace adyton::compute {

// The heartbeat's life.
struct Heart {
    std::atomic<bool> on{false};
    std::atomic<bool> ended{true};
};

// Everything a ComputeService holds, in the order of construction.
struct ComputeService::Parts {
    Parts(
        ComputeParts its_given, std::unique_ptr<ComputeKeys> its_keys,
        std::unique_ptr<ComputeKeys> its_previous, ComputeOptions its_options);

    ComputeParts given;
    const ComputeOptions options;
    std::unique_ptr<ComputeKeys> keys;
    std::unique_ptr<ComputeKeys> previous_keys;  // null: none
    crypto::Ed25519KeyPair checkpoint_key;
    ComputeMetrics metrics;
    FairGate gate;
    LiveJobs live;
    ComputeContext context;
    audit::Checkpoints checkpoints;
    workflow::PeriodicRunner runner;
    // As last counted; read by /info on any thread.
    std::atomic<std::int64_t> total_jobs{0};
    std::atomic<std::int64_t> running_jobs{0};
    std::atomic<std::int64_t> queued_jobs{0};
    std::shared_ptr<Heart> heart;  // shared with the heartbeat's coroutine
};

// Routes for secrets and keys of users (secret_routes.cpp).
void register_secret_routes(ComputeService::Parts& parts, service::ServiceFrame& frame);
// GET /jobs and what is below it (job_routes.cpp).
void register_job_routes(ComputeService::Parts& parts, service::ServiceFrame& frame);

// Until this job is over or the time is; its answer as it stands then. NotFound.
Task<Result<std::string>> wait_answer(
    const ComputeContext& compute, std::string user, std::string job_id, base::Duration at_most);

using Answer = Task<Result<http::Response>>;

}  // namespace adyton::compute

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "audit/audit_log.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "compute/fetch_broker.h"
#include "compute/keys.h"
#include "compute/options.h"
#include "crypto/secret.h"
#include "script/engine.h"
#include "service/frame.h"
#include "service/metrics.h"
#include "storage/database.h"

namespace adyton::compute {

inline constexpr std::string_view kServiceName = "NeoCompute Service";
inline constexpr std::string_view kServiceVersion = "1.0.0";

// The OpenAPI 3.1 document of all routes, the frame's included.
std::string_view openapi_json();

// What a compute service is built on. Everything referenced must outlive it.
struct ComputeParts {
    storage::Database& database;  // migrated: workflow, audit and compute
    base::Executor& executor;     // runs the workers, and jobs that nobody waits for
    base::Logger& logger;
    audit::AuditLog& audit;
    base::RandomSource& random;
    service::MetricsRegistry& metrics;
    std::string instance;  // unique among live processes
    script::Engine& engine;
    std::string engine_name;                // for receipts: "quickjs-ng 0.17.0 d4c9375f"
    FetchBroker* broker_or_null = nullptr;  // null: no script has fetch
};

// Scripts of users in a sandbox, with secrets and signed results (docs/compute.md). Handlers may
// run on any number of executors at once.
//
//   CO_TRY(auto compute, co_await ComputeService::create(parts, std::move(master), ..., options));
//   compute->register_routes(frame);  // before the frame is used
//   compute->start();                 // on parts.executor: workers
//   co_await compute->stop();         // on parts.executor, after the frame has drained
class ComputeService {
public:
    // `previous_master`: the key before this one. Secrets that lie under it are sealed anew before
    // this returns; stored jobs open with it until they expire.
    // InvalidArgument: a master key under 32 bytes. Conflict "compute_key_changed": the database
    // belongs to another key. Errors of the database.
    static Task<Result<std::unique_ptr<ComputeService>>> create(
        ComputeParts parts, crypto::SecretBuffer master,
        std::optional<crypto::SecretBuffer> previous_master, ComputeOptions options);
    ~ComputeService();
    ComputeService(const ComputeService&) = delete;
    ComputeService& operator=(const ComputeService&) = delete;

    void register_routes(service::ServiceFrame& frame);
    void start();
    Task<void> stop();

    // For HealthOptions.
    Result<void> check_keys() const;
    Task<Result<void>> probe_database() const;
    // Members for /info, with "statistics".
    base::Json info() const;
    // Says which master key it is, and nothing else of it.
    std::string key_id() const;
    // What is derived from the master key, for the attestation and the broker.
    const ComputeKeys& keys() const;

    // The parts, for tests and tools of this module.
    struct Parts;
    Parts& parts() { return *parts_; }

private:
    explicit ComputeService(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace adyton::compute

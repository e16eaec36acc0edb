#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/keystore_client.h"
#include "audit/audit_log.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/near_client.h"
#include "coordinator/options.h"
#include "coordinator/webhook_outbox.h"
#include "crypto/ed25519.h"
#include "near/account_id.h"
#include "service/frame.h"
#include "service/metrics.h"
#include "storage/database.h"
#include "workflow/step_runner.h"

namespace adyton::coordinator {

inline constexpr std::string_view kServiceName = "Coordinator Service";
inline constexpr std::string_view kServiceVersion = "1.0.0";

// The OpenAPI 3.1 document of all routes, the frame's included.
std::string_view openapi_json();
// {"error":"<code>","message":"<text>"}, for FrameOptions::renderer (near.md 6.1).
http::Response render_error(const http::ErrorInfo& error);

// Accounts that sign for the coordinator itself. Several keys of the relayer are several lanes, so
// that one lost transaction holds up one of them only.
struct CoordinatorKeys {
    near::AccountId relayer;
    std::vector<crypto::Ed25519KeyPair> relayer_keys;
    near::AccountId approver;
    crypto::Ed25519KeyPair approver_key;
};

// Where tests of crashes strike: after the named effect, or before it.
enum class WorkflowPoint {
    AfterInsert,
    BeforePolicy,
    AfterPolicy,
    BeforeSignPayload,
    AfterSignPayload,
    BeforeSignDelegate,
    AfterSignDelegate,
    AfterSubmitBytes,  // durable
    BeforeSubmit,
    AfterSubmit,
    AfterIntentIds,  // durable
    AfterResumeBytes,
    BeforeResume,
    AfterResume,
    AfterResumeSeen,
    BeforeFinish,
    AfterFinish,
};
inline constexpr std::size_t kWorkflowPoints = 17;

// For tests alone: watches what the lane does, and makes it wrong on purpose (internal/bugs.h).
struct TestSwitches {
    virtual ~TestSwitches() = default;
    virtual void at(WorkflowPoint, const std::string& /*request_id*/) {}
    virtual bool planted(int /*bug*/) const { return false; }
};

// What a coordinator is built on. Everything referenced must outlive it.
struct CoordinatorParts {
    storage::Database& database;  // migrated: workflow, audit and coordinator
    base::Executor& executor;     // drives the workflows
    base::Logger& logger;
    audit::AuditLog& audit;
    base::RandomSource& random;
    service::MetricsRegistry& metrics;
    std::string instance;  // unique among live processes
    api::KeystoreClient& keystore;
    chain::NearClient& chain;
    chain::NearClient* archive_or_null = nullptr;
    TestSwitches* tests_or_null = nullptr;
    base::Duration run_lease = std::chrono::seconds(15);
    WebhookSetup webhooks = {};
};

// Ordered NEAR workflows that survive anything (near.md 6, docs/coordinator.md): its routes, its
// lanes, its workers. Handlers may run on any number of executors at once. Callers are what
// wallet_auth.h resolves.
class CoordinatorService {
public:
    // InvalidArgument: check_options(). Errors of the database.
    static Task<Result<std::unique_ptr<CoordinatorService>>> create(
        CoordinatorParts parts, CoordinatorKeys keys, CoordinatorOptions options);
    ~CoordinatorService();
    CoordinatorService(const CoordinatorService&) = delete;
    CoordinatorService& operator=(const CoordinatorService&) = delete;

    void register_routes(service::ServiceFrame& frame);
    void start();  // on parts.executor
    Task<void> stop();

    // For HealthOptions.
    Task<Result<void>> probe_database() const;
    // Members for /info.
    base::Json info() const;
    workflow::RunnerStatus runner_status() const;
    // Of workflow evidence and checkpoints.
    crypto::Ed25519PublicKey evidence_key() const;

    struct Core;
    Core& core() { return *core_; }

private:
    explicit CoordinatorService(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

}  // namespace adyton::coordinator

#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "attest/attestation_service.h"
#include "audit/audit_log.h"
#include "base/executor.h"
#include "base/json.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "chain/neo_client.h"
#include "crypto/aes_gcm.h"
#include "neo/master_key.h"
#include "policy/rule.h"
#include "pool/options.h"
#include "service/frame.h"
#include "service/metrics.h"
#include "storage/database.h"

namespace adyton::pool {

inline constexpr std::string_view kServiceId = "neoaccounts";
inline constexpr std::string_view kServiceName = "Account Pool Service";
inline constexpr std::string_view kServiceVersion = "2.0.0";

// The OpenAPI 3.1 document of all routes, the frame's included.
std::string_view openapi_json();

// What a pool is built on. Everything referenced must outlive it.
struct PoolParts {
    storage::Database& database;  // migrated: workflow, audit, policy and pool
    base::Executor& executor;     // runs the workers
    base::Logger& logger;
    audit::AuditLog& audit;
    const policy::Policy& policy;
    base::RandomSource& random;
    service::MetricsRegistry& metrics;
    std::string instance;  // unique among live processes
    base::Duration idempotency_keep = std::chrono::hours(24 * 7);
    chain::NeoClient* neo = nullptr;  // null: no transfers
    // Null: a simulated platform. The pool says who it is and adds its keys.
    attest::AttestationService* attestation = nullptr;
};

struct PoolKeys {
    neo::MasterKey master;
    std::optional<crypto::AesKey> encryption_key;  // POOL_ENCRYPTION_KEY
    std::string attestation_hash;                  // POOL_MASTER_ATTESTATION_HASH; may be empty
};

// The account pool (services.md 2 and 3): its routes, its workers, its keys. Handlers may run on
// any number of executors at once.
//
//   CO_TRY(auto pool, co_await PoolService::create(parts, std::move(keys), options));
//   pool->register_routes(frame);  // before the frame is used
//   pool->start();                 // on parts.executor: workers; tops the pool up in the
//   background co_await pool->stop();         // on parts.executor, after the frame has drained
class PoolService {
public:
    // Proves that the keys work and belong to this database; does not wait for accounts, however
    // many are missing. InvalidArgument: options that contradict each other. Conflict
    // "master_key_changed". Errors of the database.
    static Task<Result<std::unique_ptr<PoolService>>> create(
        PoolParts parts, PoolKeys keys, PoolOptions options);
    ~PoolService();
    PoolService(const PoolService&) = delete;
    PoolService& operator=(const PoolService&) = delete;

    void register_routes(service::ServiceFrame& frame);
    void start();
    Task<void> stop();

    // For HealthOptions: whether the keys work (microseconds), and whether the tables answer.
    Result<void> check_keys() const;
    Task<Result<void>> probe_database() const;
    // Members for /info: settings, audit durability, policy, workers.
    base::Json info() const;
    // Hex SHA-256 of the master public key, for the start-up log.
    const std::string& master_key_hash() const;

    // The parts, for tests and tools of this module.
    struct Parts;
    Parts& parts() { return *parts_; }

private:
    explicit PoolService(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace adyton::pool

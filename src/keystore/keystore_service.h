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
#include "crypto/ed25519.h"
#include "crypto/secret.h"
#include "http/router.h"
#include "keystore/chain_view.h"
#include "keystore/key_ring.h"
#include "keystore/options.h"
#include "service/frame.h"
#include "service/metrics.h"
#include "storage/database.h"

namespace adyton::keystore {

inline constexpr std::string_view kServiceName = "Keystore Service";
inline constexpr std::string_view kServiceVersion = "1.0.0";

// The OpenAPI 3.1 document of all routes, the frame's included.
std::string_view openapi_json();

// {"error":"<text>"}, for FrameOptions::renderer (near.md 5).
http::Response render_error(const http::ErrorInfo& error);

// What a keystore is built on. Everything referenced must outlive it.
struct KeystoreParts {
    storage::Database& database;  // migrated: workflow, audit, policy and keystore
    base::Executor& executor;     // runs the workers
    base::Logger& logger;
    audit::AuditLog& audit;
    base::RandomSource& random;
    service::MetricsRegistry& metrics;
    std::string instance;      // unique among live processes
    ChainView* chain_or_null;  // null: NEAR_RPC_URL is not set
};

// NEAR wallets behind an exact policy (near.md 5): its routes, its workers, its secret. Handlers
// may run on any number of executors at once. Callers are what token_auth.h resolves.
//
//   CO_TRY(auto keystore, co_await KeystoreService::create(parts, std::move(master), options));
//   keystore->register_routes(frame);  // before the frame is used
//   keystore->start();                 // on parts.executor: workers
//   co_await keystore->stop();         // on parts.executor, after the frame has drained
class KeystoreService {
public:
    // Conflict "keystore_secret_changed": the database belongs to another secret. Errors of the
    // database.
    static Task<Result<std::unique_ptr<KeystoreService>>> create(
        KeystoreParts parts, crypto::SecretBytes<KeyRing::kMasterBytes> master,
        KeystoreOptions options);
    ~KeystoreService();
    KeystoreService(const KeystoreService&) = delete;
    KeystoreService& operator=(const KeystoreService&) = delete;

    // There is no /wallet/sign-transaction, nor any other route that signs bytes nobody read.
    void register_routes(service::ServiceFrame& frame);
    void start();
    Task<void> stop();

    // For HealthOptions.
    Result<void> check_keys() const;
    Task<Result<void>> probe_database() const;
    // Members for /info.
    base::Json info() const;
    // The public key that signs the audit log's checkpoints.
    const crypto::Ed25519PublicKey& checkpoint_key() const;
    // Hex; says which master secret it is.
    std::string secret_fingerprint() const;

    // The parts, for tests and tools of this module.
    struct Parts;
    Parts& parts() { return *parts_; }

private:
    explicit KeystoreService(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
};

}  // namespace adyton::keystore

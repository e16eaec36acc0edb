#pragma once

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "apps/version.h"
#include "attest/attestation_service.h"
#include "attest/peer_identity.h"
#include "attest/secret_source.h"
#include "audit/audit_log.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "crypto/harden.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "http/client.h"
#include "http/tls.h"
#include "service/config.h"
#include "service/frame.h"
#include "service/host.h"
#include "service/instance.h"
#include "service/metrics.h"
#include "service/rollback_guard.h"
#include "service/startup.h"
#include "storage/database.h"

// What the process of every product is made of, so that a product's server (pool_server.h,
// keystore_server.h) holds only what is its own:
//
//   struct Parts {
//       ProductGround ground;              // log, database, audit, threads
//       std::unique_ptr<...> service;      // the product's own
//       std::optional<ProductHost> host;   // its routes on the network
//   };
//
// Members are destroyed from the last to the first: the network before the service, the service
// before the database, the database before the threads that it uses.

namespace adyton::apps {

// What to do with a database whose schema is older than this program.
enum class OldSchema {
    Refuse,   // serve: an operator runs `adyton migrate` first
    Migrate,  // dev
};

// What a server is made from. All of it must outlive the server.
struct ServerInputs {
    const service::Config& config;
    const service::ConfigInputs& environment;
    attest::SecretSource& secrets;
    const crypto::Hardening& hardening;
    OldSchema old_schema = OldSchema::Refuse;
};

// The log that the configuration asks for.
Result<std::unique_ptr<base::Logger>> open_log(const service::Config& config);

// "WHAT is not configured: HELP".
Error not_configured(std::string_view what, std::string_view help);

// The key that a setting refers to; nothing when it is unset. Errors of SecretSource.
Result<std::optional<crypto::SecretBuffer>> read_key(
    attest::SecretSource& secrets, const service::Reference& reference);

// The durability of what is signed: audit.durability.
storage::Durability sign_durability(const service::Config& config);

// How a product that knows its callers by tokens or keys identifies them: strict, which asks for
// TLS of the server alone, unless development was chosen. InvalidArgument, with `why` tokens travel
// over TLS only, when strict has no certificate; errors of decide_identity_mode().
Result<attest::IdentityMode> decide_token_mode(
    const service::Config& config, const service::ConfigInputs& inputs, std::string_view why);

// How callers prove who they are.
enum class Callers {
    Certificates,  // always
    Tokens,        // and by certificates too where an authority for them is configured
};

// What probes ask of the disk. Nothing while commits work; once one has found it full (storage sets
// `full`), one small write a probe, until such a write succeeds. So the answer does not hang on
// traffic that a balancer no longer sends. Errors of the write.
Task<Result<void>> probe_disk(
    storage::Database& database, std::atomic<bool>& full, const std::string& instance_id);

// What lies below every product. Main thread, until the host runs.
class ProductGround {
public:
    ProductGround(const ServerInputs& inputs, attest::IdentityMode mode, Callers callers);

    // First the log, so that all that follows has one.
    Result<void> open_log();
    // What this program states about itself, on the platform that the configuration names. Done by
    // open_storage(); the product then says who it is and which keys are its own
    // (attestation->set_service(), set_key(), add_signing_key()).
    Result<void> open_attestation();
    // Compares the database with its witnesses, if there are any. Conflict "database_rolled_back",
    // "witness_empty"; errors of the witnesses. After the product has said who it is.
    Result<void> open_rollback();
    // Takes the data directory, opens the database at this program's schema, and the audit log of
    // this instance. Conflict, reason "schema": the database is older; "schema_newer".
    Result<void> open_storage();

    const service::Config& config() const { return inputs.config; }
    base::EventLoop& loop() { return runtime.main_loop(); }
    const ServerInputs inputs;
    const attest::IdentityMode mode;
    crypto::SystemRandom random;
    std::unique_ptr<base::Logger> logger;
    service::TrustLoader trust;
    std::optional<service::Instance> instance;
    service::MetricsRegistry metrics;
    service::Runtime runtime;
    std::atomic<bool> disk_full = false;  // see probe_disk()
    std::unique_ptr<storage::Database> database;
    std::unique_ptr<audit::AuditLog> audit;
    std::unique_ptr<attest::AttestationService> attestation;
    std::unique_ptr<http::Client> peer_client;  // null: no peer is a witness
    std::unique_ptr<service::RollbackGuard> rollback;
};

// A product on the network: its frame, its listeners, and how it runs and ends.
class ProductHost {
public:
    struct Hooks {
        // On the main loop, once that runs and before /ready says yes.
        std::function<void()> begin;
        // Once no request is in flight any more.
        std::function<Task<void>()> stop;
        // Takes over what SIGHUP read anew besides the certificates; may be empty.
        std::function<void(attest::CertificateIdentifier)> new_trust;
    };

    // `options`: what is the product's own; timings, access log and metrics come from the
    // configuration. `ground` and `identity` must outlive the host. InvalidArgument: log.access.
    static Result<std::unique_ptr<ProductHost>> create(
        ProductGround& ground, const attest::IdentityResolver& identity,
        service::FrameOptions options, Hooks hooks);
    // Drains first when it was run beside.
    ~ProductHost();
    ProductHost(const ProductHost&) = delete;
    ProductHost& operator=(const ProductHost&) = delete;

    // For the product's routes, before listen().
    service::ServiceFrame& frame() { return *frame_; }
    // Binds and accepts; /ready says no until it runs. `tls` null: plain HTTP.
    Result<void> listen(std::shared_ptr<const http::TlsContext> tls);

    // Serves until SIGTERM or SIGINT, then drains.
    Result<void> run();
    // Serves on threads of its own until the object is destroyed, which drains.
    void run_beside();

    std::string address() const { return host_->bound_address(); }
    std::string metrics_address() const { return host_->operator_address(); }  // empty: none

    // What is worth a warning in every product.
    void log_warnings() const;
    // The line "serving", with the product's own fields last.
    template <typename... Fields>
    void log_serving(std::string_view service, const Fields&... own) const {
        const std::string database = database_text();
        ground_.logger->info(
            "serving", {{"service", service},
                        {"version", kVersion},
                        {"listen", address()},
                        {"metrics", metrics_address()},
                        {"identity_mode", attest::to_string(ground_.mode)},
                        {"platform", attest::to_string(ground_.attestation->mode())},
                        {"audit_durability", relaxed() ? "relaxed" : "durable"},
                        {"database", database},
                        {"instance", ground_.instance->id()},
                        own...});
    }

private:
    ProductHost(ProductGround& ground, Hooks hooks);
    Result<std::shared_ptr<const http::TlsContext>> reload();
    void add_attestation_route();
    void begin();
    bool relaxed() const;
    std::string database_text() const;  // without its password

    ProductGround& ground_;
    Hooks hooks_;
    std::optional<service::ServiceFrame> frame_;
    std::optional<service::ServiceHost> host_;
    std::promise<void> ended_;
    std::optional<std::future<void>> end_;                 // set once run_beside() was called
    std::optional<base::WorkerThreads> main_loop_thread_;  // of run_beside()
};

}  // namespace adyton::apps

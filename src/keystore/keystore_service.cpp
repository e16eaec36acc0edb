#include "keystore/keystore_service.h"

#include <utility>

#include "keystore/internal/service_parts.h"
#include "keystore/prune.h"
#include "keystore/records.h"
#include "keystore/settle.h"
#include "policy/reservation.h"

namespace adyton::keystore {
namespace {

constexpr std::int64_t kRatesAtOnce = 1000;

KeystoreMetrics make_metrics(service::MetricsRegistry& registry) {
    return KeystoreMetrics{
        registry.counter("adyton_keystore_signatures_total", "New signatures made."),
        registry.counter(
            "adyton_keystore_replays_total", "Signatures given again for the same request."),
        registry.counter("adyton_keystore_refusals_total", "Requests that a policy refused."),
        registry.counter(
            "adyton_keystore_given_back_total",
            "Reservations given back because the payload can no longer take effect."),
        registry.counter(
            "adyton_keystore_pruned_total", "Old records of signatures that were deleted."),
    };
}

crypto::Ed25519KeyPair checkpoint_key(const KeyRing& keys) {
    auto copy = crypto::SecretBuffer::copy_of(keys.master().expose());
    CHECK(copy.has_value());  // 32 bytes
    return audit::derive_checkpoint_key(*copy);
}

policy::PolicyStore::Options store_options(const KeystoreOptions& keystore) {
    policy::PolicyStore::Options options;
    options.name = "keystore";
    options.cached_max = keystore.cached_policies;
    return options;
}

Task<Result<std::int64_t>> forget_rates(
    const KeystoreContext& keystore, workflow::JobContext& job) {
    std::int64_t total = 0;
    while (!job.should_stop()) {
        auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
            TRY_VOID(job.check(tx));
            return policy::remove_ended_rates(tx, kRatesAtOnce);
        };
        auto write = keystore.database.write(std::move(unit));
        CO_TRY(const std::int64_t removed, co_await std::move(write));
        total += removed;
        if (removed < kRatesAtOnce) break;
    }
    co_return total;
}

Task<Result<std::int64_t>> checkpoint(audit::Checkpoints& checkpoints) {
    auto creating = checkpoints.create();
    const auto made = co_await std::move(creating);
    if (made) co_return 1;
    if (made.error().code() == ErrorCode::NotFound) co_return 0;
    co_return made.error();
}

void add_jobs(KeystoreService::Parts& parts) {
    const KeystoreContext& keystore = parts.context;
    const auto add = [&](std::string name, base::Duration period,
                         std::function<Task<Result<std::int64_t>>(workflow::JobContext&)> run) {
        workflow::PeriodicJob job;
        job.name = std::move(name);
        job.period = period;
        job.run = std::move(run);
        parts.runner.add(std::move(job));
    };
    add("keystore.settle", parts.options.settle_period, [&parts](workflow::JobContext& job) {
        return settle(parts.context, parts.dead_delegates, job);
    });
    add("keystore.prune", parts.options.prune_period,
        [&keystore](workflow::JobContext& job) { return prune(keystore, job); });
    add("keystore.cleanup", parts.options.cleanup_period,
        [&keystore](workflow::JobContext& job) { return forget_rates(keystore, job); });
    add("keystore.checkpoint", parts.options.checkpoint_period,
        [&parts](workflow::JobContext&) { return checkpoint(parts.checkpoints); });
}

}  // namespace

KeystoreService::Parts::Parts(
    KeystoreParts its_given, crypto::SecretBytes<KeyRing::kMasterBytes> master,
    KeystoreOptions its_options)
    : given(std::move(its_given)),
      options(std::move(its_options)),
      keys(std::move(master), options.cached_public_keys, options.self_check),
      checkpoint_key(keystore::checkpoint_key(keys)),
      policies(policy::PolicyKeys(keys.master().expose()), given.random, store_options(options)),
      metrics(make_metrics(given.metrics)),
      context{given.database, given.executor, given.logger, given.audit, given.random,
              keys,           policies,       options,      metrics,     given.chain_or_null},
      checkpoints(given.database, checkpoint_key),
      runner({given.instance, given.executor, given.database, given.random, given.logger}) {}

KeystoreService::KeystoreService(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
KeystoreService::~KeystoreService() = default;

Task<Result<std::unique_ptr<KeystoreService>>> KeystoreService::create(
    KeystoreParts parts, crypto::SecretBytes<KeyRing::kMasterBytes> master,
    KeystoreOptions options) {
    std::unique_ptr<KeystoreService> made(new KeystoreService(
        std::make_unique<Parts>(std::move(parts), std::move(master), std::move(options))));
    const std::string fingerprint = made->parts_->keys.fingerprint();
    auto unit = [&fingerprint](storage::Transaction& tx) {
        return records::check_fingerprint(tx, fingerprint);
    };
    auto write = made->parts_->context.database.write(std::move(unit));
    CO_TRY_VOID(co_await std::move(write));
    add_jobs(*made->parts_);
    co_return made;
}

const crypto::Ed25519PublicKey& KeystoreService::checkpoint_key() const {
    return parts_->checkpoint_key.public_key();
}

void KeystoreService::start() {
    parts_->ready.store(true);
    parts_->runner.start();
}

Task<void> KeystoreService::stop() {
    parts_->ready.store(false);
    auto stopping = parts_->runner.stop();
    co_await std::move(stopping);
    auto creating = parts_->checkpoints.create();
    const auto made = co_await std::move(creating);
    if (!made && made.error().code() != ErrorCode::NotFound) {
        parts_->given.logger.warning(
            "no last checkpoint could be made", {{"cause", made.error().message()}});
    }
}

Result<void> KeystoreService::check_keys() const {
    return parts_->keys.check();
}

Task<Result<void>> KeystoreService::probe_database() const {
    auto unit = [](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT 1 FROM keystore_meta", {}));
        return {};
    };
    auto read = parts_->context.database.read(std::move(unit));
    co_return co_await std::move(read);
}

base::Json KeystoreService::info() const {
    using base::Json;
    const KeystoreOptions& options = parts_->options;
    const bool durable = options.sign_durability == storage::Durability::Durable;
    Json out = Json::object();
    out.set("chain", Json::string(options.network.chain));
    out.set("intents_contract", Json::string(options.network.intents.text()));
    out.set(
        "without_policy",
        Json::string(options.without_policy == WithoutPolicy::Allow ? "allow" : "deny"));
    out.set("audit_durability", Json::string(durable ? "durable" : "relaxed"));
    out.set("chain_connected", Json::boolean(parts_->given.chain_or_null != nullptr));
    out.set("secret_fingerprint", Json::string(secret_fingerprint()));
    Json workers = Json::array();
    for (const workflow::JobStatus& status : parts_->runner.status()) {
        Json worker = Json::object();
        worker.set("name", Json::string(status.name));
        worker.set("runs", Json::unsigned_integer(status.runs));
        worker.set("failures", Json::unsigned_integer(status.failures));
        worker.set("items", Json::integer(status.items));
        workers.push_back(std::move(worker));
    }
    out.set("workers", std::move(workers));
    return out;
}

std::string KeystoreService::secret_fingerprint() const {
    return parts_->keys.fingerprint();
}

}  // namespace adyton::keystore

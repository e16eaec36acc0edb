#include "pool/pool_service.h"

#include <utility>

#include "pool/internal/service_parts.h"

namespace adyton::pool {
namespace {

PoolMetrics make_metrics(service::MetricsRegistry& registry) {
    return PoolMetrics{
        registry.counter("adyton_pool_requests_total", "Calls of /request."),
        registry.counter("adyton_pool_accounts_locked_total", "Accounts handed out."),
        registry.counter("adyton_pool_accounts_released_total", "Accounts given back."),
        registry.counter("adyton_pool_locks_expired_total", "Allocations whose lease ran out."),
        registry.counter("adyton_pool_accounts_created_total", "Accounts created."),
        registry.counter("adyton_pool_accounts_retired_total", "Accounts marked as retiring."),
        registry.counter("adyton_pool_accounts_deleted_total", "Retiring accounts deleted."),
        registry.counter("adyton_pool_signatures_total", "Signatures made."),
        registry.counter("adyton_pool_key_mismatches_total", "Keys that were not their account's."),
        registry.counter("adyton_pool_policy_refusals_total", "Calls that a rule refused."),
    };
}

// The checkpoint key's derivation takes the master key as a buffer of its own.
crypto::Ed25519KeyPair checkpoint_key(const neo::MasterKey& master) {
    auto copy = crypto::SecretBuffer::copy_of(master.expose());
    CHECK(copy.has_value());  // it came from such a buffer
    return audit::derive_checkpoint_key(*copy);
}

std::unique_ptr<attest::AttestationService> simulated_platform(const base::Clock& clock) {
    attest::AttestationClaims claims;
    claims.version = kServiceVersion;
    claims.build_id = attest::running_build_id();
    return std::make_unique<attest::AttestationService>(
        clock, attest::simulated_evidence(), std::move(claims));
}

// What the evidence binds besides what the process knows: who this is, and the pool's keys.
void describe(PoolService::Parts& parts) {
    const auto key = parts.statement.public_key().bytes();
    parts.attestation.set_service(std::string(kServiceId));
    parts.attestation.set_key("pool-master", base::Bytes(key.begin(), key.end()), "p256");
    parts.attestation.add_signing_key("audit-ed25519", parts.checkpoint_key.public_key().to_hex());
    const auto digest = base::hex_decode(parts.given.policy.digest());
    CHECK(digest.has_value());
    parts.attestation.set_policy_digest(crypto::Sha256Digest::parse(*digest).value());
}

Result<void> check_options(const PoolOptions& options) {
    if (options.accounts_min < 0 || options.accounts_max < 1 ||
        options.accounts_min > options.accounts_max) {
        return Error::invalid_argument("pool.min_accounts must be between 0 and pool.max_accounts");
    }
    if (options.lock_ttl_default < std::chrono::seconds(1) ||
        options.lock_ttl_max < options.lock_ttl_default ||
        options.lock_ttl_max > std::chrono::seconds(api::kLockTtlSecondsMax)) {
        return Error::invalid_argument(
            "pool.lock.ttl_default must be between 1 s and pool.lock.ttl_max, which is at most 24 "
            "h");
    }
    if (options.rotation_rate_per_day < 0 || options.rotation_rate_per_day > 1) {
        return Error::invalid_argument("pool.rotation.rate_per_day must be between 0 and 1");
    }
    if (options.batch_sign_max < 1 || options.create_step < 1 || options.grow_step < 1) {
        return Error::invalid_argument("pool limits must be above zero");
    }
    return {};
}

base::Json transfers_info(const Transfers& transfers) {
    const TransferStages stages = transfers.stages();
    const workflow::RunnerStatus runner = transfers.runner_status();
    base::Json info = base::Json::object();
    const auto number = [&](const char* name, std::uint64_t value) {
        info.set(name, base::Json::unsigned_integer(value));
    };
    number("under_way", runner.held);
    number("prepared", stages.prepared);
    number("sent", stages.sent);
    number("confirmed", stages.confirmed);
    number("failed", stages.failed);
    number("expired", stages.expired);
    number("step_retries", runner.retries);
    number("look_up_us", stages.look_up / 1000);
    number("chain_us", stages.chain / 1000);
    number("sign_us", stages.sign / 1000);
    number("record_us", stages.record / 1000);
    number("send_us", stages.send / 1000);
    number("note_us", stages.note / 1000);
    return info;
}

base::Json worker_info(const workflow::JobStatus& status) {
    base::Json info = base::Json::object();
    info.set("name", base::Json::string(status.name));
    info.set("period", base::Json::string(base::to_go_duration(status.period)));
    info.set("running", base::Json::boolean(status.running));
    info.set("runs", base::Json::unsigned_integer(status.runs));
    info.set("failures", base::Json::unsigned_integer(status.failures));
    info.set("items", base::Json::integer(status.items));
    if (status.last_finished_at) {
        info.set(
            "last_finished_at",
            base::Json::string(base::to_rfc3339_seconds(*status.last_finished_at)));
    }
    return info;
}

}  // namespace

PoolService::Parts::Parts(PoolParts pool_parts, PoolKeys keys, PoolOptions pool_options)
    : given(std::move(pool_parts)),
      options(pool_options),
      signer(std::move(keys.master), std::move(keys.encryption_key), {options.self_check, 65'536}),
      checkpoint_key(pool::checkpoint_key(signer.master())),
      statement(signer.master(), std::move(keys.attestation_hash)),
      simulated(given.attestation == nullptr ? simulated_platform(given.executor) : nullptr),
      attestation(given.attestation == nullptr ? *simulated : *given.attestation),
      idempotency({std::chrono::ceil<std::chrono::hours>(given.idempotency_keep)}),
      metrics(make_metrics(given.metrics)),
      context{given.database, given.logger, given.audit, given.policy, given.random,
              signer,         idempotency,  options,     metrics},
      checkpoints(given.database, checkpoint_key),
      runner({given.instance, given.executor, given.database, given.random, given.logger}) {
    if (given.neo != nullptr) {
        workflow::StepRunner::Options driving{
            given.instance, given.executor, given.database, given.random, given.logger};
        driving.lease = options.transfers.lease;
        transfers =
            std::make_unique<Transfers>(context, *given.neo, std::move(driving), options.transfers);
        reconciler = std::make_unique<Reconciler>(context, *given.neo, *transfers, given.metrics);
    }
    add_workers(runner, context, checkpoints, reconciler.get());
    describe(*this);
}

PoolService::PoolService(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
PoolService::~PoolService() = default;

Task<Result<std::unique_ptr<PoolService>>> PoolService::create(
    PoolParts parts, PoolKeys keys, PoolOptions options) {
    CO_TRY_VOID(check_options(options));
    if (parts.neo != nullptr) options.network = parts.neo->magic();
    auto made = std::make_unique<Parts>(std::move(parts), std::move(keys), options);
    // A whole signature once, so that the first caller is not the one who finds out.
    const KeyRecord probe{
        "00000000-0000-4000-8000-000000000000",
        {},
        made->signer.create_account("00000000-0000-4000-8000-000000000000").fingerprint,
        {}};
    const auto digest = crypto::sha256(base::as_bytes("adyton/self-test/v1"));
    CO_TRY(const auto signature, made->signer.sign(probe, digest));
    if (!crypto::verify(signature.public_key, digest, signature.signature)) {
        co_return Error::internal("the signing self-test failed");
    }
    auto check = check_master_key(made->given.database, made->signer);
    CO_TRY_VOID(co_await std::move(check));
    co_return std::unique_ptr<PoolService>(new PoolService(std::move(made)));
}

void PoolService::start() {
    parts_->runner.start();
    if (parts_->transfers) parts_->transfers->start();
}

Task<void> PoolService::stop() {
    if (parts_->transfers) {
        auto resting = parts_->transfers->stop();
        co_await std::move(resting);
    }
    auto stopping = parts_->runner.stop();
    co_await std::move(stopping);
    // What was recorded since the last checkpoint is signed before the process ends.
    auto signing = checkpoint(parts_->checkpoints);
    const auto last = co_await std::move(signing);
    if (!last) {
        parts_->given.logger.warning(
            "no last checkpoint of the audit log", {{"cause", last.error().message()}});
    }
}

Result<void> PoolService::check_keys() const {
    return parts_->signer.check();
}

Task<Result<void>> PoolService::probe_database() const {
    auto unit = [](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT shard FROM pool_stats LIMIT 1", {}));
        return {};
    };
    auto read = parts_->given.database.read(std::move(unit));
    co_return co_await std::move(read);
}

base::Json PoolService::info() const {
    const PoolOptions& options = parts_->options;
    base::Json settings = base::Json::object();
    settings.set("min_accounts", base::Json::integer(options.accounts_min));
    settings.set("max_accounts", base::Json::integer(options.accounts_max));
    settings.set("batch_sign_max", base::Json::unsigned_integer(options.batch_sign_max));
    settings.set("lock_ttl_max", base::Json::string(base::to_go_duration(options.lock_ttl_max)));
    settings.set(
        "signing_self_check", base::Json::boolean(options.self_check == crypto::SelfCheck::On));
    base::Json workers = base::Json::array();
    for (const auto& status : parts_->runner.status()) workers.push_back(worker_info(status));
    base::Json info = base::Json::object();
    info.set("pool", std::move(settings));
    info.set(
        "audit_durability",
        base::Json::string(
            options.sign_durability == storage::Durability::Durable ? "durable" : "relaxed"));
    info.set("policy_digest", base::Json::string(parts_->given.policy.digest()));
    info.set("master_key_hash", base::Json::string(parts_->statement.hash()));
    info.set("workers", std::move(workers));
    if (parts_->transfers) info.set("transfers", transfers_info(*parts_->transfers));
    if (parts_->reconciler) info.set("chain_balances", parts_->reconciler->info());
    return info;
}

const std::string& PoolService::master_key_hash() const {
    return parts_->statement.hash();
}

}  // namespace adyton::pool

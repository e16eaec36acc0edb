#include "compute/compute_service.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "compute/internal/service_parts.h"
#include "compute/job_runner.h"
#include "compute/secret_repository.h"
#include "workflow/idempotency.h"

namespace adyton::compute {
namespace {

constexpr std::int64_t kAtOnce = 1000;
constexpr std::int64_t kSecretsAtOnce = 100;

ComputeMetrics make_metrics(service::MetricsRegistry& registry) {
    return ComputeMetrics{
        registry.counter("adyton_compute_completed_total", "Jobs that gave a result."),
        registry.counter("adyton_compute_failed_total", "Jobs that ended without one."),
        registry.counter(
            "adyton_compute_refused_total", "Requests refused for a limit on jobs (429)."),
        registry.counter(
            "adyton_compute_secrets_denied_total", "Jobs that asked for a secret in vain."),
        registry.counter(
            "adyton_compute_leaks_total", "Jobs whose output or console held a secret."),
    };
}

// The first key of a database is remembered; another is refused unless it comes with the one
// before it.
Result<void> check_key(
    storage::Transaction& tx, const ComputeKeys& keys, const ComputeKeys* previous_or_null) {
    TRY_VOID(tx.execute(
        "INSERT INTO compute_meta (name, value) VALUES ('master_key', $1) ON CONFLICT DO NOTHING",
        {keys.id()}));
    TRY(const auto rows, tx.query("SELECT value FROM compute_meta WHERE name = 'master_key'", {}));
    TRY(const auto known, rows.text(0, 0));
    if (known == keys.id()) return {};
    if (previous_or_null == nullptr || known != previous_or_null->id()) {
        return Error::conflict(
            "the master key is not the one that this database was last used with; set the right "
            "COMPUTE_MASTER_KEY, or give the old one as compute.previous_master_key",
            "compute_key_changed");
    }
    TRY_VOID(
        tx.execute("UPDATE compute_meta SET value = $1 WHERE name = 'master_key'", {keys.id()}));
    return {};
}

Task<Result<std::int64_t>> rotate_secrets(ComputeContext& compute) {
    std::int64_t total = 0;
    if (compute.previous_keys_or_null == nullptr) co_return total;
    for (;;) {
        auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
            TRY(const auto count, secrets::rotate(
                                      tx, *compute.previous_keys_or_null, compute.keys,
                                      compute.random, kSecretsAtOnce));
            if (count > 0) {
                TRY_VOID(record(
                    tx, compute, "compute.secrets_rotated", "system:compute",
                    [&](base::JsonWriter& out) {
                        out.member("from", std::string_view(compute.previous_keys_or_null->id()));
                        out.member("to", std::string_view(compute.keys.id()));
                        out.member("secrets", count);
                    }));
            }
            return count;
        };
        auto write = compute.database.write(std::move(unit));
        CO_TRY(const std::int64_t count, co_await std::move(write));
        total += count;
        if (count < kSecretsAtOnce) break;
    }
    co_return total;
}

Task<Result<std::int64_t>> clean_up(ComputeService::Parts& parts, workflow::JobContext& job) {
    ComputeContext& compute = parts.context;
    std::int64_t total = 0;
    while (!job.should_stop()) {
        auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
            TRY_VOID(job.check(tx));
            TRY(const auto expired, jobs::remove_expired(tx, kAtOnce));
            TRY(const auto excess,
                jobs::remove_excess(
                    tx,
                    {compute.options.kept_per_user_max, compute.options.kept_bytes_per_user_max,
                     compute.options.kept_bytes_max},
                    kAtOnce));
            TRY(const auto keys, workflow::IdempotencyStore().remove_expired(tx, kAtOnce));
            return expired + excess + keys;
        };
        auto write = compute.database.write(std::move(unit));
        CO_TRY(const std::int64_t removed, co_await std::move(write));
        total += removed;
        if (removed < kAtOnce) break;
    }
    co_return total;
}

// Every instance counts for its own /info; rarely, for it reads every row.
Task<Result<void>> count_jobs(ComputeService::Parts& parts) {
    auto unit = [](storage::Transaction& tx) { return jobs::count_all(tx); };
    auto read = parts.context.database.read(std::move(unit));
    CO_TRY(const std::int64_t count, co_await std::move(read));
    parts.total_jobs.store(count);
    co_return Result<void>();
}

Task<Result<std::int64_t>> checkpoint(audit::Checkpoints& checkpoints) {
    auto creating = checkpoints.create();
    const auto made = co_await std::move(creating);
    if (made) co_return 1;
    if (made.error().code() == ErrorCode::NotFound) co_return 0;
    co_return made.error();
}

void add_jobs(ComputeService::Parts& parts) {
    const auto add = [&](std::string name, base::Duration period,
                         std::function<Task<Result<std::int64_t>>(workflow::JobContext&)> run) {
        workflow::PeriodicJob job;
        job.name = std::move(name);
        job.period = period;
        job.run = std::move(run);
        parts.runner.add(std::move(job));
    };
    add("compute.cleanup", parts.options.cleanup_period,
        [&parts](workflow::JobContext& job) { return clean_up(parts, job); });
    add("compute.checkpoint", parts.options.checkpoint_period,
        [&parts](workflow::JobContext&) { return checkpoint(parts.checkpoints); });
}

Task<Result<void>> beat_once(ComputeService::Parts& parts) {
    ComputeContext& compute = parts.context;
    struct Pulse {
        jobs::Counts counts;
        bool alone = false;
        bool key_changed = false;
    };
    auto unit = [&](storage::Transaction& tx) -> Result<Pulse> {
        TRY_VOID(jobs::renew_instance(tx, compute.claim, compute.options.instance_lease));
        Pulse pulse;
        TRY(pulse.counts, jobs::count_open(tx));
        TRY(pulse.alone, jobs::is_alone(tx, compute.claim));
        const auto same = jobs::check_master_key(tx, compute.claim);
        pulse.key_changed = !same && same.error().reason() == "master_key_changed";
        if (!same && !pulse.key_changed) return same.error();
        return pulse;
    };
    auto write = compute.database.write(std::move(unit));
    const auto pulse = co_await std::move(write);
    compute.alone.store(pulse && pulse->alone);
    if (!pulse) co_return pulse.error();
    const jobs::Counts& counts = pulse->counts;
    if (!compute.key_changed.exchange(pulse->key_changed) && pulse->key_changed) {
        compute.logger.error(jobs::master_key_changed().message(), {});
    }
    parts.running_jobs.store(counts.running);
    parts.queued_jobs.store(counts.queued);
    auto watching = watch_running(compute);
    CO_TRY_VOID(co_await std::move(watching));
    const auto here = static_cast<std::int64_t>(parts.live.size());
    // With the key before, what another one's jobs have left could not be read.
    if (counts.running > here && !pulse->key_changed) {
        auto settling = settle_orphans(compute);
        CO_TRY(const auto settled, co_await std::move(settling));
        if (settled > 0) {
            compute.logger.warning("jobs that nobody ran were settled", {{"jobs", settled}});
        }
    }
    if (counts.queued > 0 && !pulse->key_changed) {
        auto pumping = pump_queue(compute);
        CO_TRY(const auto started, co_await std::move(pumping));
        (void)started;
    }
    co_return Result<void>();
}

// Until `heart` says stop; then the parts are not touched any more.
Task<void> beat(ComputeService::Parts& parts, std::shared_ptr<Heart> heart) {
    constexpr base::Duration kSlice = std::chrono::milliseconds(50);
    base::Executor& executor = parts.context.executor;
    base::SteadyTime count_at = executor.steady_now();
    while (heart->on.load()) {
        auto once = beat_once(parts);
        auto done = co_await std::move(once);
        if (done && executor.steady_now() >= count_at) {
            auto counting = count_jobs(parts);
            done = co_await std::move(counting);
            count_at = executor.steady_now() + parts.options.cleanup_period;
        }
        if (!done) {
            parts.given.logger.warning(
                "the heartbeat of compute", {{"cause", done.error().message()}});
        }
        const base::SteadyTime next = executor.steady_now() + parts.options.heartbeat;
        while (heart->on.load() && executor.steady_now() < next) {
            auto pause = base::sleep_for(executor, std::min(kSlice, parts.options.heartbeat));
            co_await std::move(pause);
        }
    }
    heart->ended.store(true);
}

}  // namespace

ComputeService::Parts::Parts(
    ComputeParts its_given, std::unique_ptr<ComputeKeys> its_keys,
    std::unique_ptr<ComputeKeys> its_previous, ComputeOptions its_options)
    : given(std::move(its_given)),
      options(std::move(its_options)),
      keys(std::move(its_keys)),
      previous_keys(std::move(its_previous)),
      checkpoint_key(keys->checkpoint_key()),
      metrics(make_metrics(given.metrics)),
      gate(
          given.engine.capacity(), options.waiting_max,
          static_cast<std::size_t>(options.running_per_user_max)),
      context{
          given.database,
          given.executor,
          given.logger,
          given.audit,
          given.random,
          *keys,
          previous_keys.get(),
          given.engine,
          given.engine_name,
          options,
          metrics,
          given.broker_or_null,
          gate,
          live,
          {},
          {},
          std::make_shared<std::atomic<std::size_t>>(0),
          {},
          {}},
      checkpoints(given.database, checkpoint_key),
      runner({given.instance, given.executor, given.database, given.random, given.logger}),
      heart(std::make_shared<Heart>()) {}

ComputeService::ComputeService(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
ComputeService::~ComputeService() {
    parts_->heart->on.store(false);
}

Task<Result<std::unique_ptr<ComputeService>>> ComputeService::create(
    ComputeParts parts, crypto::SecretBuffer master,
    std::optional<crypto::SecretBuffer> previous_master, ComputeOptions options) {
    CO_TRY(auto keys, ComputeKeys::create(std::move(master)));
    std::unique_ptr<ComputeKeys> previous;
    if (previous_master) {
        CO_TRY(auto before, ComputeKeys::create(*std::move(previous_master)));
        if (before.id() != keys.id()) previous = std::make_unique<ComputeKeys>(std::move(before));
    }
    std::unique_ptr<ComputeService> made(new ComputeService(std::make_unique<Parts>(
        std::move(parts), std::make_unique<ComputeKeys>(std::move(keys)), std::move(previous),
        std::move(options))));
    ComputeContext& compute = made->parts_->context;
    auto unit = [&](storage::Transaction& tx) -> Result<InstanceClaim> {
        TRY_VOID(check_key(tx, compute.keys, compute.previous_keys_or_null));
        TRY(auto claim, jobs::register_instance(
                            tx, made->parts_->given.instance, compute.options.instance_lease));
        claim.master_key_id = compute.keys.id();
        return claim;
    };
    auto write = compute.database.write(std::move(unit));
    CO_TRY(compute.claim, co_await std::move(write));
    auto rotating = rotate_secrets(compute);
    CO_TRY(const auto rotated, co_await std::move(rotating));
    if (rotated > 0) {
        compute.logger.info("secrets were sealed under the new master key", {{"secrets", rotated}});
    }
    auto foreign = [&](storage::Transaction& tx) {
        return secrets::count_foreign(tx, compute.keys.id());
    };
    auto counting = compute.database.read(std::move(foreign));
    CO_TRY(const std::int64_t unreadable, co_await std::move(counting));
    if (unreadable > 0) {
        compute.logger.warning(
            "secrets lie under another master key and cannot be opened", {{"secrets", unreadable}});
    }
    add_jobs(*made->parts_);
    co_return made;
}

void ComputeService::start() {
    parts_->runner.start();
    parts_->heart->on.store(true);
    parts_->heart->ended.store(false);
    base::spawn(parts_->context.executor, beat(*parts_, parts_->heart));
}

Task<void> ComputeService::stop() {
    ComputeContext& compute = parts_->context;
    compute.stopping.store(true);
    compute.gate.end_queue();
    // Jobs that nobody waits for any more; the others have been drained.
    while (compute.queue_work->load() > 0 || compute.live.size() > 0) {
        for (const auto& job : compute.live.all()) compute.engine.cancel(job->job_id());
        auto pause = base::sleep_for(compute.executor, std::chrono::milliseconds(20));
        co_await std::move(pause);
    }
    parts_->heart->on.store(false);
    while (!parts_->heart->ended.load()) {
        auto pause = base::sleep_for(compute.executor, std::chrono::milliseconds(10));
        co_await std::move(pause);
    }
    auto stopping = parts_->runner.stop();
    co_await std::move(stopping);
    auto unit = [&](storage::Transaction& tx) { return jobs::retire_instance(tx, compute.claim); };
    auto write = compute.database.write(std::move(unit));
    const auto retired = co_await std::move(write);
    if (!retired) {
        compute.logger.warning("could not sign off", {{"cause", retired.error().message()}});
    }
    auto creating = parts_->checkpoints.create();
    const auto made = co_await std::move(creating);
    if (!made && made.error().code() != ErrorCode::NotFound) {
        compute.logger.warning(
            "no last checkpoint could be made", {{"cause", made.error().message()}});
    }
}

Result<void> ComputeService::check_keys() const {
    if (parts_->context.key_changed.load()) return jobs::master_key_changed();
    return {};
}

Task<Result<void>> ComputeService::probe_database() const {
    auto unit = [](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT 1 FROM compute_meta", {}));
        return {};
    };
    auto read = parts_->context.database.read(std::move(unit));
    co_return co_await std::move(read);
}

base::Json ComputeService::info() const {
    using base::Json;
    const Parts& parts = *parts_;
    Json statistics = Json::object();
    statistics.set("total_jobs", Json::integer(parts.total_jobs.load()));
    statistics.set("running_jobs", Json::integer(parts.running_jobs.load()));
    statistics.set("queued_jobs", Json::integer(parts.queued_jobs.load()));
    statistics.set("result_ttl", Json::string(base::to_go_duration(parts.options.result_ttl)));
    statistics.set(
        "cleanup_interval", Json::string(base::to_go_duration(parts.options.cleanup_period)));
    Json isolation = Json::array();
    const script::Layers layers = parts.given.engine.layers();
    for (const std::string_view name : layers.names()) {
        isolation.push_back(Json::string(std::string(name)));
    }
    Json out = Json::object();
    out.set("statistics", std::move(statistics));
    out.set("engine", Json::string(parts.given.engine_name));
    out.set("isolation", std::move(isolation));
    out.set("executors", Json::unsigned_integer(parts.given.engine.capacity()));
    out.set("network", Json::boolean(parts.given.broker_or_null != nullptr));
    out.set("sealing_public_key", Json::string(parts.keys->sealing_public().to_hex()));
    out.set(
        "receipt_public_key", Json::string(parts.keys->receipt_ed25519().public_key().to_hex()));
    out.set("receipt_p256_public_key", Json::string(parts.keys->receipt_p256_public().to_hex()));
    out.set("master_key_id", Json::string(parts.keys->id()));
    return out;
}

const ComputeKeys& ComputeService::keys() const {
    return *parts_->keys;
}

std::string ComputeService::key_id() const {
    return parts_->keys->id();
}

}  // namespace adyton::compute

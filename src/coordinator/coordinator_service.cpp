#include "coordinator/coordinator_service.h"

#include <utility>

#include "coordinator/evidence.h"
#include "coordinator/internal/core.h"
#include "coordinator/internal/lanes.h"

namespace adyton::coordinator {
namespace {

CoordinatorMetrics make_metrics(service::MetricsRegistry& registry) {
    return CoordinatorMetrics{
        registry.counter("adyton_coordinator_accepted_total", "Requests kept."),
        registry.counter(
            "adyton_coordinator_replayed_total", "Requests answered from an earlier one."),
        registry.counter("adyton_coordinator_succeeded_total", "Workflows that succeeded."),
        registry.counter("adyton_coordinator_failed_total", "Workflows that ended otherwise."),
        registry.counter("adyton_coordinator_resent_total", "Transactions sent again."),
        registry.counter(
            "adyton_coordinator_resigned_total",
            "Transactions signed anew because the one before was dead."),
        registry.counter(
            "adyton_coordinator_foreign_batches_total",
            "Resumes refused because somebody else's batch was under way."),
    };
}

Task<Result<std::int64_t>> checkpoint(audit::Checkpoints& checkpoints) {
    auto creating = checkpoints.create();
    const auto made = co_await std::move(creating);
    if (made) co_return 1;
    if (made.error().code() == ErrorCode::NotFound) co_return 0;
    co_return made.error();
}

std::vector<std::unique_ptr<KeyLane>> relayer_lanes_of(const CoordinatorKeys& keys) {
    std::vector<std::unique_ptr<KeyLane>> out;
    for (const crypto::Ed25519KeyPair& key : keys.relayer_keys) {
        out.push_back(std::make_unique<KeyLane>(keys.relayer, key));
    }
    return out;
}

workflow::StepRunner::Options runner_options(const CoordinatorParts& parts) {
    workflow::StepRunner::Options out{
        parts.instance + "/workflows", parts.executor, parts.database, parts.random, parts.logger};
    out.lease = parts.run_lease;
    return out;
}

}  // namespace

CoordinatorService::Core::Core(
    CoordinatorParts its_parts, CoordinatorKeys its_keys, CoordinatorOptions its_options)
    : parts(std::move(its_parts)),
      options(std::move(its_options)),
      keys(std::move(its_keys)),
      evidence_key(derive_evidence_key(keys.approver_key)),
      metrics(make_metrics(parts.metrics)),
      facts(
          options, keys.relayer, keys.approver, parts.chain, parts.archive_or_null, parts.executor),
      relayer_lanes(relayer_lanes_of(keys)),
      approver_lane(keys.approver, keys.approver_key),
      checkpoints(parts.database, evidence_key),
      periodic({parts.instance, parts.executor, parts.database, parts.random, parts.logger}),
      runner(runner_options(parts)),
      board(std::make_shared<NewsBoard>()) {
    workflow::RunKind gate;
    gate.name = kGateRunKind;
    gate.step = [this](workflow::StepContext& context) { return gate_step(context); };
    gate.give_up = [this](
                       storage::Transaction& tx, const workflow::Run& run,
                       const std::string& reason) { return give_up(tx, run, reason); };
    gate.lost = [this](const std::string& id) { forget(id); };
    runner.add(gate);
    workflow::RunKind direct = gate;
    direct.name = kDirectRunKind;
    direct.step = [this](workflow::StepContext& context) { return direct_step(context); };
    runner.add(std::move(direct));
    runner.add(lanes_run_kind(*this));
    workflow::PeriodicJob job;
    job.name = "coordinator.checkpoint";
    job.period = options.checkpoint_period;
    job.run = [this](workflow::JobContext&) { return checkpoint(checkpoints); };
    periodic.add(std::move(job));
}

Result<void> CoordinatorService::Core::open_outbox(WebhookSetup setup) {
    TRY(outbox, WebhookOutbox::create(
                    {parts.database, parts.executor, parts.logger, parts.random, parts.metrics,
                     parts.instance, parts.run_lease},
                    std::move(setup)));
    workflow::PeriodicJob job;
    job.name = "coordinator.webhook_prune";
    job.period = outbox->prune_period();
    job.run = [this](workflow::JobContext&) { return outbox->prune(); };
    periodic.add(std::move(job));
    return {};
}

CoordinatorService::CoordinatorService(std::unique_ptr<Core> core) : core_(std::move(core)) {}
CoordinatorService::~CoordinatorService() = default;

Task<Result<std::unique_ptr<CoordinatorService>>> CoordinatorService::create(
    CoordinatorParts parts, CoordinatorKeys keys, CoordinatorOptions options) {
    CO_TRY_VOID(check_options(options));
    if (keys.relayer_keys.empty()) {
        co_return Error::invalid_argument("RELAYER_SECRET_KEY names no key");
    }
    for (const std::string& warning : warnings_of(options)) parts.logger.warning(warning);
    WebhookSetup webhooks = std::move(parts.webhooks);
    std::unique_ptr<CoordinatorService> made(new CoordinatorService(
        std::make_unique<Core>(std::move(parts), std::move(keys), std::move(options))));
    if (!webhooks.endpoints.empty()) {
        CO_TRY_VOID(made->core_->open_outbox(std::move(webhooks)));
    }
    co_return made;
}

void CoordinatorService::start() {
    core_->ready.store(true);
    core_->runner.start();
    if (core_->outbox != nullptr) core_->outbox->start();
    core_->periodic.start();
}

Task<void> CoordinatorService::stop() {
    core_->ready.store(false);
    auto stopping = core_->runner.stop();
    co_await std::move(stopping);
    if (core_->outbox != nullptr) {
        auto stopping_outbox = core_->outbox->stop();
        co_await std::move(stopping_outbox);
    }
    auto stopping_jobs = core_->periodic.stop();
    co_await std::move(stopping_jobs);
    auto last = core_->checkpoints.create();
    const auto made = co_await std::move(last);
    if (!made && made.error().code() != ErrorCode::NotFound) {
        core_->parts.logger.warning(
            "no last checkpoint could be made", {{"cause", made.error().message()}});
    }
}

Task<Result<void>> CoordinatorService::probe_database() const {
    auto unit = [](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(tx.query("SELECT 1 FROM coordinator_gates", {}));
        return {};
    };
    auto read = core_->parts.database.read(std::move(unit));
    co_return co_await std::move(read);
}

base::Json CoordinatorService::info() const {
    using base::Json;
    const CoordinatorOptions& options = core_->options;
    Json out = Json::object();
    Json gates = Json::array();
    for (const near::AccountId& gate : options.gates) {
        gates.push_back(Json::object()
                            .set("gate_id", Json::string(gate.text()))
                            .set("batch_ms", Json::real(core_->pace_of(gate.text()))));
    }
    out.set("gates", std::move(gates));
    out.set("relayer", Json::string(core_->keys.relayer.text()));
    out.set("relayer_keys", Json::unsigned_integer(core_->relayer_lanes.size()));
    out.set("approver", Json::string(core_->keys.approver.text()));
    out.set("submit_intent_gas", Json::string(options.submit_gas.to_string()));
    out.set("funding_lane", Json::boolean(options.enable_funding_lane));
    out.set("direct_user_lane", Json::boolean(options.enable_direct_user_lane));
    Json receivers = Json::array();
    if (core_->outbox != nullptr) {
        for (const std::string& name : core_->outbox->endpoint_names()) {
            receivers.push_back(Json::string(name));
        }
    }
    out.set("webhooks", std::move(receivers));
    out.set("evidence_key", Json::string(core_->evidence_key.public_key().to_hex()));
    const workflow::RunnerStatus runs = core_->runner.status();
    out.set(
        "statistics", Json::object()
                          .set("held", Json::unsigned_integer(runs.held))
                          .set("calls", Json::unsigned_integer(runs.calls))
                          .set("claimed", Json::unsigned_integer(runs.claimed))
                          .set("retries", Json::unsigned_integer(runs.retries))
                          .set("finished", Json::unsigned_integer(runs.finished))
                          .set("lost", Json::unsigned_integer(runs.lost)));
    return out;
}

workflow::RunnerStatus CoordinatorService::runner_status() const {
    return core_->runner.status();
}

crypto::Ed25519PublicKey CoordinatorService::evidence_key() const {
    return core_->evidence_key.public_key();
}

}  // namespace adyton::coordinator

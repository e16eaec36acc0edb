#include "coordinator/webhook_outbox.h"

#include <fmt/format.h>

#include <utility>

#include "base/json.h"
#include "crypto/uuid.h"
#include "http/status.h"
#include "workflow/journal.h"

namespace adyton::coordinator {

using workflow::Run;
using workflow::RunState;
using workflow::StepContext;
using workflow::StepOutcome;

namespace {

constexpr std::size_t kErrorBytesMax = 300;
constexpr std::int64_t kPruneAtOnce = 1'000;
constexpr std::string_view kUserAgent = "adyton-webhooks/1";

using StepResult = Result<StepOutcome>;

std::string delivery_id_of(const std::string& run_id) {
    return run_id.substr(0, run_id.rfind('.'));
}

workflow::NewRun new_run(const WebhookDelivery& delivery, std::int64_t attempts_max) {
    workflow::NewRun out;
    out.id = webhook_run_id(delivery);
    out.kind = std::string(kWebhookRunKind);
    out.subject = delivery.endpoint;  // so that one slow receiver waits alone
    out.step = "deliver";
    out.attempts_max = attempts_max;
    return out;
}

workflow::StepRunner::Options runner_options(
    const WebhookOutbox::Parts& parts, const WebhookOptions& options) {
    workflow::StepRunner::Options out{
        parts.instance + "/webhooks", parts.executor, parts.database, parts.random, parts.logger};
    out.lease = parts.run_lease;
    out.concurrent_max = options.concurrent_max;
    out.poll_period = options.poll_period;
    return out;
}

// What came of one attempt.
struct Attempt {
    bool delivered = false;
    bool hopeless = false;
    std::optional<std::int64_t> http_status;
    std::string error;
};

Attempt judge(const Result<http::Response>& sent) {
    Attempt out;
    if (!sent) {
        // The receiver may have it all the same: it comes again under the same id.
        out.error = sent.error().message().substr(0, kErrorBytesMax);
        return out;
    }
    const auto number = http::status_number(sent->status);
    out.http_status = static_cast<std::int64_t>(number);
    out.delivered = number >= 200 && number < 300;
    out.hopeless = number == 410;
    if (!out.delivered) out.error = fmt::format("the receiver answered {}", number);
    return out;
}

}  // namespace

struct WebhookOutbox::Core {
    Core(Parts its_parts, std::vector<WebhookEndpoint> its_endpoints, WebhookOptions its_options)
        : parts(std::move(its_parts)),
          endpoints(std::move(its_endpoints)),
          options(its_options),
          delivered(parts.metrics.counter(
              "adyton_coordinator_webhooks_delivered_total", "Webhooks that were answered 2xx.")),
          failed(parts.metrics.counter(
              "adyton_coordinator_webhooks_failed_attempts_total",
              "Attempts to deliver a webhook that failed.")),
          dead(parts.metrics.counter(
              "adyton_coordinator_webhooks_dead_total", "Webhooks that were given up.")),
          runner(runner_options(parts, options)) {
        workflow::RunKind kind;
        kind.name = kWebhookRunKind;
        kind.step = [this](StepContext& context) { return deliver(context); };
        kind.give_up = [this](storage::Transaction& tx, const Run& run, const std::string& reason) {
            return give_up(tx, run, reason);
        };
        kind.retry_first = options.retry_first;
        kind.retry_max = options.retry_max;
        runner.add(std::move(kind));
    }

    const WebhookEndpoint* find_endpoint(const std::string& name) const {
        for (const WebhookEndpoint& endpoint : endpoints) {
            if (endpoint.name == name) return &endpoint;
        }
        return nullptr;
    }
    Task<StepResult> deliver(StepContext& context);
    Task<Result<http::Response>> send(
        const WebhookEndpoint& endpoint, const WebhookDelivery& delivery);
    // Ends the run and the delivery.
    Task<StepResult> end(StepContext& context, WebhookDelivery delivery, RunState state);
    Result<void> give_up(storage::Transaction& tx, const Run& run, const std::string& reason);

    const Parts parts;
    const std::vector<WebhookEndpoint> endpoints;
    const WebhookOptions options;
    service::Counter& delivered;
    service::Counter& failed;
    service::Counter& dead;
    workflow::StepRunner runner;
};

Task<Result<http::Response>> WebhookOutbox::Core::send(
    const WebhookEndpoint& endpoint, const WebhookDelivery& delivery) {
    const WebhookMessage message{delivery.id, parts.executor.now(), delivery.body};
    http::ClientRequest request;
    request.method = "POST";
    request.url = endpoint.url;
    request.timeout = options.timeout;
    request.body = delivery.body;
    const auto seconds = std::chrono::floor<std::chrono::seconds>(message.sent_at);
    request.headers.add("Content-Type", "application/json");
    request.headers.add("User-Agent", kUserAgent);
    request.headers.add(kWebhookIdHeader, message.id);
    request.headers.add(
        kWebhookTimestampHeader, std::to_string(seconds.time_since_epoch().count()));
    request.headers.add(kWebhookSignatureHeader, webhook_signature(message, endpoint.secrets));
    auto sending = endpoint.transport->send(std::move(request));
    co_return co_await std::move(sending);
}

Task<StepResult> WebhookOutbox::Core::end(
    StepContext& context, WebhookDelivery delivery, RunState state) {
    const std::string reason = delivery.last_error;
    const std::string event(to_string(delivery.state));
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(context.finish(tx, state, reason, {event}));
        return webhooks::update(tx, delivery);
    };
    auto write = parts.database.write(unit);
    CO_TRY_VOID(co_await std::move(write));
    if (delivery.state == WebhookState::Delivered) {
        delivered.add();
        co_return StepOutcome::ended();
    }
    dead.add();
    parts.logger.warning(
        "a webhook is given up", {{"webhook_id", delivery.id},
                                  {"endpoint", delivery.endpoint},
                                  {"cause", delivery.last_error}});
    co_return StepOutcome::ended();
}

Task<StepResult> WebhookOutbox::Core::deliver(StepContext& context) {
    const std::string id = delivery_id_of(context.run().id);
    auto unit = [&id](storage::Transaction& tx) { return webhooks::find(tx, id); };
    auto read = parts.database.read(unit);
    CO_TRY(auto found, co_await std::move(read));
    if (!found) co_return Error::corrupt_data("a webhook's run has no delivery");
    WebhookDelivery delivery = *std::move(found);
    const WebhookEndpoint* const endpoint = find_endpoint(delivery.endpoint);
    if (endpoint == nullptr) {
        delivery.state = WebhookState::Dead;
        delivery.last_error = "the configuration no longer names the endpoint";
        auto ending = end(context, std::move(delivery), RunState::Failed);
        co_return co_await std::move(ending);
    }
    if (!context.may_act()) co_return StepOutcome::again(options.retry_first);
    auto sending = send(*endpoint, delivery);
    const auto sent = co_await std::move(sending);
    const Attempt attempt = judge(sent);
    ++delivery.attempts;
    delivery.last_http_status = attempt.http_status;
    delivery.last_error = attempt.error;
    if (attempt.delivered || attempt.hopeless) {
        delivery.state = attempt.delivered ? WebhookState::Delivered : WebhookState::Dead;
        const RunState state = attempt.delivered ? RunState::Succeeded : RunState::Failed;
        auto ending = end(context, std::move(delivery), state);
        co_return co_await std::move(ending);
    }
    failed.add();
    auto failing = [&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(context.check(tx));
        return webhooks::update(tx, delivery);
    };
    auto write = parts.database.write(failing);
    CO_TRY_VOID(co_await std::move(write));
    co_return StepOutcome::retry(Error::unavailable(attempt.error));
}

Result<void> WebhookOutbox::Core::give_up(
    storage::Transaction& tx, const Run& run, const std::string& reason) {
    TRY(auto delivery, webhooks::find(tx, delivery_id_of(run.id)));
    if (!delivery) return Error::corrupt_data("a webhook's run has no delivery");
    delivery->state = WebhookState::Dead;
    if (delivery->last_error.empty()) delivery->last_error = reason.substr(0, kErrorBytesMax);
    dead.add();
    parts.logger.warning(
        "a webhook is given up", {{"webhook_id", delivery->id},
                                  {"endpoint", delivery->endpoint},
                                  {"cause", delivery->last_error}});
    return webhooks::update(tx, *delivery);
}

WebhookOutbox::WebhookOutbox(std::unique_ptr<Core> core) : core_(std::move(core)) {}
WebhookOutbox::~WebhookOutbox() = default;

Result<std::unique_ptr<WebhookOutbox>> WebhookOutbox::create(Parts parts, WebhookSetup setup) {
    TRY_VOID(check_webhooks(setup.endpoints, setup.plain_http));
    return std::unique_ptr<WebhookOutbox>(new WebhookOutbox(
        std::make_unique<Core>(std::move(parts), std::move(setup.endpoints), setup.options)));
}

Result<void> WebhookOutbox::announce(storage::Transaction& tx, const WorkflowRecord& record) const {
    if (record.endpoint == kSegmentEndpoint) return {};  // its workflow is told
    const std::string event = webhook_event_of(record.status);
    for (const WebhookEndpoint& endpoint : core_->endpoints) {
        if (!endpoint.wants(record.wallet_id, event)) continue;
        TRY(const base::Timestamp now, tx.now());
        WebhookDelivery delivery;
        delivery.id = "msg_" + crypto::uuid_v4(core_->parts.random);
        delivery.endpoint = endpoint.name;
        delivery.wallet_id = record.wallet_id;
        delivery.request_id = record.request_id;
        delivery.event = event;
        delivery.body = webhook_body(record, now);
        TRY_VOID(webhooks::insert(tx, delivery));
        TRY_VOID(workflow::insert_run(tx, new_run(delivery, core_->options.attempts_max)));
    }
    return {};
}

Result<WebhookDelivery> WebhookOutbox::retry(
    storage::Transaction& tx, const std::string& wallet_id, const std::string& id) const {
    TRY(auto delivery, webhooks::find(tx, id));
    if (!delivery || delivery->wallet_id != wallet_id) {
        return Error::not_found("webhook " + id + " was not found", "request_not_found");
    }
    if (delivery->state != WebhookState::Dead) {
        return Error::conflict("the webhook is not dead", "webhook_not_dead");
    }
    delivery->state = WebhookState::Pending;
    ++delivery->rounds;
    TRY_VOID(webhooks::update(tx, *delivery));
    TRY_VOID(workflow::insert_run(tx, new_run(*delivery, core_->options.attempts_max)));
    return *std::move(delivery);
}

void WebhookOutbox::start() {
    core_->runner.start();
}
Task<void> WebhookOutbox::stop() {
    auto stopping = core_->runner.stop();
    co_await std::move(stopping);
}
workflow::RunnerStatus WebhookOutbox::status() const {
    return core_->runner.status();
}

std::vector<std::string> WebhookOutbox::endpoint_names() const {
    std::vector<std::string> out;
    for (const WebhookEndpoint& endpoint : core_->endpoints) out.push_back(endpoint.name);
    return out;
}

Task<Result<std::int64_t>> WebhookOutbox::prune() {
    const auto keep = std::chrono::duration_cast<std::chrono::microseconds>(core_->options.keep);
    auto unit = [keep](storage::Transaction& tx) -> Result<std::int64_t> {
        TRY(const base::Timestamp now, tx.now());
        TRY(const std::int64_t removed, webhooks::remove_over(tx, now - keep, kPruneAtOnce));
        TRY_VOID(workflow::remove_final_runs(tx, kWebhookRunKind, now - keep, kPruneAtOnce));
        return removed;
    };
    auto write = core_->parts.database.write(unit);
    co_return co_await std::move(write);
}

base::Duration WebhookOutbox::prune_period() const {
    return core_->options.prune_period;
}

}  // namespace adyton::coordinator

#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"
#include "base/task.h"
#include "coordinator/record.h"
#include "coordinator/webhook.h"
#include "coordinator/webhook_repository.h"
#include "service/metrics.h"
#include "storage/database.h"
#include "workflow/step_runner.h"

namespace adyton::coordinator {

inline constexpr std::string_view kWebhookRunKind = "coordinator.webhook";

struct WebhookOptions {
    // About 22 hours in all: 5 s, doubling, four hours at most.
    std::int64_t attempts_max = 16;
    base::Duration retry_first = std::chrono::seconds(5);
    base::Duration retry_max = std::chrono::hours(4);
    // From the name server to the last byte of the answer.
    base::Duration timeout = std::chrono::seconds(15);
    std::size_t concurrent_max = 32;
    base::Duration poll_period = std::chrono::seconds(1);  // for what was announced
    // Delivered and dead ones are kept that long.
    base::Duration keep = std::chrono::hours(24 * 30);
    base::Duration prune_period = std::chrono::hours(1);
};

// What a coordinator is told of its receivers.
struct WebhookSetup {
    std::vector<WebhookEndpoint> endpoints;  // none: nobody is told
    PlainHttp plain_http = PlainHttp::Refuse;
    WebhookOptions options = {};
};

// Tells receivers what became of workflows: at least once, each message under one id. What is to be
// told is written in the unit that changes the record, so neither is without the other; the durable
// step engine carries it out with a runner of its own, so that slow receivers hold up no workflow.
// An answer of 2xx ends a delivery; 410, or an endpoint that the configuration no longer names,
// makes it dead at once; everything else is tried again until the attempts are used up, and is dead
// then. Redirects are not followed.
class WebhookOutbox {
public:
    // References must outlive the outbox and the executor's tasks: await stop() first.
    struct Parts {
        storage::Database& database;
        base::Executor& executor;
        base::Logger& logger;
        base::RandomSource& random;
        service::MetricsRegistry& metrics;
        std::string instance;  // unique among live processes
        base::Duration run_lease = std::chrono::seconds(15);
    };
    // InvalidArgument: check_webhooks().
    static Result<std::unique_ptr<WebhookOutbox>> create(Parts parts, WebhookSetup setup);
    ~WebhookOutbox();
    WebhookOutbox(const WebhookOutbox&) = delete;
    WebhookOutbox& operator=(const WebhookOutbox&) = delete;

    // Inside the unit that changes the record: a delivery for each endpoint that wants this status
    // of this wallet. Segments of a workflow are not told by themselves. Thread safe.
    Result<void> announce(storage::Transaction& tx, const WorkflowRecord& record) const;
    // A dead delivery of this wallet is pending again, with all its attempts. NotFound; Conflict
    // "webhook_not_dead".
    Result<WebhookDelivery> retry(
        storage::Transaction& tx, const std::string& wallet_id, const std::string& id) const;

    void start();  // on the executor
    Task<void> stop();
    workflow::RunnerStatus status() const;
    // Of the configuration, in its order.
    std::vector<std::string> endpoint_names() const;
    // One round of forgetting old deliveries; how many. For the service's periodic job.
    Task<Result<std::int64_t>> prune();
    base::Duration prune_period() const;

    struct Core;

private:
    explicit WebhookOutbox(std::unique_ptr<Core> core);
    std::unique_ptr<Core> core_;
};

}  // namespace adyton::coordinator

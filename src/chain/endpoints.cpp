#include "chain/endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

#include "chain/internal/rpc_batch.h"
#include "chain/internal/texts.h"

namespace adyton::chain {
namespace {

// Calls of Neo nodes that each transfer makes: those of one moment share a request.
bool is_small_read(std::string_view method) {
    return method == "invokescript" || method == "getapplicationlog" ||
           method == "gettransactionheight";
}
bool is_send(std::string_view method) {
    return method == "sendrawtransaction";
}

enum class Standing {
    Unknown,  // never reached
    Good,
    Failing,   // does not answer
    SetAside,  // answers what cannot be, or is on another network
};

struct Endpoint {
    using Batch = std::shared_ptr<internal::RpcBatch>;  // shared with its requests under way
    Endpoint(JsonRpc client, Batch reads_together, Batch sends_together)
        : rpc(std::move(client)),
          reads(std::move(reads_together)),
          sends(std::move(sends_together)) {}

    Task<Result<RpcAnswer>> call(std::string method, base::Json params) {
        if (is_small_read(method)) {
            return internal::RpcBatch::call(reads, std::move(method), std::move(params));
        }
        if (is_send(method)) {
            return internal::RpcBatch::call(sends, std::move(method), std::move(params));
        }
        return rpc.call(std::move(method), std::move(params));
    }

    JsonRpc rpc;
    Batch reads;
    Batch sends;
    // Guarded by Core::mutex.
    Standing standing = Standing::Unknown;
    std::string reason = "not asked yet";
    bool wrong_network = false;
    bool probing = false;
    unsigned good_in_a_row = 0;
    unsigned bad_in_a_row = 0;
    base::Duration wait{};  // after the last failure
    base::SteadyTime next_probe{};
    std::uint64_t height = 0;
    std::string version;
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    base::Duration latency{};
};

}  // namespace

struct Endpoints::Core {
    Core(EndpointsOptions given, ProbeFunction function, base::Executor& runner, base::Logger& log)
        : options(std::move(given)), probe(std::move(function)), executor(runner), logger(log) {}

    const EndpointsOptions options;
    const ProbeFunction probe;
    base::Executor& executor;
    base::Logger& logger;
    std::vector<std::unique_ptr<Endpoint>> endpoints;

    mutable std::mutex mutex;
    bool started = false;
    bool stopping = false;
    std::uint64_t height = 0;
    std::optional<base::SteadyTime> last_seen;
    bool round_running = false;  // of ensure_fresh()
    std::vector<std::shared_ptr<base::Completion<bool>::State>> round_waiters;

    static Task<void> probe_one(std::shared_ptr<Core> core, std::size_t index);
    static Task<bool> probe_and_say(std::shared_ptr<Core> core, std::size_t index);
    static Task<void> probe_all(std::shared_ptr<Core> core, std::vector<std::size_t> indices);
    static Task<void> watch(std::shared_ptr<Core> core);

    // All below: with the mutex held.
    std::vector<std::size_t> due(base::SteadyTime now) const;
    void note_probe(Endpoint& endpoint, const Probe& probe, base::SteadyTime now);
    void note_good(Endpoint& endpoint, const Probe& probe, base::SteadyTime now);
    void note_failure(Endpoint& endpoint, const Error& error, bool of_probe, base::SteadyTime now);
    void set_aside(Endpoint& endpoint, std::string reason, base::SteadyTime now);
    void wait_longer(Endpoint& endpoint, base::SteadyTime now);
    std::optional<std::uint64_t> height_of_others(const Endpoint& endpoint) const;
    std::uint64_t lag_of(const Endpoint& endpoint) const {
        return height > endpoint.height ? height - endpoint.height : 0;
    }
    bool usable(const Endpoint& endpoint) const {
        return endpoint.standing == Standing::Good && lag_of(endpoint) <= options.lag_max;
    }
    std::vector<std::size_t> ranked_locked() const;
};

std::vector<std::size_t> Endpoints::Core::due(base::SteadyTime now) const {
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        if (!endpoints[i]->probing && endpoints[i]->next_probe <= now) out.push_back(i);
    }
    return out;
}

// The greatest height among the others, when two or more of them answer: what an endpoint's claim
// is held against.
std::optional<std::uint64_t> Endpoints::Core::height_of_others(const Endpoint& endpoint) const {
    std::vector<std::uint64_t> heights;
    for (const auto& other : endpoints) {
        if (other.get() != &endpoint && other->standing == Standing::Good) {
            heights.push_back(other->height);
        }
    }
    if (heights.size() < 2) return std::nullopt;
    return *std::max_element(heights.begin(), heights.end());
}

void Endpoints::Core::wait_longer(Endpoint& endpoint, base::SteadyTime now) {
    endpoint.wait = std::min(
        options.suspend_max, std::max(options.probe_period, base::Duration(endpoint.wait * 2)));
    endpoint.next_probe = now + endpoint.wait;
}

void Endpoints::Core::set_aside(Endpoint& endpoint, std::string reason, base::SteadyTime now) {
    endpoint.good_in_a_row = 0;
    reason = internal::presentable(reason, kRpcTextBytesMax);
    if (endpoint.standing != Standing::SetAside || endpoint.reason != reason) {
        logger.warning(
            "a chain endpoint is set aside",
            {{"endpoint", endpoint.rpc.name()}, {"reason", reason}});
    }
    endpoint.standing = Standing::SetAside;
    endpoint.reason = std::move(reason);
    wait_longer(endpoint, now);
}

void Endpoints::Core::note_failure(
    Endpoint& endpoint, const Error& error, bool of_probe, base::SteadyTime now) {
    ++endpoint.failures;
    ++endpoint.bad_in_a_row;
    endpoint.good_in_a_row = 0;
    const bool enough = endpoint.bad_in_a_row >= options.failures_max;
    // Only probes lengthen the wait: many calls may fail at once.
    if (of_probe && (enough || endpoint.standing != Standing::Good)) wait_longer(endpoint, now);
    if (endpoint.standing == Standing::SetAside) return;  // its own reason stays
    std::string reason = internal::presentable(error.message(), kRpcTextBytesMax);
    if (endpoint.standing == Standing::Unknown || enough) {
        if (endpoint.standing == Standing::Good) {
            logger.warning(
                "a chain endpoint does not answer",
                {{"endpoint", endpoint.rpc.name()}, {"reason", reason}});
        }
        if (endpoint.standing == Standing::Good) endpoint.standing = Standing::Failing;
        endpoint.reason = std::move(reason);
    }
}

void Endpoints::Core::note_good(Endpoint& endpoint, const Probe& found, base::SteadyTime now) {
    if (endpoint.standing != Standing::Good && !endpoint.reason.empty()) {
        logger.info(
            "a chain endpoint answers",
            {{"endpoint", endpoint.rpc.name()}, {"height", found.height}});
    }
    endpoint.standing = Standing::Good;
    endpoint.reason.clear();
    endpoint.wrong_network = false;
    endpoint.wait = base::Duration::zero();
    endpoint.height = std::max(endpoint.height, found.height);
    height = std::max(height, endpoint.height);
    last_seen = now;
}

void Endpoints::Core::note_probe(Endpoint& endpoint, const Probe& found, base::SteadyTime now) {
    endpoint.bad_in_a_row = 0;
    endpoint.version = internal::presentable(found.version, 100);
    endpoint.next_probe = now + options.probe_period;
    const bool was_aside = endpoint.standing == Standing::SetAside;
    if (found.height + options.regression_max < endpoint.height) {
        std::string reason =
            fmt::format("its height went back from {} to {}", endpoint.height, found.height);
        endpoint.height = found.height;
        set_aside(endpoint, std::move(reason), now);
        return;
    }
    const std::optional<std::uint64_t> others = height_of_others(endpoint);
    if (others && found.height > *others + options.lead_max) {
        set_aside(
            endpoint, fmt::format("it claims block {}, the others have {}", found.height, *others),
            now);
        return;
    }
    ++endpoint.good_in_a_row;
    if (was_aside && !endpoint.wrong_network && endpoint.good_in_a_row < options.trust_probes) {
        endpoint.height = std::max(endpoint.height, found.height);
        return;  // good again, but not yet for long enough
    }
    note_good(endpoint, found, now);
}

Task<void> Endpoints::Core::probe_one(std::shared_ptr<Core> core, std::size_t index) {
    Endpoint& endpoint = *core->endpoints[index];
    {
        const std::lock_guard lock(core->mutex);
        endpoint.probing = true;
    }
    const base::SteadyTime begin = core->executor.steady_now();
    Task<Result<Probe>> probing = core->probe(endpoint.rpc, core->options.probe_timeout);
    const Result<Probe> found = co_await std::move(probing);
    const base::SteadyTime now = core->executor.steady_now();

    const std::lock_guard lock(core->mutex);
    endpoint.probing = false;
    ++endpoint.calls;
    if (found) {
        endpoint.latency = now - begin;
        core->note_probe(endpoint, *found, now);
        co_return;
    }
    const Error& error = found.error();
    if (error.code() == ErrorCode::PermissionDenied || error.code() == ErrorCode::CorruptData) {
        ++endpoint.failures;
        endpoint.wrong_network = error.code() == ErrorCode::PermissionDenied;
        core->set_aside(endpoint, error.message(), now);
    } else {
        core->note_failure(endpoint, error, true, now);
    }
}

Task<bool> Endpoints::Core::probe_and_say(std::shared_ptr<Core> core, std::size_t index) {
    Task<void> probing = probe_one(std::move(core), index);
    co_await std::move(probing);
    co_return true;
}

Task<void> Endpoints::Core::probe_all(
    std::shared_ptr<Core> core, std::vector<std::size_t> indices) {
    std::vector<Task<bool>> probes;
    probes.reserve(indices.size());
    for (const std::size_t index : indices) probes.push_back(probe_and_say(core, index));
    Task<std::vector<bool>> all = base::when_all(std::move(probes));
    co_await std::move(all);
}

Task<void> Endpoints::Core::watch(std::shared_ptr<Core> core) {
    for (;;) {
        std::vector<std::size_t> indices;
        {
            const std::lock_guard lock(core->mutex);
            if (core->stopping) co_return;
            indices = core->due(core->executor.steady_now());
        }
        // Each by itself: one that times out does not keep the others waiting.
        for (const std::size_t index : indices) base::spawn(core->executor, probe_one(core, index));
        Task<void> sleeping = base::sleep_for(core->executor, core->options.probe_period);
        co_await std::move(sleeping);
    }
}

std::vector<std::size_t> Endpoints::Core::ranked_locked() const {
    std::vector<std::size_t> good;
    std::vector<std::size_t> lagging;
    std::vector<std::size_t> failing;
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
        const Endpoint& endpoint = *endpoints[i];
        if (usable(endpoint)) {
            good.push_back(i);
        } else if (endpoint.standing == Standing::Good) {
            lagging.push_back(i);
        } else if (endpoint.standing == Standing::Failing) {
            failing.push_back(i);
        }
    }
    std::stable_sort(lagging.begin(), lagging.end(), [this](std::size_t a, std::size_t b) {
        return endpoints[a]->height > endpoints[b]->height;
    });
    good.insert(good.end(), lagging.begin(), lagging.end());
    good.insert(good.end(), failing.begin(), failing.end());
    return good;
}

Endpoints::Endpoints(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Endpoints::~Endpoints() {
    stop();
}

Result<std::unique_ptr<Endpoints>> Endpoints::create(
    EndpointsOptions options, ProbeFunction probe, http::Transport& transport,
    base::Executor& executor, base::Logger& logger) {
    const std::size_t count = options.urls.size();
    if (count == 0) return Error::invalid_argument("no chain endpoint is configured");
    if (count > kEndpointsMax) {
        return Error::invalid_argument(fmt::format("more than {} chain endpoints", kEndpointsMax));
    }
    if (options.quorum == 0) options.quorum = std::min<std::size_t>(2, count);
    if (options.quorum > count) {
        return Error::invalid_argument(fmt::format(
            "a quorum of {} needs as many endpoints, {} configured", options.quorum, count));
    }
    if (std::set<std::string>(options.urls.begin(), options.urls.end()).size() != count) {
        return Error::invalid_argument("a chain endpoint is configured twice");
    }
    auto core = std::make_shared<Core>(std::move(options), std::move(probe), executor, logger);
    for (const std::string& url : core->options.urls) {
        TRY(JsonRpc rpc, JsonRpc::create(transport, url, core->options.rpc));
        using Carries = internal::RpcBatch::Carries;
        const RpcOptions& rpc_options = core->options.rpc;
        TRY(auto reads, internal::RpcBatch::create(transport, url, rpc_options, Carries::Reads));
        TRY(auto sends, internal::RpcBatch::create(transport, url, rpc_options, Carries::Sends));
        core->endpoints.push_back(
            std::make_unique<Endpoint>(std::move(rpc), std::move(reads), std::move(sends)));
    }
    return std::unique_ptr<Endpoints>(new Endpoints(std::move(core)));
}

Task<void> Endpoints::refresh() {
    std::vector<std::size_t> all(core_->endpoints.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    Task<void> probing = Core::probe_all(core_, std::move(all));
    co_await std::move(probing);
}

Task<void> Endpoints::ensure_fresh() {
    const std::shared_ptr<Core> core = core_;
    base::Completion<bool> turn;
    std::vector<std::size_t> indices;
    bool wait = false;
    {
        const std::lock_guard lock(core->mutex);
        const base::SteadyTime now = core->executor.steady_now();
        const bool watched = core->started && !core->stopping;
        const bool unknown = std::any_of(
            core->endpoints.begin(), core->endpoints.end(), [now](const auto& endpoint) {
                return endpoint->standing == Standing::Unknown && endpoint->next_probe <= now;
            });
        if (watched && core->last_seen) co_return;
        if (core->round_running) {
            core->round_waiters.push_back(turn.completer());
            wait = true;
        } else {
            indices = core->due(now);
            if (indices.empty() && !unknown) co_return;
            core->round_running = true;
        }
    }
    if (wait) {
        co_await turn;
        co_return;
    }
    Task<void> probing = Core::probe_all(core, std::move(indices));
    co_await std::move(probing);
    std::vector<std::shared_ptr<base::Completion<bool>::State>> waiters;
    {
        const std::lock_guard lock(core->mutex);
        core->round_running = false;
        waiters.swap(core->round_waiters);
    }
    for (const auto& waiter : waiters) waiter->set(true);
}

void Endpoints::start() {
    {
        const std::lock_guard lock(core_->mutex);
        CHECK(!core_->started);
        core_->started = true;
    }
    base::spawn(core_->executor, Core::watch(core_));
}

void Endpoints::stop() {
    const std::lock_guard lock(core_->mutex);
    core_->stopping = true;
}

std::size_t Endpoints::size() const {
    return core_->endpoints.size();
}
std::size_t Endpoints::quorum() const {
    return core_->options.quorum;
}

std::uint64_t Endpoints::height() const {
    const std::lock_guard lock(core_->mutex);
    return core_->height;
}

std::optional<base::SteadyTime> Endpoints::last_seen() const {
    const std::lock_guard lock(core_->mutex);
    return core_->last_seen;
}

std::vector<std::size_t> Endpoints::ranked() const {
    const std::lock_guard lock(core_->mutex);
    return core_->ranked_locked();
}

Result<std::vector<std::size_t>> Endpoints::ranked(std::size_t count) const {
    const std::lock_guard lock(core_->mutex);
    std::vector<std::size_t> indices = core_->ranked_locked();
    if (indices.size() >= count) return indices;
    std::string reasons;
    bool wrong_network = false;
    for (const auto& endpoint : core_->endpoints) {
        if (endpoint->reason.empty()) continue;
        wrong_network = wrong_network || endpoint->wrong_network;
        reasons += fmt::format("; {}: {}", endpoint->rpc.name(), endpoint->reason);
    }
    std::string text = fmt::format(
        "{} of {} chain endpoints can be asked, {} needed{}", indices.size(),
        core_->endpoints.size(), count, reasons);
    if (wrong_network && indices.empty()) {
        return Error::permission_denied(std::move(text), "wrong_network");
    }
    return Error::unavailable(std::move(text), "chain_unavailable");
}

Task<Result<RpcAnswer>> Endpoints::call(std::size_t index, std::string method, base::Json params) {
    CHECK(index < core_->endpoints.size());
    const std::shared_ptr<Core> core = core_;
    Endpoint& endpoint = *core->endpoints[index];
    Task<Result<RpcAnswer>> calling = endpoint.call(std::move(method), std::move(params));
    Result<RpcAnswer> answer = co_await std::move(calling);
    const std::lock_guard lock(core->mutex);
    ++endpoint.calls;
    if (answer) {
        endpoint.bad_in_a_row = 0;
        if (endpoint.standing == Standing::Failing) {
            endpoint.next_probe = core->executor.steady_now();  // it is back
        }
    } else {
        core->note_failure(endpoint, answer.error(), false, core->executor.steady_now());
    }
    co_return answer;
}

const std::string& Endpoints::name(std::size_t index) const {
    CHECK(index < core_->endpoints.size());
    return core_->endpoints[index]->rpc.name();
}

void Endpoints::distrust(std::size_t index, std::string reason) {
    CHECK(index < core_->endpoints.size());
    const std::lock_guard lock(core_->mutex);
    core_->set_aside(*core_->endpoints[index], std::move(reason), core_->executor.steady_now());
}

std::uint64_t Endpoints::height_of(std::size_t index) const {
    CHECK(index < core_->endpoints.size());
    const std::lock_guard lock(core_->mutex);
    return core_->endpoints[index]->height;
}

std::vector<EndpointStatus> Endpoints::status() const {
    const std::lock_guard lock(core_->mutex);
    std::vector<EndpointStatus> out;
    out.reserve(core_->endpoints.size());
    for (const auto& endpoint : core_->endpoints) {
        EndpointStatus one;
        one.name = endpoint->rpc.name();
        one.usable = core_->usable(*endpoint);
        one.height = endpoint->height;
        one.lag = core_->lag_of(*endpoint);
        one.reason = endpoint->reason;
        if (one.reason.empty() && !one.usable) {
            one.reason = fmt::format("{} blocks behind", one.lag);
        }
        one.version = endpoint->version;
        one.calls = endpoint->calls;
        one.failures = endpoint->failures;
        one.latency = endpoint->latency;
        out.push_back(std::move(one));
    }
    return out;
}

}  // namespace adyton::chain

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "base/log.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "chain/json_rpc.h"

namespace adyton::chain {

struct EndpointsOptions {
    std::vector<std::string> urls;  // 1 to kEndpointsMax, in order of preference, all different
    // How many endpoints must say the same before it counts. Zero: two, or one when there is one.
    std::size_t quorum = 0;
    RpcOptions rpc;
    base::Duration probe_period = std::chrono::seconds(2);
    base::Duration probe_timeout = std::chrono::seconds(5);
    // An endpoint is set aside after so many failed calls in a row, and probed again after a wait
    // that doubles from the probe period up to suspend_max.
    unsigned failures_max = 2;
    base::Duration suspend_max = std::chrono::seconds(60);
    // Blocks. An endpoint further behind the credible height is asked only when no better is there.
    std::uint64_t lag_max = 3;
    // An endpoint whose height goes back by more than this, or that claims to be further ahead of
    // `quorum` others, lies: it is set aside.
    std::uint64_t regression_max = 2;
    std::uint64_t lead_max = 30;
};
inline constexpr std::size_t kEndpointsMax = 16;

// What a probe found. `network` names the chain the endpoint is on.
struct Probe {
    std::uint64_t height = 0;
    std::string network;
    std::string version;  // of the node's software
};

// How one chain looks at one endpoint: its height, proven as well as the chain allows, and network.
// Errors are the probe's failure; PermissionDenied sets the endpoint aside at once, with the text.
using ProbeFunction = std::function<Task<Result<Probe>>(JsonRpc&, base::Duration timeout)>;

// For /info, /ready and metrics.
struct EndpointStatus {
    std::string name;          // "host:port"
    bool usable = false;       // asked for reads that matter
    std::string reason;        // why not; empty when usable
    std::uint64_t height = 0;  // last seen; zero: never
    std::uint64_t lag = 0;     // blocks behind the credible height
    std::string version;
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    base::Duration latency{};  // of the last good probe
};

// Several endpoints of one chain, watched: which are up, on the right network, at which height, and
// which one to ask next. A height counts once `quorum` endpoints have reached it; it never goes
// down. An endpoint on another network, one whose height runs back, or one that claims blocks that
// nobody else has, is set aside with a reason until it behaves again.
//
// Thread safe. Probes run on `executor`.
class Endpoints {
public:
    // InvalidArgument: no URL, too many, a malformed or repeated one, a quorum above their number.
    // `transport`, `executor` and `logger` must outlive the object.
    static Result<std::unique_ptr<Endpoints>> create(
        EndpointsOptions options, ProbeFunction probe, http::Transport& transport,
        base::Executor& executor, base::Logger& logger);
    ~Endpoints();
    Endpoints(const Endpoints&) = delete;
    Endpoints& operator=(const Endpoints&) = delete;

    // Probes every endpoint that is due, all at once; `force`: also those that wait after a
    // failure. Returns when each has answered or timed out.
    enum class Due { WhenDue, Now };
    Task<void> refresh(Due due = Due::Now);
    // Probes again and again until stop(). At most once. stop() may come from any thread; the probe
    // in flight ends by itself.
    void start();
    void stop();

    std::size_t size() const;
    std::size_t quorum() const;
    // The greatest height that `quorum` endpoints have reached; never goes down; zero: unknown.
    std::uint64_t height() const;
    // When height() was last confirmed by a quorum; nothing: never.
    std::optional<base::SteadyTime> height_seen() const;

    // Indices of endpoints in the order to ask them: usable ones first, the configured order among
    // equals. Those known to be on another network or lying are left out.
    std::vector<std::size_t> ranked() const;
    // At least `quorum` of them, else Unavailable with each endpoint's reason.
    Result<std::vector<std::size_t>> enough() const;

    // Calls one endpoint and keeps its health by the outcome. Errors of JsonRpc::call().
    Task<Result<RpcAnswer>> call(std::size_t index, std::string method, base::Json params);
    // For reads: asks ranked() endpoints one after the other until one answers. An RpcError is an
    // answer. Unavailable: none answered; the text names each.
    Task<Result<RpcAnswer>> call_any(std::string method, base::Json params);
    const std::string& name(std::size_t index) const;

    // The endpoint answered what cannot be: set aside for a while, with this reason.
    void distrust(std::size_t index, std::string reason);

    std::vector<EndpointStatus> status() const;

    struct Core;

private:
    explicit Endpoints(std::shared_ptr<Core> core);
    std::shared_ptr<Core> core_;  // shared with the probe loop, which may end after the object
};

}  // namespace adyton::chain

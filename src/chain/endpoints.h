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
    // An endpoint whose height goes back by more than this lies, and so does one that claims to be
    // further ahead than this of all others, when two or more of them answer.
    std::uint64_t regression_max = 2;
    std::uint64_t lead_max = 30;
    // So many good probes in a row bring an endpoint back that was set aside for a lie.
    unsigned trust_probes = 3;
};
inline constexpr std::size_t kEndpointsMax = 16;

// What a probe found. `network` names the chain the endpoint is on.
struct Probe {
    std::uint64_t height = 0;
    std::string network;
    std::string version;  // of the node's software
};

// How one chain looks at one endpoint: its height, proven as well as the chain allows, and network.
// Errors are the probe's failure; PermissionDenied (another network) and CorruptData (a lie) set
// the endpoint aside at once, with the text.
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
// which one to ask next. An endpoint on another network, one whose height runs back, and one that
// claims blocks that no other has, are set aside with a reason until they behave again.
//
// Thread safe. The probes of start() run on `executor`, all others on the caller's.
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

    // Probes every endpoint, all at once, also those that wait after a failure. Returns when each
    // has answered or timed out.
    Task<void> refresh();
    // The same for those that are due, while start() is not at work or has reached none yet.
    // Concurrent callers share one round.
    Task<void> ensure_fresh();
    // Probes again and again until stop(). At most once. stop() may come from any thread; the probe
    // in flight ends by itself.
    void start();
    void stop();

    std::size_t size() const;
    std::size_t quorum() const;
    // The greatest height of the endpoints that are trusted; never goes down; zero: unknown.
    std::uint64_t height() const;
    // The last height seen at one endpoint.
    std::uint64_t height_of(std::size_t index) const;
    // When a trusted endpoint was last probed; nothing: never.
    std::optional<base::SteadyTime> last_seen() const;

    // Indices of endpoints in the order to ask them: usable ones in the configured order, then
    // those that lag, then those that fail. Those set aside, and those never reached, are left out.
    std::vector<std::size_t> ranked() const;
    // The same, if they are `count` or more, else Unavailable with each endpoint's reason, or
    // PermissionDenied "wrong_network" when all that answer are on another network.
    Result<std::vector<std::size_t>> ranked(std::size_t count) const;

    // Calls one endpoint and keeps its health by the outcome. Errors of JsonRpc::call(). The reads
    // and the sends of Neo transfers share requests with others of the same moment.
    Task<Result<RpcAnswer>> call(std::size_t index, std::string method, base::Json params);
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

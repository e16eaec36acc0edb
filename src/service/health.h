#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/json.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"

namespace adyton::service {

enum class HealthStatus { Healthy, Degraded, Unhealthy };
std::string_view to_string(HealthStatus status);  // "healthy", ...

// Where the process is in its life. Only Running can be healthy.
enum class Phase { Starting, Running, Draining };
std::string_view to_string(Phase phase);  // "starting", ...

struct HealthOptions {
    // Tries the database. Empty: none is configured.
    std::function<Task<Result<void>>()> probe_database;
    // Whether the keys are loaded and work. Called for each report: it must be quick and must not
    // block. Empty: nothing is required.
    std::function<Result<void>()> check_secrets;
    base::Duration cache_time = std::chrono::seconds(1);
    base::Duration timeout = std::chrono::seconds(5);
};

struct HealthReport {
    HealthStatus status = HealthStatus::Unhealthy;
    Phase phase = Phase::Starting;
    bool database_configured = false;
    bool database_connected = false;
    bool secrets_loaded = false;
    std::optional<base::Timestamp> last_check;  // of the database
    base::Duration uptime{};
    std::string problem;  // for the log: the first cause, empty when healthy
};

// Health with the database probe shared: however many ask, one probe runs at a time and its result
// serves for `cache_time` (services.md A30). A probe that runs past `timeout` counts as failed,
// and no second one starts before it ends. Thread safe; the monitor must outlive its probes.
class HealthMonitor {
public:
    // `clock` must outlive the monitor.
    HealthMonitor(HealthOptions options, const base::Clock& clock);
    ~HealthMonitor();
    HealthMonitor(const HealthMonitor&) = delete;
    HealthMonitor& operator=(const HealthMonitor&) = delete;

    // Waits for a probe when the last result is too old: on Executor::current().
    Task<HealthReport> report();

    void set_phase(Phase phase);
    Phase phase() const;

private:
    struct State;
    std::shared_ptr<State> state_;  // shared with a probe that runs past its time
};

}  // namespace adyton::service

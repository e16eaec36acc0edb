#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/result.h"
#include "base/time.h"

namespace adyton::apps::bench {

// The cores of a measurement. Equal when this process may use one only.
struct Cores {
    int server = 0;
    int client = 0;
};
// The first and the last core that this process may run on.
Cores choose_cores();
// Binds the calling thread. Unavailable: the system refuses.
Result<void> pin_to_core(int core);

// Binds the calling thread for a scope, then frees it to where it was allowed before.
class PinnedScope {
public:
    explicit PinnedScope(int core);
    ~PinnedScope();
    PinnedScope(const PinnedScope&) = delete;
    PinnedScope& operator=(const PinnedScope&) = delete;

private:
    std::vector<int> before_;
};

// A child process on one core that dies with its parent.
class ServerProcess {
public:
    struct Options {
        std::vector<std::string> arguments;    // argv, the program first
        std::vector<std::string> environment;  // NAME=VALUE; nothing is inherited
        std::string log_path;                  // its standard output and error
        int core = 0;                          // -1: all that this process may use
    };

    // Unavailable: it cannot be started.
    static Result<ServerProcess> start(const Options& options);
    ServerProcess(ServerProcess&& other) noexcept;
    ServerProcess& operator=(ServerProcess&&) = delete;
    ~ServerProcess();  // kills

    // Waits until GET /ready on this port of 127.0.0.1 (plain HTTP) says 200. DeadlineExceeded: not
    // within `patience`. Unavailable: the process ended.
    Result<void> wait_ready(base::EventLoop& loop, std::uint16_t port, base::Duration patience);
    // Its exit status, or 128 and the signal. DeadlineExceeded: it still runs.
    Result<int> wait_exit(base::EventLoop& loop, base::Duration patience);
    // SIGTERM, then waits; its exit status, or 128 and the signal.
    Result<int> stop(base::EventLoop& loop);

    // Time on processors so far, of all its threads, in units of 10 ms.
    std::optional<std::chrono::microseconds> cpu_time() const;
    // Resident memory now, in KiB; null when /proc does not say.
    std::optional<std::int64_t> resident_kib() const;
    // The most it ever was.
    std::optional<std::int64_t> resident_peak_kib() const;
    pid_t pid() const { return pid_; }

private:
    explicit ServerProcess(pid_t pid) : pid_(pid) {}
    std::optional<int> poll_exit();
    std::optional<std::int64_t> status_kib(const std::string& field) const;
    pid_t pid_ = -1;
};

// A port of 127.0.0.1 that was free a moment ago.
Result<std::uint16_t> find_free_port();

// How long writing 4 KiB and fdatasync take in this directory.
struct FsyncLatency {
    std::int64_t p50_us = 0;
    std::int64_t p99_us = 0;
};
Result<FsyncLatency> measure_fsync(const base::Clock& clock, const std::string& directory);

// "AMD EPYC ..., core 0": the model from /proc/cpuinfo.
std::string processor_name();

}  // namespace adyton::apps::bench

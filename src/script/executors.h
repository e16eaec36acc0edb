#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "script/engine.h"
#include "script/host_functions.h"

namespace adyton::script {

// The engine in processes of its own. A zygote (this binary, started with a hidden subcommand, see
// zygote.h) forks executors that lock themselves down before they see a job. An executor serves one
// user; it is killed and replaced on change of user, trap, deadline, cancel, and after
// `jobs_per_executor` jobs. Needs Linux. Thread safe.
class Executors final : public Engine {
public:
    struct Options {
        // How many may run jobs at once; 0: one for each core.
        std::size_t executors = 0;
        // Idle ones kept ready beside them, so that a change of user does not wait for a fork.
        std::size_t spares = 1;
        // Idle ones kept for the users they have served, beside those; the one idle for longest
        // makes room. About 2 MB each of their own.
        std::size_t warm = 14;
        std::uint32_t jobs_per_executor = 10'000;
        // What a job may run over its time before its process is killed.
        base::Duration grace = std::chrono::milliseconds(30);
        // For tests: executors report system calls outside the list (Stats::violations).
        bool signal_outside_calls = false;
        // The binary whose main() begins with run_zygote_if_asked(); this one by default.
        std::string program = "/proc/self/exe";
    };
    struct Stats {
        std::uint64_t jobs = 0;
        std::uint64_t executors_started = 0;
        std::uint64_t executors_killed = 0;  // by us: user, trap, deadline, cancel, age
        std::uint64_t executors_lost = 0;    // by themselves
        std::uint64_t violations = 0;        // tests only
        std::int32_t last_violation = -1;
        std::size_t running = 0;
        std::size_t waiting = 0;
        std::size_t spares = 0;  // ready, and have served nobody
    };

    // Starts the zygote and the first executor and learns which layers the kernel grants.
    // Unavailable: the program cannot be started, or not even one executor.
    // Call before keys are loaded: the zygote inherits nothing, but the earlier the surer.
    // `loop` must outlive it; destroy it on the loop's thread or after the loop has stopped.
    static Result<std::unique_ptr<Executors>> create(base::EventLoop& loop, Options options);
    ~Executors() override;

    Task<Result<RunResult>> run(Job job) override;
    bool cancel(std::string_view job_id) override;
    std::size_t capacity() const override;
    Layers layers() const override;
    Stats stats() const;

private:
    class Impl;
    explicit Executors(std::shared_ptr<Impl> impl);
    // Shared with work that the loop still holds.
    std::shared_ptr<Impl> impl_;
};

}  // namespace adyton::script

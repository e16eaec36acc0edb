#pragma once

#include <cstddef>
#include <memory>

#include "base/executor.h"
#include "script/engine.h"
#include "script/host_functions.h"

namespace adyton::script {

// What guards script memory in this build, and the native stack.
Layers guards_of_build();

// The engine in the caller's process: for `adyton compute run`, replay, tests, benches, and under
// SGX, where processes give nothing. A strict job, which is promised a process of its own, is
// refused (InvalidArgument). A job runs as blocking work of `executor`, in one of
// `slots` sandboxed memories (made when first needed, 1.3 MB each and what jobs use). cancel() and
// the deadline act at the engine's next poll, and where it does not poll by a signal (SIGURG) to
// the thread. Both need the caller's executor to run its timers. Thread safe.
class InProcessEngine final : public Engine {
public:
    struct Options {
        std::size_t slots = 1;
        HostLibrary library;
    };

    // Unavailable: memory cannot be reserved. `executor` must outlive the engine.
    static Result<std::unique_ptr<InProcessEngine>> create(
        base::Executor& executor, Options options);
    ~InProcessEngine() override;

    Task<Result<RunResult>> run(Job job) override;
    bool cancel(std::string_view job_id) override;
    std::size_t capacity() const override;
    Layers layers() const override;

private:
    class Impl;
    explicit InProcessEngine(std::shared_ptr<Impl> impl);
    // Shared with blocking work that may end after the engine.
    std::shared_ptr<Impl> impl_;
};

}  // namespace adyton::script

#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "script/job.h"

namespace adyton::script {

// Runs scripts. Executors is the one for service (processes), InProcessEngine the one for command
// lines, tests and SGX; both give the same output, logs and gas for the same job.
class Engine {
public:
    virtual ~Engine() = default;

    // Whatever the script does is in the RunResult. Errors are about the job or the host:
    // InvalidArgument (source, input, entry point or limits out of bounds, input not a JSON
    // object), Conflict (a job of this id runs), Unavailable (no executor can be had), and what
    // Job::secrets returned. Waits for a free executor without a limit: callers keep no more than
    // capacity() jobs running. Thread safe; continues on the caller's executor.
    virtual Task<Result<RunResult>> run(Job job) = 0;

    // Ends the job of this id with Status::Cancelled, within 50 ms when it has a process of its
    // own; false when no such job runs. Thread safe.
    virtual bool cancel(std::string_view job_id) = 0;

    // How many jobs can run at once.
    virtual std::size_t capacity() const = 0;
    // The layers that every job gets here (strict and others may add more). For start-up and
    // /info: what is missing was refused by the kernel.
    virtual Layers layers() const = 0;
};

}  // namespace adyton::script

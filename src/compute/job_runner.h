#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "compute/context.h"
#include "compute/fair_gate.h"
#include "compute/job_plan.h"
#include "compute/job_result.h"
#include "workflow/idempotency.h"

namespace adyton::compute {

// Shared by the coroutine that runs the job and the engine, which may outlive it at a crash.
using SharedPlan = std::shared_ptr<JobPlan>;

// What became of a request to run a job.
struct Admission {
    enum class Kind {
        Running,   // has its slot: run it
        Queued,    // somebody will pick it up
        Over,      // it was refused as a job: `answer` says why
        Repeated,  // the idempotency key belongs to `job_id`
    };
    Kind kind = Kind::Running;
    std::string job_id;
    std::string answer;
};

struct AdmissionOptions {
    std::optional<workflow::IdempotencyKey> key;
    crypto::Sha256Digest request_digest;
    bool may_queue = false;  // asynchronous
    bool run_now = true;     // there is room for it
};

// Accepts a job in one unit of work: idempotency, secrets, slot, record. `refusal`: what plan_job
// found wrong. ResourceExhausted, reason "user_jobs": the user's limit; nothing is stored.
Task<Result<Admission>> admit(
    ComputeContext& compute, SharedPlan plan, std::optional<JobFailure> refusal, std::string body,
    AdmissionOptions options);

// Runs an accepted job and makes its end durable; the answer's text. Errors: those of the database,
// Conflict "job_lost", Unavailable when the process is ending and the job will run again.
Task<Result<std::string>> run_job(
    ComputeContext& compute, SharedPlan plan, FairGate::Ticket ticket,
    std::shared_ptr<LiveJob> live);

// Stops a job of this process wherever it is: in the line, before its turn, or in its executor.
void cancel_live(ComputeContext& compute, LiveJob& job);

// Whether a job may begin before it is accepted: all that it can do is to answer.
bool may_begin_unrecorded(const ComputeContext& compute, const JobPlan& plan);
// Runs a job that has no record yet: it is accepted when it is over, with its end, or after
// options.unrecorded_max. Errors: those of run_job() and of admit().
Task<Result<std::string>> run_unrecorded(
    ComputeContext& compute, SharedPlan plan, FairGate::Ticket ticket);

// ResourceExhausted, reason "user_jobs".
Error too_many_jobs(const ComputeOptions& options);

// Gets each user with queued jobs in the line, unless that user is there already; when the turn
// comes, the user's next job is taken and runs by itself. How many users.
Task<Result<std::size_t>> pump_queue(ComputeContext& compute);

// Ends or puts back jobs that nobody runs: whose owner is gone, and those of this process whose
// next write failed. How many.
Task<Result<std::int64_t>> settle_orphans(ComputeContext& compute);

// Stores new console lines of jobs that run for long, carries out wishes to cancel that came by
// another instance, and stops what was taken from this one.
Task<Result<void>> watch_running(ComputeContext& compute);

// What is stored for a job that ended so.
jobs::FinalJob final_job(
    const ComputeContext& compute, const std::string& job_id, const std::string& user,
    JobPhase phase, const std::string& answer, base::Timestamp finished_at);

// Opens what was sealed for a job, under the master key before this one too.
Result<base::Bytes> open_blob(
    const ComputeContext& compute, const JobRow& job, std::string_view what, base::ByteView sealed);

// What a stored job does now. One that runs by its record and waits for its turn here is queued.
JobPhase phase_now(const ComputeContext& compute, const JobRow& job);
// The answer of a stored job as it stands.
Result<std::string> answer_text(const ComputeContext& compute, const JobRow& job);

}  // namespace adyton::compute

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "compute/context.h"
#include "compute/job_answer.h"
#include "compute/job_plan.h"
#include "compute/leak_guard.h"
#include "crypto/digest.h"
#include "script/job.h"

namespace adyton::compute {

// One fetch, by the hashes of what went through the broker.
struct FetchRecord {
    crypto::Sha256Digest request;  // of HostRequest::json
    crypto::Sha256Digest reply;    // of HostReply::json; zeros: the job was over before it came
};
// SHA-256 of the transcript "receipt-fetches" with two tags a fetch, 2n+1 request and 2n+2 reply.
crypto::Sha256Digest fetch_hash(const std::vector<FetchRecord>& fetches);

// What a run left behind.
struct JobRun {
    script::RunResult result;
    base::Timestamp started_at;
    base::Timestamp finished_at;
    std::vector<FetchRecord> fetches;
};

// A guard over the values of these secrets. Its owner drops it before it waits for anything.
Result<LeakGuard> guard_of(
    const ComputeContext& compute, const std::vector<GrantedSecret>& secrets);

// From a run to what its caller is told: guards, hashes, seals, signs. Plain work without waiting;
// the values of secrets live only inside.
Result<JobAnswer> conclude_run(const ComputeContext& compute, const JobPlan& plan, JobRun run);

// The answer of a job that never ran, or whose run left nothing.
JobAnswer conclude_failure(
    const JobPlan& plan, const JobFailure& failure, base::Timestamp finished_at);

}  // namespace adyton::compute

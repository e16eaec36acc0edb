#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/compute_types.h"
#include "base/result.h"
#include "base/time.h"
#include "compute/context.h"
#include "compute/secret_repository.h"
#include "crypto/digest.h"
#include "script/limits.h"

namespace adyton::compute {

// Why a job ended without a result, in the seed's words and as a word for programs.
struct JobFailure {
    JobPhase phase = JobPhase::Failed;
    std::string error;
    std::string error_code;
};

// A secret that a job may use, still sealed.
struct GrantedSecret {
    std::string key;  // its name in the script
    SealedSecret sealed;
};

// All that is known of a job before it runs. Holds no secret.
struct JobPlan {
    std::string job_id;
    std::string user;
    std::string actor;  // who asked, for the audit log
    api::ExecuteRequest request;
    std::string input_form;  // "plain" or "sealed"
    std::string input_json;  // canonical
    crypto::Sha256Digest input_hash;
    crypto::Sha256Digest code_hash;
    std::vector<SecretReference> references;
    script::Limits limits;
    base::Timestamp created_at;
    std::vector<GrantedSecret> secrets;  // once granted

    // True for jobs whose request is kept until they end: they may be queued or run again.
    bool keep_request = false;
};

// Checks a request in the seed's order; a failure is one of the job's, with HTTP 200.
// The plan is filled as far as it was checked.
std::optional<JobFailure> plan_job(
    const ComputeContext& compute, api::ExecuteRequest request, JobPlan& plan);

// Reads what the plan refers to, decides, and audits it: one record for all. A failure when any is
// unknown or forbidden; then nothing is granted. Inside the unit that lets the job run.
Result<std::optional<JobFailure>> grant_secrets(
    storage::Transaction& tx, const ComputeContext& compute, JobPlan& plan);

}  // namespace adyton::compute

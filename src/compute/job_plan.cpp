#include "compute/job_plan.h"

#include <algorithm>
#include <chrono>

#include "compute/canonical_json.h"
#include "compute/fetch_broker.h"

namespace adyton::compute {
namespace {

JobFailure failure(std::string error, std::string code) {
    return {JobPhase::Failed, std::move(error), std::move(code)};
}

std::string too_large(std::string_view what, std::size_t bytes_max) {
    return std::string(what) + " exceeds maximum size of " + std::to_string(bytes_max) + " bytes";
}

// The input as the script gets it, and its hash as receipts state it: of the canonical text, or of
// the sealed box, so that a receipt says nothing about a sealed input.
std::optional<JobFailure> plan_input(const ComputeContext& compute, JobPlan& plan) {
    plan.input_form = plan.request.encrypted_input ? "sealed" : "plain";
    if (!plan.request.encrypted_input) {
        plan.input_json = canonical_text(plan.request.input);
        plan.input_hash = crypto::sha256(base::as_bytes(plan.input_json));
    } else {
        plan.input_hash = crypto::sha256(*plan.request.encrypted_input);
        auto opened = compute.keys.open_sealed_input(*plan.request.encrypted_input);
        if (!opened && compute.previous_keys_or_null != nullptr) {
            opened =
                compute.previous_keys_or_null->open_sealed_input(*plan.request.encrypted_input);
        }
        if (!opened) {
            return failure("encrypted_input: " + opened.error().message(), "input_not_opened");
        }
        const auto input = base::Json::parse(base::as_text(*opened));
        crypto::wipe(*opened);
        if (!input || !input->is_object()) {
            return failure("encrypted_input does not hold a JSON object", "input_invalid");
        }
        plan.input_json = canonical_text(*input);
    }
    if (plan.input_json.size() > script::kInputBytesMax) {
        return failure(too_large("input", script::kInputBytesMax), "input_too_large");
    }
    return std::nullopt;
}

script::Limits plan_limits(const ComputeOptions& options, const api::ExecuteRequest& request) {
    script::Limits limits;
    std::int64_t seconds = request.timeout_s;
    if (seconds <= 0) seconds = kTimeoutDefaultSeconds;
    limits.time = std::chrono::seconds(std::min(seconds, kTimeoutMaxSeconds));
    limits.memory_bytes = options.memory_bytes;
    limits.gas = options.metered_gas_max;
    if (request.metered_gas_max) {
        const auto asked = static_cast<std::uint64_t>(*request.metered_gas_max);
        limits.gas = limits.gas == 0 ? asked : std::min(limits.gas, asked);
    }
    return limits;
}

void plan_references(JobPlan& plan) {
    for (const std::string& text : plan.request.secret_refs) {
        auto reference = parse_secret_reference(text, plan.user);
        if (!reference) continue;
        const bool known = std::any_of(
            plan.references.begin(), plan.references.end(),
            [&](const SecretReference& other) { return other.key == reference->key; });
        if (!known) plan.references.push_back(*std::move(reference));
    }
}

}  // namespace

std::optional<JobFailure> plan_job(
    const ComputeContext& compute, api::ExecuteRequest request, JobPlan& plan) {
    plan.request = std::move(request);
    const api::ExecuteRequest& asked = plan.request;
    plan.code_hash = crypto::sha256(base::as_bytes(asked.script));
    plan.limits = plan_limits(compute.options, asked);
    if (compute.broker_or_null != nullptr) {
        // Rules for fewer are the broker's to keep: it tells the script that none allows it.
        plan.limits.host_requests =
            std::max(plan.limits.host_requests, compute.broker_or_null->count_max(plan));
    }
    if (auto bad = plan_input(compute, plan)) return bad;
    if (asked.secret_refs.size() > kSecretRefsMax) {
        return failure(
            "too many secret references (max " + std::to_string(kSecretRefsMax) + ")",
            "too_many_secrets");
    }
    plan_references(plan);
    if (asked.script.size() > script::kSourceBytesMax) {
        return failure(too_large("script", script::kSourceBytesMax), "script_too_large");
    }
    if (asked.entry_point.size() > script::kEntryPointBytesMax) {
        return failure(
            "entry point '" + asked.entry_point.substr(0, 64) + "...' is not a function",
            "no_entry_point");
    }
    if (asked.script_hash && !std::equal(
                                 asked.script_hash->begin(), asked.script_hash->end(),
                                 plan.code_hash.bytes.begin(), plan.code_hash.bytes.end())) {
        return failure("the script is not the one that script_hash names", "script_hash_mismatch");
    }
    return std::nullopt;
}

Result<std::optional<JobFailure>> grant_secrets(
    storage::Transaction& tx, const ComputeContext& compute, JobPlan& plan) {
    std::optional<JobFailure> denied;
    plan.secrets.clear();
    if (plan.references.empty()) return denied;
    const SecretReader reader{
        plan.user, plan.request.app_id, plan.code_hash.to_hex(),
        compute.options.empty_policy_allows};
    std::vector<std::pair<std::string, std::string>> decisions;  // owner/name and what was decided
    for (const SecretReference& reference : plan.references) {
        TRY(auto found, secrets::find(tx, reference.owner, reference.name));
        const std::string full = reference.owner + "/" + reference.name;
        if (!found) {
            // Another user's names are not told apart from those that are not there.
            decisions.emplace_back(full, "not_found");
            if (!denied) {
                denied = failure(
                    "failed to fetch secret " + reference.key + ": secret not found",
                    "secret_not_found");
            }
        } else if (!may_read(found->info, reader)) {
            decisions.emplace_back(full, "forbidden");
            const bool own = reference.owner == plan.user;
            if (!denied) {
                denied = failure(
                    "failed to fetch secret " + reference.key +
                        (own ? ": secret access forbidden" : ": secret not found"),
                    own ? "secret_forbidden" : "secret_not_found");
            }
        } else {
            decisions.emplace_back(full, "version " + std::to_string(found->info.version));
            plan.secrets.push_back({reference.key, *std::move(found)});
        }
    }
    if (denied) plan.secrets.clear();
    TRY_VOID(record(
        tx, compute, denied ? "compute.secret_denied" : "compute.secret_read", plan.actor,
        [&](base::JsonWriter& out) {
            out.member("job_id", std::string_view(plan.job_id));
            out.member("user", std::string_view(plan.user));
            out.member("app_id", std::string_view(plan.request.app_id));
            out.member("code_hash", std::string_view(reader.code_hash));
            out.key("secrets").begin_object();
            for (const auto& [name, decision] : decisions) {
                out.member(name, std::string_view(decision));
            }
            out.end_object();
        }));
    return denied;
}

}  // namespace adyton::compute

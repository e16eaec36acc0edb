#include "compute/job_result.h"

#include <algorithm>
#include <utility>

#include "compute/canonical_json.h"
#include "compute/compute_service.h"
#include "compute/receipt.h"
#include "compute/sealed_box.h"
#include "crypto/transcript.h"

namespace adyton::compute {
namespace {

using script::RunResult;
using script::Status;

JobPhase phase_of(Status status) {
    switch (status) {
        case Status::Completed:
            return JobPhase::Completed;
        case Status::TimedOut:
            return JobPhase::TimedOut;
        case Status::Cancelled:
            return JobPhase::Cancelled;
        case Status::Failed:
        case Status::OutOfMemory:
        case Status::GasExhausted:
        case Status::Trapped:
        case Status::ExecutorLost:
            break;
    }
    return JobPhase::Failed;
}

std::string code_of(const RunResult& result) {
    if (result.status != Status::Failed) return std::string(script::to_string(result.status));
    if (!result.error) return "execution_error";
    switch (result.error->stage) {
        case script::Stage::Input:
            return "input_invalid";
        case script::Stage::Script:
            return "script_error";
        case script::Stage::EntryPoint:
            return "no_entry_point";
        case script::Stage::Execution:
            return "execution_error";
        case script::Stage::Output:
            return "output_invalid";
    }
    return "execution_error";
}

// The seed's sentence names the entry point or the limit.
std::string error_of(const JobPlan& plan, const RunResult& result) {
    script::Job job;
    job.entry_point = plan.request.entry_point;
    job.limits = plan.limits;
    return script::seed_error_text(job, result);
}

void fail(JobAnswer& answer, std::string error, std::string code) {
    answer.phase = JobPhase::Failed;
    answer.error = std::move(error);
    answer.error_code = std::move(code);
    answer.output.clear();
}

// The output through the guard, in canonical form.
void take_output(JobAnswer& answer, LeakGuard& guard, const std::string& output_json) {
    if (output_json.empty()) return;
    auto output = parse_script_json(output_json);
    if (!output) {
        fail(
            answer, "output is not JSON serializable: it is nested too deeply, or not text",
            "output_invalid");
        return;
    }
    if (guard.scan(*output)) {
        const CleanText clean = [&guard](std::string_view text) { return guard.clean(text); };
        answer.output = canonical_text(*output, clean);
    } else {
        answer.output = canonical_text(*output);
    }
    if (answer.output.size() > script::kOutputBytesMax) {
        fail(
            answer,
            "output exceeds maximum size of " + std::to_string(script::kOutputBytesMax) + " bytes",
            "output_too_large");
    }
}

std::vector<ConsoleLine> clean_console(
    LeakGuard& guard, const std::vector<script::LogEntry>& logs) {
    std::vector<ConsoleLine> out;
    for (const script::LogEntry& entry : logs) {
        std::string_view stump;
        if (entry.text.ends_with(script::kLogCutMark)) {
            stump = entry.text;
            stump.remove_suffix(script::kLogCutMark.size());
        }
        out.emplace_back(
            std::string(script::to_string(entry.level)), guard.clean(entry.text, {stump}));
    }
    return out;
}

void add_warnings(const ComputeContext& compute, JobAnswer& answer, const LeakGuard& guard) {
    for (const std::string& name : guard.found()) {
        answer.warnings.push_back("secret_in_output:" + name);
    }
    if (!guard.found().empty()) compute.metrics.leaks.add();
}

std::vector<std::string> all_logs(
    const JobPlan& plan, const JobRun& run, const std::vector<ConsoleLine>& console) {
    std::vector<std::string> logs;
    logs.push_back(service_line(run.started_at, "Starting execution"));
    logs.push_back(service_line(run.started_at, "Entry point: " + plan.request.entry_point));
    for (const GrantedSecret& secret : plan.secrets) {
        logs.push_back(service_line(run.started_at, "Loaded secret: " + secret.key));
    }
    for (const ConsoleLine& line : console) logs.push_back(shown_line(line));
    return logs;
}

// Hash, HMAC and ciphertext as the seed has them, and the box for the caller.
Result<std::optional<crypto::Sha256Digest>> protect_output(
    const ComputeContext& compute, const JobPlan& plan, JobAnswer& answer) {
    std::optional<crypto::Sha256Digest> sealed_hash;
    if (answer.output.empty()) return sealed_hash;
    const auto hash = crypto::sha256(base::as_bytes(answer.output));
    answer.output_hash = hash.to_hex();
    answer.signature = compute.keys.seed_signature(hash);
    if (plan.request.output_public_key) {
        TRY(const auto key, crypto::X25519PublicKey::parse(*plan.request.output_public_key));
        auto box = seal_box(key, base::as_bytes(answer.output));
        if (!box) {
            fail(answer, "output_public_key is no key", "output_key_invalid");
            answer.output_hash.clear();
            answer.signature.clear();
            return sealed_hash;
        }
        sealed_hash = crypto::sha256(*box);
        answer.sealed_output = base::base64_encode(*box);
    }
    if (plan.request.sealed_only) {
        answer.output.clear();  // what is left to read is for the caller's key alone
    } else {
        answer.encrypted_output =
            compute.keys.seed_encrypted(answer.output, crypto::AesGcmNonce::random(compute.random));
    }
    return sealed_hash;
}

Receipt receipt_of(
    const ComputeContext& compute, const JobPlan& plan, const JobRun& run,
    const JobAnswer& answer) {
    Receipt out;
    out.job_id = plan.job_id;
    out.user = plan.user;
    out.code_hash = plan.code_hash;
    if (plan.request.language == api::ScriptLanguage::TypeScript) {
        out.language = "typescript " + std::string(script::type_stripper_name());
    }
    out.entry_point = plan.request.entry_point;
    out.app_id = plan.request.app_id;
    out.input_form = plan.input_form;
    out.input_hash = plan.input_hash;
    for (const GrantedSecret& secret : plan.secrets) {
        const SecretInfo& info = secret.sealed.info;
        out.secrets.push_back({info.owner, info.name, info.version});
    }
    out.fetch_hash = fetch_hash(run.fetches);
    out.gas_used = static_cast<std::uint64_t>(answer.gas_used);
    out.metered_gas = run.result.metered_gas;
    out.limits.time_ms = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(plan.limits.time).count());
    out.limits.memory_bytes = plan.limits.memory_bytes;
    out.limits.metered_gas = plan.limits.gas;
    out.limits.fetches = plan.limits.host_requests;
    out.layers = run.result.layers.to_string();
    out.status = to_string(answer.phase);
    out.error_code = answer.error_code;
    out.started_at = run.started_at;
    out.finished_at = run.finished_at;
    out.version = kServiceVersion;
    out.engine = compute.engine_name;
    return out;
}

// The text when it may have been cut at its limit, which leaves no mark; otherwise nothing.
std::string_view stump_of(const std::string& text, std::size_t bytes_max) {
    return text.size() + script::kCutBytesMax >= bytes_max ? std::string_view(text)
                                                           : std::string_view();
}

void take_error(JobAnswer& answer, LeakGuard& guard, const JobPlan& plan, const RunResult& result) {
    answer.phase = phase_of(result.status);
    if (answer.phase == JobPhase::Completed) return;
    const script::ScriptError error = result.error.value_or(script::ScriptError{});
    answer.error = guard.clean(
        error_of(plan, result), {stump_of(error.name, script::kErrorNameTextBytesMax),
                                 stump_of(error.message, script::kErrorMessageBytesMax)});
    answer.error_code = code_of(result);
    if (!result.error) return;
    answer.error_line = result.error->line;
    answer.error_column = result.error->column;
}

}  // namespace

crypto::Sha256Digest fetch_hash(const std::vector<FetchRecord>& fetches) {
    crypto::Transcript out("receipt-fetches");
    int tag = 0;
    for (const FetchRecord& fetch : fetches) {
        out.add(static_cast<std::uint8_t>(++tag), fetch.request.view());
        out.add(static_cast<std::uint8_t>(++tag), fetch.reply.view());
    }
    return out.sha256();
}

Result<LeakGuard> guard_of(
    const ComputeContext& compute, const std::vector<GrantedSecret>& secrets) {
    std::vector<LeakGuard::Guarded> guarded;
    for (const GrantedSecret& secret : secrets) {
        const SecretInfo& info = secret.sealed.info;
        TRY(auto value, open_secret(compute.keys, secret.sealed));
        guarded.push_back({secret.key, std::move(value), info.exportable, info.policy.redact});
    }
    return LeakGuard(std::move(guarded));
}

Result<JobAnswer> conclude_run(const ComputeContext& compute, const JobPlan& plan, JobRun run) {
    TRY(LeakGuard guard, guard_of(compute, plan.secrets));
    JobAnswer answer;
    answer.job_id = plan.job_id;
    answer.created_at = plan.created_at;
    answer.started_at = run.started_at;
    answer.finished_at = run.finished_at;
    answer.duration = run.result.wall_time;
    answer.metered_gas = run.result.metered_gas;
    for (const std::string_view name : run.result.layers.names()) {
        answer.isolation.emplace_back(name);
    }
    take_error(answer, guard, plan, run.result);
    if (answer.phase == JobPhase::Completed) take_output(answer, guard, run.result.output_json);
    const std::vector<ConsoleLine> console = clean_console(guard, run.result.logs);
    answer.logs = all_logs(plan, run, console);
    answer.log_levels = levels_to_tell(console);
    answer.logs_dropped = run.result.logs_dropped;
    if (answer.phase == JobPhase::Completed && !guard.refused().empty()) {
        fail(
            answer,
            "output refused: it holds the secret " + guard.refused() + ", which is not exportable",
            "secret_leak");
    }
    add_warnings(compute, answer, guard);
    answer.held_back = guard.held_back();
    TRY(const auto sealed_hash, protect_output(compute, plan, answer));
    if (answer.phase == JobPhase::Completed) {
        answer.gas_used = static_cast<std::int64_t>(plan.request.script.size()) * kGasPerScriptByte;
        answer.logs->push_back(service_line(run.finished_at, kCompletedLine));
    }
    Receipt receipt = receipt_of(compute, plan, run, answer);
    if (!answer.output_hash.empty()) {
        TRY(const auto bytes, base::hex_decode(answer.output_hash));
        TRY(receipt.output_hash, crypto::Sha256Digest::parse(bytes));
    }
    receipt.sealed_output_hash = sealed_hash;
    receipt.console_hash = console_hash(console);
    TRY(const auto receipt_signed, sign_receipt(compute.keys, std::move(receipt)));
    answer.receipt = receipt_signed.to_json_text();
    return answer;
}

JobAnswer conclude_failure(
    const JobPlan& plan, const JobFailure& failure, base::Timestamp finished_at) {
    JobAnswer answer;
    answer.job_id = plan.job_id;
    answer.phase = failure.phase;
    answer.error = failure.error;
    answer.error_code = failure.error_code;
    answer.created_at = plan.created_at;
    answer.finished_at = finished_at;
    return answer;
}

}  // namespace adyton::compute

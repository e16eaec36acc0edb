#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "api/compute_types.h"
#include "compute/internal/service_parts.h"
#include "compute/job_runner.h"
#include "compute/users.h"
#include "crypto/uuid.h"

// POST /execute and GET /limits (services.md 4.1, docs/compute.md).
namespace adyton::compute {
namespace {

using http::Response;
using service::Call;
using Parts = ComputeService::Parts;

constexpr std::int64_t kWaitSecondsMax = 130;
constexpr base::Duration kRetryAfter = std::chrono::seconds(1);

// How long the caller waits: nothing said means to the end, as the seed does.
Result<std::optional<base::Duration>> wait_of(const http::Request& request) {
    TRY(const auto text, request.query.find_single("wait"));
    const auto prefer = request.headers.find("Prefer");
    if (!text) {
        if (prefer && prefer->find("respond-async") != std::string_view::npos) {
            return std::optional<base::Duration>(base::Duration::zero());
        }
        return std::optional<base::Duration>();
    }
    std::int64_t seconds = 0;
    const auto [rest, status] = std::from_chars(text->data(), text->data() + text->size(), seconds);
    if (status != std::errc() || rest != text->data() + text->size() || seconds < 0 ||
        seconds > kWaitSecondsMax) {
        return Error::invalid_argument("wait must be 0 to 130 seconds");
    }
    return std::optional<base::Duration>(std::chrono::seconds(seconds));
}

Result<std::optional<workflow::IdempotencyKey>> key_of(const Call& call, const std::string& user) {
    const http::Headers& headers = call.request.headers;
    for (const std::string_view name : {"Idempotency-Key", "X-Idempotency-Key"}) {
        if (headers.count(name) > 1) {
            return Error::invalid_argument(
                std::string(name) + " stands twice", "idempotency_key_invalid");
        }
    }
    TRY(auto text, workflow::choose_idempotency_key(
                       headers.find("Idempotency-Key"), headers.find("X-Idempotency-Key")));
    if (!text) return std::optional<workflow::IdempotencyKey>();
    return std::optional<workflow::IdempotencyKey>(
        workflow::IdempotencyKey{"compute", user, "POST /execute", *std::move(text)});
}

Response accepted(const std::string& job_id, std::string text) {
    Response out = service::json_answer(std::move(text), http::Status::Accepted);
    out.headers.set("Location", "/jobs/" + job_id);
    return out;
}

// A stored job as an answer: 200 once it is over, else 202.
Answer answer_of(
    const ComputeContext& compute, std::string user, std::string job_id, base::Duration at_most) {
    auto waiting = wait_answer(compute, user, job_id, at_most);
    CO_TRY(auto text, co_await std::move(waiting));
    const auto json = base::Json::parse(text);
    const base::Json* const phase = json ? json->find("phase") : nullptr;
    const bool open = phase != nullptr && phase->is_string() &&
                      (phase->string_value() == "queued" || phase->string_value() == "running");
    if (open) co_return accepted(job_id, std::move(text));
    co_return service::json_answer(std::move(text));
}

// What a run here came to. Of a process that was away for too long another one has taken the job,
// and what that has made of it counts.
Answer answer_of_run(const ComputeContext& compute, SharedPlan plan, Result<std::string> ran) {
    if (!ran && ran.error().reason() == "job_lost") {
        auto answering =
            answer_of(compute, plan->user, plan->job_id, std::chrono::seconds(kWaitSecondsMax));
        co_return co_await std::move(answering);
    }
    CO_TRY(auto text, std::move(ran));
    co_return service::json_answer(std::move(text));
}

// The job of an idempotency key: the key is remembered for longer than the job is kept.
Answer answer_again(
    const ComputeContext& compute, std::string user, std::string job_id, base::Duration at_most) {
    auto answering = answer_of(compute, std::move(user), std::move(job_id), at_most);
    auto answer = co_await std::move(answering);
    if (!answer && answer.error().code() == ErrorCode::NotFound) {
        co_return Error::conflict(
            "the job of this idempotency key has expired; send it with another key", "job_expired");
    }
    co_return answer;
}

// Drives a job beside the request that sent it.
Task<void> run_beside(
    ComputeContext& compute, SharedPlan plan, FairGate::Ticket ticket,
    std::shared_ptr<LiveJob> live) {
    auto running = run_job(compute, plan, std::move(ticket), live);
    const auto done = co_await std::move(running);
    (void)done;  // run_job logs
    if (compute.stopping.load()) co_return;
    auto pumping = pump_queue(compute);
    const auto pumped = co_await std::move(pumping);
    (void)pumped;  // the heartbeat tries again
}

struct Submission {
    SharedPlan plan;
    std::optional<JobFailure> refusal;
    AdmissionOptions options;
    std::optional<base::Duration> wait;  // none: to the end
};

Answer submit_async(Parts& parts, Call call, Submission submission) {
    ComputeContext& compute = parts.context;
    const SharedPlan plan = submission.plan;
    plan->keep_request = true;
    submission.options.may_queue = true;
    submission.options.run_now = compute.gate.has_room(plan->user);
    std::optional<FairGate::Ticket> ticket;
    if (submission.options.run_now) {
        auto entered = compute.gate.enter_within_limit(plan->user);
        if (entered) {
            ticket = *std::move(entered);
        } else {
            submission.options.run_now = false;
        }
    }
    auto admitting =
        admit(compute, plan, submission.refusal, call.request.body, submission.options);
    CO_TRY(const auto admission, co_await std::move(admitting));
    if (admission.kind == Admission::Kind::Over) co_return service::json_answer(admission.answer);
    if (admission.kind == Admission::Kind::Running) {
        auto live = compute.live.add(plan->job_id, plan->user);
        base::spawn(
            compute.executor, run_beside(compute, plan, *std::move(ticket), std::move(live)));
    }
    if (admission.kind != Admission::Kind::Running) ticket.reset();
    const base::Duration wait = submission.wait.value_or(base::Duration::zero());
    auto answering = admission.kind == Admission::Kind::Repeated
                         ? answer_again(compute, plan->user, admission.job_id, wait)
                         : answer_of(compute, plan->user, admission.job_id, wait);
    co_return co_await std::move(answering);
}

Answer submit_and_wait(Parts& parts, Call call, Submission submission) {
    ComputeContext& compute = parts.context;
    const SharedPlan plan = submission.plan;
    // Jobs that may run again, or leave a recording, keep what they were sent.
    plan->keep_request = plan->request.on_restart == api::OnRestart::Rerun;
    const bool unrecorded =
        !submission.refusal && !submission.options.key && may_begin_unrecorded(compute, *plan);
    auto entered =
        unrecorded ? compute.gate.enter_within_limit(plan->user) : compute.gate.enter(plan->user);
    if (!entered) {
        compute.metrics.refused.add();
        if (entered.error().reason() == "user_jobs") co_return too_many_jobs(compute.options);
        co_return std::move(entered).error();
    }
    FairGate::Ticket ticket = *std::move(entered);
    if (unrecorded) {
        auto running = run_unrecorded(compute, plan, std::move(ticket));
        auto ran = co_await std::move(running);
        auto answering = answer_of_run(compute, plan, std::move(ran));
        co_return co_await std::move(answering);
    }
    auto admitting =
        admit(compute, plan, submission.refusal, call.request.body, submission.options);
    auto admitted = co_await std::move(admitting);
    if (!admitted) co_return std::move(admitted).error();
    if (admitted->kind == Admission::Kind::Over) {
        co_return service::json_answer(std::move(admitted->answer));
    }
    if (admitted->kind == Admission::Kind::Repeated) {
        { const FairGate::Ticket unused = std::move(ticket); }
        auto answering = answer_again(
            compute, plan->user, admitted->job_id, std::chrono::seconds(kWaitSecondsMax));
        co_return co_await std::move(answering);
    }
    auto live = compute.live.add(plan->job_id, plan->user);
    auto running = run_job(compute, plan, std::move(ticket), std::move(live));
    auto ran = co_await std::move(running);
    auto answering = answer_of_run(compute, plan, std::move(ran));
    co_return co_await std::move(answering);
}

Answer execute_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    if (call.request.body.size() > kRequestBytesMax) {
        call.hints.details = base::Json::object();
        call.hints.details.set("limit_bytes", base::Json::unsigned_integer(kRequestBytesMax));
        co_return Error::too_large("request body too large");
    }
    CO_TRY(auto request, api::parse_execute_request(call.request.body));
    Submission submission;
    CO_TRY(submission.wait, wait_of(call.request));
    CO_TRY(submission.options.key, key_of(call, user.id));
    if (submission.options.key) {
        submission.options.request_digest = crypto::sha256(base::as_bytes(call.request.body));
    }
    submission.plan = std::make_shared<JobPlan>();
    JobPlan& plan = *submission.plan;
    plan.created_at = compute.executor.now();
    plan.job_id = crypto::uuid_v7(compute.random, plan.created_at);
    plan.user = user.id;
    plan.actor = user.actor;
    submission.refusal = plan_job(compute, std::move(request), plan);
    const bool asynchronous = submission.wait.has_value();
    auto answering = asynchronous ? submit_async(parts, call, std::move(submission))
                                  : submit_and_wait(parts, call, std::move(submission));
    auto answer = co_await std::move(answering);
    if (!answer && answer.error().code() == ErrorCode::ResourceExhausted) {
        call.hints.retry_after = std::chrono::duration_cast<std::chrono::seconds>(kRetryAfter);
    }
    co_return answer;
}

Answer limits_route(Parts& parts, Call) {
    const ComputeOptions& options = parts.options;
    std::string text;
    base::JsonWriter out(text);
    const auto number = [&out](std::string_view name, auto value) {
        out.member(name, static_cast<std::uint64_t>(value));
    };
    out.begin_object();
    number("script_bytes_max", script::kSourceBytesMax);
    number("input_bytes_max", script::kInputBytesMax);
    number("output_bytes_max", script::kOutputBytesMax);
    number("request_bytes_max", kRequestBytesMax);
    number("secrets_per_run_max", kSecretRefsMax);
    number("secret_bytes_max", script::kSecretBytesMax);
    number("console_entries_max", script::kLogEntriesMax);
    number("console_entry_bytes_max", script::kLogEntryBytesMax);
    number("running_jobs_max", options.running_per_user_max);
    number("queued_jobs_max", options.queued_per_user_max);
    number("kept_jobs_max", options.kept_per_user_max);
    number("kept_bytes_max", options.kept_bytes_per_user_max);
    number("timeout_default_seconds", kTimeoutDefaultSeconds);
    number("timeout_max_seconds", kTimeoutMaxSeconds);
    number("memory_bytes_max", options.memory_bytes);
    number("metered_gas_max", options.metered_gas_max);
    number("gas_per_script_byte", kGasPerScriptByte);
    out.member("result_ttl", std::string_view(base::to_go_duration(options.result_ttl)));
    out.member("cleanup_interval", std::string_view(base::to_go_duration(options.cleanup_period)));
    out.end_object();
    co_return service::json_answer(std::move(text));
}

}  // namespace

void ComputeService::register_routes(service::ServiceFrame& frame) {
    Parts& parts = *parts_;
    frame.add("POST", "/execute", service::Access::Public, [&parts](Call call) {
        return execute_route(parts, call);
    });
    frame.add("GET", "/limits", service::Access::Public, [&parts](Call call) {
        return limits_route(parts, call);
    });
    register_job_routes(parts, frame);
    register_secret_routes(parts, frame);
}

}  // namespace adyton::compute

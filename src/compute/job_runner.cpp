#include "compute/job_runner.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "compute/fetch_broker.h"
#include "compute/late_record.h"
#include "compute/recording.h"
#include "crypto/uuid.h"

namespace adyton::compute {
namespace {

using script::RunResult;

constexpr int kStoreAttempts = 60;
constexpr base::Duration kStorePause = std::chrono::milliseconds(500);
constexpr std::size_t kInlineOutputBytes = 64 * 1024;
constexpr std::string_view kInterrupted = "the job was cut off by a restart of the service";

bool holds_back_lines(const JobPlan& plan) {
    return std::any_of(plan.secrets.begin(), plan.secrets.end(), [](const GrantedSecret& secret) {
        return !secret.sealed.info.exportable;
    });
}

Result<std::vector<script::Secret>> open_all(
    const ComputeContext& compute, const std::vector<GrantedSecret>& secrets) {
    std::vector<script::Secret> out;
    for (const GrantedSecret& secret : secrets) {
        script::Secret opened;
        opened.name = secret.key;
        if (secret.sealed.info.policy.bound()) {
            opened.value = script::SensitiveBytes(secret_placeholder(secret.key));
        } else {
            TRY(opened.value, open_secret(compute.keys, secret.sealed));
        }
        out.push_back(std::move(opened));
    }
    return out;
}

// What a run collects besides its result. Shared with the engine's callbacks.
struct RunNotes {
    std::vector<FetchRecord> fetches;
    std::vector<script::HostReply> replies;
};

// A free coroutine: it owns what it uses.
Task<script::HostReply> call_broker(
    FetchBroker* broker, SharedPlan plan, std::shared_ptr<RunNotes> notes,
    script::HostRequest request) {
    const std::uint32_t sequence = request.sequence;
    if (notes->fetches.size() <= sequence) {
        notes->fetches.resize(sequence + 1);
        notes->replies.resize(sequence + 1);
    }
    // Noted before it goes out: the job may be over before there is an answer.
    notes->fetches[sequence].request = crypto::sha256(base::as_bytes(request.json));
    auto fetching = broker->fetch(plan, std::move(request));
    script::HostReply reply = co_await std::move(fetching);
    notes->fetches[sequence].reply = crypto::sha256(base::as_bytes(reply.json));
    if (plan->request.record) notes->replies[sequence] = reply;
    co_return reply;
}

script::Job make_job(
    ComputeContext& compute, const SharedPlan& plan, const std::shared_ptr<LiveJob>& live,
    const std::shared_ptr<RunNotes>& notes, base::Timestamp started_at) {
    script::Job job;
    job.id = plan->job_id;
    job.user = plan->user;
    job.source = plan->request.script;
    if (plan->request.language == api::ScriptLanguage::TypeScript) {
        job.language = script::Language::TypeScript;
    }
    job.entry_point = plan->request.entry_point;
    job.input_json = plan->input_json;
    job.limits = plan->limits;
    job.start_time = started_at;
    compute.random.fill(job.random_seed);
    job.strict = plan->request.strict;
    job.secrets = [&compute, plan] { return open_all(compute, plan->secrets); };
    // Lines that are held back are taken too: the end of a job that is killed has them.
    job.on_log = [live, shown = !holds_back_lines(*plan)](const script::LogEntry& entry) {
        if (!shown) return;
        const bool plain = entry.level == script::LogLevel::Log;
        live->add_line(
            plain ? entry.text : std::string(script::to_string(entry.level)) + ": " + entry.text);
    };
    FetchBroker* const broker = compute.broker_or_null;
    if (broker != nullptr && broker->allows(*plan)) {
        job.host = [broker, plan, notes](script::HostRequest request) {
            return call_broker(broker, plan, notes, std::move(request));
        };
    }
    return job;
}

Recording begin_recording(const SharedPlan& plan, const script::Job& job) {
    Recording out;
    out.job_id = job.id;
    out.script = job.source;
    out.language = job.language;
    out.entry_point = job.entry_point;
    out.input_json = job.input_json;
    for (const GrantedSecret& secret : plan->secrets) {
        out.secret_names.push_back(secret.key);
        if (secret.sealed.info.policy.bound()) out.bound_names.push_back(secret.key);
    }
    out.limits = job.limits;
    out.start_time = job.start_time;
    out.random_seed = job.random_seed;
    out.has_host = static_cast<bool>(job.host);
    return out;
}

JobAnswer conclude_error(
    const ComputeContext& compute, const JobPlan& plan, const Error& error,
    base::Timestamp finished_at) {
    compute.logger.warning(
        "a job could not be run", {{"job_id", plan.job_id}, {"cause", error.message()}});
    JobFailure failure{JobPhase::Failed, "the job could not be run", "engine_unavailable"};
    if (error.code() == ErrorCode::CorruptData) {
        failure = {JobPhase::Failed, "a secret cannot be opened", "secret_unreadable"};
    } else if (error.code() == ErrorCode::InvalidArgument) {
        failure = {JobPhase::Failed, "script error: " + error.message(), "script_error"};
    }
    return conclude_failure(plan, failure, finished_at);
}

// Hashing and guarding a large output takes a while: not on a loop that serves others.
Task<Result<JobAnswer>> conclude(
    ComputeContext& compute, SharedPlan plan, std::shared_ptr<JobRun> run) {
    base::Executor* const here = base::Executor::current();
    if (run->result.output_json.size() <= kInlineOutputBytes || here == nullptr) {
        co_return conclude_run(compute, *plan, std::move(*run));
    }
    auto work = [&compute, plan, run]() -> Result<JobAnswer> {
        return conclude_run(compute, *plan, std::move(*run));
    };
    auto blocking = base::run_blocking(*here, std::move(work));
    co_return co_await std::move(blocking);
}

// Lets what waits for this loop go first.
Task<void> step_aside() {
    base::Executor* const here = base::Executor::current();
    if (here == nullptr) co_return;
    base::Completion<bool> turn;
    here->post([turn = turn.completer()] { turn->set(true); });
    co_await turn;
}

// A result that cannot be stored now keeps its slot, so it is tried again for a while.
Task<Result<void>> store_end(ComputeContext& compute, SharedPlan plan, jobs::FinalJob end) {
    Result<void> stored;
    bool unsure = false;  // a commit before may have stored it
    for (int attempt = 0; attempt < kStoreAttempts; ++attempt) {
        auto unit = [&](storage::Transaction& tx) -> Result<void> {
            if (unsure) {
                TRY(const bool there, jobs::has_answer(tx, plan->job_id, plan->user, end.answer));
                if (there) return {};
            }
            return jobs::finish(tx, plan->job_id, plan->user, compute.claim, end);
        };
        auto write = compute.database.write(std::move(unit));
        stored = co_await std::move(write);
        if (stored) break;
        const ErrorCode code = stored.error().code();
        // A process that ends looks once more before it leaves an end unsure.
        const bool looks_once = code == ErrorCode::OutcomeUnknown && !unsure;
        unsure = unsure || code == ErrorCode::OutcomeUnknown;
        if (code != ErrorCode::Unavailable && code != ErrorCode::OutcomeUnknown) break;
        if (compute.stopping.load() && !looks_once) break;
        auto pause = base::sleep_for(*base::Executor::current(), kStorePause);
        co_await std::move(pause);
    }
    co_return stored;
}

jobs::NewJob new_job(const ComputeContext& compute, const JobPlan& plan, const std::string& body) {
    jobs::NewJob out;
    out.job_id = plan.job_id;
    out.user = plan.user;
    out.rerun = plan.request.on_restart == api::OnRestart::Rerun;
    out.created_at = plan.created_at;
    if (plan.keep_request) {
        out.request = compute.keys.seal_job(
            compute.random, plan.job_id, plan.user, "request", base::as_bytes(body));
    }
    return out;
}

// A job without a record was not accepted yet, so it is not tried again either.
Task<Result<void>> store_unrecorded(ComputeContext& compute, SharedPlan plan, jobs::FinalJob end) {
    const jobs::NewJob job = new_job(compute, *plan, {});
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(const bool inserted,
            jobs::insert_ended(tx, job, end, compute.options.running_per_user_max));
        if (!inserted) return too_many_jobs(compute.options);
        return {};
    };
    auto write = compute.database.write(std::move(unit));
    co_return co_await std::move(write);
}

struct Ended {
    JobAnswer answer;
    std::optional<std::string> recording;
    bool leave = false;  // the process ends; the job runs again elsewhere
};

Task<Result<Ended>> run_engine(
    ComputeContext& compute, SharedPlan plan, FairGate::Ticket ticket,
    std::shared_ptr<LiveJob> live) {
    const auto notes = std::make_shared<RunNotes>();
    auto run = std::make_shared<JobRun>();
    run->started_at = compute.executor.now();
    script::Job job = make_job(compute, plan, live, notes, run->started_at);
    std::optional<Recording> recording;
    if (plan->request.record) recording = begin_recording(plan, job);
    auto running = compute.engine.run(std::move(job));
    auto result = co_await std::move(running);
    run->finished_at = compute.executor.now();
    { const FairGate::Ticket done = std::move(ticket); }
    // The next job goes to its executor before this one is hashed, signed and stored.
    auto aside = step_aside();
    co_await std::move(aside);
    Ended ended;
    if (!result) {
        ended.answer = conclude_error(compute, *plan, result.error(), run->finished_at);
        co_return ended;
    }
    const bool cancelled = result->status == script::Status::Cancelled;
    if (cancelled && compute.stopping.load() && !live->cancel_asked()) {
        ended.leave = plan->request.on_restart == api::OnRestart::Rerun;
        ended.answer = conclude_failure(
            *plan, {JobPhase::Interrupted, std::string(kInterrupted), "interrupted"},
            run->finished_at);
        co_return ended;
    }
    if (recording) {
        note_outcome(*recording, *result);
        recording->replies = notes->replies;
    }
    run->result = *std::move(result);
    run->fetches = notes->fetches;
    auto concluding = conclude(compute, plan, run);
    CO_TRY(ended.answer, co_await std::move(concluding));
    if (recording) {
        if (ended.answer.held_back) {
            recording->output.reset();
            recording->console_hash.reset();
        }
        ended.recording = recording->to_json_text();
    }
    co_return ended;
}

// Whether the job waits in the queue again: for the next process.
Task<bool> put_back(ComputeContext& compute, SharedPlan plan) {
    auto unit = [&](storage::Transaction& tx) {
        return jobs::put_back(tx, plan->job_id, plan->user, compute.claim);
    };
    auto write = compute.database.write(std::move(unit));
    const auto done = co_await std::move(write);
    co_return done.has_value();
}

// `late`: of a job that began without a record; null: it has one.
Task<Result<std::string>> run_and_store(
    ComputeContext& compute, SharedPlan plan, FairGate::Ticket ticket,
    std::shared_ptr<LiveJob> live, std::shared_ptr<LateRecord> late) {
    if (!live->cancel_asked()) {
        auto turn = compute.gate.wait_turn(ticket, plan->job_id);
        co_await std::move(turn);
    }
    live->begin();
    Ended ended;
    if (live->cancel_asked()) {
        ended.answer = conclude_failure(
            *plan, {JobPhase::Cancelled, "the job was cancelled", "cancelled"},
            compute.executor.now());
    } else if (compute.stopping.load()) {
        // It has not begun, so it may begin elsewhere, whatever its caller allows.
        ended.leave = plan->request.on_restart == api::OnRestart::Rerun;
        if (late == nullptr && plan->keep_request) {
            auto putting = put_back(compute, plan);
            const bool waits = co_await std::move(putting);
            ended.leave = ended.leave || waits;
        }
        ended.answer = conclude_failure(
            *plan, {JobPhase::Interrupted, std::string(kInterrupted), "interrupted"},
            compute.executor.now());
    } else {
        auto running = run_engine(compute, plan, std::move(ticket), live);
        auto ran = co_await std::move(running);
        if (ran) {
            ended = *std::move(ran);
        } else {
            ended.answer = conclude_error(compute, *plan, ran.error(), compute.executor.now());
        }
    }
    { const FairGate::Ticket done = std::move(ticket); }  // of a job that did not run
    if (ended.leave) {
        co_return Error::unavailable("the service is stopping; the job will run again", "stopping");
    }
    bool recorded = true;
    if (late != nullptr) {
        auto settling = late->settle();
        CO_TRY(recorded, co_await std::move(settling));
    }
    const JobAnswer& answer = ended.answer;
    std::string text = answer.to_json_text();
    jobs::FinalJob end = final_job(
        compute, plan->job_id, plan->user, answer.phase, text,
        answer.finished_at.value_or(compute.executor.now()));
    if (ended.recording) {
        end.recording = compute.keys.seal_job(
            compute.random, plan->job_id, plan->user, "recording",
            base::as_bytes(*ended.recording));
    }
    auto storing = recorded ? store_end(compute, plan, std::move(end))
                            : store_unrecorded(compute, plan, std::move(end));
    CO_TRY_VOID(co_await std::move(storing));
    const bool good = answer.phase == JobPhase::Completed;
    (good ? compute.metrics.completed : compute.metrics.failed).add();
    co_return text;
}

const workflow::IdempotencyStore& idempotency() {
    static const workflow::IdempotencyStore kStore;
    return kStore;
}

// The unit of work of admit(), apart from idempotency.
Result<Admission> admit_in(
    storage::Transaction& tx, ComputeContext& compute, JobPlan& plan, const jobs::NewJob& job,
    const std::optional<JobFailure>& refusal, const AdmissionOptions& options) {
    Admission out;
    out.job_id = plan.job_id;
    std::optional<JobFailure> failure = refusal;
    if (!failure && options.run_now) {
        TRY(failure, grant_secrets(tx, compute, plan));
    }
    // Each that stores something asks for the newest key once, insert_running() by itself.
    if (failure) {
        TRY_VOID(jobs::check_master_key(tx, compute.claim));
        if (!refusal) compute.metrics.secrets_denied.add();
        const base::Timestamp now = compute.executor.now();
        out.kind = Admission::Kind::Over;
        out.answer = conclude_failure(plan, *failure, now).to_json_text();
        TRY_VOID(jobs::insert_final(
            tx, job, final_job(compute, plan.job_id, plan.user, failure->phase, out.answer, now)));
        return out;
    }
    if (options.run_now) {
        TRY(const bool running, jobs::insert_running(
                                    tx, job, {compute.claim, compute.options.instance_lease},
                                    compute.options.running_per_user_max));
        if (running) return out;
    }
    TRY_VOID(jobs::check_master_key(tx, compute.claim));
    if (!options.may_queue) return too_many_jobs(compute.options);
    plan.secrets.clear();  // granted anew when it starts
    TRY(const bool queued, jobs::insert_queued(tx, job, compute.options.queued_per_user_max));
    if (!queued) return too_many_jobs(compute.options);
    out.kind = Admission::Kind::Queued;
    return out;
}

}  // namespace

void cancel_live(ComputeContext& compute, LiveJob& job) {
    job.ask_cancel();
    compute.gate.withdraw(job.user(), job.job_id());
    compute.engine.cancel(job.job_id());
}

Error too_many_jobs(const ComputeOptions& options) {
    return Error::resource_exhausted(
        "too many concurrent jobs (max " + std::to_string(options.running_per_user_max) + ")",
        "user_jobs");
}

jobs::FinalJob final_job(
    const ComputeContext& compute, const std::string& job_id, const std::string& user,
    JobPhase phase, const std::string& answer, base::Timestamp finished_at) {
    jobs::FinalJob out;
    out.phase = phase;
    out.answer =
        compute.keys.seal_job(compute.random, job_id, user, "answer", base::as_bytes(answer));
    out.finished_at = finished_at;
    out.expires_at = finished_at + std::chrono::duration_cast<std::chrono::microseconds>(
                                       compute.options.result_ttl);
    return out;
}

Result<base::Bytes> open_blob(
    const ComputeContext& compute, const JobRow& job, std::string_view what,
    base::ByteView sealed) {
    auto opened = compute.keys.open_job(job.job_id, job.user, what, sealed);
    if (!opened && compute.previous_keys_or_null != nullptr) {
        return compute.previous_keys_or_null->open_job(job.job_id, job.user, what, sealed);
    }
    if (!opened && compute.key_changed.load()) return jobs::master_key_changed();
    return opened;
}

JobPhase phase_now(const ComputeContext& compute, const JobRow& job) {
    if (job.phase != JobPhase::Running) return job.phase;
    const auto live = compute.live.find(job.job_id);
    const bool begun = live ? live->begun() : job.started_at.has_value();
    return begun ? JobPhase::Running : JobPhase::Queued;
}

Result<std::string> answer_text(const ComputeContext& compute, const JobRow& job) {
    if (job.answer) {
        TRY(const auto plain, open_blob(compute, job, "answer", *job.answer));
        return std::string(base::as_text(plain));
    }
    JobAnswer answer;
    answer.job_id = job.job_id;
    answer.phase = phase_now(compute, job);
    answer.created_at = job.created_at;
    if (answer.phase == JobPhase::Running) answer.started_at = job.started_at;
    if (const auto live = compute.live.find(job.job_id)) {
        answer.logs = live->view(0).lines;
    }
    return answer.to_json_text();
}

Task<Result<Admission>> admit(
    ComputeContext& compute, SharedPlan plan, std::optional<JobFailure> refusal, std::string body,
    AdmissionOptions options) {
    const jobs::NewJob job = new_job(compute, *plan, body);
    JobPlan& filled = *plan;
    auto unit = [&](storage::Transaction& tx) -> Result<Admission> {
        if (!options.key) return admit_in(tx, compute, filled, job, refusal, options);
        TRY(const auto stored, idempotency().begin(tx, *options.key, options.request_digest));
        if (stored) {
            Admission repeated;
            repeated.kind = Admission::Kind::Repeated;
            repeated.job_id = stored->body;
            return repeated;
        }
        TRY(auto admission, admit_in(tx, compute, filled, job, refusal, options));
        TRY_VOID(idempotency().finish(tx, *options.key, {200, admission.job_id}));
        return admission;
    };
    // From its commit on the job is known here, so that nobody takes it for abandoned.
    compute.live.expect(plan->job_id);
    auto write = compute.database.write(std::move(unit));
    auto admitted = co_await std::move(write);
    const bool runs = admitted && admitted->kind == Admission::Kind::Running;
    if (!runs) compute.live.forget(plan->job_id);
    co_return admitted;
}

Task<Result<std::string>> run_job(
    ComputeContext& compute, SharedPlan plan, FairGate::Ticket ticket,
    std::shared_ptr<LiveJob> live) {
    auto running = run_and_store(compute, plan, std::move(ticket), live, nullptr);
    auto text = co_await std::move(running);
    // Whoever watches asks the store then, if it did not end well here.
    live->end(text ? *text : std::string());
    compute.live.remove(plan->job_id);
    if (!text) {
        compute.logger.error(
            "the end of a job was not stored",
            {{"job_id", plan->job_id}, {"cause", text.error().message()}});
    }
    co_return text;
}

bool may_begin_unrecorded(const ComputeContext& compute, const JobPlan& plan) {
    if (compute.options.unrecorded_max <= base::Duration::zero() || !compute.alone.load()) {
        return false;
    }
    // Secrets are read, and that is audited, and what fetches leave behind stays behind.
    const bool fetches = compute.broker_or_null != nullptr && compute.broker_or_null->allows(plan);
    return plan.references.empty() && !fetches && !plan.keep_request;
}

Task<Result<std::string>> run_unrecorded(
    ComputeContext& compute, SharedPlan plan, FairGate::Ticket ticket) {
    auto live = std::make_shared<LiveJob>(plan->job_id, plan->user);
    auto late = LateRecord::begin(compute, plan, live, compute.options.unrecorded_max);
    auto running = run_and_store(compute, plan, std::move(ticket), live, std::move(late));
    auto text = co_await std::move(running);
    live->end(text ? *text : std::string());
    compute.live.remove(plan->job_id);
    co_return text;
}

}  // namespace adyton::compute

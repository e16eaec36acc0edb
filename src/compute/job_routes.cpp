#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

#include "compute/internal/service_parts.h"
#include "compute/job_runner.h"
#include "compute/users.h"

// GET /jobs and what is below it: reading, waiting, cancelling, watching.
namespace adyton::compute {
namespace {

using http::Response;
using service::Call;
using Parts = ComputeService::Parts;

constexpr std::int64_t kPageDefault = 100;
constexpr std::int64_t kPageMax = 500;
constexpr base::Duration kPoll = std::chrono::milliseconds(500);
constexpr base::Duration kCancelWait = std::chrono::seconds(2);
constexpr base::Duration kStreamPause = std::chrono::seconds(15);
constexpr base::Duration kStreamMax = std::chrono::minutes(10);

Error not_found() {
    return Error::not_found("job not found");
}

Result<std::int64_t> number_of(
    const http::Request& request, std::string_view name, std::int64_t otherwise, std::int64_t min,
    std::int64_t max) {
    TRY(const auto text, request.query.find_single(name));
    if (!text) return otherwise;
    std::int64_t value = 0;
    const auto [rest, status] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (status != std::errc() || rest != text->data() + text->size() || value < min ||
        value > max) {
        return Error::invalid_argument(
            std::string(name) + " must be " + std::to_string(min) + " to " + std::to_string(max));
    }
    return value;
}

// "TIME,JOB_ID", as X-Next-Cursor gave it.
Result<std::optional<std::pair<base::Timestamp, std::string>>> cursor_of(
    const http::Request& request) {
    using Cursor = std::optional<std::pair<base::Timestamp, std::string>>;
    TRY(const auto text, request.query.find_single("before"));
    if (!text) return Cursor();
    const std::size_t comma = text->find(',');
    const auto time = base::parse_rfc3339(text->substr(0, comma));
    if (comma == std::string_view::npos || !time) {
        return Error::invalid_argument("before must be the X-Next-Cursor of an answer");
    }
    return Cursor(std::pair(*time, std::string(text->substr(comma + 1))));
}

Task<Result<std::optional<JobRow>>> read_job(
    const ComputeContext& compute, std::string user, std::string job_id) {
    auto unit = [&](storage::Transaction& tx) { return jobs::find(tx, user, job_id); };
    auto read = compute.database.read(std::move(unit));
    co_return co_await std::move(read);
}

// What /jobs shows of a job when it is asked for a summary.
std::string summary_text(const ComputeContext& compute, const JobRow& job) {
    const JobPhase phase = phase_now(compute, job);
    std::string text;
    base::JsonWriter out(text);
    out.begin_object().member("job_id", std::string_view(job.job_id));
    out.member("status", status_word(phase)).member("phase", to_string(phase));
    out.member("created_at", std::string_view(base::to_rfc3339(job.created_at)));
    if (job.finished_at) {
        out.member("finished_at", std::string_view(base::to_rfc3339(*job.finished_at)));
    }
    out.end_object();
    return text;
}

Answer list_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    jobs::Page page;
    page.user = user.id;
    CO_TRY(page.limit, number_of(call.request, "limit", kPageDefault, 1, kPageMax));
    CO_TRY(page.before, cursor_of(call.request));
    CO_TRY(const auto summary, call.request.query.find_single("summary"));
    page.answers = summary != "true";
    auto unit = [&](storage::Transaction& tx) { return jobs::list(tx, page); };
    auto read = compute.database.read(std::move(unit));
    CO_TRY(const auto listed, co_await std::move(read));
    std::string text;
    base::JsonWriter out(text);
    out.begin_array();
    for (const JobRow& row : listed.jobs) {
        if (page.answers) {
            CO_TRY(const auto answer, answer_text(compute, row));
            out.raw(answer);
        } else {
            out.raw(summary_text(compute, row));
        }
    }
    out.end_array();
    Response response = service::json_answer(std::move(text));
    if (listed.more) {
        const JobRow& last = listed.jobs.back();
        response.headers.set(
            "X-Next-Cursor", base::to_rfc3339(last.created_at) + "," + last.job_id);
    }
    co_return response;
}

std::string id_of(const Call& call) {
    return std::string(call.request.path_params.find("id").value_or(""));
}

Answer job_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    CO_TRY(const auto wait, number_of(call.request, "wait", 0, 0, 130));
    auto waiting = wait_answer(compute, user.id, id_of(call), std::chrono::seconds(wait));
    CO_TRY(auto text, co_await std::move(waiting));
    co_return service::json_answer(std::move(text));
}

// The receipt alone, exactly as signed: what `adyton verify receipt` reads.
Answer receipt_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    auto waiting = wait_answer(compute, user.id, id_of(call), base::Duration::zero());
    CO_TRY(const auto text, co_await std::move(waiting));
    CO_TRY(const auto json, base::Json::parse(text));
    const base::Json* const receipt = json.find("receipt");
    if (receipt == nullptr) co_return Error::not_found("the job has no receipt", "no_receipt");
    co_return service::json_answer(receipt->dump());
}

Answer recording_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    const std::string job_id = id_of(call);
    auto unit = [&](storage::Transaction& tx) { return jobs::find_recording(tx, user.id, job_id); };
    auto read = compute.database.read(std::move(unit));
    CO_TRY(const auto sealed, co_await std::move(read));
    if (!sealed) {
        co_return Error::not_found(
            "there is no recording: jobs leave one when they are sent with \"record\": true",
            "no_recording");
    }
    JobRow row;
    row.job_id = job_id;
    row.user = user.id;
    CO_TRY(const auto plain, open_blob(compute, row, "recording", *sealed));
    co_return service::json_answer(std::string(base::as_text(plain)));
}

Answer cancel_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    const std::string job_id = id_of(call);
    auto reading = read_job(compute, user.id, job_id);
    CO_TRY(const auto row, co_await std::move(reading));
    if (!row) co_return not_found();
    JobAnswer answer;
    answer.job_id = job_id;
    answer.phase = JobPhase::Cancelled;
    answer.error = "the job was cancelled";
    answer.error_code = "cancelled";
    answer.created_at = row->created_at;
    answer.finished_at = compute.executor.now();
    const jobs::FinalJob end = final_job(
        compute, job_id, user.id, JobPhase::Cancelled, answer.to_json_text(), *answer.finished_at);
    auto unit = [&](storage::Transaction& tx) { return jobs::request_cancel(tx, job_id, end); };
    auto write = compute.database.write(std::move(unit));
    CO_TRY(const auto state, co_await std::move(write));
    if (state == jobs::CancelState::Asked) {
        if (const auto live = compute.live.find(job_id)) cancel_live(compute, *live);
    }
    auto waiting = wait_answer(compute, user.id, job_id, kCancelWait);
    CO_TRY(auto text, co_await std::move(waiting));
    co_return service::json_answer(std::move(text));
}

// ----- server-sent events -----------------------------------------------------------------------

std::string event_text(std::string_view kind, std::size_t id, std::string_view json) {
    std::string out = "event: ";
    out.append(kind);
    if (id > 0) out += "\nid: " + std::to_string(id);
    out.append("\ndata: ").append(json).append("\n\n");
    return out;
}

std::string line_json(std::string_view line) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_object().member("text", line).end_object();
    return text;
}

// Lines of a job of this process as they are made, then its end.
Task<Result<void>> stream_live(
    base::Executor& executor, std::shared_ptr<LiveJob> live, std::size_t after,
    base::SteadyTime until, http::BodyWriter& body) {
    std::size_t seen = after;
    for (;;) {
        const LiveJob::View view = live->view(seen);
        std::string text;
        for (const std::string& line : view.lines) {
            text += event_text("log", ++seen, line_json(line));
        }
        if (view.answer && !view.answer->empty()) text += event_text("end", 0, *view.answer);
        const bool over = view.answer.has_value() || executor.steady_now() >= until;
        if (!text.empty() || !over) {
            if (text.empty()) text = ": still running\n\n";
            auto writing = body.write(text);
            CO_TRY_VOID(co_await std::move(writing));
        }
        if (over) co_return Result<void>();
        auto waiting = live->wait_change(seen, kStreamPause);
        co_await std::move(waiting);
    }
}

// A job that is not here now, for a moment: one that waits in the queue, of another process, or one
// that is over. True: it was, and its end was written.
Task<Result<bool>> stream_stored(
    ComputeContext& compute, base::Executor& executor, std::string user, std::string job_id,
    http::BodyWriter& body) {
    auto reading = read_job(compute, user, job_id);
    CO_TRY(const auto row, co_await std::move(reading));
    if (!row) co_return true;
    if (is_final(row->phase)) {
        CO_TRY(const auto answer, answer_text(compute, *row));
        const std::string text = event_text("end", 0, answer);
        auto writing = body.write(text);
        CO_TRY_VOID(co_await std::move(writing));
        co_return true;
    }
    auto pause = base::sleep_for(executor, kPoll);
    co_await std::move(pause);
    const std::string text = ": still running\n\n";
    auto writing = body.write(text);
    CO_TRY_VOID(co_await std::move(writing));
    co_return false;
}

Task<Result<void>> stream_job(
    ComputeContext& compute, std::string user, std::string job_id, std::size_t after,
    http::BodyWriter& body) {
    base::Executor* const executor = base::Executor::current();
    CHECK(executor != nullptr);
    const base::SteadyTime until = executor->steady_now() + kStreamMax;
    std::shared_ptr<LiveJob> last;
    while (executor->steady_now() < until) {
        if (const auto live = compute.live.find(job_id); live && live != last) {
            auto streaming = stream_live(*executor, live, after, until, body);
            CO_TRY_VOID(co_await std::move(streaming));
            const LiveJob::View view = live->view(0);
            if (!view.answer || !view.answer->empty()) co_return Result<void>();
            after = 0;  // should it run again, its lines count from the first again
            last = live;
        }
        auto streaming = stream_stored(compute, *executor, user, job_id, body);
        CO_TRY(const bool over, co_await std::move(streaming));
        if (over) co_return Result<void>();
    }
    co_return Result<void>();
}

Answer events_route(Parts& parts, Call call) {
    ComputeContext& compute = parts.context;
    auto resolving = resolve_user(compute, call);
    CO_TRY(const User user, co_await std::move(resolving));
    const std::string job_id = id_of(call);
    auto reading = read_job(compute, user.id, job_id);
    CO_TRY(const auto row, co_await std::move(reading));
    if (!row) co_return not_found();
    std::size_t after = 0;
    if (const auto last = call.request.headers.find("Last-Event-ID")) {
        const auto [rest, status] =
            std::from_chars(last->data(), last->data() + last->size(), after);
        if (status != std::errc() || rest != last->data() + last->size()) {
            co_return Error::invalid_argument("Last-Event-ID must be the id of an event");
        }
    }
    Response response =
        Response::with_type(http::Status::Ok, "text/event-stream; charset=utf-8", {});
    response.headers.set("Cache-Control", "no-store");
    response.stream = [&compute, user = user.id, job_id, after](http::BodyWriter& body) {
        return stream_job(compute, user, job_id, after, body);
    };
    co_return response;
}

}  // namespace

Task<Result<std::string>> wait_answer(
    const ComputeContext& compute, std::string user, std::string job_id, base::Duration at_most) {
    base::Executor* const executor = base::Executor::current();
    CHECK(executor != nullptr);
    const base::SteadyTime until = executor->steady_now() + at_most;
    for (;;) {
        auto reading = read_job(compute, user, job_id);
        CO_TRY(const auto row, co_await std::move(reading));
        if (!row) co_return not_found();
        const base::Duration left = until - executor->steady_now();
        if (is_final(row->phase) || left <= base::Duration::zero()) {
            co_return answer_text(compute, *row);
        }
        if (const auto live = compute.live.find(job_id)) {
            auto waiting = live->wait_end(left);
            co_await std::move(waiting);
        } else {
            auto pause = base::sleep_for(*executor, std::min(left, kPoll));
            co_await std::move(pause);
        }
    }
}

void register_job_routes(Parts& parts, service::ServiceFrame& frame) {
    const auto add = [&](std::string_view method, std::string_view path,
                         Answer (*handler)(Parts&, Call)) {
        frame.add(method, path, service::Access::Public, [&parts, handler](Call call) {
            return handler(parts, call);
        });
    };
    add("GET", "/jobs", &list_route);
    add("GET", "/jobs/{id}", &job_route);
    add("DELETE", "/jobs/{id}", &cancel_route);
    add("GET", "/jobs/{id}/receipt", &receipt_route);
    add("GET", "/jobs/{id}/recording", &recording_route);
    add("GET", "/jobs/{id}/events", &events_route);
}

}  // namespace adyton::compute

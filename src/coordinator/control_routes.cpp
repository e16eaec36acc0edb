#include <fmt/format.h>

#include <utility>

#include "coordinator/evidence.h"
#include "coordinator/internal/lanes.h"
#include "coordinator/internal/route_support.h"

// Ours: what happened so far and as it happens, evidence, pause, resume and cancel.
namespace adyton::coordinator {
namespace {

using base::Json;
using http::Response;
using service::Call;
using Core = CoordinatorService::Core;

constexpr std::int64_t kEventsAtOnce = 200;
constexpr base::Duration kLookPeriod = std::chrono::seconds(1);
constexpr base::Duration kStreamMax = std::chrono::minutes(30);

Error unknown(const std::string& id) {
    return Error::not_found("workflow request " + id + " was not found", "request_not_found");
}

struct Found {
    WorkflowRecord record;
    std::optional<workflow::Run> run;
    std::optional<workflow::Run> batch;  // of it, that was paused, resumed or cancelled with it
};

Result<Found> find_both(
    storage::Transaction& tx, const std::string& wallet_id, const std::string& id) {
    TRY(auto record, records::find(tx, wallet_id, id));
    if (!record) return unknown(id);
    TRY(auto run, workflow::find_run(tx, id));
    return Found{*std::move(record), std::move(run), {}};
}

using Control = BatchControl;  // a batch is controlled as what it is a part of

Result<void> carry_out(storage::Transaction& tx, const Found& found, Control control) {
    const std::string actor = "wallet:" + found.record.wallet_id;
    if (!found.run || workflow::is_final(found.run->state) || is_final(found.record.status)) {
        return Error::conflict("the workflow has ended", "workflow_final");
    }
    const std::string& id = found.record.request_id;
    if (control == Control::Pause) {
        TRY_VOID(workflow::pause_run(tx, id, actor));
        return {};
    }
    if (control == Control::Resume) {
        TRY_VOID(workflow::resume_run(tx, id, actor));
        return {};
    }
    // The step as it is with the row locked: no resume comes between it and the answer.
    TRY_VOID(workflow::request_cancel(tx, id, actor));
    TRY(const auto run, workflow::find_run(tx, id));
    if (run && (run->step == phase::kResumePoll || run->step == phase::kDispatchPoll)) {
        return Error::conflict(
            "too late: the batch was resumed; its calls are carried out", "too_late");
    }
    return {};
}

// Else this process would wait for a run that stands still.
Task<void> forget(Core& core, std::string id) {
    base::Completion<bool> forgotten;
    core.parts.executor.post([&core, id, done = forgotten.completer()] {
        core.forget(id);
        done->set(true);
    });
    co_await forgotten;
}

Answer control_route(Core& core, Call call, Control control) {
    CO_TRY_VOID(check_ready(core));
    CO_TRY(const std::string id, path_id(call));
    const std::string wallet_id = wallet_of(call);
    std::optional<Found> found;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        found.reset();
        TRY(auto both, find_both(tx, wallet_id, id));
        TRY_VOID(carry_out(tx, both, control));
        TRY(both.batch, control_batch(tx, both.record, control));
        TRY(both.run, workflow::find_run(tx, id));
        found = std::move(both);
        return {};
    };
    auto write = core.parts.database.write(unit);
    CO_TRY_VOID(co_await std::move(write));
    for (const auto& run : {found->batch, found->run}) {
        if (!run) continue;
        core.runner.nudge(run->id);
        // A paused run is nobody's: whoever looks first takes it up.
        if (control != Control::Pause) {
            workflow::Run free = *run;
            free.driver.clear();
            core.runner.adopt(free);
        } else {
            auto forgetting = forget(core, run->id);
            co_await std::move(forgetting);
        }
        core.board->changed(run->id);
    }
    if (control == Control::Cancel) {
        auto waiting = core.wait_for(wallet_id, id, std::chrono::seconds(2));
        CO_TRY(const WorkflowRecord record, co_await std::move(waiting));
        co_return record_answer(record, http::Status::Ok);
    }
    co_return record_answer(
        found->record, http::Status::Ok, found->run->state == workflow::RunState::Paused);
}

Json event_json(const workflow::RunEvent& event) {
    const auto body = Json::parse(event.body);
    return Json::object()
        .set("sequence", Json::integer(event.sequence))
        .set("recorded_at", Json::string(base::to_rfc3339(event.recorded_at)))
        .set("kind", Json::string(event.kind))
        .set("body", body ? *body : Json());
}

struct Page {
    std::vector<workflow::RunEvent> events;
    bool over = false;
};

Task<Result<Page>> read_events(
    Core& core, const std::string& wallet_id, const std::string& id, std::int64_t after) {
    auto unit = [&](storage::Transaction& tx) -> Result<Page> {
        TRY(const Found found, find_both(tx, wallet_id, id));
        Page out;
        if (found.run) {
            TRY(out.events, workflow::list_events(tx, id, after, kEventsAtOnce));
        }
        out.over = !found.run || workflow::is_final(found.run->state);
        return out;
    };
    auto read = core.parts.database.read(unit);
    co_return co_await std::move(read);
}

// Server-sent events until the run has ended.
Task<Result<void>> stream_events(
    Core& core, http::BodyWriter& writer, std::string wallet_id, std::string id,
    std::int64_t after) {
    base::Executor& here = *base::Executor::current();
    const base::SteadyTime until = here.steady_now() + kStreamMax;
    while (here.steady_now() < until) {
        NewsBoard::Ticket ticket(core.board, id);
        auto reading = read_events(core, wallet_id, id, after);
        CO_TRY(const Page page, co_await std::move(reading));
        std::string text;
        for (const workflow::RunEvent& event : page.events) {
            after = event.sequence;
            text += fmt::format(
                "id: {}\nevent: {}\ndata: {}\n\n", event.sequence, event.kind,
                event_json(event).dump());
        }
        if (!text.empty()) {
            auto writing = writer.write(text);
            CO_TRY_VOID(co_await std::move(writing));
        }
        if (page.over && page.events.size() < static_cast<std::size_t>(kEventsAtOnce)) {
            co_return Result<void>();
        }
        auto waiting = ticket.wait(page.over ? base::Duration::zero() : kLookPeriod);
        co_await std::move(waiting);
        if (!core.ready.load()) co_return Result<void>();
    }
    co_return Result<void>();
}

Result<std::int64_t> after_of(const Call& call) {
    TRY(const auto text, call.request.query.find_single("after"));
    const auto last = call.request.headers.find("Last-Event-ID");
    if (!text && !last) return std::int64_t{0};
    const auto number = near::parse_u64(text ? *text : *last);
    if (!number || *number > 1'000'000'000) {
        return Error::invalid_argument("after is not the sequence of an event", "invalid_request");
    }
    return static_cast<std::int64_t>(*number);
}

Answer events_route(Core& core, Call call) {
    CO_TRY(const std::string id, path_id(call));
    const std::string wallet_id = wallet_of(call);
    CO_TRY(const std::int64_t after, after_of(call));
    auto reading = read_events(core, wallet_id, id, after);
    CO_TRY(const Page page, co_await std::move(reading));
    const auto accept = call.request.headers.find("Accept");
    if (accept && accept->find("text/event-stream") != std::string_view::npos) {
        Response out = Response::with_type(http::Status::Ok, "text/event-stream", "");
        out.headers.set("Cache-Control", "no-store");
        out.stream = [&core, wallet_id, id, after](http::BodyWriter& writer) {
            return stream_events(core, writer, wallet_id, id, after);
        };
        co_return out;
    }
    Json list = Json::array();
    std::int64_t next = after;
    for (const workflow::RunEvent& event : page.events) {
        next = event.sequence;
        list.push_back(event_json(event));
    }
    co_return service::json_answer(Json::object()
                                       .set("events", std::move(list))
                                       .set("next", Json::integer(next))
                                       .set("ended", Json::boolean(page.over))
                                       .dump());
}

Answer evidence_route(Core& core, Call call) {
    CO_TRY(const std::string id, path_id(call));
    const std::string wallet_id = wallet_of(call);
    std::optional<WorkflowRecord> record;
    std::optional<audit::AuditRecord> audited;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(record, records::find(tx, wallet_id, id));
        if (!record) return unknown(id);
        if (record->audit_sequence == 0) return {};
        TRY(audited, find_audit_record(tx, record->audit_chain, record->audit_sequence));
        return {};
    };
    auto read = core.parts.database.read(unit);
    CO_TRY_VOID(co_await std::move(read));
    if (!audited) {
        co_return Error::conflict(
            "the workflow has not ended: there is no evidence yet", "workflow_not_final");
    }
    const EvidenceBundle bundle =
        sign_evidence(statement_of(*record), *std::move(audited), core.evidence_key);
    Response out = service::json_answer(to_json(bundle).dump());
    out.headers.set("X-Request-Id", id);
    co_return out;
}

}  // namespace

void add_control_routes(Core& core, service::ServiceFrame& frame) {
    using service::Access;
    const auto control = [&](std::string_view path, Control what) {
        frame.add("POST", path, Access::Service, [&core, what](Call call) {
            return control_route(core, call, what);
        });
    };
    control("/wallet/v1/workflows/{id}/pause", Control::Pause);
    control("/wallet/v1/workflows/{id}/resume", Control::Resume);
    control("/wallet/v1/workflows/{id}/cancel", Control::Cancel);
    frame.add("GET", "/wallet/v1/workflows/{id}/events", Access::Service, [&core](Call call) {
        return events_route(core, call);
    });
    frame.add("GET", "/wallet/v1/workflows/{id}/evidence", Access::Service, [&core](Call call) {
        return evidence_route(core, call);
    });
}

}  // namespace adyton::coordinator

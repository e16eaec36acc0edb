#include "apps/workflow_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/workflow_connection.h"
#include "service/config.h"

namespace adyton::apps {
namespace {

using base::Json;
using Reply = WorkflowConnection::Reply;

constexpr base::Duration kLookPeriod = std::chrono::milliseconds(500);

struct WorkflowOptions {
    WorkflowConnectionOptions connection;
    std::string file;
    std::string id;
    std::string key;
    std::string out;
    int wait_seconds = 300;
};
using Shared = std::shared_ptr<WorkflowOptions>;  // shared: callbacks of CLI11 are copied

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

std::pair<CLI::App*, Shared> add_workflow_command(
    CLI::App& parent, Invocation& invocation, const CommandHelp& help) {
    CLI::App& command = add_command(parent, invocation, help);
    auto shared = std::make_shared<WorkflowOptions>();
    WorkflowConnectionOptions& to = shared->connection;
    const std::string group = "Which coordinator, and whose wallet";
    command.add_option("--url", to.url, "The coordinator's address")
        ->envname("COORDINATOR_URL")
        ->capture_default_str()
        ->group(group);
    command.add_option("--wallet", to.wallet, "The wallet's id, with the internal token")
        ->group(group);
    command
        .add_option(
            "--token-file", to.token_file,
            "File of mode 0600 with the internal token; else INTERNAL_WALLET_AUTH_TOKEN, else that "
            "of `adyton dev`")
        ->group(group);
    command
        .add_option("--key-file", to.key_file, "File of mode 0600 with an API key (wk_...) instead")
        ->group(group);
    command.add_option("--ca", to.ca, "Roots that the server's certificate must lead to, PEM")
        ->envname("ADYTON_CA")
        ->group(group);
    return {&command, std::move(shared)};
}

// A refusal that is no record.
Error refusal_of(const Reply& reply) {
    const std::string code = text_of(reply.body, "error");
    const std::string message = text_of(reply.body, "message");
    return Error::invalid_argument(
        fmt::format("HTTP {}: {}", reply.status, message.empty() ? "refused" : message), code);
}

bool is_record(const Json& json) {
    return !text_of(json, "request_id").empty();
}

bool is_over(const Json& record) {
    return text_of(record, "phase") == "done" || text_of(record, "status") == "failed";
}

Result<std::string> read_workflow(Process& process, const WorkflowOptions& options) {
    TRY(const std::string content,
        process.secrets.read_public_text({attest::SecretReference::Kind::File, options.file}));
    auto json = options.file.ends_with(".toml") ? service::parse_toml(content, options.file)
                                                : Json::parse(content);
    if (!json) return std::move(json).error().with_context(options.file);
    if (!json->is_object()) return Error::invalid_argument(options.file + " holds no object");
    if (!options.key.empty()) json->set("idempotency_key", Json::string(options.key));
    return json->dump();
}

using Work = std::function<Result<Exit>(Process&, WorkflowConnection&, const WorkflowOptions&)>;

void on_workflow_run(CLI::App& command, Invocation& invocation, Shared shared, Work work) {
    on_run(
        command, invocation,
        [shared = std::move(shared), work = std::move(work), &invocation](Process& process) {
            auto connection = WorkflowConnection::open(shared->connection, process.secrets);
            if (!connection) {
                process.console.fail(connection.error(), invocation.json);
                return Exit::Usage;
            }
            const auto done = work(process, **connection, *shared);
            if (!done) {
                process.console.fail(done.error(), invocation.json);
                return Exit::Failed;
            }
            return *done;
        });
}

// ----- the timeline -----------------------------------------------------------------------------

// Prints what happened since `after`.
Result<std::int64_t> print_events(
    Process& process, WorkflowConnection& connection, const std::string& id, std::int64_t after) {
    TRY(const Reply reply,
        connection.ask("GET", fmt::format("/wallet/v1/workflows/{}/events?after={}", id, after)));
    const Json* const events = reply.body.find("events");
    if (events == nullptr || !events->is_array()) return refusal_of(reply);
    for (const Json& event : events->items()) {
        const Json* const body = event.find("body");
        const std::string phase = body == nullptr ? std::string() : text_of(*body, "phase");
        process.console.print(fmt::format(
            "{}  {:<20} {}", text_of(event, "recorded_at"), text_of(event, "kind"),
            phase.empty() ? "" : "-> " + phase));
        TRY(after, event.find("sequence")->as_int64());
    }
    process.console.flush();
    return after;
}

// Of a workflow over several lanes: what became of each step beside the gate's.
void print_lanes(Process& process, const Json& record) {
    for (const char* const name : {"funding_evidence", "direct_user_evidence"}) {
        const Json* const rows = record.find(name);
        if (rows == nullptr || !rows->is_array()) continue;
        for (const Json& row : rows->items()) {
            const Json* const step = row.find("step");
            const Json* const height = row.find("block_height");
            std::string status = text_of(row, "status");
            if (status.empty()) status = text_of(row, "final_status");
            std::string kind = text_of(row, "kind");
            if (kind.empty()) kind = "near.function_call";
            process.console.print(fmt::format(
                "  step {}: {} {}{}",
                step != nullptr && step->is_number() ? step->number_text() : "?", printable(kind),
                printable(status),
                height != nullptr && height->is_number() ? " at block " + height->number_text()
                                                         : std::string()));
        }
    }
}

void print_outcome(Process& process, const Json& record) {
    process.console.print(
        fmt::format("{}: {}", text_of(record, "request_id"), text_of(record, "status")));
    print_lanes(process, record);
    if (const Json* const rows = record.find("dispatch_receipts")) {
        for (std::size_t i = 0; rows->is_array() && i < rows->size(); ++i) {
            const Json& row = rows->items()[i];
            const Json* const height = row.find("block_height");
            const bool known = height != nullptr && height->is_number();
            process.console.print(fmt::format(
                "  call {}: {}.{} {}{}", i, text_of(row, "receiver_id"),
                text_of(row, "method_name"), text_of(row, "status"),
                known ? " at block " + height->number_text() : std::string()));
        }
    }
    const std::string error = text_of(record, "user_visible_error");
    if (!error.empty()) process.console.error(printable(error));
}

Exit exit_of(const Json& record) {
    return text_of(record, "status") == "succeeded" ? Exit::Ok : Exit::Failed;
}

// Shows the timeline until the record has ended, or the time is over.
Result<Exit> follow(
    Process& process, WorkflowConnection& connection, Json record, int wait_seconds, bool json) {
    const std::string id = text_of(record, "request_id");
    std::int64_t after = 0;
    const auto looks = static_cast<int>(std::chrono::seconds(wait_seconds) / kLookPeriod);
    for (int look = 0; look <= looks; ++look) {
        if (!json) {
            TRY(after, print_events(process, connection, id, after));
        }
        if (is_over(record)) break;
        connection.pause(kLookPeriod);
        TRY(const Reply reply, connection.ask("GET", "/wallet/v1/workflows/" + id));
        if (!is_record(reply.body)) return refusal_of(reply);
        record = reply.body;
    }
    if (json) {
        process.console.print_json(record);
    } else {
        TRY(after, print_events(process, connection, id, after));
        print_outcome(process, record);
    }
    return exit_of(record);
}

void add_plan(CLI::App& group, Invocation& invocation) {
    auto [command, shared] = add_workflow_command(
        group, invocation,
        {.name = "plan",
         .summary = "Which lane each step takes; nothing is kept or asked",
         .examples = {"adyton wallet workflow plan dust.json --wallet treasury"}});
    command->add_option("file", shared->file, "The workflow, JSON or TOML")->required();
    on_workflow_run(
        *command, invocation, shared,
        [](Process& process, WorkflowConnection& connection,
           const WorkflowOptions& options) -> Result<Exit> {
            TRY(auto body, read_workflow(process, options));
            TRY(const Reply reply,
                connection.ask("POST", "/wallet/v1/workflows/plan", std::move(body)));
            if (reply.status != 200) return refusal_of(reply);
            process.console.print_json(reply.body);
            const Json* const accepted = reply.body.find("accepted");
            const bool good =
                accepted != nullptr && accepted->is_boolean() && accepted->boolean_value();
            return good ? Exit::Ok : Exit::Failed;
        });
}

void add_run(CLI::App& group, Invocation& invocation) {
    auto [command, shared] = add_workflow_command(
        group, invocation,
        {.name = "run",
         .summary = "Carry a workflow out, and show how it goes",
         .details =
             "The same idempotency key and workflow again show the same run. Interrupting this "
             "command changes nothing: the coordinator goes on.",
         .examples = {
             "adyton wallet workflow run dust.json --wallet treasury --idempotency-key dust-1"}});
    command->add_option("file", shared->file, "The workflow, JSON or TOML")->required();
    command->add_option("--idempotency-key", shared->key, "Which run this is [a fresh one]");
    command->add_option("--wait", shared->wait_seconds, "Seconds to watch it")
        ->check(CLI::Range(0, 86'400))
        ->capture_default_str();
    on_workflow_run(
        *command, invocation, shared,
        [&invocation](
            Process& process, WorkflowConnection& connection,
            const WorkflowOptions& options) -> Result<Exit> {
            TRY(auto body, read_workflow(process, options));
            const auto parsed = Json::parse(body);
            const bool batch = parsed && parsed->find("calls") != nullptr;
            TRY(const Reply reply,
                connection.ask(
                    "POST", batch ? "/wallet/v1/sequential-batch" : "/wallet/v1/workflows/execute",
                    std::move(body)));
            if (!is_record(reply.body)) return refusal_of(reply);
            return follow(process, connection, reply.body, options.wait_seconds, invocation.json);
        });
}

void add_status(CLI::App& group, Invocation& invocation) {
    auto [command, shared] = add_workflow_command(
        group, invocation,
        {.name = "status",
         .summary = "A run's record, or the newest runs",
         .examples = {
             "adyton wallet workflow status --wallet treasury",
             "adyton wallet workflow status 6f1c2a9e-... --wallet treasury"}});
    command->add_option("id", shared->id, "The request id [the newest ones]");
    on_workflow_run(
        *command, invocation, shared,
        [](Process& process, WorkflowConnection& connection,
           const WorkflowOptions& options) -> Result<Exit> {
            const std::string path = options.id.empty() ? std::string() : "/" + options.id;
            TRY(const Reply reply, connection.ask("GET", "/wallet/v1/workflows" + path));
            if (reply.status != 200) return refusal_of(reply);
            process.console.print_json(reply.body);
            return Exit::Ok;
        });
}

void add_evidence(CLI::App& group, Invocation& invocation) {
    auto [command, shared] = add_workflow_command(
        group, invocation,
        {.name = "evidence",
         .summary = "The signed statement of what became of a run, for `adyton verify workflow`",
         .examples = {
             "adyton wallet workflow evidence 6f1c2a9e-... --wallet treasury > run.json"}});
    command->add_option("id", shared->id, "The request id")->required();
    on_workflow_run(
        *command, invocation, shared,
        [](Process& process, WorkflowConnection& connection,
           const WorkflowOptions& options) -> Result<Exit> {
            TRY(const Reply reply,
                connection.ask("GET", "/wallet/v1/workflows/" + options.id + "/evidence"));
            if (reply.status != 200) return refusal_of(reply);
            process.console.print_json(reply.body);
            return Exit::Ok;
        });
}

void add_control(
    CLI::App& group, Invocation& invocation, const std::string& verb, const std::string& summary) {
    auto [command, shared] =
        add_workflow_command(group, invocation, {.name = verb, .summary = summary});
    command->add_option("id", shared->id, "The request id")->required();
    on_workflow_run(
        *command, invocation, shared,
        [verb](Process& process, WorkflowConnection& connection, const WorkflowOptions& options)
            -> Result<Exit> {
            TRY(const Reply reply,
                connection.ask("POST", "/wallet/v1/workflows/" + options.id + "/" + verb, "{}"));
            if (!is_record(reply.body)) return refusal_of(reply);
            process.console.print_json(reply.body);
            return Exit::Ok;
        });
}

}  // namespace

void add_workflow_commands(CLI::App& wallet, Invocation& invocation) {
    CLI::App& group = add_group(
        wallet, {.name = "workflow", .summary = "Ordered calls through the gate, with evidence"});
    add_plan(group, invocation);
    add_run(group, invocation);
    add_status(group, invocation);
    add_evidence(group, invocation);
    add_control(group, invocation, "pause", "Stop a run before its next step");
    add_control(group, invocation, "resume", "Let a paused run go on");
    add_control(
        group, invocation, "cancel",
        "End a run: clean before anything is signed, else it says what is still live");
}

}  // namespace adyton::apps

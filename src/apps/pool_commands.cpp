#include "apps/pool_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <utility>

namespace adyton::apps {
namespace {

using base::Json;

Json error_json(const Error& error, const api::CallInfo& call) {
    Json body = Json::object();
    body.set("code", Json::string(std::string(base::to_string(error.code()))));
    body.set("message", Json::string(error.message()));
    if (!error.reason().empty()) body.set("reason", Json::string(error.reason()));
    if (call.http_status != 0) body.set("http_status", Json::unsigned_integer(call.http_status));
    if (!call.code.empty()) body.set("server_code", Json::string(call.code));
    if (!call.details.is_null()) body.set("details", call.details);
    body.set("trace_id", Json::string(call.trace_id));
    body.set("attempts", Json::unsigned_integer(call.attempts));
    if (!call.idempotency_key.empty()) {
        body.set("idempotency_key", Json::string(call.idempotency_key));
    }
    return Json::object().set("error", std::move(body));
}

// What to look at first when a call never reached a server.
std::string_view hint(const Error& error, const api::CallInfo& call) {
    if (call.http_status == 401) {
        return "say who you are: --service NAME to a development server, --cert and --key to "
               "another";
    }
    if (call.http_status != 0) return {};
    if (error.code() == ErrorCode::Unavailable) {
        return "is it running? `adyton dev` starts one on this machine; --url names another";
    }
    return {};
}

}  // namespace

void fail_call(Console& console, const Error& error, const api::CallInfo& call, bool as_json) {
    if (as_json) {
        console.note(error_json(error, call).dump());
        return;
    }
    std::string more;
    if (!error.reason().empty()) more += error.reason();
    if (call.http_status != 0) {
        if (!more.empty()) more += ", ";
        more += fmt::format("HTTP {}", call.http_status);
    }
    console.error(
        printable(more.empty() ? error.message() : fmt::format("{} ({})", error.message(), more)));
    if (const std::string_view text = hint(error, call); !text.empty()) {
        console.note(fmt::format("hint: {}", text));
    }
    if (call.http_status != 0) {
        console.note(printable(fmt::format("trace id: {}", call.trace_id)));
    }
}

std::pair<CLI::App*, std::shared_ptr<PoolCommand>> add_pool_command(
    CLI::App& pool, Invocation& invocation, const CommandHelp& help) {
    CLI::App& command = add_command(pool, invocation, help);
    // Shared: callbacks of CLI11 are copied.
    auto shared = std::make_shared<PoolCommand>(PoolCommand{invocation, {}});
    ConnectionOptions& to = shared->connection;
    const std::string group = "Which pool, and as whom";
    command.add_option("--url", to.url, "The pool's address")
        ->envname("ADYTON_POOL_URL")
        ->capture_default_str()
        ->group(group);
    command.add_option("--service", to.service, "X-Service-ID, for development servers")
        ->envname("ADYTON_SERVICE_ID")
        ->group(group);
    command.add_option("--cert", to.certificate, "Client certificate, a PEM file")
        ->envname("ADYTON_CLIENT_CERT")
        ->group(group);
    command.add_option("--key", to.key, "Its private key, a PEM file of mode 0600")
        ->envname("ADYTON_CLIENT_KEY")
        ->group(group);
    command.add_option("--ca", to.ca, "Roots that the server's certificate must lead to, PEM")
        ->envname("ADYTON_CA")
        ->group(group);
    command.add_option("--timeout", to.timeout_seconds, "Seconds for the call and its repeats")
        ->check(CLI::Range(1, 86'400))
        ->capture_default_str()
        ->group(group);
    return {&command, std::move(shared)};
}

void on_pool_run(
    CLI::App& command, std::shared_ptr<PoolCommand> shared,
    std::function<Exit(Process&, Connection&)> work) {
    Invocation& invocation = shared->invocation;
    on_run(command, invocation, [shared, work = std::move(work)](Process& process) {
        ConnectionOptions options = shared->connection;
        // A development server wants a name; a strict one takes it from the certificate.
        if (options.service.empty() && options.certificate.empty()) options.service = "adyton-cli";
        auto connection = Connection::open(options);
        if (!connection) {
            process.console.fail(connection.error(), shared->json());
            return Exit::Usage;
        }
        return work(process, **connection);
    });
}

void add_pool_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& pool = add_group(
        root,
        {.name = "pool",
         .summary = "Talk to an account pool: request accounts, sign, transfer, give back",
         .details = "The pool's address and your identity come from options or from "
                    "ADYTON_POOL_URL, ADYTON_SERVICE_ID, ADYTON_CLIENT_CERT, "
                    "ADYTON_CLIENT_KEY and ADYTON_CA.",
         .examples = {
             "adyton pool request --count 2 --purpose demo",
             "adyton pool sign ACCOUNT_ID 64_HEX_DIGITS", "adyton pool release --lock LOCK_ID",
             "adyton pool info --url https://pool.internal:8085 --cert me.pem --key me.key "
             "--ca ca.pem"}});
    add_account_commands(pool, invocation);
    add_transfer_commands(pool, invocation);
    add_operator_commands(pool, invocation);
    add_import_command(pool, invocation);
}

}  // namespace adyton::apps

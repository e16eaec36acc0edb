#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "apps/command.h"
#include "apps/connection.h"
#include "base/check.h"
#include "base/json.h"

namespace adyton::apps {

// What the commands of `adyton pool` share.
struct PoolCommand {
    Invocation& invocation;
    ConnectionOptions connection;

    bool json() const { return invocation.json; }
};

// A command with the options that say which pool, and as whom.
std::pair<CLI::App*, std::shared_ptr<PoolCommand>> add_pool_command(
    CLI::App& pool, Invocation& invocation, const CommandHelp& help);

// Opens the connection and runs `work`; Usage when the options are wrong.
void on_pool_run(
    CLI::App& command, std::shared_ptr<PoolCommand> shared,
    std::function<Exit(Process&, Connection&)> work);

// Says on err what a call failed with: the server's reason, the status and the trace id.
void fail_call(Console& console, const Error& error, const api::CallInfo& call, bool as_json);

// An answer as the server's own JSON.
template <typename T>
void print_as_json(Console& console, const T& message) {
    const auto json = base::Json::parse(api::to_json_text(message));
    CHECK(json.has_value());  // our own writer
    console.print_json(*json);
}

// What every command does with a reply first: says what it failed with, or prints it as JSON where
// that is wanted. Nothing: it is still to be shown to people.
template <typename Reply>
std::optional<Exit> settled(Process& process, const Reply& reply, bool json) {
    if (!reply) {
        fail_call(process.console, reply.error(), reply.call, json);
        return Exit::Failed;
    }
    if (!json) return std::nullopt;
    print_as_json(process.console, *reply);
    return Exit::Ok;
}

// The groups of commands, one a file.
void add_account_commands(CLI::App& pool, Invocation& invocation);
void add_transfer_commands(CLI::App& pool, Invocation& invocation);
void add_operator_commands(CLI::App& pool, Invocation& invocation);
void add_import_command(CLI::App& pool, Invocation& invocation);

}  // namespace adyton::apps

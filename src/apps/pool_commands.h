#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/command.h"
#include "apps/connection.h"
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

// The groups of commands, one a file.
void add_account_commands(CLI::App& pool, Invocation& invocation);
void add_transfer_commands(CLI::App& pool, Invocation& invocation);
void add_operator_commands(CLI::App& pool, Invocation& invocation);
void add_import_command(CLI::App& pool, Invocation& invocation);

}  // namespace adyton::apps

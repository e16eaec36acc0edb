#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/console.h"
#include "attest/secret_source.h"
#include "crypto/harden.h"
#include "service/config.h"

namespace CLI {
class App;
}  // namespace CLI

namespace adyton::apps {

// What main hands down to the commands; everything outlives them.
struct Process {
    Console& console;
    attest::SecretSource& secrets;
    const service::ConfigInputs& environment;  // as it was at the start, without secrets
    const crypto::Hardening& hardening;
    std::string executable;  // argv[0], for examples in messages
};

// What one command line asks for: the parser fills it, main runs it.
struct Invocation {
    bool json = false;
    std::function<Exit(Process&)> run;
};

// How a leaf command introduces itself in --help.
struct CommandHelp {
    std::string name;
    std::string summary;       // one line, shown in the parent's list
    std::string details = {};  // paragraphs below the summary; may be empty
    std::vector<std::string> examples = {};
};

// A command that only groups others.
CLI::App& add_group(CLI::App& parent, const CommandHelp& help);
// A command that runs; it has --json.
CLI::App& add_command(CLI::App& parent, Invocation& invocation, const CommandHelp& help);
// What add_command's command does once it is chosen.
void on_run(CLI::App& command, Invocation& invocation, std::function<Exit(Process&)> run);

void add_serve_commands(CLI::App& root, Invocation& invocation);
void add_dev_command(CLI::App& root, Invocation& invocation);
void add_pool_commands(CLI::App& root, Invocation& invocation);
void add_tool_commands(CLI::App& root, Invocation& invocation);
void add_verify_commands(CLI::App& root, Invocation& invocation);
void add_config_commands(CLI::App& root, Invocation& invocation);
void add_marble_command(CLI::App& root, Invocation& invocation);
void add_release_command(CLI::App& root, Invocation& invocation);
void add_migrate_command(CLI::App& root, Invocation& invocation);
void add_compute_commands(CLI::App& root, Invocation& invocation);
void add_secrets_commands(CLI::App& root, Invocation& invocation);
void add_bench_commands(CLI::App& root, Invocation& invocation);
void add_wallet_commands(CLI::App& root, Invocation& invocation);

// Parses and runs. Usage for what is not understood, with the nearest help on err.
Exit run_command_line(const std::vector<std::string>& arguments, Process& process);

}  // namespace adyton::apps

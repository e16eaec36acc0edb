#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <sstream>
#include <utility>

#include "apps/command.h"
#include "apps/evidence_broker_command.h"
#include "apps/version.h"

namespace adyton::apps {
namespace {

constexpr std::string_view kSummary =
    "Adyton keeps keys and signs with them behind one door.\n"
    "\n"
    "Start here:\n"
    "  adyton dev                        everything on this machine, for development\n"
    "  adyton pool request --count 2     two Neo N3 accounts, locked for you\n"
    "  adyton pool sign ACCOUNT DIGEST   a signature\n"
    "  adyton pool release --all         give them back";

constexpr std::string_view kFooter =
    "Exit codes: 0 done, 1 failed (the reason is on standard error), 2 not understood.\n"
    "Every command has --help with examples, and --json for programs.";

std::string footer_of(const CommandHelp& help) {
    std::string text;
    if (!help.examples.empty()) {
        text += "Examples:\n";
        for (const std::string& example : help.examples) text += "  " + example + "\n";
    }
    return text;
}

std::string description_of(const CommandHelp& help) {
    return help.details.empty() ? help.summary : help.summary + "\n\n" + help.details;
}

// The list of subcommands shows one line each, whatever a description holds.
class HelpFormatter final : public CLI::Formatter {
public:
    std::string make_subcommand(const CLI::App* sub) const override {
        std::stringstream out;
        const std::string whole = sub->get_description();
        CLI::detail::format_help(
            out, sub->get_name(), whole.substr(0, whole.find('\n')), column_width_);
        return out.str();
    }
};

const CLI::App& deepest_parsed(const CLI::App& app) {
    const CLI::App* at = &app;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return *at;
}

std::string full_name(const CLI::App& app) {
    std::string name = app.get_name();
    for (const CLI::App* at = app.get_parent(); at != nullptr; at = at->get_parent()) {
        name.insert(0, at->get_name() + " ");
    }
    return name;
}

std::unique_ptr<CLI::App> make_root(Invocation& invocation) {
    auto root = std::make_unique<CLI::App>(std::string(kSummary), "adyton");
    root->formatter(std::make_shared<HelpFormatter>());
    root->footer(std::string(kFooter));
    root->set_version_flag("--version", std::string("adyton ") + std::string(kVersion));
    root->require_subcommand(1);
    add_dev_command(*root, invocation);
    add_serve_commands(*root, invocation);
    add_pool_commands(*root, invocation);
    add_wallet_commands(*root, invocation);
    add_compute_commands(*root, invocation);
    add_secrets_commands(*root, invocation);
    add_verify_commands(*root, invocation);
    add_config_commands(*root, invocation);
    add_migrate_command(*root, invocation);
    add_marble_command(*root, invocation);
    add_release_command(*root, invocation);
    add_evidence_broker_command(*root, invocation);
    add_tool_commands(*root, invocation);
    add_bench_commands(*root, invocation);
    return root;
}

// CLI11 throws for errors and for --help alike.
Exit explain(const CLI::App& root, const CLI::ParseError& error, Console& console) {
    std::ostringstream out;
    std::ostringstream err;
    if (root.exit(error, out, err) == 0) {
        std::string text = out.str();
        text.erase(text.find_last_not_of('\n') + 1);
        console.print(text);
        return Exit::Ok;
    }
    console.error(printable(error.what()));
    console.note(fmt::format("Try: {} --help", full_name(deepest_parsed(root))));
    return Exit::Usage;
}

}  // namespace

CLI::App& add_group(CLI::App& parent, const CommandHelp& help) {
    CLI::App& group = *parent.add_subcommand(help.name, description_of(help));
    group.require_subcommand(1);
    group.footer(footer_of(help));
    return group;
}

CLI::App& add_command(CLI::App& parent, Invocation& invocation, const CommandHelp& help) {
    CLI::App& command = *parent.add_subcommand(help.name, description_of(help));
    command.footer(footer_of(help));
    command.add_flag("--json", invocation.json, "Print JSON, for programs");
    return command;
}

void on_run(CLI::App& command, Invocation& invocation, std::function<Exit(Process&)> run) {
    command.final_callback([&invocation, run = std::move(run)] { invocation.run = run; });
}

Exit run_command_line(const std::vector<std::string>& arguments, Process& process) {
    Invocation invocation;
    try {
        const auto root = make_root(invocation);
        try {
            std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
            root->parse(reversed);
        } catch (const CLI::ParseError& error) {
            return explain(*root, error, process.console);
        }
        return invocation.run(process);
    } catch (const std::exception& error) {
        // The last resort: a library threw where its file did not expect it.
        process.console.error(fmt::format("unexpected: {}", printable(error.what())));
        return Exit::Failed;
    }
}

}  // namespace adyton::apps

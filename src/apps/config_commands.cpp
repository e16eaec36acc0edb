#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/config_options.h"
#include "service/settings.h"

namespace adyton::apps {
namespace {

Exit run_check(Process& process, const ConfigFlags& flags, bool json) {
    const auto config = load_config(flags, process.environment);
    if (!config) {
        process.console.fail(config.error(), json);
        return Exit::Failed;
    }
    for (const std::string& warning : config->warnings()) process.console.warning(warning);
    if (json) {
        process.console.print_json(config->to_json());
    } else {
        std::string text = config->to_text();
        while (!text.empty() && text.back() == '\n') text.pop_back();
        process.console.print(text);
    }
    return Exit::Ok;
}

void add_check(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "check",
         .summary = "Check the configuration and show what is in force, and why",
         .details = "Reads the file, the environment and the flags as `adyton serve` would, and "
                    "names every problem. Secrets are not opened and never shown.",
         .examples = {
             "adyton config check --config /etc/adyton/adyton.toml",
             "adyton config check --set pool.min_accounts=500 --json"}});
    const auto flags = std::make_shared<ConfigFlags>();  // shared: the callback is copied
    add_config_options(command, *flags);
    on_run(command, invocation, [flags, &invocation](Process& process) {
        return run_check(process, *flags, invocation.json);
    });
}

base::Json reference_json() {
    base::Json out = base::Json::array();
    for (const service::Setting& setting : service::serve_schema()) {
        out.push_back(base::Json::object()
                          .set("key", base::Json::string(std::string(setting.key)))
                          .set("default", base::Json::string(std::string(setting.default_text)))
                          .set("environment", base::Json::string(std::string(setting.environment)))
                          .set("flag", base::Json::string(std::string(setting.flag)))
                          .set("help", base::Json::string(std::string(setting.help))));
    }
    return out;
}

void add_reference(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "reference",
         .summary = "Print every setting: type, default, variables, flag, meaning",
         .examples = {
             "adyton config reference", "adyton config reference --sample > adyton.toml"}});
    const auto sample = std::make_shared<bool>(false);  // shared: the callback is copied
    command.add_flag("--sample", *sample, "Print a configuration file with every default instead");
    on_run(command, invocation, [sample, &invocation](Process& process) {
        const service::Schema schema = service::serve_schema();
        if (invocation.json) {
            process.console.print_json(reference_json());
        } else {
            process.console.print(
                *sample ? service::sample_config(schema) : service::config_reference(schema));
        }
        return Exit::Ok;
    });
}

}  // namespace

void add_config_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& group = add_group(
        root, {.name = "config", .summary = "Check the configuration; list the settings"});
    add_check(group, invocation);
    add_reference(group, invocation);
}

}  // namespace adyton::apps

#include "apps/config_options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <string_view>
#include <utility>

#include "service/settings.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

// Of the command line and of the tests: no settings, although they begin like one.
constexpr std::array<std::string_view, 10> kOwnVariables = {
    "ADYTON_CONFIG",           "ADYTON_POOL_URL",   "ADYTON_SERVICE_ID",
    "ADYTON_CLIENT_CERT",      "ADYTON_CLIENT_KEY", "ADYTON_CA",
    "ADYTON_NEO_RPC_URL",      "ADYTON_VECTORS",    "ADYTON_ATTESTATION_SAMPLES",
    "ADYTON_TEST_POSTGRES_URL"};

Result<void> add_assignments(const ConfigFlags& flags, service::ConfigInputs& inputs) {
    for (const std::string& text : flags.assignments) {
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0) {
            return Error::invalid_argument("--set wants KEY=VALUE, as in pool.min_accounts=50");
        }
        inputs.flags.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return {};
}

}  // namespace

void add_config_options(CLI::App& command, ConfigFlags& flags) {
    const std::string group = "Configuration";
    command.add_option("--config", flags.file, "Configuration file, TOML")
        ->envname("ADYTON_CONFIG")
        ->group(group);
    for (const service::Setting& setting : service::serve_schema()) {
        if (setting.flag.empty()) continue;
        std::string help(setting.help);
        if (!setting.default_text.empty()) help += fmt::format(" [{}]", setting.default_text);
        // An empty value is a value: only what is given may stand in `values`.
        const auto take = [&flags, key = std::string(setting.key)](const std::string& value) {
            flags.values[key] = value;
        };
        command.add_option_function<std::string>(std::string(setting.flag), take, help)
            ->group(group);
    }
    command
        .add_option(
            "--set", flags.assignments,
            "KEY=VALUE for any other setting; `adyton config reference` lists them")
        ->allow_extra_args(false)
        ->group(group);
}

Result<service::Config> load_config(
    const ConfigFlags& flags, const service::ConfigInputs& environment,
    const std::vector<std::pair<std::string, std::string>>& decided) {
    service::ConfigInputs inputs = environment;
    for (const std::string_view name : kOwnVariables) inputs.environment.erase(std::string(name));
    if (!flags.file.empty()) {
        TRY_VOID(service::read_config_file(flags.file, inputs));
    }
    for (const auto& [key, value] : flags.values) {
        inputs.flags.emplace_back(key, value);
    }
    TRY_VOID(add_assignments(flags, inputs));
    for (const auto& [key, value] : decided) inputs.flags.emplace_back(key, value);
    return service::load_serve_config(inputs);
}

}  // namespace adyton::apps

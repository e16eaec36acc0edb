#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "apps/command.h"
#include "service/config.h"

namespace adyton::apps {

// The part of a command line that is configuration: --config, one option for every setting that
// has a flag, and --set KEY=VALUE for the others.
struct ConfigFlags {
    std::string file;
    std::map<std::string, std::string> values;  // by setting key; only those that were given
    std::vector<std::string> assignments;
};

// `flags` must live as long as the command.
void add_config_options(CLI::App& command, ConfigFlags& flags);

// File, environment and flags together, and over them what a command decides by itself, as
// `adyton dev` does. InvalidArgument names every problem, one a line; errors of read_config_file.
Result<service::Config> load_config(
    const ConfigFlags& flags, const service::ConfigInputs& environment,
    const std::vector<std::pair<std::string, std::string>>& decided = {});

}  // namespace adyton::apps

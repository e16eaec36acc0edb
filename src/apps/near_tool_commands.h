#pragma once

#include "apps/command.h"

namespace adyton::apps {

// `adyton tool near-tx explain`, `adyton tool near-delegate explain`, `adyton tool near-intents
// explain`.
void add_near_tool_commands(CLI::App& tool, Invocation& invocation);

}  // namespace adyton::apps

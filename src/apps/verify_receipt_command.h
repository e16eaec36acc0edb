#pragma once

#include "apps/command.h"

namespace adyton::apps {

// `adyton verify receipt FILE`.
void add_verify_receipt(CLI::App& group, Invocation& invocation);

}  // namespace adyton::apps

#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/event_loop.h"
#include "base/result.h"
#include "script/engine.h"

namespace adyton::apps {

// Which engine receipts name: the module and the hash that the build pins.
std::string script_engine_name();

// The engine of a service: processes of their own. `executors` 0: one for each core. Errors of
// script::Executors.
Result<std::unique_ptr<script::Engine>> open_service_engine(
    base::EventLoop& loop, std::size_t executors);

// The same engine in this process, for commands: one script at a time.
Result<std::unique_ptr<script::Engine>> open_local_engine(base::Executor& executor);

}  // namespace adyton::apps

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "attest/evidence.h"
#include "base/event_loop.h"
#include "base/result.h"
#include "script/engine.h"
#include "script/layers.h"

namespace adyton::apps {

// Which engine receipts name: the module and the hash that the build pins.
std::string script_engine_name();

enum class EngineForm : std::uint8_t {
    Processes,  // locked-down ones (script::Executors)
    Threads,    // of the service, each in a guarded memory (script::InProcessEngine)
};

// The form that compute.engine means on this platform, in a build with these guards of memory.
// InvalidArgument: SGX has neither processes nor guard pages, so there only threads with masked
// memory protect anything.
Result<EngineForm> decide_engine_form(
    std::string_view choice, attest::PlatformMode platform, script::Layers guards);

// The engine of a service. `executors` 0: two for each core, at least four; in threads one for each
// core, and never more than that. Errors of script::Executors and script::InProcessEngine.
Result<std::unique_ptr<script::Engine>> open_service_engine(
    base::EventLoop& loop, EngineForm form, std::size_t executors);

// What processes should have and the kernel refused.
script::Layers refused_layers(script::Layers granted);

// The same engine in this process, for commands: one script at a time.
Result<std::unique_ptr<script::Engine>> open_local_engine(base::Executor& executor);

}  // namespace adyton::apps

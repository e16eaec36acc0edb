#include "apps/script_engine.h"

#include <utility>

#include "compute/host/library.h"
#include "script/executors.h"
#include "script/in_process_engine.h"

namespace adyton::apps {

std::string script_engine_name() {
    return std::string(script::engine_name());
}

Result<std::unique_ptr<script::Engine>> open_service_engine(
    base::EventLoop& loop, std::size_t executors) {
    script::Executors::Options options;
    options.executors = executors;
    TRY(auto engine, script::Executors::create(loop, std::move(options)));
    return std::unique_ptr<script::Engine>(std::move(engine));
}

Result<std::unique_ptr<script::Engine>> open_local_engine(base::Executor& executor) {
    script::InProcessEngine::Options options;
    options.library = compute::host::library();
    TRY(auto engine, script::InProcessEngine::create(executor, options));
    return std::unique_ptr<script::Engine>(std::move(engine));
}

}  // namespace adyton::apps

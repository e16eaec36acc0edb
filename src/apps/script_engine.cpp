#include "apps/script_engine.h"

#include <algorithm>
#include <utility>

#include "compute/host/library.h"
#include "script/executors.h"
#include "script/in_process_engine.h"

namespace adyton::apps {
namespace {

Result<std::unique_ptr<script::Engine>> open_threads(base::Executor& executor, std::size_t slots) {
    script::InProcessEngine::Options options;
    options.slots = slots;
    options.library = compute::host::library();
    TRY(auto engine, script::InProcessEngine::create(executor, options));
    return std::unique_ptr<script::Engine>(std::move(engine));
}

}  // namespace

std::string script_engine_name() {
    return std::string(script::engine_name());
}

Result<EngineForm> decide_engine_form(
    std::string_view choice, attest::PlatformMode platform, script::Layers guards) {
    const bool sgx = platform == attest::PlatformMode::Gramine;
    if (!sgx) return choice == "threads" ? EngineForm::Threads : EngineForm::Processes;
    if (choice == "processes") {
        return Error::invalid_argument(
            "compute.engine: processes keep nothing apart inside SGX; say auto or threads");
    }
    if (!guards.has(script::Layer::MaskedMemory)) {
        return Error::invalid_argument(
            "this build guards the memory of scripts by pages, which SGX does not have; for "
            "platform.mode gramine configure the build with -DADYTON_SCRIPT_MEMORY=mask");
    }
    return EngineForm::Threads;
}

Result<std::unique_ptr<script::Engine>> open_service_engine(
    base::EventLoop& loop, EngineForm form, std::size_t executors) {
    if (form == EngineForm::Threads) {
        // The database works in the same threads, and must not wait for scripts.
        const std::size_t most = loop.parallelism();
        return open_threads(loop, executors == 0 ? most : std::min(executors, most));
    }
    script::Executors::Options options;
    options.executors = executors;
    TRY(auto engine, script::Executors::create(loop, std::move(options)));
    return std::unique_ptr<script::Engine>(std::move(engine));
}

script::Layers refused_layers(script::Layers granted) {
    using script::Layer;
    script::Layers wanted;
    for (const Layer layer :
         {Layer::OwnProcess, Layer::OwnUserProcess, Layer::NoNewPrivileges, Layer::Seccomp,
          Layer::ResourceLimits, Layer::DroppedUser, Layer::NoCapabilities, Layer::NotDumpable,
          Layer::OneDescriptor, Layer::PidNamespace, Layer::MountNamespace, Layer::NetworkNamespace,
          Layer::IpcNamespace, Layer::UtsNamespace}) {
        wanted.add(layer);
    }
    return wanted.without(granted);
}

Result<std::unique_ptr<script::Engine>> open_local_engine(base::Executor& executor) {
    return open_threads(executor, 1);
}

}  // namespace adyton::apps

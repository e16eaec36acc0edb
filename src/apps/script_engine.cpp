#include "apps/script_engine.h"

#include <algorithm>
#include <utility>

#include "compute/host/library.h"
#include "script/executors.h"
#include "script/in_process_engine.h"

namespace adyton::apps {
namespace {

Result<std::unique_ptr<script::InProcessEngine>> open_threads(
    base::Executor& executor, std::size_t slots) {
    script::InProcessEngine::Options options;
    options.slots = slots;
    options.library = compute::host::library();
    return script::InProcessEngine::create(executor, options);
}

// A user alone gets half of them (compute::FairGate): that half keeps all cores at work.
std::size_t default_executors() {
    return std::max<std::size_t>(4, std::size_t{2} * base::usable_cores());
}

// Scripts in threads that nothing else works in: the database must not wait for them.
class ThreadEngine final : public script::Engine {
public:
    explicit ThreadEngine(unsigned threads) : workers_(threads), executor_(workers_) {}

    Result<void> open(std::size_t slots) {
        TRY(engine_, open_threads(executor_, slots));
        return {};
    }
    Task<Result<script::RunResult>> run(script::Job job) override {
        return engine_->run(std::move(job));
    }
    bool cancel(std::string_view job_id) override { return engine_->cancel(job_id); }
    std::size_t capacity() const override { return engine_->capacity(); }
    script::Layers layers() const override { return engine_->layers(); }

private:
    base::WorkerThreads workers_;
    base::EventLoop executor_;  // is not run: it only hands work to the threads
    std::unique_ptr<script::InProcessEngine> engine_;
};

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
        const std::size_t most = base::usable_cores();
        const std::size_t slots = executors == 0 ? most : std::min(executors, most);
        auto engine = std::make_unique<ThreadEngine>(static_cast<unsigned>(slots));
        TRY_VOID(engine->open(slots));
        return std::unique_ptr<script::Engine>(std::move(engine));
    }
    script::Executors::Options options;
    options.executors = executors == 0 ? default_executors() : executors;
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
    TRY(auto engine, open_threads(executor, 1));
    return std::unique_ptr<script::Engine>(std::move(engine));
}

}  // namespace adyton::apps

#include "script/engine_bench.h"

#include "script/internal/machine.h"
#include "script/internal/memory_slot.h"

namespace adyton::script {

Result<std::vector<base::Duration>> bench_engine(
    const base::Clock& clock, const HostLibrary& library, std::string_view source,
    std::string_view input_json, std::size_t warm_up, std::size_t count) {
    TRY(const auto slot, internal::MemorySlot::create());
    internal::Machine machine(*slot, clock);
    TRY(const auto image, machine.boot(library));
    internal::Work work;
    work.source = source;
    work.entry_point = "main";
    work.input_json = input_json;
    internal::NoHooks hooks;
    std::vector<base::Duration> out;
    out.reserve(count);
    for (std::size_t i = 0; i < warm_up + count; ++i) {
        const base::SteadyTime start = clock.steady_now();
        TRY(const RunResult result, machine.run(image, work, hooks));
        machine.clean();
        const base::Duration took = clock.steady_now() - start;
        if (result.status != Status::Completed) {
            return Error{ErrorCode::Internal, "a run of the benchmark did not complete"};
        }
        if (i >= warm_up) out.push_back(took);
    }
    return out;
}

}  // namespace adyton::script

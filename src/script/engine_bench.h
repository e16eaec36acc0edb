#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/executor.h"
#include "base/result.h"
#include "base/time.h"
#include "script/host_functions.h"

namespace adyton::script {

// The engine by itself, on the calling thread, without executor, queue or process: each run is a
// reset of the slot and a job. For benchmarks.
//
// The times of `count` runs after `warm_up` that are not counted. Errors of
// InProcessEngine::create; Internal: a run did not complete.
Result<std::vector<base::Duration>> bench_engine(
    const base::Clock& clock, const HostLibrary& library, std::string_view source,
    std::string_view input_json, std::size_t warm_up, std::size_t count);

}  // namespace adyton::script

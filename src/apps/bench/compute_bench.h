#pragma once

#include <string>
#include <vector>

#include "apps/console.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::apps::bench {

struct ComputeBenchOptions {
    unsigned seconds = 10;          // for each measurement
    std::vector<std::string> only;  // names of measurements; empty: all
};

// The names that `only` may hold.
const std::vector<std::string>& compute_bench_names();

// `adyton bench compute`, the engine's part (issue "How well"): a fresh state and a trivial job in
// process, through a sandboxed executor and in a process of its own, cancel to death, and workloads
// of one run each. InvalidArgument: an unknown name. Otherwise the first thing that failed.
Result<base::Json> run_compute_bench(const ComputeBenchOptions& options, Console& console);

}  // namespace adyton::apps::bench

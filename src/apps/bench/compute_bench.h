#pragma once

#include <string>
#include <vector>

#include "apps/console.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::apps::bench {

struct ComputeBenchOptions {
    std::string executable;          // the server: this program
    std::string directory;           // for databases, logs and what peers run
    unsigned seconds = 10;           // for each measurement
    std::vector<std::string> only;   // names of measurements; empty: all
    std::vector<std::string> peers;  // compute_peers.h
};

// The names that `only` may hold.
const std::vector<std::string>& compute_bench_names();

// `adyton bench compute`, the engine's part (issue "How well"): a fresh state and a trivial job in
// process, through a sandboxed executor and in a process of its own, cancel to death, memory of
// warm executors, jobs over HTTP with receipt and durable record, and workloads of one run each,
// also with peers. InvalidArgument: an unknown name. Otherwise the first thing that failed.
Result<base::Json> run_compute_bench(const ComputeBenchOptions& options, Console& console);

}  // namespace adyton::apps::bench

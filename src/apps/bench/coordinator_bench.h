#pragma once

#include <string>
#include <vector>

#include "apps/bench/report.h"
#include "apps/console.h"
#include "base/result.h"

namespace adyton::apps::bench {

struct CoordinatorBenchOptions {
    std::string directory;          // databases go there
    unsigned seconds = 10;          // of the measurements that run for a time
    std::vector<std::string> only;  // names of measurements; empty: all
    bool quick = false;             // small counts, to see that it works
};

// The names that `only` may hold.
const std::vector<std::string>& coordinator_bench_names();

// `adyton bench coordinator` (issue "How well"): coordinator, keystore and a simulated NEAR chain
// in this process, over databases on the disk of `directory`. How much of its time a gate is busy,
// in virtual time; workflows a second with instant blocks; plans a second; and that concurrent
// identical requests make one run. InvalidArgument: an unknown name. Otherwise the first thing that
// failed, workflows that did not succeed among them.
Result<std::vector<Row>> run_coordinator_bench(
    const CoordinatorBenchOptions& options, Console& console);

}  // namespace adyton::apps::bench

#pragma once

#include <string>
#include <vector>

#include "apps/console.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::apps::bench {

struct PoolBenchOptions {
    std::string executable;         // the server: this program
    std::string directory;          // for databases and logs; its file system is what is measured
    unsigned seconds = 10;          // for each measurement
    std::vector<std::string> only;  // names of measurements; empty: all
};

// The names that `only` may hold.
const std::vector<std::string>& pool_bench_names();

// `adyton bench pool` (issue "How well", decisions.md 34): starts `adyton serve pool` in strict
// mode on one core, with certificates minted now, and loads it over mutual TLS from another.
// Raw signing is measured on the server's core, before and after each measurement of signatures.
// InvalidArgument: an unknown name. Otherwise the first thing that failed; the server's log is in
// the directory.
Result<base::Json> run_pool_bench(const PoolBenchOptions& options, Console& console);

}  // namespace adyton::apps::bench

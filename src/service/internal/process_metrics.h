#pragma once

#include <string>

#include "base/executor.h"
#include "service/metrics.h"

namespace adyton::service::internal {

// Memory, descriptors, threads and start time of this process, read from /proc at each scrape (0
// where /proc says nothing), and the build. `clock` is asked once.
void add_process_metrics(
    MetricsRegistry& metrics, const base::Clock& clock, const std::string& service,
    const std::string& version);

}  // namespace adyton::service::internal

#include "service/internal/process_metrics.h"

#include <dirent.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

namespace adyton::service::internal {
namespace {

struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
    void operator()(DIR* directory) const { ::closedir(directory); }
};

double resident_bytes() {
    const std::unique_ptr<std::FILE, Close> file(std::fopen("/proc/self/statm", "re"));
    unsigned long total = 0;
    unsigned long resident = 0;
    if (!file || std::fscanf(file.get(), "%lu %lu", &total, &resident) != 2) return 0;
    return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
    const std::unique_ptr<DIR, Close> directory(::opendir("/proc/self/fd"));
    if (!directory) return 0;
    double count = 0;
    while (const dirent* entry = ::readdir(directory.get())) {
        if (entry->d_name[0] != '.') ++count;
    }
    return count - 1;  // the directory itself
}

}  // namespace

void add_process_metrics(
    MetricsRegistry& metrics, const base::Clock& clock, const std::string& service,
    const std::string& version) {
    metrics.gauge("adyton_build_info", "Always 1.", {{"service", service}, {"version", version}})
        .set(1);
    const auto started = std::chrono::duration<double>(clock.now().time_since_epoch()).count();
    metrics.gauge_callback(
        "process_start_time_seconds", "Since the Unix epoch.", {}, [started] { return started; });
    metrics.gauge_callback("process_resident_memory_bytes", "Resident memory.", {}, resident_bytes);
    metrics.gauge_callback("process_open_fds", "Open file descriptors.", {}, open_descriptors);
}

}  // namespace adyton::service::internal

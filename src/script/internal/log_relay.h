#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/executor.h"
#include "script/job.h"

namespace adyton::script::internal {

// Hands console entries from the thread that runs a script to Job::on_log on the caller's executor.
// add() is thread safe; drain() and close() run on that executor.
class LogRelay : public std::enable_shared_from_this<LogRelay> {
public:
    LogRelay(base::Executor& home, std::function<void(const LogEntry&)> on_log)
        : home_(home), on_log_(std::move(on_log)) {}

    void add(const LogEntry& entry) {
        if (!on_log_) return;
        {
            const std::lock_guard lock(mutex_);
            entries_.push_back(entry);
            if (entries_.size() > 1) return;  // a drain is on its way
        }
        home_.post([self = shared_from_this()] { self->drain(); });
    }
    // Delivers what is left; nothing is delivered afterwards.
    void close() {
        drain();
        closed_ = true;
    }

private:
    void drain() {
        std::vector<LogEntry> entries;
        {
            const std::lock_guard lock(mutex_);
            entries.swap(entries_);
        }
        if (closed_) return;
        for (const LogEntry& entry : entries) on_log_(entry);
    }

    base::Executor& home_;
    const std::function<void(const LogEntry&)> on_log_;
    std::mutex mutex_;
    std::vector<LogEntry> entries_;
    bool closed_ = false;
};

}  // namespace adyton::script::internal

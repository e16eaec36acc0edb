// Measures what one append costs inside a shared commit: audit_bench DATABASE_PATH [callers] [secs]
#include <cstdio>
#include <cstdlib>
#include <string>

#include "audit/audit_log.h"
#include "base/event_loop.h"
#include "storage/migrator.h"
#include "storage/sqlite/sqlite_database.h"

namespace adyton::audit {
namespace {

// As long as the record of one signature.
constexpr std::string_view kBody =
    R"({"account_id":"0f9b2d3e-1c2d-4e5f-8a9b-0c1d2e3f4a5b","digest":"9f86d081884c7d659a2feaa0c55ad015)"
    R"(a3bf4f1b2b0b822cd15d6c15b0f00a08","lock_id":"7c9e6679-7425-40de-944b-e07fc1f90ae7","fencing":12,)"
    R"("rule":"compute works"})";

struct Counters {
    base::SteadyTime end;
    std::int64_t appends = 0;
    base::Duration inside{};  // in append() alone; units run one after another
};

Task<bool> caller(
    base::Executor& executor, storage::Database& database, AuditLog& log, Counters& counters) {
    while (executor.steady_now() < counters.end) {
        auto unit = [&](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(tx.now());
            const base::SteadyTime begin = executor.steady_now();
            TRY_VOID(log.append(tx, {"pool.sign", "neocompute", kBody}));
            counters.inside += executor.steady_now() - begin;
            ++counters.appends;
            return {};
        };
        auto write = database.write(unit);
        if (!co_await std::move(write)) co_return false;
    }
    co_return true;
}

int run(const std::string& path, int callers, int seconds) {
    base::WorkerThreads workers(0);
    base::EventLoop loop(workers);
    storage::SqliteOptions options;
    options.path = path;
    auto database = storage::create_sqlite_database(options, loop, base::null_logger());
    if (!database) return 1;
    if (!loop.run_until_done(storage::migrate(**database, migrations()))) return 1;
    auto log = loop.run_until_done(AuditLog::open(**database, "bench"));
    if (!log) return 1;
    Counters counters;
    const base::SteadyTime begin = loop.steady_now();
    counters.end = begin + std::chrono::seconds(seconds);
    std::vector<Task<bool>> tasks;
    for (int i = 0; i < callers; ++i) tasks.push_back(caller(loop, **database, **log, counters));
    loop.run_until_done(base::when_all(std::move(tasks)));
    const std::chrono::duration<double> took = loop.steady_now() - begin;
    const std::chrono::duration<double, std::micro> inside = counters.inside;
    const auto appends = static_cast<double>(counters.appends);
    std::printf(
        "%d callers: %.2f us in append, %.2f us a unit with its share of the commit, %.0f "
        "units/s\n",
        callers, inside.count() / appends, took.count() * 1e6 / appends, appends / took.count());
    return 0;
}

}  // namespace
}  // namespace adyton::audit

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    const int callers = argc > 2 ? std::atoi(argv[2]) : 64;
    const int seconds = argc > 3 ? std::atoi(argv[3]) : 3;
    return adyton::audit::run(argv[1], callers, seconds);
}

// Measures units of one indexed SELECT and one INSERT: storage_bench DATABASE_PATH [callers] [secs]
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "base/event_loop.h"
#include "storage/sqlite/sqlite_database.h"

namespace adyton::storage {
namespace {

struct Counters {
    base::SteadyTime end;
    std::int64_t units = 0;
    std::int64_t next_key = 1;
};

Task<bool> caller(base::Executor& executor, Database& database, Counters& counters) {
    while (executor.steady_now() < counters.end) {
        const std::int64_t key = counters.next_key++;
        auto unit = [key](Transaction& tx) -> Result<void> {
            TRY(const Rows rows, tx.query("SELECT value FROM bench WHERE id = $1", {key - 1}));
            TRY_VOID(tx.execute(
                "INSERT INTO bench (id, name, value) VALUES ($1, $2, $3)",
                {key, "a name of usual length", key * 3}));
            return {};
        };
        auto write = database.write(unit);
        if (!co_await std::move(write)) co_return false;
        ++counters.units;
    }
    co_return true;
}

int run(const std::string& path, std::size_t callers, int seconds) {
    base::WorkerThreads workers(0);
    base::EventLoop loop(workers);
    SqliteOptions options;
    options.path = path;
    auto database = create_sqlite_database(options, loop, base::null_logger());
    if (!database) return 1;
    auto setup = (*database)->write([](Transaction& tx) {
        return tx.execute_script(
            "DROP TABLE IF EXISTS bench; CREATE TABLE bench (id INTEGER PRIMARY KEY, name TEXT, "
            "value INTEGER); CREATE INDEX bench_name ON bench (value)");
    });
    if (!loop.run_until_done(std::move(setup))) return 1;
    Counters counters;
    const base::SteadyTime begin = loop.steady_now();
    counters.end = begin + std::chrono::seconds(seconds);
    std::vector<Task<bool>> tasks;
    for (std::size_t i = 0; i < callers; ++i) {
        tasks.push_back(caller(loop, **database, counters));
    }
    loop.run_until_done(base::when_all(std::move(tasks)));
    const std::chrono::duration<double> took = loop.steady_now() - begin;
    const std::string line = fmt::format(
        "{} callers: {:.0f} units/s\n", callers,
        static_cast<double>(counters.units) / took.count());
    std::fputs(line.c_str(), stderr);
    return 0;
}

}  // namespace
}  // namespace adyton::storage

int main(int argc, char** argv) {
    if (argc < 2) return 2;
    const int callers = argc > 2 ? std::atoi(argv[2]) : 64;
    const int seconds = argc > 3 ? std::atoi(argv[3]) : 3;
    return adyton::storage::run(argv[1], static_cast<std::size_t>(callers), seconds);
}

// Measures units of one indexed SELECT and one INSERT, each durable:
//     storage_bench DATABASE_URL [callers] [seconds]
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "base/event_loop.h"
#include "storage/open_database.h"

namespace adyton::storage {
namespace {

struct Counters {
    base::SteadyTime end;
    std::int64_t next_key = 1;
    std::vector<base::Duration> latencies;
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
        const base::SteadyTime asked = executor.steady_now();
        auto write = database.write(unit);
        if (!co_await std::move(write)) co_return false;
        counters.latencies.push_back(executor.steady_now() - asked);
    }
    co_return true;
}

int run(const std::string& url, std::size_t callers, int seconds) {
    base::WorkerThreads workers(0);
    base::EventLoop loop(workers);
    auto database = open_database(url, ".", loop, base::null_logger());
    if (!database) return 1;
    auto setup = (*database)->write([](Transaction& tx) {
        return tx.execute_script(
            tx.dialect() == Dialect::Sqlite
                ? "DROP TABLE IF EXISTS bench; CREATE TABLE bench (id INTEGER PRIMARY KEY, "
                  "name TEXT, value INTEGER); CREATE INDEX bench_value ON bench (value)"
                : "DROP TABLE IF EXISTS bench; CREATE TABLE bench (id bigint PRIMARY KEY, "
                  "name text, value bigint); CREATE INDEX bench_value ON bench (value)");
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
    auto& sorted = counters.latencies;
    if (sorted.empty()) return 1;
    std::sort(sorted.begin(), sorted.end());
    const auto millis = [&sorted](double part) {
        const auto at = static_cast<std::size_t>(part * static_cast<double>(sorted.size() - 1));
        return std::chrono::duration<double, std::milli>(sorted[at]).count();
    };
    const std::string line = fmt::format(
        "{} callers: {:.0f} units/s; ms: median {:.2f}, 99% {:.2f}, 99.9% {:.2f}, worst {:.2f}\n",
        callers, static_cast<double>(sorted.size()) / took.count(), millis(0.5), millis(0.99),
        millis(0.999), millis(1.0));
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

#include "apps/bench/compute_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "apps/bench/report.h"
#include "base/event_loop.h"
#include "compute/host/library.h"
#include "crypto/random.h"
#include "script/engine_bench.h"
#include "script/executors.h"

namespace adyton::apps::bench {
namespace {

constexpr std::string_view kTrivial =
    "function main() { return { sum: input.a + input.b, n: input.list.length }; }";

// One run each; the same shapes as the reference measurements.
struct Workload {
    std::string_view name;
    std::string_view source;
};
constexpr std::array<Workload, 7> kWorkloads = {{
    {"loop_sum_1e7",
     "function main() { let s = 0; for (let i = 0; i < 1e7; i++) s += i; return s; }"},
    {"fib_30",
     "function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); } "
     "function main() { return fib(30); }"},
    {"json_1mb",
     "function main() { const a = []; for (let i = 0; i < 9000; i++) a.push({ id: i, name: 'name ' "
     "+ "
     "i, tags: ['a', 'b', 'c'], nested: { x: i / 3, y: true, z: null } }); "
     "let text = JSON.stringify(a); return JSON.stringify(JSON.parse(text)).length; }"},
    {"string_300k",
     "function main() { let s = ''; for (let i = 0; i < 300000; i++) s += 'ab'; return s.length; "
     "}"},
    {"regex_replace",
     "function main() { let s = 'The quick brown fox 12345 jumps over 67 dogs. '.repeat(500); let "
     "n = "
     "0; const r = /([a-z]+)\\s(\\d+)/g; for (let i = 0; i < 5; i++) { while (r.exec(s)) n++; "
     "n += s.replace(/[aeiou]/g, (c) => c.toUpperCase()).length; } return n; }"},
    {"sort_1e5",
     "function main() { let x = 1; const a = []; for (let i = 0; i < 1e5; i++) { x = (x * "
     "1103515245 "
     "+ 12345) % 2147483648; a.push(x); } a.sort((p, q) => p - q); return a[0]; }"},
    {"objects_200k",
     "function main() { const a = []; for (let i = 0; i < 200000; i++) a.push({ id: i, v: i % 7 "
     "}); "
     "return a.map((o) => ({ ...o, w: o.v * 2 })).filter((o) => o.w > 4).reduce((s, o) => s + o.w, "
     "0); }"},
}};

std::string trivial_input() {
    // 1 KB of JSON, as the reference measurements had.
    std::string out = R"({"a":1,"b":2,"list":[)";
    for (int i = 0; i < 90; ++i) out += fmt::format("{}\"item {:04}\"", i == 0 ? "" : ",", i);
    return out + "]}";
}

struct Spread {
    double per_s = 0;
    std::int64_t p50_us = 0;
    std::int64_t p99_us = 0;
};

Spread spread_of(std::vector<base::Duration> times) {
    if (times.empty()) return {};
    std::sort(times.begin(), times.end());
    base::Duration sum{};
    for (const base::Duration time : times) sum += time;
    const auto us = [&](std::size_t percent) {
        const base::Duration at = times[std::min(times.size() - 1, times.size() * percent / 100)];
        return std::chrono::duration_cast<std::chrono::microseconds>(at).count();
    };
    const double seconds = std::chrono::duration<double>(sum).count();
    return {static_cast<double>(times.size()) / seconds, us(50), us(99)};
}

class Bench {
public:
    Bench(const ComputeBenchOptions& options, Console& console)
        : options_(options), report_(console, "") {}

    Result<base::Json> run() {
        TRY_VOID(check_names(options_.only, compute_bench_names()));
        if (wanted("engine_in_process")) {
            TRY_VOID(in_process());
        }
        if (wanted("executor")) {
            TRY_VOID(through_executor("executor", false));
        }
        if (wanted("executor_strict")) {
            TRY_VOID(through_executor("executor_strict", true));
        }
        if (wanted("cancel")) {
            TRY_VOID(cancel());
        }
        for (const Workload& workload : kWorkloads) {
            if (!wanted(workload.name)) continue;
            TRY_VOID(work(workload));
        }
        return report_.to_json();
    }

private:
    bool wanted(std::string_view name) const {
        return options_.only.empty() ||
               std::find(options_.only.begin(), options_.only.end(), name) != options_.only.end();
    }

    Result<void> in_process() {
        const std::size_t count = std::size_t{options_.seconds} * 5'000;
        TRY(const auto times,
            script::bench_engine(
                loop_, compute::host::library(), kTrivial, trivial_input(), 200, count));
        const Spread spread = spread_of(times);
        report_.add(
            {"engine_in_process", "jobs", std::nullopt, spread.per_s, std::nullopt, spread.p50_us,
             spread.p99_us, "fresh state and trivial job with 1 KB of input, one thread"});
        return {};
    }

    script::Job trivial_job() {
        script::Job job;
        job.id = fmt::format("bench-{}", ++jobs_);
        job.user = "bench";
        job.source = kTrivial;
        job.input_json = trivial_input();
        random_.fill(job.random_seed);
        return job;
    }

    Result<std::unique_ptr<script::Executors>> executors(std::size_t spares) {
        script::Executors::Options options;
        options.executors = 1;
        options.spares = spares;
        return script::Executors::create(loop_, options);
    }

    // One after the other, from the event loop's thread: latency as a caller sees it.
    Result<void> through_executor(const std::string& name, bool strict) {
        TRY(const auto engine, executors(strict ? 4 : 1));
        std::vector<base::Duration> times;
        const base::SteadyTime end = loop_.steady_now() + std::chrono::seconds(options_.seconds);
        for (std::size_t i = 0; i < 50 || loop_.steady_now() < end; ++i) {
            script::Job job = trivial_job();
            job.strict = strict;
            const base::SteadyTime start = loop_.steady_now();
            TRY(const auto result, loop_.run_until_done(engine->run(std::move(job))));
            if (result.status != script::Status::Completed) {
                return Error{ErrorCode::Internal, "a job of the benchmark did not complete"};
            }
            if (i >= 50) times.push_back(loop_.steady_now() - start);
        }
        const Spread spread = spread_of(times);
        report_.add(
            {name, "jobs", std::nullopt, spread.per_s, std::nullopt, spread.p50_us, spread.p99_us,
             fmt::format(
                 "one executor, one job at a time{}; layers: {}",
                 strict ? ", a process for each job" : "", engine->layers().to_string())});
        return {};
    }

    Result<void> cancel() {
        TRY(const auto engine, executors(1));
        std::vector<base::Duration> times;
        for (int i = 0; i < 50; ++i) {
            script::Job job = trivial_job();
            job.source = "function main() { console.log('running'); for (;;) {} }";
            const std::string id = job.id;
            base::SteadyTime asked{};
            job.on_log = [&](const script::LogEntry&) {
                asked = loop_.steady_now();
                engine->cancel(id);
            };
            TRY(const auto result, loop_.run_until_done(engine->run(std::move(job))));
            if (result.status != script::Status::Cancelled) {
                return Error{ErrorCode::Internal, "a job of the benchmark was not cancelled"};
            }
            times.push_back(loop_.steady_now() - asked);
        }
        const Spread spread = spread_of(times);
        report_.add(
            {"cancel", "cancels", std::nullopt, std::nullopt, std::nullopt, spread.p50_us,
             spread.p99_us, "from cancel() to the job's end, its process killed"});
        return {};
    }

    Result<void> work(const Workload& workload) {
        TRY(const auto times, script::bench_engine(
                                  loop_, compute::host::library(), workload.source, "{}", 1,
                                  std::max<std::size_t>(5, options_.seconds)));
        const Spread spread = spread_of(times);
        report_.add(
            {std::string(workload.name), "runs", std::nullopt, spread.per_s, std::nullopt,
             spread.p50_us, spread.p99_us, "in process, fresh state for each run"});
        return {};
    }

    const ComputeBenchOptions& options_;
    Report report_;
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    crypto::SystemRandom random_;
    std::uint64_t jobs_ = 0;
};

}  // namespace

const std::vector<std::string>& compute_bench_names() {
    static const std::vector<std::string> kNames = [] {
        std::vector<std::string> out = {
            "engine_in_process", "executor", "executor_strict", "cancel"};
        for (const Workload& workload : kWorkloads) out.emplace_back(workload.name);
        return out;
    }();
    return kNames;
}

Result<base::Json> run_compute_bench(const ComputeBenchOptions& options, Console& console) {
    Bench bench(options, console);
    return bench.run();
}

}  // namespace adyton::apps::bench

#include "apps/bench/compute_bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "apps/bench/compute_peers.h"
#include "apps/bench/compute_workloads.h"
#include "apps/bench/load_client.h"
#include "apps/bench/report.h"
#include "apps/bench/server_process.h"
#include "base/event_loop.h"
#include "compute/host/library.h"
#include "crypto/random.h"
#include "script/engine_bench.h"
#include "script/executors.h"

namespace adyton::apps::bench {
namespace {

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

// ----- memory of processes ----------------------------------------------------------------------

struct ProcessMemory {
    std::int64_t resident_kib = 0;
    std::int64_t shared_kib = 0;
    std::int64_t private_kib = 0;
};

std::string text_of(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

std::int64_t kib_of(const std::string& text, const std::string& field) {
    const std::size_t at = text.find("\n" + field + ":");
    return at == std::string::npos ? 0 : std::strtoll(&text[at + field.size() + 2], nullptr, 10);
}

// The parent of every process; /proc/PID/stat has it behind the name in brackets.
std::map<int, int> parents() {
    std::map<int, int> out;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const int pid = std::atoi(entry.path().filename().c_str());
        const std::string stat = pid > 0 ? text_of(entry.path() / "stat") : "";
        const std::size_t bracket = stat.rfind(')');
        if (bracket == std::string::npos || bracket + 4 >= stat.size()) continue;
        out[pid] = std::atoi(&stat[bracket + 4]);
    }
    return out;
}

// Great-grandchildren: below the zygote that waits and the one inside the namespaces. Empty: this
// user may not look.
std::vector<ProcessMemory> executors_of(int pid) {
    std::vector<ProcessMemory> out;
    const std::map<int, int> all = parents();
    const auto parent = [&](int of) {
        const auto found = all.find(of);
        return found == all.end() ? 0 : found->second;
    };
    for (const auto& [process, its_parent] : all) {
        if (parent(parent(its_parent)) != pid) continue;
        const std::string text = text_of(fmt::format("/proc/{}/smaps_rollup", process));
        if (kib_of(text, "Rss") == 0) continue;
        out.push_back(
            {kib_of(text, "Rss"), kib_of(text, "Shared_Clean") + kib_of(text, "Shared_Dirty"),
             kib_of(text, "Private_Clean") + kib_of(text, "Private_Dirty")});
    }
    return out;
}

// ----- the service ------------------------------------------------------------------------------

// Trivial jobs of one user, one after the other.
class ExecuteDialogue final : public Dialogue {
public:
    explicit ExecuteDialogue(std::string user) : user_(std::move(user)) {
        base::JsonWriter json(body_);
        json.begin_object().member("script", kTrivialScript);
        json.key("input").raw(trivial_input());
        json.end_object();
    }
    void next_request(std::string& out) override {
        fmt::format_to(
            std::back_inserter(out),
            "POST /execute HTTP/1.1\r\nHost: 127.0.0.1\r\nX-User-ID: {}\r\n"
            "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            user_, body_.size(), body_);
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        // Each has its result and its receipt.
        if (status != 200 || body.find("\"status\":\"completed\"") == body.npos ||
            body.find("\"p256_signature\"") == body.npos) {
            return Error::internal(fmt::format("HTTP {}: {}", status, body.substr(0, 500)));
        }
        return std::uint64_t{1};
    }

private:
    std::string user_;
    std::string body_;
};

// `adyton serve compute` in strict mode: mutual TLS, durable records, a receipt with both
// signatures for each job. Nothing is bound to a core.
class HttpBench {
public:
    HttpBench(const ComputeBenchOptions& options, base::EventLoop& loop, Report& report)
        : options_(options), loop_(loop), report_(report) {}

    Result<void> run() {
        TRY(auto identities, Identities::create(options_.directory, "neocompute", "gateway"));
        TRY_VOID(write_file(
            path("compute.toml"),
            tls_settings(options_.directory) + fmt::format(
                                                   "[log]\naccess = \"errors\"\n[compute]\n"
                                                   "master_key = {{file = \"{}/master.key\"}}\n",
                                                   options_.directory)));
        const std::string data = path("compute-data");
        TRY_VOID(run_migration(
            loop_, {options_.executable, path("compute.toml"), data, path("migrate.log"), -1}));
        TRY(const auto port, find_free_port());
        TRY(const auto metrics_port, find_free_port());
        TRY(auto process,
            ServerProcess::start(
                {{options_.executable, "serve", "compute", "--config", path("compute.toml"),
                  "--data-dir", data, "--listen", fmt::format("127.0.0.1:{}", port),
                  "--metrics-listen", fmt::format("127.0.0.1:{}", metrics_port)},
                 {},
                 path("server.log"),
                 -1}));
        TRY_VOID(process.wait_ready(loop_, metrics_port, kReadyPatience));
        std::vector<std::unique_ptr<Dialogue>> dialogues;
        for (int i = 0; i < kUsers * kConnections; ++i) {
            dialogues.push_back(
                std::make_unique<ExecuteDialogue>(fmt::format("user-{}", i % kUsers)));
        }
        LoadOptions load;
        load.port = port;
        load.duration = std::chrono::seconds(options_.seconds);
        load.stay_awake = false;  // the cores are for all: client, server and executors
        TRY(const LoadResult result, run_load(loop_, identities.client, load, dialogues));
        const auto resident = process.resident_kib();
        report_.add(
            {"http",
             "jobs",
             {},
             result.per_s,
             {},
             result.p50_us,
             result.p99_us,
             fmt::format(
                 "{} users with {} connections each, mutual TLS, receipt and durable record; "
                 "client, server and executors share {} cores; server resident {} KiB",
                 kUsers, kConnections, base::usable_cores(), resident.value_or(0))});
        TRY(const int status, process.stop(loop_));
        if (status == 0) return {};
        return Error::internal(fmt::format("the server ended with {}", status));
    }

private:
    static constexpr int kUsers = 4;
    static constexpr int kConnections = 4;
    std::string path(const std::string& name) const { return options_.directory + "/" + name; }

    const ComputeBenchOptions& options_;
    base::EventLoop& loop_;
    Report& report_;
};

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
            TRY_VOID(through_executor());
        }
        if (wanted("executor_strict")) {
            TRY_VOID(strict());
        }
        if (wanted("cancel")) {
            TRY_VOID(cancel());
        }
        if (wanted("memory")) {
            TRY_VOID(memory());
        }
        if (wanted("http")) {
            TRY_VOID(HttpBench(options_, loop_, report_).run());
        }
        for (const Workload& workload : kWorkloads) {
            if (!wanted(workload.name)) continue;
            TRY_VOID(work(workload));
        }
        TRY_VOID(compare());
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
                loop_, compute::host::library(), kTrivialScript, trivial_input(), 200, count));
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
        job.source = kTrivialScript;
        job.input_json = input_;
        random_.fill(job.random_seed);
        return job;
    }

    Result<std::unique_ptr<script::Executors>> executors(std::size_t spares) {
        script::Executors::Options options;
        options.executors = 1;
        options.spares = spares;
        return script::Executors::create(loop_, options);
    }

    // One after the other, from the event loop's thread: latency as a caller sees it. Service and
    // executor share a core, and nothing else is on it.
    Result<void> through_executor() {
        const PinnedScope pinned(choose_cores().server);
        TRY(const auto engine, executors(1));
        TRY(const Spread spread,
            loop_.run_until_done(run_jobs(*engine, false, Arrival::BackToBack)));
        report_.add(
            {"executor", "jobs", std::nullopt, spread.per_s, std::nullopt, spread.p50_us,
             spread.p99_us,
             fmt::format(
                 "one executor, one job at a time, service and executor on one core; layers: {}",
                 engine->layers().to_string())});
        return {};
    }

    // A process for each job. Latency where a process is ready for it, which is forked before; and
    // jobs back to back, which wait for the forks of their processes as well.
    Result<void> strict() {
        TRY(const auto engine, executors(kStrictSpares));
        TRY(const Spread ready, loop_.run_until_done(run_jobs(*engine, true, Arrival::WhenReady)));
        TRY(const Spread busy, loop_.run_until_done(run_jobs(*engine, true, Arrival::BackToBack)));
        report_.add(
            {"executor_strict", "jobs", std::nullopt, std::nullopt, std::nullopt, ready.p50_us,
             ready.p99_us,
             fmt::format(
                 "a process for each job, forked before the job comes; one at a time; layers: {}",
                 engine->layers().to_string())});
        report_.add(
            {"executor_strict", "jobs", std::nullopt, busy.per_s, std::nullopt, busy.p50_us,
             busy.p99_us,
             fmt::format(
                 "the same back to back, so that a job also waits for the fork of its process; {} "
                 "cores",
                 base::usable_cores())});
        return {};
    }

    enum class Arrival { BackToBack, WhenReady };
    Task<Result<Spread>> run_jobs(script::Executors& engine, bool strict, Arrival arrival) {
        constexpr std::size_t kWarmUp = 50;
        constexpr base::Duration kPause = std::chrono::milliseconds(1);
        std::vector<base::Duration> times;
        const base::SteadyTime end = loop_.steady_now() + std::chrono::seconds(options_.seconds);
        for (std::size_t i = 0; i < kWarmUp || loop_.steady_now() < end; ++i) {
            while (arrival == Arrival::WhenReady && engine.stats().spares < kStrictSpares) {
                co_await base::sleep_for(loop_, kPause);
            }
            script::Job job = trivial_job();
            job.strict = strict;
            const base::SteadyTime start = loop_.steady_now();
            CO_TRY(const auto result, co_await engine.run(std::move(job)));
            if (result.status != script::Status::Completed) {
                co_return Error{ErrorCode::Internal, "a job of the benchmark did not complete"};
            }
            if (i >= kWarmUp) times.push_back(loop_.steady_now() - start);
        }
        co_return spread_of(std::move(times));
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

    // On one core, as its peers.
    Result<std::vector<base::Duration>> run_workload(const Workload& workload, std::size_t runs) {
        const PinnedScope pinned(choose_cores().server);
        return script::bench_engine(
            loop_, compute::host::library(), workload.source, "{}", 1, runs);
    }

    Result<void> work(const Workload& workload) {
        TRY(const auto times, run_workload(workload, std::max<std::size_t>(5, options_.seconds)));
        const Spread spread = spread_of(times);
        worked_.insert(workload.name);
        report_.add(
            {std::string(workload.name), "runs", std::nullopt, spread.per_s, std::nullopt,
             spread.p50_us, spread.p99_us, "in process on one core, fresh state for each run"});
        return {};
    }

    // What executors that are kept for their users take.
    Result<void> memory() {
        TRY(const auto engine, executors(1));
        constexpr int kUsers = 8;
        for (int i = 0; i < 4 * kUsers; ++i) {
            script::Job job = trivial_job();
            job.user = fmt::format("user-{}", i % kUsers);
            TRY(const auto result, loop_.run_until_done(engine->run(std::move(job))));
            if (result.status != script::Status::Completed) {
                return Error{ErrorCode::Internal, "a job of the benchmark did not complete"};
            }
        }
        std::vector<ProcessMemory> found = executors_of(::getpid());
        if (found.empty()) {
            report_.add(
                {"memory", "KiB", {}, {}, {}, {}, {}, "NOT RUN: /proc does not show executors"});
            return {};
        }
        std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
            return a.resident_kib < b.resident_kib;
        });
        const ProcessMemory& most = found.back();
        report_.add(
            {"memory",
             "KiB",
             {},
             {},
             {},
             {},
             {},
             fmt::format(
                 "{} executors, each after 4 jobs: resident {} to {} KiB, of it shared with the "
                 "zygote and the file {} KiB, own {} KiB",
                 found.size(), found.front().resident_kib, most.resident_kib, most.shared_kib,
                 most.private_kib)});
        return {};
    }

    // Every workload with every peer, and the mean of the eight.
    Result<void> compare() {
        for (const std::string& text : options_.peers) {
            TRY(const Peer peer, Peer::parse(text));
            double logs = 0;
            int count = 0;
            for (const Workload& workload : kWorkloads) {
                if (!worked_.contains(workload.name) || !workload.in_mean) continue;
                TRY(const auto ratio, compare_with(peer, workload));
                if (!ratio) continue;
                logs += std::log(*ratio);
                ++count;
            }
            if (count == 0) continue;
            report_.add(
                {"geomean@" + peer.name,
                 "times",
                 {},
                 {},
                 std::exp(logs / count),
                 {},
                 {},
                 fmt::format("speed-up over {} in {} workloads", peer.name, count)});
        }
        if (options_.peers.empty() && !worked_.empty()) {
            report_.add(
                {"geomean",
                 "times",
                 {},
                 {},
                 {},
                 {},
                 {},
                 "NOT RUN: no --peer; tests/bench/goja/build and tests/bench/workerd/build make "
                 "them"});
        }
        return {};
    }

    // The peer's runs between ours, on the same core, so that what the machine does meanwhile meets
    // both; medians. Nothing: the peer did not run.
    Result<std::optional<double>> compare_with(const Peer& peer, const Workload& workload) {
        constexpr std::size_t kRuns = 5;
        const std::string name = fmt::format("{}@{}", workload.name, peer.name);
        TRY(auto ours, run_workload(workload, kRuns));
        auto times = run_peer(
            {loop_, options_.directory, choose_cores().server}, peer, workload.source, "{}", kRuns);
        if (!times) {
            report_.add({name, "runs", {}, {}, {}, {}, {}, "NOT RUN: " + times.error().message()});
            return std::optional<double>{};
        }
        TRY(const auto after, run_workload(workload, kRuns));
        ours.insert(ours.end(), after.begin(), after.end());
        const std::int64_t ours_us = spread_of(std::move(ours)).p50_us;
        std::sort(times->begin(), times->end());
        const std::int64_t theirs = (*times)[times->size() / 2];
        const double ratio = static_cast<double>(theirs) / static_cast<double>(ours_us);
        report_.add(
            {name,
             "runs",
             1e6 / static_cast<double>(theirs),
             1e6 / static_cast<double>(ours_us),
             ratio,
             theirs,
             {},
             "raw is the peer, its state as its program says; medians, both on one core"});
        return std::optional<double>{ratio};
    }

    const ComputeBenchOptions& options_;
    Report report_;
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    crypto::SystemRandom random_;
    const std::string input_ = trivial_input();
    std::uint64_t jobs_ = 0;
    static constexpr std::size_t kStrictSpares = 4;
    std::set<std::string_view> worked_;  // names of workloads
};

}  // namespace

std::string trivial_input() {
    std::string out = R"({"a":1,"b":2,"list":[)";
    for (int i = 0; i < 90; ++i) out += fmt::format("{}\"item {:04}\"", i == 0 ? "" : ",", i);
    return out + "]}";
}

const std::vector<std::string>& compute_bench_names() {
    static const std::vector<std::string> kNames = [] {
        std::vector<std::string> out = {
            "engine_in_process", "executor", "executor_strict", "cancel", "memory", "http"};
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

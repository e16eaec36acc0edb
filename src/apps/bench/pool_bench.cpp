#include "apps/bench/pool_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "apps/bench/load_client.h"
#include "apps/bench/pool_dialogues.h"
#include "apps/bench/report.h"
#include "apps/bench/server_process.h"
#include "apps/connection.h"
#include "base/event_loop.h"
#include "crypto/p256_bench.h"

namespace adyton::apps::bench {
namespace {

using base::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kConnections = 64;
constexpr std::size_t kBatchConnections = 4;
constexpr std::size_t kBatchSize = 100;
constexpr std::size_t kInfoConnections = 8;
constexpr std::int64_t kRequestCount = 10;
constexpr std::int64_t kSmallPool = 10'000;
constexpr std::int64_t kLargePool = 100'000;
constexpr int kStarts = 3;
constexpr auto kRawTime = milliseconds(1500);
constexpr const char* kService = "neocompute";

class PoolBench {
public:
    PoolBench(const PoolBenchOptions& options, Console& console)
        : options_(options), console_(console), workers_(1), loop_(workers_) {}

    Result<Json> run();

private:
    struct Running {
        ServerProcess process;
        std::uint16_t port = 0;
        double ready_seconds = 0;
    };

    bool wants(std::string_view name) const {
        return options_.only.empty() ||
               std::find(options_.only.begin(), options_.only.end(), name) != options_.only.end();
    }
    std::string path(const std::string& name) const { return options_.directory + "/" + name; }

    Result<void> prepare();
    Result<void> migrate(const std::string& data);
    Result<Running> start(const std::string& data, const std::vector<std::string>& settings);
    Result<void> stop(Running& running);
    Result<std::unique_ptr<Connection>> connect(const Running& running);
    Result<void> grow(const Running& running, std::int64_t to);
    Result<std::vector<std::string>> lock_accounts(const Running& running, std::size_t count);
    Result<void> fill(const std::string& data, std::int64_t accounts);

    crypto::P256Bench measure_raw();
    Result<LoadResult> load(
        const Running& running, std::vector<std::unique_ptr<PoolDialogue>> dialogues);
    Result<void> measure_signing(
        const Running& running, const std::string& name,
        std::vector<std::unique_ptr<PoolDialogue>> dialogues, const std::string& notes);
    Result<void> measure_start(const std::string& data, std::int64_t accounts);
    Result<void> measure_sign(const std::string& name, const std::string& durability);
    Result<void> measure_batch();
    Result<void> measure_requests();
    Result<void> measure_info();
    void measure_raw_row();
    void add(Row row) { report_->add(std::move(row)); }

    const PoolBenchOptions& options_;
    Console& console_;
    base::WorkerThreads workers_;
    base::EventLoop loop_;
    Cores cores_;
    LoadTls tls_;
    std::optional<Report> report_;
    bool small_filled_ = false;
    bool large_filled_ = false;
};

Result<void> PoolBench::prepare() {
    TRY(const auto machine, Machine::find(loop_, options_.directory));
    cores_ = machine.cores;
    report_.emplace(console_, machine.to_string());
    TRY(auto identities, Identities::create(options_.directory, "neoaccounts", kService));
    tls_ = std::move(identities.client);
    return write_file(
        path("adyton.toml"),
        tls_settings(options_.directory) + fmt::format(
                                               "[log]\naccess = \"errors\"\n"
                                               "[pool]\n"
                                               "master_key = {{file = \"{0}/master.key\"}}\n"
                                               "max_accounts = {1}\n"
                                               "[pool.signing]\nself_check = false\n"
                                               "[policy.rules]\ndefault = \"deny\"\n"
                                               "[[policy.rules.rules]]\n"
                                               "name = \"bench\"\neffect = \"allow\"\nservices = "
                                               "[\"{2}\"]\noperations = [\"*\"]\n",
                                               options_.directory, kLargePool, kService));
}

Result<void> PoolBench::migrate(const std::string& data) {
    return run_migration(
        loop_,
        {options_.executable, path("adyton.toml"), data, path("migrate.log"), cores_.server});
}

Result<PoolBench::Running> PoolBench::start(
    const std::string& data, const std::vector<std::string>& settings) {
    TRY(const auto port, find_free_port());
    TRY(const auto metrics_port, find_free_port());
    std::vector<std::string> arguments = {
        options_.executable,
        "serve",
        "pool",
        "--config",
        path("adyton.toml"),
        "--data-dir",
        data,
        "--listen",
        fmt::format("127.0.0.1:{}", port),
        "--metrics-listen",
        fmt::format("127.0.0.1:{}", metrics_port)};
    for (const std::string& setting : settings) {
        arguments.emplace_back("--set");
        arguments.push_back(setting);
    }
    const auto before = loop_.steady_now();
    TRY(auto process,
        ServerProcess::start({std::move(arguments), {}, path("server.log"), cores_.server}));
    auto ready = process.wait_ready(loop_, metrics_port, kReadyPatience);
    if (!ready) return std::move(ready).error().with_context("see " + path("server.log"));
    const double took = std::chrono::duration<double>(loop_.steady_now() - before).count();
    return Running{std::move(process), port, took};
}

Result<void> PoolBench::stop(Running& running) {
    TRY(const int status, running.process.stop(loop_));
    if (status != 0) {
        return Error::internal(
            fmt::format("the server ended with {}; see {}", status, path("server.log")));
    }
    return {};
}

Result<std::unique_ptr<Connection>> PoolBench::connect(const Running& running) {
    ConnectionOptions connection;
    connection.url = fmt::format("https://127.0.0.1:{}", running.port);
    connection.certificate = path("client.pem");
    connection.key = path("client.key");
    connection.ca = path("ca.pem");
    return Connection::open(connection);
}

Result<void> PoolBench::grow(const Running& running, std::int64_t to) {
    TRY(const auto connection, connect(running));
    api::GrowRequest request;
    request.to = to;
    while (true) {
        auto reply = connection->run(connection->pool().grow(request));
        if (!reply) return std::move(reply.result).error();
        console_.progress(
            "accounts", static_cast<std::uint64_t>(reply->total_accounts),
            static_cast<std::uint64_t>(to));
        if (reply->complete) break;
    }
    console_.end_progress();
    return {};
}

Result<void> PoolBench::fill(const std::string& data, std::int64_t accounts) {
    bool& filled = accounts == kSmallPool ? small_filled_ : large_filled_;
    if (filled) return {};
    TRY_VOID(migrate(data));
    TRY(auto running, start(data, {}));
    TRY_VOID(grow(running, accounts));
    TRY_VOID(stop(running));
    filled = true;
    return {};
}

Result<std::vector<std::string>> PoolBench::lock_accounts(
    const Running& running, std::size_t count) {
    TRY(const auto connection, connect(running));
    std::vector<std::string> ids;
    while (ids.size() < count) {
        api::AccountsRequest request;
        request.count = static_cast<std::int64_t>(std::min<std::size_t>(count - ids.size(), 100));
        auto reply = connection->run(connection->pool().request(request));
        if (!reply) return std::move(reply.result).error();
        for (const api::AccountInfo& account : reply->accounts) ids.push_back(account.id);
    }
    return ids;
}

crypto::P256Bench PoolBench::measure_raw() {
    const PinnedScope pinned(cores_.server);
    return crypto::bench_derive_and_sign(
        [this] { return loop_.steady_now().time_since_epoch(); }, kRawTime);
}

Result<LoadResult> PoolBench::load(
    const Running& running, std::vector<std::unique_ptr<PoolDialogue>> dialogues) {
    std::vector<PoolDialogue*> watched;
    std::vector<std::unique_ptr<Dialogue>> plain;
    for (auto& dialogue : dialogues) {
        watched.push_back(dialogue.get());
        plain.push_back(std::move(dialogue));
    }
    const PinnedScope pinned(cores_.client);
    LoadOptions options;
    options.port = running.port;
    options.duration = seconds(options_.seconds);
    TRY(const auto result, run_load(loop_, tls_, options, plain));
    for (const PoolDialogue* const dialogue : watched) {
        TRY_VOID(dialogue->verify());
    }
    return result;
}

Result<void> PoolBench::measure_signing(
    const Running& running, const std::string& name,
    std::vector<std::unique_ptr<PoolDialogue>> dialogues, const std::string& notes) {
    const crypto::P256Bench before = measure_raw();
    TRY(const LoadResult result, load(running, std::move(dialogues)));
    const crypto::P256Bench after = measure_raw();
    const double raw = (before.ours_per_s + after.ours_per_s) / 2;
    add(
        {name, "signatures", raw, result.per_s, result.per_s / raw, result.p50_us, result.p99_us,
         notes});
    return {};
}

void PoolBench::measure_raw_row() {
    const crypto::P256Bench raw = measure_raw();
    add(
        {"raw_sign", "signatures", raw.ours_per_s, std::nullopt, raw.ratio, std::nullopt,
         std::nullopt,
         fmt::format(
             "one thread: HKDF, RFC 6979, low s; ratio is to libcrypto's random-nonce derive and "
             "sign, {:.0f} a second; results {}",
             raw.library_per_s, raw.verified ? "verified" : "NOT VERIFIED")});
}

Result<void> PoolBench::measure_start(const std::string& data, std::int64_t accounts) {
    TRY_VOID(fill(data, accounts));
    std::vector<std::int64_t> times;
    std::int64_t resident = 0;
    std::int64_t peak = 0;
    for (int i = 0; i < kStarts; ++i) {
        TRY(auto running, start(data, {}));
        times.push_back(static_cast<std::int64_t>(running.ready_seconds * 1e6));
        resident = std::max(resident, running.process.resident_kib().value_or(0));
        peak = std::max(peak, running.process.resident_peak_kib().value_or(0));
        TRY_VOID(stop(running));
    }
    std::sort(times.begin(), times.end());
    add(
        {fmt::format("start_{}", accounts), "starts", std::nullopt, std::nullopt, std::nullopt,
         times[times.size() / 2], times.back(),
         fmt::format(
             "from exec to /ready with {} accounts, {} starts, p99 is the slowest; resident {:.1f} "
             "MB, at most {:.1f} MB",
             accounts, kStarts, static_cast<double>(resident) / 1024,
             static_cast<double>(peak) / 1024)});
    return {};
}

Result<void> PoolBench::measure_sign(const std::string& name, const std::string& durability) {
    TRY_VOID(fill(path("small"), kSmallPool));
    TRY(auto running, start(path("small"), {"audit.durability=" + durability}));
    TRY(const auto ids, lock_accounts(running, kConnections));
    std::vector<std::unique_ptr<PoolDialogue>> dialogues;
    for (std::size_t i = 0; i < kConnections; ++i) {
        dialogues.push_back(make_sign_dialogue(ids[i], i));
    }
    TRY_VOID(measure_signing(
        running, name, std::move(dialogues),
        fmt::format(
            "/sign, mTLS keep-alive, {} connections, audit {}, self-check off, access log: errors",
            kConnections, durability)));
    return stop(running);
}

Result<void> PoolBench::measure_batch() {
    TRY_VOID(fill(path("small"), kSmallPool));
    TRY(auto running, start(path("small"), {}));
    TRY(const auto ids, lock_accounts(running, kBatchSize));
    std::vector<std::unique_ptr<PoolDialogue>> dialogues;
    for (std::size_t i = 0; i < kBatchConnections; ++i) {
        dialogues.push_back(make_batch_dialogue(ids, i));
    }
    TRY_VOID(measure_signing(
        running, "batch_sign_100", std::move(dialogues),
        fmt::format(
            "/batch-sign of {}, {} connections, one durable record a batch, latencies of a batch, "
            "self-check off",
            kBatchSize, kBatchConnections)));
    return stop(running);
}

Result<void> PoolBench::measure_requests() {
    TRY_VOID(fill(path("small"), kSmallPool));
    TRY(auto running, start(path("small"), {}));
    std::vector<std::unique_ptr<PoolDialogue>> dialogues;
    for (std::size_t i = 0; i < kConnections; ++i) {
        dialogues.push_back(make_request_dialogue(kRequestCount));
    }
    TRY(const LoadResult result, load(running, std::move(dialogues)));
    add(
        {"request_release_10", "pairs", std::nullopt, result.per_s, std::nullopt, result.p50_us,
         result.p99_us,
         fmt::format(
             "/request of {} and its /release, each durable, {} connections, SQLite; latencies of "
             "a "
             "pair",
             kRequestCount, kConnections)});
    return stop(running);
}

Result<void> PoolBench::measure_info() {
    TRY_VOID(fill(path("large"), kLargePool));
    TRY(auto running, start(path("large"), {}));
    std::vector<std::unique_ptr<PoolDialogue>> dialogues;
    for (std::size_t i = 0; i < kInfoConnections; ++i) {
        dialogues.push_back(make_pool_info_dialogue(kLargePool));
    }
    TRY(const LoadResult result, load(running, std::move(dialogues)));
    add(
        {"pool_info_100000", "requests", std::nullopt, result.per_s, std::nullopt, result.p50_us,
         result.p99_us,
         fmt::format("/pool-info with {} accounts, {} connections", kLargePool, kInfoConnections)});
    return stop(running);
}

Result<Json> PoolBench::run() {
    TRY_VOID(prepare());
    if (wants("raw_sign")) measure_raw_row();
    if (wants("start_10000")) {
        TRY_VOID(measure_start(path("small"), kSmallPool));
    }
    if (wants("sign_durable")) {
        TRY_VOID(measure_sign("sign_durable", "durable"));
    }
    if (wants("sign_relaxed")) {
        TRY_VOID(measure_sign("sign_relaxed", "relaxed"));
    }
    if (wants("batch_sign_100")) {
        TRY_VOID(measure_batch());
    }
    if (wants("request_release_10")) {
        TRY_VOID(measure_requests());
    }
    if (wants("start_100000")) {
        TRY_VOID(measure_start(path("large"), kLargePool));
    }
    if (wants("pool_info_100000")) {
        TRY_VOID(measure_info());
    }
    return report_->to_json();
}

}  // namespace

const std::vector<std::string>& pool_bench_names() {
    static const std::vector<std::string> kNames = {
        "raw_sign",       "start_10000",        "sign_durable", "sign_relaxed",
        "batch_sign_100", "request_release_10", "start_100000", "pool_info_100000"};
    return kNames;
}

Result<Json> run_pool_bench(const PoolBenchOptions& options, Console& console) {
    TRY_VOID(check_names(options.only, pool_bench_names()));
    return PoolBench(options, console).run();
}

}  // namespace adyton::apps::bench

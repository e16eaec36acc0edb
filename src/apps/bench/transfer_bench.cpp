#include "apps/bench/transfer_bench.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "apps/bench/load_client.h"
#include "apps/bench/report.h"
#include "apps/bench/server_process.h"
#include "apps/connection.h"
#include "apps/local_neo.h"
#include "base/event_loop.h"
#include "neo/address.h"
#include "neo/token.h"

namespace adyton::apps::bench {
namespace {

using base::Json;
using std::chrono::seconds;

constexpr const char* kService = "neocompute";
constexpr int kAnyCore = -1;
constexpr std::uint64_t kGasEach = 100'000'000'000;  // datoshi: thousands of fees

neo::ScriptHash receiver() {
    return neo::ScriptHash::of_script(base::as_bytes("adyton bench transfer"));
}

// POST /transfer of one datoshi, from one account after another, each under a key of its own.
class TransferDialogue final : public Dialogue {
public:
    TransferDialogue(std::vector<std::string> accounts, std::uint64_t number)
        : accounts_(std::move(accounts)),
          number_(number),
          to_(neo::Address(receiver()).to_string()) {}

    void next_request(std::string& out) override {
        const std::string body = fmt::format(
            R"({{"account_id":"{}","to_address":"{}","amount":1}})",
            accounts_[count_ % accounts_.size()], to_);
        ++count_;
        fmt::format_to(
            std::back_inserter(out),
            "POST /transfer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            "Idempotency-Key: bench-{}-{}\r\nContent-Length: {}\r\n\r\n{}",
            number_, count_, body.size(), body);
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        if (status != 200 || body.find(R"("status":"prepared")") != std::string_view::npos) {
            return Error::internal(
                fmt::format("the server answered {}: {}", status, body.substr(0, 300)));
        }
        return 1U;
    }

private:
    std::vector<std::string> accounts_;
    std::uint64_t number_;
    std::uint64_t count_ = 0;
    std::string to_;
};

Task<bool> pause(base::Duration duration) {
    auto sleeping = base::sleep_for(*base::Executor::current(), duration);
    co_await std::move(sleeping);
    co_return true;
}

// What the server says of its transfers in /info.
struct Totals {
    std::int64_t prepared = 0;
    std::int64_t confirmed = 0;
    std::int64_t failed = 0;
    std::int64_t expired = 0;
    std::vector<std::pair<std::string, double>> stages;  // seconds, all transfers together

    bool final() const { return prepared == confirmed + failed + expired; }
};

Result<Totals> parse_totals(const Json& info) {
    const Json* const statistics = info.find("statistics");
    const Json* found = info.find("transfers");
    if (found == nullptr && statistics != nullptr) found = statistics->find("transfers");
    if (found == nullptr) return Error::internal("/info has no transfers");
    const auto number = [&](std::string_view name) -> Result<std::int64_t> {
        const Json* const member = found->find(name);
        if (member == nullptr) return Error::internal("/info lacks " + std::string(name));
        return member->as_int64();
    };
    Totals totals;
    TRY(totals.prepared, number("prepared"));
    TRY(totals.confirmed, number("confirmed"));
    TRY(totals.failed, number("failed"));
    TRY(totals.expired, number("expired"));
    for (const std::string name : {"look_up", "chain", "sign", "record", "send", "note"}) {
        TRY(const std::int64_t micros, number(name + "_us"));
        totals.stages.emplace_back(name, static_cast<double>(micros) / 1e6);
    }
    return totals;
}

// Processor time so far.
struct CpuTimes {
    std::chrono::microseconds server{};
    std::chrono::microseconds own{};  // the client and the simulated chain
};

// Whether the server verifies each signature before it records it, as pool.signing.self_check says.
struct Setting {
    const char* row;
    bool self_check;
};
constexpr std::array<Setting, 2> kSettings = {{
    {"transfer", false},  // as in the other benchmarks
    {"transfer_self_check", true},
}};

// The issue gives two cores to everything: server, client and chain share them, none is bound to
// one, and the client sleeps when it has nothing to do.
class TransferBench {
public:
    TransferBench(const TransferBenchOptions& options, Setting setting, Console& console)
        : options_(options), setting_(setting), console_(console), workers_(1), loop_(workers_) {}

    Result<Row> run();

private:
    std::string path(const std::string& name) const {
        return options_.directory + "/" + setting_.row + "/" + name;
    }
    Result<void> prepare();
    Result<void> start_server();
    Result<std::unique_ptr<Connection>> connect();
    Result<std::vector<std::string>> fund_accounts(Connection& connection);
    Result<Totals> totals(Connection& connection);
    Result<Totals> wait_for_all(Connection& connection);
    CpuTimes cpu_times() const;
    Row result(
        const LoadResult& load, const Totals& begin, const Totals& loaded, const Totals& end);

    const TransferBenchOptions& options_;
    const Setting setting_;
    Console& console_;
    base::WorkerThreads workers_;
    base::EventLoop loop_;
    Machine machine_;
    LoadTls tls_;
    std::unique_ptr<LocalNeo> chain_;
    std::optional<ServerProcess> server_;
    std::uint16_t port_ = 0;
    CpuTimes spent_;  // under load
};

Result<void> TransferBench::prepare() {
    const std::string directory = options_.directory + "/" + setting_.row;
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    if (failed) return Error::unavailable("cannot create " + directory, "disk");
    TRY(machine_, Machine::find(loop_, directory));
    TRY(auto identities, Identities::create(directory, "neoaccounts", kService));
    tls_ = std::move(identities.client);
    LocalNeoOptions local;
    local.port = 0;
    local.faucet = false;
    TRY(chain_, LocalNeo::start(std::move(local), localchain::public_test_validator()));
    return write_file(
        path("adyton.toml"),
        tls_settings(directory) + fmt::format(
                                      "[log]\naccess = \"errors\"\n"
                                      "[neo]\nrpc_urls = [\"{3}\"]\nnetwork = {4}\n"
                                      "[pool]\n"
                                      "master_key = {{file = \"{0}/master.key\"}}\n"
                                      "min_accounts = {1}\nmax_accounts = {1}\n"
                                      "[pool.signing]\nself_check = {5}\n"
                                      "[policy.rules]\ndefault = \"deny\"\n"
                                      "[[policy.rules.rules]]\n"
                                      "name = \"bench\"\neffect = \"allow\"\nservices = "
                                      "[\"{2}\"]\noperations = [\"*\"]\n",
                                      directory, options_.accounts, kService, chain_->url(),
                                      static_cast<std::uint32_t>(kLocalNeoMagic),
                                      setting_.self_check));
}

Result<void> TransferBench::start_server() {
    const std::string config = path("adyton.toml");
    const std::string data = path("data");
    TRY_VOID(run_migration(
        loop_, {options_.executable, config, data, path("migrate.log"), machine_.cores.server}));
    TRY(port_, find_free_port());
    TRY(const auto metrics_port, find_free_port());
    TRY(auto server, ServerProcess::start(
                         {{options_.executable, "serve", "pool", "--config", config, "--data-dir",
                           data, "--listen", fmt::format("127.0.0.1:{}", port_), "--metrics-listen",
                           fmt::format("127.0.0.1:{}", metrics_port)},
                          {},
                          path("server.log"),
                          kAnyCore}));
    server_.emplace(std::move(server));
    auto ready = server_->wait_ready(loop_, metrics_port, kReadyPatience);
    if (!ready) return std::move(ready).error().with_context("see " + path("server.log"));
    return {};
}

Result<std::unique_ptr<Connection>> TransferBench::connect() {
    ConnectionOptions connection;
    connection.url = fmt::format("https://127.0.0.1:{}", port_);
    connection.certificate = path("client.pem");
    connection.key = path("client.key");
    connection.ca = path("ca.pem");
    return Connection::open(connection);
}

// Locks the accounts and pays each of them from the chain's treasury.
Result<std::vector<std::string>> TransferBench::fund_accounts(Connection& connection) {
    std::vector<std::string> ids;
    std::vector<neo::ScriptHash> hashes;
    while (ids.size() < options_.accounts) {
        api::AccountsRequest request;
        request.count =
            static_cast<std::int64_t>(std::min<std::size_t>(options_.accounts - ids.size(), 100));
        auto reply = connection.run(connection.pool().request(request));
        if (!reply && reply.error().reason() == "pool_exhausted") {  // still being created
            connection.run(pause(std::chrono::milliseconds(200)));
            continue;
        }
        if (!reply) return std::move(reply.result).error();
        for (const api::AccountInfo& account : reply->accounts) {
            ids.push_back(account.id);
            TRY(const auto address, neo::Address::parse(account.address));
            hashes.push_back(address.script_hash());
        }
    }
    auto paying = [this, hashes]() -> Task<Result<void>> {
        base::Completion<Result<void>> done;
        chain_->executor().post([this, hashes, state = done.completer()] {
            for (const neo::ScriptHash& account : hashes) {
                const auto paid =
                    chain_->chain().pay(neo::gas_token().contract, account, base::Amount(kGasEach));
                if (!paid) return state->set(Result<void>(paid.error()));
            }
            state->set(Result<void>());
        });
        co_return co_await done;
    };
    TRY_VOID(loop_.run_until_done(paying()));
    loop_.run_until_done(pause(seconds(3)));  // until they are in a block
    return ids;
}

Result<Totals> TransferBench::totals(Connection& connection) {
    auto reply = connection.run(connection.pool().info());
    if (!reply) return std::move(reply.result).error();
    return parse_totals(*reply);
}

Result<Totals> TransferBench::wait_for_all(Connection& connection) {
    for (int i = 0; i < 240; ++i) {
        TRY(const Totals now, totals(connection));
        console_.progress(
            "final transfers", static_cast<std::uint64_t>(now.confirmed + now.failed + now.expired),
            static_cast<std::uint64_t>(now.prepared));
        if (now.final()) {
            console_.end_progress();
            return now;
        }
        connection.run(pause(std::chrono::milliseconds(500)));
    }
    return Error::deadline_exceeded("transfers are still unfinished after two minutes");
}

CpuTimes TransferBench::cpu_times() const {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto micros = [](const timeval& time) {
        return seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
    };
    return {
        server_->cpu_time().value_or(std::chrono::microseconds()),
        micros(usage.ru_utime) + micros(usage.ru_stime)};
}

Row TransferBench::result(
    const LoadResult& load, const Totals& begin, const Totals& loaded, const Totals& end) {
    double all = 0;
    for (std::size_t i = 0; i < end.stages.size(); ++i) {
        all += loaded.stages[i].second - begin.stages[i].second;
    }
    std::string shares;
    for (std::size_t i = 0; i < end.stages.size(); ++i) {
        const double spent = loaded.stages[i].second - begin.stages[i].second;
        shares +=
            fmt::format("{}{} {:.1f}%", i == 0 ? "" : ", ", end.stages[i].first, 100 * spent / all);
    }
    Row row;
    row.name = setting_.row;
    row.unit = "transfers";
    row.served_per_s = load.per_s;
    row.p50_us = load.p50_us;
    row.p99_us = load.p99_us;
    const auto each =
        static_cast<std::int64_t>(std::max<std::int64_t>(loaded.prepared - begin.prepared, 1));
    const std::string cpu = fmt::format(
        "processor time of a transfer: server {} us, client and simulated chain {} us",
        spent_.server.count() / each, spent_.own.count() / each);
    row.notes = fmt::format(
        "/transfer of GAS, each answered when broadcast and recorded, {} connections, {} "
        "accounts, SQLite, blocks of 1 s, self-check {}; share of a transfer's time: {}; {}; "
        "afterwards {} "
        "confirmed, {} failed, {} expired, the receiver's balance agrees; {}; server, client and "
        "simulated chain share {} cores; write 4 KiB and fdatasync: p50 {} us, p99 {} us",
        options_.connections, options_.accounts, setting_.self_check ? "on" : "off", shares, cpu,
        end.confirmed, end.failed, end.expired, processor_name(), base::usable_cores(),
        machine_.fsync.p50_us, machine_.fsync.p99_us);
    console_.note(to_line(row) + "; " + shares + "; " + cpu);
    return row;
}

Result<Row> TransferBench::run() {
    TRY_VOID(prepare());
    TRY_VOID(start_server());
    TRY(const auto connection, connect());
    TRY(const auto ids, fund_accounts(*connection));
    std::vector<std::unique_ptr<Dialogue>> dialogues;
    for (std::size_t i = 0; i < options_.connections; ++i) {
        std::vector<std::string> mine;
        for (std::size_t k = i; k < ids.size(); k += options_.connections) mine.push_back(ids[k]);
        dialogues.push_back(std::make_unique<TransferDialogue>(std::move(mine), i));
    }
    TRY(const Totals begin, totals(*connection));
    LoadOptions options;
    options.port = port_;
    options.duration = seconds(options_.seconds);
    options.stay_awake = false;
    const CpuTimes before = cpu_times();
    TRY(const LoadResult load, run_load(loop_, tls_, options, dialogues));
    const CpuTimes after = cpu_times();
    spent_ = {after.server - before.server, after.own - before.own};
    TRY(const Totals loaded, totals(*connection));
    TRY(const Totals end, wait_for_all(*connection));
    auto reading = [this]() -> Task<base::Amount> {
        base::Completion<base::Amount> done;
        chain_->executor().post([this, state = done.completer()] {
            state->set(chain_->chain().balance(neo::gas_token().contract, receiver()));
        });
        co_return co_await done;
    };
    const base::Amount moved = loop_.run_until_done(reading());
    if (moved != base::Amount(static_cast<std::uint64_t>(end.confirmed))) {
        return Error::internal(fmt::format(
            "{} transfers of 1 are confirmed, but {} arrived", end.confirmed, moved.to_string()));
    }
    TRY(const int status, server_->stop(loop_));
    if (status != 0) {
        return Error::internal(
            fmt::format("the server ended with {}; see {}", status, path("server.log")));
    }
    return result(load, begin, loaded, end);
}

}  // namespace

Result<Json> run_transfer_bench(const TransferBenchOptions& options, Console& console) {
    std::vector<Row> rows;
    for (const Setting& setting : kSettings) {
        TRY(Row row, TransferBench(options, setting, console).run());
        rows.push_back(std::move(row));
    }
    return to_json(rows);
}

}  // namespace adyton::apps::bench

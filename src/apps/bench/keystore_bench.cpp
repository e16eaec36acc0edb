#include "apps/bench/keystore_bench.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include "apps/bench/load_client.h"
#include "apps/bench/server_process.h"
#include "base/event_loop.h"
#include "base/random.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "http/test_pki.h"
#include "near/delegate.h"
#include "near/derivation.h"

namespace adyton::apps::bench {
namespace {

using base::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kConnections = 64;
constexpr std::size_t kManyWallets = 100'000;
constexpr auto kRawTime = milliseconds(1500);
constexpr auto kReadyPatience = seconds(120);
constexpr const char* kToken = "bench-coordinator-token";
constexpr const char* kOperatorToken = "bench-operator-token";
constexpr const char* kPolicy =
    R"({"limits":{"hourly":{"native":"1000000000000000000000000000"},"daily":{"native":)"
    R"("1000000000000000000000000000"}},"rules":[{"name":"gate","effect":"allow","operations":)"
    R"(["call"],"receivers":["count.near"],"methods":["increase"]}]})";

struct Row {
    std::string name;
    std::optional<double> raw_per_s;
    std::optional<double> served_per_s;
    std::optional<double> ratio;
    std::optional<std::int64_t> p50_us;
    std::optional<std::int64_t> p99_us;
    std::string notes;
};

Json number_or_null(const std::optional<double>& value, double places) {
    return value.has_value() ? Json::real(std::round(*value * places) / places) : Json();
}

Json integer_or_null(const std::optional<std::int64_t>& value) {
    return value.has_value() ? Json::integer(*value) : Json();
}

Json to_json(const std::vector<Row>& rows) {
    Json out = Json::array();
    for (const Row& row : rows) {
        out.push_back(Json::object()
                          .set("name", Json::string(row.name))
                          .set("unit", Json::string("signatures"))
                          .set("raw_per_s", number_or_null(row.raw_per_s, 1))
                          .set("served_per_s", number_or_null(row.served_per_s, 10))
                          .set("ratio", number_or_null(row.ratio, 1000))
                          .set("p50_us", integer_or_null(row.p50_us))
                          .set("p99_us", integer_or_null(row.p99_us))
                          .set("notes", Json::string(row.notes)));
    }
    return out;
}

Result<void> write_file(const std::string& path, std::string_view content) {
    const mode_t before = ::umask(S_IRWXG | S_IRWXO);
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    ::umask(before);
    file << content;
    file.close();
    if (!file) return Error::unavailable("cannot write " + path);
    return {};
}

// Signatures a second of libcrypto with one prepared key.
double measure_library(const base::Clock& clock) {
    struct Free {
        void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
        void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
    };
    std::array<std::uint8_t, 32> seed{};
    seed[0] = 1;
    const std::unique_ptr<EVP_PKEY, Free> key(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
    const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
    CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1);
    std::array<std::uint8_t, 32> message{};
    std::array<std::uint8_t, 64> signature{};
    std::uint64_t count = 0;
    const auto begin = clock.steady_now();
    base::Duration took{};
    while (took < kRawTime) {
        for (int i = 0; i < 64; ++i) {
            message[0] = static_cast<std::uint8_t>(i);
            std::size_t size = signature.size();
            CHECK(
                EVP_DigestSign(
                    context.get(), signature.data(), &size, message.data(), message.size()) == 1);
        }
        count += 64;
        took = clock.steady_now() - begin;
    }
    return static_cast<double>(count) / std::chrono::duration<double>(took).count();
}

void append_post(
    std::string& out, std::string_view path, std::string_view token, std::string_view body) {
    fmt::format_to(
        std::back_inserter(out),
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n"
        "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
        path, token, body.size(), body);
}

struct Wallet {
    std::string id;
    std::string account;
};

// Another delegate each time, of one wallet after the other.
class DelegateDialogue final : public Dialogue {
public:
    DelegateDialogue(const std::vector<Wallet>& wallets, std::size_t number)
        : wallets_(wallets), random_(number), nonce_(number << 40U) {}

    void next_request(std::string& out) override {
        const Wallet& wallet = wallets_[random_.below(wallets_.size())];
        body_.clear();
        fmt::format_to(
            std::back_inserter(body_),
            "{{\"wallet_id\":\"{}\",\"sender_id\":\"{}\",\"receiver_id\":\"count.near\","
            "\"method_name\":\"increase\",\"args_json\":\"{{\\\"by\\\":1}}\","
            "\"gas\":30000000000000,\"deposit\":\"1\",\"nonce\":{},"
            "\"max_block_height\":194854180,\"current_block_height\":194854000}}",
            wallet.id, wallet.account, ++nonce_);
        append_post(out, "/wallet/sign-nep366-delegate", kToken, body_);
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        last_.assign(body);
        answered_ = nonce_;
        if (status != 200) return Error::internal(fmt::format("HTTP {}: {}", status, body));
        return std::uint64_t{1};
    }
    // The last answer is a valid delegate with the nonce that was asked for.
    Result<void> verify() const {
        TRY(const auto json, Json::parse(last_));
        const Json* const text = json.find("signed_delegate_base64");
        if (text == nullptr || !text->is_string()) return Error::internal("no delegate came");
        TRY(const auto made, near::parse_signed_delegate_base64(text->string_value()));
        if (!near::verify(made) || made.delegate_action.nonce != answered_) {
            return Error::internal("a delegate is not what was asked for");
        }
        return {};
    }

private:
    const std::vector<Wallet>& wallets_;
    base::SeededRandom random_;
    std::uint64_t nonce_;
    std::uint64_t answered_ = 0;  // the nonce of the last answer
    std::string body_;
    std::string last_;
};

// Creates each wallet of a part and gives it its policy.
class SetUpDialogue final : public Dialogue {
public:
    SetUpDialogue(const std::vector<Wallet>& wallets, std::size_t first, std::size_t& done)
        : wallets_(wallets), next_(first), done_(done) {}

    void next_request(std::string& out) override {
        const std::string& id = wallets_[std::min(next_, wallets_.size() - 1)].id;
        created_ = !created_;
        if (created_) {
            append_post(out, "/wallet/create", kToken, fmt::format("{{\"wallet_id\":\"{}\"}}", id));
            return;
        }
        next_ += kConnections;
        append_post(
            out, "/wallet/policy/put", kOperatorToken,
            fmt::format("{{\"wallet_id\":\"{}\",\"policy\":{}}}", id, kPolicy));
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        if (status != 200) return Error::internal(fmt::format("HTTP {}: {}", status, body));
        if (!created_) ++done_;
        return std::uint64_t{1};
    }
    bool finished() const { return next_ >= wallets_.size() + kConnections; }

private:
    const std::vector<Wallet>& wallets_;
    std::size_t next_;
    bool created_ = false;
    std::size_t& done_;
};

class KeystoreBench {
public:
    KeystoreBench(const KeystoreBenchOptions& options, Console& console)
        : options_(options), console_(console), workers_(1), loop_(workers_) {}

    Result<Json> run();

private:
    struct Running {
        ServerProcess process;
        std::uint16_t port = 0;
    };

    bool wants(std::string_view name) const {
        return options_.only.empty() ||
               std::find(options_.only.begin(), options_.only.end(), name) != options_.only.end();
    }
    std::string path(const std::string& name) const { return options_.directory + "/" + name; }

    Result<void> prepare();
    Result<Running> start(const std::string& data);
    Result<void> stop(Running& running);
    std::vector<Wallet> make_wallets(std::size_t count) const;
    Result<void> set_up(const Running& running, const std::vector<Wallet>& wallets);
    double measure_raw();
    Result<LoadResult> load(const Running& running, const std::vector<Wallet>& wallets);
    Result<double> measure(const std::string& name, std::size_t wallets);
    void add(Row row);

    const KeystoreBenchOptions& options_;
    Console& console_;
    base::WorkerThreads workers_;
    base::EventLoop loop_;
    Cores cores_;
    LoadTls tls_;
    std::array<std::uint8_t, 32> master_{};
    std::string machine_;
    std::vector<Row> rows_;
    std::optional<double> few_per_raw_;
};

void KeystoreBench::add(Row row) {
    row.notes = row.notes.empty() ? machine_ : row.notes + "; " + machine_;
    std::string line = row.name + ":";
    if (row.served_per_s) line += fmt::format(" {:.0f} signatures a second", *row.served_per_s);
    if (row.raw_per_s) line += fmt::format(", raw {:.0f}", *row.raw_per_s);
    if (row.ratio) line += fmt::format(", ratio {:.3f}", *row.ratio);
    if (row.p50_us) line += fmt::format(", p50 {} us", *row.p50_us);
    if (row.p99_us) line += fmt::format(", p99 {} us", *row.p99_us);
    console_.note(line);
    rows_.push_back(std::move(row));
}

Result<void> KeystoreBench::prepare() {
    cores_ = choose_cores();
    TRY(const auto fsync, measure_fsync(loop_, options_.directory));
    machine_ = fmt::format(
        "{}; server on core {}, client on core {}{}; write 4 KiB and fdatasync: p50 {} us, p99 {} "
        "us",
        processor_name(), cores_.server, cores_.client,
        cores_.server == cores_.client ? " (THE SAME: this machine has no second core to give)"
                                       : "",
        fsync.p50_us, fsync.p99_us);
    const auto ca = http::TestCa::create_root("adyton bench");
    http::LeafOptions server;
    server.common_name = "keystore";
    server.ip_addresses = {"127.0.0.1"};
    server.marble_types = {"neoaccounts"};
    const auto server_identity = ca.issue(server);
    http::LeafOptions client;
    client.common_name = "neocompute";
    client.marble_types = {"neocompute"};
    const auto client_identity = ca.issue(client);
    tls_ = {
        ca.certificate_pem(), client_identity.certificate_chain_pem,
        client_identity.private_key_pem};
    crypto::SystemRandom().fill(master_);
    TRY_VOID(write_file(path("ca.pem"), tls_.ca));
    TRY_VOID(write_file(path("server.pem"), server_identity.certificate_chain_pem));
    TRY_VOID(write_file(path("server.key"), server_identity.private_key_pem));
    TRY_VOID(write_file(path("master.key"), "hex:" + base::hex_encode(master_)));
    const auto hash = [](std::string_view token) {
        return crypto::sha256(base::as_bytes(token)).to_hex();
    };
    return write_file(
        path("keystore.toml"), fmt::format(
                                   "[tls]\n"
                                   "certificate = {{file = \"{0}/server.pem\"}}\n"
                                   "key = {{file = \"{0}/server.key\"}}\n"
                                   "client_ca = {{file = \"{0}/ca.pem\"}}\n"
                                   "[log]\naccess = \"errors\"\n"
                                   "[keystore]\n"
                                   "master_secret = {{file = \"{0}/master.key\"}}\n"
                                   "coordinator_token_hashes = \"{1}\"\n"
                                   "operator_token_hashes = \"{2}\"\n",
                                   options_.directory, hash(kToken), hash(kOperatorToken)));
}

Result<KeystoreBench::Running> KeystoreBench::start(const std::string& data) {
    TRY(auto migrating, ServerProcess::start(
                            {{options_.executable, "migrate", "--config", path("keystore.toml"),
                              "--data-dir", data},
                             {},
                             path("migrate.log"),
                             cores_.server}));
    TRY(const int status, migrating.wait_exit(loop_, kReadyPatience));
    if (status != 0) return Error::internal("adyton migrate failed; see " + path("migrate.log"));
    TRY(const auto port, find_free_port());
    TRY(const auto metrics_port, find_free_port());
    TRY(auto process,
        ServerProcess::start(
            {{options_.executable, "serve", "keystore", "--config", path("keystore.toml"),
              "--data-dir", data, "--listen", fmt::format("127.0.0.1:{}", port), "--metrics-listen",
              fmt::format("127.0.0.1:{}", metrics_port)},
             {},
             path("server.log"),
             cores_.server}));
    auto ready = process.wait_ready(loop_, metrics_port, kReadyPatience);
    if (!ready) return std::move(ready).error().with_context("see " + path("server.log"));
    return Running{std::move(process), port};
}

Result<void> KeystoreBench::stop(Running& running) {
    TRY(const int status, running.process.stop(loop_));
    if (status == 0) return {};
    return Error::internal(
        fmt::format("the server ended with {}; see {}", status, path("server.log")));
}

std::vector<Wallet> KeystoreBench::make_wallets(std::size_t count) const {
    const auto secret = crypto::SecretBytes<32>::copy_of(master_);
    const near::KeyDeriver deriver(secret);
    std::vector<Wallet> out;
    out.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
        std::string id = fmt::format("3f0c9a52-6b1e-4c55-9f4d-{:012x}", i);
        const auto key = deriver.derive(near::wallet_seed_text(id, "near")).public_key();
        out.push_back({std::move(id), near::AccountId::implicit(key).text()});
    }
    return out;
}

Result<void> KeystoreBench::set_up(const Running& running, const std::vector<Wallet>& wallets) {
    std::size_t done = 0;
    std::vector<SetUpDialogue*> watched;
    std::vector<std::unique_ptr<Dialogue>> dialogues;
    for (std::size_t i = 0; i < kConnections; ++i) {
        auto dialogue = std::make_unique<SetUpDialogue>(wallets, i, done);
        watched.push_back(dialogue.get());
        dialogues.push_back(std::move(dialogue));
    }
    const PinnedScope pinned(cores_.client);
    LoadOptions options;
    options.port = running.port;
    options.warm_up = milliseconds(0);
    options.duration = wallets.size() > 1000 ? seconds(2) : milliseconds(200);
    // In slices, until every part is through; the last wallets may get theirs more than once.
    while (!std::all_of(watched.begin(), watched.end(), [](const SetUpDialogue* dialogue) {
        return dialogue->finished();
    })) {
        TRY_VOID(run_load(loop_, tls_, options, dialogues));
        console_.progress("wallets", std::min(done, wallets.size()), wallets.size());
    }
    console_.end_progress();
    return {};
}

double KeystoreBench::measure_raw() {
    const PinnedScope pinned(cores_.server);
    return measure_library(loop_);
}

Result<LoadResult> KeystoreBench::load(const Running& running, const std::vector<Wallet>& wallets) {
    std::vector<DelegateDialogue*> watched;
    std::vector<std::unique_ptr<Dialogue>> dialogues;
    for (std::size_t i = 0; i < kConnections; ++i) {
        auto dialogue = std::make_unique<DelegateDialogue>(wallets, i + 1);
        watched.push_back(dialogue.get());
        dialogues.push_back(std::move(dialogue));
    }
    const PinnedScope pinned(cores_.client);
    LoadOptions options;
    options.port = running.port;
    options.warm_up = wallets.size() > 1000 ? seconds(options_.seconds) : milliseconds(500);
    options.duration = seconds(options_.seconds);
    TRY(const auto result, run_load(loop_, tls_, options, dialogues));
    for (const DelegateDialogue* const dialogue : watched) {
        TRY_VOID(dialogue->verify());
    }
    return result;
}

Result<double> KeystoreBench::measure(const std::string& name, std::size_t count) {
    const auto wallets = make_wallets(count);
    TRY(auto running, start(path(name)));
    TRY_VOID(set_up(running, wallets));
    const double before = measure_raw();
    TRY(const LoadResult result, load(running, wallets));
    const double after = measure_raw();
    const double raw = (before + after) / 2;
    std::string notes = fmt::format(
        "/wallet/sign-nep366-delegate, mTLS keep-alive, {} connections, {} wallets with a policy "
        "each (caps by hour and day, reserved), audit durable, SQLite, access log: errors; "
        "resident {:.0f} MB",
        kConnections, count,
        static_cast<double>(running.process.resident_kib().value_or(0)) / 1024);
    if (few_per_raw_) {
        notes += fmt::format(
            "; {:.1f} % slower than with {} wallets",
            100 * (1 - result.per_s / raw / *few_per_raw_), kConnections);
    }
    add(
        {name, raw, result.per_s, result.per_s / raw, result.p50_us, result.p99_us,
         std::move(notes)});
    TRY_VOID(stop(running));
    return result.per_s / raw;
}

Result<Json> KeystoreBench::run() {
    TRY_VOID(prepare());
    if (wants("raw_sign")) {
        add(
            {"raw_sign", measure_raw(), std::nullopt, std::nullopt, std::nullopt, std::nullopt,
             "one thread: libcrypto's Ed25519 of 32 bytes with a prepared key"});
    }
    if (wants("delegate_64") || wants("delegate_100000")) {
        TRY(few_per_raw_, measure("delegate_64", kConnections));
    }
    if (wants("delegate_100000")) {
        TRY_VOID(measure("delegate_100000", kManyWallets));
    }
    return to_json(rows_);
}

}  // namespace

const std::vector<std::string>& keystore_bench_names() {
    static const std::vector<std::string> kNames = {"raw_sign", "delegate_64", "delegate_100000"};
    return kNames;
}

Result<Json> run_keystore_bench(const KeystoreBenchOptions& options, Console& console) {
    const auto& names = keystore_bench_names();
    for (const std::string& name : options.only) {
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            return Error::invalid_argument("--only: no measurement " + name);
        }
    }
    return KeystoreBench(options, console).run();
}

}  // namespace adyton::apps::bench

#include "apps/bench/keystore_bench.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "apps/bench/load_client.h"
#include "apps/bench/report.h"
#include "apps/bench/server_process.h"
#include "audit/audit_log.h"
#include "base/event_loop.h"
#include "base/random.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "keystore/records.h"
#include "keystore/wallet_id.h"
#include "near/delegate.h"
#include "near/derivation.h"
#include "policy/policy_store.h"
#include "policy/value_policy.h"
#include "service/instance.h"
#include "storage/open_database.h"

namespace adyton::apps::bench {
namespace {

using base::Json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kConnections = 64;
constexpr std::size_t kManyWallets = 100'000;
constexpr std::size_t kUnitOfWork = 2'000;  // wallets
constexpr auto kRawTime = milliseconds(1500);
// Servers that are compared take turns of this length, so that a machine whose speed drifts slows
// all of them alike; raw is measured between any two.
constexpr auto kTurnTime = milliseconds(1000);
constexpr auto kTurnRawTime = milliseconds(250);
constexpr const char* kToken = "bench-coordinator-token";
constexpr const char* kPolicy =
    R"({"limits":{"hourly":{"native":"1000000000000000000000000000"},"daily":{"native":)"
    R"("1000000000000000000000000000"}},"rules":[{"name":"gate","effect":"allow","operations":)"
    R"(["call"],"receivers":["count.near"],"methods":["increase"]}]})";

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

// Signatures a second of libcrypto with one prepared key.
double measure_library(const base::Clock& clock, base::Duration time) {
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
    while (took < time) {
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

// Asks for every wallet of a part once, so that the server has its key and its policy in memory as
// it has those of wallets in use.
class TouchDialogue final : public Dialogue {
public:
    TouchDialogue(const std::vector<Wallet>& wallets, std::size_t first, std::size_t& done)
        : wallets_(wallets), next_(first), done_(done) {}

    void next_request(std::string& out) override {
        const std::string& id = wallets_[std::min(next_, wallets_.size() - 1)].id;
        asked_key_ = !asked_key_;
        if (asked_key_) {
            append_post(
                out, "/wallet/derive-address", kToken,
                fmt::format("{{\"wallet_id\":\"{}\",\"chain\":\"near\"}}", id));
            return;
        }
        next_ += kConnections;
        append_post(
            out, "/wallet/check-policy", kToken,
            fmt::format(
                "{{\"wallet_id\":\"{}\",\"action\":{{\"type\":\"call\",\"receiver_id\":"
                "\"count.near\",\"method_name\":\"increase\",\"deposit\":\"1\"}}}}",
                id));
    }
    Result<std::uint64_t> on_answer(unsigned status, std::string_view body) override {
        if (status != 200) return Error::internal(fmt::format("HTTP {}: {}", status, body));
        if (!asked_key_) ++done_;
        return std::uint64_t{1};
    }
    bool finished() const { return next_ >= wallets_.size() + kConnections; }

private:
    const std::vector<Wallet>& wallets_;
    std::size_t next_;
    std::size_t& done_;
    bool asked_key_ = false;
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
    // One server with its wallets, and what its turns gave.
    struct Contender {
        std::string name;
        std::vector<Wallet> wallets;
        double filling_s = 0;
        std::optional<Running> running;
        std::vector<double> raw_per_s;
        std::vector<double> served_per_s;
        std::vector<double> ratios;
        std::vector<double> p50_us;
        std::vector<double> p99_us;
    };

    bool wants(std::string_view name) const {
        return options_.only.empty() ||
               std::find(options_.only.begin(), options_.only.end(), name) != options_.only.end();
    }
    std::string path(const std::string& name) const { return options_.directory + "/" + name; }

    Result<void> prepare();
    Result<Running> start(const std::string& name);
    Result<void> stop(Running& running);
    std::vector<Wallet> make_wallets(std::size_t count) const;
    Result<void> migrate(const std::string& data);
    Result<void> fill(const std::string& data, const std::vector<Wallet>& wallets);
    Result<void> touch(const Running& running, const std::vector<Wallet>& wallets);
    double measure_raw(base::Duration time);
    Result<LoadResult> load(const Running& running, const std::vector<Wallet>& wallets);
    Result<Contender> enter(const std::string& name, std::size_t wallets);
    Result<void> take_turns(std::vector<Contender>& contenders);
    void report(const Contender& contender, const Contender* few_or_null);

    const KeystoreBenchOptions& options_;
    Console& console_;
    base::WorkerThreads workers_;
    base::EventLoop loop_;
    Cores cores_;
    LoadTls tls_;
    std::array<std::uint8_t, 32> master_{};
    std::optional<Report> report_;
    std::size_t dialogues_made_ = 0;  // each has nonces of its own
};

Result<void> KeystoreBench::prepare() {
    TRY(const auto machine, Machine::find(loop_, options_.directory));
    cores_ = machine.cores;
    report_.emplace(console_, machine.to_string());
    TRY(auto identities, Identities::create(options_.directory, "keystore", "neocompute"));
    tls_ = std::move(identities.client);
    master_ = identities.master;
    const auto hash = [](std::string_view token) {
        return crypto::sha256(base::as_bytes(token)).to_hex();
    };
    return write_file(
        path("keystore.toml"),
        tls_settings(options_.directory) + fmt::format(
                                               "[log]\naccess = \"errors\"\n"
                                               "[keystore]\n"
                                               "master_secret = {{file = \"{0}/master.key\"}}\n"
                                               "coordinator_token_hashes = \"{1}\"\n",
                                               options_.directory, hash(kToken)));
}

Result<void> KeystoreBench::migrate(const std::string& data) {
    return run_migration(
        loop_,
        {options_.executable, path("keystore.toml"), data, path("migrate.log"), cores_.server});
}

Result<KeystoreBench::Running> KeystoreBench::start(const std::string& name) {
    const std::string log = path(name + ".log");
    TRY(const auto port, find_free_port());
    TRY(const auto metrics_port, find_free_port());
    TRY(auto process,
        ServerProcess::start(
            {{options_.executable, "serve", "keystore", "--config", path("keystore.toml"),
              "--data-dir", path(name), "--listen", fmt::format("127.0.0.1:{}", port),
              "--metrics-listen", fmt::format("127.0.0.1:{}", metrics_port)},
             {},
             log,
             cores_.server}));
    auto ready = process.wait_ready(loop_, metrics_port, kReadyPatience);
    if (!ready) return std::move(ready).error().with_context("see " + log);
    return Running{std::move(process), port};
}

Result<void> KeystoreBench::stop(Running& running) {
    TRY(const int status, running.process.stop(loop_));
    if (status == 0) return {};
    return Error::internal(
        fmt::format("a server ended with {}; see its log in {}", status, options_.directory));
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

// Every wallet with its policy, by the keystore's own code, in units of work of thousands: through
// HTTP it would take minutes.
Result<void> KeystoreBench::fill(const std::string& data, const std::vector<Wallet>& wallets) {
    crypto::SystemRandom random;
    TRY(const auto instance, service::Instance::open(data, random));
    TRY(const auto database, storage::open_database("", data, loop_, base::null_logger()));
    TRY(const auto audit, loop_.run_until_done(audit::AuditLog::open(*database, "bench-set-up")));
    policy::PolicyStore::Options names;
    names.name = "keystore";
    names.cached_max = 0;
    policy::PolicyStore policies(policy::PolicyKeys(master_), random, names);
    TRY(const auto rules, Json::parse(kPolicy));
    TRY(const auto policy, policy::ValuePolicy::parse(rules));
    for (std::size_t first = 0; first < wallets.size(); first += kUnitOfWork) {
        const std::size_t end = std::min(first + kUnitOfWork, wallets.size());
        auto unit = [&](storage::Transaction& tx) -> Result<void> {
            TRY(const auto now, tx.now());
            for (std::size_t i = first; i < end; ++i) {
                TRY_VOID(keystore::records::create_wallet(tx, wallets[i].id, now));
                const policy::PolicyStore::Change change{
                    keystore::subject_of(wallets[i].id), {}, "bench", ""};
                TRY_VOID(policies.put(tx, *audit, change, policy));
            }
            return {};
        };
        TRY_VOID(loop_.run_until_done(database->write(std::move(unit))));
        console_.progress("wallets", end, wallets.size());
    }
    console_.end_progress();
    return {};
}

Result<void> KeystoreBench::touch(const Running& running, const std::vector<Wallet>& wallets) {
    std::size_t done = 0;
    std::vector<TouchDialogue*> watched;
    std::vector<std::unique_ptr<Dialogue>> dialogues;
    for (std::size_t i = 0; i < kConnections; ++i) {
        auto dialogue = std::make_unique<TouchDialogue>(wallets, i, done);
        watched.push_back(dialogue.get());
        dialogues.push_back(std::move(dialogue));
    }
    const PinnedScope pinned(cores_.client);
    LoadOptions options;
    options.port = running.port;
    options.warm_up = milliseconds(0);
    options.duration = wallets.size() > 1000 ? seconds(1) : milliseconds(100);
    // In slices, until every part is through; the last wallets may be asked for more than once.
    while (!std::all_of(watched.begin(), watched.end(), [](const TouchDialogue* dialogue) {
        return dialogue->finished();
    })) {
        TRY_VOID(run_load(loop_, tls_, options, dialogues));
        console_.progress("wallets in memory", std::min(done, wallets.size()), wallets.size());
    }
    console_.end_progress();
    return {};
}

double KeystoreBench::measure_raw(base::Duration time) {
    const PinnedScope pinned(cores_.server);
    return measure_library(loop_, time);
}

Result<LoadResult> KeystoreBench::load(const Running& running, const std::vector<Wallet>& wallets) {
    std::vector<DelegateDialogue*> watched;
    std::vector<std::unique_ptr<Dialogue>> dialogues;
    for (std::size_t i = 0; i < kConnections; ++i) {
        auto dialogue = std::make_unique<DelegateDialogue>(wallets, ++dialogues_made_);
        watched.push_back(dialogue.get());
        dialogues.push_back(std::move(dialogue));
    }
    const PinnedScope pinned(cores_.client);
    LoadOptions options;
    options.port = running.port;
    options.warm_up = milliseconds(500);
    options.duration = kTurnTime;
    TRY(const auto result, run_load(loop_, tls_, options, dialogues));
    for (const DelegateDialogue* const dialogue : watched) {
        TRY_VOID(dialogue->verify());
    }
    return result;
}

Result<KeystoreBench::Contender> KeystoreBench::enter(const std::string& name, std::size_t count) {
    Contender out;
    out.name = name;
    out.wallets = make_wallets(count);
    TRY_VOID(migrate(path(name)));
    const auto began = loop_.steady_now();
    TRY_VOID(fill(path(name), out.wallets));
    out.filling_s = std::chrono::duration<double>(loop_.steady_now() - began).count();
    TRY(auto running, start(name));
    out.running.emplace(std::move(running));
    TRY_VOID(touch(*out.running, out.wallets));
    return out;
}

// Each has its turn in each round, every other round in the opposite order.
Result<void> KeystoreBench::take_turns(std::vector<Contender>& contenders) {
    std::vector<Contender*> order;
    for (Contender& contender : contenders) order.push_back(&contender);
    double before = measure_raw(kTurnRawTime);
    for (unsigned round = 0; round < options_.seconds; ++round) {
        for (Contender* const contender : order) {
            TRY(const LoadResult result, load(*contender->running, contender->wallets));
            const double after = measure_raw(kTurnRawTime);
            const double raw = (before + after) / 2;
            before = after;
            contender->raw_per_s.push_back(raw);
            contender->served_per_s.push_back(result.per_s);
            contender->ratios.push_back(result.per_s / raw);
            contender->p50_us.push_back(static_cast<double>(result.p50_us));
            contender->p99_us.push_back(static_cast<double>(result.p99_us));
        }
        std::reverse(order.begin(), order.end());
        console_.progress("rounds", round + 1, options_.seconds);
    }
    console_.end_progress();
    return {};
}

void KeystoreBench::report(const Contender& contender, const Contender* few_or_null) {
    std::string notes = fmt::format(
        "/wallet/sign-nep366-delegate, mTLS keep-alive, {} connections, {} wallets with a policy "
        "each (caps by hour and day, reserved; set up in {:.1f} s), audit durable, SQLite, access "
        "log: errors; resident {:.0f} MB; medians of {} turns of {} ms, raw before and after each",
        kConnections, contender.wallets.size(), contender.filling_s,
        static_cast<double>(contender.running->process.resident_kib().value_or(0)) / 1024,
        options_.seconds, kTurnTime.count());
    const double ratio = median(contender.ratios);
    if (few_or_null != nullptr) {
        notes += fmt::format(
            "; {:.1f} % slower than with {} wallets, which took turns with it",
            100 * (1 - ratio / median(few_or_null->ratios)), few_or_null->wallets.size());
    }
    report_->add(
        {contender.name, "signatures", median(contender.raw_per_s), median(contender.served_per_s),
         ratio, static_cast<std::int64_t>(median(contender.p50_us)),
         static_cast<std::int64_t>(median(contender.p99_us)), std::move(notes)});
}

Result<Json> KeystoreBench::run() {
    TRY_VOID(prepare());
    if (wants("raw_sign")) {
        report_->add(
            {"raw_sign", "signatures", measure_raw(kRawTime), std::nullopt, std::nullopt,
             std::nullopt, std::nullopt,
             "one thread: libcrypto's Ed25519 of 32 bytes with a prepared key"});
    }
    const bool many = wants("delegate_100000");
    std::vector<Contender> contenders;
    if (many || wants("delegate_64")) {
        TRY(auto few, enter("delegate_64", kConnections));
        contenders.push_back(std::move(few));
    }
    if (many) {
        TRY(auto crowd, enter("delegate_100000", kManyWallets));
        contenders.push_back(std::move(crowd));
    }
    if (contenders.empty()) return report_->to_json();
    TRY_VOID(take_turns(contenders));
    for (const Contender& contender : contenders) {
        report(contender, &contender == &contenders.front() ? nullptr : &contenders.front());
    }
    for (Contender& contender : contenders) {
        TRY_VOID(stop(*contender.running));
    }
    return report_->to_json();
}

}  // namespace

const std::vector<std::string>& keystore_bench_names() {
    static const std::vector<std::string> kNames = {"raw_sign", "delegate_64", "delegate_100000"};
    return kNames;
}

Result<Json> run_keystore_bench(const KeystoreBenchOptions& options, Console& console) {
    TRY_VOID(check_names(options.only, keystore_bench_names()));
    return KeystoreBench(options, console).run();
}

}  // namespace adyton::apps::bench

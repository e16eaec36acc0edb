#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/compute_server.h"
#include "apps/config_options.h"
#include "apps/coordinator_server.h"
#include "apps/dev_fault_command.h"
#include "apps/dev_fund_command.h"
#include "apps/development_coordinator.h"
#include "apps/development_key.h"
#include "apps/keystore_connection.h"
#include "apps/keystore_server.h"
#include "apps/local_near.h"
#include "apps/local_neo.h"
#include "apps/pool_server.h"
#include "apps/version.h"
#include "apps/workflow_connection.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

using base::Json;

// The order is the one of --port-base N: N, N+1, ...
enum Part : std::size_t { Coordinator, Pool, Compute, Keystore, Metrics, NeoRpc, NearRpc };
constexpr std::array<int, 7> kPorts = {8080, 8085, 8086, 8087, 9464, 50012, 3030};

struct DevOptions {
    int port_base = 0;  // 0: the parts' own ports
    std::string data_dir;
    std::string log_level = "info";
    std::vector<std::string> assignments;
};

int port_of(const DevOptions& options, std::size_t part) {
    return options.port_base == 0 ? kPorts.at(part) : options.port_base + static_cast<int>(part);
}

std::string address_of(const DevOptions& options, std::size_t part) {
    return fmt::format("127.0.0.1:{}", port_of(options, part));
}

// main is the only thread still, so getenv is safe.
Result<std::string> data_directory(const DevOptions& options) {
    std::string path = options.data_dir;
    if (path.empty()) {
        const char* const data = std::getenv("XDG_DATA_HOME");
        const char* const home = std::getenv("HOME");
        if (data != nullptr && *data == '/') {
            path = std::string(data) + "/adyton/dev";
        } else if (home != nullptr && *home == '/') {
            path = std::string(home) + "/.local/share/adyton/dev";
        } else {
            return Error::invalid_argument("HOME is not set: say --data-dir");
        }
    }
    TRY_VOID(create_directory(path));
    std::array<char, 4096> absolute{};
    if (::realpath(path.c_str(), absolute.data()) == nullptr) {
        return Error::unavailable("cannot find " + path);
    }
    return std::string(absolute.data());
}

// Only what may demand strict identity: a stray DATABASE_URL must not turn a trial into something
// that works on real keys.
service::ConfigInputs development_environment(const service::ConfigInputs& environment) {
    service::ConfigInputs out;
    for (const std::string_view name : service::watched_variables()) {
        const auto found = environment.environment.find(std::string(name));
        if (found != environment.environment.end()) out.environment.insert(*found);
    }
    return out;
}

struct Prepared {
    std::string directory;
    std::string log_path;
    DevelopmentKey key;
    std::string keystore_directory;
    DevelopmentKey keystore_secret;
    std::string compute_directory;
    DevelopmentKey compute_key;
};

Result<Prepared> prepare(const DevOptions& options) {
    Prepared out;
    TRY(out.directory, data_directory(options));
    crypto::SystemRandom random;
    TRY(out.key, ensure_development_key(out.directory, random));
    out.log_path = out.directory + "/adyton.log";
    out.keystore_directory = out.directory + "/keystore";
    TRY_VOID(create_directory(out.keystore_directory));
    TRY(out.keystore_secret, ensure_development_key(out.keystore_directory, random));
    out.compute_directory = out.directory + "/compute";
    TRY_VOID(create_directory(out.compute_directory));
    TRY(out.compute_key, ensure_development_key(out.compute_directory, random));
    return out;
}

Result<std::unique_ptr<LocalNeo>> start_local_neo(
    Process& process, const DevOptions& options, const Prepared& prepared, base::Logger& logger) {
    TRY(auto bytes, process.secrets.read_key_material(
                        {attest::SecretReference::Kind::File, prepared.key.path}));
    TRY(const auto master, neo::MasterKey::create(std::move(bytes)));
    LocalNeoOptions local;
    local.port = static_cast<std::uint16_t>(port_of(options, NeoRpc));
    local.ledger_path = prepared.directory + "/neo-ledger";
    local.faults = true;
    local.logger = &logger;
    TRY(auto started, LocalNeo::start(std::move(local), local_neo_validator(master)));
    logger.info(
        "local Neo chain: a SIMULATOR",
        {{"url", started->url()}, {"blocks_replayed", std::uint64_t{started->blocks_replayed()}}});
    if (started->bytes_cut() > 0) {
        logger.warning(
            "the local Neo chain's last block was unfinished and is cut off",
            {{"bytes", started->bytes_cut()}});
    }
    return started;
}

Result<std::unique_ptr<LocalNear>> start_local_near(
    Process& process, const DevOptions& options, const Prepared& prepared, base::Logger& logger) {
    TRY(auto bytes, process.secrets.read_key_material(
                        {attest::SecretReference::Kind::File, prepared.key.path}));
    TRY(const auto master, neo::MasterKey::create(std::move(bytes)));
    LocalNearOptions local;
    local.port = static_cast<std::uint16_t>(port_of(options, NearRpc));
    local.network.secret = local_near_secret(master);
    local.ledger_path = prepared.directory + "/near-ledger";
    local.faults = true;
    local.logger = &logger;
    TRY(auto started, LocalNear::start(std::move(local)));
    logger.info(
        "local NEAR chain: a SIMULATOR",
        {{"url", started->url()}, {"blocks_replayed", started->blocks_replayed()}});
    if (started->bytes_cut() > 0) {
        logger.warning(
            "the local NEAR chain's last block was unfinished and is cut off",
            {{"bytes", started->bytes_cut()}});
    }
    return started;
}

// The pool's nodes are the local chain, unless --set names others.
bool uses_local_neo(const DevOptions& options) {
    for (const std::string& assignment : options.assignments) {
        if (assignment.starts_with("neo.rpc_urls=")) return false;
    }
    return true;
}

// What the command line decides for each service.
ConfigFlags flags_of(const DevOptions& options, const std::string& log_path) {
    ConfigFlags flags;
    flags.values["log.path"] = log_path;
    flags.values["log.level"] = options.log_level;
    flags.assignments = options.assignments;
    return flags;
}

Result<service::Config> configure(
    const DevOptions& options, const Prepared& prepared, const service::ConfigInputs& environment) {
    std::vector<std::pair<std::string, std::string>> decided = {
        {"data_dir", prepared.directory},
        {"listen", address_of(options, Pool)},
        {"metrics.listen", address_of(options, Metrics)},
        {"identity.mode", "development"},
        {"pool.master_key", "file:" + prepared.key.path}};
    if (uses_local_neo(options)) {
        decided.emplace_back("neo.rpc_urls", "http://" + address_of(options, NeoRpc));
        decided.emplace_back(
            "neo.network", std::to_string(static_cast<std::uint32_t>(kLocalNeoMagic)));
    }
    return load_config(flags_of(options, prepared.log_path), environment, decided);
}

std::string token_hash(std::string_view token) {
    return crypto::sha256(base::as_bytes(token)).to_hex();
}

// The keystore has a directory, a database and a secret of its own.
Result<service::Config> configure_keystore(
    const DevOptions& options, const Prepared& prepared, const service::ConfigInputs& environment) {
    return load_config(
        flags_of(options, prepared.keystore_directory + "/adyton.log"), environment,
        {{"data_dir", prepared.keystore_directory},
         {"listen", address_of(options, Keystore)},
         {"metrics.listen", ""},
         {"identity.mode", "development"},
         {"keystore.master_secret", "file:" + prepared.keystore_secret.path},
         {"near.rpc_urls", "http://" + address_of(options, NearRpc)},
         {"near.network", kLocalNearChainId},
         {"keystore.coordinator_token_hashes", token_hash(kDevelopmentCoordinatorToken)},
         {"keystore.operator_token_hashes", token_hash(kDevelopmentOperatorToken)}});
}

// So has compute.
Result<service::Config> configure_compute(
    const DevOptions& options, const Prepared& prepared, const service::ConfigInputs& environment) {
    return load_config(
        flags_of(options, prepared.compute_directory + "/adyton.log"), environment,
        {{"data_dir", prepared.compute_directory},
         {"listen", address_of(options, Compute)},
         {"metrics.listen", ""},
         {"identity.mode", "development"},
         {"compute.master_key", "file:" + prepared.compute_key.path}});
}

// The coordinator works on the local NEAR chain and the keystore beside it.
Result<service::Config> configure_coordinator(
    const DevOptions& options, const Prepared& prepared, const LocalNear& near,
    const service::ConfigInputs& environment) {
    const DevelopmentCoordinatorPlace place{
        prepared.directory + "/coordinator", address_of(options, Coordinator),
        "http://" + address_of(options, Keystore)};
    TRY(const auto decided, development_coordinator_settings(place, near));
    return load_config(flags_of(options, place.directory + "/adyton.log"), environment, decided);
}

void print_banner(
    Console& console, const Prepared& prepared, const LocalNeo& local, const LocalNear& near,
    const PoolServer& server, const KeystoreServer& keystore, const ComputeServer& compute,
    const CoordinatorServer& coordinator) {
    const std::string pool = "http://" + server.address();
    console.print(fmt::format(
        "Adyton {}, DEVELOPMENT: every program on this machine may claim to be any service.\n"
        "\n"
        "  account pool   {}\n"
        "  keystore       http://{} (bearer tokens {} and {})\n"
        "  compute        http://{}\n"
        "  coordinator    http://{} (X-Internal-Wallet-Auth {})\n"
        "  metrics        http://{}/metrics\n"
        "  Neo chain      {} (SIMULATOR of a Neo N3 node: magic {}, a block a second)\n"
        "  NEAR chain     {} (SIMULATOR of a NEAR node: {}, a block in 0.6 s)\n"
        "  data           {}\n"
        "  log            {}\n"
        "  master key     {}{}\n"
        "                 whoever reads it owns every account; keep nothing of value here\n"
        "\n"
        "Try:\n"
        "  curl -s {}/pool-info -H 'X-Service-ID: neocompute'\n"
        "  curl -s {}/request -H 'X-Service-ID: neocompute' -d '{{\"count\":2}}'\n"
        "  curl -s {}/openapi.json\n"
        "or: {} pool request --count 2 --url {}\n"
        "    {} wallet create --url http://{}\n"
        "    {} wallet workflow status --wallet ID --url http://{}\n"
        "    {} dev fund --address N... --token GAS --amount 1000000000 --url {}\n"
        "Ctrl-C stops it.",
        kVersion, pool, keystore.address(), kDevelopmentCoordinatorToken, kDevelopmentOperatorToken,
        compute.address(), coordinator.address(), kDevelopmentInternalToken,
        server.metrics_address(), local.url(), static_cast<std::uint32_t>(kLocalNeoMagic),
        near.url(), kLocalNearChainId, prepared.directory, prepared.log_path, prepared.key.path,
        prepared.key.created ? " (made now)" : "", pool, pool, pool, "adyton", pool, "adyton",
        keystore.address(), "adyton", coordinator.address(), "adyton", local.url()));
    console.flush();
}

void print_json_banner(
    Console& console, const Prepared& prepared, const LocalNeo& local, const LocalNear& near,
    const PoolServer& server, const KeystoreServer& keystore, const ComputeServer& compute,
    const CoordinatorServer& coordinator) {
    console.print_json(
        Json::object()
            .set("identity_mode", Json::string("development"))
            .set("pool", Json::string("http://" + server.address()))
            .set("keystore", Json::string("http://" + keystore.address()))
            .set("compute", Json::string("http://" + compute.address()))
            .set("coordinator", Json::string("http://" + coordinator.address()))
            .set("workflow_evidence_key", Json::string(coordinator.evidence_key()))
            .set("metrics", Json::string("http://" + server.metrics_address() + "/metrics"))
            .set("neo_rpc", Json::string(local.url()))
            .set("neo_network", Json::integer(static_cast<std::uint32_t>(kLocalNeoMagic)))
            .set("neo_is_simulator", Json::boolean(true))
            .set("near_rpc", Json::string(near.url()))
            .set("near_chain_id", Json::string(kLocalNearChainId))
            .set("near_is_simulator", Json::boolean(true))
            .set("data_dir", Json::string(prepared.directory))
            .set("log", Json::string(prepared.log_path))
            .set("master_key_hash", Json::string(server.master_key_hash())));
    console.flush();
}

Result<void> run(Process& process, const DevOptions& options, bool json) {
    TRY(const auto prepared, prepare(options));
    const service::ConfigInputs environment = development_environment(process.environment);
    TRY(const auto config, configure(options, prepared, environment));
    TRY(const auto logger, open_log(config));
    // Before the pool, which asks it at once; destroyed after it.
    TRY(const auto local, start_local_neo(process, options, prepared, *logger));
    TRY(const auto near, start_local_near(process, options, prepared, *logger));
    TRY(const auto keystore_config, configure_keystore(options, prepared, environment));
    TRY(const auto keystore, KeystoreServer::create(
                                 {keystore_config, environment, process.secrets, process.hardening,
                                  OldSchema::Migrate}));
    TRY(const auto compute_config, configure_compute(options, prepared, environment));
    TRY(const auto compute,
        ComputeServer::create(
            {compute_config, environment, process.secrets, process.hardening, OldSchema::Migrate}));
    TRY(const auto coordinator_config,
        configure_coordinator(options, prepared, *near, environment));
    TRY(const auto coordinator, CoordinatorServer::create(
                                    {coordinator_config, environment, process.secrets,
                                     process.hardening, OldSchema::Migrate}));
    TRY(const auto server,
        PoolServer::create(
            {config, environment, process.secrets, process.hardening, OldSchema::Migrate}));
    server->metrics().attach({{"service", "keystore"}}, keystore->metrics());
    keystore->run_beside();
    compute->run_beside();
    server->metrics().attach({{"service", "coordinator"}}, coordinator->metrics());
    coordinator->run_beside();
    if (json) {
        print_json_banner(
            process.console, prepared, *local, *near, *server, *keystore, *compute, *coordinator);
    } else {
        print_banner(
            process.console, prepared, *local, *near, *server, *keystore, *compute, *coordinator);
    }
    return server->run();
}

Exit run_dev(Process& process, const DevOptions& options, bool json) {
    const auto done = run(process, options, json);
    if (done) return Exit::Ok;
    process.console.fail(done.error(), json);
    return Exit::Failed;
}

}  // namespace

void add_dev_command(CLI::App& root, Invocation& invocation) {
    CLI::App& command = add_command(
        root, invocation,
        {.name = "dev",
         .summary = "Run everything on this machine, for development",
         .details =
             "Starts the account pool, compute, the NEAR keystore and the workflow coordinator on "
             "127.0.0.1 with embedded databases that they prepare by themselves and master keys of "
             "their own. Callers are believed who they say they are. "
             "Settings in the environment are ignored; --set changes one. Beside it runs a "
             "simulated Neo N3 chain and a simulated NEAR chain, whose ledgers are kept with the "
             "other data; `adyton dev fund` pays from both."
             " Ports: coordinator 8080, pool 8085, compute 8086, keystore "
             "8087, metrics 9464, Neo RPC 50012, NEAR RPC "
             "3030; with --port-base N they are N, N+1 and so on in that order.",
         .examples = {
             "adyton dev", "adyton dev --port-base 18080 --data-dir /tmp/adyton",
             "adyton dev --set pool.min_accounts=1000"}});
    const auto options = std::make_shared<DevOptions>();  // shared: the callback is copied
    command.add_option("--port-base", options->port_base, "First of seven ports in a row")
        ->check(CLI::Range(1024, 65'535 - 7));
    command.add_option(
        "--data-dir", options->data_dir,
        "Database, key and log [$XDG_DATA_HOME/adyton/dev or ~/.local/share/adyton/dev]");
    command.add_option("--log-level", options->log_level, "debug, info, warning or error")
        ->capture_default_str();
    command.add_option("--set", options->assignments, "KEY=VALUE of any setting")
        ->allow_extra_args(false);
    add_dev_fund_command(command, invocation);
    add_dev_fault_command(command, invocation);
    // Not with on_run: the callback of a parent comes after that of its subcommand.
    command.final_callback([options, &command, &invocation] {
        if (!command.get_subcommands().empty()) return;
        invocation.run = [options, &invocation](Process& process) {
            return run_dev(process, *options, invocation.json);
        };
    });
}

}  // namespace adyton::apps

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/config_options.h"
#include "apps/development_key.h"
#include "apps/pool_server.h"
#include "apps/version.h"
#include "crypto/random.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

using base::Json;

// The order is the one of --port-base N: N, N+1, ...
enum Part : std::size_t { Coordinator, Pool, Compute, Keystore, Metrics, NeoRpc, NearRpc };
struct PartInfo {
    const char* name;
    int port;
    bool in_this_build;
};
constexpr std::array<PartInfo, 7> kParts = {{
    {"coordinator", 8080, false},
    {"account pool", 8085, true},
    {"compute", 8086, false},
    {"keystore", 8087, false},
    {"metrics", 9464, true},
    {"local Neo RPC", 50012, false},
    {"local NEAR RPC", 3030, false},
}};

struct DevOptions {
    int port_base = 0;  // 0: the parts' own ports
    std::string data_dir;
    std::string log_level = "info";
    std::vector<std::string> assignments;
};

int port_of(const DevOptions& options, std::size_t part) {
    return options.port_base == 0 ? kParts.at(part).port
                                  : options.port_base + static_cast<int>(part);
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
};

Result<Prepared> prepare(const DevOptions& options) {
    Prepared out;
    TRY(out.directory, data_directory(options));
    crypto::SystemRandom random;
    TRY(out.key, ensure_development_key(out.directory, random));
    out.log_path = out.directory + "/adyton.log";
    return out;
}

Result<service::Config> configure(
    const DevOptions& options, const Prepared& prepared, const service::ConfigInputs& environment) {
    ConfigFlags flags;
    flags.values["log.path"] = prepared.log_path;
    flags.values["log.level"] = options.log_level;
    flags.assignments = options.assignments;
    return load_config(
        flags, environment,
        {{"data_dir", prepared.directory},
         {"listen", address_of(options, Pool)},
         {"metrics.listen", address_of(options, Metrics)},
         {"identity.mode", "development"},
         {"pool.master_key", "file:" + prepared.key.path}});
}

void print_banner(
    Console& console, const DevOptions& options, const Prepared& prepared,
    const PoolServer& server) {
    const std::string pool = "http://" + server.address();
    std::string absent;
    for (std::size_t part = 0; part < kParts.size(); ++part) {
        if (kParts.at(part).in_this_build) continue;
        absent += fmt::format(
            "{}{} ({})", absent.empty() ? "" : ", ", kParts.at(part).name, port_of(options, part));
    }
    console.print(fmt::format(
        "Adyton {}, DEVELOPMENT: every program on this machine may claim to be any service.\n"
        "\n"
        "  account pool   {}\n"
        "  metrics        http://{}/metrics\n"
        "  data           {}\n"
        "  log            {}\n"
        "  master key     {}{}\n"
        "                 whoever reads it owns every account; keep nothing of value here\n"
        "\n"
        "  not in this build yet: {}\n"
        "\n"
        "Try:\n"
        "  curl -s {}/pool-info -H 'X-Service-ID: neocompute'\n"
        "  curl -s {}/request -H 'X-Service-ID: neocompute' -d '{{\"count\":2}}'\n"
        "  curl -s {}/openapi.json\n"
        "or: {} pool request --count 2 --url {}\n"
        "Ctrl-C stops it.",
        kVersion, pool, server.metrics_address(), prepared.directory, prepared.log_path,
        prepared.key.path, prepared.key.created ? " (made now)" : "", absent, pool, pool, pool,
        "adyton", pool));
    console.flush();
}

void print_json_banner(Console& console, const Prepared& prepared, const PoolServer& server) {
    Json absent = Json::array();
    for (const PartInfo& part : kParts) {
        if (!part.in_this_build) absent.push_back(Json::string(part.name));
    }
    console.print_json(
        Json::object()
            .set("identity_mode", Json::string("development"))
            .set("pool", Json::string("http://" + server.address()))
            .set("metrics", Json::string("http://" + server.metrics_address() + "/metrics"))
            .set("data_dir", Json::string(prepared.directory))
            .set("log", Json::string(prepared.log_path))
            .set("master_key_hash", Json::string(server.master_key_hash()))
            .set("not_in_this_build", std::move(absent)));
    console.flush();
}

Result<void> run(Process& process, const DevOptions& options, bool json) {
    TRY(const auto prepared, prepare(options));
    const service::ConfigInputs environment = development_environment(process.environment);
    TRY(const auto config, configure(options, prepared, environment));
    TRY(const auto server,
        PoolServer::create(
            {config, environment, process.secrets, process.hardening, OldSchema::Migrate}));
    if (json) {
        print_json_banner(process.console, prepared, *server);
    } else {
        print_banner(process.console, options, prepared, *server);
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
             "Starts the account pool on 127.0.0.1 with an embedded database that it prepares by "
             "itself and a master key of its own. Callers are believed who they say they are. "
             "Settings in the environment are ignored; --set changes one. Ports: coordinator "
             "8080, pool 8085, compute 8086, keystore 8087, metrics 9464, Neo RPC 50012, NEAR RPC "
             "3030; with --port-base N they are N, N+1 and so on in that order. Only the pool and "
             "metrics are in this build.",
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
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_dev(process, *options, invocation.json);
    });
}

}  // namespace adyton::apps

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/compute_server.h"
#include "apps/config_options.h"
#include "apps/coordinator_server.h"
#include "apps/keystore_server.h"
#include "apps/pool_server.h"

namespace adyton::apps {
namespace {

// Loads the configuration, opens the server and runs it until a signal.
template <typename Server>
Exit run_serve(Process& process, const ConfigFlags& flags, bool json) {
    const auto config = load_config(flags, process.environment);
    if (!config) {
        process.console.fail(config.error(), json);
        return Exit::Failed;
    }
    const auto server = Server::create(
        {*config, process.environment, process.secrets, process.hardening, OldSchema::Refuse});
    if (!server) {
        process.console.fail(server.error(), json);
        if (server.error().reason() == "schema") {
            process.console.note(fmt::format(
                "hint: {} migrate, with the same --config, --data-dir and DATABASE_URL",
                process.executable));
        }
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(
            base::Json::object()
                .set("listen", base::Json::string((*server)->address()))
                .set("metrics", base::Json::string((*server)->metrics_address())));
        process.console.flush();
    }
    const auto done = (*server)->run();
    if (!done) {
        process.console.fail(done.error(), json);
        return Exit::Failed;
    }
    return Exit::Ok;
}

template <typename Server>
void add_serve(CLI::App& serve, Invocation& invocation, const CommandHelp& help) {
    CLI::App& command = add_command(serve, invocation, help);
    const auto flags = std::make_shared<ConfigFlags>();  // shared: the callback is copied
    add_config_options(command, *flags);
    on_run(command, invocation, [flags, &invocation](Process& process) {
        return run_serve<Server>(process, *flags, invocation.json);
    });
}

void add_serve_pool(CLI::App& serve, Invocation& invocation) {
    add_serve<PoolServer>(
        serve, invocation,
        {.name = "pool",
         .summary = "Serve the account pool until SIGTERM",
         .details =
             "Callers are known by their client certificates; without certificates it does not "
             "start, unless --identity development says that every local program is trusted. The "
             "database must have been prepared with `adyton migrate`. Log lines go to standard "
             "error as JSON. SIGTERM and SIGINT drain and end it, SIGHUP reads certificates and "
             "trust anew.",
         .examples = {
             "adyton migrate --config /etc/adyton/adyton.toml",
             "adyton serve pool --config /etc/adyton/adyton.toml",
             "POOL_MASTER_KEY=... adyton serve pool --identity development --data-dir ./data",
             "adyton config reference --sample > adyton.toml   # every setting, explained"}});
}

void add_serve_keystore(CLI::App& serve, Invocation& invocation) {
    add_serve<KeystoreServer>(
        serve, invocation,
        {.name = "keystore",
         .summary = "Serve the NEAR keystore until SIGTERM",
         .details =
             "Callers are known by bearer tokens, of which the configuration holds SHA-256 digests "
             "alone; tokens travel over TLS, unless --identity development says that every local "
             "program is trusted. The database must have been prepared with `adyton migrate`. A "
             "NEAR node (NEAR_RPC_URL) is needed to sign transactions and to give reservations "
             "back. SIGTERM and SIGINT drain and end it, SIGHUP reads certificates anew.",
         .examples = {
             "adyton serve keystore --config /etc/adyton/keystore.toml --listen 127.0.0.1:8087",
             "KEYSTORE_MASTER_SECRET=64_HEX ALLOWED_COORDINATOR_TOKEN_HASHES=64_HEX adyton serve "
             "keystore --identity development --data-dir ./data --listen 127.0.0.1:8087",
             "printf %s \"$TOKEN\" | sha256sum   # the digest of a token"}});
}

void add_serve_coordinator(CLI::App& serve, Invocation& invocation) {
    add_serve<CoordinatorServer>(
        serve, invocation,
        {.name = "coordinator",
         .summary = "Serve ordered NEAR workflows until SIGTERM",
         .details =
             "Callers are known by X-Internal-Wallet-Auth with X-Wallet-Id, or by API keys, which "
             "travel over TLS, unless --identity development says that every local program is "
             "trusted. It needs a keystore (KEYSTORE_URL, KEYSTORE_AUTH_TOKEN), a NEAR node "
             "(NEAR_RPC_URL), and the accounts that submit to the gate and resume its batches. "
             "The database must have been prepared with `adyton migrate`. SIGTERM and SIGINT "
             "drain and end it; workflows under way go on with the next process.",
         .examples = {
             "adyton serve coordinator --config /etc/adyton/coordinator.toml --listen "
             "0.0.0.0:8080",
             "adyton wallet workflow run dust.json --wallet treasury   # ask it for something"}});
}

void add_serve_compute(CLI::App& serve, Invocation& invocation) {
    add_serve<ComputeServer>(
        serve, invocation,
        {.name = "compute",
         .summary = "Serve confidential JavaScript until SIGTERM",
         .details =
             "Users are known by keys of their own (POST /user-keys), or named by a service with a "
             "client certificate that compute.user_asserting_services lists; with --identity "
             "development every local program may name them. The database must have been prepared "
             "with `adyton migrate`. SIGTERM and SIGINT drain and end it, SIGHUP reads "
             "certificates anew.",
         .examples = {
             "adyton serve compute --config /etc/adyton/compute.toml --listen 127.0.0.1:8086",
             "COMPUTE_MASTER_KEY=64_HEX adyton serve compute --identity development --data-dir "
             "./data --listen 127.0.0.1:8086"}});
}

}  // namespace

void add_serve_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& serve =
        add_group(root, {.name = "serve", .summary = "Run one service, for production"});
    add_serve_pool(serve, invocation);
    add_serve_keystore(serve, invocation);
    add_serve_compute(serve, invocation);
    add_serve_coordinator(serve, invocation);
}

}  // namespace adyton::apps

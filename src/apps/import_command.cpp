#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "apps/command.h"
#include "apps/config_options.h"
#include "apps/files.h"
#include "apps/pool_commands.h"
#include "apps/pool_import.h"
#include "apps/pool_server.h"
#include "apps/product_hosting.h"
#include "apps/schema.h"
#include "base/event_loop.h"
#include "crypto/random.h"
#include "pool/master_key.h"
#include "service/instance.h"
#include "service/settings.h"
#include "storage/migrator.h"
#include "storage/open_database.h"

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::size_t kForeignShown = 10;
constexpr std::size_t kDumpBytesMax = std::size_t{1} << 30U;

struct ImportOptions {
    std::string accounts;
    std::string balances;
    ConfigFlags config;
};

struct Rows {
    std::vector<ImportedAccount> accounts;
    std::vector<ImportedBalance> balances;
};

Result<Rows> read_rows(const ImportOptions& options) {
    Rows rows;
    if (!options.accounts.empty()) {
        TRY(const std::string text, read_file(options.accounts, kDumpBytesMax));
        auto accounts = parse_account_rows(text);
        if (!accounts) return std::move(accounts).error().with_context(options.accounts);
        rows.accounts = std::move(*accounts);
    }
    if (!options.balances.empty()) {
        TRY(const std::string text, read_file(options.balances, kDumpBytesMax));
        auto balances = parse_balance_rows(text);
        if (!balances) return std::move(balances).error().with_context(options.balances);
        rows.balances = std::move(*balances);
    }
    return rows;
}

// The database as it is found: brought up to this schema, and under the right master key.
Task<Result<void>> prepare(storage::Database& database, const pool::Signer& signer) {
    const std::vector<storage::Migration> all = all_migrations();
    auto migrating = storage::migrate(database, all);
    CO_TRY(const auto ran, co_await std::move(migrating));
    auto checking = pool::check_master_key(database, signer);
    co_return co_await std::move(checking);
}

Result<ImportReport> run(Process& process, const ImportOptions& options) {
    TRY(const auto config, load_config(options.config, process.environment));
    TRY(auto rows, read_rows(options));
    TRY(auto keys, load_pool_keys(config, process.secrets));
    TRY(const auto logger, open_log(config));
    crypto::SystemRandom random;
    TRY(const auto instance,
        service::Instance::open(config.get(service::settings::kDataDir), random));
    base::WorkerThreads workers(0);
    base::EventLoop loop(workers);
    TRY(const auto database,
        storage::open_database(
            config.get(service::settings::kDatabaseUrl), instance.directory(), loop, *logger));
    const pool::Signer signer(std::move(keys.master), std::move(keys.encryption_key), {});
    TRY_VOID(loop.run_until_done(prepare(*database, signer)));
    TRY(const auto audit, loop.run_until_done(audit::AuditLog::open(*database, instance.id())));
    const auto progress = [&console = process.console](
                              std::string_view what, std::uint64_t done, std::uint64_t total) {
        console.progress(what, done, total);
    };
    Import import{*database, *audit, signer, random, config.get(service::settings::kPoolLockTtlMax),
                  progress};
    auto report = options.accounts.empty()
                      ? loop.run_until_done(verify_adopted(import))
                      : loop.run_until_done(import_accounts(
                            import, std::move(rows.accounts), std::move(rows.balances)));
    process.console.end_progress();
    return report;
}

Json to_json(const ImportReport& report) {
    Json foreign = Json::array();
    for (const std::string& id : report.foreign) foreign.push_back(Json::string(id));
    return Json::object()
        .set("accounts", Json::integer(report.accounts))
        .set("imported", Json::integer(report.imported))
        .set("balances", Json::integer(report.balances))
        .set("verified", Json::integer(report.verified))
        .set("foreign", std::move(foreign));
}

void print_report(Console& console, const ImportReport& report, bool from_file) {
    const auto count = [](std::int64_t value, std::string_view what) {
        return counted(static_cast<std::uint64_t>(value), what);
    };
    if (!report.foreign.empty()) {
        console.error(fmt::format(
            "{} not from this master key{}; the first of them:",
            report.foreign.size() == 1 ? "1 account is"
                                       : fmt::format("{} accounts are", report.foreign.size()),
            from_file ? ", so nothing was imported" : " and cannot sign"));
        for (std::size_t i = 0; i < std::min(kForeignShown, report.foreign.size()); ++i) {
            console.note("  " + report.foreign[i]);
        }
        return;
    }
    if (from_file) {
        console.print(fmt::format(
            "imported {} and {}; {} already there", count(report.imported, "account"),
            count(report.balances, "balance"), report.accounts - report.imported));
    } else {
        console.print(fmt::format("proved the keys of {}", count(report.verified, "account")));
    }
}

Exit run_import(Process& process, const ImportOptions& options, bool json) {
    const auto report = run(process, options);
    if (!report) {
        process.console.end_progress();
        process.console.fail(report.error(), json);
        return Exit::Failed;
    }
    if (json) {
        process.console.print_json(to_json(*report));
    } else {
        print_report(process.console, *report, !options.accounts.empty());
    }
    return report->foreign.empty() ? Exit::Ok : Exit::Failed;
}

}  // namespace

void add_import_command(CLI::App& pool, Invocation& invocation) {
    CLI::App& command = add_command(
        pool, invocation,
        {.name = "import",
         .summary = "Take an existing pool over, with its addresses",
         .details =
             "Works on the database itself, with the server stopped, and needs the pool's master "
             "key. Without files it takes over what is in the PostgreSQL database of the original "
             "service, in place. With files it moves rows of pool_accounts and "
             "pool_account_balances into this database: a JSON array, or one row a line as "
             "row_to_json writes them. Every account's key is proved against its address first; if "
             "one does not belong to the master key, nothing is imported. It may be run again "
             "after an interruption.",
         .examples = {
             "DATABASE_URL=postgres://... adyton pool import",
             "psql -qAtc 'select row_to_json(t) from pool_accounts t' > accounts.jsonl",
             "adyton pool import accounts.jsonl --balances balances.jsonl --data-dir "
             "/var/lib/adyton"}});
    const auto options = std::make_shared<ImportOptions>();  // shared: the callback is copied
    auto* const accounts =
        command.add_option("accounts", options->accounts, "Rows of pool_accounts");
    command.add_option("--balances", options->balances, "Rows of pool_account_balances")
        ->needs(accounts);
    add_config_options(command, options->config);
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_import(process, *options, invocation.json);
    });
}

}  // namespace adyton::apps

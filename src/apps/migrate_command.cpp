#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "apps/command.h"
#include "apps/config_options.h"
#include "apps/development_key.h"
#include "apps/product_hosting.h"
#include "apps/schema.h"
#include "base/event_loop.h"
#include "service/settings.h"
#include "storage/migrator.h"
#include "storage/open_database.h"

namespace adyton::apps {
namespace {

using base::Json;

struct Outcome {
    std::optional<storage::SchemaCheck> check;  // with --check
    std::vector<int> ran;
};

Result<Outcome> run(const service::Config& config, bool check_only) {
    const std::string& directory = config.get(service::settings::kDataDir);
    const std::string& url = config.get(service::settings::kDatabaseUrl);
    TRY(const auto logger, open_log(config));
    TRY_VOID(create_directory(directory));
    base::WorkerThreads workers(2);
    base::EventLoop loop(workers);
    TRY(const auto database, storage::open_database(url, directory, loop, *logger));
    const std::vector<storage::Migration> all = all_migrations();
    Outcome out;
    if (check_only) {
        TRY(out.check, loop.run_until_done(storage::check_schema(*database, all)));
    } else {
        TRY(out.ran, loop.run_until_done(storage::migrate(*database, all)));
    }
    return out;
}

std::string name_of(int number) {
    for (const storage::Migration& migration : all_migrations()) {
        if (migration.number == number) return std::string(migration.name);
    }
    return {};
}

Exit report_check(Console& console, const storage::SchemaCheck& check, bool json) {
    const bool current = check.state == storage::SchemaState::Current;
    if (json) {
        console.print_json(Json::object()
                               .set("current", Json::boolean(current))
                               .set("recorded", Json::integer(check.recorded))
                               .set("expected", Json::integer(check.expected))
                               .set("message", Json::string(check.message)));
    } else if (current) {
        console.print(fmt::format("the schema is current ({})", check.expected));
    } else {
        console.error(check.message);
    }
    return current ? Exit::Ok : Exit::Failed;
}

void report_ran(Console& console, const std::vector<int>& ran, bool json) {
    if (json) {
        Json list = Json::array();
        for (const int number : ran) {
            list.push_back(Json::object()
                               .set("number", Json::integer(number))
                               .set("name", Json::string(name_of(number))));
        }
        console.print_json(Json::object().set("migrated", std::move(list)));
        return;
    }
    if (ran.empty()) {
        console.print("nothing to do: the schema is current");
        return;
    }
    Table table({{"MIGRATION", Table::Align::Right}, {"NAME"}});
    for (const int number : ran) table.add({std::to_string(number), name_of(number)});
    console.print_table(table);
    console.print("the schema is current now");
}

Exit run_migrate(Process& process, const ConfigFlags& flags, bool check_only, bool json) {
    const auto config = load_config(flags, process.environment);
    if (!config) {
        process.console.fail(config.error(), json);
        return Exit::Failed;
    }
    const auto outcome = run(*config, check_only);
    if (!outcome) {
        process.console.fail(outcome.error(), json);
        return Exit::Failed;
    }
    if (outcome->check.has_value()) return report_check(process.console, *outcome->check, json);
    report_ran(process.console, outcome->ran, json);
    return Exit::Ok;
}

}  // namespace

void add_migrate_command(CLI::App& root, Invocation& invocation) {
    CLI::App& command = add_command(
        root, invocation,
        {.name = "migrate",
         .summary = "Bring the database up to this program's schema",
         .details =
             "Safe to run at any time and by several at once: each step runs once, in one "
             "transaction. A PostgreSQL database of the original service is taken over in place: "
             "pool_accounts and pool_account_balances keep their names and rows.",
         .examples = {
             "adyton migrate --data-dir /var/lib/adyton",
             "DATABASE_URL=postgres://adyton@db/pool adyton migrate",
             "adyton migrate --check   # changes nothing; exit code 1 when it is not current"}});
    const auto flags = std::make_shared<ConfigFlags>();  // shared: the callback is copied
    const auto check_only = std::make_shared<bool>(false);
    add_config_options(command, *flags);
    command.add_flag("--check", *check_only, "Only say whether it is current");
    on_run(command, invocation, [flags, check_only, &invocation](Process& process) {
        return run_migrate(process, *flags, *check_only, invocation.json);
    });
}

}  // namespace adyton::apps

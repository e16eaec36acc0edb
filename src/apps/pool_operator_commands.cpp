#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>

#include "apps/pool_commands.h"
#include "base/time.h"

// `adyton pool freeze|unfreeze|grow|allocations|audit`: what operators do.

namespace adyton::apps {
namespace {

using base::Json;

constexpr std::size_t kExportBytesMax = std::size_t{1} << 30U;

// ----- freeze, unfreeze -------------------------------------------------------------------------

struct FreezeOptions {
    bool pool = false;
    std::string service;
    std::string account;
    std::string reason;
    bool list = false;
};

Result<api::FreezeRequest> parse_freeze(const FreezeOptions& options) {
    const int targets = (options.pool ? 1 : 0) + (options.service.empty() ? 0 : 1) +
                        (options.account.empty() ? 0 : 1);
    if (targets != 1) {
        return Error::invalid_argument("name one target: --pool, --target-service or --account");
    }
    api::FreezeRequest request;
    request.reason = options.reason;
    if (!options.service.empty()) {
        request.scope = api::FreezeScope::Service;
        request.subject = options.service;
    } else if (!options.account.empty()) {
        request.scope = api::FreezeScope::Account;
        request.subject = options.account;
    }
    return request;
}

std::string target_text(api::FreezeScope scope, const std::string& subject) {
    return subject.empty() ? std::string("the pool")
                           : fmt::format("{} {}", api::to_string(scope), subject);
}

Exit run_list_freezes(Process& process, Connection& connection, bool json) {
    const auto reply = connection.run(connection.pool().freezes());
    if (const auto exit = settled(process, reply, json)) return *exit;
    if (reply->freezes.empty()) {
        process.console.print("nothing is frozen");
        return Exit::Ok;
    }
    Table table({{"FROZEN"}, {"SINCE"}, {"BY"}, {"REASON"}});
    for (const api::FreezeInfo& freeze : reply->freezes) {
        table.add(
            {target_text(freeze.scope, freeze.subject), base::to_rfc3339_seconds(freeze.created_at),
             freeze.actor, freeze.reason});
    }
    process.console.print_table(table);
    return Exit::Ok;
}

enum class FreezeAction { Set, Lift };

Exit run_freeze(
    Process& process, Connection& connection, const FreezeOptions& options, FreezeAction action,
    bool json) {
    if (options.list) return run_list_freezes(process, connection, json);
    const auto request = parse_freeze(options);
    if (!request) {
        process.console.fail(request.error(), json);
        return Exit::Usage;
    }
    api::PoolClient& pool = connection.pool();
    const auto reply = connection.run(
        action == FreezeAction::Set ? pool.freeze(*request) : pool.unfreeze(*request));
    if (const auto exit = settled(process, reply, json)) return *exit;
    process.console.print(printable(fmt::format(
        "{} is {}{}", target_text(request->scope, request->subject),
        reply->frozen ? "frozen" : "not frozen", reply->changed ? "" : " (it was so already)")));
    return Exit::Ok;
}

void add_freeze_targets(CLI::App& command, FreezeOptions& options) {
    command.add_flag("--pool", options.pool, "Everything");
    command.add_option("--target-service", options.service, "All calls of this service");
    command.add_option("--account", options.account, "This account, whoever holds it");
}

void add_freeze(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "freeze",
         .summary = "Stop signing at once: for the pool, a service or an account",
         .details = "Holds for every instance from now on and survives restarts, until "
                    "`adyton pool unfreeze`.",
         .examples = {
             "adyton pool freeze --pool --reason 'incident 42'",
             "adyton pool freeze --target-service neocompute --reason 'key may have leaked'",
             "adyton pool freeze --list"}});
    const auto options = std::make_shared<FreezeOptions>();  // shared: the callback is copied
    add_freeze_targets(*command, *options);
    command->add_option("--reason", options->reason, "Why; shown to those who are refused");
    command->add_flag("--list", options->list, "Show what is frozen, change nothing");
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_freeze(process, connection, *options, FreezeAction::Set, shared->json());
        });
}

void add_unfreeze(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "unfreeze",
         .summary = "Lift a freeze",
         .examples = {"adyton pool unfreeze --pool", "adyton pool unfreeze --account ACCOUNT_ID"}});
    const auto options = std::make_shared<FreezeOptions>();  // shared: the callback is copied
    add_freeze_targets(*command, *options);
    on_pool_run(
        *command, shared, [shared = shared, options](Process& process, Connection& connection) {
            return run_freeze(process, connection, *options, FreezeAction::Lift, shared->json());
        });
}

// ----- grow -------------------------------------------------------------------------------------

Exit run_grow(Process& process, Connection& connection, std::int64_t to, bool json) {
    api::GrowRequest request;
    request.to = to;
    api::GrowResponse all;
    while (true) {
        const auto reply = connection.run(connection.pool().grow(request));
        if (!reply) {
            process.console.end_progress();
            fail_call(process.console, reply.error(), reply.call, json);
            return Exit::Failed;
        }
        const std::int64_t created = all.created + reply->created;
        all = *reply;
        all.created = created;
        process.console.progress(
            "accounts", static_cast<std::uint64_t>(all.total_accounts),
            static_cast<std::uint64_t>(std::max(all.target, all.total_accounts)));
        if (reply->complete) break;
        if (reply->created == 0) {
            process.console.end_progress();
            process.console.error("the server creates no more accounts; its log says why");
            return Exit::Failed;
        }
    }
    process.console.end_progress();
    if (json) {
        print_as_json(process.console, all);
    } else {
        process.console.print(fmt::format(
            "created {}, the pool has {}",
            counted(static_cast<std::uint64_t>(all.created), "account"),
            grouped(static_cast<std::uint64_t>(all.total_accounts))));
    }
    return Exit::Ok;
}

void add_grow(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "grow",
         .summary = "Create accounts until the pool has so many",
         .details = "The server creates them in portions, so stopping this command is safe. It "
                    "never passes its setting pool.max_accounts (10,000 unless configured).",
         .examples = {"adyton pool grow --to 10000", "adyton pool grow --to 100000"}});
    const auto to = std::make_shared<std::int64_t>();  // shared: the callback is copied
    command->add_option("--to", *to, "How many accounts the pool shall have")
        ->required()
        ->check(CLI::Range(1, 100'000'000));
    on_pool_run(*command, shared, [shared = shared, to](Process& process, Connection& connection) {
        return run_grow(process, connection, *to, shared->json());
    });
}

// ----- allocations ------------------------------------------------------------------------------

Exit run_allocations(Process& process, Connection& connection, bool json) {
    const auto reply = connection.run(connection.pool().allocations());
    if (const auto exit = settled(process, reply, json)) return *exit;
    if (reply->allocations.empty()) {
        process.console.print("no allocations");
        return Exit::Ok;
    }
    Table table(
        {{"LOCK"}, {"SERVICE"}, {"ACCOUNTS", Table::Align::Right}, {"EXPIRES"}, {"PURPOSE"}});
    for (const api::AllocationInfo& one : reply->allocations) {
        table.add(
            {one.lock_id, one.service_id, std::to_string(one.account_count),
             base::to_rfc3339_seconds(one.expires_at), one.purpose});
    }
    process.console.print_table(table);
    return Exit::Ok;
}

void add_allocations(CLI::App& pool, Invocation& invocation) {
    auto [command, shared] = add_pool_command(
        pool, invocation,
        {.name = "allocations",
         .summary = "List the locks that stand: whose, for what, how long",
         .examples = {"adyton pool allocations"}});
    on_pool_run(*command, shared, [shared = shared](Process& process, Connection& connection) {
        return run_allocations(process, connection, shared->json());
    });
}

// ----- audit ------------------------------------------------------------------------------------

Result<void> write_file(const std::string& path, std::string_view content) {
    const bool standard_output = path == "-";
    std::FILE* const file = standard_output ? stdout : std::fopen(path.c_str(), "wb");
    if (file == nullptr) {
        return Error::unavailable(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
    }
    bool good = std::fwrite(content.data(), 1, content.size(), file) == content.size();
    good = (std::fflush(file) == 0) && good;
    if (!standard_output) good = (std::fclose(file) == 0) && good;
    if (!good) {
        return Error::unavailable(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
    }
    return {};
}

Exit run_audit_export(Process& process, Connection& connection, const std::string& out, bool json) {
    const auto reply = connection.run(connection.pool().get_text("/audit/export"));
    if (!reply) {
        fail_call(process.console, reply.error(), reply.call, json);
        return Exit::Failed;
    }
    process.console.flush();
    const auto written = write_file(out, *reply);
    if (!written) {
        process.console.fail(written.error(), json);
        return Exit::Failed;
    }
    if (out == "-") return Exit::Ok;
    if (json) {
        process.console.print_json(Json::object()
                                       .set("file", Json::string(out))
                                       .set("bytes", Json::unsigned_integer(reply->size())));
    } else {
        process.console.print(fmt::format(
            "wrote {} bytes to {}; check it with: adyton verify audit {}", grouped(reply->size()),
            out, out));
    }
    return Exit::Ok;
}

Exit run_checkpoint(Process& process, Connection& connection, bool json) {
    const auto reply = connection.run(connection.pool().checkpoint());
    if (const auto exit = settled(process, reply, json)) return *exit;
    process.console.print(fmt::format(
        "checkpoint {} of {}\nkeep this elsewhere: --checkpoint {}:{}", reply->number,
        base::to_rfc3339_seconds(reply->created_at), reply->number, printable(reply->hash)));
    return Exit::Ok;
}

void add_audit(CLI::App& pool, Invocation& invocation) {
    CLI::App& audit =
        add_group(pool, {.name = "audit", .summary = "The log of everything that was done"});
    auto [export_command, export_shared] = add_pool_command(
        audit, invocation,
        {.name = "export",
         .summary = "Write the audit log as JSON Lines, for `adyton verify audit`",
         .details = "Holds the export in memory, up to 1 GiB; for a larger log use "
                    "`curl -N URL/audit/export`.",
         .examples = {
             "adyton pool audit export --out audit.jsonl",
             "adyton pool audit export --out - | adyton verify audit -"}});
    export_shared->connection.response_bytes_max = kExportBytesMax;
    export_shared->connection.attempt_seconds = 86'400;   // --timeout alone decides
    const auto out = std::make_shared<std::string>("-");  // shared: the callback is copied
    export_command->add_option("--out", *out, "File to write; - for standard output")
        ->capture_default_str();
    on_pool_run(
        *export_command, export_shared,
        [export_shared = export_shared, out](Process& process, Connection& connection) {
            return run_audit_export(process, connection, *out, export_shared->json());
        });
    auto [checkpoint_command, checkpoint_shared] = add_pool_command(
        audit, invocation,
        {.name = "checkpoint",
         .summary = "Sign now where every chain of the log stands",
         .details = "Noted in another place, it proves later that nothing before it was changed.",
         .examples = {"adyton pool audit checkpoint"}});
    on_pool_run(
        *checkpoint_command, checkpoint_shared,
        [checkpoint_shared = checkpoint_shared](Process& process, Connection& connection) {
            return run_checkpoint(process, connection, checkpoint_shared->json());
        });
}

}  // namespace

void add_operator_commands(CLI::App& pool, Invocation& invocation) {
    add_allocations(pool, invocation);
    add_grow(pool, invocation);
    add_freeze(pool, invocation);
    add_unfreeze(pool, invocation);
    add_audit(pool, invocation);
}

}  // namespace adyton::apps

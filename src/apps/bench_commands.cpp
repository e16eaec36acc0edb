#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "apps/bench/compute_bench.h"
#include "apps/bench/coordinator_bench.h"
#include "apps/bench/keystore_bench.h"
#include "apps/bench/pool_bench.h"
#include "apps/bench/transfer_bench.h"
#include "apps/command.h"
#include "apps/development_key.h"

namespace adyton::apps {
namespace {

struct BenchOptions {
    unsigned seconds = 10;
    std::vector<std::string> only;
    std::string directory;
    bool keep = false;
};

// A fresh directory below the given one, or below the current one: /tmp may be no disk.
Result<std::string> make_directory(const std::string& parent) {
    std::error_code error;
    const std::filesystem::path base =
        parent.empty() ? std::filesystem::current_path(error) : std::filesystem::path(parent);
    TRY_VOID(create_directory(base.string()));
    std::string name = std::filesystem::absolute(base, error).string() + "/adyton-bench.XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) return Error::unavailable("cannot create " + name);
    return name;
}

Result<std::string> own_executable() {
    std::array<char, 4096> path{};
    const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size() - 1);
    if (size <= 0) return Error::unavailable("cannot find this program's file");
    return std::string(path.data(), static_cast<std::size_t>(size));
}

// `measure` (executable, directory) gives a Result of what `show` prints.
template <typename Measure, typename Show>
Exit run_bench(
    Process& process, const BenchOptions& options, const Measure& measure, const Show& show) {
    const auto directory = make_directory(options.directory);
    const auto executable = own_executable();
    if (!directory || !executable) {
        process.console.fail(directory ? executable.error() : directory.error(), false);
        return Exit::Failed;
    }
    const auto rows = measure(*executable, *directory);
    const bool keep = options.keep || !rows;
    if (keep) {
        process.console.note("databases and logs are in " + *directory);
    } else {
        std::error_code error;
        std::filesystem::remove_all(*directory, error);
    }
    if (!rows) {
        process.console.end_progress();
        process.console.fail(rows.error(), false);
        return Exit::Failed;
    }
    show(*rows);
    return Exit::Ok;
}

// `measure` (executable, directory) -> Result<Json>, printed.
template <typename Measure>
Exit run_bench(Process& process, const BenchOptions& options, const Measure& measure) {
    return run_bench(process, options, measure, [&](const base::Json& rows) {
        process.console.print_json(rows);
    });
}

std::string list_of_names(const std::vector<std::string>& names) {
    std::string out;
    for (const std::string& name : names) out += " " + name;
    return out;
}

void add_options(CLI::App& command, BenchOptions& options, const std::vector<std::string>& names) {
    command.add_option("--seconds", options.seconds, "Length of each measurement")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    command.add_option("--only", options.only, "Only this measurement; may be repeated")
        ->check(CLI::IsMember(names));
    command.add_option("--dir", options.directory, "Where databases go [current directory]");
    command.add_flag("--keep", options.keep, "Do not delete the databases and logs");
}

void add_keystore_bench(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "keystore",
         .summary = "Measure delegate signing of the keystore against raw Ed25519",
         .details =
             "Starts a keystore of its own on one core and loads it over mutual TLS from another: "
             "each request is judged by a policy, reserves and is recorded durably. The output is "
             "a list of {name, unit, raw_per_s, served_per_s, ratio, p50_us, p99_us, notes}; what "
             "does not apply is null. Measurements:" +
             list_of_names(bench::keystore_bench_names()),
         .examples = {
             "adyton bench keystore", "adyton bench keystore --seconds 3 --only delegate_64"}});
    const auto options = std::make_shared<BenchOptions>();  // shared: the callback is copied
    add_options(command, *options, bench::keystore_bench_names());
    on_run(command, invocation, [options](Process& process) {
        return run_bench(
            process, *options, [&](const std::string& executable, const std::string& directory) {
                return bench::run_keystore_bench(
                    {executable, directory, options->seconds, options->only}, process.console);
            });
    });
}

void add_transfer_bench(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "transfer",
         .summary = "Measure transfers of the account pool on a simulated Neo chain",
         .details =
             "Starts a pool in strict mode and a simulated chain, and loads /transfer over mutual "
             "TLS. Server, client and chain share all cores. Each answered transfer is simulated, "
             "priced, signed, durable, broadcast and recorded; the notes give the share of each "
             "stage. Then waits until all are final and compares with the ledger.",
         .examples = {"adyton bench transfer", "adyton bench transfer --seconds 3"}});
    struct Options {
        BenchOptions common;
        std::size_t connections = 64;
        std::size_t accounts = 1024;
    };
    const auto options = std::make_shared<Options>();  // shared: the callback is copied
    add_options(command, options->common, {"transfer"});
    command.add_option("--connections", options->connections, "Requests under way at once")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    command.add_option("--accounts", options->accounts, "Accounts that take turns")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    on_run(command, invocation, [options](Process& process) {
        return run_bench(
            process, options->common,
            [&](const std::string& executable, const std::string& directory) {
                return bench::run_transfer_bench(
                    {executable, directory, options->common.seconds, options->connections,
                     std::max(options->accounts, options->connections)},
                    process.console);
            });
    });
}

void add_compute_bench(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "compute",
         .summary = "Measure the script sandbox",
         .details =
             "Runs trivial scripts in process, through a sandboxed executor and with a process for "
             "each, cancels endless ones, serves jobs over mutual TLS, and times workloads, also "
             "with "
             "peers. The output is a list of {name, "
             "unit, "
             "raw_per_s, served_per_s, ratio, p50_us, p99_us, notes}; what does not apply is null. "
             "Measurements:" +
             list_of_names(bench::compute_bench_names()),
         .examples = {
             "adyton bench compute", "adyton bench compute --seconds 3 --only executor",
             "adyton bench compute --peer goja=build/bench/goja-peer"}});
    const auto options = std::make_shared<BenchOptions>();  // shared: the callback is copied
    const auto peers = std::make_shared<std::vector<std::string>>();
    add_options(command, *options, bench::compute_bench_names());
    command.add_option(
        "--peer", *peers, "NAME=COMMAND: another engine (tests/bench); may be repeated");
    on_run(command, invocation, [options, peers](Process& process) {
        return run_bench(
            process, *options, [&](const std::string& executable, const std::string& directory) {
                return bench::run_compute_bench(
                    {executable, directory, options->seconds, options->only, *peers},
                    process.console);
            });
    });
}

Table table_of(const std::vector<bench::Row>& rows) {
    using Align = Table::Align;
    Table out(
        {{"measurement"},
         {"per second", Align::Right},
         {"raw", Align::Right},
         {"ratio", Align::Right},
         {"p50", Align::Right},
         {"p99", Align::Right}});
    const auto rate = [](const std::optional<double>& value) {
        return value ? grouped(static_cast<std::uint64_t>(*value)) : std::string("-");
    };
    const auto time = [](const std::optional<std::int64_t>& us) {
        return us ? fmt::format("{:.1f} ms", static_cast<double>(*us) / 1e3) : std::string("-");
    };
    for (const bench::Row& row : rows) {
        out.add(
            {row.name, rate(row.served_per_s), rate(row.raw_per_s),
             row.ratio ? fmt::format("{:.3f}", *row.ratio) : "-", time(row.p50_us),
             time(row.p99_us)});
    }
    return out;
}

void add_coordinator_bench(CLI::App& group, Invocation& invocation) {
    CLI::App& command = add_command(
        group, invocation,
        {.name = "coordinator",
         .summary = "Measure workflows on a simulated NEAR chain",
         .details =
             "Runs a coordinator, a keystore and a simulated NEAR chain in this process: how much "
             "of its time one gate is busy (in virtual time), three-call workflows a second with "
             "instant blocks, plans a second, and that concurrent identical requests make one run. "
             "Prints a table and what each figure means; with --json a list of {name, unit, "
             "raw_per_s, served_per_s, ratio, p50_us, p99_us, notes}; what does not apply is null. "
             "Measurements:" +
             list_of_names(bench::coordinator_bench_names()),
         .examples = {
             "adyton bench coordinator", "adyton bench coordinator --quick --json",
             "adyton bench coordinator --only workflows --seconds 20"}});
    struct Options {
        BenchOptions common;
        bool quick = false;
    };
    const auto options = std::make_shared<Options>();  // shared: the callback is copied
    add_options(command, options->common, bench::coordinator_bench_names());
    command.add_flag("--quick", options->quick, "Small counts: only to see that it works");
    on_run(command, invocation, [options, &invocation](Process& process) {
        const auto measure = [&](const std::string&, const std::string& directory) {
            return bench::run_coordinator_bench(
                {directory, options->common.seconds, options->common.only, options->quick},
                process.console);
        };
        const auto show = [&](const std::vector<bench::Row>& measured) {
            if (invocation.json) return process.console.print_json(bench::to_json(measured));
            process.console.print_table(table_of(measured));
            for (const bench::Row& row : measured) {
                process.console.print(row.name + ": " + row.notes);
            }
        };
        return run_bench(process, options->common, measure, show);
    });
}

}  // namespace

void add_bench_commands(CLI::App& root, Invocation& invocation) {
    CLI::App& group =
        add_group(root, {.name = "bench", .summary = "Measure this machine; prints JSON"});
    CLI::App& command = add_command(
        group, invocation,
        {.name = "pool",
         .summary = "Measure the account pool against raw signing",
         .details =
             "Starts a server of its own in strict mode on one core and loads it over mutual TLS "
             "from another, with databases on the disk of --dir. The output is a list of {name, "
             "unit, raw_per_s, served_per_s, ratio, p50_us, p99_us, notes}; what does not apply is "
             "null. Measurements:" +
             list_of_names(bench::pool_bench_names()),
         .examples = {
             "adyton bench pool", "adyton bench pool --seconds 3 --only sign_durable",
             "adyton bench pool --dir /mnt/disk > bench.json"}});
    const auto options = std::make_shared<BenchOptions>();  // shared: the callback is copied
    add_options(command, *options, bench::pool_bench_names());
    on_run(command, invocation, [options](Process& process) {
        return run_bench(
            process, *options, [&](const std::string& executable, const std::string& directory) {
                return bench::run_pool_bench(
                    {executable, directory, options->seconds, options->only}, process.console);
            });
    });
    add_compute_bench(group, invocation);
    add_coordinator_bench(group, invocation);
    add_keystore_bench(group, invocation);
    add_transfer_bench(group, invocation);
}

}  // namespace adyton::apps

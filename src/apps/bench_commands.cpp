#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <utility>

#include "apps/bench/pool_bench.h"
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

Exit run_bench(Process& process, const BenchOptions& options) {
    const auto directory = make_directory(options.directory);
    const auto executable = own_executable();
    if (!directory || !executable) {
        process.console.fail(directory ? executable.error() : directory.error(), false);
        return Exit::Failed;
    }
    const auto rows = bench::run_pool_bench(
        {*executable, *directory, options.seconds, options.only}, process.console);
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
    process.console.print_json(*rows);
    return Exit::Ok;
}

std::string list_of_names() {
    std::string out;
    for (const std::string& name : bench::pool_bench_names()) out += " " + name;
    return out;
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
             list_of_names(),
         .examples = {
             "adyton bench pool", "adyton bench pool --seconds 3 --only sign_durable",
             "adyton bench pool --dir /mnt/disk > bench.json"}});
    const auto options = std::make_shared<BenchOptions>();  // shared: the callback is copied
    command.add_option("--seconds", options->seconds, "Length of each measurement")
        ->check(CLI::Range(1, 3600))
        ->capture_default_str();
    command.add_option("--only", options->only, "Only this measurement; may be repeated")
        ->check(CLI::IsMember(bench::pool_bench_names()));
    command.add_option("--dir", options->directory, "Where databases go [current directory]");
    command.add_flag("--keep", options->keep, "Do not delete the databases and logs");
    on_run(
        command, invocation, [options](Process& process) { return run_bench(process, *options); });
}

}  // namespace adyton::apps

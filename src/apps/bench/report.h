#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/bench/load_client.h"
#include "apps/bench/server_process.h"
#include "apps/console.h"
#include "base/json.h"
#include "base/result.h"
#include "base/time.h"

// What all benchmarks share: where they run, who speaks to whom, and the form of the results.
namespace adyton::apps::bench {

// One result; figures that do not apply are absent.
struct Row {
    std::string name;
    std::string unit;  // "signatures"
    std::optional<double> raw_per_s;
    std::optional<double> served_per_s;
    std::optional<double> ratio;
    std::optional<std::int64_t> p50_us;
    std::optional<std::int64_t> p99_us;
    std::string notes;
};

// The list of decisions.md 34: {"name","unit","raw_per_s","served_per_s","ratio","p50_us","p99_us",
// "notes"}; an absent figure is null.
base::Json to_json(const std::vector<Row>& rows);
// "delegate_64: 4711 signatures a second, raw 21000, ratio 0.224, p50 ... us", for people.
std::string to_line(const Row& row);

// Where the measurements run: server and client on different cores, if there are two.
struct Machine {
    Cores cores;
    FsyncLatency fsync;

    // Also measures the disk of `directory`.
    static Result<Machine> find(const base::Clock& clock, const std::string& directory);
    // Processor, cores and disk, for the notes. `client` says what else runs on the client's core.
    std::string to_string(std::string_view client = "client") const;
};

// Rows as they come, each shown at once.
class Report {
public:
    Report(Console& console, std::string machine)
        : console_(console), machine_(std::move(machine)) {}
    // The machine goes behind the notes.
    void add(Row row);
    base::Json to_json() const { return bench::to_json(rows_); }
    const std::vector<Row>& rows() const { return rows_; }

private:
    Console& console_;
    std::string machine_;
    std::vector<Row> rows_;
};

// Readable by us alone. Unavailable: it cannot be written.
Result<void> write_file(const std::string& path, std::string_view content);

// Certificates of one authority and a random master key of 32 bytes, in files of `directory`:
// ca.pem, server.pem, server.key, client.pem, client.key, master.key ("hex:...").
struct Identities {
    LoadTls client;
    std::array<std::uint8_t, 32> master{};

    static Result<Identities> create(
        const std::string& directory, const std::string& server_name,
        const std::string& client_service);
};
// The TOML table [tls] that names these files.
std::string tls_settings(const std::string& directory);

// `adyton migrate` with this configuration and data directory, until it ends.
struct Migration {
    std::string executable;
    std::string config;
    std::string data;
    std::string log_path;
    int core = 0;
};
Result<void> run_migration(base::EventLoop& loop, const Migration& migration);

inline constexpr auto kReadyPatience = std::chrono::seconds(120);

// InvalidArgument: `only` holds something else than `names`.
Result<void> check_names(
    const std::vector<std::string>& only, const std::vector<std::string>& names);

}  // namespace adyton::apps::bench

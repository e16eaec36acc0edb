#include "apps/bench/report.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <utility>

#include "base/bytes.h"
#include "crypto/random.h"
#include "http/test_pki.h"

namespace adyton::apps::bench {
namespace {

using base::Json;

Json number_or_null(const std::optional<double>& value, double places) {
    return value.has_value() ? Json::real(std::round(*value * places) / places) : Json();
}

Json integer_or_null(const std::optional<std::int64_t>& value) {
    return value.has_value() ? Json::integer(*value) : Json();
}

}  // namespace

Json to_json(const std::vector<Row>& rows) {
    Json out = Json::array();
    for (const Row& row : rows) {
        out.push_back(Json::object()
                          .set("name", Json::string(row.name))
                          .set("unit", Json::string(row.unit))
                          .set("raw_per_s", number_or_null(row.raw_per_s, 1))
                          .set("served_per_s", number_or_null(row.served_per_s, 10))
                          .set("ratio", number_or_null(row.ratio, 1000))
                          .set("p50_us", integer_or_null(row.p50_us))
                          .set("p99_us", integer_or_null(row.p99_us))
                          .set("notes", Json::string(row.notes)));
    }
    return out;
}

std::string to_line(const Row& row) {
    std::string line = row.name + ":";
    if (row.served_per_s) line += fmt::format(" {:.0f} {} a second", *row.served_per_s, row.unit);
    if (row.raw_per_s) line += fmt::format(", raw {:.0f}", *row.raw_per_s);
    if (row.ratio) line += fmt::format(", ratio {:.3f}", *row.ratio);
    if (row.p50_us) line += fmt::format(", p50 {} us", *row.p50_us);
    if (row.p99_us) line += fmt::format(", p99 {} us", *row.p99_us);
    return line;
}

Result<Machine> Machine::find(const base::Clock& clock, const std::string& directory) {
    Machine out;
    out.cores = choose_cores();
    TRY(out.fsync, measure_fsync(clock, directory));
    return out;
}

std::string Machine::to_string(std::string_view client) const {
    return fmt::format(
        "{}; server on core {}, {} on core {}{}; write 4 KiB and fdatasync: p50 {} us, p99 {} us",
        processor_name(), cores.server, client, cores.client,
        cores.server == cores.client ? " (THE SAME: this machine has no second core to give)" : "",
        fsync.p50_us, fsync.p99_us);
}

void Report::add(Row row) {
    row.notes = row.notes.empty() ? machine_ : row.notes + "; " + machine_;
    console_.note(to_line(row));
    rows_.push_back(std::move(row));
}

Result<void> write_file(const std::string& path, std::string_view content) {
    const mode_t before = ::umask(S_IRWXG | S_IRWXO);
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    ::umask(before);
    file << content;
    file.close();
    if (!file) return Error::unavailable("cannot write " + path);
    return {};
}

Result<Identities> Identities::create(
    const std::string& directory, const std::string& server_name,
    const std::string& client_service) {
    const auto ca = http::TestCa::create_root("adyton bench");
    http::LeafOptions server;
    server.common_name = server_name;
    server.ip_addresses = {"127.0.0.1"};
    server.marble_types = {"neoaccounts"};
    const auto server_identity = ca.issue(server);
    http::LeafOptions client;
    client.common_name = client_service;
    client.marble_types = {client_service};
    const auto client_identity = ca.issue(client);
    Identities out;
    out.client = {
        ca.certificate_pem(), client_identity.certificate_chain_pem,
        client_identity.private_key_pem};
    crypto::SystemRandom().fill(out.master);
    const auto write = [&directory](const std::string& name, std::string_view content) {
        return write_file(directory + "/" + name, content);
    };
    TRY_VOID(write("ca.pem", out.client.ca));
    TRY_VOID(write("client.pem", out.client.certificate));
    TRY_VOID(write("client.key", out.client.key));
    TRY_VOID(write("server.pem", server_identity.certificate_chain_pem));
    TRY_VOID(write("server.key", server_identity.private_key_pem));
    TRY_VOID(write("master.key", "hex:" + base::hex_encode(out.master)));
    return out;
}

std::string tls_settings(const std::string& directory) {
    return fmt::format(
        "[tls]\n"
        "certificate = {{file = \"{0}/server.pem\"}}\n"
        "key = {{file = \"{0}/server.key\"}}\n"
        "client_ca = {{file = \"{0}/ca.pem\"}}\n",
        directory);
}

Result<void> run_migration(base::EventLoop& loop, const Migration& migration) {
    TRY(auto process, ServerProcess::start(
                          {{migration.executable, "migrate", "--config", migration.config,
                            "--data-dir", migration.data},
                           {},
                           migration.log_path,
                           migration.core}));
    TRY(const int status, process.wait_exit(loop, kReadyPatience));
    if (status == 0) return {};
    return Error::internal("adyton migrate failed; see " + migration.log_path);
}

Result<void> check_names(
    const std::vector<std::string>& only, const std::vector<std::string>& names) {
    for (const std::string& name : only) {
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            return Error::invalid_argument("--only: no measurement " + name);
        }
    }
    return {};
}

}  // namespace adyton::apps::bench

#include "apps/bench/compute_peers.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "apps/bench/report.h"
#include "apps/bench/server_process.h"
#include "apps/files.h"

namespace adyton::apps::bench {
namespace {

constexpr auto kPatience = std::chrono::minutes(5);

// Where the shell would find it.
Result<std::string> find_program(const std::string& name) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (name.find('/') != std::string::npos) {
        if (fs::exists(name, error)) return fs::absolute(name, error).string();
        return Error::unavailable(name + " is not there");
    }
    const char* const path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "";
    while (!rest.empty()) {
        const std::size_t end = std::min(rest.find(':'), rest.size());
        const std::string candidate = std::string(rest.substr(0, end)) + "/" + name;
        if (fs::exists(candidate, error)) return candidate;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return Error::unavailable(name + " is not installed");
}

Result<std::vector<std::int64_t>> read_times(std::string_view text) {
    std::vector<std::int64_t> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::int64_t value = 0;
        const auto read = std::from_chars(text.data(), text.data() + end, value);
        if (read.ec != std::errc{} || read.ptr != text.data() + end) {
            return Error::unavailable("it said: " + std::string(text.substr(0, 200)));
        }
        out.push_back(value);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (out.empty()) return Error::unavailable("it said nothing");
    return out;
}

}  // namespace

Result<Peer> Peer::parse(std::string_view text) {
    const std::size_t equals = text.find('=');
    Peer out;
    if (equals != std::string_view::npos) {
        out.name = text.substr(0, equals);
        std::string_view rest = text.substr(equals + 1);
        while (!rest.empty()) {
            const std::size_t end = std::min(rest.find(' '), rest.size());
            if (end > 0) out.command.emplace_back(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
    }
    if (out.name.empty() || out.command.empty()) {
        return Error::invalid_argument("a peer is NAME=COMMAND");
    }
    return out;
}

Result<std::vector<std::int64_t>> run_peer(
    const PeerRun& with, const Peer& peer, std::string_view source, std::string_view input,
    std::size_t runs) {
    const std::string script = with.directory + "/peer.js";
    const std::string input_file = with.directory + "/peer.json";
    const std::string log = with.directory + "/peer.log";
    TRY_VOID(write_file(script, std::string(source)));
    TRY_VOID(write_file(input_file, std::string(input)));
    std::error_code error;
    std::filesystem::remove(log, error);
    ServerProcess::Options options;
    options.arguments = peer.command;
    TRY(options.arguments[0], find_program(peer.command[0]));
    options.arguments.insert(options.arguments.end(), {script, std::to_string(runs), input_file});
    options.environment = {"HOME=" + with.directory, "NO_COLOR=1"};
    options.log_path = log;
    options.core = with.core;
    TRY(auto process, ServerProcess::start(options));
    TRY(const int status, process.wait_exit(with.loop, kPatience));
    TRY(const auto text, read_file(log, std::size_t{1} << 20U));
    if (status != 0) {
        return Error::unavailable(fmt::format("it ended with {}: {}", status, text.substr(0, 200)));
    }
    return read_times(text);
}

}  // namespace adyton::apps::bench

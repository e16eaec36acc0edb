#include "apps/marble_command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "apps/command.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "service/settings.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

constexpr std::array<std::string_view, 5> kKept = {"PATH", "HOME", "LANG", "TZ", "TMPDIR"};

// The certificates and their key, which every activation brings anew.
bool is_own_credential(std::string_view name) {
    return name.starts_with("MARBLE_PREDEFINED_") || name == "MARBLE_KEY" || name == "MARBLE_CERT";
}

struct MarbleCommandOptions {
    std::string type;
    std::string root;
    bool unpinned = false;
    std::string platform = "simulation";
    std::string files_directory;
    int attempts = 60;
    std::vector<std::string> command;
};

std::string variable(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

std::vector<std::string> split_names(const std::string& text) {
    std::vector<std::string> out;
    std::size_t at = 0;
    while (at <= text.size()) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        if (comma > at) out.push_back(text.substr(at, comma - at));
        at = comma + 1;
    }
    return out;
}

Result<std::optional<crypto::Sha256Digest>> parse_pin(const MarbleCommandOptions& options) {
    if (options.root.empty() != options.unpinned) {
        return Error::invalid_argument(
            "say --coordinator-root-sha256, which Coordinator this program believes; or, for a "
            "trial, --any-coordinator");
    }
    if (options.root.empty()) return std::optional<crypto::Sha256Digest>();
    const auto bytes = base::hex_decode(options.root);
    if (!bytes || bytes->size() != crypto::Sha256Digest::kSize) {
        return Error::invalid_argument("--coordinator-root-sha256 wants 64 hex digits");
    }
    TRY(const auto digest, crypto::Sha256Digest::parse(*bytes));
    return std::optional<crypto::Sha256Digest>(digest);
}

// What the host may choose comes from its variables; what must not be its choice from the command
// line, which the enclave's manifest covers.
Result<attest::MarbleOptions> marble_options(const MarbleCommandOptions& options) {
    attest::MarbleOptions out;
    TRY(out.coordinator_root, parse_pin(options));
    out.marble_type = options.type;
    const std::string said = variable("EDG_MARBLE_TYPE");
    if (!said.empty() && said != options.type) {
        return Error::invalid_argument(
            "EDG_MARBLE_TYPE names another marble type than --type: this program is only the one");
    }
    const std::string coordinator = variable("EDG_MARBLE_COORDINATOR_ADDR");
    if (!coordinator.empty()) out.coordinator = coordinator;
    const std::string names = variable("EDG_MARBLE_DNS_NAMES");
    if (!names.empty()) out.dns_names = split_names(names);
    const std::string uuid = variable("EDG_MARBLE_UUID_FILE");
    if (!uuid.empty()) out.uuid_file = uuid;
    out.attempts_max = options.attempts;
    return out;
}

std::set<std::string> known_variables(service::Schema schema) {
    std::set<std::string> out;
    for (const service::Setting& setting : schema) {
        for (std::string& name : service::variables_of(setting)) out.insert(std::move(name));
    }
    for (const std::string_view name : service::watched_variables()) out.emplace(name);
    return out;
}

std::vector<std::string> lasting_secrets(service::Schema schema) {
    std::vector<std::string> out = service::secret_variable_names(schema);
    std::erase_if(out, [](const std::string& name) { return is_own_credential(name); });
    return out;
}

// Everything that a marble holds for its life. Destroyed after the command has ended.
struct Marble {
    crypto::SystemRandom random;
    attest::MarbleOptions options;
    std::unique_ptr<attest::EvidenceProvider> evidence;
    attest::ActivationMemory memory{random};
    attest::SecretSource secrets;

    // SIGHUP: new certificates, the same secrets.
    Result<void> renew(attest::SecretSource& into) {
        attest::MarbleOptions once = options;
        once.attempts_max = 1;
        TRY(auto again, attest::activate_marble(once, evidence.get(), random));
        TRY_VOID(memory.check(again.parameters));
        const service::Schema schema = service::serve_schema();
        auto& env = again.parameters.env;
        std::erase_if(env, [](const auto& entry) { return !is_own_credential(entry.first); });
        again.parameters.secrets.clear();
        install_activation(again, schema, into);
        return {};
    }
};

Result<void> start(Marble& marble, const MarbleCommandOptions& options) {
    TRY(marble.options, marble_options(options));
    TRY(const auto platform, attest::parse_platform_mode(options.platform));
    TRY(marble.evidence, attest::open_evidence(platform, marble.random));
    return {};
}

// The command line that runs as this marble: ours, or the manifest's.
Result<std::vector<std::string>> command_of(
    const MarbleCommandOptions& options, const attest::MarbleActivation& activation) {
    std::vector<std::string> out = options.command;
    const auto& given = activation.parameters.argv;
    if (out.empty() && given.size() > 1) out.assign(given.begin() + 1, given.end());
    if (out.empty()) {
        return Error::invalid_argument(
            "nothing to run: say it after --, or in the manifest's Argv; for example -- serve "
            "pool");
    }
    if (out.front() == "marble") return Error::invalid_argument("a marble runs no marble");
    return out;
}

Exit run_marble(Process& process, const MarbleCommandOptions& options, bool json) {
    Marble marble;
    const auto fail = [&](const Error& error) {
        process.console.fail(error, json);
        return Exit::Failed;
    };
    if (const auto ready = start(marble, options); !ready) return fail(ready.error());
    if (!marble.options.coordinator_root) {
        process.console.warning(
            "ANY COORDINATOR: nobody checked who gave this program its keys; for trials only");
    }
    auto activation = attest::activate_marble(marble.options, marble.evidence.get(), marble.random);
    if (!activation) return fail(activation.error());
    const service::Schema schema = service::serve_schema();
    marble.memory.remember(activation->parameters, lasting_secrets(schema));
    const auto command = command_of(options, *activation);
    if (!command) return fail(command.error());
    const auto written = write_activation_files(activation->parameters, options.files_directory);
    if (!written) return fail(written.error());
    scrub_environment();
    marble.secrets.set_coordinator_root(activation->coordinator_root);
    const MarbleEnvironment inner = install_activation(*activation, schema, marble.secrets);
    for (const std::string& name : inner.ignored) {
        process.console.warning("the manifest's variable " + printable(name) + " is no setting");
    }
    marble.secrets.set_refresher(
        [&marble](attest::SecretSource& into) { return marble.renew(into); });
    Process as_marble{
        process.console, marble.secrets, inner.inputs, process.hardening, process.executable};
    return run_command_line(*command, as_marble);
}

}  // namespace

MarbleEnvironment install_activation(
    attest::MarbleActivation& activation, service::Schema schema, attest::SecretSource& secrets) {
    MarbleEnvironment out;
    const std::vector<std::string> names = service::secret_variable_names(schema);
    const std::set<std::string> secret(names.begin(), names.end());
    const std::set<std::string> known = known_variables(schema);
    for (auto& [name, value] : activation.parameters.env) {
        if (value.empty()) continue;
        if (secret.contains(name)) {
            out.inputs.secret_variables.insert(name);
            secrets.put(name, std::move(value));
        } else if (known.contains(name)) {
            const std::string text(base::as_text(value.expose()));
            out.inputs.environment.insert_or_assign(name, text);
            secrets.put_public(name, text);
        } else if (!is_own_credential(name)) {
            out.ignored.push_back(name);
        }
    }
    for (auto& [name, value] : activation.parameters.secrets) {
        if (secret.contains(name)) {
            out.inputs.secret_variables.insert(name);
            secrets.put_bytes(name, std::move(value));
        } else {
            out.ignored.push_back(name);
        }
    }
    activation.parameters.env.clear();
    activation.parameters.secrets.clear();
    return out;
}

std::vector<std::string> scrub_environment() {
    std::vector<std::string> gone;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const std::string_view name = text.substr(0, text.find('='));
        const bool kept =
            name.starts_with("LC_") || std::find(kKept.begin(), kKept.end(), name) != kKept.end();
        if (kept || name.size() == text.size()) continue;
        gone.emplace_back(name);
        char* const value = *entry + name.size() + 1;
        crypto::wipe({reinterpret_cast<std::uint8_t*>(value), std::strlen(value)});
    }
    for (const std::string& name : gone) ::unsetenv(name.c_str());
    return gone;
}

Result<void> write_activation_files(
    const attest::ActivationParameters& parameters, const std::string& directory) {
    for (const auto& [path, value] : parameters.files) {
        const bool below = !directory.empty() && path.starts_with(directory + "/") &&
                           path.find("/../") == std::string::npos && !path.ends_with("/..");
        if (!below) {
            return Error::permission_denied(
                "the manifest's file " + path + " is not below --files-directory");
        }
        const int fd = ::open(
            path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
        if (fd < 0) {
            const std::string message = path + ": " + std::strerror(errno);
            return errno == EEXIST ? Error::conflict(message) : Error::unavailable(message);
        }
        const auto bytes = value.expose();
        const ssize_t written = ::write(fd, bytes.data(), bytes.size());
        const bool whole = written == static_cast<ssize_t>(bytes.size());
        if (::close(fd) != 0 || !whole) return Error::unavailable(path + ": cannot be written");
    }
    return {};
}

void add_marble_command(CLI::App& root, Invocation& invocation) {
    CLI::App& command = add_command(
        root, invocation,
        {.name = "marble",
         .summary = "Be activated by a MarbleRun Coordinator, then run a command with its secrets",
         .details =
             "Shows this program's quote to the Coordinator (EDG_MARBLE_COORDINATOR_ADDR, "
             "EDG_MARBLE_DNS_NAMES and EDG_MARBLE_UUID_FILE say where and as whom) and takes "
             "secrets and certificates straight into locked memory. Before anything received is "
             "used, the Coordinator must prove to be the one that is pinned. All other variables "
             "of the environment are wiped: the host has no say. Put this command line into the "
             "measured part of the enclave's manifest. SIGHUP asks for new certificates; should "
             "the master key then be another one, the service stops.",
         .examples = {
             "adyton marble --type accountpool --coordinator-root-sha256 HEX -- serve pool "
             "--config /app/adyton.toml",
             "adyton marble --type accountpool --any-coordinator -- serve pool   # a trial"}});
    const auto options = std::make_shared<MarbleCommandOptions>();  // shared: copied callback
    command.add_option("--type", options->type, "The marble type that this program is")->required();
    command.add_option(
        "--coordinator-root-sha256", options->root,
        "SHA-256 of the Coordinator's root certificate, DER, 64 hex digits");
    command.add_flag(
        "--any-coordinator", options->unpinned, "Believe whoever answers; for trials only");
    command
        .add_option("--platform", options->platform, "gramine: with a quote; simulation: without")
        ->check(CLI::IsMember({"gramine", "simulation"}))
        ->capture_default_str();
    command.add_option(
        "--files-directory", options->files_directory,
        "Where the manifest's files may be written; in an enclave a tmpfs");
    command.add_option("--attempts", options->attempts, "How often to ask while it is not ready")
        ->check(CLI::Range(1, 100'000))
        ->capture_default_str();
    command.add_option("command", options->command, "The command to run, after --");
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_marble(process, *options, invocation.json);
    });
}

}  // namespace adyton::apps

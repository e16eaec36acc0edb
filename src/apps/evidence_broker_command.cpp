#include "apps/evidence_broker_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "apps/command.h"
#include "attest/evidence_broker.h"
#include "base/event_loop.h"
#include "crypto/random.h"

namespace adyton::apps {
namespace {

struct BrokerCommandOptions {
    std::string platform;
    std::string socket = attest::kEvidenceSocket;
    std::vector<uid_t> users;
};

// The hardware itself, never another broker.
Result<std::unique_ptr<attest::EvidenceProvider>> hardware(
    attest::PlatformMode mode, base::RandomSource& random) {
    if (mode == attest::PlatformMode::Tsm) {
        return attest::tsm_evidence(attest::system_file_operations(), random);
    }
    TRY(auto device, attest::system_sev_guest_device());
    return attest::sev_guest_evidence(std::move(device));
}

Result<void> serve(Console& console, const BrokerCommandOptions& options) {
    crypto::SystemRandom random;
    TRY(const auto mode, attest::parse_platform_mode(options.platform));
    TRY(const auto provider, hardware(mode, random));
    base::WorkerThreads workers(1);
    const base::EventLoop clock(workers);
    attest::BrokerOptions broker_options;
    broker_options.socket = options.socket;
    broker_options.users.insert(options.users.begin(), options.users.end());
    TRY(const auto broker,
        attest::EvidenceBroker::listen(std::move(broker_options), *provider, clock));
    console.print("evidence of " + options.platform + " at " + options.socket);
    console.flush();
    for (;;) {
        const auto served = broker->serve(std::chrono::minutes(1));
        if (!served || served->problem.empty()) continue;
        console.warning(fmt::format("user {}: {}", served->user, printable(served->problem)));
        console.flush();
    }
}

}  // namespace

void add_evidence_broker_command(CLI::App& root, Invocation& invocation) {
    CLI::App& command = add_command(
        root, invocation,
        {.name = "evidence-broker",
         .summary = "Give this guest's evidence to services that are not root",
         .details =
             "configfs-tsm and /dev/sev-guest belong to root, and who holds keys should not be "
             "root. This process asks the platform for them: 64 bytes in, evidence out, on a Unix "
             "socket of mode 0660. Services with platform.mode tsm or sev-guest use it where it "
             "listens. It sees no secret, and nobody need trust it: evidence that binds anything "
             "else is refused.",
         .examples = {"adyton evidence-broker --platform tsm"}});
    const auto options =
        std::make_shared<BrokerCommandOptions>();  // shared: the callback is copied
    command.add_option("--platform", options->platform, "Whose evidence")
        ->required()
        ->check(CLI::IsMember({"tsm", "sev-guest"}));
    command.add_option("--socket", options->socket, "Where to listen")->capture_default_str();
    command.add_option("--user", options->users, "A user id that may ask; unset: the mode decides");
    on_run(command, invocation, [options, &invocation](Process& process) {
        const auto ended = serve(process.console, *options);
        process.console.fail(ended.error(), invocation.json);
        return Exit::Failed;
    });
}

}  // namespace adyton::apps

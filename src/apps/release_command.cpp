#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <utility>

#include "apps/command.h"
#include "apps/marble_command.h"
#include "apps/version.h"
#include "attest/key_release.h"
#include "attest/marble_secrets.h"
#include "base/event_loop.h"
#include "crypto/random.h"
#include "http/client.h"
#include "service/settings.h"

namespace adyton::apps {
namespace {

using base::Json;

struct ReleaseOptions {
    std::string type;
    std::string from;
    std::string authority;
    std::string platform = "simulation";
    std::vector<std::string> command;
};

Task<Result<Json>> exchange(http::Client& client, http::ClientRequest request) {
    auto sending = client.send(std::move(request));
    CO_TRY(const auto answer, co_await std::move(sending));
    if (answer.status != http::Status::Ok) {
        co_return Error::permission_denied(
            fmt::format(
                "the releaser refuses ({}): {}", static_cast<int>(answer.status),
                answer.body.substr(0, 200)),
            "release_refused");
    }
    auto json = Json::parse(answer.body);
    if (!json) co_return Error::corrupt_data("the releaser's answer is not JSON");
    co_return *std::move(json);
}

Result<http::ClientOptions> client_options(const ReleaseOptions& options) {
    http::ClientOptions out;
    if (!options.from.starts_with("https://")) {
        if (options.from.starts_with("http://127.0.0.1:")) return out;
        return Error::invalid_argument("--from wants https://HOST:PORT");
    }
    http::ClientTlsOptions tls;
    const attest::SecretSource source;
    TRY(const std::string pem,
        source.read_public_text({attest::SecretReference::Kind::File, options.authority}));
    tls.server_ca_pem.emplace_back(pem);
    TRY(out.tls, http::TlsContext::create_client(tls));
    return out;
}

// The whole exchange, on a loop that is gone before the command starts threads of its own.
Result<attest::ActivationParameters> obtain(const ReleaseOptions& options) {
    base::WorkerThreads workers(1);
    base::EventLoop loop(workers);
    TRY(auto settings, client_options(options));
    http::Client client(loop, std::move(settings));
    http::ClientRequest ask;
    ask.url = options.from + "/release/challenge";
    TRY(const Json challenge, loop.run_until_done(exchange(client, std::move(ask))));
    const Json* const text = challenge.find("challenge");
    if (text == nullptr || !text->is_string()) {
        return Error::corrupt_data("the releaser gives no challenge");
    }
    TRY(auto nonce, attest::base64url_decode(text->string_value()));
    crypto::SystemRandom random;
    TRY(const auto platform, attest::parse_platform_mode(options.platform));
    TRY(const auto evidence, attest::open_evidence(platform, random));
    TRY(const auto request,
        attest::ReleaseRequest::create(
            options.type, std::move(nonce), std::string(kVersion), *evidence, random, loop.now()));
    http::ClientRequest send;
    send.method = "POST";
    send.url = options.from + "/release";
    send.headers.add("Content-Type", "application/json");
    send.body = request.bundle().to_json().dump();
    TRY(const Json answer, loop.run_until_done(exchange(client, std::move(send))));
    TRY(const auto sealed, attest::SealedRelease::parse(answer));
    return request.open(sealed);
}

Exit run_release(Process& process, const ReleaseOptions& options, bool json) {
    auto parameters = obtain(options);
    if (!parameters) {
        process.console.fail(parameters.error(), json);
        return Exit::Failed;
    }
    scrub_environment();
    attest::SecretSource secrets;
    if (const auto unpacked = attest::unpack_marble_secrets(*parameters); !unpacked) {
        process.console.fail(unpacked.error(), json);
        return Exit::Failed;
    }
    attest::MarbleActivation activation{*std::move(parameters), {}, {}};
    const MarbleEnvironment inner =
        install_activation(activation, service::serve_schema(), secrets);
    for (const std::string& name : inner.ignored) {
        process.console.warning("the released variable " + printable(name) + " is no setting");
    }
    Process as_released{
        process.console, secrets, inner.inputs, process.hardening, process.executable};
    return run_command_line(options.command, as_released);
}

}  // namespace

void add_release_command(CLI::App& root, Invocation& invocation) {
    CLI::App& command = add_command(
        root, invocation,
        {.name = "release",
         .summary = "Get secrets from a keystore by this platform's evidence, then run a command",
         .details =
             "For confidential VMs, where MarbleRun cannot go. Shows evidence that binds a key "
             "made "
             "for this one exchange; a keystore whose release.grants welcome this program seals "
             "its "
             "secrets to that key. They go straight into locked memory, and the environment is "
             "wiped as for a marble. Put this command line into the measured part of the image.",
         .examples = {
             "adyton release --type accountpool --from https://keystore.internal:8087 --ca "
             "/app/keystore-ca.crt --platform tsm -- serve pool --config /app/pool.toml"}});
    const auto options = std::make_shared<ReleaseOptions>();  // shared: the callback is copied
    command.add_option("--type", options->type, "The marble type that this program is")->required();
    command.add_option("--from", options->from, "The keystore, https://HOST:PORT")->required();
    command.add_option("--ca", options->authority, "Authorities of the keystore's TLS, PEM");
    command.add_option("--platform", options->platform, "What vouches for this program")
        ->check(CLI::IsMember({"gramine", "tsm", "sev-guest", "simulation"}))
        ->capture_default_str();
    command.add_option("command", options->command, "The command to run, after --")->required();
    on_run(command, invocation, [options, &invocation](Process& process) {
        return run_release(process, *options, invocation.json);
    });
}

}  // namespace adyton::apps

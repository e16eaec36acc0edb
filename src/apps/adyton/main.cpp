#include <openssl/crypto.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "apps/command.h"
#include "compute/host/library.h"
#include "script/zygote.h"
#include "service/config.h"
#include "service/settings.h"
#include "service/startup.h"

namespace {

using adyton::apps::Console;
using adyton::apps::Exit;

// OpenSSL keeps private keys of TLS in its own locked heap, out of core files, if there is one.
// Handshakes draw from it too: some hundred bytes each while they last.
constexpr std::size_t kOpenSslSecretBytes = std::size_t{1} << 20U;
constexpr std::size_t kOpenSslSecretBytesMin = 32;

// What MARBLE_SECRETS brought counts as set; what it brought in vain is said.
void tell(
    Console& console, const adyton::attest::SecretSource::InjectedSecrets& injected,
    adyton::service::ConfigInputs& environment) {
    environment.secret_variables.insert(injected.taken.begin(), injected.taken.end());
    for (const std::string& name : injected.replaced) {
        console.warning(name + " stands in MARBLE_SECRETS too, which counts");
    }
    for (const std::string& name : injected.unknown) {
        console.warning("MARBLE_SECRETS: " + name + " is no secret of this program");
    }
}

// Before anything else, and before threads: no core files, no look into this process, and the
// secrets of the environment moved into locked memory.
int run(int argc, char** argv) {
    const adyton::crypto::Hardening hardening = adyton::crypto::harden_process();
    ::CRYPTO_secure_malloc_init(kOpenSslSecretBytes, kOpenSslSecretBytesMin);
    const auto schema = adyton::service::serve_schema();
    adyton::service::ConfigInputs environment;
    adyton::service::read_environment(schema, adyton::service::watched_variables(), environment);
    adyton::attest::SecretSource secrets;
    const std::vector<std::string> names = adyton::service::secret_variable_names(schema);
    const auto taken = secrets.take_environment(names);
    const auto injected = secrets.take_marble_secrets(names);
    std::signal(SIGPIPE, SIG_IGN);

    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    Console console(
        std::cout, std::cerr, terminal ? Console::Kind::Terminal : Console::Kind::Plain);
    if (!taken || !injected) {
        console.fail(taken ? injected.error() : taken.error(), false);
        return static_cast<int>(Exit::Failed);
    }
    tell(console, *injected, environment);
    adyton::apps::Process process{
        console, secrets, environment, hardening, argc > 0 ? argv[0] : "adyton"};
    const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    const Exit exit = adyton::apps::run_command_line(arguments, process);
    console.flush();
    return static_cast<int>(exit);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        // Before anything else: executors of scripts inherit what this process has done by then.
        if (const auto status =
                adyton::script::run_zygote_if_asked(argc, argv, adyton::compute::host::library())) {
            return *status;
        }
        return run(argc, argv);
    } catch (const std::exception& error) {  // the last resort
        std::cerr << "error: unexpected: " << error.what() << '\n';
    } catch (...) {
        std::cerr << "error: unexpected\n";
    }
    return static_cast<int>(Exit::Failed);
}

#pragma once

#include <set>
#include <string>
#include <vector>

#include "attest/marble_activation.h"
#include "attest/secret_source.h"
#include "base/result.h"
#include "service/config.h"

namespace adyton::apps {

// What an activation leaves to a command: settings and secrets as if they had stood in the
// environment, and nothing else of it.
struct MarbleEnvironment {
    service::ConfigInputs inputs;
    std::vector<std::string> ignored;  // names of variables that no setting reads
};

// Moves the variables of an activation to where settings are read from: secrets into `secrets`,
// the rest into the inputs. Values that no setting reads are dropped.
MarbleEnvironment install_activation(
    attest::MarbleActivation& activation, service::Schema schema, attest::SecretSource& secrets);

// Wipes and removes every variable of this process but a few that libraries read (PATH, HOME, LANG,
// LC_*, TZ). In main, before threads start. The names that went.
std::vector<std::string> scrub_environment();

// Writes the files of an activation: below `directory` only, mode 0600, replacing none.
// PermissionDenied: a path elsewhere. Conflict: it exists. Unavailable: the disk.
Result<void> write_activation_files(
    const attest::ActivationParameters& parameters, const std::string& directory);

}  // namespace adyton::apps

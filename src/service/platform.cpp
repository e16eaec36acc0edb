#include "service/platform.h"

#include "service/settings.h"

namespace adyton::service {

Result<attest::PlatformMode> decide_platform(const Config& config, attest::IdentityMode identity) {
    const auto key = settings::kPlatformMode;
    if (config.origin(key.name) == Origin::Environment) {
        return Error::invalid_argument(
            config.where(key.name) +
            ": platform.mode: the host chooses the environment; say it in the configuration file "
            "or with --set, which measurements cover");
    }
    TRY(const auto platform, attest::parse_platform_mode(config.get(key)));
    if (platform != attest::PlatformMode::Simulation &&
        identity == attest::IdentityMode::Development) {
        return Error::invalid_argument(
            config.where(key.name) +
            ": platform.mode: hardware evidence is not given for development identity");
    }
    return platform;
}

}  // namespace adyton::service

#include "service/platform.h"

#include <gtest/gtest.h>

#include "service/settings.h"
#include "service/startup.h"

namespace adyton::service {
namespace {

using attest::IdentityMode;
using attest::PlatformMode;

Result<PlatformMode> decide(const ConfigInputs& inputs, IdentityMode identity) {
    TRY(const auto config, Config::load(serve_schema(), inputs));
    return decide_platform(config, identity);
}

TEST(PlatformTest, WithoutConfigurationItIsSimulation) {
    EXPECT_EQ(*decide({}, IdentityMode::Strict), PlatformMode::Simulation);
    EXPECT_EQ(*decide({}, IdentityMode::Development), PlatformMode::Simulation);
}

TEST(PlatformTest, TheConfigurationFileNamesIt) {
    ConfigInputs inputs;
    inputs.file_name = "adyton.toml";
    inputs.file_text = "[platform]\nmode = \"sev-guest\"\n";
    EXPECT_EQ(*decide(inputs, IdentityMode::Strict), PlatformMode::SevGuest);
    inputs.file_text = "[platform]\nmode = \"sgx\"\n";
    EXPECT_FALSE(decide(inputs, IdentityMode::Strict));
}

TEST(PlatformTest, TheEnvironmentCannotChooseIt) {
    for (const char* const mode : {"simulation", "tsm"}) {
        ConfigInputs inputs;
        inputs.environment = {{"ADYTON_PLATFORM_MODE", mode}};
        const auto refused = decide(inputs, IdentityMode::Strict);
        ASSERT_FALSE(refused) << mode;
        EXPECT_NE(refused.error().message().find("ADYTON_PLATFORM_MODE"), std::string::npos);
    }
}

TEST(PlatformTest, HardwareEvidenceIsNotGivenForDevelopmentIdentity) {
    for (const char* const mode : {"gramine", "tsm", "sev-guest"}) {
        ConfigInputs inputs;
        inputs.flags = {{"platform.mode", mode}};
        EXPECT_TRUE(decide(inputs, IdentityMode::Strict)) << mode;
        EXPECT_FALSE(decide(inputs, IdentityMode::Development)) << mode;
    }
}

}  // namespace
}  // namespace adyton::service

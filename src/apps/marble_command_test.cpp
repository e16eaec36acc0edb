#include "apps/marble_command.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "service/settings.h"
#include "service/startup.h"

namespace adyton::apps {
namespace {

crypto::SecretBuffer buffer(std::string_view text) {
    return crypto::SecretBuffer::copy_of(base::as_bytes(text)).value();
}

attest::MarbleActivation activation() {
    attest::MarbleActivation out;
    auto& env = out.parameters.env;
    env.emplace("POOL_MASTER_KEY", buffer("0123456789abcdef0123456789abcdef"));
    env.emplace("POOL_MASTER_KEY_HASH", buffer(std::string(64, 'a')));
    env.emplace(attest::kMarbleKey, buffer("KEY PEM"));
    env.emplace(attest::kMarbleChain, buffer("CHAIN PEM"));
    env.emplace(attest::kMarbleRoot, buffer("ROOT PEM"));
    env.emplace("SOMETHING_ELSE", buffer("x"));
    return out;
}

TEST(MarbleCommandTest, SecretsGoToTheSourceAndSettingsToTheConfiguration) {
    auto given = activation();
    attest::SecretSource secrets;
    const auto made = install_activation(given, service::serve_schema(), secrets);
    EXPECT_EQ(made.ignored, (std::vector<std::string>{"SOMETHING_ELSE"}));
    EXPECT_TRUE(made.inputs.secret_variables.contains("POOL_MASTER_KEY"));
    EXPECT_FALSE(made.inputs.environment.contains("POOL_MASTER_KEY"));
    EXPECT_EQ(made.inputs.environment.at("POOL_MASTER_KEY_HASH"), std::string(64, 'a'));
    const auto config = service::load_serve_config(made.inputs);
    ASSERT_TRUE(config) << config.error().message();
    namespace settings = service::settings;
    const auto key = secrets.read(*config->get(settings::kTlsKey));
    ASSERT_TRUE(key);
    EXPECT_EQ(base::as_text(key->expose()), "KEY PEM");
    EXPECT_EQ(*secrets.read_public_text(*config->get(settings::kTlsCertificate)), "CHAIN PEM");
    EXPECT_EQ(*secrets.read_public_text(*config->get(settings::kTlsClientCa)), "ROOT PEM");
    EXPECT_TRUE(secrets.read(*config->get(settings::kPoolMasterKey)));
    EXPECT_TRUE(given.parameters.env.empty());
}

TEST(MarbleCommandTest, AMarbleIsStrict) {
    auto given = activation();
    attest::SecretSource secrets;
    auto made = install_activation(given, service::serve_schema(), secrets);
    EXPECT_FALSE(service::strict_triggers(made.inputs).empty());
    made.inputs.flags = {{"identity.mode", "development"}};
    const auto config = service::load_serve_config(made.inputs);
    ASSERT_TRUE(config);
    EXPECT_FALSE(service::decide_identity_mode(*config, made.inputs));
}

TEST(MarbleCommandTest, TheHostsVariablesAreWiped) {
    ::setenv("POOL_MASTER_KEY", "the host's own", 1);
    ::setenv("ADYTON_CONFIG", "/host/adyton.toml", 1);
    ::setenv("LC_ALL", "C", 1);
    const auto gone = scrub_environment();
    EXPECT_NE(std::find(gone.begin(), gone.end(), "POOL_MASTER_KEY"), gone.end());
    EXPECT_EQ(std::getenv("POOL_MASTER_KEY"), nullptr);
    EXPECT_EQ(std::getenv("ADYTON_CONFIG"), nullptr);
    EXPECT_STREQ(std::getenv("LC_ALL"), "C");
    EXPECT_NE(std::getenv("PATH"), nullptr);
}

TEST(MarbleCommandTest, FilesAreWrittenBelowTheirDirectoryOnly) {
    std::string pattern = testing::TempDir() + "adyton-files-XXXXXX";
    const std::string directory = ::mkdtemp(pattern.data());
    const auto write = [&](const std::string& path) {
        attest::ActivationParameters parameters;
        parameters.files.emplace(path, buffer("content"));
        return write_activation_files(parameters, directory);
    };
    ASSERT_TRUE(write(directory + "/one"));
    struct stat status {};
    ASSERT_EQ(::stat((directory + "/one").c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
    EXPECT_EQ(write(directory + "/one").error().code(), ErrorCode::Conflict);
    for (const std::string& path :
         {std::string("/etc/adyton-test"), directory + "/../escaped", directory + "x/one",
          std::string("one"), directory + "/a/.."}) {
        EXPECT_FALSE(write(path)) << path;
    }
    attest::ActivationParameters parameters;
    parameters.files.emplace("/anywhere", buffer("x"));
    EXPECT_FALSE(write_activation_files(parameters, ""));
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace adyton::apps

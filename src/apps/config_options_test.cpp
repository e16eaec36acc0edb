#include "apps/config_options.h"

#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "service/settings.h"

namespace adyton::apps {
namespace {

namespace settings = service::settings;
using service::Origin;

// The configuration of a command that was given these arguments.
service::Config load(
    std::vector<std::string> arguments, const service::ConfigInputs& environment = {}) {
    CLI::App command("test");
    ConfigFlags flags;
    add_config_options(command, flags);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    command.parse(std::move(arguments));
    auto config = load_config(flags, environment);
    EXPECT_TRUE(config) << config.error().message();
    return config ? std::move(config).value() : load_config({}, {}).value();
}

TEST(ConfigOptionsTest, AFlagCountsWhenItIsGivenAndOnlyThen) {
    const auto config = load({"--metrics-listen", "127.0.0.1:9999"});
    EXPECT_EQ(config.get(settings::kMetricsListen), "127.0.0.1:9999");
    EXPECT_EQ(config.origin("metrics.listen"), Origin::Flag);
    EXPECT_EQ(config.origin("database.url"), Origin::Default);
    EXPECT_EQ(config.origin("listen"), Origin::Default);
}

TEST(ConfigOptionsTest, AnEmptyFlagIsGivenToo) {
    service::ConfigInputs environment;
    environment.environment = {{"DATABASE_URL", "postgres://db/adyton"}};
    const auto config = load({"--metrics-listen", "", "--database-url", ""}, environment);
    EXPECT_EQ(config.get(settings::kMetricsListen), "");
    EXPECT_EQ(config.origin("metrics.listen"), Origin::Flag);
    EXPECT_EQ(config.where("metrics.listen"), "--metrics-listen");
    EXPECT_EQ(config.get(settings::kDatabaseUrl), "");
    EXPECT_EQ(config.origin("database.url"), Origin::Flag);
}

TEST(ConfigOptionsTest, AnEmptyVariableIsNotSet) {
    service::ConfigInputs environment;
    environment.environment = {{"ADYTON_METRICS_LISTEN", ""}, {"DATABASE_URL", ""}};
    const auto config = load({}, environment);
    EXPECT_EQ(config.origin("metrics.listen"), Origin::Default);
    EXPECT_EQ(config.origin("database.url"), Origin::Default);
}

}  // namespace
}  // namespace adyton::apps

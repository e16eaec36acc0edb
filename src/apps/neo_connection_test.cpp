#include "apps/neo_connection.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "service/settings.h"

namespace adyton::apps {
namespace {

class NeoConnectionTest : public ::testing::Test {
protected:
    Result<std::unique_ptr<NeoConnection>> open(
        std::vector<std::pair<std::string, std::string>> settings) {
        service::ConfigInputs inputs;
        inputs.flags = std::move(settings);
        auto config = service::Config::load(service::serve_schema(), inputs);
        CHECK(config.has_value());
        return NeoConnection::open(*config, loop, base::null_logger());
    }
    std::string refusal(std::vector<std::pair<std::string, std::string>> settings) {
        const auto opened = open(std::move(settings));
        EXPECT_FALSE(opened);
        if (opened) return {};
        EXPECT_EQ(opened.error().code(), ErrorCode::InvalidArgument);
        return opened.error().message();
    }

    base::WorkerThreads workers{1};
    base::EventLoop loop{workers};
};

TEST_F(NeoConnectionTest, WithoutNodesThereIsNone) {
    const auto opened = open({{"neo.network", "860833102"}});
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ(*opened, nullptr);
}

TEST_F(NeoConnectionTest, NodesNeedANetworkBecauseNoneIsEverGuessed) {
    EXPECT_NE(
        refusal({{"neo.rpc_urls", "http://127.0.0.1:10332"}}).find("neo.network"),
        std::string::npos);
}

TEST_F(NeoConnectionTest, NodesThatMeanNothingAreRefusedByName) {
    for (const char* const urls :
         {"127.0.0.1:10332", "http://a,http://a", "ftp://a", "http://u:p@a"}) {
        EXPECT_NE(
            refusal({{"neo.rpc_urls", urls}, {"neo.network", "5"}}).find("neo.rpc_urls"),
            std::string::npos)
            << urls;
    }
    refusal({{"neo.rpc_urls", "http://a"}, {"neo.network", "5"}, {"neo.rpc_quorum", "2"}});
}

TEST_F(NeoConnectionTest, TheClientIsForTheConfiguredNetworkAndShowsItsNodesWithoutTheirPaths) {
    const auto opened = open(
        {{"neo.rpc_urls", "https://a.example/secret-key,http://[::1]:10332"},
         {"neo.network", "894710606"}});
    ASSERT_TRUE(opened) << opened.error().message();
    NeoConnection& connection = **opened;
    EXPECT_EQ(connection.client().magic(), neo::NetworkMagic::TestNet);
    const std::string info = connection.info().dump();
    EXPECT_NE(info.find("\"network\":894710606"), std::string::npos) << info;
    EXPECT_NE(info.find("a.example:443"), std::string::npos) << info;
    EXPECT_NE(info.find("[::1]:10332"), std::string::npos) << info;
    EXPECT_EQ(info.find("secret-key"), std::string::npos) << info;
}

}  // namespace
}  // namespace adyton::apps

#include "apps/local_near.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "base/event_loop.h"
#include "http/client.h"
#include "near/keys.h"

namespace adyton::apps {
namespace {

using base::Json;

class Asker {
public:
    Json ask(const std::string& url, const std::string& body) {
        http::ClientRequest request;
        request.method = "POST";
        request.url = url;
        request.body = body;
        Task<Result<http::Response>> sending = client_.send(std::move(request));
        const auto response = loop_.run_until_done(std::move(sending));
        return response ? Json::parse(response->body).value() : Json();
    }

private:
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    http::Client client_{loop_, {}};
};

TEST(LocalNearTest, ServesItsNetworkOverHttpAndItsFaucetPays) {
    LocalNearOptions options;
    options.port = 0;
    options.block_time = base::Duration::zero();
    const auto local = LocalNear::start(std::move(options));
    ASSERT_TRUE(local) << local.error().message();
    Asker asker;
    const Json status =
        asker.ask((*local)->url(), R"({"jsonrpc":"2.0","id":1,"method":"status","params":[]})");
    ASSERT_NE(status.find("result"), nullptr);
    EXPECT_EQ(status.find("result")->find("chain_id")->string_value(), kLocalNearChainId);
    const Json paid = asker.ask(
        (*local)->url(),
        R"({"jsonrpc":"2.0","id":1,"method":"adyton_faucet","params":{"account_id":"mike.near","amount":"5"}})");
    ASSERT_NE(paid.find("result"), nullptr) << paid.dump();
    const std::string hash = paid.find("result")->find("hash")->string_value();
    const Json landed = asker.ask(
        (*local)->url(),
        R"({"jsonrpc":"2.0","id":1,"method":"tx","params":{"tx_hash":")" + hash +
            R"(","sender_account_id":"faucet.adyton.near","wait_until":"FINAL"}})");
    ASSERT_NE(landed.find("result"), nullptr) << landed.dump();
    EXPECT_NE(landed.find("result")->find("status")->find("SuccessValue"), nullptr);
}

TEST(LocalNearTest, WithALedgerItGoesOnWhereItStopped) {
    std::string directory = ::testing::TempDir() + "/local-near-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    LocalNearOptions options;
    options.port = 0;
    options.block_time = base::Duration::zero();
    options.ledger_path = directory + "/near-ledger";
    Asker asker;
    const auto balance = [&](const LocalNear& local) {
        return asker
            .ask(
                local.url(),
                R"({"jsonrpc":"2.0","id":1,"method":"query","params":{"request_type":"view_account","finality":"optimistic","account_id":"mike.near"}})")
            .find("result")
            ->find("amount")
            ->string_value();
    };
    std::string before;
    {
        const auto local = LocalNear::start(options);
        ASSERT_TRUE(local) << local.error().message();
        EXPECT_EQ((*local)->blocks_replayed(), 0U);
        const std::string poor = balance(**local);
        const Json paid = asker.ask(
            (*local)->url(),
            R"({"jsonrpc":"2.0","id":1,"method":"adyton_faucet","params":{"account_id":"mike.near","amount":"5"}})");
        ASSERT_NE(paid.find("result"), nullptr) << paid.dump();
        const std::string hash = paid.find("result")->find("hash")->string_value();
        const Json landed = asker.ask(
            (*local)->url(),
            R"({"jsonrpc":"2.0","id":1,"method":"tx","params":{"tx_hash":")" + hash +
                R"(","sender_account_id":"faucet.adyton.near","wait_until":"FINAL"}})");
        ASSERT_NE(landed.find("result"), nullptr) << landed.dump();
        before = balance(**local);
        EXPECT_NE(before, poor);
    }
    const auto again = LocalNear::start(options);
    ASSERT_TRUE(again) << again.error().message();
    EXPECT_GT((*again)->blocks_replayed(), 3U);
    EXPECT_EQ(balance(**again), before);
    const auto third = LocalNear::start(options);
    ASSERT_FALSE(third);
    EXPECT_EQ(third.error().reason(), "data_dir_in_use");
    std::filesystem::remove_all(directory);
}

TEST(LocalNearTest, ItsPeoplesKeysAreThoseOfTheSecret) {
    LocalNearOptions options;
    options.port = 0;
    options.network.secret = "one";
    const auto local = LocalNear::start(options);
    ASSERT_TRUE(local);
    const auto text = (*local)->secret_key((*local)->names().relayer);
    const auto key = near::parse_secret_key(text.expose());
    ASSERT_TRUE(key);
    EXPECT_EQ(
        key->public_key(),
        localchain::near_network_key(base::as_bytes("one"), (*local)->names().relayer)
            .public_key());
    EXPECT_NE(
        key->public_key(),
        localchain::near_network_key(base::as_bytes("two"), (*local)->names().relayer)
            .public_key());
}

}  // namespace
}  // namespace adyton::apps

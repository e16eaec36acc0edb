#include "apps/local_neo.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "base/event_loop.h"
#include "base/json.h"
#include "crypto/test_bytes.h"
#include "http/client.h"
#include "localchain/neo_chain.h"
#include "neo/address.h"

namespace adyton::apps {
namespace {

using base::Json;

class LocalNeoTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "local-neo-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    LocalNeoOptions options() {
        LocalNeoOptions out;
        out.port = 0;
        out.block_time = std::chrono::milliseconds(20);
        out.ledger_path = (directory_ / "neo-ledger").string();
        return out;
    }
    static neo::MasterKey master(std::uint8_t fill) {
        const std::vector<std::uint8_t> bytes(32, fill);
        return std::move(neo::MasterKey::create(crypto::secret_bytes(bytes)).value());
    }
    static std::unique_ptr<LocalNeo> start(LocalNeoOptions options) {
        auto local = LocalNeo::start(std::move(options), local_neo_validator(master(7)));
        EXPECT_TRUE(local) << local.error().message();
        return local ? std::move(*local) : nullptr;
    }
    static Task<bool> pause(base::Executor& executor) {
        co_await base::sleep_for(executor, std::chrono::milliseconds(10));
        co_return true;
    }
    Json call(LocalNeo& local, const std::string& method, const std::string& params) {
        http::ClientRequest request;
        request.method = "POST";
        request.url = local.url() + "/";
        request.body = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"" + method +
                       "\",\"params\":" + params + "}";
        const auto answer = loop_.run_until_done(client_.send(std::move(request)));
        EXPECT_TRUE(answer) << answer.error().message();
        if (!answer) return {};
        auto json = Json::parse(answer->body);
        EXPECT_TRUE(json) << answer->body;
        return json ? std::move(*json) : Json();
    }
    // The balance that the node tells, once it is not nothing; empty after a while.
    std::string balance(LocalNeo& local, const std::string& address) {
        for (int tries = 0; tries < 200; ++tries) {
            const Json json = call(local, "getnep17balances", "[\"" + address + "\"]");
            const Json* const result = json.find("result");
            if (result == nullptr) return "no result";
            const auto& items = result->find("balance")->items();
            if (!items.empty()) return items[0].find("amount")->string_value();
            loop_.run_until_done(pause(loop_));
        }
        return {};
    }

    std::filesystem::path directory_;
    base::WorkerThreads workers_{1};
    base::EventLoop loop_{workers_};
    http::Client client_{loop_, {}};
};

TEST_F(LocalNeoTest, PaysFromTheFaucetAndRemembersItAcrossARestart) {
    const std::string to =
        neo::Address(neo::ScriptHash::of_script(base::as_bytes("somebody"))).to_string();
    std::uint32_t height = 0;
    {
        const auto local = start(options());
        ASSERT_NE(local, nullptr);
        const Json paid = call(
            *local, "adyton_faucet",
            "[{\"address\":\"" + to + "\",\"token\":\"GAS\",\"amount\":\"500000000\"}]");
        ASSERT_NE(paid.find("result"), nullptr) << paid.dump();
        EXPECT_EQ(balance(*local, to), "500000000");
        const Json count = call(*local, "getblockcount", "[]");
        height = static_cast<std::uint32_t>(count.find("result")->as_uint64().value()) - 1;
    }
    const auto again = start(options());
    ASSERT_NE(again, nullptr);
    EXPECT_GE(again->blocks_replayed(), height);
    EXPECT_EQ(balance(*again, to), "500000000");
}

TEST_F(LocalNeoTest, WithoutAFaucetNobodyIsPaid) {
    LocalNeoOptions plain = options();
    plain.faucet = false;
    plain.ledger_path.clear();
    const auto local = start(std::move(plain));
    ASSERT_NE(local, nullptr);
    const Json refused = call(*local, "adyton_faucet", "[{}]");
    ASSERT_NE(refused.find("error"), nullptr);
    EXPECT_EQ(refused.find("error")->find("code")->number_text(), "-32601");
}

TEST_F(LocalNeoTest, TheLedgerOfAnotherKeyIsRefused) {
    start(options());
    const auto other = LocalNeo::start(options(), local_neo_validator(master(8)));
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code(), ErrorCode::Conflict);
    EXPECT_EQ(other.error().reason(), "local_chain_settings");
}

TEST_F(LocalNeoTest, ATakenPortIsRefused) {
    const auto first = start(options());
    ASSERT_NE(first, nullptr);
    LocalNeoOptions second = options();
    second.ledger_path.clear();
    const std::string url = first->url();
    second.port = static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
    const auto refused = LocalNeo::start(std::move(second), local_neo_validator(master(7)));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::Unavailable);
}

TEST_F(LocalNeoTest, TheTreasuryFollowsTheMasterKey) {
    EXPECT_EQ(
        local_neo_validator(master(7)).public_key(), local_neo_validator(master(7)).public_key());
    EXPECT_FALSE(
        local_neo_validator(master(7)).public_key() == local_neo_validator(master(8)).public_key());
}

}  // namespace
}  // namespace adyton::apps

#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "sim/world.h"

namespace adyton::sim {

// A coordinator over its HTTP routes, in virtual time. Requests are answered at once with the state
// that they made.
class RoutesTest : public ::testing::Test {
protected:
    void open(WorldOptions options = {}) {
        const auto configure = options.configure;
        options.configure = [configure](coordinator::CoordinatorOptions& its) {
            its.execute_wait = base::Duration::zero();
            if (configure) configure(its);
        };
        test_ = storage::TestDatabase::create(storage::TestBackend::SqliteSimulated, options.seed);
        world_ = std::make_unique<World>(*test_, std::move(options));
    }
    void TearDown() override {
        if (world_ == nullptr) return;
        for (const std::string& violation : world_->violations()) ADD_FAILURE() << violation;
        world_.reset();
    }
    World& world() { return *world_; }

    // A workflow of so many transfers of the first wallet, kept; its id.
    std::string begin(std::size_t calls = 3, std::size_t wallet = 0) {
        auto& wish = world().wish(wallet, calls);
        const WorldAnswer answer = world().post(wish.path, wish.wallet, wish.body);
        EXPECT_TRUE(answer.status == 202 || answer.status == 200) << answer.text;
        wish.request_id = answer.string("request_id");
        wish.answered = true;
        return wish.request_id;
    }
    WorldAnswer record(const std::string& id, std::size_t wallet = 0) {
        return world().get("/wallet/v1/workflows/" + id, world().wallet(wallet));
    }
    // Until the record is at that phase.
    WorldAnswer until(const std::string& id, const std::string& phase, std::size_t wallet = 0) {
        WorldAnswer now;
        for (int i = 0; i < 1'000; ++i) {
            now = record(id, wallet);
            if (now.string("phase") == phase) return now;
            if (now.string("phase") == "done") break;
            // Phases pass quickly at first; what lasts may be looked at less often.
            world().pass(std::chrono::milliseconds(i < 200 ? 150 : 1'000));
        }
        ADD_FAILURE() << "never at " << phase << ": " << now.text;
        return now;
    }
    WorldAnswer control(const std::string& id, const std::string& what, std::size_t wallet = 0) {
        return world().post("/wallet/v1/workflows/" + id + "/" + what, world().wallet(wallet), "");
    }
    static void expect_error(const WorldAnswer& answer, int status, const std::string& code) {
        EXPECT_EQ(answer.status, status) << answer.text;
        EXPECT_EQ(answer.string("error"), code) << answer.text;
        EXPECT_FALSE(answer.string("message").empty());
    }

    // Every way in which a caller is nobody, and both in which it is the first wallet. `good` is
    // what the second are answered.
    void expect_auth(
        const std::string& method, const std::string& path, const std::string& body, int good) {
        const auto ask = [&](std::vector<std::pair<std::string, std::string>> headers) {
            return world().ask({method, path, "", body, std::move(headers)});
        };
        const std::string token(kInternalToken);
        const std::string wallet = world().wallet(0);
        SCOPED_TRACE(method + " " + path);
        expect_error(ask({}), 401, "missing_auth");
        expect_error(ask({{"X-Wallet-Id", wallet}}), 401, "missing_auth");
        expect_error(ask({{"Authorization", "Basic d2s="}}), 401, "missing_auth");
        expect_error(ask({{"Authorization", "Bearer wk_unknown-key"}}), 401, "invalid_api_key");
        expect_error(ask({{"X-Internal-Wallet-Auth", token}}), 401, "missing_wallet_id");
        expect_error(
            ask({{"X-Internal-Wallet-Auth", token + "x"}, {"X-Wallet-Id", wallet}}), 401,
            "invalid_internal_auth");
        // A wrong first way never falls through to a good second one.
        expect_error(
            ask(
                {{"X-Internal-Wallet-Auth", "wrong"},
                 {"X-Wallet-Id", wallet},
                 {"Authorization", "Bearer " + std::string(kApiKeyOfFirstWallet)}}),
            401, "invalid_internal_auth");
        expect_error(
            ask({{"X-Internal-Wallet-Auth", token}, {"X-Wallet-Id", "no wallet"}}), 400,
            "invalid_wallet_id");
        const WorldAnswer inside =
            ask({{"X-Internal-Wallet-Auth", token}, {"X-Wallet-Id", wallet}});
        EXPECT_EQ(inside.status, good) << inside.text;
        const WorldAnswer outside =
            ask({{"Authorization", "Bearer " + std::string(kApiKeyOfFirstWallet)}});
        EXPECT_EQ(outside.status, good) << outside.text;
    }

private:
    std::unique_ptr<storage::TestDatabase> test_;
    std::unique_ptr<World> world_;
};

}  // namespace adyton::sim

#include "chain/endpoints.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/sim_executor.h"
#include "chain/chain_test_support.h"
#include "chain/internal/neo_client_core.h"

namespace adyton::chain {
namespace {

using namespace std::chrono_literals;
using testing::FakeNode;
using testing::FakeTransport;
using testing::kMagic;
using testing::rpc_error;

class EndpointsTest : public ::testing::Test {
protected:
    void open(std::vector<std::string> urls, std::size_t quorum = 0) {
        EndpointsOptions options;
        options.urls = std::move(urls);
        options.quorum = quorum;
        options.probe_period = 1s;
        auto created = Endpoints::create(
            options,
            [](JsonRpc& rpc, base::Duration timeout) {
                return internal::probe_neo(rpc, timeout, neo::NetworkMagic{kMagic});
            },
            transport, executor, base::null_logger());
        ASSERT_TRUE(created) << created.error().message();
        endpoints = *std::move(created);
    }
    void refresh() { executor.run_until_done(endpoints->refresh()); }
    std::string reason(std::size_t index) { return endpoints->status()[index].reason; }
    using Indices = std::vector<std::size_t>;

    base::SimExecutor executor{7};
    FakeTransport transport{executor};
    FakeNode& a = transport.add("a:80");
    FakeNode& b = transport.add("b:80");
    FakeNode& c = transport.add("c:80");
    std::unique_ptr<Endpoints> endpoints;
};

TEST_F(EndpointsTest, TheQuorumIsTwoUnlessThereIsOnlyOne) {
    open({"http://a"});
    EXPECT_EQ(endpoints->quorum(), 1U);
    open({"http://a", "http://b", "http://c"});
    EXPECT_EQ(endpoints->quorum(), 2U);
    open({"http://a", "http://b", "http://c"}, 3);
    EXPECT_EQ(endpoints->quorum(), 3U);
}

TEST_F(EndpointsTest, ConfigurationsThatMeanNothingAreRefused) {
    const auto code = [this](std::vector<std::string> urls, std::size_t quorum) {
        EndpointsOptions options;
        options.urls = std::move(urls);
        options.quorum = quorum;
        const auto created =
            Endpoints::create(options, {}, transport, executor, base::null_logger());
        return created ? ErrorCode::Internal : created.error().code();
    };
    EXPECT_EQ(code({}, 0), ErrorCode::InvalidArgument);
    EXPECT_EQ(code({"http://a", "http://a"}, 0), ErrorCode::InvalidArgument);
    EXPECT_EQ(code({"http://a"}, 2), ErrorCode::InvalidArgument);
    EXPECT_EQ(code({"a:80"}, 0), ErrorCode::InvalidArgument);
    EXPECT_EQ(
        code(std::vector<std::string>(kEndpointsMax + 1, "http://a"), 0),
        ErrorCode::InvalidArgument);
}

TEST_F(EndpointsTest, NobodyIsAskedBeforeHeHasShownHisNetwork) {
    open({"http://a", "http://b"});
    EXPECT_TRUE(endpoints->ranked().empty());
    EXPECT_EQ(endpoints->ranked(1).error().code(), ErrorCode::Unavailable);
    EXPECT_FALSE(endpoints->last_seen());
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{0, 1}));
    EXPECT_EQ(endpoints->height(), 100U);
    EXPECT_TRUE(endpoints->last_seen());
}

TEST_F(EndpointsTest, ANodeOnAnotherNetworkIsNeverAsked) {
    open({"http://a", "http://b"});
    a.magic = 860833102;
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{1}));
    EXPECT_EQ(reason(0), "the node is on network 860833102, configured is 56753");
    const auto both = endpoints->ranked(2);
    ASSERT_FALSE(both);
    EXPECT_EQ(both.error().code(), ErrorCode::Unavailable);
    EXPECT_NE(both.error().message().find("860833102"), std::string::npos);

    b.magic = 1;
    refresh();
    EXPECT_EQ(endpoints->ranked(1).error().code(), ErrorCode::PermissionDenied);
    EXPECT_EQ(endpoints->ranked(1).error().reason(), "wrong_network");

    a.magic = kMagic;
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{0})) << "the right network again: nothing to wait for";
}

TEST_F(EndpointsTest, ANodeThatClaimsABlockItDoesNotHaveLies) {
    open({"http://a"});
    a.height_lie = 50;
    refresh();
    EXPECT_TRUE(endpoints->ranked().empty());
    EXPECT_EQ(reason(0), "it claims block 150 but does not have it");
    EXPECT_EQ(endpoints->height(), 0U) << "a lie counts for nothing";
    a.height_lie = 0;
    refresh();
    refresh();
    EXPECT_TRUE(endpoints->ranked().empty()) << "good again, but not yet for long enough";
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{0}));
    EXPECT_EQ(endpoints->height(), 100U);
}

TEST_F(EndpointsTest, AHeightThatGoesBackSetsTheNodeAsideAndNeverTheHeightBack) {
    open({"http://a", "http://b"});
    refresh();
    a.height = 98;
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{0, 1})) << "a load balancer's difference";
    a.height = 90;
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{1}));
    EXPECT_EQ(reason(0), "its height went back from 100 to 90");
    EXPECT_EQ(endpoints->height(), 100U);
}

TEST_F(EndpointsTest, ANodeFarAheadOfTwoOthersIsNotBelieved) {
    open({"http://a", "http://b", "http://c"});
    refresh();
    b.height = 5000;  // with headers to show for it
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{0, 2}));
    EXPECT_EQ(endpoints->height(), 100U);
    EXPECT_EQ(reason(1), "it claims block 5000, the others have 100");
}

TEST_F(EndpointsTest, ANodeThatLagsIsAskedLast) {
    open({"http://a", "http://b", "http://c"});
    a.height = 80;
    b.height = 90;
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{2, 1, 0}));
    EXPECT_EQ(reason(0), "20 blocks behind");
    EXPECT_FALSE(endpoints->status()[0].usable);
    EXPECT_TRUE(endpoints->status()[2].usable);
}

TEST_F(EndpointsTest, ANodeThatFailsTwiceIsAskedLastAndComesBackByItself) {
    open({"http://a", "http://b"});
    refresh();
    a.before = Error::unavailable("connection refused");
    for (int i = 0; i < 2; ++i) {
        EXPECT_FALSE(
            executor.run_until_done(endpoints->call(0, "getversion", base::Json::array())));
    }
    EXPECT_EQ(endpoints->ranked(), (Indices{1, 0}));
    EXPECT_EQ(reason(0), "getversion at a:80: connection refused");
    a.before.reset();
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{0, 1}));
    EXPECT_EQ(endpoints->status()[0].failures, 2U);
}

TEST_F(EndpointsTest, TheWatchFollowsTheChainAndWaitsLongerForTheDead) {
    open({"http://a", "http://b"});
    b.before = Error::unavailable("connection refused");
    endpoints->start();
    executor.run_for(30s);
    a.height = 130;
    executor.run_for(2s);
    EXPECT_EQ(endpoints->height(), 130U);
    const std::size_t probes_of_a = a.count("getversion");
    EXPECT_GE(probes_of_a, 30U);
    // 1, 2, 4, 8 and 16 seconds between probes, not one a second.
    EXPECT_LE(endpoints->status()[1].failures, 7U);
    b.before.reset();
    executor.run_for(60s);
    EXPECT_EQ(endpoints->ranked(), (Indices{0, 1}));
    endpoints->stop();
    executor.run();  // ends, because nothing is left
}

TEST_F(EndpointsTest, ADeadNodeDoesNotKeepTheOthersFromBeingWatched) {
    open({"http://a", "http://b"});
    b.delay = 1h;
    endpoints->start();
    executor.run_for(5s);
    EXPECT_EQ(endpoints->ranked(), (Indices{0}));
    EXPECT_GE(a.count("getblockcount"), 4U);
}

TEST_F(EndpointsTest, ConcurrentCallersShareTheFirstRound) {
    open({"http://a", "http://b"});
    constexpr auto kAsk = [](Endpoints* one) -> Task<bool> {
        Task<void> fresh = one->ensure_fresh();
        co_await std::move(fresh);
        co_return one->ranked().size() == 2;
    };
    std::vector<Task<bool>> tasks;
    for (int i = 0; i < 10; ++i) tasks.push_back(kAsk(endpoints.get()));
    const std::vector<bool> ready = executor.run_until_done(base::when_all(std::move(tasks)));
    EXPECT_EQ(ready, std::vector<bool>(10, true));
    EXPECT_EQ(a.count("getversion"), 1U);
}

TEST_F(EndpointsTest, AProbeThatMeetsTroubleProvesNoLie) {
    open({"http://a"});
    a.methods["getblockheader"] = [](const base::Json&) {
        return rpc_error(-32603, "Internal error");
    };
    refresh();
    EXPECT_TRUE(endpoints->ranked().empty());
    a.methods["getblockheader"] = [](const base::Json&) {
        return rpc_error(-32601, "Method not found");
    };
    refresh();
    EXPECT_EQ(endpoints->ranked(), (Indices{0})) << "a gateway without the method can be used";
}

// Three reads and a send at the same moment; what each was told, an error as its text.
class EndpointsTogetherTest : public EndpointsTest {
protected:
    std::vector<std::string> ask() {
        std::vector<Task<std::string>> calls;
        for (const char* const method :
             {"getapplicationlog", "gettransactionheight", "getapplicationlog",
              "sendrawtransaction"}) {
            calls.push_back(one(method));
        }
        return executor.run_until_done(base::when_all(std::move(calls)));
    }
    Task<std::string> one(std::string method) {
        Task<Result<RpcAnswer>> calling = endpoints->call(0, method, base::Json::array());
        const Result<RpcAnswer> answer = co_await std::move(calling);
        if (!answer) co_return std::string(to_string(answer.error().code()));
        if (const auto* error = std::get_if<RpcError>(&*answer)) co_return error->to_string();
        co_return std::get<base::Json>(*answer).dump();
    }
    std::vector<std::string> send_many() {
        std::vector<Task<std::string>> calls;
        for (int i = 0; i < 20; ++i) calls.push_back(one("sendrawtransaction"));
        return executor.run_until_done(base::when_all(std::move(calls)));
    }
    void begin() {
        open({"http://a"});
        refresh();
        for (const char* const method :
             {"getapplicationlog", "gettransactionheight", "sendrawtransaction"}) {
            a.methods[method] = [name = std::string(method)](const base::Json&) {
                base::Json out = base::Json::object();
                out.set("result", base::Json::string(name));
                return out;
            };
        }
        a.methods["gettransactionheight"] = [](const base::Json&) {
            return rpc_error(-100, "Unknown transaction");
        };
        transport.requests.clear();
    }
    const std::vector<std::string> kTold = {
        "\"getapplicationlog\"", "-100 Unknown transaction", "\"getapplicationlog\"",
        "\"sendrawtransaction\""};
};

TEST_F(EndpointsTogetherTest, ReadsOfOneMomentShareARequestAndSendsDoNot) {
    begin();
    EXPECT_EQ(ask(), kTold);
    EXPECT_LT(transport.requests.size(), 4U);  // the simulated moment may end after the first
    EXPECT_EQ(a.count("getapplicationlog"), 2U);
    EXPECT_EQ(a.count("sendrawtransaction"), 1U);
}

TEST_F(EndpointsTogetherTest, ManyReadsAreSeveralRequests) {
    begin();
    std::vector<Task<std::string>> calls;
    for (int i = 0; i < 100; ++i) calls.push_back(one("getapplicationlog"));
    const auto told = executor.run_until_done(base::when_all(std::move(calls)));
    for (const std::string& text : told) EXPECT_EQ(text, kTold[0]);
    EXPECT_LE(transport.requests.size(), 8U);
}

TEST_F(EndpointsTogetherTest, SendsOfOneMomentShareARequestWithoutReads) {
    begin();
    const auto told = send_many();
    for (const std::string& text : told) EXPECT_EQ(text, kTold[3]);
    EXPECT_LT(transport.requests.size(), 15U);  // simulated moments end at random
    EXPECT_EQ(a.count("sendrawtransaction"), 20U) << "each once";
    for (const auto& request : transport.requests) {
        EXPECT_EQ(request.body.find("getapplicationlog"), std::string::npos);
    }
}

TEST_F(EndpointsTogetherTest, AfterARefusedBatchOfSendsNobodyKnowsThatNothingWasSent) {
    begin();
    transport.refuses_batches = true;
    a.after_method.insert({"sendrawtransaction", Error::unavailable("gone")});
    const auto told = send_many();
    // Those that had company in the batch; others went alone from the start.
    EXPECT_GT(std::count(told.begin(), told.end(), "outcome_unknown"), 1);
    const std::string alone = executor.run_until_done(one("sendrawtransaction"));
    EXPECT_EQ(alone, "unavailable");
}

TEST_F(EndpointsTogetherTest, AnEndpointThatTakesNoBatchesIsAskedOneByOne) {
    begin();
    transport.refuses_batches = true;
    EXPECT_EQ(ask(), kTold);
    const std::size_t before = transport.requests.size();
    EXPECT_EQ(before, 5U);  // a batch, and each alone
    EXPECT_EQ(ask(), kTold);
    EXPECT_EQ(transport.requests.size(), before + 4);  // it is not tried again
}

TEST_F(EndpointsTogetherTest, WhatBefallsTheRequestBefallsEachReadInIt) {
    begin();
    a.after_method.insert({"gettransactionheight", Error::outcome_unknown("lost")});
    const auto lost = ask();
    EXPECT_EQ(lost[1], "outcome_unknown");
    EXPECT_EQ(lost[2], "outcome_unknown");  // with the one before
    EXPECT_EQ(lost[3], kTold[3]);           // sent by itself
    a.after_method.clear();
    a.http_status = 503;
    a.body = "<html>";
    const auto told = ask();
    EXPECT_EQ(told[0], "outcome_unknown");
    a.http_status.reset();
    a.body = "[]";
    EXPECT_EQ(ask()[0], "corrupt_data");
    a.body.reset();
    EXPECT_EQ(ask(), kTold);
}

}  // namespace
}  // namespace adyton::chain

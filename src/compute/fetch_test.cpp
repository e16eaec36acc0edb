#include <gtest/gtest.h>

#include <map>
#include <vector>

#include "compute/fetch_policy.h"
#include "compute/http_fetch_broker.h"
#include "compute/job_plan.h"
#include "compute/public_address.h"
#include "compute/test_compute.h"

namespace adyton::compute {
namespace {

// ----- addresses --------------------------------------------------------------------------------

base::Bytes six(std::initializer_list<std::pair<std::size_t, std::uint8_t>> bytes) {
    base::Bytes out(16);
    for (const auto& [at, byte] : bytes) out[at] = byte;
    return out;
}

TEST(PublicAddressTest, PrivateAndSpecialIPv4AddressesAreNotPublic) {
    const std::vector<base::Bytes> refused = {
        {0, 0, 0, 0},      {0, 1, 2, 3},         {10, 0, 0, 1},     {10, 255, 255, 255},
        {100, 64, 0, 1},   {100, 100, 100, 200}, {127, 0, 0, 1},    {127, 255, 255, 254},
        {169, 254, 0, 1},  {169, 254, 169, 254}, {172, 16, 0, 1},   {172, 31, 255, 255},
        {192, 0, 0, 192},  {192, 0, 2, 1},       {192, 88, 99, 1},  {192, 168, 0, 1},
        {198, 18, 0, 1},   {198, 19, 255, 255},  {198, 51, 100, 1}, {203, 0, 113, 1},
        {224, 0, 0, 1},    {239, 255, 255, 255}, {240, 0, 0, 1},    {255, 255, 255, 255},
        {168, 63, 129, 16}};
    for (const auto& address : refused) {
        EXPECT_FALSE(is_public_address(address)) << base::hex_encode(address);
    }
    const std::vector<base::Bytes> allowed = {
        {1, 1, 1, 1},     {8, 8, 8, 8},     {9, 255, 255, 255}, {11, 0, 0, 0},
        {100, 63, 0, 1},  {100, 128, 0, 1}, {126, 0, 0, 1},     {128, 0, 0, 1},
        {169, 253, 0, 1}, {172, 15, 0, 1},  {172, 32, 0, 1},    {192, 167, 0, 1},
        {198, 17, 0, 1},  {198, 20, 0, 1},  {223, 255, 0, 1},   {168, 63, 129, 17}};
    for (const auto& address : allowed) {
        EXPECT_TRUE(is_public_address(address)) << base::hex_encode(address);
    }
}

TEST(PublicAddressTest, IPv6FormsThatLeadInsideAreNotPublic) {
    EXPECT_FALSE(is_public_address(six({})));                    // ::
    EXPECT_FALSE(is_public_address(six({{15, 1}})));             // ::1
    EXPECT_FALSE(is_public_address(six({{12, 127}, {15, 1}})));  // ::127.0.0.1
    const auto mapped = six({{10, 0xff}, {11, 0xff}, {12, 127}, {15, 1}});
    EXPECT_FALSE(is_public_address(mapped));  // ::ffff:127.0.0.1
    EXPECT_FALSE(is_public_address(six({{10, 0xff}, {11, 0xff}, {12, 8}, {13, 8}})));
    EXPECT_FALSE(is_public_address(six({{0, 0xfe}, {1, 0x80}, {15, 1}})));  // link-local
    EXPECT_FALSE(is_public_address(six({{0, 0xfe}, {1, 0xc0}, {15, 1}})));  // site-local
    EXPECT_FALSE(is_public_address(six({{0, 0xfc}, {15, 1}})));             // unique local
    EXPECT_FALSE(is_public_address(six({{0, 0xfd}, {2, 0x0e}, {3, 0xc2}, {14, 2}, {15, 0x54}})));
    EXPECT_FALSE(is_public_address(six({{0, 0xff}, {15, 1}})));  // multicast
    EXPECT_FALSE(is_public_address(six({{0, 0x20}, {1, 1}, {2, 0x0d}, {3, 0xb8}})));
    EXPECT_FALSE(is_public_address(six({{0, 0x20}, {1, 1}, {4, 1}})));  // Teredo
    const auto nat64 = [](std::uint8_t a, std::uint8_t b) {
        return six({{1, 0x64}, {2, 0xff}, {3, 0x9b}, {12, a}, {13, b}, {15, 1}});
    };
    EXPECT_FALSE(is_public_address(nat64(10, 0)));
    EXPECT_FALSE(is_public_address(nat64(127, 0)));
    EXPECT_TRUE(is_public_address(nat64(8, 8)));
    const auto six_to_four = [](std::uint8_t a, std::uint8_t b) {
        return six({{0, 0x20}, {1, 0x02}, {2, a}, {3, b}, {5, 1}});
    };
    EXPECT_FALSE(is_public_address(six_to_four(192, 168)));
    EXPECT_TRUE(is_public_address(six_to_four(8, 8)));
    EXPECT_TRUE(is_public_address(six({{0, 0x26}, {1, 0x06}, {2, 0x47}, {15, 1}})));
    EXPECT_FALSE(is_public_address(base::Bytes{}));
    EXPECT_FALSE(is_public_address(base::Bytes(5)));
}

// ----- rules ------------------------------------------------------------------------------------

FetchPolicy policy_of(const std::string& rules) {
    const auto json = base::Json::parse("{\"rules\":[" + rules + "]}");
    auto policy = FetchPolicy::parse(*json);
    EXPECT_TRUE(policy) << policy.error().message();
    return policy ? *std::move(policy) : FetchPolicy();
}

bool allows(
    const FetchPolicy& policy, const std::string& url, const std::string& method = "GET",
    const std::string& user = "alice", const std::string& app = "", std::size_t bytes = 0,
    std::uint32_t sequence = 0) {
    const auto parsed = http::Url::parse(url);
    if (!parsed) return false;
    return policy.find({user, app, method, *parsed, bytes, sequence}) != nullptr;
}

TEST(FetchPolicyTest, EverythingOfARuleMustFit) {
    const auto policy = policy_of(
        R"({"name":"p","users":["alice"],"hosts":["api.example","*.wild.example"],)"
        R"("methods":["GET","POST"],"paths":["/v1/"],"request_bytes_max":10,"count_max":2})");
    EXPECT_TRUE(allows(policy, "https://api.example/v1/prices?x=1"));
    EXPECT_TRUE(allows(policy, "https://API.example/v1"));
    EXPECT_TRUE(allows(policy, "https://a.wild.example/v1/", "POST"));
    EXPECT_TRUE(allows(policy, "https://a.b.wild.example/v1/"));
    EXPECT_FALSE(allows(policy, "http://api.example/v1/"));
    EXPECT_FALSE(allows(policy, "https://api.example:8443/v1/"));
    EXPECT_FALSE(allows(policy, "https://evil.example/v1/"));
    EXPECT_FALSE(allows(policy, "https://api.example.evil/v1/"));
    EXPECT_FALSE(allows(policy, "https://xapi.example/v1/"));
    EXPECT_FALSE(allows(policy, "https://wild.example/v1/"));
    EXPECT_FALSE(allows(policy, "https://evilwild.example/v1/"));
    EXPECT_FALSE(allows(policy, "https://api.example/"));
    EXPECT_FALSE(allows(policy, "https://api.example/v10"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/../v2"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/%2e%2e/v2"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1%2f..%2fv2"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/..;/v2"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/..;a=b/v2"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/%2e.%3b/v2"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/.;"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/..%5cv2"));
    EXPECT_TRUE(allows(policy, "https://api.example/v1/...;a/b;c/..d"));
    EXPECT_FALSE(allows(policy, "https://user@api.example/v1/"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/", "DELETE"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/", "GET", "bob"));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/", "POST", "alice", "", 11));
    EXPECT_FALSE(allows(policy, "https://api.example/v1/", "GET", "alice", "", 0, 2));
    EXPECT_TRUE(policy.concerns("alice", ""));
    EXPECT_FALSE(policy.concerns("bob", ""));
}

TEST(FetchPolicyTest, AnAppNarrowsAUserAndAStarMeansAll) {
    const auto policy =
        policy_of(R"({"users":["alice"],"apps":["a"],"hosts":["one.example"]},)"
                  R"({"users":["*"],"hosts":["all.example"],"schemes":["http","https"]})");
    EXPECT_TRUE(allows(policy, "https://one.example/", "GET", "alice", "a"));
    EXPECT_FALSE(allows(policy, "https://one.example/", "GET", "alice", "b"));
    EXPECT_FALSE(allows(policy, "https://one.example/", "GET", "bob", "a"));
    EXPECT_TRUE(allows(policy, "http://all.example/", "GET", "bob"));
    EXPECT_TRUE(policy.concerns("bob", ""));
}

TEST(FetchPolicyTest, AMalformedRuleIsRefused) {
    for (const std::string rule :
         {R"({"hosts":["a.example"]})", R"({"users":["*"]})", R"({"users":["*"],"hosts":[]})",
          R"({"users":["*"],"hosts":["A.example"]})", R"({"users":["*"],"hosts":["*"]})",
          R"({"users":["*"],"hosts":["a"],"typo":1})",
          R"({"users":["*"],"hosts":["a"],"methods":["CONNECT"]})",
          R"({"users":["*"],"hosts":["a"],"schemes":["ftp"]})",
          R"({"users":["*"],"hosts":["a"],"ports":[0]})",
          R"({"users":["*"],"hosts":["a"],"paths":["v1"]})",
          R"({"users":["*"],"hosts":["a"],"timeout":"soon"})",
          R"({"users":["*"],"hosts":["a"],"count_max":0})", "[]", "1"}) {
        const auto json = base::Json::parse("{\"rules\":[" + rule + "]}");
        EXPECT_FALSE(FetchPolicy::parse(*json)) << rule;
    }
    EXPECT_FALSE(FetchPolicy::parse(*base::Json::parse("{\"rule\":[]}")));
    EXPECT_TRUE(FetchPolicy::parse(*base::Json::parse("{}"))->empty());
}

// ----- the broker -------------------------------------------------------------------------------

// Answers by URL, and remembers what was asked.
class FakeNet final : public http::Transport {
public:
    Task<Result<http::Response>> send(http::ClientRequest request) override {
        const auto found = answers.find(request.url);
        const std::string url = request.url;
        seen.push_back(std::move(request));
        if (refuse.has_value()) co_return *refuse;
        if (found == answers.end()) co_return Error::unavailable("nobody at 10.0.0.7:443");
        co_return found->second;
    }
    static http::Response redirect(http::Status status, const std::string& to) {
        http::Response out = http::Response::empty(status);
        out.headers.set("Location", to);
        return out;
    }
    std::map<std::string, http::Response> answers;
    std::vector<http::ClientRequest> seen;
    std::optional<Error> refuse;
};

class BrokerTest : public ComputeTest {
public:
    void open_with(const std::string& rules) {
        broker_ = std::make_unique<HttpFetchBroker>(policy_of(rules), net);
        auto options = development();
        options.broker = broker_.get();
        open(options);
        broker_->use_keys(*compute().service().parts().keys);
    }
    // What the script's fetch of this request comes to.
    script::HostReply fetch(const std::string& json, std::vector<std::string> names = {}) {
        auto plan = std::make_shared<JobPlan>();
        plan->user = "alice";
        for (const std::string& name : names) {
            auto unit = [&](storage::Transaction& tx) {
                return adyton::compute::secrets::find(tx, "alice", name);
            };
            auto found = run(database().read(unit));
            plan->secrets.push_back({name, **found});
        }
        return run(broker_->fetch(plan, {0, "fetch", json}));
    }
    FakeNet net;

private:
    void TearDown() override {
        close();
        broker_.reset();
        ComputeTest::TearDown();
    }
    std::unique_ptr<HttpFetchBroker> broker_;
};

constexpr const char* kRules =
    R"({"users":["alice"],"hosts":["api.example","other.example"],"methods":["GET","POST"],)"
    R"("paths":["/v1"],"response_bytes_max":100})";

TEST_P(BrokerTest, AnAllowedRequestIsMadeAndItsAnswerGivenToTheScript) {
    open_with(kRules);
    net.answers["https://api.example/v1/a"] = http::Response::text(http::Status::Ok, "hello");
    const auto reply = fetch(
        R"({"url":"https://api.example/v1/a","method":"POST","headers":{"X-A":"1"},"body":"b"})");
    ASSERT_TRUE(reply.ok) << reply.json;
    const auto json = *base::Json::parse(reply.json);
    EXPECT_EQ(json.find("status")->number_text(), "200");
    EXPECT_EQ(json.find("body")->string_value(), "hello");
    ASSERT_EQ(net.seen.size(), 1u);
    EXPECT_EQ(net.seen[0].body, "b");
    EXPECT_EQ(net.seen[0].headers.find("X-A"), "1");
}

TEST_P(BrokerTest, WhatNoRuleAllowsIsNotSent) {
    open_with(kRules);
    for (const std::string url :
         {"https://evil.example/v1", "http://api.example/v1", "https://api.example/v2",
          "https://127.0.0.1/v1", "file:///etc/passwd", "javascript:1", ""}) {
        EXPECT_FALSE(fetch("{\"url\":\"" + url + "\"}").ok) << url;
    }
    EXPECT_FALSE(fetch(R"({"url":"https://api.example/v1","headers":{"Host":"x"}})").ok);
    EXPECT_FALSE(fetch(R"({"url":"https://api.example/v1","method":"TRACE"})").ok);
    EXPECT_FALSE(fetch("{}").ok);
    EXPECT_FALSE(fetch("no json").ok);
    EXPECT_TRUE(net.seen.empty());
}

TEST_P(BrokerTest, EachRedirectNeedsItsOwnPermission) {
    open_with(kRules);
    using http::Status;
    net.answers["https://api.example/v1/a"] = FakeNet::redirect(Status(302), "/v1/b");
    net.answers["https://api.example/v1/b"] =
        FakeNet::redirect(Status(307), "https://other.example/v1/c");
    net.answers["https://other.example/v1/c"] = http::Response::text(Status::Ok, "end");
    EXPECT_TRUE(fetch(R"({"url":"https://api.example/v1/a"})").ok);
    net.seen.clear();
    for (const std::string to :
         {"https://evil.example/v1", "http://api.example/v1/b", "//evil.example/v1", "/v2",
          "https://169.254.169.254/v1", "https://[::ffff:127.0.0.1]/v1", "ftp://api.example/v1"}) {
        net.answers["https://api.example/v1/a"] = FakeNet::redirect(Status(302), to);
        EXPECT_FALSE(fetch(R"({"url":"https://api.example/v1/a"})").ok) << to;
        EXPECT_EQ(net.seen.size(), 1u) << to;
        net.seen.clear();
    }
    net.answers["https://api.example/v1/a"] = FakeNet::redirect(Status(302), "/v1/a");
    EXPECT_FALSE(fetch(R"({"url":"https://api.example/v1/a"})").ok);
    EXPECT_EQ(net.seen.size(), 6u);
}

TEST_P(BrokerTest, CredentialsDoNotFollowARedirectToAnotherHost) {
    open_with(kRules);
    net.answers["https://api.example/v1/a"] =
        FakeNet::redirect(http::Status(307), "https://other.example/v1/c");
    net.answers["https://other.example/v1/c"] = http::Response::text(http::Status::Ok, "end");
    EXPECT_TRUE(fetch(R"({"url":"https://api.example/v1/a","headers":{"Authorization":"x",)"
                      R"("X-Other":"y"}})")
                    .ok);
    ASSERT_EQ(net.seen.size(), 2u);
    EXPECT_FALSE(net.seen[1].headers.find("Authorization").has_value());
    EXPECT_EQ(net.seen[1].headers.find("X-Other"), "y");
}

TEST_P(BrokerTest, AScriptLearnsNothingOfTheHostsNetwork) {
    open_with(kRules);
    const auto unreachable = fetch(R"({"url":"https://api.example/v1/none"})");
    EXPECT_FALSE(unreachable.ok);
    EXPECT_EQ(unreachable.json, "fetch refused: no answer");
    net.refuse = Error::permission_denied("10.0.0.1", "address_refused");
    EXPECT_EQ(
        fetch(R"({"url":"https://api.example/v1/none"})").json,
        "fetch refused: the host is not on the public internet");
    net.refuse.reset();
    net.answers["https://api.example/v1/big"] =
        http::Response::text(http::Status::Ok, std::string(101, 'x'));
    EXPECT_FALSE(fetch(R"({"url":"https://api.example/v1/big"})").ok);
}

TEST_P(BrokerTest, ABoundSecretGoesWhereItMayAndNowhereElse) {
    open_with(kRules);
    put_secret("token", "bearer-value", ",\"destinations\":[\"api.example\"]");
    put_secret("plain", "plain-value");
    net.answers["https://api.example/v1/a"] = http::Response::text(http::Status::Ok, "ok");
    net.answers["https://other.example/v1/a"] = http::Response::text(http::Status::Ok, "ok");
    const auto with = [](const std::string& host) {
        return "{\"url\":\"https://" + host +
               "/v1/a\",\"headers\":{\"Authorization\":\"Bearer {{secret:token}}\"}}";
    };
    EXPECT_TRUE(fetch(with("api.example"), {"token", "plain"}).ok);
    EXPECT_EQ(net.seen.back().headers.find("Authorization"), "Bearer bearer-value");
    EXPECT_FALSE(fetch(with("other.example"), {"token"}).ok);
    EXPECT_EQ(net.seen.size(), 1u);
    // A secret that was not granted, or that is not bound, is only text.
    EXPECT_TRUE(fetch(with("api.example")).ok);
    EXPECT_EQ(net.seen.back().headers.find("Authorization"), "Bearer {{secret:token}}");
    EXPECT_FALSE(fetch(R"({"url":"https://api.example/v1/a?t={{secret:token}}"})", {"token"}).ok);
    net.answers["https://api.example/v1/a"] =
        http::Response::text(http::Status::Ok, "you sent bearer-value");
    const auto echoed = fetch(with("api.example"), {"token"});
    EXPECT_FALSE(echoed.ok);
    EXPECT_EQ(echoed.json.find("bearer-value"), std::string::npos);
}

// In parts or compressed, an answer could repeat a secret unseen.
TEST_P(BrokerTest, WhereABoundSecretMayGoAnswersAreWholeAndPlain) {
    open_with(kRules);
    put_secret("token", "bearer-value", ",\"destinations\":[\"api.example\"]");
    auto& answer = net.answers["https://api.example/v1/a"];
    answer = http::Response::text(http::Status::Ok, "ok");
    net.answers["https://other.example/v1/a"] = answer;
    const auto with = [](const std::string& header, const std::string& host = "api.example") {
        return "{\"url\":\"https://" + host + "/v1/a\",\"headers\":{" + header + "}}";
    };
    for (const std::string header :
         {R"("Range":"bytes=0-9")", R"("if-range":"x")", R"("Accept-Encoding":"gzip")"}) {
        EXPECT_FALSE(fetch(with(header), {"token"}).ok) << header;
        EXPECT_TRUE(net.seen.empty()) << header;
        EXPECT_TRUE(fetch(with(header)).ok) << header;
        EXPECT_TRUE(fetch(with(header, "other.example"), {"token"}).ok) << header;
        net.seen.clear();
    }
    answer.headers.set("Content-Encoding", "identity");
    EXPECT_TRUE(fetch(with(""), {"token"}).ok);
    answer.headers.set("Content-Encoding", "gzip");
    EXPECT_FALSE(fetch(with(""), {"token"}).ok);
    EXPECT_TRUE(fetch(with("")).ok);
    answer = http::Response::text(http::Status(206), "ok");
    EXPECT_FALSE(fetch(with(""), {"token"}).ok);
    EXPECT_TRUE(fetch(with("")).ok);
    answer = http::Response::text(http::Status::Ok, R"({"you":"bearer-val\u0075e"})");
    EXPECT_FALSE(fetch(with(""), {"token"}).ok) << "a JSON escape";
}

TEST_P(BrokerTest, AnAnswerThatItsJsonMakesTooLongIsRefused) {
    open_with(R"({"users":["alice"],"hosts":["api.example"]})");
    net.answers["https://api.example/"] =
        http::Response::text(http::Status::Ok, std::string(400'000, '\x01'));
    const auto reply = fetch(R"({"url":"https://api.example/"})");
    EXPECT_FALSE(reply.ok);
    EXPECT_EQ(reply.json.substr(0, 60), "fetch refused: the answer is too large");
}

ADYTON_ON_ALL_DATABASES(BrokerTest);

}  // namespace
}  // namespace adyton::compute

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/event_loop.h"
#include "compute/http_fetch_broker.h"
#include "compute/job_result.h"
#include "compute/public_address.h"
#include "compute/receipt.h"
#include "compute/test_compute.h"
#include "http/guarded_client.h"
#include "http/server.h"
#include "http/test_pki.h"
#include "script/executors.h"

// fetch from end to end: a script in a real executor, the broker, a TLS server on this machine.
namespace adyton::compute {
namespace {

// The one address of the test that stands for the public internet; others of this machine do not.
constexpr const char* kPublic = "127.0.0.2";

bool stands_for_public(base::ByteView address) {
    const std::array<std::uint8_t, 4> here{127, 0, 0, 2};
    return std::equal(address.begin(), address.end(), here.begin(), here.end()) ||
           is_public_address(address);
}

// Remembers what went through the broker, as the service's receipt must state it.
class WatchedBroker final : public FetchBroker {
public:
    explicit WatchedBroker(HttpFetchBroker& inner) : inner_(inner) {}
    bool allows(const JobPlan& plan) const override { return inner_.allows(plan); }
    std::uint32_t count_max(const JobPlan& plan) const override { return inner_.count_max(plan); }
    Task<script::HostReply> fetch(
        std::shared_ptr<const JobPlan> plan, script::HostRequest request) override {
        FetchRecord record;
        record.request = crypto::sha256(base::as_bytes(request.json));
        asked.push_back(record.request);
        auto asking = inner_.fetch(std::move(plan), std::move(request));
        script::HostReply reply = co_await std::move(asking);
        record.reply = crypto::sha256(base::as_bytes(reply.json));
        seen.push_back(record);
        replies.push_back(reply.json);
        co_return reply;
    }
    std::vector<crypto::Sha256Digest> asked;
    std::vector<FetchRecord> seen;
    std::vector<std::string> replies;

private:
    HttpFetchBroker& inner_;
};

class FetchRunTest : public ComputeTest {
protected:
    void SetUp() override {
        ComputeTest::SetUp();
        if (IsSkipped()) return;
        add_routes();
        // Both on one port, which somebody else may have on one of the addresses.
        bool both = false;
        for (int attempt = 0; attempt < 20 && !both; ++attempt) {
            both = start(public_, kPublic, 0) &&
                   start(inside_, "127.0.0.1", public_.server->bound_port());
        }
        ASSERT_TRUE(both);
    }
    void TearDown() override {
        if (!IsSkipped()) {
            close();
            public_.server.reset();
            inside_.server.reset();
            executors_.reset();
            broker_.reset();
            client_.reset();
        }
        ComputeTest::TearDown();
    }

    base::EventLoop& loop() { return dynamic_cast<base::EventLoop&>(executor()); }
    std::string url(const std::string& path, const std::string& host = kPublic) {
        return "https://" + host + ":" + std::to_string(public_.server->bound_port()) + path;
    }

    // Rules are given what every one of them needs.
    void open_with(const std::string& more = "", const http::TestCa* trusted = nullptr) {
        const std::string rules =
            R"({"users":["alice"],"hosts":["127.0.0.2","127.0.0.1"],"ports":[)" +
            std::to_string(public_.server->bound_port()) + R"(],"methods":["GET","POST"])" + more +
            "}";
        auto policy = FetchPolicy::parse(*base::Json::parse("{\"rules\":[" + rules + "]}"));
        ASSERT_TRUE(policy) << policy.error().message();
        http::ClientTlsOptions tls;
        tls.server_ca_pem = {(trusted != nullptr ? *trusted : ca_).certificate_pem()};
        http::ClientOptions options;
        options.tls = *http::TlsContext::create_client(tls);
        client_ = std::make_unique<http::GuardedClient>(loop(), options, &stands_for_public);
        broker_ = std::make_unique<HttpFetchBroker>(*std::move(policy), *client_);
        watched_ = std::make_unique<WatchedBroker>(*broker_);
        auto executors = script::Executors::create(loop(), {});
        ASSERT_TRUE(executors) << executors.error().message();
        executors_ = *std::move(executors);
        auto with = development();
        with.broker = watched_.get();
        auto made = run(TestCompute::open(database(), executor(), *executors_, std::move(with)));
        ASSERT_TRUE(made) << made.error().message();
        compute_ = *std::move(made);
        broker_->use_keys(*compute().service().parts().keys);
    }

    // A job of this script; `more` are members of the request.
    TestAnswer run_script(const std::string& script, const std::string& more = "") {
        base::Json body = base::Json::object();
        body.set("script", base::Json::string(script));
        std::string text = body.dump();
        text.insert(text.size() - 1, more);
        return execute(text);
    }
    // The output of a job that must complete.
    std::string output(const std::string& script, const std::string& more = "") {
        const TestAnswer answer = run_script(script, more);
        EXPECT_EQ(answer.string("status"), "completed") << answer.text;
        return answer.has("output") ? answer.at("output").dump() : "";
    }
    std::string status_or_error(const std::string& to) {
        return output(
            "async function main() { try { return { s: (await fetch('" + to +
            "')).status }; } catch (e) { return { s: e.name + ': ' + e.message }; } }");
    }

    struct Site {
        http::Router router;
        http::ServerObserver observer;
        std::unique_ptr<http::Server> server;
    };
    Site public_;
    Site inside_;
    http::TestCa ca_ = http::TestCa::create_root("public internet");
    std::vector<std::string> authorizations_;
    std::vector<std::string> taken_;  // queries of /taken
    std::atomic<int> inside_answers_{0};
    base::Completion<bool> late_;  // what /late waits for
    std::unique_ptr<http::GuardedClient> client_;
    std::unique_ptr<HttpFetchBroker> broker_;
    std::unique_ptr<WatchedBroker> watched_;
    std::unique_ptr<script::Executors> executors_;

private:
    bool start(Site& site, const std::string& host, std::uint16_t port) {
        http::LeafOptions leaf;
        leaf.ip_addresses = {host};
        const http::PemIdentity identity = ca_.issue(leaf);
        http::ServerTlsOptions tls;
        tls.certificate_chain_pem = identity.certificate_chain_pem;
        tls.private_key_pem = identity.private_key_pem;
        tls.require_client_certificate = false;
        http::ServerOptions options;
        options.host = host;
        options.port = port;
        options.tls = *http::TlsContext::create_server(tls);
        site.server = std::make_unique<http::Server>(
            std::vector<base::EventLoop*>{&loop()}, options, site.router, site.observer);
        return site.server->start().has_value();
    }

    void add_routes() {
        using http::Response;
        using http::Status;
        public_.router.add("GET", "/price", [](http::Request&) -> Task<Response> {
            co_return Response::json(Status::Ok, R"({"usd":3.5})");
        });
        public_.router.add("POST", "/echo", [](http::Request& request) -> Task<Response> {
            co_return Response::text(Status::Ok, request.body);
        });
        public_.router.add("GET", "/big", [](http::Request& request) -> Task<Response> {
            const std::string bytes(request.query.find("bytes").value_or("0"));
            co_return Response::text(Status::Ok, std::string(std::stoul(bytes), 'x'));
        });
        public_.router.add("POST", "/login", [this](http::Request& request) -> Task<Response> {
            authorizations_.emplace_back(request.headers.find("Authorization").value_or(""));
            authorizations_.push_back(request.body);
            co_return Response::text(Status::Ok, "welcome");
        });
        public_.router.add("GET", "/repeat", [](http::Request& request) -> Task<Response> {
            co_return Response::text(
                Status::Ok,
                "you are " + std::string(request.headers.find("Authorization").value_or("")));
        });
        public_.router.add("POST", "/late", [this](http::Request&) -> Task<Response> {
            base::Completion<bool>& late = late_;  // g++ 12 would copy the member
            co_await late;
            co_return Response::text(Status::Ok, "late");
        });
        // Sends the caller where it says, in the form that the query names: an open redirector.
        public_.router.add("POST", "/forward", [](http::Request& request) -> Task<Response> {
            const std::string form(request.query.find("form").value_or(""));
            const std::size_t value = request.body.find('=') + 1;
            std::string location = request.body.substr(0, value);
            for (const char c : request.body.substr(value)) {
                const auto byte = static_cast<std::uint8_t>(c);
                const std::string digits = base::hex_encode(base::ByteView(&byte, 1));
                if (form == "plain") location += c;
                if (form == "percent") location += "%" + digits;
                if (form == "json") location += "%5Cu00" + digits;
                if (form == "hex") location += digits;
            }
            Response out = Response::empty(Status(302));
            out.headers.set("Location", location);
            co_return out;
        });
        public_.router.add("GET", "/taken", [this](http::Request& request) -> Task<Response> {
            taken_.emplace_back(request.query.find("x").value_or(""));
            co_return Response::text(Status::Ok, "thanks");
        });
        public_.router.add("GET", "/inside", [this](http::Request&) -> Task<Response> {
            Response out = Response::empty(Status(302));
            out.headers.set("Location", url("/metadata", "127.0.0.1"));
            co_return out;
        });
        inside_.router.add("GET", "/metadata", [this](http::Request&) -> Task<Response> {
            ++inside_answers_;
            co_return Response::text(Status::Ok, "credentials of the host");
        });
    }
};

TEST_P(FetchRunTest, AScriptFetchesAndTheReceiptHoldsTheHashesOfWhatWentOverTheWire) {
    open_with();
    const std::string script =
        "async function main() { const price = await (await fetch('" + url("/price") +
        "')).json(); const echo = await fetch('" + url("/echo") +
        "', { method: 'POST', headers: { 'X-A': '1' }, body: 'usd ' + price.usd });"
        "return { price, text: await echo.text(), status: echo.status }; }";
    const TestAnswer answer = run_script(script);
    ASSERT_EQ(answer.string("status"), "completed") << answer.text;
    EXPECT_EQ(answer.at("output").dump(), R"({"price":{"usd":3.5},"status":200,"text":"usd 3.5"})");
    ASSERT_EQ(watched_->seen.size(), 2u);
    EXPECT_NE(watched_->replies[1].find("usd 3.5"), std::string::npos);
    const auto receipt = parse_receipt(answer.at("receipt").dump());
    ASSERT_TRUE(receipt) << receipt.error().message();
    EXPECT_TRUE(check_signatures(*receipt));
    EXPECT_EQ(receipt->receipt.fetch_hash, fetch_hash(watched_->seen));
    EXPECT_NE(receipt->receipt.fetch_hash, fetch_hash({}));
    // Another answer is another receipt.
    auto other = watched_->seen;
    other[0].reply = crypto::sha256(base::as_bytes("another"));
    EXPECT_NE(receipt->receipt.fetch_hash, fetch_hash(other));
    EXPECT_NE(receipt->receipt.layers.find("own_process"), std::string::npos);
}

TEST_P(FetchRunTest, AUserWithoutARuleHasNoFetch) {
    open_with();
    base::Json body = base::Json::object();
    body.set("script", base::Json::string("function main() { return typeof fetch; }"));
    EXPECT_EQ(execute(body.dump(), "bob").at("output").dump(), R"({"result":"undefined"})");
    EXPECT_EQ(execute(body.dump(), "alice").at("output").dump(), R"({"result":"function"})");
}

TEST_P(FetchRunTest, ARedirectIntoTheMachineIsNotFollowedThoughARuleNamesTheHost) {
    open_with();
    const std::string refused =
        R"({"s":"TypeError: fetch refused: the host is not on the public internet"})";
    EXPECT_EQ(status_or_error(url("/inside")), refused);
    EXPECT_EQ(status_or_error(url("/metadata", "127.0.0.1")), refused);
    EXPECT_EQ(inside_answers_, 0);
    // No rule names these, however they are spelled.
    for (const std::string host :
         {"localhost", "[::1]", "2130706433", "0x7f.1", "169.254.169.254"}) {
        EXPECT_EQ(
            status_or_error(url("/metadata", host)),
            R"({"s":"TypeError: fetch refused: no rule allows it"})")
            << host;
    }
    EXPECT_EQ(inside_answers_, 0);
}

TEST_P(FetchRunTest, AnOverlongAnswerAndAnOverlongRequestAreRefused) {
    open_with(R"(,"response_bytes_max":1000,"request_bytes_max":10)");
    EXPECT_EQ(status_or_error(url("/big?bytes=1000")), R"({"s":200})");
    EXPECT_EQ(
        status_or_error(url("/big?bytes=1001")),
        R"({"s":"TypeError: fetch refused: the answer is too large"})");
    const auto post = [&](const std::string& bytes) {
        return output(
            "async function main() { try { return (await fetch('" + url("/echo") +
            "', { method: 'POST', body: 'x'.repeat(" + bytes +
            ") })).status; } catch (e) { return e.message; } }");
    };
    EXPECT_EQ(post("10"), R"({"result":200})");
    EXPECT_EQ(post("11"), R"({"result":"fetch refused: no rule allows it"})");
}

TEST_P(FetchRunTest, TheNumberOfRequestsOfAJobIsLimited) {
    open_with(R"(,"count_max":2)");
    EXPECT_EQ(
        output(
            "async function main() { const got = []; for (let i = 0; i < 4; i++) { try { "
            "got.push((await fetch('" +
            url("/price") + "')).status); } catch (e) { got.push(e.message); } } return got; }"),
        R"({"result":[200,200,"fetch refused: no rule allows it","fetch refused: no rule allows it"]})");
    // The next job counts anew.
    EXPECT_EQ(status_or_error(url("/price")), R"({"s":200})");
}

TEST_P(FetchRunTest, ARuleMayAllowMoreRequestsThanOthersDo) {
    open_with(R"(,"count_max":20)");
    const TestAnswer answer = run_script(
        "async function main() { let n = 0; try { for (; n < 30; n++) await fetch('" +
        url("/price") + "'); } catch (e) { return { n, e: e.message }; } }");
    ASSERT_EQ(answer.string("status"), "completed") << answer.text;
    EXPECT_EQ(answer.at("output").dump(), R"({"e":"no more requests are allowed","n":20})");
    EXPECT_EQ(parse_receipt(answer.at("receipt").dump())->receipt.limits.fetches, 20u);
}

TEST_P(FetchRunTest, ARequestWhoseAnswerNobodySawIsInTheReceipt) {
    open_with();
    // Its gas ends before the answer comes.
    const TestAnswer answer = run_script(
        "function main() { fetch('" + url("/late") +
            "', { method: 'POST', body: 'pay' }); "
            "for (;;) {} }",
        R"(,"metered_gas_max":20000000)");
    EXPECT_EQ(answer.string("error_code"), "gas_exhausted") << answer.text;
    late_.completer()->set(true);
    until([this] { return watched_->seen.size() == 1; });
    const auto receipt = parse_receipt(answer.at("receipt").dump());
    ASSERT_TRUE(receipt) << receipt.error().message();
    EXPECT_EQ(
        receipt->receipt.fetch_hash, fetch_hash({{watched_->asked.at(0), crypto::Sha256Digest{}}}));
}

TEST_P(FetchRunTest, ACancelledJobKeepsTheConsoleThatWasHeldBack) {
    open_with();
    put_secret("pin", "value-of-the-pin", R"(,"exportable":false,"on_leak":"redact")");
    base::Json body = base::Json::object();
    body.set(
        "script", base::Json::string(
                      "function main() { console.log('before'); console.log(secrets.pin); fetch('" +
                      url("/late") + "', { method: 'POST' }); for (;;) {} }"));
    std::string text = body.dump();
    text.insert(text.size() - 1, R"(,"secret_refs":["pin"])");
    const auto id = call({"POST", "/execute?wait=0", text, "alice", {}}).string("job_id");
    until([this] { return watched_->asked.size() == 1; });
    EXPECT_EQ(get("/jobs/" + id).text.find("before"), std::string::npos) << "not while it runs";
    call({"DELETE", "/jobs/" + id, "", "alice", {}});
    const TestAnswer answer = get("/jobs/" + id + "?wait=10");
    late_.completer()->set(true);
    until([this] { return watched_->seen.size() == 1; });
    EXPECT_EQ(answer.string("phase"), "cancelled") << answer.text;
    const std::string logs = answer.at("logs").dump();
    EXPECT_NE(logs.find(R"("before","[redacted:pin]")"), std::string::npos) << logs;
}

TEST_P(FetchRunTest, ARecordingSaysThatTheScriptHadFetch) {
    open_with();
    const auto id = run_script("function main() { return typeof fetch; }", R"(,"record":true)")
                        .string("job_id");
    EXPECT_TRUE(get("/jobs/" + id + "/recording").at("has_host").boolean_value());
}

TEST_P(FetchRunTest, AServerThatNobodyVouchesForGetsNothing) {
    const http::TestCa other = http::TestCa::create_root("somebody else");
    open_with("", &other);
    EXPECT_EQ(
        status_or_error(url("/price")),
        R"({"s":"TypeError: fetch refused: the server's certificate is not trusted"})");
}

TEST_P(FetchRunTest, ABoundSecretReachesItsDestinationAndNeverTheScript) {
    open_with();
    put_secret("token", "s3cr3t-value-of-alice", R"(,"destinations":["127.0.0.2"])");
    const std::string refs = R"(,"secret_refs":["token"])";
    const std::string headers = "headers: { Authorization: 'Bearer ' + secrets.token }";
    const TestAnswer sent = run_script(
        "async function main() { const r = await fetch('" + url("/login") +
            "', { method: 'POST', " + headers +
            ", body: 'key=' + secrets.token }); return { text: await r.text(), seen: "
            "secrets.token, length: secrets.token.length }; }",
        refs);
    ASSERT_EQ(sent.string("status"), "completed") << sent.text;
    EXPECT_EQ(
        authorizations_,
        (std::vector<std::string>{"Bearer s3cr3t-value-of-alice", "key=s3cr3t-value-of-alice"}));
    EXPECT_EQ(
        sent.at("output").dump(), R"({"length":16,"seen":"{{secret:token}}","text":"welcome"})");
    EXPECT_EQ(sent.text.find("s3cr3t"), std::string::npos);
    // A server that repeats it is not heard.
    EXPECT_EQ(
        output(
            "async function main() { try { return await (await fetch('" + url("/repeat") + "', { " +
                headers + " })).text(); } catch (e) { return e.message; } }",
            refs),
        R"({"result":"fetch refused: the answer holds a secret"})");
    // Nor does it go anywhere else.
    EXPECT_EQ(
        output(
            "async function main() { try { return (await fetch('" + url("/metadata", "127.0.0.1") +
                "', { " + headers + " })).status; } catch (e) { return e.message; } }",
            refs),
        R"({"result":"fetch refused: the secret token may not be sent to this host"})");
    EXPECT_EQ(inside_answers_, 0);
}

TEST_P(FetchRunTest, ABoundSecretDoesNotLeaveInTheLocationOfARedirect) {
    open_with();
    put_secret("token", "s3cr3t-value-of-alice", R"(,"destinations":["127.0.0.2"])");
    const auto sent = [this](const std::string& form, const std::string& value) {
        return output(
            "async function main() { try { return await (await fetch('" +
                url("/forward?form=" + form) + "', { method: 'POST', body: '" + url("/taken?x=") +
                "' + " + value + " })).text(); } catch (e) { return e.message; } }",
            R"(,"secret_refs":["token"])");
    };
    for (const std::string form : {"plain", "percent", "json", "hex"}) {
        EXPECT_EQ(
            sent(form, "secrets.token"),
            R"({"result":"fetch refused: the redirect holds a secret"})")
            << form;
    }
    EXPECT_EQ(taken_, std::vector<std::string>{});
    EXPECT_EQ(sent("plain", "'nothing'"), R"({"result":"thanks"})");
    EXPECT_EQ(taken_, std::vector<std::string>{"nothing"});
}

INSTANTIATE_TEST_SUITE_P(
    Sqlite, FetchRunTest, ::testing::Values(storage::TestBackend::Sqlite),
    [](const auto& database) { return storage::to_string(database.param); });

}  // namespace
}  // namespace adyton::compute

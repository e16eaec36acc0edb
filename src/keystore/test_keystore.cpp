#include "keystore/test_keystore.h"

#include <algorithm>

#include "audit/audit_log.h"
#include "keystore/internal/service_parts.h"
#include "keystore/schema.h"
#include "policy/rule.h"
#include "storage/migrator.h"
#include "workflow/idempotency.h"

namespace adyton::keystore {
namespace {

template <typename T>
T must(Result<T> result) {
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message());
    return std::move(result).value();
}

crypto::SecretBytes<32> secret_of(const std::string& hex) {
    const auto bytes = must(base::hex_decode(hex));
    crypto::SecretBytes<32> out;
    std::copy_n(bytes.begin(), 32, out.expose_mutable().begin());
    return out;
}

}  // namespace

std::vector<storage::Migration> all_migrations() {
    std::vector<storage::Migration> all;
    for (const auto part :
         {workflow::migrations(), audit::migrations(), policy::migrations(), migrations()}) {
        all.insert(all.end(), part.begin(), part.end());
    }
    std::sort(
        all.begin(), all.end(), [](const auto& a, const auto& b) { return a.number < b.number; });
    return all;
}

// ----- FakeChain --------------------------------------------------------------------------------

Task<Result<AccessKeyView>> FakeChain::access_key(near::AccountId account, near::PublicKey key) {
    ++asked;
    if (down) co_return Error::unavailable("no node answered");
    const auto found = keys.find(account.text() + " " + key.to_string());
    if (found == keys.end()) co_return Error::not_found("access key does not exist");
    AccessKeyView view;
    view.nonce = found->second;
    view.block_hash = block_hash;
    view.block_height = block.height;
    co_return view;
}

Task<Result<PayloadFate>> FakeChain::payload_fate(
    near::AccountId, near::AccountId, near::MessageNonce, base::Timestamp) {
    if (down) co_return Error::unavailable("no node answered");
    co_return fate;
}

Task<Result<PayloadFate>> FakeChain::delegate_fate(
    near::AccountId signer, near::PublicKey key, std::uint64_t nonce,
    std::uint64_t max_block_height) {
    ++asked;
    if (down) co_return Error::unavailable("no node answered");
    if (delegates) co_return delegates();
    const auto found = keys.find(signer.text() + " " + key.to_string());
    const bool over = block.height > max_block_height;
    if (found == keys.end()) co_return over ? PayloadFate::Consumed : PayloadFate::Open;
    if (found->second >= nonce) co_return PayloadFate::Consumed;
    co_return over ? PayloadFate::Dead : PayloadFate::Open;
}

void FakeChain::install(const std::string& account, const std::string& key, std::uint64_t nonce) {
    keys[account + " " + key] = nonce;
}

// ----- TestAnswer -------------------------------------------------------------------------------

const base::Json& TestAnswer::at(std::string_view name) const {
    const base::Json* const found = body.find(name);
    EXPECT_NE(found, nullptr) << name << " is missing in " << text;
    static const base::Json kNothing;
    return found == nullptr ? kNothing : *found;
}

std::string TestAnswer::string(std::string_view name) const {
    const base::Json& found = at(name);
    return found.is_string() ? found.string_value() : "";
}

// ----- TestKeystore -----------------------------------------------------------------------------

TestKeystore::~TestKeystore() = default;

Task<Result<std::unique_ptr<TestKeystore>>> TestKeystore::open(
    storage::Database& database, base::Executor& executor, FakeChain& chain,
    TestKeystoreOptions options) {
    std::unique_ptr<TestKeystore> made(new TestKeystore(options.seed));
    auto open_audit = audit::AuditLog::open(database, options.instance);
    CO_TRY(made->audit_, co_await std::move(open_audit));
    KeystoreParts parts{
        database,      executor,       base::null_logger(), *made->audit_,
        made->random_, made->metrics_, options.instance,    options.with_chain ? &chain : nullptr};
    auto create =
        KeystoreService::create(std::move(parts), secret_of(options.secret_hex), options.keystore);
    CO_TRY(made->service_, co_await std::move(create));
    made->service_->parts().ready.store(options.ready);
    made->build_frame(executor);
    co_return made;
}

void TestKeystore::build_frame(base::Executor& executor) {
    TokenHashes hashes;
    hashes.coordinators = {must(token_hash(kCoordinatorToken))};
    hashes.operators = {must(token_hash(kOperatorToken))};
    identity_ = must(TokenResolver::create(hashes, attest::IdentityMode::Development));
    service::FrameOptions frame;
    frame.service_name = kServiceName;
    frame.version = kServiceVersion;
    frame.health.probe_database = [this] { return service_->probe_database(); };
    frame.health.check_secrets = [this] { return service_->check_keys(); };
    frame.healthy_text = "ok";
    frame.renderer = &render_error;
    frame.openapi = openapi_json();
    frame.info = [this] { return service_->info(); };
    frame_ = std::make_unique<service::ServiceFrame>(
        std::move(frame), *identity_, executor, metrics_, base::null_logger());
    service_->register_routes(*frame_);
    frame_->health().set_phase(service::Phase::Running);
    http::PeerInfo peer;
    peer.remote_address = "127.0.0.1:40000";
    transport_ = std::make_unique<http::RouterTransport>(frame_->router(), peer, random_);
}

Task<TestAnswer> TestKeystore::call(TestCall call) {
    http::ClientRequest request;
    request.method = call.method;
    request.url = "http://keystore.test" + call.path;
    request.body = std::move(call.body);
    if (!call.token.empty()) request.headers.add("Authorization", "Bearer " + call.token);
    for (const auto& [name, value] : call.headers) request.headers.add(name, value);
    auto sending = transport_->send(std::move(request));
    auto sent = co_await std::move(sending);
    TestAnswer answer;
    if (!sent) {
        ADD_FAILURE() << sent.error().message();
        co_return answer;
    }
    answer.status = static_cast<int>(http::status_number(sent->status));
    answer.text = sent->body;
    answer.headers = sent->headers;
    auto parsed = base::Json::parse(answer.text);
    if (parsed) answer.body = *std::move(parsed);
    co_return answer;
}

// ----- KeystoreTest -----------------------------------------------------------------------------

TestKeystoreOptions KeystoreTest::permissive() {
    TestKeystoreOptions options;
    options.keystore.without_policy = WithoutPolicy::Allow;
    return options;
}

void KeystoreTest::SetUp() {
    storage::DatabaseTest::SetUp();
    if (IsSkipped()) return;
    const auto all = all_migrations();
    must(run(storage::migrate(database(), all)));
}

void KeystoreTest::TearDown() {
    keystore_.reset();
    storage::DatabaseTest::TearDown();
}

void KeystoreTest::open(TestKeystoreOptions options) {
    keystore_.reset();
    options.seed += ++opened_;
    keystore_ = must(run(TestKeystore::open(database(), executor(), chain_, std::move(options))));
}

TestAnswer KeystoreTest::post(
    const std::string& path, const std::string& body, const std::string& token) {
    return call({"POST", path, token, body, {}});
}

void KeystoreTest::put_policy(const std::string& policy, const std::string& wallet) {
    const auto answer = post(
        "/wallet/policy/put", "{\"wallet_id\":\"" + wallet + "\",\"policy\":" + policy + "}",
        kOperatorToken);
    ASSERT_EQ(answer.status, 200) << answer.text;
}

std::string KeystoreTest::delegate_body(
    std::uint64_t nonce, const std::string& deposit, const std::string& method,
    const std::string& receiver) {
    return "{\"wallet_id\":\"" + kWallet + "\",\"sender_id\":\"" + kAddress +
           "\",\"receiver_id\":\"" + receiver + "\",\"method_name\":\"" + method +
           "\",\"args_json\":\"{}\",\"gas\":30000000000000,\"deposit\":\"" + deposit +
           "\",\"nonce\":" + std::to_string(nonce) +
           ",\"max_block_height\":194854180,\"current_block_height\":194854000}";
}

TestAnswer KeystoreTest::sign_delegate(std::uint64_t nonce, const std::string& deposit) {
    return post("/wallet/sign-nep366-delegate", delegate_body(nonce, deposit));
}

std::int64_t KeystoreTest::number(const std::string& sql) {
    auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
        TRY(const auto rows, tx.query(sql, {}));
        return rows.integer(0, 0);
    };
    return must(run(database().read(unit)));
}

std::string KeystoreTest::text(const std::string& sql) {
    auto unit = [&](storage::Transaction& tx) -> Result<std::string> {
        TRY(const auto rows, tx.query(sql, {}));
        return rows.text(0, 0);
    };
    return must(run(database().read(unit)));
}

std::vector<std::string> KeystoreTest::audit_kinds() {
    auto unit = [&](storage::Transaction& tx) -> Result<std::vector<std::string>> {
        TRY(const auto rows,
            tx.query("SELECT kind FROM audit_records ORDER BY chain, sequence", {}));
        std::vector<std::string> kinds;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            TRY(auto kind, rows.text(i, 0));
            kinds.push_back(std::move(kind));
        }
        return kinds;
    };
    return must(run(database().read(unit)));
}

}  // namespace adyton::keystore

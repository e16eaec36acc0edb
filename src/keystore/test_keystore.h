#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "http/client.h"
#include "keystore/chain_view.h"
#include "keystore/keystore_service.h"
#include "keystore/token_auth.h"
#include "service/frame.h"
#include "storage/test_database.h"

// For tests of the keystore: a whole service without sockets, called as over HTTP.
namespace adyton::keystore {

std::vector<storage::Migration> all_migrations();

// The secret and the wallet of tests/vectors/near/keystore_derivation.json.
inline constexpr std::string_view kTestSecretHex =
    "f1805c8761626aaaf2c1d3937a70ee5ddcfabf6594c49c1222d2de714a4807c6";
inline const std::string kWallet = "3f0c9a52-6b1e-4c55-9f4d-2f6a5b7c8d90";
inline const std::string kAddress =
    "3dbd65008e759901162d60b00bb99d87900ff0455a63d0d9164f6a26ade7f96e";
inline const std::string kCoordinatorToken = "coordinator-token-of-the-tests";
inline const std::string kOperatorToken = "operator-token-of-the-tests";

// A chain that says what it is told.
class FakeChain final : public ChainView {
public:
    Task<Result<AccessKeyView>> access_key(near::AccountId account, near::PublicKey key) override;
    Task<Result<FinalBlock>> final_block() override { co_return block; }
    Task<Result<PayloadFate>> payload_fate(
        near::AccountId contract, near::AccountId signer, near::MessageNonce nonce,
        base::Timestamp deadline) override;

    Task<Result<PayloadFate>> delegate_fate(
        near::AccountId signer, near::PublicKey key, std::uint64_t nonce,
        std::uint64_t max_block_height) override;

    void install(const std::string& account, const std::string& key, std::uint64_t nonce);

    FinalBlock block{1'000, {}};
    near::BlockHash block_hash;
    std::map<std::string, std::uint64_t> keys;  // "account key" to nonce
    PayloadFate fate = PayloadFate::Open;
    std::function<PayloadFate()> delegates;  // empty: by `keys` and `block`
    bool down = false;
    int asked = 0;
};

struct TestAnswer {
    int status = 0;
    std::string text;
    base::Json body;  // null when the text is no JSON
    http::Headers headers;

    const base::Json& at(std::string_view name) const;
    std::string string(std::string_view name) const;
    std::string error() const { return string("error"); }
};

struct TestCall {
    std::string method = "POST";
    std::string path;
    std::string token = kCoordinatorToken;  // empty: none
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

struct TestKeystoreOptions {
    KeystoreOptions keystore;
    std::string instance = "test-1";
    std::uint64_t seed = 1;
    std::string secret_hex{kTestSecretHex};
    bool with_chain = true;
    bool ready = true;  // start() was called
};

// One process of the keystore on a database that is migrated already.
class TestKeystore {
public:
    static Task<Result<std::unique_ptr<TestKeystore>>> open(
        storage::Database& database, base::Executor& executor, FakeChain& chain,
        TestKeystoreOptions options);
    ~TestKeystore();

    Task<TestAnswer> call(TestCall call);

    KeystoreService& service() { return *service_; }
    service::ServiceFrame& frame() { return *frame_; }
    http::Transport& transport() { return *transport_; }

private:
    explicit TestKeystore(std::uint64_t seed) : random_(seed) {}
    void build_frame(base::Executor& executor);

    base::SeededRandom random_;
    service::MetricsRegistry metrics_;
    std::unique_ptr<audit::AuditLog> audit_;
    std::unique_ptr<KeystoreService> service_;
    std::unique_ptr<TokenResolver> identity_;
    std::unique_ptr<service::ServiceFrame> frame_;
    std::unique_ptr<http::RouterTransport> transport_;
};

// A keystore on a fresh database; ADYTON_ON_ALL_DATABASES instantiates it.
class KeystoreTest : public storage::DatabaseTest {
public:
    // Wallets without a policy may sign what is understood.
    static TestKeystoreOptions permissive();

    void open(TestKeystoreOptions options = permissive());
    void close() { keystore_.reset(); }
    TestKeystore& keystore() { return *keystore_; }
    FakeChain& chain() { return chain_; }

    TestAnswer call(TestCall call) { return run(keystore_->call(std::move(call))); }
    TestAnswer post(
        const std::string& path, const std::string& body,
        const std::string& token = kCoordinatorToken);
    // Stores a policy; the test fails when it is refused.
    void put_policy(const std::string& policy, const std::string& wallet = kWallet);
    // A delegate request for kWallet; `more` are members that replace others.
    static std::string delegate_body(
        std::uint64_t nonce, const std::string& deposit = "0", const std::string& method = "poke",
        const std::string& receiver = "count.near");
    TestAnswer sign_delegate(std::uint64_t nonce, const std::string& deposit = "0");

    std::int64_t number(const std::string& sql);  // the first column of the first row
    std::string text(const std::string& sql);
    std::vector<std::string> audit_kinds();

protected:
    void SetUp() override;
    void TearDown() override;

private:
    FakeChain chain_;
    std::unique_ptr<TestKeystore> keystore_;
    std::uint64_t opened_ = 0;
};

}  // namespace adyton::keystore

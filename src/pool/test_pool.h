#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/pool_types.h"
#include "attest/peer_identity.h"
#include "http/client.h"
#include "pool/context.h"
#include "pool/pool_service.h"
#include "service/frame.h"
#include "storage/test_database.h"

// For tests of the pool: a whole service without sockets, called as over HTTP.
namespace adyton::pool {

// Migrations of all modules that the pool stands on, in order.
std::vector<storage::Migration> all_migrations();

inline constexpr std::string_view kTestMasterKey = "test-master-key-32-bytes-long!!!";
neo::MasterKey test_master_key(std::string_view text = kTestMasterKey);

struct TestAnswer {
    int status = 0;
    std::string text;
    base::Json body;  // null when the text is no JSON
    http::Headers headers;

    const base::Json& at(std::string_view name) const;  // CHECKs that it is there
    std::string reason() const;                         // details.reason of an error, or empty
};

struct TestCall {
    std::string method;
    std::string path;
    std::string service;  // X-Service-ID; empty: none
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

struct TestPoolOptions {
    PoolOptions pool;
    policy::RuleSet rules = policy::RuleSet::allow_all();
    std::string instance = "test-1";
    std::uint64_t seed = 1;
    std::string master_key{kTestMasterKey};
    std::string encryption_key;  // 32 bytes, or empty
    attest::IdentityMode identity = attest::IdentityMode::Development;
    chain::NeoClient* neo = nullptr;
};

// One process of the pool on a database that is migrated already.
class TestPool {
public:
    static Task<Result<std::unique_ptr<TestPool>>> open(
        storage::Database& database, base::Executor& executor, TestPoolOptions options);
    ~TestPool();

    Task<TestAnswer> call(TestCall call);

    PoolService& service() { return *service_; }
    const PoolContext& context();
    audit::AuditLog& audit() { return *audit_; }
    storage::Database& database() { return database_; }
    service::MetricsRegistry& metrics() { return metrics_; }
    service::ServiceFrame& frame() { return *frame_; }
    unsigned probes() const { return probes_; }  // of the database, by /health and /ready

private:
    TestPool(storage::Database& database, base::Executor& executor, TestPoolOptions options);
    void build_frame();

    storage::Database& database_;
    base::Executor& executor_;
    TestPoolOptions options_;
    base::SeededRandom random_;
    policy::Policy policy_;
    service::MetricsRegistry metrics_;
    std::unique_ptr<audit::AuditLog> audit_;
    std::unique_ptr<PoolService> service_;
    std::unique_ptr<attest::IdentityResolver> identity_;
    std::unique_ptr<service::ServiceFrame> frame_;
    std::unique_ptr<http::RouterTransport> transport_;
    unsigned probes_ = 0;
};

// A pool on a fresh database; ADYTON_ON_ALL_DATABASES instantiates it.
class PoolTest : public storage::DatabaseTest {
public:
    // The accounts_min of most tests is 0: they create what they need.
    static TestPoolOptions small_pool(std::int64_t accounts_max = 1000);

    void open(TestPoolOptions options = small_pool());
    void close() { pool_.reset(); }
    TestPool& pool() { return *pool_; }
    // Another process on the same data. It must not outlive the test.
    std::unique_ptr<TestPool> open_another(storage::Database& database, TestPoolOptions options);

    TestAnswer call(TestCall call) { return run(pool_->call(std::move(call))); }
    TestAnswer get(const std::string& path, const std::string& service = "svc");
    TestAnswer post(
        const std::string& path, const std::string& body, const std::string& service = "svc",
        std::vector<std::pair<std::string, std::string>> headers = {});

    // Creates accounts without handing them out.
    void grow_to(std::int64_t count);
    // Requests accounts; CHECKs that it worked.
    api::AllocationResponse request(std::int64_t count, const std::string& service = "svc");
    TestAnswer sign(
        const std::string& account_id, const std::string& service = "svc",
        const std::string& more_members = {});

    // Makes the lease of a lock end a second ago, whatever clock the database has.
    void expire(const std::string& lock_id);
    std::int64_t number(const std::string& sql);  // the first column of the first row
    void execute(const std::string& sql);
    std::vector<std::string> audit_kinds();
    // Bodies of the records of one kind, in order.
    std::vector<base::Json> audit_bodies(const std::string& kind);
    TestAnswer batch_sign(const std::vector<std::string>& ids, const std::string& service = "svc");

    // Compares pool_stats and pool_token_stats with a recount, and what must hold always.
    void expect_consistent();

protected:
    void SetUp() override;
    void TearDown() override;

private:
    std::unique_ptr<TestPool> pool_;
    std::uint64_t opened_ = 0;
};

inline const std::string kDigest = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
inline const std::string kDigestHex =
    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

// The invariants of a pool that hold after every commit; Internal with what is wrong.
Result<void> check_invariants(storage::Transaction& tx);

}  // namespace adyton::pool

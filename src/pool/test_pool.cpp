#include "pool/test_pool.h"

#include <algorithm>
#include <map>

#include "audit/audit_log.h"
#include "policy/rule.h"
#include "pool/creator.h"
#include "pool/internal/service_parts.h"
#include "pool/schema.h"
#include "storage/migrator.h"
#include "workflow/idempotency.h"

namespace adyton::pool {
namespace {

template <typename T>
T must(Result<T> result) {
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message());
    return std::move(result).value();
}

void must(const Result<void>& result) {
    EXPECT_TRUE(result.has_value()) << (result ? "" : result.error().message());
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

neo::MasterKey test_master_key(std::string_view text) {
    return must(neo::MasterKey::create(must(crypto::SecretBuffer::copy_of(base::as_bytes(text)))));
}

const base::Json& TestAnswer::at(std::string_view name) const {
    const base::Json* const found = body.find(name);
    EXPECT_NE(found, nullptr) << name << " is missing in " << text;
    static const base::Json kNothing;
    return found == nullptr ? kNothing : *found;
}

std::string TestAnswer::reason() const {
    const base::Json* const details = body.find("details");
    const base::Json* const found = details == nullptr ? nullptr : details->find("reason");
    return found == nullptr || !found->is_string() ? "" : found->string_value();
}

TestPool::TestPool(storage::Database& database, base::Executor& executor, TestPoolOptions options)
    : database_(database),
      executor_(executor),
      options_(std::move(options)),
      random_(options_.seed),
      policy_(options_.rules) {}

TestPool::~TestPool() = default;

Task<Result<std::unique_ptr<TestPool>>> TestPool::open(
    storage::Database& database, base::Executor& executor, TestPoolOptions options) {
    std::unique_ptr<TestPool> made(new TestPool(database, executor, std::move(options)));
    auto open_audit = audit::AuditLog::open(database, made->options_.instance);
    CO_TRY(made->audit_, co_await std::move(open_audit));
    PoolParts parts{
        database,
        executor,
        base::null_logger(),
        *made->audit_,
        made->policy_,
        made->random_,
        made->metrics_,
        made->options_.instance,
        std::chrono::hours(24 * 7)};
    parts.neo = made->options_.neo;
    PoolKeys keys{test_master_key(made->options_.master_key), {}, {}};
    if (!made->options_.encryption_key.empty()) {
        keys.encryption_key = crypto::AesKey();
        const auto key = keys.encryption_key->expose_mutable();
        std::copy_n(made->options_.encryption_key.begin(), key.size(), key.begin());
    }
    auto create = PoolService::create(std::move(parts), std::move(keys), made->options_.pool);
    CO_TRY(made->service_, co_await std::move(create));
    made->build_frame();
    co_return made;
}

void TestPool::build_frame() {
    attest::IdentityOptions identity;
    identity.mode = options_.identity;
    identity_ =
        attest::create_identity_resolver(must(attest::CertificateIdentifier::create(identity)));
    service::FrameOptions frame;
    frame.service_name = kServiceName;
    frame.version = kServiceVersion;
    frame.health.probe_database = [this] {
        ++probes_;
        return service_->probe_database();
    };
    frame.health.check_secrets = [this] { return service_->check_keys(); };
    frame.openapi = openapi_json();
    frame.info = [this] { return service_->info(); };
    frame_ = std::make_unique<service::ServiceFrame>(
        std::move(frame), *identity_, executor_, metrics_, base::null_logger());
    service_->register_routes(*frame_);
    frame_->health().set_phase(service::Phase::Running);
    http::PeerInfo peer;
    peer.remote_address = "127.0.0.1:40000";
    transport_ = std::make_unique<http::RouterTransport>(frame_->router(), peer, random_);
}

Task<TestAnswer> TestPool::call(TestCall call) {
    http::ClientRequest request;
    request.method = call.method;
    request.url = "http://pool.test" + call.path;
    request.body = std::move(call.body);
    if (!call.service.empty()) request.headers.add("X-Service-ID", call.service);
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

const PoolContext& TestPool::context() {
    return service_->parts().context;
}

TestPoolOptions PoolTest::small_pool(std::int64_t accounts_max) {
    TestPoolOptions options;
    options.pool.accounts_min = 0;
    options.pool.accounts_max = accounts_max;
    return options;
}

void PoolTest::SetUp() {
    storage::DatabaseTest::SetUp();
    if (IsSkipped()) return;
    const auto migrations = all_migrations();
    must(run(storage::migrate(database(), migrations)));
}

void PoolTest::TearDown() {
    if (!IsSkipped() && !HasFatalFailure()) expect_consistent();
    pool_.reset();
    storage::DatabaseTest::TearDown();
}

void PoolTest::open(TestPoolOptions options) {
    pool_.reset();
    options.seed += ++opened_;  // a restart draws other ids
    pool_ = must(run(TestPool::open(database(), executor(), std::move(options))));
}

std::unique_ptr<TestPool> PoolTest::open_another(
    storage::Database& database, TestPoolOptions options) {
    return must(run(TestPool::open(database, executor(), std::move(options))));
}

TestAnswer PoolTest::get(const std::string& path, const std::string& service) {
    return call({"GET", path, service, "", {}});
}

TestAnswer PoolTest::post(
    const std::string& path, const std::string& body, const std::string& service,
    std::vector<std::pair<std::string, std::string>> headers) {
    return call({"POST", path, service, body, std::move(headers)});
}

void PoolTest::grow_to(std::int64_t count) {
    CreationGoal goal;
    goal.target = count;
    goal.step_max = count;
    goal.actor = "test";
    goal.reason = "test";
    const auto created = must(run(create_until(pool().context(), goal)));
    ASSERT_TRUE(created.complete);
}

api::AllocationResponse PoolTest::request(std::int64_t count, const std::string& service) {
    const auto answer = post("/request", "{\"count\":" + std::to_string(count) + "}", service);
    EXPECT_EQ(answer.status, 200) << answer.text;
    auto parsed = api::parse_allocation_response(answer.body);
    EXPECT_TRUE(parsed) << answer.text;
    return parsed ? *parsed : api::AllocationResponse{};
}

TestAnswer PoolTest::sign(
    const std::string& account_id, const std::string& service, const std::string& more_members) {
    return post(
        "/sign",
        "{\"account_id\":\"" + account_id + "\",\"tx_hash\":\"" + kDigest + "\"" + more_members +
            "}",
        service);
}

void PoolTest::expire(const std::string& lock_id) {
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(const auto now, tx.now());
        const auto past = now - std::chrono::seconds(1);
        TRY_VOID(tx.execute(
            "UPDATE pool_allocations SET expires_at = $2 WHERE lock_id = $1", {lock_id, past}));
        TRY_VOID(tx.execute(
            "UPDATE pool_accounts SET lock_expires_at = $2 WHERE lock_id = $1", {lock_id, past}));
        return {};
    };
    must(run(database().write(unit)));
}

std::int64_t PoolTest::number(const std::string& sql) {
    auto unit = [&](storage::Transaction& tx) -> Result<std::int64_t> {
        TRY(const auto rows, tx.query(sql, {}));
        return rows.integer(0, 0);
    };
    return must(run(database().read(unit)));
}

void PoolTest::execute(const std::string& sql) {
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(tx.execute(sql, {}));
        return {};
    };
    must(run(database().write(unit)));
}

std::vector<std::string> PoolTest::audit_kinds() {
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

std::vector<base::Json> PoolTest::audit_bodies(const std::string& kind) {
    auto unit = [&](storage::Transaction& tx) -> Result<std::vector<base::Json>> {
        TRY(const auto rows,
            tx.query(
                "SELECT body FROM audit_records WHERE kind = $1 ORDER BY chain, sequence", {kind}));
        std::vector<base::Json> bodies;
        for (std::size_t i = 0; i < rows.size(); ++i) {
            TRY(const auto text, rows.text(i, 0));
            TRY(auto body, base::Json::parse(text));
            bodies.push_back(std::move(body));
        }
        return bodies;
    };
    return must(run(database().read(unit)));
}

TestAnswer PoolTest::batch_sign(const std::vector<std::string>& ids, const std::string& service) {
    std::string items;
    for (const auto& id : ids) {
        if (!items.empty()) items += ",";
        items += "{\"account_id\":\"" + id + "\",\"tx_hash\":\"" + kDigest + "\"}";
    }
    return post("/batch-sign", "{\"requests\":[" + items + "]}", service);
}

void PoolTest::expect_consistent() {
    auto unit = [](storage::Transaction& tx) { return check_invariants(tx); };
    const auto checked = run(database().read(unit));
    EXPECT_TRUE(checked) << checked.error().message();
}

namespace {

struct Recount {
    const char* what;
    const char* sql;  // gives the number of rows that are wrong
};

// Every class and sum of the statistics against a recount; and what must hold of locks.
constexpr Recount kRecounts[] = {
    {"pool_stats",
     "SELECT COUNT(*) FROM (SELECT SUM(active) AS a, SUM(locked) AS l, SUM(retiring) AS r "
     "FROM pool_stats) AS s WHERE s.a <> (SELECT COUNT(*) FROM pool_accounts "
     "WHERE NOT is_retiring AND locked_by IS NULL) OR s.l <> (SELECT COUNT(*) FROM pool_accounts "
     "WHERE NOT is_retiring AND locked_by IS NOT NULL) OR s.r <> (SELECT COUNT(*) "
     "FROM pool_accounts WHERE is_retiring)"},
    {"pool_token_stats",
     "SELECT COUNT(*) FROM (SELECT token_type, script_hash, SUM(row_count) AS n, "
     "SUM(total_hi) * 4294967296 + SUM(total_lo) AS t, "
     "SUM(locked_hi) * 4294967296 + SUM(locked_lo) AS l, "
     "SUM(available_hi) * 4294967296 + SUM(available_lo) AS a "
     "FROM pool_token_stats GROUP BY token_type, script_hash) AS s LEFT JOIN "
     "(SELECT b.token_type, b.script_hash, COUNT(*) AS n, SUM(b.amount) AS t, "
     "SUM(CASE WHEN c.locked_by IS NOT NULL THEN b.amount ELSE 0 END) AS l, "
     "SUM(CASE WHEN c.locked_by IS NULL AND NOT c.is_retiring THEN b.amount ELSE 0 END) AS a "
     "FROM pool_account_balances AS b JOIN pool_accounts AS c ON c.id = b.account_id "
     "GROUP BY b.token_type, b.script_hash) AS r "
     "ON r.token_type = s.token_type AND r.script_hash = s.script_hash "
     "WHERE s.n <> COALESCE(r.n, 0) OR s.t <> COALESCE(r.t, 0) OR s.l <> COALESCE(r.l, 0) "
     "OR s.a <> COALESCE(r.a, 0)"},
    {"token types without statistics",
     "SELECT COUNT(*) FROM pool_account_balances AS b WHERE NOT EXISTS (SELECT 1 "
     "FROM pool_token_stats AS s WHERE s.token_type = b.token_type "
     "AND s.script_hash = b.script_hash)"},
    {"locks without an open allocation of their service",
     "SELECT COUNT(*) FROM pool_accounts AS a WHERE a.lock_id IS NOT NULL AND NOT EXISTS "
     "(SELECT 1 FROM pool_allocations AS l WHERE l.lock_id = a.lock_id "
     "AND l.service_id = a.locked_by AND l.released_at IS NULL)"},
    {"open allocations without accounts",
     "SELECT COUNT(*) FROM pool_allocations AS l WHERE l.released_at IS NULL AND NOT EXISTS "
     "(SELECT 1 FROM pool_accounts AS a WHERE a.lock_id = l.lock_id)"},
    {"negative balances", "SELECT COUNT(*) FROM pool_account_balances WHERE amount < 0"},
    {"gaps in audit chains",
     "SELECT COUNT(*) FROM (SELECT chain, COUNT(*) AS n, MAX(sequence) AS m, MIN(sequence) AS f "
     "FROM audit_records GROUP BY chain) AS c WHERE c.n <> c.m OR c.f <> 1"},
    {"idempotency keys without an answer",
     "SELECT COUNT(*) FROM idempotency_keys WHERE status IS NULL"},
};

}  // namespace

Result<void> check_invariants(storage::Transaction& tx) {
    for (const Recount& recount : kRecounts) {
        TRY(const auto rows, tx.query(recount.sql, {}));
        TRY(const std::int64_t wrong, rows.integer(0, 0));
        if (wrong != 0) {
            return Error::internal(
                std::string(recount.what) + ": " + std::to_string(wrong) + " rows are wrong");
        }
    }
    return {};
}

}  // namespace adyton::pool

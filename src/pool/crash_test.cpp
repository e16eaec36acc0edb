#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>

#include "audit/export.h"
#include "audit/verify.h"
#include "pool/internal/service_parts.h"
#include "pool/test_pool.h"
#include "storage/migrator.h"

// A pool under mixed load is killed again and again, at points that a seed chooses: between two
// steps of the program, or in the middle of a write to the disk. What callers were told must still
// be true afterwards. A failing seed is printed; ADYTON_POOL_CRASH_SEEDS=N runs N of them,
// ADYTON_POOL_CRASH_FIRST_SEED starts elsewhere.
namespace adyton::pool {
namespace {

enum class Action { Request, Release, Sign, Balance, Renew };

struct Held {
    std::string lock_id;
    std::map<std::string, std::int64_t> fencing;  // by account
    base::Timestamp expires_at;
};

// A call whose outcome is not known yet. After a crash it is repeated with the same key.
struct Pending {
    Action action = Action::Request;
    TestCall call;
    std::string lock_id;
    std::string account;
    std::int64_t delta = 0;
    std::string digest_hex;
};

struct Caller {
    Caller(std::string name, std::uint64_t seed) : service(std::move(name)), random(seed) {}

    std::string service;
    base::SeededRandom random;
    std::vector<Held> held;
    std::optional<Pending> pending;
    std::uint64_t calls = 0;

    Held* find(const std::string& lock_id) {
        for (auto& lock : held) {
            if (lock.lock_id == lock_id) return &lock;
        }
        return nullptr;
    }
    void drop(const std::string& lock_id) {
        std::erase_if(held, [&](const Held& lock) { return lock.lock_id == lock_id; });
    }
    bool releasing(const std::string& lock_id) const {
        return pending && pending->action == Action::Release && pending->lock_id == lock_id;
    }
};

// What the callers were told, kept outside the process that crashes.
class World {
public:
    World(std::uint64_t seed, std::size_t callers) : random_(seed) {
        for (std::size_t i = 0; i < callers; ++i) {
            callers_.push_back(
                std::make_unique<Caller>("svc-" + std::to_string(i), random_.next()));
        }
    }

    // Calls for ever, until the crash.
    static Task<void> live(World& world, Caller& caller, TestPool& pool, base::SimExecutor& sim) {
        for (;;) {
            if (!caller.pending) world.choose(caller, sim.now());
            auto call = pool.call(caller.pending->call);
            const TestAnswer answer = co_await std::move(call);
            auto pause = std::chrono::milliseconds(caller.random.below(20));
            if (world.settle(caller, answer, sim.now())) {
                caller.pending.reset();
            } else {
                pause = std::chrono::milliseconds(100);
            }
            co_await base::sleep_for(sim, pause);
        }
    }

    // After a restart, before anything else happens.
    void check(PoolTest& test, base::Timestamp now);

    std::size_t acknowledged() const { return acknowledged_; }
    std::vector<std::unique_ptr<Caller>>& callers() { return callers_; }
    base::SeededRandom& random() { return random_; }

private:
    void choose(Caller& caller, base::Timestamp now);
    bool settle(Caller& caller, const TestAnswer& answer, base::Timestamp now);
    void granted(Caller& caller, const TestAnswer& answer, base::Timestamp now);
    void refused(Caller& caller, const TestAnswer& answer, base::Timestamp now);
    void check_locks(PoolTest& test, base::Timestamp now);
    void check_balances(PoolTest& test);
    void check_signatures(PoolTest& test);

    base::SeededRandom random_;
    std::vector<std::unique_ptr<Caller>> callers_;
    std::map<std::string, std::int64_t> balances_;              // GAS, by account
    std::set<std::pair<std::string, std::string>> signatures_;  // account, digest
    std::size_t acknowledged_ = 0;
};

std::string member(const std::string& name, const std::string& value) {
    return "\"" + name + "\":\"" + value + "\"";
}

void World::choose(Caller& caller, base::Timestamp now) {
    std::erase_if(caller.held, [&](const Held& lock) { return lock.expires_at <= now; });
    Pending next;
    next.call.method = "POST";
    next.call.service = caller.service;
    next.call.headers = {
        {"Idempotency-Key", caller.service + "-" + std::to_string(++caller.calls)}};
    const std::uint64_t dice = caller.random.below(10);
    if (caller.held.empty() || dice == 0) {
        next.action = Action::Request;
        next.call.path = "/request";
        const std::uint64_t ttl = caller.random.below(4) == 0 ? 1 : 3600;
        next.call.body = "{\"count\":" + std::to_string(1 + caller.random.below(4)) +
                         ",\"ttl_seconds\":" + std::to_string(ttl) + "}";
        caller.pending = std::move(next);
        return;
    }
    const Held& lock = caller.held[caller.random.below(caller.held.size())];
    auto account = lock.fencing.begin();
    std::advance(account, static_cast<long>(caller.random.below(lock.fencing.size())));
    next.lock_id = lock.lock_id;
    next.account = account->first;
    if (dice <= 2) {
        next.action = Action::Release;
        next.call.path = "/release";
        next.call.body = "{" + member("lock_id", lock.lock_id) + "}";
    } else if (dice <= 5) {
        next.action = Action::Sign;
        next.call.path = "/sign";
        const auto digest = crypto::sha256(base::as_bytes(next.call.headers[0].second));
        next.digest_hex = digest.to_hex();
        next.call.body = "{" + member("account_id", next.account) + "," +
                         member("tx_hash", next.digest_hex) +
                         ",\"fencing\":" + std::to_string(account->second) + "}";
    } else if (dice <= 8) {
        next.action = Action::Balance;
        next.call.path = "/balance";
        next.delta = static_cast<std::int64_t>(caller.random.below(100));
        next.call.body = "{" + member("account_id", next.account) +
                         ",\"delta\":" + std::to_string(next.delta) + "}";
    } else {
        next.action = Action::Renew;
        next.call.path = "/renew";
        next.call.body = "{" + member("lock_id", lock.lock_id) + ",\"ttl_seconds\":3600}";
    }
    caller.pending = std::move(next);
}

// False: ask again.
bool World::settle(Caller& caller, const TestAnswer& answer, base::Timestamp now) {
    if (answer.status == 200) {
        ++acknowledged_;
        granted(caller, answer, now);
        return true;
    }
    const bool exhausted = answer.reason() == "pool_exhausted" || answer.reason() == "pool_busy";
    if (answer.status >= 500 && !exhausted) return false;
    refused(caller, answer, now);
    return true;
}

void World::granted(Caller& caller, const TestAnswer& answer, base::Timestamp now) {
    const Pending& pending = *caller.pending;
    switch (pending.action) {
        case Action::Request: {
            const auto allocation = api::parse_allocation_response(answer.body);
            ASSERT_TRUE(allocation) << answer.text;
            Held lock{allocation->lock_id, {}, *allocation->expires_at};
            for (const auto& account : allocation->accounts) {
                lock.fencing[account.id] = account.fencing;
                if (lock.expires_at <= now) continue;  // an answer told late, by replay
                for (const auto& other : callers_) {
                    for (const auto& theirs : other->held) {
                        const bool owns = theirs.fencing.count(account.id) == 1 &&
                                          theirs.expires_at > now &&
                                          !other->releasing(theirs.lock_id);
                        EXPECT_FALSE(owns) << "account " << account.id << " has two owners";
                    }
                }
            }
            caller.held.push_back(std::move(lock));
            break;
        }
        case Action::Release:
            caller.drop(pending.lock_id);
            break;
        case Action::Sign:
            signatures_.insert({pending.account, pending.digest_hex});
            break;
        case Action::Balance: {
            const auto changed = api::parse_balance_response(answer.body);
            ASSERT_TRUE(changed) << answer.text;
            EXPECT_EQ(changed->old_balance, balances_[pending.account]);
            EXPECT_EQ(changed->new_balance, changed->old_balance + pending.delta);
            balances_[pending.account] = changed->new_balance;
            break;
        }
        case Action::Renew:
            if (Held* const lock = caller.find(pending.lock_id)) {
                lock->expires_at = api::parse_renew_response(answer.body)->expires_at;
            }
            break;
    }
}

// Only time may take a lock away from its holder.
void World::refused(Caller& caller, const TestAnswer& answer, base::Timestamp now) {
    if (caller.pending->action == Action::Request) {
        EXPECT_EQ(answer.status, 503) << answer.text;
        return;
    }
    const Held* const lock = caller.find(caller.pending->lock_id);
    EXPECT_TRUE(lock == nullptr || lock->expires_at <= now)
        << caller.service << " lost a lock: " << answer.text;
}

void World::check(PoolTest& test, base::Timestamp now) {
    test.expect_consistent();
    check_locks(test, now);
    check_balances(test);
    check_signatures(test);
}

void World::check_locks(PoolTest& test, base::Timestamp now) {
    struct Row {
        std::string service;
        std::string lock_id;
        std::int64_t fencing;
        base::Timestamp expires_at;
    };
    std::map<std::string, Row> rows;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(const auto found,
            tx.query(
                "SELECT id, locked_by, lock_id, fencing, lock_expires_at FROM pool_accounts "
                "WHERE locked_by IS NOT NULL",
                {}));
        for (std::size_t i = 0; i < found.size(); ++i) {
            TRY(const auto id, found.text(i, 0));
            Row& row = rows[id];
            TRY(row.service, found.text(i, 1));
            TRY(row.lock_id, found.text(i, 2));
            TRY(row.fencing, found.integer(i, 3));
            TRY(row.expires_at, found.timestamp(i, 4));
        }
        return {};
    };
    ASSERT_TRUE(test.run(test.database().read(unit)));
    for (const auto& caller : callers_) {
        for (const auto& lock : caller->held) {
            if (lock.expires_at <= now || caller->releasing(lock.lock_id)) continue;
            for (const auto& [account, fencing] : lock.fencing) {
                const auto row = rows.find(account);
                ASSERT_NE(row, rows.end()) << caller->service << " lost the lock on " << account;
                EXPECT_EQ(row->second.lock_id, lock.lock_id);
                EXPECT_EQ(row->second.service, caller->service);
                EXPECT_EQ(row->second.fencing, fencing);
            }
        }
        // And nothing is locked for a caller who was not told and is not asking.
        std::set<std::string> unknown;
        for (const auto& [account, row] : rows) {
            if (row.service == caller->service && row.expires_at > now &&
                caller->find(row.lock_id) == nullptr) {
                unknown.insert(row.lock_id);
            }
        }
        const bool asking = caller->pending && caller->pending->action == Action::Request;
        EXPECT_LE(unknown.size(), asking ? 1U : 0U) << caller->service;
    }
}

void World::check_balances(PoolTest& test) {
    std::map<std::string, std::int64_t> under_way;
    for (const auto& caller : callers_) {
        if (caller->pending && caller->pending->action == Action::Balance) {
            under_way[caller->pending->account] = caller->pending->delta;
        }
    }
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(const auto found,
            tx.query(
                "SELECT account_id, amount FROM pool_account_balances WHERE token_type = 'GAS'",
                {}));
        for (std::size_t i = 0; i < found.size(); ++i) {
            TRY(const auto id, found.text(i, 0));
            TRY(const auto amount, found.integer(i, 1));
            const auto pending = under_way.find(id);
            const std::int64_t told = balances_.count(id) == 1 ? balances_[id] : 0;
            const bool right =
                amount == told || (pending != under_way.end() && amount == told + pending->second);
            EXPECT_TRUE(right) << id << " has " << amount << ", the callers know of " << told;
        }
        return {};
    };
    ASSERT_TRUE(test.run(test.database().read(unit)));
}

void World::check_signatures(PoolTest& test) {
    std::set<std::pair<std::string, std::string>> recorded;
    for (const auto& body : test.audit_bodies("pool.sign")) {
        recorded.insert(
            {body.find("account_id")->string_value(), body.find("digest")->string_value()});
    }
    for (const auto& signature : signatures_) {
        EXPECT_EQ(recorded.count(signature), 1U)
            << "a signature of " << signature.first << " left without its record";
    }
}

std::uint64_t number_from(const char* variable, std::uint64_t fallback) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

class CrashTest : public PoolTest {
public:
    void verify_export() {
        auto& parts = pool().service().parts();
        ASSERT_TRUE(run(parts.checkpoints.create()));
        audit::VerifyOptions options;
        options.trusted_keys = {parts.checkpoint_key.public_key()};
        audit::ExportVerifier verifier(std::move(options));
        auto exported = run(audit::AuditExport::open(database(), {executor().now(), nullptr, 64}));
        ASSERT_TRUE(exported);
        for (;;) {
            const auto piece = run((*exported)->next());
            ASSERT_TRUE(piece);
            if (piece->empty()) break;
            verifier.feed(*piece);
        }
        const auto report = verifier.finish();
        EXPECT_TRUE(report.intact()) << report.fault->to_string();
        EXPECT_TRUE(report.key_trusted);
    }

    // One life of the process, on what the last one left.
    void live_and_crash(World& world, TestPoolOptions options) {
        base::SimExecutor& sim = *test().sim();
        open(std::move(options));
        world.check(*this, sim.now());
        if (HasFailure()) return;
        pool().service().start();
        for (const auto& caller : world.callers()) {
            base::spawn(sim, World::live(world, *caller, pool(), sim));
        }
        const bool in_a_write = world.random().below(2) == 0;
        if (in_a_write) test().disk()->power_off_after(1 + world.random().below(300));
        const std::uint64_t steps = 200 + world.random().below(2000);
        for (std::uint64_t i = 0; i < steps && test().disk()->powered(); ++i) sim.step();
        // Answers that were given before the end still reach their callers.
        for (int i = 0; i < 30; ++i) sim.step();
        const bool power = in_a_write || world.random().below(2) == 0;
        sim.drop_all();
        close();
        test().crash(
            power ? storage::TestDatabase::Crash::Power : storage::TestDatabase::Crash::Process);
    }
};

// Each seed is a test case of its own, on a fresh database: "Seed3".
std::uint64_t seed_of_this_test() {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    return std::strtoull(name.c_str() + name.rfind("Seed") + 4, nullptr, 10);
}

TEST_P(CrashTest, WhatCallersWereToldSurvivesKillsAtAnyPoint) {
    const std::uint64_t seed = seed_of_this_test();
    for (std::uint64_t i = 0; i < seed; ++i) test().sim()->random().next();
    World world(seed, 6);
    TestPoolOptions options = small_pool(30);
    options.pool.accounts_min = 12;
    options.pool.rotation_rate_per_day = 1;
    options.pool.rotation_min_age = std::chrono::seconds(1);
    options.pool.rotate_period = std::chrono::seconds(2);
    options.pool.stale_lock_period = std::chrono::seconds(1);
    options.pool.top_up_period = std::chrono::seconds(1);
    options.pool.checkpoint_period = std::chrono::seconds(1);
    options.pool.retire_period = std::chrono::seconds(3);
    for (int life = 0; life < 8 && !HasFailure(); ++life) {
        SCOPED_TRACE("life " + std::to_string(life));
        options.seed = seed * 1000 + static_cast<std::uint64_t>(life) * 10;
        live_and_crash(world, options);
    }
    if (HasFailure()) return;
    open(options);
    world.check(*this, test().sim()->now());
    verify_export();
    RecordProperty("acknowledged", std::to_string(world.acknowledged()));
    EXPECT_GT(world.acknowledged(), 100U) << "the load is too thin to mean anything";
}

INSTANTIATE_TEST_SUITE_P(
    Seeds, CrashTest,
    ::testing::ValuesIn(std::vector<storage::TestBackend>(
        number_from("ADYTON_POOL_CRASH_SEEDS", 6), storage::TestBackend::SqliteSimulated)),
    [](const ::testing::TestParamInfo<storage::TestBackend>& backend) {
        return "Seed" +
               std::to_string(backend.index + number_from("ADYTON_POOL_CRASH_FIRST_SEED", 1));
    });

}  // namespace
}  // namespace adyton::pool

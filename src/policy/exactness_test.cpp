// Random operations against a naive oracle: what passes never exceeds a limit, what fits is never
// refused; with many callers, two processes, units that fail on purpose, and a disk that loses its
// power.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>

#include "policy/policy_test_support.h"
#include "policy/value_policy_test_support.h"

namespace adyton::policy {
namespace {

using storage::Transaction;

constexpr std::array<const char*, 3> kWallets = {"wallet:a", "wallet:b", "wallet:c"};
constexpr std::array<const char*, 2> kTokens = {"native", "nep141:t"};

ValuePolicy caps() {
    return policy_of(R"({"default":"allow",
        "limits":{"per_transaction":{"native":"40"},
                  "hourly":{"native":"100","*":"70"},"daily":{"*":"260"},
                  "monthly":{"native":"900"},"total":{"nep141:t":"1500"},
                  "rolling_hour":{"nep141:t":"90"},"rolling_day":{"native":"300"},
                  "rate_per_hour":12},
        "rules":[{"name":"bob","effect":"allow","destinations":["bob"],
                  "limits":{"daily":{"native":"120"}}},
                 {"name":"eve","effect":"deny","destinations":["eve"]}]})");
}

struct Spend {
    std::string id;
    std::string wallet;
    std::string token;
    std::string to;
    std::uint64_t amount = 0;
};

Spend random_spend(base::SeededRandom& random, int number) {
    Spend spend;
    spend.id = "spend-" + std::to_string(number);
    spend.wallet = kWallets.at(random.below(kWallets.size()));
    spend.token = kTokens.at(random.below(kTokens.size()));
    spend.to = random.below(10) == 0 ? "eve" : random.below(2) == 0 ? "bob" : "carol";
    spend.amount = 1 + random.below(44);
    return spend;
}

// The oracle: a list of what was charged and when, added up anew for every question.
class Oracle {
public:
    struct Entry {
        Spend spend;
        std::int64_t at_us = 0;
        bool given_back = false;
    };

    bool fits(const Spend& spend, std::int64_t now_us) const {
        if (spend.to == "eve") return false;
        const bool native = spend.token == "native";
        if (native && spend.amount > 40) return false;
        constexpr std::int64_t kHour = 3'600'000'000;
        constexpr std::int64_t kMinute = kHour / 60;
        constexpr std::int64_t kDay = 24 * kHour;
        const std::int64_t hour = now_us / kHour * kHour;
        const std::int64_t day = now_us / kDay * kDay;
        const auto holds = [&](std::int64_t from, std::uint64_t max, bool to_bob = false) {
            return sum(spend, from, to_bob) + spend.amount <= max;
        };
        if (count(spend.wallet, hour) + 1 > 12) return false;
        if (!holds(hour, native ? 100 : 70) || !holds(day, 260)) return false;
        if (native && !holds(month_start(now_us), 900)) return false;
        if (!native && !holds(0, 1500)) return false;
        if (!native && !holds(now_us / kMinute * kMinute - kHour, 90)) return false;
        constexpr std::int64_t kQuarter = 15 * kMinute;
        if (native && !holds(now_us / kQuarter * kQuarter - kDay, 300)) return false;
        return !native || spend.to != "bob" || holds(day, 120, true);
    }
    void add(const Spend& spend, std::int64_t now_us) {
        entries_[spend.id] = {spend, now_us, false};
    }
    bool has(const std::string& id) const { return entries_.count(id) != 0; }
    std::map<std::string, Entry>& entries() { return entries_; }

private:
    static std::int64_t month_start(std::int64_t now_us) {
        // Apart from the engine: by the C library.
        const std::time_t seconds = now_us / 1'000'000;
        std::tm date{};
        gmtime_r(&seconds, &date);
        date.tm_mday = 1;
        date.tm_hour = date.tm_min = date.tm_sec = 0;
        return static_cast<std::int64_t>(timegm(&date)) * 1'000'000;
    }
    std::uint64_t sum(const Spend& spend, std::int64_t from, bool to_bob) const {
        std::uint64_t out = 0;
        for (const auto& [id, entry] : entries_) {
            const bool same = entry.spend.wallet == spend.wallet &&
                              entry.spend.token == spend.token && !entry.given_back;
            if (!same || entry.at_us < from || (to_bob && entry.spend.to != "bob")) continue;
            out += entry.spend.amount;
        }
        return out;
    }
    std::int64_t count(const std::string& wallet, std::int64_t from) const {
        std::int64_t out = 0;
        for (const auto& [id, entry] : entries_) {
            if (entry.spend.wallet != wallet || entry.given_back || entry.at_us < from) continue;
            ++out;
        }
        return out;
    }

    std::map<std::string, Entry> entries_;
};

// The unit of a signer: judge, reserve, record; all in one.
Result<bool> sign(Transaction& tx, const ValuePolicy& policy, const Spend& spend, bool fail) {
    TRY(const base::Timestamp now, tx.now());
    const ActionFacts facts = facts_with({transfer_action(spend.token, spend.to, spend.amount)});
    const Verdict verdict = evaluate(policy, {facts, spend.wallet, now});
    if (verdict.denied()) return false;
    TRY(const auto asked, probe(tx, verdict.charges));
    TRY(const auto refused, reserve(tx, spend.id, verdict.charges));
    // Asking and signing agree; between them another instance may have signed (not in SQLite).
    const bool alone = tx.dialect() == storage::Dialect::Sqlite;
    if (alone && asked.has_value() != refused.has_value()) {
        return Error::internal("asking said otherwise");
    }
    if (refused) return false;
    TRY_VOID(tx.execute(
        "INSERT INTO signed_spends (id, at_us) VALUES ($1, $2)",
        {spend.id, now.time_since_epoch().count()}));
    if (fail) return Error::conflict("the signer failed on purpose");
    return true;
}

Result<std::map<std::string, std::int64_t>> read_signed(Transaction& tx) {
    TRY(const storage::Rows rows, tx.query("SELECT id, at_us FROM signed_spends", {}));
    std::map<std::string, std::int64_t> out;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(std::string id, rows.text(i, 0));
        TRY(const std::int64_t at_us, rows.integer(i, 1));
        out.emplace(std::move(id), at_us);
    }
    return out;
}

std::uint64_t seed_of_run() {
    const char* const text = std::getenv("ADYTON_SEED");
    const std::uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 10) : 20261121;
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

class ExactnessTest : public PolicyDatabaseTest {
protected:
    void SetUp() override {
        PolicyDatabaseTest::SetUp();
        if (IsSkipped()) return;
        ASSERT_TRUE(write([](Transaction& tx) {
            return tx.execute_script(
                "CREATE TABLE signed_spends (id VARCHAR(64) PRIMARY KEY, at_us BIGINT)");
        }));
    }
    const ValuePolicy policy_ = caps();
};

// One after another in virtual time: the engine and the oracle agree on every single answer,
// through hours, days, months, repetitions, refusals on purpose and losses of power.
class OracleTest : public ExactnessTest {};

TEST_P(OracleTest, EveryAnswerIsTheOraclesThroughCrashesAndTime) {
    base::SeededRandom random(seed_of_run());
    Oracle oracle;
    int granted = 0;
    int refused = 0;
    for (int i = 0; i < 2500; ++i) {
        const std::uint64_t pace = random.below(100);
        const std::int64_t pause_s = pace < 75   ? static_cast<std::int64_t>(random.below(400))
                                     : pace < 98 ? static_cast<std::int64_t>(random.below(9000))
                                                 : static_cast<std::int64_t>(random.below(600'000));
        test().sim()->run_for(std::chrono::seconds(pause_s));
        const std::uint64_t what = random.below(100);
        if (what < 6 && !oracle.entries().empty()) {  // the chain says it can never land
            auto it = oracle.entries().begin();
            std::advance(it, random.below(oracle.entries().size()));
            const std::string id = it->first;
            ASSERT_TRUE(write([&](Transaction& tx) { return give_back_reservation(tx, id); }));
            it->second.given_back = true;
            continue;
        }
        if (what < 8) {
            test().crash(
                random.below(2) == 0 ? storage::TestDatabase::Crash::Power
                                     : storage::TestDatabase::Crash::Process);
            continue;
        }
        const Spend spend = random_spend(random, i);
        const bool fail = random.below(12) == 0;
        std::int64_t now_us = 0;
        const auto signed_now = write([&](Transaction& tx) -> Result<bool> {
            TRY(const base::Timestamp now, tx.now());
            now_us = now.time_since_epoch().count();
            return sign(tx, policy_, spend, fail);
        });
        const bool fits = oracle.fits(spend, now_us);
        if (fail && fits) {
            ASSERT_FALSE(signed_now) << i;
            continue;
        }
        ASSERT_TRUE(signed_now) << i << ": " << signed_now.error().message();
        ASSERT_EQ(*signed_now, fits) << "step " << i << " at " << now_us << ": " << spend.amount
                                     << " of " << spend.token << " to " << spend.to;
        if (fits) oracle.add(spend, now_us);
        (fits ? granted : refused) += 1;
    }
    EXPECT_GT(granted, 300);
    EXPECT_GT(refused, 300);
}

INSTANTIATE_TEST_SUITE_P(
    Simulated, OracleTest, ::testing::Values(storage::TestBackend::SqliteSimulated));

// Power fails in the middle of the disk's work: afterwards each spend is there with its charges or
// not at all, and a retry of what was lost is judged like anything else.
class TornTest : public ExactnessTest {};

TEST_P(TornTest, ALossOfPowerAnywhereLeavesNoChargeWithoutItsSignature) {
    base::SeededRandom random(seed_of_run() + 1);
    Oracle oracle;
    for (int round = 0; round < 60; ++round) {
        std::vector<Spend> spends;
        for (int i = 0; i < 6; ++i) spends.push_back(random_spend(random, round * 100 + i));
        test().disk()->power_off_after(1 + random.below(40));
        std::vector<Task<Result<bool>>> tasks;
        for (const Spend& spend : spends) {
            tasks.push_back(database().write(
                [this, spend](Transaction& tx) { return sign(tx, policy_, spend, false); }));
        }
        test().run_all(std::move(tasks));
        test().crash();
        const auto stored = write(&read_signed);
        ASSERT_TRUE(stored) << stored.error().message();
        for (const Spend& spend : spends) {
            const auto found = stored->find(spend.id);
            if (found != stored->end()) oracle.add(spend, found->second);
        }
        // What the counters hold is what was signed: every answer of now proves it.
        for (int i = 6; i < 12; ++i) {
            const Spend spend = random_spend(random, round * 100 + i);
            std::int64_t now_us = 0;
            const auto signed_now = write([&](Transaction& tx) -> Result<bool> {
                TRY(const base::Timestamp now, tx.now());
                now_us = now.time_since_epoch().count();
                return sign(tx, policy_, spend, false);
            });
            ASSERT_TRUE(signed_now) << signed_now.error().message();
            ASSERT_EQ(*signed_now, oracle.fits(spend, now_us)) << round << " " << i;
            if (*signed_now) oracle.add(spend, now_us);
        }
        test().sim()->run_for(std::chrono::minutes(random.below(90)));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Simulated, TornTest, ::testing::Values(storage::TestBackend::SqliteSimulated));

// 64 callers at once on two processes' databases: whatever the order, no cap is passed, and at the
// end nothing that still fits is refused.
TEST_P(ExactnessTest, SixtyFourCallersOnTwoProcessesFillTheCapsExactly) {
    base::SeededRandom random(seed_of_run() + 2);
    const auto other = test().open_another();
    ValuePolicy policy = ValuePolicy::allow_all();
    policy.limits.of(CapWindow::Total)["native"] = Amount(997);
    policy.limits.of(CapWindow::Total)["nep141:t"] = Amount(331);
    std::map<std::string, Spend> spends;
    std::set<std::string> failing;
    int number = 0;
    for (int wave = 0; wave < 3; ++wave) {
        std::vector<Task<Result<bool>>> tasks;
        for (int i = 0; i < 64; ++i) {
            Spend spend = random_spend(random, number++);
            spend.to = "bob";
            spends[spend.id] = spend;
            const bool fail = random.below(8) == 0;
            storage::Database& at = i % 2 == 0 ? database() : *other;
            tasks.push_back(at.write(
                [&policy, spend, fail](Transaction& tx) { return sign(tx, policy, spend, fail); }));
        }
        for (const auto& done : test().run_all(std::move(tasks))) {
            if (done) continue;
            EXPECT_EQ(done.error().code(), ErrorCode::Conflict) << done.error().message();
        }
    }
    // Ones, until nothing fits any more: then every cap is full to the last unit.
    std::map<std::pair<std::string, std::string>, std::uint64_t> sums;
    const auto stored = write(&read_signed);
    ASSERT_TRUE(stored);
    for (const auto& [id, at_us] : *stored) {
        const Spend& spend = spends.at(id);
        sums[{spend.wallet, spend.token}] += spend.amount;
    }
    for (const char* const wallet : kWallets) {
        for (const char* const token : kTokens) {
            const std::uint64_t max = std::string_view(token) == "native" ? 997 : 331;
            const std::uint64_t used = sums[{wallet, token}];
            ASSERT_LE(used, max);
            const auto take = [&](std::uint64_t amount) {
                const Spend spend{"last-" + std::to_string(number++), wallet, token, "bob", amount};
                return write([&](Transaction& tx) { return sign(tx, policy, spend, false); });
            };
            EXPECT_FALSE(take(max - used + 1).value());
            if (max > used) {
                EXPECT_TRUE(take(max - used).value());
            }
            EXPECT_FALSE(take(1).value());
        }
    }
}

ADYTON_ON_ALL_DATABASES(ExactnessTest);

}  // namespace
}  // namespace adyton::policy

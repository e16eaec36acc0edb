#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <set>

#include "neo/address.h"
#include "neo/transaction.h"
#include "policy/reservation.h"
#include "pool/transfer.h"
#include "pool/transfer_test_support.h"

// The transfer path is killed at every write to the disk, every signature and every call of a node
// (each one enumerated, before and after), then at random with nodes that lose, lie and lag.
// Afterwards the process starts again, every caller repeats its request under the same idempotency
// key, and the books are compared with the ledger: each key moved its amount exactly once, or says
// why not. Everything follows from the printed seed.
//
// ADYTON_TRANSFER_WORLDS=N and ADYTON_TRANSFER_FIRST_WORLD choose the random worlds,
// ADYTON_TRANSFER_ROUNDS the rounds of each.
namespace adyton::pool {
namespace {

using api::TransferStatus;
using localchain::FaultRule;
using localchain::NodeFault;
using storage::TestDatabase;

// Two thousand rounds are some twenty seconds of an optimized build; others are five to fifty times
// slower, and get enough to see that they work.
#if defined(__OPTIMIZE__) && !defined(ADYTON_SANITIZED)
constexpr std::uint64_t kWorlds = 10;
constexpr std::uint64_t kRounds = 200;
#else
constexpr std::uint64_t kWorlds = 2;
constexpr std::uint64_t kRounds = 30;
#endif

std::uint64_t number_from(const char* variable, std::uint64_t fallback) {
    const char* const text = std::getenv(variable);
    return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// A client whose process can die at any of its calls: just before the call takes effect, or just
// after, when nobody learns of it. A call of a dead process never returns.
class MortalClient final : public chain::NeoClient {
public:
    void connect(chain::NeoClient& inner) { inner_ = &inner; }
    // Dies at the `nth` call from now (from 1), before or after its effect. 0: never.
    void die_at(std::uint64_t nth, bool after, std::function<void()> death) {
        countdown_ = nth;
        after_ = after;
        death_ = std::move(death);
        dead_ = false;
    }
    bool dead() const { return dead_; }

    Task<Result<chain::NeoNetwork>> network() override { return pass(inner_->network()); }
    neo::NetworkMagic magic() const override { return inner_->magic(); }
    Task<Result<std::uint32_t>> block_count() override { return pass(inner_->block_count()); }
    Task<Result<chain::Invocation>> invoke_script(
        base::Bytes script, std::vector<neo::Signer> signers) override {
        return pass(inner_->invoke_script(std::move(script), std::move(signers)));
    }
    Task<Result<std::int64_t>> network_fee(const neo::Transaction& transaction) override {
        return pass(inner_->network_fee(transaction));
    }
    Task<chain::SendOutcome> send(
        base::Bytes bytes, neo::TransactionHash hash, unsigned attempt) override {
        sent_.insert(hash);
        return pass(inner_->send(std::move(bytes), hash, attempt));
    }
    Task<Result<chain::TransactionFate>> fate(
        neo::TransactionHash hash, std::uint32_t valid_until_block) override {
        return pass(inner_->fate(hash, valid_until_block));
    }
    Task<Result<base::Amount>> balance(neo::ScriptHash token, neo::ScriptHash account) override {
        return pass(inner_->balance(token, account));
    }
    Task<std::vector<chain::BalanceReading>> balances(
        std::vector<chain::BalanceQuery> queries, std::size_t sources) override {
        return pass(inner_->balances(std::move(queries), sources));
    }
    Task<Result<std::string>> token_symbol(neo::ScriptHash token) override {
        return pass(inner_->token_symbol(token));
    }
    std::vector<chain::EndpointStatus> endpoints() const override { return inner_->endpoints(); }

    // Every transaction that was ever handed to send().
    const std::set<neo::TransactionHash>& sent() const { return sent_; }

private:
    template <typename T>
    Task<T> pass(Task<T> call) {
        const bool here = countdown_ > 0 && --countdown_ == 0;
        if (here && !after_) {
            auto end = die();
            co_await std::move(end);
        }
        T value = co_await std::move(call);
        if (here) {
            auto end = die();
            co_await std::move(end);
        }
        co_return value;
    }
    Task<void> die() {
        dead_ = true;
        death_();
        base::Completion<bool> never;
        co_await never;
    }

    chain::NeoClient* inner_ = nullptr;
    std::uint64_t countdown_ = 0;
    bool after_ = false;
    bool dead_ = false;
    std::function<void()> death_;
    std::set<neo::TransactionHash> sent_;
};

class MortalProbe final : public TransferProbe {
public:
    void at(TransferPoint point) override {
        if (point == point_ && countdown_ > 0 && --countdown_ == 0) {
            dead_ = true;
            death_();
        }
    }
    void die_at(TransferPoint point, std::uint64_t nth, std::function<void()> death) {
        point_ = point;
        countdown_ = nth;
        death_ = std::move(death);
        dead_ = false;
    }
    bool dead() const { return dead_; }

private:
    TransferPoint point_ = TransferPoint::BeforeSign;
    std::uint64_t countdown_ = 0;
    bool dead_ = false;
    std::function<void()> death_;
};

// One caller's wish, outside the process that dies.
struct Wish {
    std::string key;
    std::string body;
    base::Amount amount;
    neo::ScriptHash token;
    std::string transfer_id;  // as the first answer named it
    bool answered = false;    // definitely, in this life
    TestAnswer last;
};

class TransferCrashTest : public PoolTest {
protected:
    static constexpr std::uint64_t kSettleRounds = 400;

    void SetUp() override {
        PoolTest::SetUp();
        seed_ = 1;
    }
    void TearDown() override {
        drop();
        PoolTest::TearDown();
    }
    base::SimExecutor& sim() { return *test().sim(); }
    TransferChain& chain() { return *chain_; }

    void make_world(std::uint64_t seed, std::int64_t accounts) {
        seed_ = seed;
        random_ = std::make_unique<base::SeededRandom>(seed);
        chain_ = std::make_unique<TransferChain>(sim(), seed);
        mortal_ = std::make_unique<MortalClient>();
        start_process();
        accounts_ = request(accounts).accounts;
        for (const auto& account : accounts_) {
            chain().fund(TransferTest::hash_of(account), 1000 * kOneGas, 10'000);
        }
    }
    void start_process() {
        chain().reconnect();
        mortal_->connect(chain().client());
        mortal_->die_at(0, false, {});
        TestPoolOptions options = TransferTest::quick_pool();
        options.neo = mortal_.get();
        options.seed = seed_ * 100'000 + ++lives_ * 10;
        if (capped_) options.rules = caps();
        open(std::move(options));
        auto& transfers = *pool().service().parts().transfers;
        probe_.die_at(TransferPoint::BeforeSign, 0, {});
        transfers.set_probe(&probe_);
        transfers.start();
    }
    // Higher than what is moved, so that all that counts is what was counted.
    static policy::RuleSet caps() {
        constexpr std::string_view kRules = R"({"default":"allow","rules":[{"name":"capped",
            "effect":"allow","services":["svc"],"operations":["transfer"],
            "limits":{"total":{"GAS":"1000000000","NEO":"1000000000"}}}]})";
        return policy::RuleSet::parse(base::Json::parse(kRules).value()).value();
    }
    // What was reserved for a token and not given back.
    std::string counted(const neo::ScriptHash& token) {
        const policy::Limit limit{
            "service:svc", "rule \"capped\" spend " + token.to_string(), {}, {}, "capped"};
        return run(database().read(
                       [&](storage::Transaction& tx) { return policy::reserved_total(tx, limit); }))
            .value()
            .to_string();
    }
    // What a crash leaves: the disk and the chain.
    void crash_and_restart(TestDatabase::Crash kind) {
        sim().drop_all();
        close();
        if (!test().disk()->powered()) kind = TestDatabase::Crash::Power;
        test().disk()->power_off_after(1'000'000'000);  // no strike is left for the next life
        test().crash(kind);
        start_process();
    }
    void drop() {
        if (!chain_) return;
        sim().drop_all();
        close();
        test().crash(TestDatabase::Crash::Process);
        open(small_pool());  // for the invariants that PoolTest checks in the end
    }
    bool struck() { return mortal_->dead() || probe_.dead() || !test().disk()->powered(); }

    static neo::ScriptHash neo_receiver() {
        return neo::ScriptHash::of_script(base::as_bytes("another stranger's account"));
    }
    Wish& wish(const std::string& more = {}, bool neo_token = false) {
        Wish& out = wishes_.emplace_back();
        out.key = "wish-" + std::to_string(wishes_.size());
        out.amount = base::Amount(1000 + wishes_.size());
        out.token = neo_token ? TransferChain::neo() : TransferChain::gas();
        if (neo_token) out.amount = base::Amount(1 + wishes_.size() % 3);
        const auto& account = accounts_[random_->below(accounts_.size())];
        // NEO pays GAS out to both sides: to an account of its own, or the sums would not be exact.
        const auto receiver = neo_token ? neo_receiver() : TransferChain::stranger();
        out.body = R"({"account_id":")" + account.id + R"(","to_address":")" +
                   neo::Address(receiver).to_string() + R"(","amount":)" + out.amount.to_string() +
                   (neo_token ? R"(,"token_address":"NEO")" : "") + more + "}";
        return out;
    }
    // Repeats the call until its answer is definite: it is under way, or it is refused.
    static Task<void> insist(TransferCrashTest* self, Wish* wish, TestPool* pool) {
        for (int i = 0; i < 50 && !wish->answered; ++i) {
            auto calling = pool->call(
                {"POST", "/transfer", "svc", wish->body, {{"Idempotency-Key", wish->key}}});
            wish->last = co_await std::move(calling);
            const int status = wish->last.status;
            if (status == 200 || status == 202) {
                const std::string id = wish->last.at("transfer_id").string_value();
                EXPECT_TRUE(wish->transfer_id.empty() || wish->transfer_id == id)
                    << wish->key << " became two transfers";
                wish->transfer_id = id;
                wish->answered = true;
            } else if (status < 500 && wish->last.reason() != "balance_reserved") {
                wish->answered = true;
            } else {
                auto pause = base::sleep_for(self->sim(), std::chrono::milliseconds(50));
                co_await std::move(pause);
            }
        }
    }
    void ask(Wish& wish) {
        wish.answered = false;
        base::spawn(sim(), insist(this, &wish, &pool()));
    }

    // Steps and blocks until nothing is under way, or death. False: dead.
    bool live(std::uint64_t steps_max = ~std::uint64_t{0}) {
        std::uint64_t steps = 0;
        for (std::uint64_t round = 0; round < kSettleRounds; ++round) {
            const auto until = sim().steady_now() + std::chrono::milliseconds(60);
            while (sim().steady_now() < until) {
                if (++steps > steps_max) return false;
                if (!sim().step()) break;
                if (struck()) return false;
            }
            chain().ledger().produce_block();
            bool answered = true;
            for (const Wish& wish : wishes_) answered &= wish.answered;
            if (answered && chain().ledger().pool_size() == 0 && settled()) return true;
            if (struck()) return false;
        }
        ADD_FAILURE() << "it does not come to rest";
        return true;
    }
    bool settled() {
        const auto open = run(database().read([](storage::Transaction& tx) {
            return tx.query("SELECT 1 FROM pool_transfers WHERE final_at IS NULL LIMIT 1", {});
        }));
        return open && open->empty();
    }
    void disarm() {
        test().disk()->power_off_after(1'000'000'000);
        mortal_->die_at(0, false, {});
        probe_.die_at(TransferPoint::BeforeSign, 0, {});
    }

    // The books against the ledger.
    void check_books() {
        check_wishes();
        std::map<neo::ScriptHash, base::Amount> moved;
        std::set<neo::TransactionHash> known;
        const auto rows = run(database().read([](storage::Transaction& tx) {
            return tx.query("SELECT id FROM pool_transfers", {});
        }));
        ASSERT_TRUE(rows);
        for (std::size_t i = 0; i < rows->size(); ++i) {
            const std::string id = rows->text(i, 0).value();
            const auto record = run(database().read([&](storage::Transaction& tx) {
                                    return transfers::find(tx, id);
                                }))
                                    .value()
                                    .value();
            known.insert(record.hash);
            check_record(record);
            if (record.status != TransferStatus::Confirmed) continue;
            base::Amount& sum = moved[record.token];
            sum = sum.plus(record.amount).value();
        }
        EXPECT_EQ(
            chain().balance(TransferChain::gas(), TransferChain::stranger()).to_string(),
            moved[TransferChain::gas()].to_string());
        EXPECT_EQ(
            chain().balance(TransferChain::neo(), neo_receiver()).to_string(),
            moved[TransferChain::neo()].to_string());
        if (capped_) {
            for (const auto& [token, amount] : moved) EXPECT_EQ(counted(token), amount.to_string());
        }
        // Nothing was ever sent that is not on the disk.
        for (const auto& hash : mortal_->sent()) {
            EXPECT_EQ(known.count(hash), 1U) << hash.to_string() << " was sent and forgotten";
        }
        EXPECT_EQ(number("SELECT COALESCE(sum(unfinished_transfers), 0) FROM pool_accounts"), 0);
        EXPECT_EQ(number("SELECT count(*) FROM workflow_runs WHERE state = 'running'"), 0);
    }
    void check_record(const TransferRecord& record) {
        const auto* const done = chain().ledger().find_confirmed(record.hash);
        const bool halted = done != nullptr && done->execution.state == localchain::VmState::Halt;
        EXPECT_TRUE(is_final(record.status)) << record.id;
        EXPECT_EQ(halted, record.status == TransferStatus::Confirmed)
            << record.id << " is " << to_string(record.status) << ": " << record.reason;
        if (done != nullptr) {
            EXPECT_EQ(done->bytes, record.bytes);
            EXPECT_EQ(record.block_index, done->block_index);
        }
    }
    void check_wishes() {
        std::set<std::string> ids;
        for (const Wish& wish : wishes_) {
            ASSERT_TRUE(wish.answered) << wish.key;
            if (wish.transfer_id.empty()) {
                EXPECT_GE(wish.last.status, 400) << wish.last.text;
                EXPECT_FALSE(wish.last.reason().empty()) << wish.last.text;
                continue;
            }
            EXPECT_TRUE(ids.insert(wish.transfer_id).second) << "two keys share a transfer";
            const std::string amount = run(database().read([&](storage::Transaction& tx) {
                                           return transfers::find(tx, wish.transfer_id);
                                       }))
                                           .value()
                                           .value()
                                           .amount.to_string();
            EXPECT_EQ(amount, wish.amount.to_string());
        }
        EXPECT_EQ(
            number("SELECT count(*) FROM pool_transfers"), static_cast<std::int64_t>(ids.size()))
            << "there are transfers that no key asked for";
    }

    // One transfer that dies where `arm` says, and its second life. False: it did not die.
    bool strike(const std::function<void()>& arm, TestDatabase::Crash kind, bool sponsored) {
        const std::string payer =
            sponsored ? R"(,"fee_account_id":")" + accounts_.back().id + "\"" : std::string();
        arm();
        Wish& one = wish(payer, sponsored);
        ask(one);
        const bool survived = live();
        if (survived) {
            disarm();
            return false;
        }
        crash_and_restart(kind);
        for (Wish& every : wishes_) every.answered = every.answered || &every != &one;
        ask(one);
        EXPECT_TRUE(live());
        return true;
    }
    std::function<void()> kill(TestDatabase::Crash kind) {
        return [this, kind] {
            if (kind == TestDatabase::Crash::Power) {
                test().disk()->power_off();
            } else {
                test().disk()->kill_process();
            }
        };
    }

    std::uint64_t seed_ = 1;
    std::uint64_t lives_ = 0;
    bool capped_ = false;
    std::unique_ptr<base::SeededRandom> random_;
    std::unique_ptr<TransferChain> chain_;
    std::unique_ptr<MortalClient> mortal_;
    MortalProbe probe_;
    std::vector<api::AccountInfo> accounts_;
    std::deque<Wish> wishes_;
};

TEST_P(TransferCrashTest, EveryWriteToTheDisk) {
    make_world(7, 3);
    std::uint64_t points = 0;
    for (std::uint64_t nth = 1;; ++nth) {
        SCOPED_TRACE("write " + std::to_string(nth));
        const auto arm = [&] { test().disk()->power_off_after(nth); };
        if (!strike(arm, TestDatabase::Crash::Power, nth % 5 == 0)) break;
        ++points;
        if (HasFailure()) break;
        ASSERT_LT(nth, 2000U);
    }
    check_books();
    RecordProperty("points", std::to_string(points));
    std::printf("killed at each of %llu writes\n", static_cast<unsigned long long>(points));
    EXPECT_GT(points, 8U);  // one for a commit and more at checkpoints
}

TEST_P(TransferCrashTest, EveryCallOfANodeBeforeAndAfterItsEffect) {
    capped_ = true;
    make_world(8, 3);
    std::uint64_t points = 0;
    for (const auto kind : {TestDatabase::Crash::Power, TestDatabase::Crash::Process}) {
        for (const bool after : {false, true}) {
            for (std::uint64_t nth = 1;; ++nth) {
                SCOPED_TRACE((after ? "after call " : "before call ") + std::to_string(nth));
                const auto arm = [&] { mortal_->die_at(nth, after, kill(kind)); };
                if (!strike(arm, kind, nth % 3 == 0)) break;
                ++points;
                if (HasFailure()) return;
                ASSERT_LT(nth, 200U);
            }
        }
    }
    check_books();
    std::printf("killed at each of %llu calls\n", static_cast<unsigned long long>(points));
    EXPECT_GT(points, 30U);
}

TEST_P(TransferCrashTest, EverySignatureAndSendPoint) {
    capped_ = true;
    make_world(9, 3);
    std::uint64_t points = 0;
    for (const auto kind : {TestDatabase::Crash::Power, TestDatabase::Crash::Process}) {
        for (const auto point :
             {TransferPoint::BeforeSign, TransferPoint::AfterSign, TransferPoint::BeforeSend,
              TransferPoint::AfterSend, TransferPoint::AfterAnswer}) {
            for (std::uint64_t nth = 1;; ++nth) {
                const auto arm = [&] { probe_.die_at(point, nth, kill(kind)); };
                if (!strike(arm, kind, true)) break;
                ++points;
                if (HasFailure()) return;
                ASSERT_LT(nth, 50U);
            }
        }
    }
    check_books();
    std::printf("killed at each of %llu points\n", static_cast<unsigned long long>(points));
    EXPECT_EQ(points, 10U);
}

// Nodes that lose, lie and lag, and a process that dies at random moments.
class TransferScheduleTest : public TransferCrashTest {
protected:
    void order_faults() {
        static constexpr NodeFault kFaults[] = {
            NodeFault::LoseRequest, NodeFault::LoseAnswer, NodeFault::Swallow,
            NodeFault::HttpStatus,  NodeFault::RpcError,   NodeFault::Garbage,
            NodeFault::WrongId,     NodeFault::NullResult, NodeFault::Delay};
        for (std::size_t i = 0; i < chain().nodes(); ++i) {
            auto& node = chain().node(i);
            const std::uint64_t rules = random_->below(4);
            for (std::uint64_t n = 0; n < rules; ++n) {
                FaultRule rule;
                rule.fault = kFaults[random_->below(std::size(kFaults))];
                if (random_->below(2) == 0) rule.method = "sendrawtransaction";
                rule.skip = random_->below(3);
                rule.count = 1 + random_->below(6);
                rule.per_mille = static_cast<unsigned>(300 + random_->below(701));
                rule.delay = std::chrono::milliseconds(random_->below(400));
                node.order(rule);
            }
            if (random_->below(4) == 0) {
                node.set_lag(static_cast<std::uint32_t>(random_->below(4)));
            }
            if (random_->below(8) == 0) {
                node.set_height_lie(static_cast<std::int64_t>(random_->below(40)) - 5);
            }
        }
    }
    void heal() {
        for (std::size_t i = 0; i < chain().nodes(); ++i) {
            chain().node(i).clear_faults();
            chain().node(i).set_lag(0);
            chain().node(i).set_height_lie(0);
        }
    }
    void round() {
        order_faults();
        const std::uint64_t count = 1 + random_->below(3);
        std::vector<Wish*> mine;
        for (std::uint64_t i = 0; i < count; ++i) {
            const bool neo_token = random_->below(3) == 0;
            const std::string payer =
                random_->below(3) == 0 ? R"(,"fee_account_id":")" +
                                             accounts_[random_->below(accounts_.size())].id + "\""
                                       : std::string();
            mine.push_back(&wish(payer, neo_token));
        }
        const std::uint64_t deaths = random_->below(3);
        for (std::uint64_t death = 0; death < deaths; ++death) {
            for (Wish* each : mine) ask(*each);
            if (random_->below(2) == 0) {
                test().disk()->power_off_after(1 + random_->below(60));
            }
            if (live(random_->below(400))) break;
            crash_and_restart(
                random_->below(2) == 0 ? TestDatabase::Crash::Power : TestDatabase::Crash::Process);
        }
        heal();
        disarm();
        for (Wish* each : mine) ask(*each);
        EXPECT_TRUE(live());
    }
};

// Each world is a test case of its own, on a fresh database and chain: "World3".
TEST_P(TransferScheduleTest, RandomDeathsAndFaultsMoveEachKeyOnce) {
    const std::string name = ::testing::UnitTest::GetInstance()->current_test_info()->name();
    const std::uint64_t world = std::strtoull(name.c_str() + name.rfind("World") + 5, nullptr, 10);
    const std::uint64_t rounds = number_from("ADYTON_TRANSFER_ROUNDS", kRounds);
    for (std::uint64_t i = 0; i < world; ++i) sim().random().next();
    make_world(1000 + world, 3);
    for (std::uint64_t i = 0; i < rounds && !HasFailure(); ++i) {
        SCOPED_TRACE("world " + std::to_string(world) + ", round " + std::to_string(i));
        round();
        if (i % 10 == 9 || i + 1 == rounds) check_books();
    }
    std::printf(
        "world %llu: %llu rounds, %zu keys, %llu lives\n", static_cast<unsigned long long>(world),
        static_cast<unsigned long long>(rounds), wishes_.size(),
        static_cast<unsigned long long>(lives_));
}

INSTANTIATE_TEST_SUITE_P(
    Simulated, TransferCrashTest, ::testing::Values(storage::TestBackend::SqliteSimulated));
INSTANTIATE_TEST_SUITE_P(
    Simulated, TransferScheduleTest,
    ::testing::ValuesIn(std::vector<storage::TestBackend>(
        number_from("ADYTON_TRANSFER_WORLDS", kWorlds), storage::TestBackend::SqliteSimulated)),
    [](const ::testing::TestParamInfo<storage::TestBackend>& backend) {
        return "World" +
               std::to_string(backend.index + number_from("ADYTON_TRANSFER_FIRST_WORLD", 1));
    });

}  // namespace
}  // namespace adyton::pool

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

#include "audit/export.h"
#include "keystore/internal/service_parts.h"
#include "keystore/test_keystore.h"

// Sixty-four clients spend one allowance at once, and the process is killed again and again at
// points that a seed chooses. The oracle is a sum: what was signed never passes the cap, nothing
// that fits is refused, and whoever repeats a request gets the bytes that were answered before. A
// failing seed is printed; ADYTON_KEYSTORE_SEEDS=N runs N of them.
namespace adyton::keystore {
namespace {

constexpr std::uint64_t kCap = 20'000;
constexpr std::size_t kClients = 64;
const std::string kPolicy =
    R"({"limits":{"total":{"native":"20000"}},"rules":[)"
    R"({"name":"calls","effect":"allow","operations":["call"],"receivers":["count.near"]}]})";

struct Request {
    std::uint64_t nonce = 0;
    std::uint64_t amount = 0;
    int status = 0;    // of the first definite answer; 0: none yet
    std::string text;  // of a success
};

// What the clients know, kept outside the process that crashes.
struct World {
    explicit World(std::uint64_t seed) : random(seed) {
        for (std::size_t i = 0; i < 300; ++i) {
            requests.push_back({i + 1, random.below(150), 0, {}});
        }
    }
    // The next request without an answer, for whoever is free.
    Request* take() {
        while (next < requests.size() && requests[next].status != 0) ++next;
        return next < requests.size() ? &requests[next++] : nullptr;
    }
    void restart() { next = 0; }
    bool done() const {
        return std::all_of(requests.begin(), requests.end(), [](const Request& request) {
            return request.status != 0;
        });
    }

    base::SeededRandom random;
    std::vector<Request> requests;
    std::size_t next = 0;
};

Task<void> client(World& world, TestKeystore& keystore) {
    for (;;) {
        Request* const request = world.take();
        if (request == nullptr) co_return;
        TestCall call;
        call.path = "/wallet/sign-nep366-delegate";
        call.body = KeystoreTest::delegate_body(request->nonce, std::to_string(request->amount));
        auto calling = keystore.call(std::move(call));
        const TestAnswer answer = co_await std::move(calling);
        if (answer.status != 200 && answer.status != 403) continue;
        request->status = answer.status;
        if (answer.status == 200) request->text = answer.text;
    }
}

Task<bool> run_client(World& world, TestKeystore& keystore) {
    auto running = client(world, keystore);
    co_await std::move(running);
    co_return true;
}

class KeystorePropertyTest : public KeystoreTest {
public:
    void check(World& world) {
        std::uint64_t spent = 0;
        std::int64_t paid = 0;
        for (const Request& request : world.requests) {
            ASSERT_NE(request.status, 0) << request.nonce;
            if (request.status != 200) continue;
            spent += request.amount;
            ++paid;
            EXPECT_EQ(
                sign_delegate(request.nonce, std::to_string(request.amount)).text, request.text);
        }
        EXPECT_LE(spent, kCap);
        EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), paid);
        // Sums only rise, so what fits now fitted then.
        for (const Request& request : world.requests) {
            if (request.status == 403) {
                EXPECT_GT(request.amount, kCap - spent);
            }
        }
        const std::uint64_t rest = kCap - spent;
        EXPECT_EQ(sign_delegate(1'000'001, std::to_string(rest + 1)).status, 403);
        EXPECT_EQ(sign_delegate(1'000'002, std::to_string(rest)).status, 200);
        EXPECT_EQ(sign_delegate(1'000'003, "1").status, 403);
    }
};

TEST_P(KeystorePropertyTest, ManyClientsAtOnceSpendTheCapExactly) {
    open();
    put_policy(kPolicy);
    World world(7);
    std::vector<Task<bool>> clients;
    for (std::size_t i = 0; i < kClients; ++i) {
        clients.push_back(run_client(world, keystore()));
    }
    test().run_all(std::move(clients));
    check(world);
}

TEST_P(KeystorePropertyTest, TwoInstancesSpendOneCapAndGiveOneSignature) {
    if (test().sim() != nullptr) GTEST_SKIP() << "two processes want a real database";
    open();
    put_policy(kPolicy);
    const auto database_2 = test().open_another();
    auto options = permissive();
    options.instance = "test-2";
    FakeChain chain_2;
    auto opened = run(TestKeystore::open(*database_2, executor(), chain_2, std::move(options)));
    ASSERT_TRUE(opened) << opened.error().message();
    const std::unique_ptr<TestKeystore> second = *std::move(opened);
    // Both are asked for all of it, at once.
    World one(11);
    World two(11);
    std::vector<Task<bool>> clients;
    for (std::size_t i = 0; i < 8; ++i) {
        clients.push_back(run_client(one, keystore()));
        clients.push_back(run_client(two, *second));
    }
    test().run_all(std::move(clients));
    for (std::size_t i = 0; i < one.requests.size(); ++i) {
        // A refusal may meet an answer only where the other instance had signed before.
        if (one.requests[i].status == 200 && two.requests[i].status == 200) {
            EXPECT_EQ(one.requests[i].text, two.requests[i].text) << i;
        }
        if (two.requests[i].status == 200) one.requests[i] = two.requests[i];
    }
    check(one);
}

void crash_and_repeat(KeystorePropertyTest& test, std::uint64_t seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed);
    base::SimExecutor& sim = *test.test().sim();
    for (int crashes = 0; crashes < 12 && !world.done(); ++crashes) {
        for (std::size_t i = 0; i < kClients; ++i) {
            base::spawn(sim, client(world, test.keystore()));
        }
        const std::uint64_t steps = 50 + world.random.below(1'500);
        for (std::uint64_t i = 0; i < steps && sim.step(); ++i) {
        }
        sim.drop_all();
        test.close();
        test.test().crash(
            world.random.below(2) == 0 ? storage::TestDatabase::Crash::Power
                                       : storage::TestDatabase::Crash::Process);
        test.open();
        world.restart();
    }
    while (!world.done()) {
        std::vector<Task<bool>> clients;
        for (std::size_t i = 0; i < kClients; ++i) {
            clients.push_back(run_client(world, test.keystore()));
        }
        test.test().run_all(std::move(clients));
        world.restart();
    }
    test.check(world);
}

TEST_P(KeystorePropertyTest, NoCrashLosesOrGrantsAnything) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated disk";
    const char* const seeds = std::getenv("ADYTON_KEYSTORE_SEEDS");
    const std::uint64_t count = seeds == nullptr ? 3 : std::strtoull(seeds, nullptr, 10);
    for (std::uint64_t seed = 1; seed <= count; ++seed) {
        if (seed != 1) {
            TearDown();
            SetUp();
        }
        open();
        put_policy(kPolicy);
        crash_and_repeat(*this, seed);
        if (HasFailure()) return;
    }
}

TEST_P(KeystorePropertyTest, ARequestThatACrashInterruptedHasOneReservation) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated disk";
    open();
    put_policy(kPolicy);
    std::string answered;
    for (std::uint64_t steps = 1; steps < 120; ++steps) {
        World world(steps);
        world.requests = {{5, 100, 0, {}}};
        base::SimExecutor& sim = *test().sim();
        base::spawn(sim, client(world, keystore()));
        for (std::uint64_t i = 0; i < steps && sim.step(); ++i) {
        }
        sim.drop_all();
        close();
        test().crash(storage::TestDatabase::Crash::Power);
        open();
        if (world.requests[0].status == 200) {
            if (!answered.empty()) {
                EXPECT_EQ(world.requests[0].text, answered);
            }
            answered = world.requests[0].text;
        }
    }
    const auto again = sign_delegate(5, "100");
    ASSERT_EQ(again.status, 200);
    ASSERT_FALSE(answered.empty());
    EXPECT_EQ(again.text, answered);
    EXPECT_EQ(number("SELECT COUNT(*) FROM policy_reservations"), 1);
    EXPECT_EQ(sign_delegate(6, std::to_string(kCap - 99)).status, 403);
    EXPECT_EQ(sign_delegate(6, std::to_string(kCap - 100)).status, 200);
}

// ----- giving back
// --------------------------------------------------------------------------------

class KeystoreSettleTest : public KeystorePropertyTest {
public:
    void start(DelegatesUse delegates = DelegatesUse::Anywhere) {
        rest();
        auto options = permissive();
        options.keystore.delegates_use = delegates;
        options.keystore.signatures_keep = keep;
        options.keystore.prune_period = std::chrono::seconds(10);
        options.keystore.settle_period = std::chrono::seconds(1);
        options.keystore.transaction_validity_blocks = 100;
        options.keystore.validity_margin_blocks = 10;
        open(options);
        put_policy(R"({"limits":{"total":{"native":"100"}},"rules":[)"
                   R"({"name":"send","effect":"allow","operations":["transfer","call"],)"
                   R"("opaque_calls":true}]})");
        chain().install(kAddress, kKey, 7);
    }
    TestAnswer send(const std::string& amount) {
        return post(
            "/wallet/sign-near-transfer", "{\"wallet_id\":\"" + kWallet +
                                              "\",\"receiver_id\":\"bob.near\",\"amount\":\"" +
                                              amount + "\"}");
    }
    // Time passes with the workers at work; they go on until the keystore is opened anew.
    void work(base::Duration span = std::chrono::minutes(2)) {
        if (!working_) keystore().service().start();
        working_ = true;
        test().sim()->run_for(span);
    }
    void rest() {
        if (working_) run(stopped());
        working_ = false;
    }
    void TearDown() override {
        rest();
        KeystorePropertyTest::TearDown();
    }
    Task<bool> stopped() {
        auto stopping = keystore().service().stop();
        co_await std::move(stopping);
        co_return true;
    }
    std::string state() { return text("SELECT state FROM keystore_signatures"); }

    const std::string kKey = "ed25519:5A1NXEBirWJb5otEmEfDLswJfBshaC6Eg7HGD4bDUFGR";
    static constexpr std::uint64_t kDelegateEnd = 194'854'180;  // of delegate_body()
    base::Duration keep = std::chrono::hours(24);

private:
    bool working_ = false;
};

TEST_P(KeystoreSettleTest, ANativeDelegateIsGivenBackOnceTwoReadingsShowItDead) {
    start(DelegatesUse::NativeOnly);
    ASSERT_EQ(sign_delegate(1'776'720'050'001, "100").status, 200);
    EXPECT_EQ(sign_delegate(1'776'720'050'002, "1").status, 403);
    chain().block.height = kDelegateEnd;
    work();
    EXPECT_EQ(state(), "open") << "in its last block it can still land";
    chain().block.height = kDelegateEnd + 1;
    for (const int before = chain().asked; chain().asked == before;) {
        work(std::chrono::milliseconds(20));
    }
    EXPECT_EQ(state(), "open") << "one reading is none";
    work();
    EXPECT_EQ(state(), "given_back");
    const auto kinds = audit_kinds();
    EXPECT_EQ(std::count(kinds.begin(), kinds.end(), "keystore.give_back"), 1);
    EXPECT_EQ(sign_delegate(1'776'720'050'002, "100").status, 200);
}

TEST_P(KeystoreSettleTest, ADelegateThatAGateMayHaveTakenStaysReserved) {
    start();
    ASSERT_EQ(sign_delegate(1'776'720'050'001, "100").status, 200);
    chain().block.height = kDelegateEnd + 1'000'000;
    work();
    EXPECT_EQ(state(), "open");
    EXPECT_EQ(sign_delegate(1'776'720'050'002, "1").status, 403);
    // Another setting later proves nothing of what was signed before.
    start(DelegatesUse::NativeOnly);
    work();
    EXPECT_EQ(state(), "open");
    EXPECT_EQ(sign_delegate(1'776'720'050'002, "1").status, 403);
}

TEST_P(KeystoreSettleTest, ADelegateWhoseNonceIsUsedOrWhoseKeyIsGoneStaysCharged) {
    for (const bool gone : {false, true}) {
        SCOPED_TRACE(gone);
        start(DelegatesUse::NativeOnly);
        const std::uint64_t nonce = 1'776'720'050'001 + (gone ? 1 : 0);
        ASSERT_EQ(sign_delegate(nonce, "50").status, 200);
        chain().block.height = kDelegateEnd + 10;
        if (gone) {
            chain().keys.clear();
        } else {
            chain().install(kAddress, kKey, nonce);
        }
        work();
        EXPECT_EQ(
            number("SELECT COUNT(*) FROM keystore_signatures WHERE state = 'landed'"),
            gone ? 2 : 1);
    }
    EXPECT_EQ(sign_delegate(1'776'720'050'009, "1").status, 403);
}

TEST_P(KeystoreSettleTest, ADelegateOfNodesThatContradictEachOtherStaysReserved) {
    start(DelegatesUse::NativeOnly);
    ASSERT_EQ(sign_delegate(1'776'720'050'001, "100").status, 200);
    chain().block.height = kDelegateEnd + 10;
    const int before = chain().asked;
    chain().delegates = [this] {
        return chain().asked % 2 == 0 ? PayloadFate::Dead : PayloadFate::Open;
    };
    work();
    EXPECT_GT(chain().asked, before + 20);
    EXPECT_EQ(state(), "open") << "two in a row are needed";
}

TEST_P(KeystoreSettleTest, OldRecordsGoOnceTheyBackNothing) {
    keep = std::chrono::seconds(30);
    start();
    ASSERT_EQ(sign_delegate(1'776'720'050'001, "60").status, 200);
    ASSERT_EQ(sign_delegate(1'776'720'050'002, "0").status, 200);  // reserves nothing
    ASSERT_EQ(send("40").status, 200);                             // may land for a hundred blocks
    EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), 3);
    work(std::chrono::seconds(20));
    EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), 3) << "not old enough";
    work();
    EXPECT_EQ(text("SELECT operation FROM keystore_signatures"), "sign_near_transfer");
    EXPECT_EQ(number("SELECT COUNT(*) FROM policy_reservations WHERE state = 'reserved'"), 1);
    EXPECT_EQ(send("1").status, 403) << "what the delegate moved stays counted";
    // Once the transaction is dead its amount is free again, and its record goes as well.
    chain().block.height += 111;
    work();
    EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), 0);
    EXPECT_EQ(number("SELECT COUNT(*) FROM policy_reservations"), 0);
    EXPECT_EQ(send("41").status, 403);
    EXPECT_EQ(send("40").status, 200);
}

TEST_P(KeystoreSettleTest, AForgottenDelegateIsCountedAnewAndSignedTheSame) {
    keep = std::chrono::seconds(30);
    start();
    const auto first = sign_delegate(1'776'720'050'001, "50");
    ASSERT_EQ(first.status, 200);
    EXPECT_EQ(sign_delegate(1'776'720'050'001, "50").text, first.text);
    work();
    EXPECT_EQ(number("SELECT COUNT(*) FROM keystore_signatures"), 0);
    const auto again = sign_delegate(1'776'720'050'001, "50");
    EXPECT_EQ(again.text, first.text);
    EXPECT_EQ(sign_delegate(1'776'720'050'002, "1").status, 403);
}

TEST_P(KeystoreSettleTest, WhatCannotLandAnyMoreIsGivenBack) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated clock";
    start();
    ASSERT_EQ(send("100").status, 200);
    EXPECT_EQ(send("1").status, 403);
    chain().block.height += 111;  // past its life by one block
    work();
    EXPECT_EQ(text("SELECT state FROM keystore_signatures"), "given_back");
    EXPECT_EQ(send("100").status, 200);
}

TEST_P(KeystoreSettleTest, WhatMayStillLandStaysReserved) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated clock";
    start();
    ASSERT_EQ(send("100").status, 200);
    chain().block.height += 110;
    work();
    EXPECT_EQ(text("SELECT state FROM keystore_signatures"), "open");
    EXPECT_EQ(send("1").status, 403);
}

TEST_P(KeystoreSettleTest, AUsedNonceKeepsTheReservation) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated clock";
    start();
    ASSERT_EQ(send("100").status, 200);
    chain().block.height += 1'000;
    chain().install(kAddress, kKey, 8);
    work();
    EXPECT_EQ(text("SELECT state FROM keystore_signatures"), "landed");
    EXPECT_EQ(send("1").status, 403);
}

TEST_P(KeystoreSettleTest, AChainThatCannotBeAskedGivesNothingBack) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated clock";
    start();
    ASSERT_EQ(send("100").status, 200);
    chain().block.height += 1'000;
    chain().keys.clear();  // a key that is gone may have been used before
    work();
    EXPECT_EQ(text("SELECT state FROM keystore_signatures"), "landed");
    start();
    EXPECT_EQ(send("1").status, 403);
}

TEST_P(KeystoreSettleTest, ADeadTransactionIsReplacedByTheNextRequest) {
    if (test().sim() == nullptr) GTEST_SKIP() << "needs the simulated clock";
    start();
    const auto first = send("100");
    ASSERT_EQ(first.status, 200);
    chain().block.height += 111;
    chain().block_hash.digest.bytes.fill(3);
    const auto second = send("100");
    ASSERT_EQ(second.status, 200) << second.text;
    EXPECT_NE(second.text, first.text);
    EXPECT_EQ(number("SELECT COUNT(*) FROM policy_reservations WHERE state = 'reserved'"), 1);
}

ADYTON_ON_ALL_DATABASES(KeystorePropertyTest);
INSTANTIATE_TEST_SUITE_P(
    Databases, KeystoreSettleTest, ::testing::Values(storage::TestBackend::SqliteSimulated),
    [](const auto& database) { return storage::to_string(database.param); });

}  // namespace
}  // namespace adyton::keystore

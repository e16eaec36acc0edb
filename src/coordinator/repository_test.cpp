#include "coordinator/repository.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "coordinator/schema.h"
#include "storage/migrator.h"
#include "storage/test_database.h"
#include "workflow/idempotency.h"
#include "workflow/journal.h"

namespace adyton::coordinator {
namespace {

using base::Json;
using storage::Transaction;

class RepositoryTest : public storage::DatabaseTest {
protected:
    void SetUp() override {
        DatabaseTest::SetUp();
        if (IsSkipped()) return;
        std::vector<storage::Migration> all;
        for (const auto part : {workflow::migrations(), audit::migrations(), migrations()}) {
            all.insert(all.end(), part.begin(), part.end());
        }
        const auto ran = run(storage::migrate(database(), all));
        ASSERT_TRUE(ran) << ran.error().message();
    }
    static WorkflowRecord sample(const std::string& id, const std::string& key) {
        WorkflowRecord out;
        out.request_id = id;
        out.wallet_id = "ed25519:wallet_1";
        out.idempotency_key = key;
        out.body_hash = crypto::sha256(base::as_bytes(key));
        out.original_request = Json::object().set("steps", Json::array());
        out.workflow = Json::object().set("steps", Json::array());
        out.plan = Json::object().set("accepted", Json::boolean(true));
        out.phase = std::string(phase::kPolicy);
        out.internal_state = R"({"calls":[]})";
        return out;
    }
    base::Timestamp soon() {
        return write([](Transaction& tx) { return tx.now(); }).value() + std::chrono::minutes(5);
    }
    void enter(const std::string& id, const std::string& gate = "gate.near") {
        const auto entered = write([&](Transaction& tx) { return lane::enter(tx, gate, id, 3); });
        ASSERT_TRUE(entered) << entered.error().message();
    }
    LaneLoad load_of(const std::string& gate) {
        auto loads = write([](Transaction& tx) { return lane::loads(tx); });
        EXPECT_TRUE(loads);
        return loads ? (*loads)[gate] : LaneLoad{};
    }
    bool place(const std::string& id, std::int64_t places) {
        const auto until = soon();
        const auto taken =
            write([&](Transaction& tx) { return lane::take_place(tx, id, places, until); });
        EXPECT_TRUE(taken) << taken.error().message();
        return taken && *taken;
    }
    bool gate(const std::string& id, base::Timestamp until) {
        const auto taken = write([&](Transaction& tx) { return lane::take_gate(tx, id, until); });
        EXPECT_TRUE(taken) << taken.error().message();
        return taken && *taken;
    }
};

TEST_P(RepositoryTest, ARecordReadsBackAsItWasWritten) {
    WorkflowRecord record = sample("id-1", "k1");
    record.endpoint = "sequential_batch";
    const auto inserted = write([&](Transaction& tx) { return records::insert(tx, record); });
    ASSERT_TRUE(inserted && *inserted);
    record.status = WorkflowStatus::Succeeded;
    record.phase = std::string(phase::kDone);
    record.final_status = "success";
    record.proxy_predecessor = true;
    record.predecessor_model = "gate";
    record.ordering_model = "gate_chained";
    record.signed_nep413_payloads = {"{\"a\":\"<&>\"}", "ä"};
    record.signed_nep366_delegates = {"AAAA"};
    record.direct_signed_txs = {"BBBB"};
    record.submit_tx_hashes = {"h1", "h2"};
    record.intent_ids = {"41", "42"};
    record.resume_tx_hash = "h3";
    record.dispatch_evidence.set("dispatch_block_heights", Json::array());
    record.direct_user_scope = Json::object().set("user_id", Json::string("mike.near"));
    record.direct_user_evidence = Json::object().set("nonce", Json::unsigned_integer(7));
    record.user_visible_error = "call 1 failed";
    record.audit_chain = 2;
    record.audit_sequence = 9;
    const auto updated = write([&](Transaction& tx) { return records::update(tx, record); });
    ASSERT_TRUE(updated) << updated.error().message();
    const auto found = write([&](Transaction& tx) { return records::find(tx, "id-1"); });
    ASSERT_TRUE(found && *found);
    const WorkflowRecord& read = **found;
    record.created_at = read.created_at;
    record.updated_at = read.updated_at;
    EXPECT_EQ(to_json(read).dump(), to_json(record).dump());
    EXPECT_EQ(read.body_hash, record.body_hash);
    EXPECT_EQ(read.audit_sequence, 9);
    EXPECT_EQ(to_json(read).find("error"), nullptr);
    EXPECT_EQ(to_json(read).find("message"), nullptr);
}

TEST_P(RepositoryTest, AKeyBelongsToItsFirstRequestAndToItsWallet) {
    const auto first =
        write([&](Transaction& tx) { return records::insert(tx, sample("id-1", "k1")); });
    ASSERT_TRUE(first && *first);
    const auto second =
        write([&](Transaction& tx) { return records::insert(tx, sample("id-2", "k1")); });
    ASSERT_TRUE(second);
    EXPECT_FALSE(*second);
    WorkflowRecord other = sample("id-3", "k1");
    other.wallet_id = "wallet-2";
    const auto third = write([&](Transaction& tx) { return records::insert(tx, other); });
    EXPECT_TRUE(third && *third);
    const auto found =
        write([&](Transaction& tx) { return records::find_by_key(tx, "ed25519:wallet_1", "k1"); });
    EXPECT_EQ(found->value().request_id, "id-1");
    const auto foreign =
        write([&](Transaction& tx) { return records::find(tx, "wallet-2", "id-1"); });
    EXPECT_FALSE(foreign->has_value());
}

TEST_P(RepositoryTest, AFinalStatusStays) {
    WorkflowRecord record = sample("id-1", "k1");
    ASSERT_TRUE(write([&](Transaction& tx) { return records::insert(tx, record); }));
    record.status = WorkflowStatus::Failed;
    ASSERT_TRUE(write([&](Transaction& tx) { return records::update(tx, record); }));
    record.user_visible_error = "more is known now";
    EXPECT_TRUE(write([&](Transaction& tx) { return records::update(tx, record); }));
    record.status = WorkflowStatus::Succeeded;
    const auto refused = write([&](Transaction& tx) { return records::update(tx, record); });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::CorruptData);
}

TEST_P(RepositoryTest, DelegateNoncesAreMicrosecondsAndNeverRepeat) {
    std::uint64_t last = 0;
    for (int i = 0; i < 20; ++i) {
        const auto nonce = write([&](Transaction& tx) { return take_delegate_nonces(tx, "w", 3); });
        ASSERT_TRUE(nonce);
        EXPECT_GT(*nonce, last);
        EXPECT_GT(*nonce, 1'500'000'000'000'000U);  // since 2017, in microseconds
        EXPECT_LT(*nonce, std::uint64_t{1} << 53U);
        last = *nonce + 2;
    }
}

TEST_P(RepositoryTest, KeyNoncesAreAboveTheChainsAndAboveEachOther) {
    const auto take = [&](std::uint64_t chain, std::uint64_t count) {
        return write([&](Transaction& tx) {
                   return take_key_nonces(tx, "relayer.near", "ed25519:k", chain, count);
               })
            .value();
    };
    const auto last = [&] {
        return write(
                   [](Transaction& tx) { return last_key_nonce(tx, "relayer.near", "ed25519:k"); })
            .value();
    };
    EXPECT_EQ(last(), 0U);
    EXPECT_EQ(take(194'000'000'000'100, 3), 194'000'000'000'101U);
    EXPECT_EQ(last(), 194'000'000'000'103U);
    EXPECT_EQ(take(194'000'000'000'100, 1), 194'000'000'000'104U);
    // Somebody else used the key.
    EXPECT_EQ(take(194'000'000'000'200, 2), 194'000'000'000'201U);
    EXPECT_EQ(take(194'000'000'000'150, 1), 194'000'000'000'203U);
}

TEST_P(RepositoryTest, PlacesAreGivenInTheOrderOfTheQueue) {
    for (const char* const id : {"a", "b", "c", "d"}) enter(id);
    EXPECT_FALSE(place("c", 2));
    EXPECT_TRUE(place("a", 2));
    EXPECT_TRUE(place("b", 2));
    EXPECT_FALSE(place("c", 2));
    EXPECT_TRUE(place("a", 2)) << "a place that is held is held";
    ASSERT_TRUE(write([](Transaction& tx) { return lane::leave(tx, "a"); }));
    EXPECT_FALSE(place("d", 2));
    EXPECT_TRUE(place("c", 2));
    const LaneLoad load = load_of("gate.near");
    EXPECT_EQ(load.queued, 1);
    EXPECT_EQ(load.active, 2);
    EXPECT_EQ(load.queued_calls, 3);
}

TEST_P(RepositoryTest, OneBatchHoldsAGateAndGatesDoNotKnowEachOther) {
    for (const char* const id : {"a", "b"}) enter(id);
    enter("x", "gate2.near");
    for (const char* const id : {"a", "b", "x"}) EXPECT_TRUE(place(id, 2));
    const auto until = soon();
    for (const char* const id : {"a", "b", "x"}) {
        ASSERT_TRUE(write([&](Transaction& tx) { return lane::set_ready(tx, id, until); }));
    }
    EXPECT_FALSE(gate("b", until)) << "a is ready and stands before it";
    EXPECT_TRUE(gate("a", until));
    EXPECT_FALSE(gate("b", until));
    EXPECT_TRUE(gate("x", until));
    ASSERT_TRUE(write([](Transaction& tx) { return lane::leave(tx, "a"); }));
    EXPECT_TRUE(gate("b", until));
    ASSERT_TRUE(write([](Transaction& tx) { return lane::give_gate_back(tx, "b"); }));
    const auto entry = write([](Transaction& tx) { return lane::find(tx, "b"); });
    EXPECT_EQ(entry->value().state, LaneState::Ready);
}

TEST_P(RepositoryTest, APlaceWhoseTimeIsOverHoldsNobodyUp) {
    for (const char* const id : {"a", "b"}) enter(id);
    EXPECT_TRUE(place("a", 1));
    const auto past = soon() - std::chrono::minutes(10);
    EXPECT_TRUE(gate("a", past));
    EXPECT_TRUE(place("b", 1));
    EXPECT_TRUE(gate("b", soon()));
}

TEST_P(RepositoryTest, APausedOneHoldsNobodyUpUnlessItIsAtTheGate) {
    const auto pause = [&](const std::string& id) {
        workflow::NewRun run;
        run.id = id;
        run.kind = run.subject = run.step = "any";
        const auto paused = write([&](Transaction& tx) -> Result<void> {
            TRY_VOID(workflow::insert_run(tx, run));
            TRY_VOID(workflow::pause_run(tx, id, "wallet:w"));
            return {};
        });
        ASSERT_TRUE(paused) << paused.error().message();
    };
    const auto until = soon();
    for (const char* const id : {"a", "b", "c", "d", "e", "f"}) enter(id);
    for (const char* const id : {"a", "b", "c"}) ASSERT_TRUE(place(id, 3));
    for (const char* const id : {"a", "b"}) {
        ASSERT_TRUE(write([&](Transaction& tx) { return lane::set_ready(tx, id, until); }));
    }
    EXPECT_FALSE(gate("b", until));
    pause("a");
    EXPECT_TRUE(gate("b", until)) << "a is ready, and paused";
    pause("d");
    EXPECT_EQ(load_of("gate.near").queued, 2);
    EXPECT_EQ(load_of("gate.near").active, 2);
    EXPECT_TRUE(place("e", 3)) << "a and d are paused";
    EXPECT_FALSE(place("f", 3));
    pause("b");
    EXPECT_FALSE(place("f", 3)) << "b is at the gate";
    EXPECT_FALSE(gate("a", until));
    const auto resumed =
        write([](Transaction& tx) { return workflow::resume_run(tx, "d", "wallet:w"); });
    ASSERT_TRUE(resumed);
    EXPECT_FALSE(place("f", 4));
    EXPECT_TRUE(place("d", 4));
}

TEST_P(RepositoryTest, ManyAtOnceTakeNoPlaceTwice) {
    for (int i = 0; i < 12; ++i) enter("r" + std::to_string(i));
    const auto until = soon();
    std::vector<Task<Result<bool>>> all;
    constexpr auto kTake = [](storage::Database* database, std::string id,
                              base::Timestamp time) -> Task<Result<bool>> {
        auto unit = [&](Transaction& tx) { return lane::take_place(tx, id, 3, time); };
        auto writing = database->write(unit);
        co_return co_await std::move(writing);
    };
    for (int i = 0; i < 12; ++i) {
        all.push_back(kTake(&database(), "r" + std::to_string(i), until));
    }
    const auto taken = test().run_all(std::move(all));
    std::int64_t places = 0;
    for (const auto& one : taken) {
        if (one && *one) ++places;
    }
    EXPECT_LE(places, 3);
    const LaneLoad load = load_of("gate.near");
    EXPECT_EQ(load.active, places);
}

ADYTON_ON_ALL_DATABASES(RepositoryTest);

}  // namespace
}  // namespace adyton::coordinator

#include "audit/audit_log.h"

#include <gtest/gtest.h>

#include <set>

#include "audit/audit_test_support.h"
#include "audit/export.h"
#include "storage/migrator.h"

namespace adyton::audit {
namespace {

class AuditLogTest : public AuditDatabaseTest {};

TEST(AuditHashTest, RecordAndGenesisHashesMeetTheGoldenFile) {
    const auto golden = read_golden_values();
    EXPECT_EQ(genesis_hash(1, "instance-a").to_hex(), golden.at("genesis.1"));
    EXPECT_EQ(genesis_hash(2, "instance-b").to_hex(), golden.at("genesis.2"));
    AuditRecord record{
        1,
        1,
        base::parse_rfc3339("2026-01-28T13:31:12.123456Z").value(),
        "pool.request",
        "neocompute",
        R"({"accounts":["a","b"],"count":2})",
        genesis_hash(1, "instance-a"),
        {}};
    EXPECT_EQ(record_hash(record).to_hex(), golden.at("record.1.1"));
    record.sequence = 2;
    EXPECT_NE(record_hash(record).to_hex(), golden.at("record.1.1"));
}

TEST_P(AuditLogTest, RecordsFollowEachOtherWithoutGaps) {
    const auto log = open_log("instance-a");
    EXPECT_EQ(log->chain(), 1);
    crypto::Sha256Digest previous = genesis_hash(1, "instance-a");
    for (std::int64_t i = 1; i <= 5; ++i) {
        const auto position = append(*log);
        ASSERT_TRUE(position) << position.error().message();
        EXPECT_EQ(position->chain, 1);
        EXPECT_EQ(position->sequence, i);
        EXPECT_NE(position->hash, previous);
        previous = position->hash;
    }
    const auto text = export_all();
    ASSERT_TRUE(text) << text.error().message();
    const AuditReport report = verify_text(*text);
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_EQ(report.records, 5);
    EXPECT_EQ(report.heads.at(0).hash, previous);
}

TEST_P(AuditLogTest, AUnitThatFailsLeavesNoRecordAndNoGap) {
    const auto log = open_log("instance-a");
    ASSERT_TRUE(append(*log));
    for (int i = 0; i < 3; ++i) {
        const auto refused = write([&](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(log->append(tx, {"test.lost", "tester", "{}"}));
            TRY_VOID(log->append(tx, {"test.lost", "tester", "{}"}));
            return Error::conflict("no");
        });
        EXPECT_FALSE(refused);
        const auto position = append(*log);
        ASSERT_TRUE(position) << position.error().message();
        EXPECT_EQ(position->sequence, i + 2);
    }
    EXPECT_EQ(count("audit_records"), 4);
    EXPECT_TRUE(verify_text(export_all().value()).intact());
}

TEST_P(AuditLogTest, SeveralRecordsOfOneUnitAreChained) {
    const auto log = open_log("instance-a");
    const auto last = write([&](storage::Transaction& tx) -> Result<AuditPosition> {
        TRY_VOID(log->append(tx, {"one", "tester", "{}"}));
        TRY_VOID(log->append(tx, {"two", "tester", "{}"}));
        return log->append(tx, {"three", "tester", "{}"});
    });
    ASSERT_TRUE(last) << last.error().message();
    EXPECT_EQ(last->sequence, 3);
    EXPECT_TRUE(verify_text(export_all().value()).intact());
}

TEST_P(AuditLogTest, ARecordIsThereExactlyIfItsEffectIs) {
    const auto log = open_log("instance-a");
    std::vector<Task<Result<void>>> tasks;
    for (std::int64_t i = 0; i < 60; ++i) {
        tasks.push_back(database().write([&log, i](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute("INSERT INTO effects (id) VALUES ($1)", {i / 2}));
            TRY_VOID(log->append(tx, {"effect", "tester", "{}"}));
            if (i % 7 == 0) return Error::conflict("no");
            return {};
        }));
    }
    std::size_t done = 0;
    for (const auto& result : test().run_all(std::move(tasks))) done += result ? 1U : 0U;
    EXPECT_EQ(count("audit_records"), static_cast<std::int64_t>(done));
    EXPECT_EQ(count("effects"), static_cast<std::int64_t>(done));
    const AuditReport report = verify_text(export_all().value());
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
}

TEST_P(AuditLogTest, AnInstanceThatComesBackContinuesItsChain) {
    ASSERT_TRUE(append(*open_log("instance-a")));
    const auto log = open_log("instance-a");
    EXPECT_EQ(log->chain(), 1);
    EXPECT_EQ(append(*log).value().sequence, 2);
}

TEST_P(AuditLogTest, EachInstanceHasAChainOfItsOwn) {
    const auto a = open_log("instance-a");
    const auto b = open_log("instance-b");
    EXPECT_NE(a->chain(), b->chain());
    EXPECT_EQ(append(*a).value().sequence, 1);
    EXPECT_EQ(append(*b).value().sequence, 1);
    EXPECT_EQ(append(*a).value().sequence, 2);
    const AuditReport report = verify_text(export_all().value());
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_EQ(report.heads.size(), 2U);
}

TEST_P(AuditLogTest, InstancesThatOpenAtOnceGetDifferentChains) {
    const auto other = test().open_another();
    std::vector<Task<Result<std::unique_ptr<AuditLog>>>> tasks;
    for (int i = 0; i < 8; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        tasks.push_back(AuditLog::open(at, "instance-" + std::to_string(i % 4)));
    }
    std::map<std::string, std::int64_t> chains;
    for (auto& log : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(log) << log.error().message();
        const auto [entry, inserted] = chains.emplace((*log)->instance_id(), (*log)->chain());
        EXPECT_EQ(entry->second, (*log)->chain());
    }
    EXPECT_EQ(count("audit_chains"), 4);
}

// Nothing should do that, and the chain stays whole even so.
TEST_P(AuditLogTest, TwoWritersOnOneChainDoNotForkIt) {
    const auto other = test().open_another();
    const auto one = open_log("instance-a");
    const auto two = open_log("instance-a");
    std::vector<Task<Result<AuditPosition>>> tasks;
    for (int i = 0; i < 40; ++i) {
        storage::Database& at = i % 2 == 0 ? database() : *other;
        AuditLog& log = i % 2 == 0 ? *one : *two;
        tasks.push_back(at.write([&log](storage::Transaction& tx) {
            return log.append(tx, {"test.event", "tester", "{}"});
        }));
    }
    std::set<std::int64_t> sequences;
    for (const auto& position : test().run_all(std::move(tasks))) {
        ASSERT_TRUE(position) << position.error().message();
        EXPECT_TRUE(sequences.insert(position->sequence).second);
    }
    EXPECT_EQ(*sequences.rbegin(), 40);
    const AuditReport report = verify_text(export_all().value());
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
}

TEST_P(AuditLogTest, MalformedEventsAreRefused) {
    const auto log = open_log("instance-a");
    const std::string large = "{\"a\":\"" + std::string(AuditEvent::kBodyBytesMax, 'a') + "\"}";
    const std::string long_kind(AuditEvent::kKindBytesMax + 1, 'a');
    const std::string long_actor(AuditEvent::kActorBytesMax + 1, 'a');
    const std::vector<AuditEvent> bad = {
        {"", "tester", "{}"},
        {"Upper", "tester", "{}"},
        {"a b", "tester", "{}"},
        {long_kind, "tester", "{}"},
        {"kind", "", "{}"},
        {"kind", "a\nb", "{}"},
        {"kind", "\xff", "{}"},
        {"kind", long_actor, "{}"},
        {"kind", "tester", ""},
        {"kind", "tester", "[]"},
        {"kind", "tester", "{"},
        {"kind", "tester", "{\n}"},
        {"kind", "tester", "{\"\xc0\"}"},
        {"kind", "tester", large}};
    for (std::size_t i = 0; i < bad.size(); ++i) {
        const auto refused =
            write([&](storage::Transaction& tx) { return log->append(tx, bad[i]); });
        ASSERT_FALSE(refused) << i;
        EXPECT_EQ(refused.error().code(), ErrorCode::InvalidArgument) << i;
    }
    EXPECT_EQ(count("audit_records"), 0);
    for (const std::string& id : {std::string(), std::string("a b"), std::string(129, 'a')}) {
        EXPECT_FALSE(run(AuditLog::open(database(), id))) << id;
    }
}

TEST_P(AuditLogTest, ControlCharactersAreFoundAtEveryPlace) {
    const auto log = open_log("instance-a");
    for (std::size_t at = 2; at < 20; ++at) {
        for (const char byte : {'\0', '\n', '\x1f', '\x7f', '\x80', '\xff'}) {
            std::string body = "{\"aaaaaaaaaaaaaaaaaaaaaaaaaa\":1}";
            body[at] = byte;
            EXPECT_FALSE(append(*log, body)) << at << " " << static_cast<int>(byte);
        }
    }
    EXPECT_TRUE(append(*log, "{\"~ \xc3\xa9 ~~~~~~~~\":\"\xe2\x82\xac\"}"));
    EXPECT_EQ(count("audit_records"), 1);
}

TEST_P(AuditLogTest, RecordsCannotBeChangedOrDeletedByMistake) {
    const auto log = open_log("instance-a");
    ASSERT_TRUE(append(*log));
    for (const std::string_view sql :
         {"UPDATE audit_records SET body = '{}'", "DELETE FROM audit_records"}) {
        EXPECT_FALSE(write([&](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute(sql, {}));
            return {};
        })) << sql;
    }
    EXPECT_EQ(count("audit_records"), 1);
}

TEST_P(AuditLogTest, AChangedLastRecordStopsTheStart) {
    ASSERT_TRUE(append(*open_log("instance-a")));
    ASSERT_TRUE(tamper("UPDATE audit_records SET actor = 'somebody else'"));
    const auto log = run(AuditLog::open(database(), "instance-a"));
    ASSERT_FALSE(log);
    EXPECT_EQ(log.error().code(), ErrorCode::CorruptData);
    EXPECT_EQ(log.error().reason(), "audit_chain_broken");
}

TEST_P(AuditLogTest, AChainShorterThanItsCheckpointStopsTheStart) {
    const auto log = open_log("instance-a");
    ASSERT_TRUE(append(*log));
    ASSERT_TRUE(append(*log));
    const auto key = golden_key();
    ASSERT_TRUE(run(Checkpoints(database(), key).create()));
    ASSERT_TRUE(tamper("DELETE FROM audit_records WHERE sequence = 2"));
    const auto again = run(AuditLog::open(database(), "instance-a"));
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code(), ErrorCode::CorruptData);
}

ADYTON_ON_ALL_DATABASES(AuditLogTest);

// Appends until the power fails, and gives the ids whose units were answered.
Task<void> append_until_the_power_fails(
    storage::Database& database, AuditLog& log, std::int64_t first,
    std::vector<std::int64_t>& done) {
    for (std::int64_t id = first; id < first + 400; ++id) {
        auto unit = [&log, id](storage::Transaction& tx) -> Result<void> {
            TRY_VOID(tx.execute("INSERT INTO effects (id) VALUES ($1)", {id}));
            TRY_VOID(log.append(tx, {"effect", "tester", "{}"}));
            return {};
        };
        auto task = database.write(unit);
        const auto result = co_await std::move(task);
        if (result) done.push_back(id);
    }
}

TEST(AuditLogCrashTest, NoLossOfPowerForksTheChainOrPartsARecordFromItsEffect) {
    std::size_t answered = 0;
    for (std::uint64_t seed = 1; seed <= 25; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        const auto test =
            storage::TestDatabase::create(storage::TestBackend::SqliteSimulated, seed);
        ASSERT_TRUE(test->run(storage::migrate(test->database(), migrations())));
        ASSERT_TRUE(test->run(test->database().write([](storage::Transaction& tx) {
            return tx.execute_script("CREATE TABLE effects (id BIGINT PRIMARY KEY)");
        })));
        base::SeededRandom random(seed);
        std::vector<std::int64_t> done;
        for (int crash = 0; crash < 4; ++crash) {
            auto log = test->run(AuditLog::open(test->database(), "instance-a"));
            ASSERT_TRUE(log) << log.error().message();
            test->disk()->power_off_after(1 + random.below(120));
            for (std::int64_t lane = 0; lane < 3; ++lane) {
                base::spawn(
                    test->executor(),
                    append_until_the_power_fails(
                        test->database(), **log, crash * 10000 + lane * 1000, done));
            }
            while (test->disk()->powered() && test->sim()->step()) {
            }
            test->crash();
        }
        const auto log = test->run(AuditLog::open(test->database(), "instance-a"));
        ASSERT_TRUE(log) << log.error().message();
        const auto counts = test->run(test->database().read(
            [&](storage::Transaction& tx) -> Result<std::vector<std::int64_t>> {
                TRY(const auto effects, tx.query("SELECT id FROM effects ORDER BY id", {}));
                TRY(const auto records, tx.query("SELECT count(*) FROM audit_records", {}));
                std::vector<std::int64_t> out;
                TRY(out.emplace_back(), records.integer(0, 0));
                for (std::size_t i = 0; i < effects.size(); ++i) {
                    TRY(out.emplace_back(), effects.integer(i, 0));
                }
                return out;
            }));
        ASSERT_TRUE(counts) << counts.error().message();
        EXPECT_EQ(counts->at(0), static_cast<std::int64_t>(counts->size()) - 1);
        answered += done.size();
        const std::set<std::int64_t> kept(counts->begin() + 1, counts->end());
        for (const std::int64_t id : done) EXPECT_EQ(kept.count(id), 1U) << id;
        const auto file = test->run(AuditExport::open(test->database(), {}));
        ASSERT_TRUE(file);
        ExportVerifier verifier({});
        while (true) {
            const auto piece = test->run((*file)->next());
            ASSERT_TRUE(piece) << piece.error().message();
            if (piece->empty()) break;
            verifier.feed(*piece);
        }
        const AuditReport report = verifier.finish();
        EXPECT_TRUE(report.intact()) << report.fault->to_string();
        EXPECT_EQ(report.records, counts->at(0));
    }
    EXPECT_GT(answered, 100U);
}

}  // namespace
}  // namespace adyton::audit

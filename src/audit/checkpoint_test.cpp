#include "audit/checkpoint.h"

#include <gtest/gtest.h>

#include "audit/audit_test_support.h"
#include "base/bytes.h"

namespace adyton::audit {
namespace {

class CheckpointsTest : public AuditDatabaseTest {};

TEST(CheckpointKeyTest, TheKeyMeetsTheGoldenFile) {
    const auto master =
        crypto::SecretBuffer::copy_of(base::as_bytes("test-master-key-32-bytes-long!!!"));
    ASSERT_TRUE(master);
    EXPECT_EQ(
        derive_checkpoint_key(*master).public_key().to_hex(),
        read_golden_values().at("checkpoint_key"));
    EXPECT_EQ(golden_key().public_key().to_hex(), read_golden_values().at("public_key"));
}

TEST_P(CheckpointsTest, NamesEveryHeadAndContinuesTheOneBefore) {
    const auto key = golden_key();
    Checkpoints checkpoints(database(), key);
    const auto a = open_log("instance-a");
    const auto b = open_log("instance-b");
    ASSERT_TRUE(append(*a));
    const auto head = append(*a);
    const auto first = run(checkpoints.create());
    ASSERT_TRUE(first) << first.error().message();
    EXPECT_EQ(first->number, 1);
    EXPECT_EQ(first->previous_hash, crypto::Sha256Digest{});
    ASSERT_EQ(first->heads.size(), 1U);
    EXPECT_EQ(first->heads[0], (ChainHead{a->chain(), 2, head->hash}));
    EXPECT_TRUE(first->signature_valid());

    ASSERT_TRUE(append(*b));
    const auto second = run(checkpoints.create());
    ASSERT_TRUE(second) << second.error().message();
    EXPECT_EQ(second->number, 2);
    EXPECT_EQ(second->previous_hash, first->hash());
    EXPECT_EQ(second->heads.size(), 2U);
    const auto latest = run(checkpoints.latest());
    ASSERT_TRUE(latest);
    EXPECT_EQ(latest->hash(), second->hash());
    EXPECT_EQ(latest->signature, second->signature);
}

TEST_P(CheckpointsTest, NothingNewGivesTheLastOne) {
    const auto key = golden_key();
    Checkpoints checkpoints(database(), key);
    EXPECT_EQ(run(checkpoints.create()).error().code(), ErrorCode::NotFound);
    EXPECT_EQ(run(checkpoints.latest()).error().code(), ErrorCode::NotFound);
    ASSERT_TRUE(append(*open_log("instance-a")));
    ASSERT_TRUE(run(checkpoints.create()));
    const auto again = run(checkpoints.create());
    ASSERT_TRUE(again);
    EXPECT_EQ(again->number, 1);
    EXPECT_EQ(count("audit_checkpoints"), 1);
}

TEST_P(CheckpointsTest, AnyChangedFieldBreaksTheSignature) {
    const auto key = golden_key();
    ASSERT_TRUE(append(*open_log("instance-a")));
    const auto made = run(Checkpoints(database(), key).create());
    ASSERT_TRUE(made);
    Checkpoint changed = *made;
    changed.number = 2;
    EXPECT_FALSE(changed.signature_valid());
    changed = *made;
    changed.created_at += std::chrono::microseconds(1);
    EXPECT_FALSE(changed.signature_valid());
    changed = *made;
    changed.previous_hash.bytes[31] ^= 1;
    EXPECT_FALSE(changed.signature_valid());
    changed = *made;
    changed.heads[0].sequence = 2;
    EXPECT_FALSE(changed.signature_valid());
    changed = *made;
    changed.heads[0].hash.bytes[0] ^= 1;
    EXPECT_FALSE(changed.signature_valid());
    changed = *made;
    changed.signature.bytes[3] ^= 1;
    EXPECT_FALSE(changed.signature_valid());
    EXPECT_TRUE(made->signature_valid());
}

TEST_P(CheckpointsTest, InstancesThatSignAtOnceMakeOneLine) {
    const auto key = golden_key();
    const auto other_database = test().open_another();
    Checkpoints here(database(), key);
    Checkpoints there(*other_database, key);
    const auto a = open_log("instance-a");
    const auto b = open_log("instance-b");
    for (int round = 0; round < 5; ++round) {
        ASSERT_TRUE(append(*a));
        std::vector<Task<Result<Checkpoint>>> tasks;
        tasks.push_back(here.create());
        tasks.push_back(there.create());
        for (const auto& made : test().run_all(std::move(tasks))) {
            ASSERT_TRUE(made) << made.error().message();
        }
        ASSERT_TRUE(append(*b));
    }
    ASSERT_TRUE(run(here.create()));
    const AuditReport report =
        verify_text(export_all(&key).value(), {{key.public_key()}, {}, 1 << 20});
    EXPECT_TRUE(report.intact()) << report.fault->to_string();
    EXPECT_EQ(report.records_after_checkpoint, 0);
}

TEST_P(CheckpointsTest, ATamperedPastIsNotSignedAgain) {
    const auto key = golden_key();
    Checkpoints checkpoints(database(), key);
    const auto log = open_log("instance-a");
    ASSERT_TRUE(append(*log));
    ASSERT_TRUE(run(checkpoints.create()));
    ASSERT_TRUE(append(*log));
    const std::string_view zeros =
        "UPDATE audit_records SET hash = previous_hash WHERE sequence = 1";
    ASSERT_TRUE(tamper(zeros));
    const auto refused = run(checkpoints.create());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::CorruptData);
    ASSERT_TRUE(tamper("DELETE FROM audit_records WHERE sequence = 1"));
    EXPECT_EQ(run(checkpoints.create()).error().code(), ErrorCode::CorruptData);
}

TEST_P(CheckpointsTest, AForgedLastCheckpointIsNotBuiltUpon) {
    const auto key = golden_key();
    Checkpoints checkpoints(database(), key);
    const auto log = open_log("instance-a");
    ASSERT_TRUE(append(*log));
    ASSERT_TRUE(run(checkpoints.create()));
    ASSERT_TRUE(append(*log));
    ASSERT_TRUE(tamper("UPDATE audit_checkpoints SET previous_hash = public_key"));
    EXPECT_EQ(run(checkpoints.create()).error().code(), ErrorCode::CorruptData);
}

ADYTON_ON_ALL_DATABASES(CheckpointsTest);

}  // namespace
}  // namespace adyton::audit

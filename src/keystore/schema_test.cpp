#include "keystore/schema.h"

#include <gtest/gtest.h>

#include <vector>

#include "keystore/records.h"
#include "keystore/test_keystore.h"
#include "storage/migrator.h"

namespace adyton::keystore {
namespace {

using records::SignatureRecord;
using records::SignatureState;
using storage::Transaction;

// The tables as they were before migration 42.
class KeystoreSchemaTest : public storage::DatabaseTest {
protected:
    static SignatureRecord record_of(std::uint8_t number, SignatureState state) {
        SignatureRecord out;
        out.request_digest.bytes.fill(number);
        out.generation = number;
        out.wallet_id = "wallet";
        out.operation = number % 2 == 0 ? "carried" : "sign_nep366_delegate";
        out.key_version = 2;
        out.payload_hash.bytes.fill(static_cast<std::uint8_t>(100 + number));
        out.payload = {1, 2, number};
        if (number > 1) out.nonce = "12345678901234567890";
        if (number > 2) out.valid_until = 77;
        if (number > 3) out.reservation_id = "keystore:1:2";
        out.state = state;
        return out;
    }
    static void expect_same(const SignatureRecord& found, const SignatureRecord& wanted) {
        EXPECT_EQ(found.request_digest, wanted.request_digest);
        EXPECT_EQ(found.generation, wanted.generation);
        EXPECT_EQ(found.wallet_id, wanted.wallet_id);
        EXPECT_EQ(found.operation, wanted.operation);
        EXPECT_EQ(found.key_version, wanted.key_version);
        EXPECT_EQ(found.payload_hash, wanted.payload_hash);
        EXPECT_EQ(found.payload, wanted.payload);
        EXPECT_EQ(found.nonce, wanted.nonce);
        EXPECT_EQ(found.valid_until, wanted.valid_until);
        EXPECT_EQ(found.reservation_id, wanted.reservation_id);
        EXPECT_EQ(found.state, wanted.state);
    }
};

ADYTON_ON_ALL_DATABASES(KeystoreSchemaTest);

TEST_P(KeystoreSchemaTest, SignaturesLiveThroughTheNewTable) {
    ASSERT_TRUE(migrate_below(migrations(), 42));
    const std::vector<SignatureRecord> made = {
        record_of(4, SignatureState::Open), record_of(3, SignatureState::Landed),
        record_of(2, SignatureState::GivenBack), record_of(1, SignatureState::Done)};
    ASSERT_TRUE(write([&](Transaction& tx) -> Result<void> {
        TRY(const base::Timestamp now, tx.now());
        for (const SignatureRecord& record : made) {
            TRY(const bool inserted, records::insert(tx, record, now));
            EXPECT_TRUE(inserted);
        }
        return {};
    }));
    ASSERT_EQ(migrate_below(migrations(), 100).value(), std::vector<int>{42});
    ASSERT_TRUE(write([&](Transaction& tx) -> Result<void> {
        TRY(const base::Timestamp now, tx.now());
        for (const SignatureRecord& record : made) {
            TRY(const auto known, records::load(tx, record.wallet_id, record.request_digest));
            if (!known.latest) return Error::internal("a signature is gone");
            expect_same(*known.latest, record);
            TRY(const bool inserted, records::insert(tx, record, now));
            EXPECT_FALSE(inserted);  // once a request and generation, still
        }
        TRY(const bool carried, records::is_payload_known(tx, made[0].payload_hash));
        TRY(const bool delegated, records::is_payload_known(tx, made[1].payload_hash));
        EXPECT_TRUE(carried);
        EXPECT_FALSE(delegated);
        TRY(const auto old, records::list_prunable(tx, now + std::chrono::seconds(1), 10));
        EXPECT_EQ(old.size(), 3U);
        return {};
    }));
    const auto wrong = write([](Transaction& tx) {
        return tx.execute("UPDATE keystore_signatures SET state = 'other'", {});
    });
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().reason(), "check");
}

}  // namespace
}  // namespace adyton::keystore

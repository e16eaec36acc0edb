#include "neo/account_key.h"

#include <gtest/gtest.h>

#include "crypto/test_bytes.h"
#include "neo/verification_script.h"

namespace adyton::neo {
namespace {

MasterKey master_of(std::string_view text) {
    auto master = MasterKey::create(crypto::secret_text(text));
    CHECK(master.has_value());
    return std::move(*master);
}

class AccountKeyTest : public testing::Test {
protected:
    crypto::P256PrivateKey derive(std::string_view id) const {
        auto key = derive_account_key(master_, id);
        CHECK(key.has_value());
        return std::move(*key);
    }

    const MasterKey master_ = master_of("test-master-key-32-bytes-long!!!");
};

struct Known {
    std::string_view id, scalar, public_key, address;
};

constexpr Known kKnown[] = {
    {"account-1", "a8fe27f5fe82651be469022dabd43f80996c46b125a60d8254540a7c6861e32f",
     "03a5cb52e9291e70189f05787e245f6c9772629f996867b323cb562708e83cb4b0",
     "NPzYFBbwnxEPhuPjJqaonr2wHiBsRJXjvD"},
    {"test-account-123", "e25800f5b01fc66ea78d794c5b1f038d78d82ffcefc9612353c7a1c2d668f22d",
     "024177e1a1ca51ff2ce7ced404e2a303ccc10c3e101d905a651551cdbd35387b03",
     "NNvJbgCDNoqmLqHbvuK7y1STVd7fteG8YU"},
    {"550e8400-e29b-41d4-a716-446655440000",
     "9b381df2ddfbef319fced116cdbc9d8273e6a06baf9d599f0f1db1fd537446de",
     "0355f074da1921c0343470732388687f9ab3ee0a74f3aa1e2506d6121dee83ac6f",
     "NPuKuPNL8tHKQXnnBn7pa21xqPEGNp1qzd"}};

TEST_F(AccountKeyTest, IdsBecomeTheAccountsOfTheOriginal) {
    for (const Known& known : kKnown) {
        const auto key = derive(known.id);
        EXPECT_EQ(base::hex_encode(key.expose_scalar()), known.scalar);
        EXPECT_EQ(key.public_key().to_hex(), known.public_key);
        EXPECT_EQ(account_address(key.public_key()).to_string(), known.address);
    }
}

TEST_F(AccountKeyTest, AnotherSpellingOfAnIdIsAnotherKey) {
    EXPECT_NE(
        derive("550e8400-e29b-41d4-a716-446655440000").public_key(),
        derive("550E8400-E29B-41D4-A716-446655440000").public_key());
}

TEST_F(AccountKeyTest, FingerprintsTellKeysAndMastersApart) {
    const AccountFingerprinter fingerprinter(master_);
    const auto first = fingerprinter.fingerprint(derive("account-1"));
    EXPECT_EQ(fingerprinter.fingerprint(derive("account-1")), first);
    EXPECT_NE(fingerprinter.fingerprint(derive("account-2")), first);
    const AccountFingerprinter other(master_of("another-master-key-of-32-bytes!!"));
    EXPECT_NE(other.fingerprint(derive("account-1")), first);
}

// Computed with Python's hmac and hashlib from the definition in account_key.h. Stored with every
// account: a change here locks existing pools out.
TEST_F(AccountKeyTest, TheFingerprintIsFixed) {
    const AccountFingerprinter fingerprinter(master_);
    EXPECT_EQ(
        base::hex_encode(fingerprinter.fingerprint(derive("account-1")).bytes),
        "db95b484e3fa87eea7c89c5116ed26f9");
}

TEST_F(AccountKeyTest, AFingerprintOfAnotherLengthIsRefused) {
    EXPECT_TRUE(AccountFingerprint::parse(base::Bytes(16)));
    EXPECT_FALSE(AccountFingerprint::parse(base::Bytes(15)));
    EXPECT_FALSE(AccountFingerprint::parse(base::Bytes(17)));
}

}  // namespace
}  // namespace adyton::neo

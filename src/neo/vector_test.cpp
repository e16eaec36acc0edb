#include <gtest/gtest.h>

#include <set>
#include <string>
#include <string_view>

#include "base/json.h"
#include "crypto/hkdf.h"
#include "crypto/test_bytes.h"
#include "neo/account_key.h"
#include "neo/address.h"
#include "neo/sign_data.h"
#include "neo/test_vectors.h"
#include "neo/verification_script.h"
#include "neo/wif.h"

// Published vectors (tests/vectors/neo, or the directory ADYTON_VECTORS points to) against the code
// that the pool uses. Every case is executed; an empty or missing file fails.
namespace adyton::neo {
namespace {

using base::Json;
using crypto::from_hex;
using crypto::secret32;
using crypto::secret_bytes;

crypto::P256PrivateKey key_of(const std::string& hex) {
    auto key = crypto::P256PrivateKey::from_scalar(secret32(from_hex(hex)));
    CHECK(key.has_value());
    return std::move(*key);
}

MasterKey master_of(const std::string& hex) {
    auto master = MasterKey::create(secret_bytes(from_hex(hex)));
    CHECK(master.has_value());
    return std::move(*master);
}

// What keys.json and hkdf_accounts.json say about one key.
void check_account(const Json& each, const crypto::P256PrivateKey& key) {
    const auto public_key = key.public_key();
    const auto script = verification_script(public_key);
    const auto hash = account_script_hash(public_key);
    EXPECT_EQ(base::hex_encode(key.expose_scalar()), text_of(each, "private_key"));
    EXPECT_EQ(public_key.to_hex(), text_of(each, "public_key"));
    EXPECT_EQ(
        base::hex_encode(public_key.uncompressed()), text_of(each, "public_key_uncompressed"));
    EXPECT_EQ(base::hex_encode(script), text_of(each, "verification_script"));
    EXPECT_EQ(base::base64_encode(script), text_of(each, "verification_script_base64"));
    EXPECT_EQ(base::hex_encode(hash.wire()), text_of(each, "script_hash"));
    EXPECT_EQ(hash.to_string(), text_of(each, "script_hash_display"));
    EXPECT_EQ(account_address(public_key).to_string(), text_of(each, "address"));
    EXPECT_EQ(base::as_text(encode_wif(key).expose()), text_of(each, "wif"));
}

TEST(NeoVectorTest, Keys) {
    const auto executed = for_each_case(read_vectors("keys.json"), "cases", [](const Json& each) {
        check_account(each, key_of(text_of(each, "private_key")));
        const auto from_wif = decode_wif(base::as_bytes(text_of(each, "wif")));
        ASSERT_TRUE(from_wif);
        EXPECT_EQ(base::hex_encode(from_wif->expose_scalar()), text_of(each, "private_key"));
        const auto address = Address::parse(text_of(each, "address"));
        ASSERT_TRUE(address);
        EXPECT_EQ(address->script_hash().to_string(), text_of(each, "script_hash_display"));
        const auto public_key = crypto::P256PublicKey::parse(from_hex(text_of(each, "public_key")));
        ASSERT_TRUE(public_key);
        EXPECT_EQ(
            base::hex_encode(public_key->uncompressed()), text_of(each, "public_key_uncompressed"));
    });
    EXPECT_GT(executed, 0U);
}

void check_decoding(const Json& each) {
    const std::string kind = text_of(each, "kind");
    const std::string input = text_of(each, "input");
    const bool valid = flag_of(each, "valid");
    if (kind == "address") {
        const auto address = Address::parse(input);
        ASSERT_EQ(address.has_value(), valid) << input;
        if (!valid) return;
        EXPECT_EQ(base::hex_encode(address->script_hash().wire()), text_of(each, "script_hash"));
        EXPECT_EQ(address->script_hash().to_string(), text_of(each, "script_hash_display"));
        EXPECT_EQ(address->to_string(), input);
    } else if (kind == "wif") {
        const auto key = decode_wif(base::as_bytes(input));
        ASSERT_EQ(key.has_value(), valid) << input;
        if (!valid) return;
        EXPECT_EQ(base::hex_encode(key->expose_scalar()), text_of(each, "private_key"));
    } else if (kind == "private_key") {
        const auto bytes = from_hex(input);
        const bool accepted =
            bytes.size() == 32 && crypto::P256PrivateKey::from_scalar(secret32(bytes)).has_value();
        EXPECT_EQ(accepted, valid) << input;
    } else if (kind == "public_key") {
        EXPECT_EQ(crypto::P256PublicKey::parse(from_hex(input)).has_value(), valid) << input;
    } else {
        ADD_FAILURE() << "unknown kind " << kind;
    }
}

TEST(NeoVectorTest, Decoding) {
    std::set<std::string> kinds;
    const auto executed =
        for_each_case(read_vectors("decode.json"), "cases", [&](const Json& each) {
            kinds.insert(text_of(each, "kind"));
            check_decoding(each);
        });
    EXPECT_GT(executed, 0U);
    EXPECT_EQ(kinds, (std::set<std::string>{"address", "private_key", "public_key", "wif"}));
}

TEST(NeoVectorTest, AccountDerivation) {
    const auto executed =
        for_each_case(read_vectors("hkdf_accounts.json"), "cases", [](const Json& each) {
            const std::string id = text_of(each, "account_id");
            const auto master = from_hex(text_of(each, "master_key"));
            EXPECT_EQ(base::hex_encode(base::as_bytes(id)), text_of(each, "salt_hex"));
            EXPECT_EQ(
                crypto::hmac_sha256(base::as_bytes(id), master).to_hex(), text_of(each, "prk"));
            base::Bytes okm(32);
            crypto::hkdf_sha256(
                master, base::as_bytes(id), base::as_bytes(text_of(each, "info")), okm);
            EXPECT_EQ(base::hex_encode(okm), text_of(each, "okm"));
            EXPECT_EQ(
                crypto::P256PrivateKey::from_scalar(secret32(okm)).has_value(),
                flag_of(each, "okm_in_range"));
            const auto key = derive_account_key(master_of(text_of(each, "master_key")), id);
            ASSERT_TRUE(key);
            check_account(each, *key);
        });
    EXPECT_GT(executed, 0U);
}

TEST(NeoVectorTest, MasterKeyMetadata) {
    const auto executed = for_each_case(
        read_vectors("hkdf_accounts.json"), "master_key_metadata", [](const Json& each) {
            const auto master = master_of(text_of(each, "master_key"));
            crypto::SecretBytes<32> okm;
            crypto::hkdf_sha256(
                master.expose(), base::as_bytes("coordinator-master-pubkey"),
                base::as_bytes("neoaccounts"), okm.expose_mutable());
            EXPECT_EQ(base::hex_encode(okm.expose()), text_of(each, "okm"));
            const auto scalar = crypto::P256PrivateKey::reduce_scalar_shifted(std::move(okm));
            EXPECT_EQ(base::hex_encode(scalar.expose_scalar()), text_of(each, "scalar"));
            EXPECT_EQ(master_public_key(master).to_hex(), text_of(each, "master_public_key"));
            EXPECT_EQ(master_public_key_hash(master).to_hex(), text_of(each, "master_key_hash"));
            if (each.find("seed") == nullptr) return;
            const auto derived =
                MasterKey::from_seed(secret_bytes(from_hex(text_of(each, "seed"))));
            ASSERT_TRUE(derived);
            EXPECT_EQ(base::hex_encode(derived->expose()), text_of(each, "master_key"));
        });
    EXPECT_GT(executed, 0U);
}

crypto::Sha256Digest digest_of(const std::string& hex) {
    const auto digest = crypto::Sha256Digest::parse(from_hex(hex));
    CHECK(digest.has_value());
    return *digest;
}

crypto::P256Signature signature_of(const std::string& hex) {
    const auto signature = crypto::P256Signature::parse(from_hex(hex));
    CHECK(signature.has_value());
    return *signature;
}

TEST(NeoVectorTest, Signatures) {
    const auto executed =
        for_each_case(read_vectors("signatures.json"), "cases", [](const Json& each) {
            const auto key = key_of(text_of(each, "private_key"));
            const auto public_key = key.public_key();
            const auto digest = digest_of(text_of(each, "digest_hex"));
            EXPECT_EQ(public_key.to_hex(), text_of(each, "public_key"));
            EXPECT_EQ(base::base64_encode(public_key.bytes()), text_of(each, "public_key_base64"));
            EXPECT_EQ(base::base64_encode(digest.bytes), text_of(each, "digest_base64"));
            const auto signature = crypto::sign_rfc6979_low_s(key, digest, crypto::SelfCheck::On);
            ASSERT_TRUE(signature);
            const std::string hex = base::hex_encode(signature->bytes);
            const std::string plain = text_of(each, "signature_rfc6979");
            EXPECT_EQ(hex, text_of(each, "signature_rfc6979_low_s"));
            EXPECT_EQ(
                base::base64_encode(signature->bytes), text_of(each, "signature_low_s_base64"));
            EXPECT_EQ(hex != plain, flag_of(each, "high_s"));
            EXPECT_EQ(hex.substr(0, 64), plain.substr(0, 64));
            EXPECT_TRUE(crypto::verify(public_key, digest, signature_of(plain)));
        });
    EXPECT_GT(executed, 0U);
}

TEST(NeoVectorTest, Verification) {
    const auto executed =
        for_each_case(read_vectors("signatures.json"), "verify_cases", [](const Json& each) {
            const auto key = crypto::P256PublicKey::parse(from_hex(text_of(each, "public_key")));
            ASSERT_TRUE(key);
            // Some are of another length, which parsing refuses.
            const auto signature =
                crypto::P256Signature::parse(from_hex(text_of(each, "signature")));
            const auto digest = digest_of(text_of(each, "digest_hex"));
            EXPECT_EQ(
                signature && crypto::verify(*key, digest, *signature), flag_of(each, "valid"));
        });
    EXPECT_GT(executed, 0U);
}

TEST(NeoVectorTest, TransactionDigestsAndSignatures) {
    const auto executed =
        for_each_case(read_vectors("transactions.json"), "cases", [](const Json& each) {
            const auto unsigned_bytes = from_hex(text_of(each, "unsigned_hex"));
            const auto hash = TransactionHash::from_wire(crypto::sha256(unsigned_bytes).bytes);
            ASSERT_TRUE(hash);
            EXPECT_EQ(base::hex_encode(hash->wire()), text_of(each, "hash_raw"));
            EXPECT_EQ(hash->to_string(), text_of(each, "hash_display"));
            const Json* const magic_member = each.find("magic");
            ASSERT_NE(magic_member, nullptr);
            const auto magic = magic_member->as_uint64();
            ASSERT_TRUE(magic);
            const auto digest = sign_data_digest(
                static_cast<NetworkMagic>(static_cast<std::uint32_t>(*magic)), *hash);
            EXPECT_EQ(digest.to_hex(), text_of(each, "sign_digest_hex"));
            EXPECT_EQ(
                crypto::sha256(from_hex(text_of(each, "sign_data_hex"))).to_hex(), digest.to_hex());
            const auto key = key_of(text_of(each, "private_key"));
            const auto expect_signed = [&](const auto& signer, std::string_view expected) {
                const auto signature = crypto::sign_rfc6979_low_s(signer, digest);
                ASSERT_TRUE(signature);
                EXPECT_EQ(base::hex_encode(signature->bytes), text_of(each, expected));
            };
            expect_signed(key, "signature_rfc6979_low_s");
            EXPECT_TRUE(crypto::verify(
                key.public_key(), digest, signature_of(text_of(each, "signature_rfc6979"))));
            EXPECT_EQ(account_address(key.public_key()).to_string(), text_of(each, "from_address"));
            if (each.find("second_private_key") != nullptr) {
                const auto second = key_of(text_of(each, "second_private_key"));
                expect_signed(second, "second_signature_rfc6979_low_s");
            } else {
                EXPECT_EQ(
                    base::hex_encode(verification_script(key.public_key())),
                    text_of(each, "verification_script"));
            }
        });
    EXPECT_GT(executed, 0U);
}

}  // namespace
}  // namespace adyton::neo

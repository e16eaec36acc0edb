#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "base/test_vectors.h"
#include "keystore/key_ring.h"

// keystore_derivation.json against the keys that sign.
namespace adyton::keystore {
namespace {

using base::Json;

std::string text_of(const Json& json, std::string_view name) {
    const Json* const found = json.find(name);
    EXPECT_TRUE(found != nullptr && found->is_string()) << name;
    return found == nullptr ? "" : found->string_value();
}

TEST(KeystoreVectorTest, KeysAreThoseOfTheOriginal) {
    const Json vectors = base::read_vectors("near/keystore_derivation.json");
    ASSERT_TRUE(vectors.is_object());
    const auto bytes = base::hex_decode(text_of(vectors, "master_secret_hex")).value();
    const auto secret = master_secret(crypto::SecretBuffer::copy_of(bytes).value());
    ASSERT_TRUE(secret);
    auto copy = crypto::SecretBytes<32>::copy_of(secret->expose());
    const KeyRing keys(std::move(copy), 10);
    const std::string wallet = text_of(vectors, "wallet_id");
    const auto account = [](const std::string& text) {
        return near::AccountId::parse(text).value();
    };
    int checked = 0;
    for (const Json& each : vectors.find("cases")->items()) {
        const std::string name = text_of(each, "name");
        SCOPED_TRACE(name);
        const auto expect_key = [&](const KeyName& key) {
            EXPECT_EQ(key.seed_text(), text_of(each, "seed_string"));
            EXPECT_EQ(
                base::hex_encode(keys.public_key(key).bytes), text_of(each, "public_key_hex"));
            const auto digest = crypto::sha256(base::as_bytes(name));
            EXPECT_TRUE(crypto::verify(
                keys.public_key(key), digest.view(), keys.sign(key, digest).value()));
            ++checked;
        };
        if (name == "wallet-near") {
            expect_key(KeyName::wallet(wallet, 1));
        } else if (name == "direct-user-full-access") {
            expect_key(KeyName::direct_user(wallet, account("alice.near"), 1));
        } else {
            std::vector<std::string> methods;
            for (const Json& method : each.find("method_names_in")->items()) {
                methods.push_back(method.string_value());
            }
            expect_key(KeyName::direct_user_calls(
                wallet, account("alice.near"), account("reg.example.near"),
                account("count.alice.near"), methods, 1));
        }
    }
    EXPECT_GE(checked, 4);
}

TEST(KeyRingTest, VersionsAndPurposesNeverShareAKey) {
    crypto::SecretBytes<32> secret;
    secret.expose_mutable()[0] = 1;
    const KeyRing keys(std::move(secret), 10);
    const auto alice = near::AccountId::parse("alice.near").value();
    std::vector<std::string> names;
    for (std::uint32_t version = 1; version <= 3; ++version) {
        names.push_back(KeyName::wallet("w", version).seed_text());
        names.push_back(KeyName::direct_user("w", alice, version).seed_text());
        names.push_back(
            KeyName::direct_user_calls("w", alice, alice, alice, {"m"}, version).seed_text());
        names.push_back(
            KeyName::direct_user_calls("w", alice, alice, alice, {"m", "n"}, version).seed_text());
    }
    std::sort(names.begin(), names.end());
    EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
    EXPECT_EQ(KeyName::wallet("w", 2).seed_text(), "wallet:w:near:v2");
    EXPECT_EQ(
        KeyName::direct_user("w", alice, 2).seed_text(),
        "wallet:w:near:direct-user-fa:alice.near:v2");
    EXPECT_TRUE(keys.check());
}

TEST(KeyRingTest, ASignatureThatIsCheckedIsTheSame) {
    const auto ring = [](crypto::SelfCheck check) {
        crypto::SecretBytes<32> secret;
        std::fill_n(secret.expose_mutable().begin(), 32, std::uint8_t{7});
        return KeyRing(std::move(secret), 10, check);
    };
    const KeyRing checked = ring(crypto::SelfCheck::On);
    const KeyRing plain = ring(crypto::SelfCheck::Off);
    const KeyName name = KeyName::wallet("w", 1);
    const auto digest = crypto::sha256(base::as_bytes("something"));
    const auto signature = checked.sign(name, digest);
    ASSERT_TRUE(signature);
    EXPECT_EQ(*signature, plain.sign(name, digest).value());
    EXPECT_TRUE(crypto::verify(checked.public_key(name), digest.view(), *signature));
}

TEST(KeyRingTest, TheSecretIsExactly32Bytes) {
    for (const std::size_t size : {0U, 16U, 31U, 33U, 64U}) {
        EXPECT_FALSE(master_secret(crypto::SecretBuffer::copy_of(base::Bytes(size, 1)).value()))
            << size;
    }
}

}  // namespace
}  // namespace adyton::keystore

#include "crypto/hmac_secret.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/digest.h"
#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

std::string mac_hex(const base::Bytes& key, std::string_view data) {
    return base::hex_encode(hmac_sha256_secret(key, base::as_bytes(data)).expose());
}

TEST(HmacSecretTest, AnswersTheVectorsOfRfc4231) {
    EXPECT_EQ(
        mac_hex(base::Bytes(20, 0x0b), "Hi There"),
        "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(
        mac_hex(from_hex("4a656665"), "what do ya want for nothing?"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(
        mac_hex(base::Bytes(131, 0xaa), "Test Using Larger Than Block-Size Key - Hash Key First"),
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(HmacSecretTest, AgreesWithTheOneForPublicOutputs) {
    base::SeededRandom random(7);
    for (std::size_t size = 0; size < 200; ++size) {
        base::Bytes key(size);
        base::Bytes data(size * 3);
        random.fill(key);
        random.fill(data);
        EXPECT_EQ(
            base::hex_encode(hmac_sha256_secret(key, data).expose()),
            hmac_sha256(key, data).to_hex());
    }
}

}  // namespace
}  // namespace adyton::crypto

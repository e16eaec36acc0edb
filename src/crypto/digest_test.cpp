#include "crypto/digest.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "crypto/test_bytes.h"

namespace adyton::crypto {
namespace {

using base::as_bytes;

std::string sha256_hex(std::string_view text) {
    return sha256(as_bytes(text)).to_hex();
}

TEST(DigestTest, Sha256AnswersTheFipsVectors) {
    EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(
        sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(
        sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(
        sha256_hex(std::string(1000000, 'a')),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(DigestTest, Sha256InPiecesEqualsSha256InOne) {
    base::SeededRandom random(7);
    base::Bytes data(1000);
    random.fill(data);
    for (std::size_t size = 0; size < 200; ++size) {
        const base::ByteView whole = base::ByteView(data).first(size);
        Sha256 pieces;
        for (base::ByteView rest = whole; !rest.empty();) {
            const std::size_t taken = std::min<std::size_t>(rest.size(), 1 + random.below(70));
            pieces.update(rest.first(taken));
            rest = rest.subspan(taken);
        }
        EXPECT_EQ(pieces.finish(), sha256(whole)) << size;
    }
}

TEST(DigestTest, AFinishedSha256StartsAnew) {
    Sha256 hash;
    hash.update(as_bytes("something else")).finish();
    EXPECT_EQ(hash.update(as_bytes("abc")).finish(), sha256(as_bytes("abc")));
}

TEST(DigestTest, Sha512AnswersTheFipsVector) {
    EXPECT_EQ(
        sha512(as_bytes("abc")).to_hex(),
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST(DigestTest, Ripemd160AnswersItsAuthorsVectors) {
    EXPECT_EQ(ripemd160({}).to_hex(), "9c1185a5c5e9fc54612808977ee8f548b2258d31");
    EXPECT_EQ(ripemd160(as_bytes("abc")).to_hex(), "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    EXPECT_EQ(
        ripemd160(as_bytes("abcdefghijklmnopqrstuvwxyz")).to_hex(),
        "f71c27109c692c1b56bbdceb5b9d2865b3708dbc");
}

struct HmacVector {
    base::Bytes key;
    base::Bytes data;
    std::string_view mac;
};

// RFC 4231, 4.2 to 4.8 (4.6 shows a truncated output and is left out).
TEST(DigestTest, HmacAnswersTheVectorsOfRfc4231) {
    const auto text = [](std::string_view t) { return base::Bytes(t.begin(), t.end()); };
    const std::vector<HmacVector> vectors = {
        {base::Bytes(20, 0x0b), text("Hi There"),
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {text("Jefe"), text("what do ya want for nothing?"),
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {base::Bytes(20, 0xaa), base::Bytes(50, 0xdd),
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
        {from_hex("0102030405060708090a0b0c0d0e0f10111213141516171819"), base::Bytes(50, 0xcd),
         "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
        {base::Bytes(131, 0xaa), text("Test Using Larger Than Block-Size Key - Hash Key First"),
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
        {base::Bytes(131, 0xaa),
         text("This is a test using a larger than block-size key and a larger than block-size "
              "data. The key needs to be hashed before being used by the HMAC algorithm."),
         "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"}};
    for (const HmacVector& vector : vectors) {
        EXPECT_EQ(hmac_sha256(vector.key, vector.data).to_hex(), vector.mac);
    }
}

TEST(DigestTest, APreparedHmacKeyServesManyMessages) {
    const HmacSha256Key key(as_bytes("a key"));
    for (int i = 0; i < 3; ++i) {
        const std::string message(static_cast<std::size_t>(i) * 50, 'm');
        EXPECT_EQ(key.mac(as_bytes(message)), hmac_sha256(as_bytes("a key"), as_bytes(message)));
    }
}

TEST(DigestTest, ADigestOfAnotherLengthIsRefused) {
    EXPECT_TRUE(Sha256Digest::parse(base::Bytes(32)));
    EXPECT_FALSE(Sha256Digest::parse(base::Bytes(31)));
    EXPECT_FALSE(Sha256Digest::parse(base::Bytes(33)));
    EXPECT_FALSE(Sha256Digest::parse({}));
}

}  // namespace
}  // namespace adyton::crypto

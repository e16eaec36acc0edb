#include "crypto/internal/rfc6979.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/digest.h"
#include "crypto/test_bytes.h"

namespace adyton::crypto::internal {
namespace {

using Number = std::array<std::uint8_t, 32>;

Number from_hex32(std::string_view hex) {
    const auto bytes = from_hex(hex);
    Number out;
    CHECK(bytes.size() == out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
}

std::string next_hex(Rfc6979Nonces& nonces) {
    return base::hex_encode(nonces.next());
}

// RFC 6979, A.2.5.
constexpr std::string_view kPrivate =
    "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";

std::string nonce_for(std::string_view message) {
    Rfc6979Nonces nonces(from_hex32(kPrivate), sha256(base::as_bytes(message)).bytes);
    return next_hex(nonces);
}

TEST(Rfc6979NoncesTest, AreThoseOfTheStandard) {
    EXPECT_EQ(
        nonce_for("sample"), "a6e3c57dd01abe90086538398355dd4c3b17aa873382b0f24d6129493d8aad60");
    EXPECT_EQ(
        nonce_for("test"), "d16b6ae827f17175e040871a1c7ec3500192c4c92677336ec2537acaee0008e0");
}

// What next() does after a signature came out as zero, written out with plain HMACs.
TEST(Rfc6979NoncesTest, TheSecondOneFollowsTheStandardToo) {
    const auto digest = sha256(base::as_bytes("sample"));
    const auto mac = [](const base::Bytes& key, const base::Bytes& data) {
        const auto out = hmac_sha256(key, data).bytes;
        return base::Bytes(out.begin(), out.end());
    };
    const auto joined = [&](const base::Bytes& v, std::uint8_t separator, bool with_seed) {
        base::Bytes out = v;
        out.push_back(separator);
        if (with_seed) {
            const auto key = from_hex(kPrivate);
            out.insert(out.end(), key.begin(), key.end());
            out.insert(out.end(), digest.bytes.begin(), digest.bytes.end());
        }
        return out;
    };
    base::Bytes k(32, 0);
    base::Bytes v(32, 1);
    for (const std::uint8_t separator : {std::uint8_t{0}, std::uint8_t{1}}) {
        k = mac(k, joined(v, separator, true));
        v = mac(k, v);
    }
    v = mac(k, v);  // the first nonce
    Rfc6979Nonces nonces(from_hex32(kPrivate), digest.bytes);
    EXPECT_EQ(next_hex(nonces), base::hex_encode(v));
    k = mac(k, joined(v, 0, false));
    v = mac(k, v);
    v = mac(k, v);
    EXPECT_EQ(next_hex(nonces), base::hex_encode(v));
}

}  // namespace
}  // namespace adyton::crypto::internal

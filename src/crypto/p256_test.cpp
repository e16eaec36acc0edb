#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/p256.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/obj_mac.h>

#include <memory>
#include <set>
#include <thread>

#include "base/random.h"
#include "crypto/internal/rfc6979.h"
#include "crypto/p256_bench.h"
#include "crypto/test_bytes.h"

// lint-allow-file(thread): the per-thread contexts need real threads.
namespace adyton::crypto {
namespace {

constexpr std::string_view kOrderHex =
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
constexpr std::string_view kHalfOrderHex =
    "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8";
// RFC 6979, A.2.5.
constexpr std::string_view kRfcPrivate =
    "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
constexpr std::string_view kRfcPublic =
    "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";

struct Deleter {
    void operator()(BIGNUM* p) const { BN_free(p); }
    void operator()(BN_CTX* p) const { BN_CTX_free(p); }
    void operator()(EC_KEY* p) const { EC_KEY_free(p); }
    void operator()(EC_POINT* p) const { EC_POINT_free(p); }
    void operator()(ECDSA_SIG* p) const { ECDSA_SIG_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Deleter>;

P256PrivateKey key_from_hex(std::string_view hex) {
    auto key = P256PrivateKey::from_scalar(secret32(from_hex(hex)));
    CHECK(key.has_value());
    return std::move(*key);
}

P256PrivateKey random_key(base::SeededRandom& random) {
    SecretBytes<32> scalar;
    random.fill(scalar.expose_mutable());
    auto key = P256PrivateKey::reduce_scalar(std::move(scalar));
    CHECK(key.has_value());
    return std::move(*key);
}

Sha256Digest random_digest(base::SeededRandom& random) {
    Sha256Digest digest;
    random.fill(digest.bytes);
    return digest;
}

Sha256Digest digest_from_hex(std::string_view hex) {
    auto digest = Sha256Digest::parse(from_hex(hex));
    CHECK(digest.has_value());
    return *digest;
}

std::string sign_hex(const P256PrivateKey& key, const Sha256Digest& digest) {
    const auto signature = sign_rfc6979_low_s(key, digest);
    CHECK(signature.has_value());
    return base::hex_encode(signature->bytes);
}

std::string scalar_hex(const P256PrivateKey& key) {
    return base::hex_encode(key.expose_scalar());
}

// A second way to the same signature: the textbook formula in libcrypto's big numbers.
class Reference {
public:
    Reference() : key_(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1)), context_(BN_CTX_new()) {}

    bool verifies(
        const P256PublicKey& key, const Sha256Digest& digest, const P256Signature& signature) {
        const EC_GROUP* const group = EC_KEY_get0_group(key_.get());
        const Owned<EC_POINT> point(EC_POINT_new(group));
        EC_POINT_oct2point(
            group, point.get(), key.bytes().data(), key.bytes().size(), context_.get());
        EC_KEY_set_public_key(key_.get(), point.get());
        const Owned<ECDSA_SIG> pair(ECDSA_SIG_new());
        ECDSA_SIG_set0(
            pair.get(), BN_bin2bn(signature.bytes.data(), 32, nullptr),
            BN_bin2bn(signature.bytes.data() + 32, 32, nullptr));
        return ECDSA_do_verify(digest.bytes.data(), 32, pair.get(), key_.get()) == 1;
    }

    // s = (e + r d) / k mod n, the lower one of s and n - s.
    std::string sign_hex(const P256PrivateKey& key, const Sha256Digest& digest) {
        const EC_GROUP* const group = EC_KEY_get0_group(key_.get());
        const BIGNUM* const n = EC_GROUP_get0_order(group);
        const Owned<BIGNUM> d(BN_bin2bn(key.expose_scalar().data(), 32, nullptr));
        const Owned<BIGNUM> e(BN_bin2bn(digest.bytes.data(), 32, nullptr));
        BN_nnmod(e.get(), e.get(), n, context_.get());
        const Owned<BIGNUM> k = nonce(key, e.get());
        const Owned<EC_POINT> point(EC_POINT_new(group));
        EC_POINT_mul(group, point.get(), k.get(), nullptr, nullptr, context_.get());
        const Owned<BIGNUM> r(BN_new());
        EC_POINT_get_affine_coordinates(group, point.get(), r.get(), nullptr, context_.get());
        BN_nnmod(r.get(), r.get(), n, context_.get());
        const Owned<BIGNUM> s(BN_new());
        BN_mod_mul(s.get(), r.get(), d.get(), n, context_.get());
        BN_mod_add(s.get(), s.get(), e.get(), n, context_.get());
        BN_mod_inverse(k.get(), k.get(), n, context_.get());
        BN_mod_mul(s.get(), s.get(), k.get(), n, context_.get());
        const Owned<BIGNUM> other(BN_new());
        BN_sub(other.get(), n, s.get());
        P256Signature out;
        BN_bn2binpad(r.get(), out.bytes.data(), 32);
        BN_bn2binpad(
            BN_cmp(s.get(), other.get()) < 0 ? s.get() : other.get(), out.bytes.data() + 32, 32);
        return base::hex_encode(out.bytes);
    }

private:
    static Owned<BIGNUM> nonce(const P256PrivateKey& key, const BIGNUM* reduced_digest) {
        std::array<std::uint8_t, 32> bytes;
        BN_bn2binpad(reduced_digest, bytes.data(), 32);
        internal::Rfc6979Nonces nonces(key.expose_scalar(), bytes);
        return Owned<BIGNUM>(BN_bin2bn(nonces.next().data(), 32, nullptr));
    }

    Owned<EC_KEY> key_;
    Owned<BN_CTX> context_;
};

TEST(P256SignTest, AnswersTheVectorsOfRfc6979InTheLowerHalf) {
    const auto key = key_from_hex(kRfcPrivate);
    EXPECT_EQ(key.public_key().to_hex(), kRfcPublic);
    // s is f7cb1c94... in the standard; n - s here.
    EXPECT_EQ(
        sign_hex(key, sha256(base::as_bytes("sample"))),
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "0834e36ad29a83bf2bc9385e491d6099c8fdf9d1ed67aa7ea5f51f93782857a9");
    EXPECT_EQ(
        sign_hex(key, sha256(base::as_bytes("test"))),
        "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
        "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083");
}

TEST(P256SignTest, AgreesWithTheLibraryOnSeededCases) {
    constexpr std::uint64_t kSeed = 6979;
    base::SeededRandom random(kSeed);
    Reference reference;
    for (int i = 0; i < 1000; ++i) {
        const auto key = random_key(random);
        const auto digest = random_digest(random);
        const auto signature = sign_rfc6979_low_s(key, digest);
        ASSERT_TRUE(signature) << "seed " << kSeed << " case " << i;
        ASSERT_EQ(base::hex_encode(signature->bytes), reference.sign_hex(key, digest))
            << "seed " << kSeed << " case " << i;
        ASSERT_LE(base::hex_encode(signature->bytes).substr(64), kHalfOrderHex);
    }
}

TEST(P256SignTest, SeededSignaturesVerifyHereAndInTheLibrary) {
    constexpr std::uint64_t kSeed = 256;
    base::SeededRandom random(kSeed);
    Reference reference;
    for (int i = 0; i < 5000; ++i) {
        const auto key = random_key(random);
        const auto digest = random_digest(random);
        const auto signature = sign_rfc6979_low_s(key, digest);
        ASSERT_TRUE(signature);
        ASSERT_TRUE(reference.verifies(key.public_key(), digest, *signature))
            << "seed " << kSeed << " case " << i;
        if (i % 8 == 0) {
            ASSERT_TRUE(verify(key.public_key(), digest, *signature)) << i;
        }
    }
}

TEST(P256SignTest, EdgeScalarsAndDigestsAgreeWithTheLibrary) {
    const std::string_view scalars[] = {
        "0000000000000000000000000000000000000000000000000000000000000001",
        "0000000000000000000000000000000000000000000000000000000000000002",
        "00000000000000000000000000000000ffffffffffffffffffffffffffffffff",
        "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8",
        "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a9",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"};
    const std::string_view digests[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000001",
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
        kOrderHex,
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552",
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"};
    Reference reference;
    for (const auto scalar : scalars) {
        const auto key = key_from_hex(scalar);
        for (const auto digest_hex : digests) {
            const auto digest = digest_from_hex(digest_hex);
            const auto signature = sign_rfc6979_low_s(key, digest, SelfCheck::On);
            ASSERT_TRUE(signature) << scalar << " " << digest_hex;
            EXPECT_EQ(base::hex_encode(signature->bytes), reference.sign_hex(key, digest));
            EXPECT_TRUE(reference.verifies(key.public_key(), digest, *signature));
        }
    }
}

TEST(P256SignTest, TheDigestIsReducedBeforeItSeedsTheNonce) {
    const auto key = key_from_hex(kRfcPrivate);
    EXPECT_EQ(sign_hex(key, digest_from_hex(kOrderHex)), sign_hex(key, Sha256Digest{}));
}

TEST(P256SignTest, ThreadsSignAlike) {
    const auto key = key_from_hex(kRfcPrivate);
    const std::string expected = sign_hex(key, sha256(base::as_bytes("sample")));
    std::array<std::string, 4> seen;
    {
        std::vector<std::jthread> threads;
        for (auto& out : seen) {
            threads.emplace_back([&key, &out] {
                for (int i = 0; i < 50; ++i) {
                    out = sign_hex(key, sha256(base::as_bytes("sample")));
                }
            });
        }
    }
    for (const auto& out : seen) EXPECT_EQ(out, expected);
}

TEST(P256PrivateKeyTest, AScalarOutsideTheRangeIsRefused) {
    for (const std::string_view bad :
         {"0000000000000000000000000000000000000000000000000000000000000000",
          "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
          "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552",
          "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
        const auto key = P256PrivateKey::from_scalar(secret32(from_hex(bad)));
        ASSERT_FALSE(key) << bad;
        EXPECT_EQ(key.error().code(), ErrorCode::InvalidArgument);
    }
}

TEST(P256PrivateKeyTest, ReductionKeepsSmallNumbersAndSubtractsTheOrderOnce) {
    const auto reduced = [](std::string_view hex) {
        const auto key = P256PrivateKey::reduce_scalar(secret32(from_hex(hex)));
        return key ? scalar_hex(*key) : "refused";
    };
    EXPECT_EQ(reduced(kRfcPrivate), kRfcPrivate);
    EXPECT_EQ(
        reduced("0000000000000000000000000000000000000000000000000000000000000000"), "refused");
    EXPECT_EQ(reduced(kOrderHex), "refused");
    EXPECT_EQ(
        reduced("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552"),
        "0000000000000000000000000000000000000000000000000000000000000001");
    EXPECT_EQ(
        reduced("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
        "00000000ffffffff00000000000000004319055258e8617b0c46353d039cdaae");
}

TEST(P256PrivateKeyTest, ShiftedReductionNeverFails) {
    const auto shifted = [](std::string_view hex) {
        return scalar_hex(P256PrivateKey::reduce_scalar_shifted(secret32(from_hex(hex))));
    };
    EXPECT_EQ(
        shifted("0000000000000000000000000000000000000000000000000000000000000000"),
        "0000000000000000000000000000000000000000000000000000000000000001");
    EXPECT_EQ(
        shifted("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f"),
        "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
    EXPECT_EQ(
        shifted("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550"),
        "0000000000000000000000000000000000000000000000000000000000000001");
    EXPECT_EQ(
        shifted(kOrderHex), "0000000000000000000000000000000000000000000000000000000000000002");
}

TEST(P256PublicKeyTest, BothFormsAgreeWithTheGenerator) {
    // SEC 2, 2.4.2.
    const auto one =
        key_from_hex("0000000000000000000000000000000000000000000000000000000000000001");
    EXPECT_EQ(
        one.public_key().to_hex(),
        "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
    EXPECT_EQ(
        base::hex_encode(one.public_key().uncompressed()),
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
    // (n - 1) G = -G: the same X, the other Y.
    const auto last =
        key_from_hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550");
    EXPECT_EQ(
        last.public_key().to_hex(),
        "026b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
}

TEST(P256PublicKeyTest, ParsingGoesRoundInBothForms) {
    base::SeededRandom random(33);
    for (int i = 0; i < 200; ++i) {
        const auto key = random_key(random).public_key();
        const auto compressed = P256PublicKey::parse(key.bytes());
        ASSERT_TRUE(compressed);
        EXPECT_EQ(*compressed, key);
        const auto uncompressed = P256PublicKey::parse_uncompressed(key.uncompressed());
        ASSERT_TRUE(uncompressed);
        EXPECT_EQ(*uncompressed, key);
    }
}

// Encodings that lax libraries have accepted: infinity, hybrid forms, X not below p, points of
// another curve or of the twist, wrong lengths.
TEST(P256PublicKeyTest, MalformedKeysAreRefused) {
    for (const std::string_view bad :
         {"", "00", "02", "03",
          "000000000000000000000000000000000000000000000000000000000000000000",
          "020000000000000000000000000000000000000000000000000000000000000001",
          "02ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
          "02ffffffff00000001000000000000000000000001000000000000000000000000",
          "02ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
          "0560fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
          "0660fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
          "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29f",
          "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb600",
          "02a47ec6b7a445f9fdeb3511c722e988022cb3919662e275606ca88937c371ef15"}) {
        const auto key = P256PublicKey::parse(from_hex(bad));
        ASSERT_FALSE(key) << bad;
        EXPECT_EQ(key.error().code(), ErrorCode::InvalidArgument);
    }
}

TEST(P256PublicKeyTest, MalformedUncompressedKeysAreRefused) {
    const auto good = key_from_hex(kRfcPrivate).public_key().uncompressed();
    ASSERT_TRUE(P256PublicKey::parse_uncompressed(good));
    for (std::size_t i = 0; i < good.size(); ++i) {
        auto bad = good;
        bad[i] ^= 0x10;
        EXPECT_FALSE(P256PublicKey::parse_uncompressed(bad)) << i;
    }
    auto hybrid = good;
    hybrid[0] = static_cast<std::uint8_t>(0x06 | (good[64] & 1));
    EXPECT_FALSE(P256PublicKey::parse_uncompressed(hybrid));
    EXPECT_FALSE(P256PublicKey::parse_uncompressed(base::Bytes(65)));
    EXPECT_FALSE(P256PublicKey::parse_uncompressed(base::ByteView(good).first(64)));
    EXPECT_FALSE(P256PublicKey::parse_uncompressed(base::Bytes(1)));
}

class P256VerifyTest : public testing::Test {
protected:
    static P256Signature signature_of(std::string_view r, std::string_view s) {
        auto signature = P256Signature::parse(from_hex(std::string(r) + std::string(s)));
        CHECK(signature.has_value());
        return *signature;
    }

    const P256PrivateKey key_ = key_from_hex(kRfcPrivate);
    const P256PublicKey public_key_ = key_.public_key();
    const Sha256Digest digest_ = sha256(base::as_bytes("sample"));
    static constexpr std::string_view kR =
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716";
    static constexpr std::string_view kHighS =
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
    static constexpr std::string_view kZero =
        "0000000000000000000000000000000000000000000000000000000000000000";
};

TEST_F(P256VerifyTest, BothHalvesOfSAreAccepted) {
    EXPECT_TRUE(verify(public_key_, digest_, signature_of(kR, kHighS)));
    EXPECT_TRUE(verify(public_key_, digest_, *sign_rfc6979_low_s(key_, digest_)));
}

TEST_F(P256VerifyTest, EverySingleBitChangeIsRefused) {
    const auto good = *sign_rfc6979_low_s(key_, digest_);
    for (std::size_t bit = 0; bit < 512; bit += 3) {
        auto bad = good;
        bad.bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        EXPECT_FALSE(verify(public_key_, digest_, bad)) << bit;
    }
    for (std::size_t bit = 0; bit < 256; bit += 5) {
        auto bad = digest_;
        bad.bytes[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
        EXPECT_FALSE(verify(public_key_, bad, good)) << bit;
    }
}

TEST_F(P256VerifyTest, NumbersOutsideTheRangeAreRefused) {
    for (const std::string_view bad :
         {kZero, kOrderHex,
          std::string_view("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff")}) {
        EXPECT_FALSE(verify(public_key_, digest_, signature_of(bad, kHighS))) << bad;
        EXPECT_FALSE(verify(public_key_, digest_, signature_of(kR, bad))) << bad;
        EXPECT_FALSE(verify(public_key_, digest_, signature_of(bad, bad))) << bad;
    }
}

TEST_F(P256VerifyTest, AnotherKeyIsRefused) {
    base::SeededRandom random(1);
    EXPECT_FALSE(
        verify(random_key(random).public_key(), digest_, *sign_rfc6979_low_s(key_, digest_)));
}

TEST_F(P256VerifyTest, ASignatureOfAnotherLengthIsRefused) {
    EXPECT_FALSE(P256Signature::parse(base::Bytes(63)));
    EXPECT_FALSE(P256Signature::parse(base::Bytes(65)));
    EXPECT_TRUE(P256Signature::parse(base::Bytes(64)));
}

// The figures belong to `adyton bench pool`; here it is only whether they can be had.
TEST(P256BenchTest, CountsAndVerifiesBothSides) {
    std::int64_t ticks = 0;
    const auto bench = bench_derive_and_sign(
        [&] { return std::chrono::milliseconds(++ticks); }, std::chrono::milliseconds(4));
    EXPECT_TRUE(bench.verified);
    EXPECT_EQ(bench.library_count, bench.ours_count);
    EXPECT_EQ(bench.ours_count, 128U);
    EXPECT_DOUBLE_EQ(bench.library_per_s, 64000.0);
    EXPECT_DOUBLE_EQ(bench.ratio, 1.0);
}

}  // namespace
}  // namespace adyton::crypto

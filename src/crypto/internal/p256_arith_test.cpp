#include "crypto/internal/p256_arith.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace adyton::crypto::internal {
namespace {

struct Deleter {
    void operator()(BIGNUM* p) const { BN_free(p); }
    void operator()(BN_CTX* p) const { BN_CTX_free(p); }
};
using Number = std::unique_ptr<BIGNUM, Deleter>;

Number number(const Limbs& limbs) {
    std::array<std::uint8_t, 32> bytes;
    store_big_endian(limbs, bytes);
    return Number(BN_bin2bn(bytes.data(), 32, nullptr));
}

std::string hex(const Limbs& limbs) {
    std::array<std::uint8_t, 32> bytes;
    store_big_endian(limbs, bytes);
    return base::hex_encode(bytes);
}

std::string hex(const BIGNUM* value) {
    std::array<std::uint8_t, 32> bytes;
    EXPECT_EQ(BN_bn2binpad(value, bytes.data(), 32), 32);
    return base::hex_encode(bytes);
}

Limbs minus_small(Limbs a, std::uint64_t small) {
    a.v[0] -= small;  // both moduli end in a large word
    return a;
}

// Edges of the modulus and of the words, then random numbers; all below m.
std::vector<Limbs> samples(const Modulus& m, std::size_t random_count) {
    constexpr std::uint64_t kOnes = ~std::uint64_t{0};
    std::vector<Limbs> out = {
        {{0, 0, 0, 0}},
        {{1, 0, 0, 0}},
        {{2, 0, 0, 0}},
        {{kOnes, 0, 0, 0}},
        {{0, 1, 0, 0}},
        {{kOnes, kOnes, 0, 0}},
        {{0, 0, 1, 0}},
        {{kOnes, kOnes, kOnes, 0}},
        {{0, 0, 0, 1}},
        {{0, 0, 0, 0x8000000000000000}},
        {{kOnes, kOnes, kOnes, 0x7fffffffffffffff}},
        minus_small(m.m, 1),
        minus_small(m.m, 2),
        kHalfOrder,
        minus_small(kHalfOrder, 1),
    };
    base::SeededRandom random(20251120);
    for (std::size_t i = 0; i < random_count; ++i) {
        std::array<std::uint8_t, 32> bytes;
        random.fill(bytes);
        if (i % 4 == 1) std::fill_n(bytes.begin(), random.below(32), std::uint8_t{0});
        if (i % 4 == 2) std::fill_n(bytes.rbegin(), random.below(32), std::uint8_t{0});
        if (i % 4 == 3) std::fill_n(bytes.begin(), random.below(32), std::uint8_t{0xff});
        out.push_back(reduce_once(load_big_endian(bytes), m));
    }
    return out;
}

class P256ArithTest : public testing::TestWithParam<const Modulus*> {
protected:
    const Modulus& modulus() const { return *GetParam(); }
    Number modulus_number() const { return number(modulus().m); }
    std::unique_ptr<BN_CTX, Deleter> context_{BN_CTX_new()};
};

TEST_P(P256ArithTest, InverseAgreesWithTheLibrary) {
    const Number m = modulus_number();
    for (const Limbs& a : samples(modulus(), 3000)) {
        const Limbs inverse = invert_mod(a, modulus());
        if (mask_zero(a) != 0) {
            EXPECT_EQ(hex(inverse), hex(a));
            continue;
        }
        const Number expected(BN_mod_inverse(nullptr, number(a).get(), m.get(), context_.get()));
        ASSERT_NE(expected, nullptr);
        ASSERT_EQ(hex(inverse), hex(expected.get())) << hex(a);
        ASSERT_EQ(hex(multiply_mod(a, inverse, modulus())), hex(Limbs{{1, 0, 0, 0}})) << hex(a);
    }
}

TEST_P(P256ArithTest, ProductsSumsAndNegativesAgreeWithTheLibrary) {
    const Number m = modulus_number();
    const Number expected(BN_new());
    const auto values = samples(modulus(), 60);
    for (const Limbs& a : values) {
        for (const Limbs& b : values) {
            ASSERT_EQ(
                BN_mod_mul(
                    expected.get(), number(a).get(), number(b).get(), m.get(), context_.get()),
                1);
            ASSERT_EQ(hex(multiply_mod(a, b, modulus())), hex(expected.get()));
            ASSERT_EQ(
                BN_mod_add(
                    expected.get(), number(a).get(), number(b).get(), m.get(), context_.get()),
                1);
            ASSERT_EQ(hex(add_mod(a, b, modulus())), hex(expected.get()));
            const int order = BN_cmp(number(a).get(), number(b).get());
            ASSERT_EQ(mask_less(a, b), order < 0 ? ~std::uint64_t{0} : 0);
        }
        ASSERT_EQ(hex(add_mod(a, negate_mod(a, modulus()), modulus())), hex(Limbs{}));
        ASSERT_LT(BN_cmp(number(negate_mod(a, modulus())).get(), m.get()), 0);
    }
}

TEST_P(P256ArithTest, ReductionAgreesWithTheLibraryAboveTheModulusToo) {
    constexpr std::uint64_t kOnes = ~std::uint64_t{0};
    std::vector<Limbs> values = samples(modulus(), 100);
    values.push_back(modulus().m);
    values.push_back({{kOnes, kOnes, kOnes, kOnes}});
    Limbs above = modulus().m;
    above.v[1] += 5;  // no carry: the second word of both moduli is far from the top
    values.push_back(above);
    const Number m = modulus_number();
    const Number expected(BN_new());
    for (const Limbs& a : values) {
        ASSERT_EQ(BN_nnmod(expected.get(), number(a).get(), m.get(), context_.get()), 1);
        EXPECT_EQ(hex(reduce_once(a, modulus())), hex(expected.get()));
    }
}

INSTANTIATE_TEST_SUITE_P(
    Moduli, P256ArithTest, testing::Values(&kOrder, &kFieldPrime),
    [](const auto& tested) { return tested.param == &kOrder ? "Order" : "FieldPrime"; });

TEST(P256ArithConstantsTest, AreThoseOfTheStandard) {
    EXPECT_EQ(hex(kOrder.m), "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    EXPECT_EQ(
        hex(kFieldPrime.m), "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
    EXPECT_EQ(hex(kHalfOrder), "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8");
}

TEST(P256ArithConstantsTest, ShiftedReductionIsModOrderLessOnePlusOne) {
    const Number order_less_one = number(kOrder.m);
    BN_sub_word(order_less_one.get(), 1);
    const std::unique_ptr<BN_CTX, Deleter> context(BN_CTX_new());
    auto values = samples(kOrder, 200);
    values.push_back(kOrder.m);
    values.push_back(
        {{~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0}, ~std::uint64_t{0}}});
    const Number expected(BN_new());
    for (const Limbs& a : values) {
        BN_nnmod(expected.get(), number(a).get(), order_less_one.get(), context.get());
        BN_add_word(expected.get(), 1);
        EXPECT_EQ(hex(reduce_shifted(a)), hex(expected.get()));
    }
}

TEST(P256ArithConstantsTest, BytesGoThroughUnchanged) {
    std::array<std::uint8_t, 32> bytes;
    for (std::size_t i = 0; i < 32; ++i) bytes[i] = static_cast<std::uint8_t>(i + 1);
    const Limbs limbs = load_big_endian(bytes);
    EXPECT_EQ(limbs.v[3], 0x0102030405060708U);
    EXPECT_EQ(limbs.v[0], 0x191a1b1c1d1e1f20U);
    std::array<std::uint8_t, 32> again;
    store_big_endian(limbs, again);
    EXPECT_EQ(again, bytes);
}

}  // namespace
}  // namespace adyton::crypto::internal

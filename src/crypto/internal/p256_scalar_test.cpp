#include "crypto/internal/p256_scalar.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "crypto/test_bytes.h"

namespace adyton::crypto::internal {
namespace {

using Bytes32 = std::array<std::uint8_t, 32>;

struct Deleter {
    void operator()(BIGNUM* p) const { BN_free(p); }
    void operator()(BN_CTX* p) const { BN_CTX_free(p); }
};
using Number = std::unique_ptr<BIGNUM, Deleter>;

Number number(const Bytes32& bytes) {
    return Number(BN_bin2bn(bytes.data(), 32, nullptr));
}

std::string hex(const BIGNUM* value) {
    Bytes32 bytes;
    EXPECT_EQ(BN_bn2binpad(value, bytes.data(), 32), 32);
    return base::hex_encode(bytes);
}

std::string hex(const Bytes32& bytes) {
    return base::hex_encode(bytes);
}

Bytes32 from_hex32(std::string_view text) {
    const auto bytes = from_hex(text);
    Bytes32 out;
    CHECK(bytes.size() == out.size());
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
}

// Numbers around every edge of the order, of its half and of the bytes, then random ones, some with
// runs of zeros or ones; above the order too.
std::vector<Bytes32> samples() {
    std::vector<Bytes32> out;
    for (const std::string_view text :
         {"0000000000000000000000000000000000000000000000000000000000000000",
          "0000000000000000000000000000000000000000000000000000000000000001",
          "0000000000000000000000000000000000000000000000000000000000000002",
          "00000000000000000000000000000000000000000000000000000000000000ff",
          "0000000000000000000000000000000000000000000000000000000000000100",
          "00000000000000000000000000000000ffffffffffffffffffffffffffffffff",
          "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a7",
          "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8",
          "7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a9",
          "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
          "8000000000000000000000000000000000000000000000000000000000000000",
          "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc63254f",
          "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
          "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
          "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632552",
          "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632600",
          "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
          "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe",
          "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
        out.push_back(from_hex32(text));
    }
    base::SeededRandom random(20251120);
    for (int i = 0; i < 2000; ++i) {
        Bytes32 bytes;
        random.fill(bytes);
        if (i % 4 == 1) std::fill_n(bytes.begin(), random.below(32), std::uint8_t{0});
        if (i % 4 == 2) std::fill_n(bytes.rbegin(), random.below(32), std::uint8_t{0});
        if (i % 4 == 3) std::fill_n(bytes.begin(), random.below(32), std::uint8_t{0xff});
        out.push_back(bytes);
    }
    return out;
}

class P256ScalarTest : public testing::Test {
protected:
    const Number order_ = number(kP256Order);
    const Number expected_{BN_new()};
    const std::unique_ptr<BN_CTX, Deleter> context_{BN_CTX_new()};
};

TEST_F(P256ScalarTest, TheOrderIsThatOfTheStandard) {
    EXPECT_EQ(hex(kP256Order), "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
}

TEST_F(P256ScalarTest, TheRangeIsFromOneToTheOrderLessOne) {
    for (const Bytes32& sample : samples()) {
        const Number value = number(sample);
        const bool expected = !BN_is_zero(value.get()) && BN_cmp(value.get(), order_.get()) < 0;
        ASSERT_EQ(is_scalar(sample), expected) << hex(sample);
    }
}

TEST_F(P256ScalarTest, ReductionAgreesWithTheLibraryAboveTheOrderToo) {
    for (const Bytes32& sample : samples()) {
        ASSERT_EQ(BN_nnmod(expected_.get(), number(sample).get(), order_.get(), context_.get()), 1);
        Bytes32 reduced = sample;
        reduce(reduced);
        ASSERT_EQ(hex(reduced), hex(expected_.get())) << hex(sample);
    }
}

TEST_F(P256ScalarTest, ShiftedReductionIsModOrderLessOnePlusOne) {
    const Number order_less_one(BN_dup(order_.get()));
    BN_sub_word(order_less_one.get(), 1);
    for (const Bytes32& sample : samples()) {
        BN_nnmod(expected_.get(), number(sample).get(), order_less_one.get(), context_.get());
        BN_add_word(expected_.get(), 1);
        Bytes32 reduced = sample;
        reduce_shifted(reduced);
        ASSERT_EQ(hex(reduced), hex(expected_.get())) << hex(sample);
        ASSERT_TRUE(is_scalar(reduced)) << hex(sample);
    }
}

TEST_F(P256ScalarTest, TheLargerOfAPairIsTakenAndHasNoLeadingZero) {
    for (const Bytes32& sample : samples()) {
        if (!is_scalar(sample)) continue;
        const Number value = number(sample);
        BN_sub(expected_.get(), order_.get(), value.get());
        const bool negated = BN_cmp(expected_.get(), value.get()) > 0;
        Bytes32 larger = sample;
        ASSERT_EQ(take_larger_of_pair(larger), negated ? 1 : 0) << hex(sample);
        ASSERT_EQ(hex(larger), negated ? hex(expected_.get()) : hex(sample));
        ASSERT_GE(larger[0], 0x7f);
    }
}

}  // namespace
}  // namespace adyton::crypto::internal

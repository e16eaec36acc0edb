#include "crypto/internal/p256_arith.h"

// g++ -O2 leaves four-step loops as loops; unrolled they are faster and free of jumps.
#if defined(__clang__)
#define ADYTON_UNROLL _Pragma("unroll")
#else
#define ADYTON_UNROLL _Pragma("GCC unroll 5")
#endif

namespace adyton::crypto::internal {
namespace {

__extension__ using Wide = unsigned __int128;
__extension__ using SignedWide = __int128;

constexpr std::uint64_t kMask62 = (std::uint64_t{1} << 62U) - 1;
constexpr int kSteps = 62;  // division steps in one batch
constexpr int kBatches = 10;

constexpr std::uint64_t low(Wide wide) {
    return static_cast<std::uint64_t>(wide);
}
constexpr std::uint64_t high(Wide wide) {
    return static_cast<std::uint64_t>(wide >> 64U);
}

// Keeps the compiler from seeing that a mask has two values and from making a branch of it.
inline std::uint64_t hide(std::uint64_t value) {
    __asm__("" : "+r"(value));
    return value;
}

constexpr std::uint64_t add_carry(Limbs& out, const Limbs& a, const Limbs& b) {
    std::uint64_t carry = 0;
    ADYTON_UNROLL
    for (int i = 0; i < 4; ++i) {
        const Wide sum = static_cast<Wide>(a.v[i]) + b.v[i] + carry;
        out.v[i] = low(sum);
        carry = high(sum);
    }
    return carry;
}

// out = a - b; returns 1 when it wrapped.
constexpr std::uint64_t subtract_borrow(Limbs& out, const Limbs& a, const Limbs& b) {
    std::uint64_t borrow = 0;
    ADYTON_UNROLL
    for (int i = 0; i < 4; ++i) {
        const Wide difference = static_cast<Wide>(a.v[i]) - b.v[i] - borrow;
        out.v[i] = low(difference);
        borrow = high(difference) & 1U;
    }
    return borrow;
}

// Newton's iteration doubles the correct bits: 5 rounds from 3 bits give 96.
constexpr std::uint64_t inverse_mod_word(std::uint64_t odd) {
    std::uint64_t inverse = odd;
    ADYTON_UNROLL
    for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
    return inverse;
}

// Public values at compile time only: this one branches.
constexpr Limbs compute_r_squared(const Limbs& m) {
    Limbs value{{1, 0, 0, 0}};
    for (int i = 0; i < 512; ++i) {
        Limbs twice{};
        const std::uint64_t carry = add_carry(twice, value, value);
        Limbs reduced{};
        const std::uint64_t borrow = subtract_borrow(reduced, twice, m);
        value = carry != 0 || borrow == 0 ? reduced : twice;
    }
    return value;
}

constexpr Modulus make_modulus(const Limbs& m) {
    Modulus out{};
    out.m = m;
    out.r_squared = compute_r_squared(m);
    out.negative_inverse = 0 - inverse_mod_word(m.v[0]);
    out.inverse62 = inverse_mod_word(m.v[0]) & kMask62;
    for (unsigned i = 0; i < 5; ++i) {
        const unsigned bit = 62U * i;
        const unsigned word = bit / 64U;
        const unsigned shift = bit % 64U;
        std::uint64_t limb = m.v[word] >> shift;
        if (shift > 2 && word < 3) limb |= m.v[word + 1] << (64U - shift);
        out.m62[i] = static_cast<std::int64_t>(limb & kMask62);
    }
    return out;
}

// A signed number in 62-bit limbs, least significant first; the top limb carries the sign.
struct Signed62 {
    std::int64_t v[5];
};

Signed62 to_signed62(const Limbs& a) {
    const auto limb = [](std::uint64_t bits) { return static_cast<std::int64_t>(bits & kMask62); };
    return {
        {limb(a.v[0]), limb(a.v[0] >> 62U | a.v[1] << 2U), limb(a.v[1] >> 60U | a.v[2] << 4U),
         limb(a.v[2] >> 58U | a.v[3] << 6U), static_cast<std::int64_t>(a.v[3] >> 56U)}};
}

Limbs from_signed62(const Signed62& a) {
    const auto word = [&](int i) { return static_cast<std::uint64_t>(a.v[i]); };
    return {
        {word(0) | word(1) << 62U, word(1) >> 2U | word(2) << 60U, word(2) >> 4U | word(3) << 58U,
         word(3) >> 6U | word(4) << 56U}};
}

// 2^62 times the matrix of 62 division steps: (f, g) becomes (u f + v g, q f + r g) / 2^62.
struct Transition {
    std::int64_t u, v, q, r;
};

// 62 division steps on the low 64 bits of f and g. `zeta` is -(delta + 1/2). Unsigned arithmetic
// throughout, because intermediate values wrap; |u| + |v| and |q| + |r| end <= 2^62.
std::int64_t divide_steps(std::int64_t zeta, std::uint64_t f, std::uint64_t g, Transition& out) {
    std::uint64_t u = 1;
    std::uint64_t v = 0;
    std::uint64_t q = 0;
    std::uint64_t r = 1;
    for (int i = 0; i < kSteps; ++i) {
        std::uint64_t swap = hide(static_cast<std::uint64_t>(zeta >> 63));  // delta > 0
        const std::uint64_t odd = hide(0 - (g & 1U));
        // g += (delta > 0 ? -f : f) when g is odd, and the same on the matrix rows.
        g += ((f ^ swap) - swap) & odd;
        q += ((u ^ swap) - swap) & odd;
        r += ((v ^ swap) - swap) & odd;
        // When delta > 0 and g was odd: f becomes the old g, which is now f + g.
        swap &= odd;
        zeta = static_cast<std::int64_t>((static_cast<std::uint64_t>(zeta) ^ swap) - 1);
        f += g & swap;
        u += q & swap;
        v += r & swap;
        g >>= 1U;
        u <<= 1U;
        v <<= 1U;
    }
    out = {
        static_cast<std::int64_t>(u), static_cast<std::int64_t>(v), static_cast<std::int64_t>(q),
        static_cast<std::int64_t>(r)};
    return zeta;
}

std::int64_t take62(SignedWide& sum) {
    const auto limb = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) & kMask62);
    sum >>= 62;
    return limb;
}

void update_f_g(Signed62& f, Signed62& g, const Transition& t) {
    SignedWide sum_f =
        static_cast<SignedWide>(t.u) * f.v[0] + static_cast<SignedWide>(t.v) * g.v[0];
    SignedWide sum_g =
        static_cast<SignedWide>(t.q) * f.v[0] + static_cast<SignedWide>(t.r) * g.v[0];
    sum_f >>= 62;  // the low 62 bits are zero by construction
    sum_g >>= 62;
    ADYTON_UNROLL
    for (int i = 1; i < 5; ++i) {
        sum_f += static_cast<SignedWide>(t.u) * f.v[i] + static_cast<SignedWide>(t.v) * g.v[i];
        sum_g += static_cast<SignedWide>(t.q) * f.v[i] + static_cast<SignedWide>(t.r) * g.v[i];
        f.v[i - 1] = take62(sum_f);
        g.v[i - 1] = take62(sum_g);
    }
    f.v[4] = static_cast<std::int64_t>(sum_f);
    g.v[4] = static_cast<std::int64_t>(sum_g);
}

// The multiple of m that makes u d + v e divisible by 2^62 and keeps it within (-2m, m).
std::int64_t correction(
    std::int64_t u, std::int64_t v, const Signed62& d, const Signed62& e, std::uint64_t low_sum,
    const Modulus& m) {
    const std::int64_t base = (u & (d.v[4] >> 63)) + (v & (e.v[4] >> 63));
    const std::uint64_t off = (m.inverse62 * low_sum + static_cast<std::uint64_t>(base)) & kMask62;
    return base - static_cast<std::int64_t>(off);
}

void update_d_e(Signed62& d, Signed62& e, const Transition& t, const Modulus& m) {
    SignedWide sum_d =
        static_cast<SignedWide>(t.u) * d.v[0] + static_cast<SignedWide>(t.v) * e.v[0];
    SignedWide sum_e =
        static_cast<SignedWide>(t.q) * d.v[0] + static_cast<SignedWide>(t.r) * e.v[0];
    const std::int64_t md = correction(t.u, t.v, d, e, static_cast<std::uint64_t>(sum_d), m);
    const std::int64_t me = correction(t.q, t.r, d, e, static_cast<std::uint64_t>(sum_e), m);
    sum_d += static_cast<SignedWide>(m.m62[0]) * md;
    sum_e += static_cast<SignedWide>(m.m62[0]) * me;
    sum_d >>= 62;
    sum_e >>= 62;
    ADYTON_UNROLL
    for (int i = 1; i < 5; ++i) {
        sum_d += static_cast<SignedWide>(t.u) * d.v[i] + static_cast<SignedWide>(t.v) * e.v[i] +
                 static_cast<SignedWide>(m.m62[i]) * md;
        sum_e += static_cast<SignedWide>(t.q) * d.v[i] + static_cast<SignedWide>(t.r) * e.v[i] +
                 static_cast<SignedWide>(m.m62[i]) * me;
        d.v[i - 1] = take62(sum_d);
        e.v[i - 1] = take62(sum_e);
    }
    d.v[4] = static_cast<std::int64_t>(sum_d);
    e.v[4] = static_cast<std::int64_t>(sum_e);
}

void carry_limbs(Signed62& a) {
    ADYTON_UNROLL
    for (int i = 0; i < 4; ++i) {
        a.v[i + 1] += a.v[i] >> 62;
        a.v[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(a.v[i]) & kMask62);
    }
}

void add_if_negative(Signed62& a, const Modulus& m) {
    const std::int64_t negative = a.v[4] >> 63;
    ADYTON_UNROLL
    for (int i = 0; i < 5; ++i) a.v[i] += m.m62[i] & negative;
}

// From (-2m, m) to [0, m), negated first when `sign` is negative.
void normalize(Signed62& a, std::int64_t sign, const Modulus& m) {
    add_if_negative(a, m);
    const std::int64_t flip = sign >> 63;
    ADYTON_UNROLL
    for (int i = 0; i < 5; ++i) a.v[i] = (a.v[i] ^ flip) - flip;
    carry_limbs(a);
    add_if_negative(a, m);
    carry_limbs(a);
}

// a b / R mod m.
Limbs multiply_montgomery(const Limbs& a, const Limbs& b, const Modulus& m) {
    std::uint64_t t[5] = {};
    ADYTON_UNROLL
    for (int i = 0; i < 4; ++i) {
        std::uint64_t carry = 0;
        ADYTON_UNROLL
        for (int j = 0; j < 4; ++j) {
            const Wide sum = static_cast<Wide>(a.v[j]) * b.v[i] + t[j] + carry;
            t[j] = low(sum);
            carry = high(sum);
        }
        const Wide top = static_cast<Wide>(t[4]) + carry;
        const std::uint64_t factor = t[0] * m.negative_inverse;
        carry = high(static_cast<Wide>(factor) * m.m.v[0] + t[0]);
        ADYTON_UNROLL
        for (int j = 1; j < 4; ++j) {
            const Wide sum = static_cast<Wide>(factor) * m.m.v[j] + t[j] + carry;
            t[j - 1] = low(sum);
            carry = high(sum);
        }
        const Wide last = top + carry;  // < 2^65: the value stays below 2m
        t[3] = low(last);
        t[4] = high(last);
    }
    const Limbs value{{t[0], t[1], t[2], t[3]}};
    Limbs reduced;
    const std::uint64_t borrow = subtract_borrow(reduced, value, m.m);
    return select(0 - (borrow & ~t[4] & 1U), value, reduced);
}

}  // namespace

constexpr Modulus kOrderValue = make_modulus(
    {{0xf3b9cac2fc632551, 0xbce6faada7179e84, 0xffffffffffffffff, 0xffffffff00000000}});
constexpr Modulus kFieldPrimeValue = make_modulus(
    {{0xffffffffffffffff, 0x00000000ffffffff, 0x0000000000000000, 0xffffffff00000001}});
static_assert(kOrderValue.negative_inverse == 0xccd1c8aaee00bc4f);
static_assert(kFieldPrimeValue.negative_inverse == 1);

const Modulus kOrder = kOrderValue;
const Modulus kFieldPrime = kFieldPrimeValue;
const Limbs kHalfOrder{
    {0x79dce5617e3192a8, 0xde737d56d38bcf42, 0x7fffffffffffffff, 0x7fffffff80000000}};

Limbs load_big_endian(std::span<const std::uint8_t, 32> bytes) {
    Limbs out{};
    for (std::size_t i = 0; i < 32; ++i) {
        std::uint64_t& word = out.v[3 - i / 8];
        word = word << 8U | bytes[i];
    }
    return out;
}

void store_big_endian(const Limbs& value, std::span<std::uint8_t, 32> out) {
    for (std::size_t i = 0; i < 32; ++i) {
        out[i] = static_cast<std::uint8_t>(value.v[3 - i / 8] >> (56U - 8U * (i % 8)));
    }
}

std::uint64_t mask_zero(const Limbs& a) {
    const std::uint64_t any = a.v[0] | a.v[1] | a.v[2] | a.v[3];
    return hide(((any | (0 - any)) >> 63U) - 1);
}

std::uint64_t mask_less(const Limbs& a, const Limbs& b) {
    Limbs ignored;
    return hide(0 - subtract_borrow(ignored, a, b));
}

Limbs select(std::uint64_t mask, const Limbs& if_set, const Limbs& if_clear) {
    mask = hide(mask);
    Limbs out;
    ADYTON_UNROLL
    for (int i = 0; i < 4; ++i) out.v[i] = (if_set.v[i] & mask) | (if_clear.v[i] & ~mask);
    return out;
}

Limbs reduce_once(const Limbs& a, const Modulus& m) {
    Limbs reduced;
    const std::uint64_t borrow = subtract_borrow(reduced, a, m.m);
    return select(0 - borrow, a, reduced);
}

Limbs reduce_shifted(const Limbs& a) {
    constexpr Limbs kOne{{1, 0, 0, 0}};
    Limbs order_less_one;
    subtract_borrow(order_less_one, kOrder.m, kOne);
    Limbs reduced;
    const std::uint64_t borrow = subtract_borrow(reduced, a, order_less_one);
    Limbs out;
    add_carry(out, select(0 - borrow, a, reduced), kOne);
    return out;
}

Limbs add_mod(const Limbs& a, const Limbs& b, const Modulus& m) {
    Limbs sum;
    const std::uint64_t carry = add_carry(sum, a, b);
    Limbs reduced;
    const std::uint64_t borrow = subtract_borrow(reduced, sum, m.m);
    return select(0 - (borrow & ~carry & 1U), sum, reduced);
}

Limbs negate_mod(const Limbs& a, const Modulus& m) {
    Limbs out;
    subtract_borrow(out, m.m, a);
    return select(mask_zero(a), a, out);
}

Limbs multiply_mod(const Limbs& a, const Limbs& b, const Modulus& m) {
    return multiply_montgomery(multiply_montgomery(a, b, m), m.r_squared, m);
}

Limbs invert_mod(const Limbs& a, const Modulus& m) {
    Signed62 d{{0, 0, 0, 0, 0}};
    Signed62 e{{1, 0, 0, 0, 0}};
    Signed62 f{{m.m62[0], m.m62[1], m.m62[2], m.m62[3], m.m62[4]}};
    Signed62 g = to_signed62(a);
    std::int64_t zeta = -1;
    for (int i = 0; i < kBatches; ++i) {
        // Two limbs hold 124 bits; the steps look at 62 of them.
        Transition t;
        zeta = divide_steps(
            zeta, static_cast<std::uint64_t>(f.v[0]), static_cast<std::uint64_t>(g.v[0]), t);
        update_d_e(d, e, t, m);
        update_f_g(f, g, t);
    }
    normalize(d, f.v[4], m);
    return from_signed62(d);
}

}  // namespace adyton::crypto::internal

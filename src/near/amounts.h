#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/amount.h"
#include "base/result.h"

namespace adyton::near {

// Decimal digits without sign, exponent or leading zeros (but "0"): the one form of a u128 in NEAR
// JSON. InvalidArgument: another form. Unprocessable: above 2^128 - 1.
Result<base::Amount> parse_u128(std::string_view text);
// The same for a u64. Unprocessable: above 2^64 - 1.
Result<std::uint64_t> parse_u64(std::string_view text);

// A quantity of NEAR in 10^-24 NEAR. Decimal text in JSON, u128 little endian in Borsh.
class YoctoNear {
public:
    YoctoNear() = default;
    explicit YoctoNear(base::Amount amount) : amount_(amount) {}
    // As parse_u128.
    static Result<YoctoNear> parse(std::string_view text);

    base::Amount amount() const { return amount_; }
    bool is_zero() const { return amount_ == base::Amount(); }
    std::string to_string() const { return amount_.to_string(); }
    auto operator<=>(const YoctoNear&) const = default;

private:
    base::Amount amount_;
};

// Gas units; 10^12 are one Tgas. u64 little endian in Borsh.
class Gas {
public:
    static constexpr std::uint64_t kUnitsPerTgas = 1'000'000'000'000;

    constexpr Gas() = default;
    explicit constexpr Gas(std::uint64_t units) : units_(units) {}
    static constexpr Gas from_tgas(std::uint32_t tgas) { return Gas(tgas * kUnitsPerTgas); }
    // As parse_u64.
    static Result<Gas> parse(std::string_view text);

    constexpr std::uint64_t units() const { return units_; }
    std::string to_string() const;
    auto operator<=>(const Gas&) const = default;

private:
    std::uint64_t units_ = 0;
};

// The change of a balance: -2^127 to 2^127 - 1, as the intents contract holds it (i128). Never
// "-0".
class TokenDelta {
public:
    TokenDelta() = default;
    // Decimal digits as parse_u128, with an optional '-'. InvalidArgument: another form, "-0".
    // Unprocessable: out of range.
    static Result<TokenDelta> parse(std::string_view text);

    bool is_negative() const { return negative_; }
    bool is_zero() const { return magnitude_ == base::Amount(); }
    base::Amount magnitude() const { return magnitude_; }
    std::string to_string() const;
    bool operator==(const TokenDelta&) const = default;

private:
    bool negative_ = false;
    base::Amount magnitude_;
};

}  // namespace adyton::near

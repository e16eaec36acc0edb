#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace adyton::base {

// A quantity from 0 to 2^128 - 1, exact: token amounts in their smallest unit, counts.
class Amount {
public:
    static constexpr std::size_t kDigitsMax = 39;

    Amount() = default;
    explicit Amount(std::uint64_t number) : number_(number) {}

    // Base-10 digits without sign; leading zeros only in the padded form of 39 digits.
    // InvalidArgument: anything else. Unprocessable: above 2^128 - 1.
    static Result<Amount> parse(std::string_view text);

    // Null on overflow, or below zero.
    std::optional<Amount> plus(Amount other) const;
    std::optional<Amount> minus(Amount other) const;

    std::string to_string() const;
    std::string to_padded() const;  // 39 digits: sorts as text

    // high * 2^64 + low.
    static Amount from_halves(std::uint64_t high, std::uint64_t low) {
        Amount out;
        out.number_ = static_cast<Number>(high) << 64U | low;
        return out;
    }
    // The value mod 2^64, and divided by it.
    std::uint64_t low_64() const { return static_cast<std::uint64_t>(number_); }
    std::uint64_t high_64() const { return static_cast<std::uint64_t>(number_ >> 64U); }

    auto operator<=>(const Amount&) const = default;

private:
    __extension__ using Number = unsigned __int128;
    Number number_ = 0;
};

}  // namespace adyton::base

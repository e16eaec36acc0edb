#include "near/amounts.h"

#include <limits>

namespace adyton::near {

Result<base::Amount> parse_u128(std::string_view text) {
    // Amount also reads its own padded form, which is no NEAR number.
    if (text.size() > 1 && text.front() == '0') {
        return Error::invalid_argument("amount has leading zeros");
    }
    return base::Amount::parse(text);
}

Result<std::uint64_t> parse_u64(std::string_view text) {
    TRY(const base::Amount number, parse_u128(text));
    if (number.high_64() != 0) return Error::unprocessable("number is above 2^64 - 1");
    return number.low_64();
}

Result<YoctoNear> YoctoNear::parse(std::string_view text) {
    TRY(const base::Amount amount, parse_u128(text));
    return YoctoNear(amount);
}

Result<Gas> Gas::parse(std::string_view text) {
    TRY(const std::uint64_t units, parse_u64(text));
    return Gas(units);
}

std::string Gas::to_string() const {
    return std::to_string(units_);
}

Result<TokenDelta> TokenDelta::parse(std::string_view text) {
    constexpr std::uint64_t kTopBit = std::uint64_t{1} << 63U;
    TokenDelta out;
    if (!text.empty() && text.front() == '-') {
        out.negative_ = true;
        text.remove_prefix(1);
    }
    TRY(out.magnitude_, parse_u128(text));
    if (out.negative_ && out.is_zero()) {
        return Error::invalid_argument("zero has no sign");
    }
    const auto bound = base::Amount::from_halves(kTopBit, 0);
    if (out.negative_ ? out.magnitude_ > bound : out.magnitude_ >= bound) {
        return Error::unprocessable("token change is outside -2^127 to 2^127 - 1");
    }
    return out;
}

std::string TokenDelta::to_string() const {
    return (negative_ ? "-" : "") + magnitude_.to_string();
}

}  // namespace adyton::near

#include "base/amount.h"

#include <algorithm>

namespace adyton::base {
namespace {

__extension__ using Number = unsigned __int128;
constexpr Number kMax = ~static_cast<Number>(0);

}  // namespace

Result<Amount> Amount::parse(std::string_view text) {
    const bool digits =
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (text.empty() || !digits) return Error::invalid_argument("amount is not a decimal integer");
    const bool padded = text.size() == kDigitsMax;
    if (text.size() > 1 && text.front() == '0' && !padded) {
        return Error::invalid_argument("amount has leading zeros");
    }
    if (text.size() > kDigitsMax) return Error::unprocessable("amount is above 2^128 - 1");
    Amount out;
    for (const char c : text) {
        const auto digit = static_cast<unsigned>(c - '0');
        if (out.number_ > (kMax - digit) / 10) {
            return Error::unprocessable("amount is above 2^128 - 1");
        }
        out.number_ = out.number_ * 10 + digit;
    }
    return out;
}

std::optional<Amount> Amount::plus(Amount other) const {
    if (number_ > kMax - other.number_) return std::nullopt;
    Amount out;
    out.number_ = number_ + other.number_;
    return out;
}

std::optional<Amount> Amount::minus(Amount other) const {
    if (other.number_ > number_) return std::nullopt;
    Amount out;
    out.number_ = number_ - other.number_;
    return out;
}

std::string Amount::to_string() const {
    std::string out;
    Number rest = number_;
    do {
        out += static_cast<char>('0' + static_cast<int>(rest % 10));
        rest /= 10;
    } while (rest != 0);
    std::reverse(out.begin(), out.end());
    return out;
}

std::string Amount::to_padded() const {
    const std::string digits = to_string();
    return std::string(kDigitsMax - digits.size(), '0') + digits;
}

}  // namespace adyton::base

#include <cstdint>
#include <string_view>

#include "base/amount.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using adyton::base::Amount;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto amount = Amount::parse(text);
    if (!amount) return 0;
    CHECK(amount->to_string() == text || amount->to_padded() == text);
    CHECK(Amount::parse(amount->to_string()).value() == *amount);
    return 0;
}

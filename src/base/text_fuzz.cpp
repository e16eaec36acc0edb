#include <cstddef>
#include <cstdint>

#include "base/base58.h"
#include "base/bytes.h"
#include "base/time.h"

// Every decoder of base: what it accepts has one canonical text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::base;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    if (const auto bytes = hex_decode(text)) CHECK(hex_encode(*bytes).size() == text.size());
    if (const auto bytes = base64_decode(text)) {
        CHECK(base64_decode(base64_encode(*bytes)).value() == *bytes);
    }
    if (size <= 128) {
        if (const auto bytes = base58_decode(text, 128)) CHECK(base58_encode(*bytes) == text);
    }
    if (const auto time = parse_rfc3339(text)) {
        const auto year =
            std::chrono::year_month_day(std::chrono::floor<std::chrono::days>(*time)).year();
        if (year >= std::chrono::year(1) && year <= std::chrono::year(9999)) {
            CHECK(parse_rfc3339(to_rfc3339(*time)).value() == *time);
        }
    }
    if (const auto duration = parse_go_duration(text)) {
        CHECK(parse_go_duration(to_go_duration(*duration)).value() == *duration);
    }
    return 0;
}

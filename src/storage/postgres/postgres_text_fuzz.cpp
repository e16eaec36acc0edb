#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "storage/postgres/postgres_text.h"

namespace {
namespace postgres = adyton::storage::postgres;
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto time = postgres::parse_timestamp(text)) {
        const auto again = postgres::parse_timestamp(postgres::format_timestamp(*time));
        CHECK(again && *again == *time);
    }
    if (const auto bytes = postgres::parse_bytes(text)) {
        CHECK(postgres::format_bytes(*bytes).size() == text.size());
    }
    constexpr std::array<std::uint32_t, 8> kTypes = {16, 17, 20, 25, 701, 1114, 1184, 1700};
    for (const std::uint32_t type : kTypes) {
        static_cast<void>(postgres::parse_value(type, text));
    }
    return 0;
}

#include <cstddef>
#include <cstdint>

#include "base/json.h"

// What parses is dumped to a text that parses to the same document.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto json = adyton::base::Json::parse(text);
    if (!json) return 0;
    const auto again = adyton::base::Json::parse(json->dump());
    CHECK(again.has_value());
    CHECK(*again == *json);
    return 0;
}

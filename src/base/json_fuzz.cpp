#include <cstddef>
#include <cstdint>

#include "base/json.h"
#include "base/json_filter.h"

// What parses is dumped to a text that parses to the same document, and parses without some of its
// members too.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto json = adyton::base::Json::parse(text);
    static const adyton::base::JsonFilter kFilter({"a", "b.c"});
    const auto part = adyton::base::parse_json(text, kFilter);
    if (!json) return 0;
    CHECK(part.has_value());
    const auto again = adyton::base::Json::parse(json->dump());
    CHECK(again.has_value());
    CHECK(*again == *json);
    return 0;
}

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/json.h"

// What parses is dumped to a text that parses to the same document, and both readers of documents
// take and refuse the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    using adyton::base::Json;
    const auto json = Json::parse(text, Json::Limits{63});
    // The escape is one that the quick reader leaves to the other.
    const auto slow = Json::parse("[\"\\u0041\"," + std::string(text) + "]");
    const bool one = slow.has_value() && slow->size() == 2;
    CHECK(!json || one);
    if (json) CHECK(slow->items()[1] == *json);
    if (one && text.find(']') == std::string_view::npos) CHECK(json.has_value());
    if (!json) return 0;
    const auto again = Json::parse(json->dump());
    CHECK(again.has_value());
    CHECK(*again == *json);
    return 0;
}

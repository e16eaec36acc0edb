#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "compute/canonical_json.h"
#include "compute/recording.h"

// Canonical text reads back as itself; a recording that is taken is written so that it is taken.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto json = compute::parse_script_json(text)) {
        const std::string canonical = compute::canonical_text(*json);
        const auto again = compute::parse_script_json(canonical);
        CHECK(again.has_value());
        CHECK(compute::canonical_text(*again) == canonical);
    }
    if (const auto recording = compute::Recording::parse(text)) {
        const auto again = compute::Recording::parse(recording->to_json_text());
        CHECK(again.has_value());
        CHECK(again->to_json_text() == recording->to_json_text());
    }
    return 0;
}

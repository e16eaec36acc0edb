#include "base/check.h"
#include "compute/host/script_url.h"

// Whatever parses comes out in a form that parses to itself.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using adyton::compute::host::parse_script_url;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto url = parse_script_url(text, nullptr);
    if (!url) return 0;
    static_cast<void>(url->origin());
    if (url->special) {
        const auto again = parse_script_url(url->href(), nullptr);
        CHECK(again.has_value());
        CHECK(again->host == url->host);
    }
    static_cast<void>(parse_script_url("../x?y", &*url));
    return 0;
}

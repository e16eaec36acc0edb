#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "service/config.h"

// What parses prints as something that parses to the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto address = service::parse_host_port(text);
    if (address) {
        const auto again = service::parse_host_port(address->to_string());
        CHECK(again && *again == *address);
    }
    return 0;
}

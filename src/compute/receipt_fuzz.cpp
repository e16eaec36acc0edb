#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "compute/receipt.h"

// What is accepted is written back byte for byte.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    if (const auto receipt = compute::parse_receipt(text)) {
        if (text.back() == '\n') text.remove_suffix(1);
        CHECK(receipt->to_json_text() == text);
        (void)compute::check_signatures(*receipt);
    }
    return 0;
}

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "policy/internal/usage.h"

// Counters and charges have one encoding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const base::ByteView bytes(data, size);
    if (const auto usage = policy::internal::Usage::decode(bytes)) {
        const base::Bytes again = usage->encode();
        CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
    }
    if (const auto charges = policy::internal::decode_charges(bytes)) {
        const base::Bytes again = policy::internal::encode_charges(*charges);
        CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
    }
    return 0;
}

#include "base/check.h"
#include "near/delegate.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::near;
    const adyton::base::ByteView bytes{data, size};
    if (const auto read = parse_delegate_action(bytes)) {
        const auto again = serialize(*read);
        CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
        const auto from_json = delegate_action_from_json(to_json(*read));
        CHECK(from_json && *from_json == *read);
    }
    if (const auto read = parse_signed_delegate(bytes)) {
        const auto again = serialize(*read);
        CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
        const auto from_text = parse_signed_delegate_base64(to_base64(*read));
        CHECK(from_text && *from_text == *read);
        static_cast<void>(check_gate_rules(*read, GateLimits{}));
    }
    return 0;
}

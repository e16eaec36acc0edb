#include "base/check.h"
#include "near/nep413.h"
#include "near/nep461.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::near;
    const adyton::base::ByteView bytes{data, size};
    static_cast<void>(message_tag(bytes));
    if (const auto read = parse_message_payload(bytes)) {
        const auto again = serialize(*read);
        CHECK(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()));
        if (const auto nonce = VersionedNonce::find_in(read->nonce)) {
            CHECK(nonce->encode() == read->nonce);
        }
    }
    return 0;
}

#include "base/check.h"
#include "script/internal/wire.h"

// What a broken executor may send: nothing but an error comes of nonsense, and what is taken is
// within its limits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::script;  // NOLINT(google-build-using-namespace): short
    std::size_t taken = 0;
    const auto frame = internal::read_frame({data, size}, taken);
    if (!frame || !*frame) return 0;
    const adyton::base::ByteView payload = (*frame)->payload;
    if (const auto result = internal::decode_result(payload)) {
        CHECK(result->output_json.size() <= kOutputBytesMax);
        CHECK(result->logs.size() <= kLogEntriesMax);
        CHECK(internal::decode_result(adyton::base::as_bytes(internal::encode_result(*result))
                                          .subspan(internal::kFrameHeaderBytes))
                  .has_value());
    }
    static_cast<void>(internal::decode_hello(payload));
    static_cast<void>(internal::decode_log(payload));
    static_cast<void>(internal::decode_request(payload));
    static_cast<void>(internal::decode_refused(payload));
    internal::JobFlags flags;
    static_cast<void>(internal::decode_job(payload, flags));
    static_cast<void>(internal::decode_reply(payload));
    return 0;
}

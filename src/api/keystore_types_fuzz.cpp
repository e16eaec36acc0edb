#include <cstddef>
#include <cstdint>

#include "api/keystore_types.h"
#include "base/bytes.h"
#include "base/check.h"

// Whatever a request parses to is written and read back unchanged.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const auto json = api::parse_keystore_body(base::as_text({data, size}));
    if (!json) return 0;
    if (const auto request = api::parse_sign_delegate_request(*json)) {
        const std::string text = api::to_json_text(*request);
        const auto again = api::parse_sign_delegate_request(base::Json::parse(text).value());
        CHECK(again && api::to_json_text(*again) == text);
    }
    if (const auto request = api::parse_sign_scoped_calls_request(*json)) {
        const std::string text = api::to_json_text(*request);
        const auto again = api::parse_sign_scoped_calls_request(base::Json::parse(text).value());
        CHECK(again && api::to_json_text(*again) == text);
    }
    (void)api::parse_sign_nep413_request(*json);
    (void)api::parse_sign_near_call_request(*json);
    (void)api::parse_check_policy_request(*json);
    (void)api::parse_sign_proof_request(*json);
    return 0;
}

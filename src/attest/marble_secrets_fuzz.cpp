#include <cstddef>
#include <cstdint>

#include "attest/marble_secrets.h"
#include "base/check.h"
#include "base/json.h"

// What is taken as secrets is an object of base64 strings to the JSON reader too, with these bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const adyton::base::ByteView text(data, size);
    const auto secrets = adyton::attest::parse_marble_secrets(text);
    if (!secrets) return 0;
    const auto json = adyton::base::Json::parse(adyton::base::as_text(text));
    CHECK(json && json->is_object());
    for (const auto& [name, value] : *secrets) {
        const auto* const member = json->find(name);
        CHECK(member != nullptr && member->is_string());
        const auto bytes = adyton::base::base64_decode(member->string_value());
        CHECK(bytes && adyton::crypto::constant_time_equal(*bytes, value.expose()));
    }
    return 0;
}

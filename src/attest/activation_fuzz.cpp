#include <cstddef>
#include <cstdint>

#include "attest/activation_message.h"
#include "base/check.h"

// What parses is what encodes: names and values survive the way there and back.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using adyton::attest::ActivationParameters;
    using adyton::attest::ActivationRequest;
    if (const auto answer = ActivationParameters::parse({data, size})) {
        const auto bytes = answer->encode();
        const auto again = ActivationParameters::parse(bytes);
        CHECK(again.has_value());
        CHECK(again->env.size() == answer->env.size());
        CHECK(again->files.size() == answer->files.size());
        CHECK(again->argv == answer->argv);
    }
    if (const auto request = ActivationRequest::parse({data, size})) {
        const auto again = ActivationRequest::parse(request->encode());
        CHECK(again.has_value() && again->encode() == request->encode());
    }
    return 0;
}

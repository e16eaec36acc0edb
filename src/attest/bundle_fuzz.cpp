#include <cstdint>
#include <string_view>

#include "attest/attestation_bundle.h"
#include "base/check.h"

// What is read is written again with the same claims.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::attest;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto bundle = AttestationBundle::parse_answer(text);
    if (!bundle) return 0;
    const auto again = AttestationBundle::parse(bundle->to_json());
    CHECK(again && again->claims.report_data() == bundle->claims.report_data());
    (void)verify_bundle(*bundle, {});
    return 0;
}

#include <cstddef>
#include <cstdint>

#include "attest/evidence_broker.h"
#include "base/check.h"

// An answer with evidence has one form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const adyton::base::ByteView bytes(data, size);
    const auto evidence = adyton::attest::parse_broker_answer(bytes);
    if (!evidence) return 0;
    const auto again = adyton::attest::encode_broker_answer(*evidence);
    CHECK(adyton::base::Bytes(bytes.begin(), bytes.end()) == again);
    return 0;
}

#include <cstddef>
#include <cstdint>

#include "attest/internal/certificate.h"
#include "attest/peer_identity.h"

// A certificate that reads gives names; whatever they are, an identity is a service id that its
// profile allows.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton;
    const base::ByteView der(data, size);
    const auto names = attest::internal::read_certificate(der);
    if (names && names->marble_types.size() == 1) {
        const auto id = attest::ServiceId::parse(names->marble_types.front());
        if (id) CHECK(id->text() == names->marble_types.front());
    }
    (void)attest::read_pem_certificates(base::as_text(der));
    return 0;
}

#include "base/bytes.h"
#include "base/check.h"
#include "crypto/uuid.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto text = adyton::base::as_text({data, size});
    const auto canonical = adyton::crypto::canonical_uuid(text);
    if (adyton::crypto::is_canonical_uuid(text)) CHECK(canonical && *canonical == text);
    if (canonical) CHECK(adyton::crypto::is_canonical_uuid(*canonical));
    return 0;
}

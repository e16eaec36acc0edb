#include <cstdint>
#include <string_view>

#include "attest/collateral.h"
#include "attest/internal/tcb_info.h"
#include "attest/internal/x509.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::attest;
    const std::string_view text{reinterpret_cast<const char*>(data), size};
    const auto bundle = DcapCollateral::parse_bundle(text);
    if (bundle) CHECK(DcapCollateral::parse_bundle(bundle->to_bundle()).has_value());
    (void)internal::parse_tcb_info(text);
    (void)internal::parse_qe_identity(text);
    (void)internal::der_values({data, size});
    const auto chain = internal::parse_pem_chain(text);
    if (chain) CHECK(!chain->empty());
    (void)internal::parse_pem_file(text);
    const auto certificate = internal::Certificate::parse({data, size});
    if (certificate) CHECK(certificate->der().size() == size);
    return 0;
}

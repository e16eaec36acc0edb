#include <cstdint>

#include "attest/dcap_verifier.h"
#include "attest/quote.h"
#include "base/check.h"

// Whatever is read keeps its sizes, and verifying it never crashes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::attest;
    const auto quote = parse_quote({data, size});
    if (!quote) return 0;
    CHECK(quote->qe_report_bytes.size() == SgxReport::kSize);
    CHECK(quote->pck_chain.size() == 3);
    (void)verify_dcap_signatures(*quote, intel_sgx_root());
    return 0;
}

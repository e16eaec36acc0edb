#include <algorithm>
#include <cstdint>

#include "attest/snp_report.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace adyton::attest;
    // The first bytes are the report; what follows stands for the key's certificate.
    const std::size_t report_size = std::min(size, SnpReport::kSize);
    const auto report = parse_snp_report({data, report_size});
    if (!report) return 0;
    CHECK(report->signed_bytes.size() == SnpReport::kSignedSize);
    SnpOptions options;
    (void)verify_snp(*report, {{data + report_size, size - report_size}, "", {}}, options);
    return 0;
}

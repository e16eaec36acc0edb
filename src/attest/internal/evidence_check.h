#pragma once

#include "attest/claims.h"
#include "attest/evidence.h"
#include "base/result.h"

namespace adyton::attest::internal {

// What every provider looks at before it hands evidence out. Unavailable: it is no quote or report
// of its type. CorruptData: it binds other report data than asked for.
Result<void> check_evidence(const Evidence& evidence, const ReportData& report_data);

}  // namespace adyton::attest::internal

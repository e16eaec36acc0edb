#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace adyton::attest {

// How current a platform, a module or a quoting enclave is (Intel PCS v4, TCB status). The order
// means nothing.
enum class TcbStatus : std::uint8_t {
    UpToDate,
    SwHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSwHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked,
    TdRelaunchAdvised,  // TDX 1.5: starting the domain anew would bring it up to date
    TdRelaunchAdvisedConfigurationNeeded,
};
std::string_view to_string(TcbStatus status);               // Intel's spelling: "SWHardeningNeeded"
Result<TcbStatus> parse_tcb_status(std::string_view text);  // InvalidArgument "malformed"

}  // namespace adyton::attest

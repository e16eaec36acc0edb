#include "attest/tcb.h"

#include <array>
#include <utility>

#include "attest/refusal.h"
#include "base/check.h"

namespace adyton::attest {
namespace {

constexpr std::array<std::pair<TcbStatus, std::string_view>, 9> kNames = {{
    {TcbStatus::UpToDate, "UpToDate"},
    {TcbStatus::SwHardeningNeeded, "SWHardeningNeeded"},
    {TcbStatus::ConfigurationNeeded, "ConfigurationNeeded"},
    {TcbStatus::ConfigurationAndSwHardeningNeeded, "ConfigurationAndSWHardeningNeeded"},
    {TcbStatus::OutOfDate, "OutOfDate"},
    {TcbStatus::OutOfDateConfigurationNeeded, "OutOfDateConfigurationNeeded"},
    {TcbStatus::Revoked, "Revoked"},
    {TcbStatus::TdRelaunchAdvised, "TDRelaunchAdvised"},
    {TcbStatus::TdRelaunchAdvisedConfigurationNeeded, "TDRelaunchAdvisedConfigurationNeeded"},
}};

}  // namespace

std::string_view to_string(TcbStatus status) {
    for (const auto& [one, name] : kNames) {
        if (one == status) return name;
    }
    CHECK(false);
    return {};
}

Result<TcbStatus> parse_tcb_status(std::string_view text) {
    for (const auto& [one, name] : kNames) {
        if (name == text) return one;
    }
    return malformed("unknown TCB status");
}

}  // namespace adyton::attest

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/tcb.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

// The signed JSON of Intel's PCS v4, read after its signature was checked.
namespace adyton::attest::internal {

struct TcbLevel {
    std::array<std::uint8_t, 16> sgx{};
    std::array<std::uint8_t, 16> tdx{};  // zero for SGX
    std::uint16_t pce_svn = 0;
    TcbStatus status = TcbStatus::OutOfDate;
    std::vector<std::string> advisories;
};

struct IsvLevel {
    std::uint16_t isv_svn = 0;
    TcbStatus status = TcbStatus::OutOfDate;
    std::vector<std::string> advisories;
};

struct ModuleIdentity {
    std::string id;  // "TDX_01"
    base::Bytes mr_signer;
    base::Bytes attributes;
    std::vector<IsvLevel> levels;  // highest first
};

struct TcbInfo {
    std::string id;  // "SGX", "TDX"
    base::Timestamp issued;
    base::Timestamp next_update;
    base::Bytes fmspc;   // 6
    base::Bytes pce_id;  // 2
    std::uint32_t evaluation_data_number = 0;
    std::optional<ModuleIdentity> module;  // TDX: without id and levels
    std::vector<ModuleIdentity> modules;
    std::vector<TcbLevel> levels;  // highest first
};

struct QeIdentity {
    std::string id;  // "QE", "TD_QE"
    base::Timestamp issued;
    base::Timestamp next_update;
    std::uint32_t evaluation_data_number = 0;
    base::Bytes misc_select;  // 4, as in the report
    base::Bytes misc_select_mask;
    base::Bytes attributes;  // 16
    base::Bytes attributes_mask;
    base::Bytes mr_signer;  // 32
    std::uint16_t isv_prod_id = 0;
    std::vector<IsvLevel> levels;  // highest first
};

// InvalidArgument "malformed"; Unprocessable "unsupported": a version other than 3 (TCB info) or 2
// (QE identity). Members that are not needed may stand there.
Result<TcbInfo> parse_tcb_info(std::string_view json);
Result<QeIdentity> parse_qe_identity(std::string_view json);

}  // namespace adyton::attest::internal

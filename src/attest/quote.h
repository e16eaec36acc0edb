#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

// Intel DCAP quotes, versions 3 (SGX), 4 and 5 (TDX), taken apart and not yet believed: nothing
// here checks a signature. Integers are little endian. Source: Intel SGX ECDSA and TDX DCAP quoting
// library API references; docs/attestation.md says what is checked in which order.
namespace adyton::attest {

// The largest quote that is read; padding included.
inline constexpr std::size_t kQuoteBytesMax = 64 * 1024;

enum class TeeType { Sgx, Tdx };

// 384 bytes: what the processor says of an enclave.
struct SgxReport {
    static constexpr std::size_t kSize = 384;
    static constexpr std::uint8_t kDebugFlag = 0x02;  // in attributes[0]

    std::array<std::uint8_t, 16> cpu_svn{};
    std::array<std::uint8_t, 4> misc_select{};
    std::array<std::uint8_t, 16> attributes{};  // flags (8), XFRM (8)
    std::array<std::uint8_t, 32> mr_enclave{};
    std::array<std::uint8_t, 32> mr_signer{};
    std::uint16_t isv_prod_id = 0;
    std::uint16_t isv_svn = 0;
    std::array<std::uint8_t, 64> report_data{};

    bool debug() const { return (attributes[0] & kDebugFlag) != 0; }
};

// 584 bytes (TDX 1.0) or 648 (1.5): what the TDX module says of a trust domain.
struct TdReport {
    static constexpr std::size_t kSize10 = 584;
    static constexpr std::size_t kSize15 = 648;

    std::array<std::uint8_t, 16> tee_tcb_svn{};
    std::array<std::uint8_t, 48> mr_seam{};
    std::array<std::uint8_t, 48> mr_signer_seam{};
    std::array<std::uint8_t, 8> seam_attributes{};
    std::array<std::uint8_t, 8> td_attributes{};
    std::array<std::uint8_t, 8> xfam{};
    std::array<std::uint8_t, 48> mr_td{};
    std::array<std::uint8_t, 48> mr_config_id{};
    std::array<std::uint8_t, 48> mr_owner{};
    std::array<std::uint8_t, 48> mr_owner_config{};
    std::array<std::array<std::uint8_t, 48>, 4> rtmr{};
    std::array<std::uint8_t, 64> report_data{};
    bool version_15 = false;
    std::array<std::uint8_t, 16> tee_tcb_svn2{};   // 1.5: what a relaunch would get
    std::array<std::uint8_t, 48> mr_service_td{};  // 1.5

    // Any bit of the "untrusted" group (0 to 7), bit 0 of which is DEBUG.
    bool debug() const { return td_attributes[0] != 0; }
    bool sept_ve_disable() const { return (td_attributes[3] & 0x10) != 0; }  // bit 28
};

struct Quote {
    std::uint16_t version = 0;  // 3, 4 or 5
    TeeType tee = TeeType::Sgx;
    base::Bytes signed_bytes;  // header and body, as the attestation key signed them
    std::variant<SgxReport, TdReport> body;

    std::array<std::uint8_t, 64> signature{};        // r || s over signed_bytes, big endian
    std::array<std::uint8_t, 64> attestation_key{};  // x || y, P-256, big endian
    base::Bytes qe_report_bytes;                     // 384
    SgxReport qe_report;
    std::array<std::uint8_t, 64> qe_report_signature{};  // by the PCK
    base::Bytes qe_auth_data;
    std::vector<base::Bytes> pck_chain;  // DER: PCK leaf, PCK CA, root

    const std::array<std::uint8_t, 64>& report_data() const;
    bool debug() const;
};

// InvalidArgument, reason "malformed": sizes that leave their container, bytes left over inside a
// block, bytes other than zero after the signature data, a certificate chain that is not three
// canonical certificates in PEM. Unprocessable, reason "unsupported": another version, key type,
// TEE or kind of certification data than 5 (a chain inside the quote).
Result<Quote> parse_quote(base::ByteView bytes);

// The 384 bytes of an enclave report. CHECK: the size.
SgxReport parse_sgx_report(base::ByteView bytes);

}  // namespace adyton::attest

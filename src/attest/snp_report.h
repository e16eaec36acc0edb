#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"

// AMD SEV-SNP attestation reports, versions 2 to 5 (AMD document 56860, "SEV Secure Nested Paging
// Firmware ABI"). Integers are little endian.
namespace adyton::attest {

enum class SnpProduct { Milan, Genoa, Turin };
std::string_view to_string(SnpProduct product);               // "Milan"
Result<SnpProduct> parse_snp_product(std::string_view text);  // InvalidArgument "unsupported"

// Security version numbers of the parts of a platform. Compared part by part, never as one number.
struct SnpTcb {
    std::uint8_t fmc = 0;  // Turin only
    std::uint8_t boot_loader = 0;
    std::uint8_t tee = 0;
    std::uint8_t snp = 0;
    std::uint8_t microcode = 0;

    static SnpTcb of(const std::array<std::uint8_t, 8>& bytes, SnpProduct product);
    bool at_least(const SnpTcb& other) const;
    bool operator==(const SnpTcb&) const = default;
};

struct SnpReport {
    static constexpr std::size_t kSize = 1184;
    static constexpr std::size_t kSignedSize = 672;

    std::uint32_t version = 0;
    std::uint32_t guest_svn = 0;
    std::uint64_t policy = 0;
    std::uint32_t vmpl = 0;
    std::array<std::uint8_t, 8> current_tcb{};
    std::array<std::uint8_t, 8> reported_tcb{};
    std::array<std::uint8_t, 8> committed_tcb{};
    std::array<std::uint8_t, 8> launch_tcb{};
    std::uint32_t key_flags = 0;  // author key, masked chip key, which key signed
    std::array<std::uint8_t, 64> report_data{};
    std::array<std::uint8_t, 48> measurement{};
    std::array<std::uint8_t, 32> host_data{};
    std::array<std::uint8_t, 64> chip_id{};
    std::array<std::uint8_t, 3> cpuid{};  // family, model, stepping; zero before version 3
    base::Bytes signed_bytes;             // 672
    std::array<std::uint8_t, 48> r{};     // big endian
    std::array<std::uint8_t, 48> s{};

    bool debug() const { return ((policy >> 19) & 1) != 0; }
    bool smt_allowed() const { return ((policy >> 16) & 1) != 0; }
    bool migration_agent() const { return ((policy >> 18) & 1) != 0; }
};

// InvalidArgument "malformed": another size (zeros after it may stand), bytes outside the signed
// part that are not what they must be. Unprocessable "unsupported": version, algorithm.
Result<SnpReport> parse_snp_report(base::ByteView bytes);

struct SnpEndorsement {
    base::ByteView key;          // VCEK or VLEK, DER
    std::string_view chain_pem;  // ASK (or ASVK), then ARK
    base::ByteView crl;          // AMD's list of revoked ASKs, DER; may be empty
};

// SHA-256 of the DER of AMD's root key certificate of each product line.
crypto::Sha256Digest amd_root(SnpProduct product);

struct SnpOptions {
    base::Timestamp at;
    // For reports before version 3, which do not say it, when the certificate does not either.
    std::optional<SnpProduct> product;
    std::optional<crypto::Sha256Digest> root;  // another than AMD's, for tests
    std::uint32_t vmpl = 0;                    // the level that must have asked
};

struct SnpVerdict {
    SnpProduct product = SnpProduct::Milan;
    bool vlek = false;
    bool revocation_checked = false;
    SnpTcb reported;
    SnpTcb committed;
    SnpTcb current;
};

// Chain, signature, and that the certificate is of this chip at this TCB. PermissionDenied by
// reason, in order: "untrusted", "bad_signature", "revoked", "expired_collateral",
// "tcb_not_accepted" (certificate of another chip or TCB, committed below reported, masked chip
// id), "measurement_mismatch" (another VMPL). Debug is policy's concern. Pure and thread safe.
Result<SnpVerdict> verify_snp(
    const SnpReport& report, const SnpEndorsement& endorsement, const SnpOptions& options);

}  // namespace adyton::attest

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attest/collateral.h"
#include "attest/quote.h"
#include "attest/tcb.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/digest.h"

namespace adyton::attest {

// SHA-256 of the DER of Intel's SGX Root CA (P-256, "Intel SGX Root CA", valid until 2049).
crypto::Sha256Digest intel_sgx_root();

struct DcapOptions {
    base::Timestamp at;  // when to judge: the caller's clock, never a date out of the evidence
    // The root that every chain must end in. Another one than Intel's is for tests.
    crypto::Sha256Digest root = intel_sgx_root();
};

// What the signatures and the collateral prove about a quote. The measurements are the quote's own.
struct DcapVerdict {
    TcbStatus status = TcbStatus::OutOfDate;
    std::vector<std::string> advisories;  // of all levels that count, sorted
    TcbStatus qe_status = TcbStatus::OutOfDate;
    std::string module_id;  // "TDX_01"; empty for SGX and for modules without identity
    std::optional<TcbStatus> module_status;
    std::string fmspc;                             // hex
    std::uint32_t tcb_evaluation_data_number = 0;  // the lower one of both documents
    base::Timestamp collateral_expires;            // the earliest nextUpdate
};

// Checks everything between the pinned root and the quote (Intel's verification steps; the
// statuses merge as in Intel's QVL), with the time of the options. Whether debug, the status and
// the measurements are acceptable is policy (attestation_policy.h). PermissionDenied, by reason and
// in this order: "untrusted", "bad_signature", "revoked", "expired_collateral", "tcb_not_accepted"
// (no level matches, the module or the quoting enclave is another, or a level is not of this
// platform). InvalidArgument "malformed", Unprocessable "unsupported": the collateral. Pure and
// thread safe.
Result<DcapVerdict> verify_dcap(
    const Quote& quote, const DcapCollateral& collateral, const DcapOptions& options);

// Only what the quote brings itself: chain to the root, QE report, attestation key, signature; no
// revocation, no dates, no TCB. For quotes without collateral.
Result<void> verify_dcap_signatures(const Quote& quote, const crypto::Sha256Digest& root);

}  // namespace adyton::attest

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attest/dcap_verifier.h"
#include "attest/quote.h"
#include "attest/snp_report.h"
#include "attest/tcb.h"
#include "base/json.h"
#include "base/result.h"

namespace adyton::attest {

enum class EvidenceType : std::uint8_t { SgxDcap, TdxDcap, SevSnp, Simulated };
std::string_view to_string(EvidenceType type);  // "sgx-dcap", "tdx-dcap", "sev-snp", "simulated"

// What verified evidence says, in one shape for all kinds. Byte strings are lower-case hex; what
// the kind does not have is empty.
struct EvidenceFacts {
    EvidenceType type = EvidenceType::Simulated;
    bool debug = false;
    std::string report_data;
    // SGX
    std::string mr_enclave;
    std::string mr_signer;
    std::uint16_t isv_prod_id = 0;
    std::uint16_t isv_svn = 0;
    // TDX
    std::string mr_td;
    std::string mr_config_id;
    std::vector<std::string> rtmr;
    bool sept_ve_disable = false;
    // SEV-SNP
    std::string measurement;
    std::string host_data;
    std::optional<SnpTcb> snp_tcb;  // reported
    bool migration_agent = false;
    // DCAP
    std::optional<TcbStatus> status;
    std::vector<std::string> advisories;
    std::uint32_t tcb_evaluation_data_number = 0;
};

EvidenceFacts facts_of(const Quote& quote, const DcapVerdict& verdict);
EvidenceFacts facts_of(const SnpReport& report, const SnpVerdict& verdict);

// One kind of evidence that is welcome. Lists of alternatives; an empty list or null asks nothing.
struct AcceptRule {
    EvidenceType type = EvidenceType::SgxDcap;
    std::optional<std::string> mr_enclave;
    std::optional<std::string> mr_signer;  // needs isv_prod_id and min_isv_svn beside it
    std::optional<std::uint16_t> isv_prod_id;
    std::optional<std::uint16_t> min_isv_svn;
    std::vector<std::string> mr_td;
    std::vector<std::vector<std::string>> rtmr = std::vector<std::vector<std::string>>(4);
    std::optional<std::string> mr_config_id;
    std::vector<std::string> measurement;
    std::optional<std::string> host_data;
    std::optional<SnpTcb> min_tcb;
};

struct AttestationPolicy {
    std::vector<AcceptRule> accept;
    std::vector<TcbStatus> tcb_status = {TcbStatus::UpToDate, TcbStatus::SwHardeningNeeded};
    // Null: any. Given: every advisory of the evidence must be listed.
    std::optional<std::vector<std::string>> advisories_allowed;
    std::uint32_t min_tcb_evaluation_data_number = 0;
    bool allow_debug = false;
    bool allow_simulated = false;

    // {"accept": [{"type": "sgx-dcap", "mrenclave": HEX} | {"type": "sgx-dcap", "mrsigner": HEX,
    // "isv_prod_id": N, "min_isv_svn": N} | {"type": "tdx-dcap", "mrtd": [HEX], "rtmr": {"1":
    // [HEX], "2": [HEX]}, "mr_config_id": HEX} | {"type": "sev-snp", "measurement": [HEX],
    // "host_data": HEX, "min_tcb": {...}}], "tcb_status": [...], "advisories_allowed": [...],
    // "min_tcb_evaluation_data_number": N, "allow_debug": false, "allow_simulated": false}.
    // InvalidArgument, with the member's name: unknown members, wrong types or sizes, an mrsigner
    // without product id and version (every enclave of that signer would pass), an mrtd without
    // RTMR 1 and 2 (it names only the firmware), an empty accept list.
    static Result<AttestationPolicy> parse(const base::Json& json);
};

enum class Acceptance : std::uint8_t {
    Ok,
    OkDebug,    // the host can read its memory
    Simulated,  // no hardware vouches for anything
};
std::string_view to_string(Acceptance acceptance);  // "ok", "ok-debug", "simulated"

// PermissionDenied by reason, in order: "unsupported" (simulated, not allowed), "tcb_not_accepted"
// (status, advisory, evaluation number, debug), "measurement_mismatch" (no rule accepts it).
Result<Acceptance> evaluate(const AttestationPolicy& policy, const EvidenceFacts& facts);
// The same without the accept list: for people who look at evidence before they write a policy.
Result<Acceptance> evaluate_platform(const AttestationPolicy& policy, const EvidenceFacts& facts);

base::Json to_json(const EvidenceFacts& facts);

}  // namespace adyton::attest

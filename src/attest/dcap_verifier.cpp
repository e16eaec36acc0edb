#include "attest/dcap_verifier.h"

#include <algorithm>
#include <set>
#include <string_view>

#include "attest/internal/tcb_info.h"
#include "attest/internal/x509.h"
#include "attest/refusal.h"
#include "base/bytes.h"
#include "base/check.h"
#include "crypto/digest.h"

namespace adyton::attest {
namespace {

using internal::Certificate;
using internal::ChainCheck;
using internal::DerValue;
using internal::IsvLevel;
using internal::ModuleIdentity;
using internal::QeIdentity;
using internal::TcbInfo;
using internal::TcbLevel;

constexpr const char* kSgxExtensions = "1.2.840.113741.1.13.1";

// A signer or authority and the root above it.
struct Issuer {
    Certificate certificate;
    Certificate root;
};

// The three certificates that the quote brings.
struct PckChain {
    Certificate leaf;
    Certificate authority;
    Certificate root;

    ChainCheck check(std::vector<base::ByteView> crls = {}) const {
        return {&leaf, {&authority}, &root, std::move(crls), true};
    }
};

Result<void> check_root(const Certificate& root, const crypto::Sha256Digest& pinned) {
    if (root.sha256() == pinned) return {};
    return refused(kUntrusted, "the chain ends in another root than the pinned one");
}

Result<void> check_name(const Certificate& certificate, std::string_view part) {
    if (certificate.common_name().find(part) != std::string::npos) return {};
    return refused(kUntrusted, "a certificate of the chain is not named " + std::string(part));
}

Result<PckChain> read_pck_chain(const Quote& quote, const crypto::Sha256Digest& pinned) {
    CHECK(quote.pck_chain.size() == 3);
    TRY(Certificate leaf, Certificate::parse(quote.pck_chain[0]));
    TRY(Certificate authority, Certificate::parse(quote.pck_chain[1]));
    TRY(Certificate root, Certificate::parse(quote.pck_chain[2]));
    PckChain out{std::move(leaf), std::move(authority), std::move(root)};
    TRY_VOID(check_root(out.root, pinned));
    TRY_VOID(check_name(out.leaf, "SGX PCK Certificate"));
    TRY_VOID(check_name(out.authority, "SGX PCK"));
    TRY_VOID(internal::chain_is_trusted(out.check()));
    return out;
}

Result<Issuer> read_issuer(
    std::string_view pem, std::string_view name, const crypto::Sha256Digest& pinned) {
    TRY(const std::vector<base::Bytes> chain, internal::parse_pem_chain(pem));
    if (chain.size() != 2) return malformed("collateral: an issuer chain is not two certificates");
    TRY(Certificate first, Certificate::parse(chain[0]));
    TRY(Certificate root, Certificate::parse(chain[1]));
    Issuer out{std::move(first), std::move(root)};
    TRY_VOID(check_root(out.root, pinned));
    TRY_VOID(check_name(out.certificate, name));
    TRY_VOID(internal::chain_is_trusted({&out.certificate, {}, &out.root, {}, true}));
    return out;
}

// --- Signatures. ---

base::ByteView half(const std::array<std::uint8_t, 64>& signature, std::size_t which) {
    return base::ByteView(signature).subspan(which * 32, 32);
}

bool signed_by(
    const Certificate& signer, base::ByteView message,
    const std::array<std::uint8_t, 64>& signature) {
    return signer.verifies(message, half(signature, 0), half(signature, 1));
}

Result<void> check_quote_signatures(const Quote& quote, const PckChain& chain) {
    if (!signed_by(chain.leaf, quote.qe_report_bytes, quote.qe_report_signature)) {
        return refused(kBadSignature, "the platform did not sign the quoting enclave's report");
    }
    crypto::Sha256 hash;
    hash.update(quote.attestation_key).update(quote.qe_auth_data);
    std::array<std::uint8_t, 64> expected{};
    const crypto::Sha256Digest digest = hash.finish();
    std::copy(digest.bytes.begin(), digest.bytes.end(), expected.begin());
    if (quote.qe_report.report_data != expected) {
        return refused(kBadSignature, "the quoting enclave does not vouch for the attestation key");
    }
    if (!internal::verify_p256(quote.attestation_key, quote.signed_bytes, quote.signature)) {
        return refused(kBadSignature, "the attestation key did not sign the quote");
    }
    return {};
}

// --- The platform, as its certificate describes it. ---

struct Platform {
    std::array<std::uint8_t, 16> components{};
    std::uint64_t pce_svn = 0;
    base::Bytes pce_id;
    base::Bytes fmspc;
};

// The last arcs after 1.2.840.113741.1.13.1: {4} FMSPC, {2, 17} PCESVN. Each arc is below 128.
std::optional<std::vector<int>> sgx_arcs(base::ByteView oid) {
    constexpr std::array<std::uint8_t, 9> kPrefix = {0x2a, 0x86, 0x48, 0x86, 0xf8,
                                                     0x4d, 0x01, 0x0d, 0x01};
    if (oid.size() <= kPrefix.size() || !std::equal(kPrefix.begin(), kPrefix.end(), oid.begin())) {
        return std::nullopt;
    }
    const base::ByteView rest = oid.subspan(kPrefix.size());
    return std::vector<int>(rest.begin(), rest.end());
}

// SEQUENCE OF SEQUENCE { OID, value }.
Result<std::vector<std::pair<std::vector<int>, DerValue>>> sgx_pairs(base::ByteView sequence) {
    TRY(const std::vector<DerValue> items, internal::der_values(sequence));
    std::vector<std::pair<std::vector<int>, DerValue>> out;
    for (const DerValue& item : items) {
        TRY(const std::vector<DerValue> pair, internal::der_values(item.content));
        if (item.tag != 16 || pair.size() != 2 || pair[0].tag != 6) {
            return malformed("PCK certificate: extension of another form");
        }
        auto arcs = sgx_arcs(pair[0].content);
        if (!arcs) return malformed("PCK certificate: extension of another form");
        out.emplace_back(std::move(*arcs), pair[1]);
    }
    return out;
}

Result<void> read_platform_tcb(const DerValue& value, Platform& out) {
    TRY(const auto parts, sgx_pairs(value.content));
    std::set<int> seen;
    for (const auto& [arcs, part] : parts) {
        if (arcs.size() != 2 || arcs[0] != 2 || !seen.insert(arcs[1]).second) {
            return malformed("PCK certificate: TCB of another form");
        }
        if (arcs[1] == 18) continue;  // the components once more
        TRY(const std::uint64_t number, internal::der_unsigned(part));
        if (arcs[1] == 17) {
            out.pce_svn = number;
        } else if (arcs[1] >= 1 && arcs[1] <= 16 && number <= 255) {
            out.components.at(static_cast<std::size_t>(arcs[1] - 1)) =
                static_cast<std::uint8_t>(number);
        } else {
            return malformed("PCK certificate: TCB of another form");
        }
    }
    if (seen.size() != 18) return malformed("PCK certificate: TCB is not complete");
    return {};
}

Result<Platform> read_platform(const Certificate& leaf) {
    const std::optional<base::Bytes> extension = leaf.extension(kSgxExtensions);
    if (!extension) return malformed("PCK certificate without its SGX extension");
    TRY(const std::vector<DerValue> outer, internal::der_values(*extension));
    if (outer.size() != 1 || outer[0].tag != 16) {
        return malformed("PCK certificate: extension of another form");
    }
    TRY(const auto parts, sgx_pairs(outer[0].content));
    Platform out;
    bool tcb = false;
    for (const auto& [arcs, value] : parts) {
        if (arcs == std::vector<int>{2}) {
            TRY_VOID(read_platform_tcb(value, out));
            tcb = true;
        } else if (arcs == std::vector<int>{3} && value.tag == 4) {
            out.pce_id.assign(value.content.begin(), value.content.end());
        } else if (arcs == std::vector<int>{4} && value.tag == 4) {
            out.fmspc.assign(value.content.begin(), value.content.end());
        }
    }
    if (!tcb || out.pce_id.size() != 2 || out.fmspc.size() != 6) {
        return malformed("PCK certificate: extension is not complete");
    }
    return out;
}

// --- How current it is. ---

bool at_least(
    const std::array<std::uint8_t, 16>& have, const std::array<std::uint8_t, 16>& want,
    std::size_t first) {
    for (std::size_t i = first; i < have.size(); ++i) {
        if (have.at(i) < want.at(i)) return false;
    }
    return true;
}

bool is_out_of_date(TcbStatus status) {
    return status == TcbStatus::OutOfDate || status == TcbStatus::OutOfDateConfigurationNeeded;
}

bool needs_configuration(TcbStatus status) {
    return status == TcbStatus::ConfigurationNeeded ||
           status == TcbStatus::ConfigurationAndSwHardeningNeeded ||
           status == TcbStatus::OutOfDateConfigurationNeeded;
}

// What a part (module, quoting enclave) makes of the platform's status.
TcbStatus merge(TcbStatus platform, TcbStatus part) {
    if (platform == TcbStatus::Revoked || part == TcbStatus::Revoked) return TcbStatus::Revoked;
    if (part != TcbStatus::OutOfDate) return platform;
    switch (platform) {
        case TcbStatus::UpToDate:
        case TcbStatus::SwHardeningNeeded:
            return TcbStatus::OutOfDate;
        case TcbStatus::ConfigurationNeeded:
        case TcbStatus::ConfigurationAndSwHardeningNeeded:
            return TcbStatus::OutOfDateConfigurationNeeded;
        default:
            return platform;
    }
}

const IsvLevel* find_isv_level(const std::vector<IsvLevel>& levels, std::uint16_t isv_svn) {
    for (const IsvLevel& level : levels) {
        if (isv_svn >= level.isv_svn) return &level;
    }
    return nullptr;
}

struct Judge {
    const Platform& platform;
    const TcbInfo& info;
    DcapVerdict verdict{};
    std::set<std::string> advisories{};

    void note(const std::vector<std::string>& ids) { advisories.insert(ids.begin(), ids.end()); }

    bool hardware_meets(const TcbLevel& level) const {
        return at_least(platform.components, level.sgx, 0) && platform.pce_svn >= level.pce_svn;
    }

    Result<void> judge_sgx() {
        for (const TcbLevel& level : info.levels) {
            if (!hardware_meets(level)) continue;
            verdict.status = level.status;
            note(level.advisories);
            return {};
        }
        return not_supported();
    }

    Result<void> judge_tdx(const TdReport& report, TcbStatus qe_status) {
        const ModuleIdentity* module = nullptr;
        TRY(module, find_module(report));
        const TcbLevel* hardware = nullptr;  // the first that the processor meets
        const TcbLevel* matched = nullptr;   // and the first that the TD meets too
        const std::size_t first = report.tee_tcb_svn[1] > 0 ? 2 : 0;
        for (const TcbLevel& level : info.levels) {
            if (!hardware_meets(level)) continue;
            if (hardware == nullptr) hardware = &level;
            if (at_least(report.tee_tcb_svn, level.tdx, first)) {
                matched = &level;
                break;
            }
        }
        if (matched == nullptr) return not_supported();
        verdict.status = matched->status;
        note(matched->advisories);
        if (report.tee_tcb_svn[1] > 0) {
            const IsvLevel* const level = find_isv_level(module->levels, report.tee_tcb_svn[0]);
            if (level == nullptr) return not_supported();
            verdict.module_id = module->id;
            verdict.module_status = level->status;
            verdict.status = merge(verdict.status, level->status);
            note(level->advisories);
        }
        if (report.version_15) {
            TRY_VOID(advise_relaunch(report, hardware->status, qe_status));
        }
        return {};
    }

    // TDX 1.5: the domain's TCB is old, but starting it anew on this platform would cure that.
    Result<void> advise_relaunch(
        const TdReport& report, TcbStatus hardware_status, TcbStatus qe_status) {
        const bool applies =
            (qe_status != TcbStatus::OutOfDate && qe_status != TcbStatus::Revoked) &&
            hardware_status != TcbStatus::Revoked && !is_out_of_date(hardware_status) &&
            is_out_of_date(verdict.status) && verdict.module_status == TcbStatus::OutOfDate;
        if (!applies) return {};
        const TcbLevel& newest = info.levels.front();
        const std::array<std::uint8_t, 16>& next = report.tee_tcb_svn2;
        std::uint16_t module_svn = newest.tdx[0];
        if (next[1] > 0) {
            TRY(const ModuleIdentity* identity, module_by_version(next[1]));
            if (identity->levels.empty()) return not_supported();
            module_svn = identity->levels.front().isv_svn;
        }
        if (next[0] < module_svn || next[2] < newest.tdx[2]) return {};
        verdict.status = needs_configuration(hardware_status) || needs_configuration(verdict.status)
                             ? TcbStatus::TdRelaunchAdvisedConfigurationNeeded
                             : TcbStatus::TdRelaunchAdvised;
        return {};
    }

    // The module that runs the TD: signer and attributes must be the published ones.
    Result<const ModuleIdentity*> find_module(const TdReport& report) const {
        const ModuleIdentity* out = info.module ? &*info.module : nullptr;
        if (report.tee_tcb_svn[1] > 0) {
            TRY(out, module_by_version(report.tee_tcb_svn[1]));
        }
        CHECK(out != nullptr);  // parse_tcb_info: TDX has tdxModule
        const bool zero = std::all_of(
            report.seam_attributes.begin(), report.seam_attributes.end(),
            [](std::uint8_t byte) { return byte == 0; });
        const bool same = std::equal(
            out->mr_signer.begin(), out->mr_signer.end(), report.mr_signer_seam.begin(),
            report.mr_signer_seam.end());
        if (!zero || !same ||
            !std::equal(
                out->attributes.begin(), out->attributes.end(), report.seam_attributes.begin(),
                report.seam_attributes.end())) {
            return refused(kTcbNotAccepted, "the TDX module is not the one that Intel published");
        }
        return out;
    }

    Result<const ModuleIdentity*> module_by_version(std::uint8_t version) const {
        const std::string wanted = "tdx_" + base::hex_encode({&version, 1});
        for (const ModuleIdentity& one : info.modules) {
            std::string id = one.id;
            std::transform(id.begin(), id.end(), id.begin(), [](char c) {
                return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
            });
            if (id == wanted) return &one;
        }
        return refused(kTcbNotAccepted, "no identity is published for this TDX module version");
    }

    static Error not_supported() {
        return refused(
            kTcbNotAccepted, "the platform is below every TCB level that Intel supports");
    }
};

bool masked_equal(base::ByteView have, const base::Bytes& mask, const base::Bytes& want) {
    for (std::size_t i = 0; i < have.size(); ++i) {
        if ((have[i] & mask.at(i)) != want.at(i)) return false;
    }
    return true;
}

Result<TcbStatus> judge_qe(const SgxReport& report, const QeIdentity& identity, Judge& judge) {
    const bool same =
        std::equal(
            identity.mr_signer.begin(), identity.mr_signer.end(), report.mr_signer.begin(),
            report.mr_signer.end()) &&
        report.isv_prod_id == identity.isv_prod_id &&
        masked_equal(report.misc_select, identity.misc_select_mask, identity.misc_select) &&
        masked_equal(report.attributes, identity.attributes_mask, identity.attributes);
    if (!same || report.debug()) {
        return refused(kTcbNotAccepted, "the quoting enclave is not the one that Intel published");
    }
    const IsvLevel* const level = find_isv_level(identity.levels, report.isv_svn);
    if (level == nullptr) return Judge::not_supported();
    judge.note(level->advisories);
    return level->status;
}

struct Documents {
    TcbInfo tcb;
    QeIdentity qe;
};

Result<void> check_documents_match(
    const Quote& quote, const Platform& platform, const Documents& documents) {
    const bool tdx = quote.tee == TeeType::Tdx;
    if (documents.tcb.id != (tdx ? "TDX" : "SGX") || documents.qe.id != (tdx ? "TD_QE" : "QE")) {
        return refused(kTcbNotAccepted, "the collateral is for the other kind of TEE");
    }
    if (documents.tcb.fmspc != platform.fmspc || documents.tcb.pce_id != platform.pce_id) {
        return refused(kTcbNotAccepted, "the TCB info is for another kind of platform");
    }
    return {};
}

Result<void> check_dates(const Documents& documents, base::Timestamp at) {
    if (at < documents.tcb.issued || at < documents.qe.issued) {
        return refused(kExpired, "the collateral is not valid yet");
    }
    if (at >= documents.tcb.next_update || at >= documents.qe.next_update) {
        return refused(kExpired, "the collateral is out of date");
    }
    return {};
}

Result<Documents> read_documents(
    const DcapCollateral& collateral, const Issuer& tcb_signer, const Issuer& qe_signer) {
    if (!signed_by(
            tcb_signer.certificate, base::as_bytes(collateral.tcb_info),
            collateral.tcb_info_signature)) {
        return refused(kBadSignature, "the TCB info is not what Intel signed");
    }
    if (!signed_by(
            qe_signer.certificate, base::as_bytes(collateral.qe_identity),
            collateral.qe_identity_signature)) {
        return refused(kBadSignature, "the QE identity is not what Intel signed");
    }
    Documents out;
    TRY(out.tcb, internal::parse_tcb_info(collateral.tcb_info));
    TRY(out.qe, internal::parse_qe_identity(collateral.qe_identity));
    return out;
}

// Everything that has an issuer; kept together because three questions are asked of all of it.
struct Chains {
    PckChain pck;
    Issuer crl_issuer;
    Issuer tcb_signer;
    Issuer qe_signer;

    std::vector<ChainCheck> checks(const DcapCollateral& collateral) const {
        const base::ByteView root_crl = collateral.root_ca_crl;
        return {
            pck.check({root_crl, collateral.pck_crl}),
            {&crl_issuer.certificate, {}, &crl_issuer.root, {root_crl}, true},
            {&tcb_signer.certificate, {}, &tcb_signer.root, {root_crl}, true},
            {&qe_signer.certificate, {}, &qe_signer.root, {root_crl}, true}};
    }
};

Result<Chains> read_chains(
    const Quote& quote, const DcapCollateral& collateral, const crypto::Sha256Digest& root) {
    TRY(PckChain pck, read_pck_chain(quote, root));
    TRY(Issuer crl, read_issuer(collateral.pck_crl_issuer_chain, "SGX PCK", root));
    TRY(Issuer tcb, read_issuer(collateral.tcb_info_issuer_chain, "SGX TCB Signing", root));
    TRY(Issuer qe, read_issuer(collateral.qe_identity_issuer_chain, "SGX TCB Signing", root));
    if (crl.certificate.common_name() != pck.authority.common_name()) {
        return refused(kUntrusted, "the revocation list is of another authority");
    }
    return Chains{std::move(pck), std::move(crl), std::move(tcb), std::move(qe)};
}

Result<void> judge(Judge& out, const Quote& quote, const Documents& documents) {
    TRY_VOID(check_documents_match(quote, out.platform, documents));
    TRY(out.verdict.qe_status, judge_qe(quote.qe_report, documents.qe, out));
    if (const auto* report = std::get_if<TdReport>(&quote.body)) {
        TRY_VOID(out.judge_tdx(*report, out.verdict.qe_status));
    } else {
        TRY_VOID(out.judge_sgx());
    }
    out.verdict.status = merge(out.verdict.status, out.verdict.qe_status);
    return {};
}

}  // namespace

crypto::Sha256Digest intel_sgx_root() {
    constexpr std::string_view kHex =
        "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3";
    return crypto::Sha256Digest::parse(base::hex_decode(kHex).value()).value();
}

Result<DcapVerdict> verify_dcap(
    const Quote& quote, const DcapCollateral& collateral, const DcapOptions& options) {
    TRY(const Chains chains, read_chains(quote, collateral, options.root));
    TRY_VOID(check_quote_signatures(quote, chains.pck));
    TRY(const Documents documents, read_documents(collateral, chains.tcb_signer, chains.qe_signer));
    const std::vector<ChainCheck> checks = chains.checks(collateral);
    for (const ChainCheck& check : checks) {
        TRY_VOID(internal::chain_is_not_revoked(check));
    }
    for (const ChainCheck& check : checks) {
        TRY_VOID(internal::chain_is_current(check, options.at));
    }
    TRY_VOID(check_dates(documents, options.at));

    TRY(const Platform platform, read_platform(chains.pck.leaf));
    Judge out{platform, documents.tcb};
    TRY_VOID(judge(out, quote, documents));
    out.verdict.advisories.assign(out.advisories.begin(), out.advisories.end());
    out.verdict.fmspc = base::hex_encode(platform.fmspc);
    out.verdict.tcb_evaluation_data_number =
        std::min(documents.tcb.evaluation_data_number, documents.qe.evaluation_data_number);
    out.verdict.collateral_expires = std::min(documents.tcb.next_update, documents.qe.next_update);
    return std::move(out.verdict);
}

Result<void> verify_dcap_signatures(const Quote& quote, const crypto::Sha256Digest& root) {
    TRY(const PckChain chain, read_pck_chain(quote, root));
    return check_quote_signatures(quote, chain);
}

}  // namespace adyton::attest

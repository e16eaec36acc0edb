#include "attest/attestation_bundle.h"

#include <algorithm>
#include <array>
#include <initializer_list>

#include "attest/dcap_verifier.h"
#include "attest/internal/json_fields.h"
#include "attest/quote.h"
#include "attest/refusal.h"
#include "attest/snp_report.h"
#include "base/check.h"

namespace adyton::attest {
namespace {

using base::Json;

Error bad(std::string_view what) {
    return malformed("attestation bundle: " + std::string(what));
}

Result<void> check_members(const Json& json, std::initializer_list<std::string_view> known) {
    if (!json.is_object()) return bad("not an object");
    if (internal::unknown_member(json, known) != nullptr) return bad("unknown member");
    return {};
}

Result<std::string> text_of(const Json& json, std::string_view name) {
    const std::string* const text = internal::text_member(json, name);
    if (text == nullptr) return bad(name);
    return *text;
}

Result<base::Bytes> base64_of(const Json& json, std::string_view name) {
    TRY(const std::string text, text_of(json, name));
    // One spelling: the decoder would pass over line ends.
    if (text.find_first_of("\r\n") != std::string::npos) return bad(name);
    auto bytes = base::base64_decode(text);
    if (!bytes) return bad(name);
    return std::move(*bytes);
}

Result<EvidenceType> type_of(const Json& json) {
    TRY(const std::string name, text_of(json, "type"));
    for (const EvidenceType one :
         {EvidenceType::SgxDcap, EvidenceType::TdxDcap, EvidenceType::SevSnp,
          EvidenceType::Simulated}) {
        if (to_string(one) == name) return one;
    }
    return bad("type");
}

Result<void> parse_aux(const Json& json, AttestationBundle& out) {
    const Json* const aux = json.find("aux");
    if (aux == nullptr) return {};
    TRY_VOID(check_members(*aux, {"snp_certs", "collateral"}));
    if (aux->find("snp_certs") != nullptr) {
        TRY(out.evidence.snp_certificates, base64_of(*aux, "snp_certs"));
    }
    if (const Json* const collateral = aux->find("collateral")) {
        TRY(out.collateral, DcapCollateral::parse_bundle(collateral->dump()));
    }
    return {};
}

Result<BundleVerdict> verify_dcap_part(
    const AttestationBundle& bundle, const BundleOptions& options) {
    TRY(const Quote quote, parse_quote(bundle.evidence.bytes));
    const bool tdx = bundle.evidence.type == EvidenceType::TdxDcap;
    if ((quote.tee == TeeType::Tdx) != tdx) return bad("the quote is of another type");
    const std::optional<DcapCollateral>& collateral =
        options.collateral ? options.collateral : bundle.collateral;
    if (!collateral)
        return Error::invalid_argument("the bundle brings no collateral, and none was given");
    DcapOptions dcap;
    dcap.at = options.at;
    dcap.root = options.root.value_or(intel_sgx_root());
    BundleVerdict out;
    TRY(out.dcap, verify_dcap(quote, *collateral, dcap));
    out.facts = facts_of(quote, *out.dcap);
    return out;
}

Result<BundleVerdict> verify_snp_part(
    const AttestationBundle& bundle, const BundleOptions& options) {
    TRY(const SnpReport report, parse_snp_report(bundle.evidence.bytes));
    if (options.snp_key.empty() || options.snp_chain.empty()) {
        return Error::invalid_argument(
            "an SNP report needs the chip's certificate and AMD's chain");
    }
    SnpOptions snp;
    snp.at = options.at;
    snp.root = options.root;
    BundleVerdict out;
    TRY(out.snp, verify_snp(report, {base::as_bytes(options.snp_key), options.snp_chain, {}}, snp));
    out.facts = facts_of(report, *out.snp);
    return out;
}

Result<BundleVerdict> verify_simulated_part(const AttestationBundle& bundle) {
    const ReportData report_data = bundle.claims.report_data();
    if (bundle.evidence.bytes != simulated_evidence_bytes(report_data)) {
        return refused(kBindingMismatch, "the simulated evidence binds other claims");
    }
    BundleVerdict out;
    out.facts.type = EvidenceType::Simulated;
    out.facts.report_data = base::hex_encode(report_data);
    return out;
}

Result<BundleVerdict> verify_evidence(
    const AttestationBundle& bundle, const BundleOptions& options) {
    switch (bundle.evidence.type) {
        case EvidenceType::SgxDcap:
        case EvidenceType::TdxDcap:
            return verify_dcap_part(bundle, options);
        case EvidenceType::SevSnp:
            return verify_snp_part(bundle, options);
        case EvidenceType::Simulated:
            return verify_simulated_part(bundle);
    }
    CHECK(false);
    return bad("type");
}

Result<void> check_age(const AttestationClaims& claims, const BundleOptions& options) {
    if (!options.age_seconds_max) return {};
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(options.at.time_since_epoch()).count();
    const auto at = static_cast<std::uint64_t>(std::max<std::int64_t>(now, 0));
    // Clocks differ a little; a statement from the future by more than that is no fresher.
    constexpr std::uint64_t kSkewSeconds = 60;
    const bool future = claims.issued_at > at + kSkewSeconds;
    if (future || (at > claims.issued_at && at - claims.issued_at > *options.age_seconds_max)) {
        return refused(kStale, "the statement is not from the time that was asked for");
    }
    return {};
}

}  // namespace

Json AttestationBundle::to_json() const {
    Json out = Json::object();
    out.set("format", Json::string(std::string(kFormat)));
    out.set("type", Json::string(std::string(to_string(evidence.type))));
    out.set("evidence", Json::string(base::base64_encode(evidence.bytes)));
    Json aux = Json::object();
    if (!evidence.snp_certificates.empty()) {
        aux.set("snp_certs", Json::string(base::base64_encode(evidence.snp_certificates)));
    }
    if (collateral) {
        auto parsed = Json::parse(collateral->to_bundle());
        CHECK(parsed.has_value());
        aux.set("collateral", std::move(*parsed));
    }
    if (aux.size() != 0) out.set("aux", std::move(aux));
    out.set("claims", claims.to_json());
    out.set("report_data", Json::string(base::hex_encode(claims.report_data())));
    return out;
}

Result<AttestationBundle> AttestationBundle::parse(const Json& json) {
    TRY_VOID(check_members(json, {"format", "type", "evidence", "aux", "claims", "report_data"}));
    TRY(const std::string format, text_of(json, "format"));
    if (format != kFormat) return unsupported("attestation bundle of another format");
    AttestationBundle out;
    TRY(out.evidence.type, type_of(json));
    TRY(out.evidence.bytes, base64_of(json, "evidence"));
    TRY_VOID(parse_aux(json, out));
    const Json* const claims = json.find("claims");
    if (claims == nullptr) return bad("claims");
    TRY(out.claims, AttestationClaims::parse(*claims));
    if (json.find("report_data") != nullptr) {
        TRY(const std::string hex, text_of(json, "report_data"));
        if (hex != base::hex_encode(out.claims.report_data())) {
            return bad("report_data is not that of the claims");
        }
    }
    return out;
}

Result<AttestationBundle> AttestationBundle::parse_answer(std::string_view text) {
    if (text.size() > kBytesMax) return bad("too long");
    const auto json = Json::parse(text);
    if (!json || !json->is_object()) return bad("not a JSON object");
    const Json* const inner = json->find("attestation");
    if (inner == nullptr) return parse(*json);
    TRY(AttestationBundle out, parse(*inner));
    TRY(const std::string key, text_of(*json, "pubkey"));
    TRY(const std::string hash, text_of(*json, "hash"));
    const Json* const simulated = json->find("simulated");
    const bool same = key == base::hex_encode(out.claims.public_key) &&
                      hash == crypto::sha256(out.claims.public_key).to_hex() &&
                      simulated != nullptr && simulated->is_boolean() &&
                      simulated->boolean_value() == (out.evidence.type == EvidenceType::Simulated);
    if (!same) return refused(kBindingMismatch, "the answer says otherwise than its attestation");
    return out;
}

Result<BundleVerdict> verify_bundle(const AttestationBundle& bundle, const BundleOptions& options) {
    TRY(BundleVerdict out, verify_evidence(bundle, options));
    if (out.facts.report_data != base::hex_encode(bundle.claims.report_data())) {
        return refused(kBindingMismatch, "the evidence binds other claims");
    }
    if (options.nonce && *options.nonce != bundle.claims.nonce) {
        return refused(kBindingMismatch, "the evidence was made for another nonce");
    }
    if (options.tls_spki && options.tls_spki != bundle.claims.tls_spki) {
        return refused(kBindingMismatch, "the evidence is of another TLS key");
    }
    TRY_VOID(check_age(bundle.claims, options));
    return out;
}

}  // namespace adyton::attest

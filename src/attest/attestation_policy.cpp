#include "attest/attestation_policy.h"

#include <algorithm>
#include <initializer_list>
#include <limits>

#include "attest/internal/json_fields.h"
#include "attest/refusal.h"
#include "base/bytes.h"
#include "base/check.h"

namespace adyton::attest {
namespace {

using base::Json;

Error bad(std::string_view member, std::string_view what) {
    return Error::invalid_argument(
        "attestation policy: " + std::string(member) + " " + std::string(what));
}

Result<void> check_members(
    const Json& object, std::string_view where, std::initializer_list<std::string_view> known) {
    if (!object.is_object()) return bad(where, "is not an object");
    if (const std::string* const name = internal::unknown_member(object, known)) {
        return bad(std::string(where) + "." + *name, "is unknown");
    }
    return {};
}

Result<std::string> hex_of(const Json& value, std::string_view name, std::size_t size) {
    if (!value.is_string()) return bad(name, "is not hex text");
    const auto bytes = base::hex_decode(value.string_value());
    if (!bytes || bytes->size() != size) {
        return bad(name, "is not " + std::to_string(size) + " bytes in hex");
    }
    return base::hex_encode(*bytes);
}

Result<std::optional<std::string>> optional_hex(
    const Json& object, std::string_view name, std::size_t size) {
    const Json* const value = object.find(name);
    if (value == nullptr || value->is_null()) return std::optional<std::string>();
    TRY(std::string text, hex_of(*value, name, size));
    return std::optional<std::string>(std::move(text));
}

Result<std::vector<std::string>> hex_list(
    const Json& object, std::string_view name, std::size_t size) {
    std::vector<std::string> out;
    const Json* const value = object.find(name);
    if (value == nullptr || value->is_null()) return out;
    if (!value->is_array() || value->items().empty()) return bad(name, "is not a list of hex");
    for (const Json& item : value->items()) {
        TRY(std::string text, hex_of(item, name, size));
        out.push_back(std::move(text));
    }
    return out;
}

template <typename T>
Result<std::optional<T>> optional_number(const Json& object, std::string_view name) {
    const Json* const value = object.find(name);
    if (value == nullptr || value->is_null()) return std::optional<T>();
    const auto number = value->as_uint64();
    if (!number || *number > std::numeric_limits<T>::max()) return bad(name, "is out of range");
    return std::optional<T>(static_cast<T>(*number));
}

Result<bool> flag(const Json& object, std::string_view name) {
    const Json* const value = object.find(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) return bad(name, "is not true or false");
    return value->boolean_value();
}

Result<AcceptRule> parse_sgx(const Json& json) {
    TRY_VOID(check_members(
        json, "accept", {"type", "mrenclave", "mrsigner", "isv_prod_id", "min_isv_svn"}));
    AcceptRule out;
    out.type = EvidenceType::SgxDcap;
    TRY(out.mr_enclave, optional_hex(json, "mrenclave", 32));
    TRY(out.mr_signer, optional_hex(json, "mrsigner", 32));
    TRY(out.isv_prod_id, optional_number<std::uint16_t>(json, "isv_prod_id"));
    TRY(out.min_isv_svn, optional_number<std::uint16_t>(json, "min_isv_svn"));
    if (!out.mr_enclave && !out.mr_signer) return bad("accept", "names no enclave");
    if (!out.mr_enclave && (!out.isv_prod_id || !out.min_isv_svn)) {
        return bad("mrsigner", "needs isv_prod_id and min_isv_svn: else all of that signer pass");
    }
    return out;
}

Result<AcceptRule> parse_tdx(const Json& json) {
    TRY_VOID(check_members(json, "accept", {"type", "mrtd", "rtmr", "mr_config_id"}));
    AcceptRule out;
    out.type = EvidenceType::TdxDcap;
    TRY(out.mr_td, hex_list(json, "mrtd", 48));
    TRY(out.mr_config_id, optional_hex(json, "mr_config_id", 48));
    if (const Json* const rtmr = json.find("rtmr")) {
        TRY_VOID(check_members(*rtmr, "rtmr", {"0", "1", "2", "3"}));
        for (std::size_t i = 0; i < out.rtmr.size(); ++i) {
            TRY(out.rtmr[i], hex_list(*rtmr, std::to_string(i), 48));
        }
    }
    if (out.mr_td.empty() || out.rtmr[1].empty() || out.rtmr[2].empty()) {
        return bad("accept", "of tdx-dcap needs mrtd and rtmr 1 and 2: mrtd names only firmware");
    }
    return out;
}

Result<SnpTcb> parse_min_tcb(const Json& json) {
    TRY_VOID(check_members(json, "min_tcb", {"fmc", "bootloader", "tee", "snp", "microcode"}));
    SnpTcb out;
    const auto part = [&json](std::string_view name, std::uint8_t& to) -> Result<void> {
        TRY(const auto number, optional_number<std::uint8_t>(json, name));
        to = number.value_or(0);
        return {};
    };
    TRY_VOID(part("fmc", out.fmc));
    TRY_VOID(part("bootloader", out.boot_loader));
    TRY_VOID(part("tee", out.tee));
    TRY_VOID(part("snp", out.snp));
    TRY_VOID(part("microcode", out.microcode));
    return out;
}

Result<AcceptRule> parse_snp(const Json& json) {
    TRY_VOID(check_members(json, "accept", {"type", "measurement", "host_data", "min_tcb"}));
    AcceptRule out;
    out.type = EvidenceType::SevSnp;
    TRY(out.measurement, hex_list(json, "measurement", 48));
    TRY(out.host_data, optional_hex(json, "host_data", 32));
    if (out.measurement.empty()) return bad("accept", "of sev-snp needs a measurement");
    if (const Json* const tcb = json.find("min_tcb")) {
        TRY(out.min_tcb, parse_min_tcb(*tcb));
    }
    return out;
}

Result<AcceptRule> parse_rule(const Json& json) {
    const Json* const type = json.find("type");
    if (type == nullptr || !type->is_string()) return bad("accept", "has a rule without type");
    if (type->string_value() == to_string(EvidenceType::SgxDcap)) return parse_sgx(json);
    if (type->string_value() == to_string(EvidenceType::TdxDcap)) return parse_tdx(json);
    if (type->string_value() == to_string(EvidenceType::SevSnp)) return parse_snp(json);
    return bad("accept.type", "is not sgx-dcap, tdx-dcap or sev-snp");
}

Result<std::vector<std::string>> text_list(const Json& json, std::string_view name) {
    std::vector<std::string> out;
    if (!json.is_array()) return bad(name, "is not a list");
    for (const Json& item : json.items()) {
        if (!item.is_string()) return bad(name, "is not a list of texts");
        out.push_back(item.string_value());
    }
    return out;
}

bool one_of(const std::vector<std::string>& list, const std::string& value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
}

bool same(const std::optional<std::string>& wanted, const std::string& value) {
    return !wanted || *wanted == value;
}

bool accepts(const AcceptRule& rule, const EvidenceFacts& facts) {
    if (rule.type != facts.type) return false;
    switch (rule.type) {
        case EvidenceType::SgxDcap:
            return same(rule.mr_enclave, facts.mr_enclave) &&
                   same(rule.mr_signer, facts.mr_signer) &&
                   (!rule.isv_prod_id || *rule.isv_prod_id == facts.isv_prod_id) &&
                   (!rule.min_isv_svn || facts.isv_svn >= *rule.min_isv_svn);
        case EvidenceType::TdxDcap:
            for (std::size_t i = 0; i < rule.rtmr.size(); ++i) {
                if (!one_of(rule.rtmr[i], facts.rtmr.at(i))) return false;
            }
            return one_of(rule.mr_td, facts.mr_td) && same(rule.mr_config_id, facts.mr_config_id);
        case EvidenceType::SevSnp:
            return one_of(rule.measurement, facts.measurement) &&
                   same(rule.host_data, facts.host_data) &&
                   (!rule.min_tcb || facts.snp_tcb->at_least(*rule.min_tcb));
        case EvidenceType::Simulated:
            return false;
    }
    return false;
}

Result<void> check_status(const AttestationPolicy& policy, const EvidenceFacts& facts) {
    if (!facts.status) return {};  // SNP: TCBs are compared by the rule
    const auto& wanted = policy.tcb_status;
    if (std::find(wanted.begin(), wanted.end(), *facts.status) == wanted.end()) {
        return refused(
            kTcbNotAccepted,
            "the platform's TCB status is " + std::string(to_string(*facts.status)));
    }
    if (policy.advisories_allowed) {
        for (const std::string& advisory : facts.advisories) {
            const auto& list = *policy.advisories_allowed;
            if (std::find(list.begin(), list.end(), advisory) == list.end()) {
                return refused(
                    kTcbNotAccepted, "advisory " + advisory + " applies and is not allowed");
            }
        }
    }
    if (facts.tcb_evaluation_data_number < policy.min_tcb_evaluation_data_number) {
        return refused(kTcbNotAccepted, "the collateral is of an older evaluation than asked for");
    }
    return {};
}

}  // namespace

std::string_view to_string(EvidenceType type) {
    switch (type) {
        case EvidenceType::SgxDcap:
            return "sgx-dcap";
        case EvidenceType::TdxDcap:
            return "tdx-dcap";
        case EvidenceType::SevSnp:
            return "sev-snp";
        case EvidenceType::Simulated:
            return "simulated";
    }
    CHECK(false);
    return {};
}

std::string_view to_string(Acceptance acceptance) {
    switch (acceptance) {
        case Acceptance::Ok:
            return "ok";
        case Acceptance::OkDebug:
            return "ok-debug";
        case Acceptance::Simulated:
            return "simulated";
    }
    CHECK(false);
    return {};
}

EvidenceFacts facts_of(const Quote& quote, const DcapVerdict& verdict) {
    EvidenceFacts out;
    out.debug = quote.debug();
    out.report_data = base::hex_encode(quote.report_data());
    out.status = verdict.status;
    out.advisories = verdict.advisories;
    out.tcb_evaluation_data_number = verdict.tcb_evaluation_data_number;
    if (const auto* sgx = std::get_if<SgxReport>(&quote.body)) {
        out.type = EvidenceType::SgxDcap;
        out.mr_enclave = base::hex_encode(sgx->mr_enclave);
        out.mr_signer = base::hex_encode(sgx->mr_signer);
        out.isv_prod_id = sgx->isv_prod_id;
        out.isv_svn = sgx->isv_svn;
        return out;
    }
    const auto& td = std::get<TdReport>(quote.body);
    out.type = EvidenceType::TdxDcap;
    out.mr_td = base::hex_encode(td.mr_td);
    out.mr_config_id = base::hex_encode(td.mr_config_id);
    for (const auto& rtmr : td.rtmr) out.rtmr.push_back(base::hex_encode(rtmr));
    out.sept_ve_disable = td.sept_ve_disable();
    return out;
}

EvidenceFacts facts_of(const SnpReport& report, const SnpVerdict& verdict) {
    EvidenceFacts out;
    out.type = EvidenceType::SevSnp;
    out.debug = report.debug();
    out.report_data = base::hex_encode(report.report_data);
    out.measurement = base::hex_encode(report.measurement);
    out.host_data = base::hex_encode(report.host_data);
    out.snp_tcb = verdict.reported;
    out.migration_agent = report.migration_agent();
    return out;
}

Result<AttestationPolicy> AttestationPolicy::parse(const Json& json) {
    TRY_VOID(check_members(
        json, "policy",
        {"accept", "tcb_status", "advisories_allowed", "min_tcb_evaluation_data_number",
         "allow_debug", "allow_simulated"}));
    AttestationPolicy out;
    const Json* const accept = json.find("accept");
    if (accept == nullptr || !accept->is_array() || accept->items().empty()) {
        return bad("accept", "is not a list with at least one rule");
    }
    for (const Json& item : accept->items()) {
        TRY(AcceptRule rule, parse_rule(item));
        out.accept.push_back(std::move(rule));
    }
    if (const Json* const statuses = json.find("tcb_status")) {
        TRY(const auto names, text_list(*statuses, "tcb_status"));
        out.tcb_status.clear();
        for (const std::string& name : names) {
            const auto status = parse_tcb_status(name);
            if (!status || *status == TcbStatus::Revoked) {
                return bad("tcb_status", "holds a status that cannot be accepted");
            }
            out.tcb_status.push_back(*status);
        }
    }
    if (const Json* const advisories = json.find("advisories_allowed")) {
        TRY(out.advisories_allowed, text_list(*advisories, "advisories_allowed"));
    }
    TRY(const auto number, optional_number<std::uint32_t>(json, "min_tcb_evaluation_data_number"));
    out.min_tcb_evaluation_data_number = number.value_or(0);
    TRY(out.allow_debug, flag(json, "allow_debug"));
    TRY(out.allow_simulated, flag(json, "allow_simulated"));
    return out;
}

Result<Acceptance> evaluate_platform(const AttestationPolicy& policy, const EvidenceFacts& facts) {
    if (facts.type == EvidenceType::Simulated) {
        if (policy.allow_simulated) return Acceptance::Simulated;
        return refused(kUnsupported, "simulated evidence: no hardware vouches for it");
    }
    TRY_VOID(check_status(policy, facts));
    if (facts.debug && !policy.allow_debug) {
        return refused(kTcbNotAccepted, "debug mode: the host can read its memory");
    }
    if (facts.migration_agent) {
        return refused(kTcbNotAccepted, "a migration agent may move this guest elsewhere");
    }
    return facts.debug ? Acceptance::OkDebug : Acceptance::Ok;
}

Result<Acceptance> evaluate(const AttestationPolicy& policy, const EvidenceFacts& facts) {
    TRY(const Acceptance platform, evaluate_platform(policy, facts));
    if (platform == Acceptance::Simulated) return platform;
    const bool welcome = std::any_of(
        policy.accept.begin(), policy.accept.end(),
        [&facts](const AcceptRule& rule) { return accepts(rule, facts); });
    if (!welcome)
        return refused(kMeasurementMismatch, "no rule of the policy accepts this program");
    return platform;
}

Json to_json(const EvidenceFacts& facts) {
    Json out = Json::object();
    out.set("type", Json::string(std::string(to_string(facts.type))));
    out.set("debug", Json::boolean(facts.debug));
    out.set("report_data", Json::string(facts.report_data));
    if (facts.type == EvidenceType::SgxDcap) {
        out.set("mrenclave", Json::string(facts.mr_enclave));
        out.set("mrsigner", Json::string(facts.mr_signer));
        out.set("isv_prod_id", Json::integer(facts.isv_prod_id));
        out.set("isv_svn", Json::integer(facts.isv_svn));
    } else if (facts.type == EvidenceType::TdxDcap) {
        out.set("mrtd", Json::string(facts.mr_td));
        out.set("mr_config_id", Json::string(facts.mr_config_id));
        Json rtmr = Json::array();
        for (const std::string& one : facts.rtmr) rtmr.push_back(Json::string(one));
        out.set("rtmr", std::move(rtmr));
        out.set("sept_ve_disable", Json::boolean(facts.sept_ve_disable));
    } else if (facts.type == EvidenceType::SevSnp) {
        out.set("measurement", Json::string(facts.measurement));
        out.set("host_data", Json::string(facts.host_data));
        const SnpTcb tcb = facts.snp_tcb.value_or(SnpTcb{});
        out.set(
            "reported_tcb", Json::object()
                                .set("fmc", Json::integer(tcb.fmc))
                                .set("bootloader", Json::integer(tcb.boot_loader))
                                .set("tee", Json::integer(tcb.tee))
                                .set("snp", Json::integer(tcb.snp))
                                .set("microcode", Json::integer(tcb.microcode)));
        out.set("migration_agent", Json::boolean(facts.migration_agent));
    }
    if (facts.status) {
        out.set("tcb_status", Json::string(std::string(to_string(*facts.status))));
        Json advisories = Json::array();
        for (const std::string& one : facts.advisories) advisories.push_back(Json::string(one));
        out.set("advisories", std::move(advisories));
        out.set("tcb_evaluation_data_number", Json::integer(facts.tcb_evaluation_data_number));
    }
    return out;
}

}  // namespace adyton::attest

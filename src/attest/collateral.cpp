#include "attest/collateral.h"

#include <algorithm>
#include <map>

#include "attest/refusal.h"
#include "base/json.h"

namespace adyton::attest {
namespace {

using base::Json;

// One spelling for each value, so that no byte of a bundle can change unnoticed.
Result<base::Bytes> lower_hex(std::string_view text) {
    const bool lower = std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
    });
    if (!lower) return malformed("collateral: hex is not lower case");
    auto bytes = base::hex_decode(text);
    if (!bytes) return malformed("collateral: not hex");
    return std::move(*bytes);
}

Result<std::array<std::uint8_t, 64>> signature_of(std::string_view hex) {
    TRY(const base::Bytes bytes, lower_hex(hex));
    std::array<std::uint8_t, 64> out{};
    if (bytes.size() != out.size()) return malformed("collateral: signature is not 64 bytes");
    std::copy(bytes.begin(), bytes.end(), out.begin());
    return out;
}

struct Signed {
    std::string text;
    std::array<std::uint8_t, 64> signature{};
};

// Cuts the signed object out of {"NAME":OBJECT,"signature":"HEX"}: parsing and writing it again
// would change what was signed.
Result<Signed> cut_signed(std::string_view body, std::string_view name) {
    while (!body.empty() && (body.back() == '\n' || body.back() == '\r')) body.remove_suffix(1);
    const std::string head = "{\"" + std::string(name) + "\":";
    constexpr std::string_view kMiddle = ",\"signature\":\"";
    constexpr std::string_view kTail = "\"}";
    constexpr std::size_t kHex = 128;
    const std::size_t around = head.size() + kMiddle.size() + kHex + kTail.size();
    if (body.size() <= around || !body.starts_with(head) || !body.ends_with(kTail)) {
        return malformed("collateral: not an answer with " + std::string(name));
    }
    Signed out;
    const std::size_t size = body.size() - around;
    out.text = body.substr(head.size(), size);
    const std::string_view rest = body.substr(head.size() + size);
    if (!rest.starts_with(kMiddle)) return malformed("collateral: no signature where it belongs");
    TRY(out.signature, signature_of(rest.substr(kMiddle.size(), kHex)));
    return out;
}

}  // namespace

Result<DcapCollateral> DcapCollateral::parse_bundle(std::string_view json) {
    if (json.size() > kBytesMax) return malformed("collateral is too long");
    const auto parsed = Json::parse(json);
    if (!parsed || !parsed->is_object()) return malformed("collateral is not a JSON object");
    DcapCollateral out;
    std::string root_ca_crl;
    std::string pck_crl;
    std::string tcb_signature;
    std::string qe_signature;
    const std::map<std::string_view, std::string*> fields = {
        {"pck_crl_issuer_chain", &out.pck_crl_issuer_chain},
        {"root_ca_crl", &root_ca_crl},
        {"pck_crl", &pck_crl},
        {"tcb_info_issuer_chain", &out.tcb_info_issuer_chain},
        {"tcb_info", &out.tcb_info},
        {"tcb_info_signature", &tcb_signature},
        {"qe_identity_issuer_chain", &out.qe_identity_issuer_chain},
        {"qe_identity", &out.qe_identity},
        {"qe_identity_signature", &qe_signature}};
    for (const auto& [name, value] : parsed->members()) {
        const auto field = fields.find(name);
        if (field == fields.end()) return malformed("collateral: unknown member");
        if (!value.is_string()) return malformed("collateral: " + name + " is not text");
        *field->second = value.string_value();
    }
    for (const auto& [name, text] : fields) {
        if (text->empty()) return malformed("collateral: no " + std::string(name));
    }
    TRY(out.root_ca_crl, lower_hex(root_ca_crl));
    TRY(out.pck_crl, lower_hex(pck_crl));
    TRY(out.tcb_info_signature, signature_of(tcb_signature));
    TRY(out.qe_identity_signature, signature_of(qe_signature));
    return out;
}

Result<DcapCollateral> DcapCollateral::from_pcs(const PcsAnswers& answers) {
    const std::size_t size =
        answers.tcb_info.size() + answers.qe_identity.size() + answers.pck_crl.size() +
        answers.root_ca_crl.size() + answers.tcb_info_issuer_chain.size() +
        answers.qe_identity_issuer_chain.size() + answers.pck_crl_issuer_chain.size();
    if (size > kBytesMax) return malformed("collateral is too long");
    DcapCollateral out;
    TRY(Signed tcb, cut_signed(answers.tcb_info, "tcbInfo"));
    TRY(Signed qe, cut_signed(answers.qe_identity, "enclaveIdentity"));
    out.tcb_info = std::move(tcb.text);
    out.tcb_info_signature = tcb.signature;
    out.tcb_info_issuer_chain = answers.tcb_info_issuer_chain;
    out.qe_identity = std::move(qe.text);
    out.qe_identity_signature = qe.signature;
    out.qe_identity_issuer_chain = answers.qe_identity_issuer_chain;
    out.pck_crl.assign(answers.pck_crl.begin(), answers.pck_crl.end());
    out.pck_crl_issuer_chain = answers.pck_crl_issuer_chain;
    out.root_ca_crl.assign(answers.root_ca_crl.begin(), answers.root_ca_crl.end());
    return out;
}

std::string DcapCollateral::to_bundle() const {
    return Json::object()
        .set("pck_crl_issuer_chain", Json::string(pck_crl_issuer_chain))
        .set("root_ca_crl", Json::string(base::hex_encode(root_ca_crl)))
        .set("pck_crl", Json::string(base::hex_encode(pck_crl)))
        .set("tcb_info_issuer_chain", Json::string(tcb_info_issuer_chain))
        .set("tcb_info", Json::string(tcb_info))
        .set("tcb_info_signature", Json::string(base::hex_encode(tcb_info_signature)))
        .set("qe_identity_issuer_chain", Json::string(qe_identity_issuer_chain))
        .set("qe_identity", Json::string(qe_identity))
        .set("qe_identity_signature", Json::string(base::hex_encode(qe_identity_signature)))
        .dump();
}

}  // namespace adyton::attest

#include "attest/internal/tcb_info.h"

#include <algorithm>
#include <limits>

#include "attest/refusal.h"
#include "base/json.h"

namespace adyton::attest::internal {
namespace {

using base::Json;

constexpr std::size_t kLevelsMax = 256;

Error missing(std::string_view name) {
    return malformed("collateral: no usable member " + std::string(name));
}

Result<const Json*> member(const Json& object, std::string_view name, Json::Type type) {
    const Json* const found = object.find(name);
    if (found == nullptr || found->type() != type) return missing(name);
    return found;
}

Result<std::string> text(const Json& object, std::string_view name) {
    TRY(const Json* found, member(object, name, Json::Type::String));
    return found->string_value();
}

template <typename T>
Result<T> number(const Json& object, std::string_view name) {
    TRY(const Json* found, member(object, name, Json::Type::Number));
    const auto value = found->as_uint64();
    if (!value || *value > std::numeric_limits<T>::max()) return missing(name);
    return static_cast<T>(*value);
}

Result<base::Bytes> hex(const Json& object, std::string_view name, std::size_t size) {
    TRY(const std::string value, text(object, name));
    auto bytes = base::hex_decode(value);
    if (!bytes || bytes->size() != size) return missing(name);
    return std::move(*bytes);
}

Result<base::Timestamp> time(const Json& object, std::string_view name) {
    TRY(const std::string value, text(object, name));
    const auto parsed = base::parse_rfc3339(value);
    if (!parsed) return missing(name);
    return *parsed;
}

Result<const std::vector<Json>*> list(const Json& object, std::string_view name) {
    TRY(const Json* found, member(object, name, Json::Type::Array));
    if (found->items().size() > kLevelsMax) return missing(name);
    return &found->items();
}

Result<std::array<std::uint8_t, 16>> components(const Json& object, std::string_view name) {
    TRY(const std::vector<Json>* items, list(object, name));
    std::array<std::uint8_t, 16> out{};
    if (items->size() != out.size()) return missing(name);
    for (std::size_t i = 0; i < out.size(); ++i) {
        TRY(out.at(i), number<std::uint8_t>(items->at(i), "svn"));
    }
    return out;
}

Result<std::vector<std::string>> advisories(const Json& level) {
    std::vector<std::string> out;
    if (level.find("advisoryIDs") == nullptr) return out;
    TRY(const std::vector<Json>* items, list(level, "advisoryIDs"));
    for (const Json& item : *items) {
        if (!item.is_string()) return missing("advisoryIDs");
        out.push_back(item.string_value());
    }
    return out;
}

Result<TcbStatus> status_of(const Json& level) {
    TRY(const std::string name, text(level, "tcbStatus"));
    TRY(const TcbStatus status, parse_tcb_status(name));
    // A level never says this: it is what a verifier finds out.
    if (status == TcbStatus::TdRelaunchAdvised ||
        status == TcbStatus::TdRelaunchAdvisedConfigurationNeeded) {
        return missing("tcbStatus");
    }
    return status;
}

Result<std::vector<IsvLevel>> isv_levels(const Json& object) {
    TRY(const std::vector<Json>* items, list(object, "tcbLevels"));
    std::vector<IsvLevel> out;
    for (const Json& item : *items) {
        TRY(const Json* tcb, member(item, "tcb", Json::Type::Object));
        IsvLevel level;
        TRY(level.isv_svn, number<std::uint16_t>(*tcb, "isvsvn"));
        TRY(level.status, status_of(item));
        TRY(level.advisories, advisories(item));
        out.push_back(std::move(level));
    }
    // As Intel's verifier: the order of the text does not count.
    std::stable_sort(out.begin(), out.end(), [](const IsvLevel& a, const IsvLevel& b) {
        return a.isv_svn > b.isv_svn;
    });
    return out;
}

Result<ModuleIdentity> module_of(const Json& object) {
    ModuleIdentity out;
    TRY(out.mr_signer, hex(object, "mrsigner", 48));
    TRY(out.attributes, hex(object, "attributes", 8));
    return out;
}

Result<void> parse_modules(const Json& json, TcbInfo& out) {
    TRY(const Json* module, member(json, "tdxModule", Json::Type::Object));
    TRY(out.module, module_of(*module));
    if (json.find("tdxModuleIdentities") == nullptr) return {};
    TRY(const std::vector<Json>* identities, list(json, "tdxModuleIdentities"));
    for (const Json& item : *identities) {
        TRY(ModuleIdentity identity, module_of(item));
        TRY(identity.id, text(item, "id"));
        TRY(identity.levels, isv_levels(item));
        out.modules.push_back(std::move(identity));
    }
    return {};
}

Result<TcbLevel> parse_level(const Json& json, bool tdx) {
    TRY(const Json* tcb, member(json, "tcb", Json::Type::Object));
    TcbLevel out;
    TRY(out.sgx, components(*tcb, "sgxtcbcomponents"));
    TRY(out.pce_svn, number<std::uint16_t>(*tcb, "pcesvn"));
    if (tdx) {
        TRY(out.tdx, components(*tcb, "tdxtcbcomponents"));
    }
    TRY(out.status, status_of(json));
    TRY(out.advisories, advisories(json));
    return out;
}

Result<Json> parse_object(std::string_view json, std::string_view name) {
    auto parsed = Json::parse(json);
    if (!parsed || !parsed->is_object()) {
        return malformed("collateral: " + std::string(name) + " is not a JSON object");
    }
    return std::move(*parsed);
}

}  // namespace

Result<TcbInfo> parse_tcb_info(std::string_view text_of_it) {
    TRY(const Json json, parse_object(text_of_it, "TCB info"));
    TRY(const auto version, number<std::uint32_t>(json, "version"));
    if (version != 3) return unsupported("TCB info is not of version 3");
    TcbInfo out;
    TRY(out.id, text(json, "id"));
    if (out.id != "SGX" && out.id != "TDX") return missing("id");
    TRY(out.issued, time(json, "issueDate"));
    TRY(out.next_update, time(json, "nextUpdate"));
    TRY(out.fmspc, hex(json, "fmspc", 6));
    TRY(out.pce_id, hex(json, "pceId", 2));
    TRY(const auto type, number<std::uint32_t>(json, "tcbType"));
    if (type != 0) return unsupported("TCB info of another type than 0");
    TRY(out.evaluation_data_number, number<std::uint32_t>(json, "tcbEvaluationDataNumber"));
    const bool tdx = out.id == "TDX";
    if (tdx) {
        TRY_VOID(parse_modules(json, out));
    }
    TRY(const std::vector<Json>* levels, list(json, "tcbLevels"));
    for (const Json& item : *levels) {
        TRY(TcbLevel level, parse_level(item, tdx));
        out.levels.push_back(std::move(level));
    }
    std::stable_sort(
        out.levels.begin(), out.levels.end(), [](const TcbLevel& a, const TcbLevel& b) {
            if (a.sgx != b.sgx) return a.sgx > b.sgx;
            if (a.pce_svn != b.pce_svn) return a.pce_svn > b.pce_svn;
            return a.tdx > b.tdx;
        });
    return out;
}

Result<QeIdentity> parse_qe_identity(std::string_view text_of_it) {
    TRY(const Json json, parse_object(text_of_it, "QE identity"));
    TRY(const auto version, number<std::uint32_t>(json, "version"));
    if (version != 2) return unsupported("QE identity is not of version 2");
    QeIdentity out;
    TRY(out.id, text(json, "id"));
    TRY(out.issued, time(json, "issueDate"));
    TRY(out.next_update, time(json, "nextUpdate"));
    TRY(out.evaluation_data_number, number<std::uint32_t>(json, "tcbEvaluationDataNumber"));
    TRY(out.misc_select, hex(json, "miscselect", 4));
    TRY(out.misc_select_mask, hex(json, "miscselectMask", 4));
    TRY(out.attributes, hex(json, "attributes", 16));
    TRY(out.attributes_mask, hex(json, "attributesMask", 16));
    TRY(out.mr_signer, hex(json, "mrsigner", 32));
    TRY(out.isv_prod_id, number<std::uint16_t>(json, "isvprodid"));
    TRY(out.levels, isv_levels(json));
    return out;
}

}  // namespace adyton::attest::internal

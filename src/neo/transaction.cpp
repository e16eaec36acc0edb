#include "neo/transaction.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/check.h"
#include "crypto/digest.h"
#include "neo/internal/transaction_rules.h"

namespace adyton::neo {
namespace {

constexpr std::array<std::pair<std::uint8_t, std::string_view>, 5> kScopeNames = {
    std::pair{kScopeCalledByEntry, std::string_view("CalledByEntry")},
    std::pair{kScopeCustomContracts, std::string_view("CustomContracts")},
    std::pair{kScopeCustomGroups, std::string_view("CustomGroups")},
    std::pair{kScopeWitnessRules, std::string_view("WitnessRules")},
    std::pair{kScopeGlobal, std::string_view("Global")}};

void append_little_endian(base::Bytes& out, std::uint64_t value, std::size_t width) {
    for (std::size_t i = 0; i < width; ++i) {
        out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
}

void append(base::Bytes& out, base::ByteView bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
}

void append_var_bytes(base::Bytes& out, base::ByteView bytes) {
    append_var_int(out, bytes.size());
    append(out, bytes);
}

void append_condition(base::Bytes& out, const WitnessCondition& condition) {
    using Type = WitnessCondition::Type;
    out.push_back(static_cast<std::uint8_t>(condition.type));
    switch (condition.type) {
        case Type::Boolean:
            out.push_back(condition.boolean ? 1 : 0);
            return;
        case Type::And:
        case Type::Or:
            append_var_int(out, condition.conditions.size());
            [[fallthrough]];
        case Type::Not:
            for (const auto& inner : condition.conditions) append_condition(out, inner);
            return;
        case Type::ScriptHash:
        case Type::CalledByContract:
            append(out, condition.hash.wire());
            return;
        case Type::Group:
        case Type::CalledByGroup:
            for (const auto& key : condition.group) append(out, key.bytes());
            return;
        case Type::CalledByEntry:
            return;
    }
}

void append_signer(base::Bytes& out, const Signer& signer) {
    append(out, signer.account.wire());
    out.push_back(signer.scopes);
    if ((signer.scopes & kScopeCustomContracts) != 0) {
        append_var_int(out, signer.allowed_contracts.size());
        for (const ScriptHash& contract : signer.allowed_contracts) append(out, contract.wire());
    }
    if ((signer.scopes & kScopeCustomGroups) != 0) {
        append_var_int(out, signer.allowed_groups.size());
        for (const auto& group : signer.allowed_groups) append(out, group.bytes());
    }
    if ((signer.scopes & kScopeWitnessRules) != 0) {
        append_var_int(out, signer.rules.size());
        for (const WitnessRule& rule : signer.rules) {
            out.push_back(rule.allow ? 1 : 0);
            append_condition(out, rule.condition);
        }
    }
}

struct AppendAttribute {
    base::Bytes& out;

    void operator()(const HighPriority&) const { out.push_back(internal::kHighPriority); }
    void operator()(const OracleResponse& response) const {
        out.push_back(internal::kOracleResponse);
        append_little_endian(out, response.id, 8);
        out.push_back(response.code);
        append_var_bytes(out, response.result);
    }
    void operator()(const NotValidBefore& attribute) const {
        out.push_back(internal::kNotValidBefore);
        append_little_endian(out, attribute.height, 4);
    }
    void operator()(const Conflicts& attribute) const {
        out.push_back(internal::kConflicts);
        append(out, attribute.hash.wire());
    }
    void operator()(const NotaryAssisted& attribute) const {
        out.push_back(internal::kNotaryAssisted);
        out.push_back(attribute.keys);
    }
};

std::string_view trim(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

}  // namespace

std::string scopes_to_string(std::uint8_t scopes) {
    if (scopes == kScopeNone) return "None";
    std::string out;
    for (const auto& [flag, name] : kScopeNames) {
        if ((scopes & flag) == 0) continue;
        if (!out.empty()) out += ", ";
        out += name;
    }
    return out;
}

Result<std::uint8_t> parse_scopes(std::string_view text) {
    if (trim(text) == "None") return kScopeNone;
    std::uint8_t scopes = 0;
    for (;;) {
        const std::size_t comma = text.find(',');
        const std::string_view word = trim(text.substr(0, comma));
        const auto* const found = std::find_if(
            kScopeNames.begin(), kScopeNames.end(),
            [word](const auto& entry) { return entry.second == word; });
        if (found == kScopeNames.end()) return Error::invalid_argument("unknown witness scope");
        scopes = static_cast<std::uint8_t>(scopes | found->first);
        if (comma == std::string_view::npos) break;
        text.remove_prefix(comma + 1);
    }
    TRY_VOID(internal::check_scopes(scopes));
    return scopes;
}

std::string_view attribute_name(const Attribute& attribute) {
    static constexpr std::array<std::string_view, 5> kNames = {
        "HighPriority", "OracleResponse", "NotValidBefore", "Conflicts", "NotaryAssisted"};
    static_assert(std::variant_size_v<Attribute> == kNames.size());
    return kNames[attribute.index()];
}

void append_var_int(base::Bytes& out, std::uint64_t value) {
    if (value < 0xfd) {
        out.push_back(static_cast<std::uint8_t>(value));
    } else if (value <= 0xffff) {
        out.push_back(0xfd);
        append_little_endian(out, value, 2);
    } else if (value <= 0xffffffff) {
        out.push_back(0xfe);
        append_little_endian(out, value, 4);
    } else {
        out.push_back(0xff);
        append_little_endian(out, value, 8);
    }
}

base::Bytes serialize_unsigned(const Transaction& transaction) {
    base::Bytes out;
    out.reserve(256 + transaction.script.size());
    out.push_back(transaction.version);
    append_little_endian(out, transaction.nonce, 4);
    append_little_endian(out, static_cast<std::uint64_t>(transaction.system_fee), 8);
    append_little_endian(out, static_cast<std::uint64_t>(transaction.network_fee), 8);
    append_little_endian(out, transaction.valid_until_block, 4);
    append_var_int(out, transaction.signers.size());
    for (const Signer& signer : transaction.signers) append_signer(out, signer);
    append_var_int(out, transaction.attributes.size());
    for (const Attribute& attribute : transaction.attributes) {
        std::visit(AppendAttribute{out}, attribute);
    }
    append_var_bytes(out, transaction.script);
    return out;
}

base::Bytes serialize(const Transaction& transaction) {
    base::Bytes out = serialize_unsigned(transaction);
    append_var_int(out, transaction.witnesses.size());
    for (const Witness& witness : transaction.witnesses) {
        append_var_bytes(out, witness.invocation);
        append_var_bytes(out, witness.verification);
    }
    return out;
}

TransactionHash hash(const Transaction& transaction) {
    const auto digest = crypto::sha256(serialize_unsigned(transaction));
    const auto out = TransactionHash::from_wire(digest.bytes);
    CHECK(out.has_value());
    return *out;
}

crypto::Sha256Digest sign_digest(NetworkMagic magic, const Transaction& transaction) {
    return sign_data_digest(magic, hash(transaction));
}

}  // namespace adyton::neo

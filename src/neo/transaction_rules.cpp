#include "neo/internal/transaction_rules.h"

#include <algorithm>
#include <array>
#include <limits>

namespace adyton::neo {
namespace internal {

Result<void> check_scopes(std::uint8_t scopes) {
    constexpr std::uint8_t kKnown = kScopeCalledByEntry | kScopeCustomContracts |
                                    kScopeCustomGroups | kScopeWitnessRules | kScopeGlobal;
    if ((scopes & ~kKnown) != 0) return Error::invalid_argument("unknown witness scope");
    if ((scopes & kScopeGlobal) != 0 && scopes != kScopeGlobal) {
        return Error::invalid_argument("scope Global stands alone");
    }
    return {};
}

Result<void> check_fees(std::int64_t system_fee, std::int64_t network_fee) {
    if (system_fee < 0 || network_fee < 0) return Error::invalid_argument("a fee is negative");
    if (network_fee > std::numeric_limits<std::int64_t>::max() - system_fee) {
        return Error::invalid_argument("the fees overflow");
    }
    return {};
}

Result<void> check_signer_list(std::span<const Signer> signers) {
    if (signers.empty()) return Error::invalid_argument("a transaction needs a signer");
    if (signers.size() > kSignersMax) return Error::invalid_argument("more than 16 signers");
    for (std::size_t i = 1; i < signers.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) {
            if (signers[i].account == signers[j].account) {
                return Error::invalid_argument("a signer stands there twice");
            }
        }
    }
    return {};
}

Result<void> check_attribute_list(std::size_t signers, std::span<const Attribute> attributes) {
    if (signers + attributes.size() > kSignersAndAttributesMax) {
        return Error::invalid_argument("more than 16 signers and attributes");
    }
    for (std::size_t i = 1; i < attributes.size(); ++i) {
        if (std::holds_alternative<Conflicts>(attributes[i])) continue;
        for (std::size_t j = 0; j < i; ++j) {
            if (attributes[i].index() == attributes[j].index()) {
                return Error::invalid_argument("an attribute stands there twice");
            }
        }
    }
    return {};
}

Result<void> check_oracle_response(const OracleResponse& response) {
    static constexpr std::array<std::uint8_t, 10> kCodes = {0x00, 0x10, 0x12, 0x14, 0x16,
                                                            0x18, 0x1a, 0x1c, 0x1f, 0xff};
    if (std::find(kCodes.begin(), kCodes.end(), response.code) == kCodes.end()) {
        return Error::invalid_argument("unknown oracle response code");
    }
    if (response.code != 0 && !response.result.empty()) {
        return Error::invalid_argument("an oracle's failure carries a result");
    }
    if (response.result.size() > OracleResponse::kResultBytesMax) {
        return Error::invalid_argument("an oracle's result is over 65535 bytes");
    }
    return {};
}

}  // namespace internal

namespace {

Result<void> check_condition(const WitnessCondition& condition, std::size_t depth) {
    using Type = WitnessCondition::Type;
    if (depth == 0) return Error::invalid_argument("a witness condition is nested too deeply");
    std::size_t least = 0;
    std::size_t most = 0;
    bool known = true;
    switch (condition.type) {
        case Type::And:
        case Type::Or:
            least = 1;
            most = kScopeItemsMax;
            break;
        case Type::Not:
            least = most = 1;
            break;
        case Type::Boolean:
        case Type::ScriptHash:
        case Type::Group:
        case Type::CalledByEntry:
        case Type::CalledByContract:
        case Type::CalledByGroup:
            break;
        default:
            known = false;
    }
    if (!known) return Error::invalid_argument("unknown witness condition");
    const std::size_t count = condition.conditions.size();
    if (count < least || count > most) {
        return Error::invalid_argument("a witness condition has too few or too many parts");
    }
    const bool takes_group = condition.type == Type::Group || condition.type == Type::CalledByGroup;
    const bool takes_hash =
        condition.type == Type::ScriptHash || condition.type == Type::CalledByContract;
    if (condition.group.size() != (takes_group ? 1U : 0U) ||
        (!takes_hash && condition.hash != ScriptHash()) ||
        (condition.boolean && condition.type != Type::Boolean)) {
        return Error::invalid_argument("a witness condition has a part of another one");
    }
    for (const auto& inner : condition.conditions) {
        TRY_VOID(check_condition(inner, depth - 1));
    }
    return {};
}

Result<void> check_signer(const Signer& signer) {
    TRY_VOID(internal::check_scopes(signer.scopes));
    const auto fits = [&](std::uint8_t scope, std::size_t count) {
        return count <= ((signer.scopes & scope) != 0 ? kScopeItemsMax : 0);
    };
    if (!fits(kScopeCustomContracts, signer.allowed_contracts.size()) ||
        !fits(kScopeCustomGroups, signer.allowed_groups.size()) ||
        !fits(kScopeWitnessRules, signer.rules.size())) {
        return Error::invalid_argument("a signer's list is too long, or its scope is not set");
    }
    for (const WitnessRule& rule : signer.rules) {
        TRY_VOID(check_condition(rule.condition, kConditionDepthMax));
    }
    return {};
}

Result<void> check_witnesses(const Transaction& transaction) {
    if (transaction.witnesses.empty()) return {};
    if (transaction.witnesses.size() != transaction.signers.size()) {
        return Error::invalid_argument("not one witness per signer");
    }
    for (const Witness& witness : transaction.witnesses) {
        if (witness.invocation.size() > kWitnessScriptBytesMax ||
            witness.verification.size() > kWitnessScriptBytesMax) {
            return Error::invalid_argument("a witness script is over 1024 bytes");
        }
    }
    return {};
}

}  // namespace

Result<void> check(const Transaction& transaction) {
    if (transaction.version != 0) return Error::invalid_argument("unknown transaction version");
    TRY_VOID(internal::check_fees(transaction.system_fee, transaction.network_fee));
    TRY_VOID(internal::check_signer_list(transaction.signers));
    for (const Signer& signer : transaction.signers) {
        TRY_VOID(check_signer(signer));
    }
    TRY_VOID(internal::check_attribute_list(transaction.signers.size(), transaction.attributes));
    for (const Attribute& attribute : transaction.attributes) {
        if (const auto* const response = std::get_if<OracleResponse>(&attribute)) {
            TRY_VOID(internal::check_oracle_response(*response));
        }
    }
    if (transaction.script.empty()) return Error::invalid_argument("the script is empty");
    if (transaction.script.size() > kScriptBytesMax) {
        return Error::invalid_argument("the script is over 65535 bytes");
    }
    TRY_VOID(check_witnesses(transaction));
    if (serialize(transaction).size() > kTransactionBytesMax) {
        return Error::too_large("the transaction is over 102400 bytes");
    }
    return {};
}

}  // namespace adyton::neo

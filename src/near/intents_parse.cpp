#include <algorithm>
#include <array>

#include "base/base58.h"
#include "near/intents.h"
#include "near/internal/json_fields.h"

// Reading of intents and of the message that holds them.
namespace adyton::near {
namespace {

using base::Json;
using internal::JsonFields;

constexpr std::size_t kIntentsMax = 1000;

// The key types of the contract; p256 besides those of the chain.
Result<std::string> read_intent_key(JsonFields& fields) {
    struct Kind {
        std::string_view prefix;
        std::size_t bytes;
    };
    constexpr std::array<Kind, 3> kKinds{{{"ed25519:", 32}, {"secp256k1:", 64}, {"p256:", 64}}};
    TRY(auto text, fields.text("public_key"));
    for (const Kind& kind : kKinds) {
        if (!text.starts_with(kind.prefix)) continue;
        const auto bytes =
            base::base58_decode(std::string_view(text).substr(kind.prefix.size()), kind.bytes);
        if (bytes && bytes->size() == kind.bytes) return text;
    }
    return fields.error("public_key", "is not a public key");
}

Result<WithdrawOptions> read_withdraw_options(JsonFields& fields) {
    WithdrawOptions out;
    TRY(out.memo, fields.optional_text("memo"));
    TRY(out.msg, fields.optional_text("msg"));
    TRY(out.storage_deposit, fields.optional_yocto("storage_deposit"));
    TRY(out.min_gas, fields.optional_gas("min_gas"));
    return out;
}

Result<Intent> read_transfer(JsonFields& fields) {
    TRY(auto receiver, fields.account("receiver_id"));
    TransferIntent out{std::move(receiver), {}, {}, {}, {}};
    TRY(const Json* const tokens, fields.value("tokens"));
    if (!tokens->is_object()) return fields.error("tokens", "is not an object");
    for (const auto& [name, member] : tokens->members()) {
        TRY(auto token, TokenId::parse(name));
        if (!member.is_string()) return fields.error("tokens", "holds an amount that is no text");
        TRY(const base::Amount amount, parse_u128(member.string_value()));
        out.tokens.push_back({std::move(token), amount});
    }
    TRY(out.memo, fields.optional_text("memo"));
    TRY(out.msg, fields.optional_text("msg"));
    TRY(out.min_gas, fields.optional_gas("min_gas"));
    if (out.min_gas.has_value() && !out.msg.has_value()) {
        return fields.error("min_gas", "means nothing without msg");
    }
    return Intent(std::move(out));
}

Result<Intent> read_token_diff(JsonFields& fields) {
    TokenDiffIntent out;
    TRY(const Json* const diff, fields.value("diff"));
    if (!diff->is_object()) return fields.error("diff", "is not an object");
    for (const auto& [name, member] : diff->members()) {
        TRY(auto token, TokenId::parse(name));
        if (!member.is_string()) return fields.error("diff", "holds an amount that is no text");
        TRY(const auto delta, TokenDelta::parse(member.string_value()));
        out.diff.push_back({std::move(token), delta});
    }
    TRY(out.memo, fields.optional_text("memo"));
    TRY(out.referral, fields.optional_account("referral"));
    return Intent(std::move(out));
}

Result<Intent> read_ft_withdraw(JsonFields& fields) {
    TRY(auto token, fields.account("token"));
    TRY(auto receiver, fields.account("receiver_id"));
    TRY(const base::Amount amount, fields.u128("amount"));
    TRY(auto options, read_withdraw_options(fields));
    return Intent(
        FtWithdrawIntent{std::move(token), std::move(receiver), amount, std::move(options)});
}

Result<Intent> read_nft_withdraw(JsonFields& fields) {
    TRY(auto token, fields.account("token"));
    TRY(auto receiver, fields.account("receiver_id"));
    TRY(auto token_id, fields.text("token_id"));
    TRY(auto options, read_withdraw_options(fields));
    return Intent(NftWithdrawIntent{
        std::move(token), std::move(receiver), std::move(token_id), std::move(options)});
}

Result<Intent> read_mt_withdraw(JsonFields& fields) {
    TRY(auto token, fields.account("token"));
    TRY(auto receiver, fields.account("receiver_id"));
    MtWithdrawIntent out{std::move(token), std::move(receiver), {}, {}, {}};
    TRY(const Json* const ids, fields.value("token_ids"));
    TRY(const Json* const amounts, fields.value("amounts"));
    if (!ids->is_array() || !amounts->is_array() || ids->size() != amounts->size()) {
        return fields.error("token_ids", "and amounts are not lists of one length");
    }
    for (const Json& id : ids->items()) {
        if (!id.is_string()) return fields.error("token_ids", "holds something else than text");
        out.token_ids.push_back(id.string_value());
    }
    for (const Json& each : amounts->items()) {
        if (!each.is_string()) return fields.error("amounts", "holds something else than text");
        TRY(const base::Amount amount, parse_u128(each.string_value()));
        out.amounts.push_back(amount);
    }
    TRY(out.options, read_withdraw_options(fields));
    return Intent(std::move(out));
}

Result<Intent> read_native_withdraw(JsonFields& fields) {
    TRY(auto receiver, fields.account("receiver_id"));
    TRY(const YoctoNear amount, fields.yocto("amount"));
    return Intent(NativeWithdrawIntent{std::move(receiver), amount});
}

Result<Intent> read_storage_deposit(JsonFields& fields) {
    TRY(auto contract, fields.account("contract_id"));
    TRY(auto beneficiary, fields.optional_account("deposit_for_account_id"));
    TRY(auto alias, fields.optional_account("account_id"));
    if (beneficiary.has_value() == alias.has_value()) {
        return fields.error("deposit_for_account_id", "must be given once");
    }
    TRY(const YoctoNear amount, fields.yocto("amount"));
    return Intent(StorageDepositIntent{
        std::move(contract), beneficiary.has_value() ? std::move(*beneficiary) : std::move(*alias),
        amount});
}

Result<Intent> read_auth_call(JsonFields& fields) {
    TRY(auto contract, fields.account("contract_id"));
    TRY(auto msg, fields.text("msg"));
    TRY(const auto deposit, fields.optional_yocto("attached_deposit"));
    TRY(const auto min_gas, fields.optional_gas("min_gas"));
    return Intent(AuthCallIntent{
        std::move(contract), std::move(msg), deposit.value_or(YoctoNear()), min_gas});
}

Result<Intent> read_known(JsonFields& fields, std::string_view kind) {
    if (kind == TransferIntent::kName) return read_transfer(fields);
    if (kind == TokenDiffIntent::kName) return read_token_diff(fields);
    if (kind == FtWithdrawIntent::kName) return read_ft_withdraw(fields);
    if (kind == NftWithdrawIntent::kName) return read_nft_withdraw(fields);
    if (kind == MtWithdrawIntent::kName) return read_mt_withdraw(fields);
    if (kind == NativeWithdrawIntent::kName) return read_native_withdraw(fields);
    if (kind == StorageDepositIntent::kName) return read_storage_deposit(fields);
    if (kind == AuthCallIntent::kName) return read_auth_call(fields);
    if (kind == AddPublicKeyIntent::kName) {
        TRY(auto key, read_intent_key(fields));
        return Intent(AddPublicKeyIntent{std::move(key)});
    }
    if (kind == RemovePublicKeyIntent::kName) {
        TRY(auto key, read_intent_key(fields));
        return Intent(RemovePublicKeyIntent{std::move(key)});
    }
    if (kind == SetAuthByPredecessorIdIntent::kName) {
        TRY(const bool enabled, fields.flag("enabled"));
        return Intent(SetAuthByPredecessorIdIntent{enabled});
    }
    return Error::invalid_argument("intent kind is not known");
}

// state_init, among others, stays unread on purpose: what it deploys and costs is not interpreted.
Result<Intent> read_intent(const Json& json, std::string& kind) {
    TRY(auto fields, JsonFields::of(json, "intent"));
    TRY(kind, fields.text("intent"));
    TRY(auto intent, read_known(fields, kind));
    TRY_VOID(fields.finish());
    return intent;
}

}  // namespace

Result<TokenId> TokenId::parse(std::string_view text) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) {
        return Error::invalid_argument("token id has no standard in front");
    }
    const auto name = text.substr(0, colon);
    const auto rest = text.substr(colon + 1);
    if (name == "nep141") {
        TRY(auto contract, AccountId::parse(rest));
        return TokenId(std::string(text), Standard::Nep141, std::move(contract));
    }
    if (name != "nep171" && name != "nep245") {
        return Error::invalid_argument("token standard is not known");
    }
    const std::size_t second = rest.find(':');
    if (second == std::string_view::npos || second + 1 == rest.size()) {
        return Error::invalid_argument("token id has no id behind its contract");
    }
    TRY(auto contract, AccountId::parse(rest.substr(0, second)));
    const auto standard = name == "nep171" ? Standard::Nep171 : Standard::Nep245;
    return TokenId(std::string(text), standard, std::move(contract));
}

TokenId TokenId::nep141(const AccountId& contract) {
    return TokenId("nep141:" + contract.text(), Standard::Nep141, contract);
}

Intent parse_intent(const Json& json) {
    std::string kind;
    auto intent = read_intent(json, kind);
    if (intent) return std::move(*intent);
    return UnknownIntent{std::move(kind), intent.error().message()};
}

Result<IntentsMessage> parse_intents_message(std::string_view message) {
    if (message.size() > kMessageBytesMax) return Error::too_large("intents message is too long");
    TRY(const auto json, Json::parse(message));
    TRY(auto fields, JsonFields::of(json, "message"));
    TRY(auto signer_id, fields.account("signer_id"));
    TRY(const std::string deadline_member, fields.text("deadline"));
    TRY(const auto deadline, base::parse_rfc3339(deadline_member));
    IntentsMessage out{std::move(signer_id), deadline, {}, {}};
    if (const Json* const intents = json.find("intents")) {
        TRY_VOID(fields.value("intents"));
        if (!intents->is_array()) return fields.error("intents", "is not a list");
        if (intents->size() > kIntentsMax) return Error::too_large("more than 1000 intents");
        for (const Json& each : intents->items()) out.intents.push_back(parse_intent(each));
    }
    out.unknown_members = fields.unread();
    return out;
}

}  // namespace adyton::near

#include "localchain/internal/rpc_json.h"

#include <cstdint>
#include <utility>

#include "neo/address.h"
#include "neo/integer.h"

namespace adyton::localchain::internal {
namespace {

using base::Json;
using neo::Value;

Result<std::string> text_member(const Json& json, std::string_view name) {
    const Json* const member = json.find(name);
    if (member == nullptr) return Error::invalid_argument(std::string(name) + " is missing");
    return member->as_string();
}

Result<neo::Integer> parse_integer(const Json& json) {
    if (json.is_number()) return neo::Integer::parse(json.number_text());
    TRY(const std::string text, json.as_string());
    return neo::Integer::parse(text);
}

Result<Value> parse_scalar(std::string_view type, const Json& value) {
    if (type == "Integer") {
        TRY(const neo::Integer number, parse_integer(value));
        return Value::of_integer(number);
    }
    if (type == "Boolean") {
        TRY(const bool flag, value.as_boolean());
        return Value::of_boolean(flag);
    }
    TRY(const std::string text, value.as_string());
    if (type == "String") return Value::of_text(text);
    if (type == "Hash160") {
        TRY(const neo::ScriptHash hash, parse_account(text));
        return Value::of_hash(hash);
    }
    if (type == "Hash256") {
        TRY(const neo::TransactionHash hash, neo::TransactionHash::parse(text));
        return Value::of_bytes(hash.wire());
    }
    if (type == "PublicKey") {
        TRY(const base::Bytes bytes, base::hex_decode(text));
        return Value::of_bytes(bytes);
    }
    if (type == "ByteArray" || type == "ByteString" || type == "Signature") {
        TRY(const base::Bytes bytes, base::base64_decode(text));
        return Value::of_bytes(bytes);
    }
    return Error::invalid_argument("unknown parameter type");
}

Result<neo::Signer> parse_signer(const Json& json) {
    neo::Signer signer;
    if (json.is_string()) {
        TRY(signer.account, parse_account(json.string_value()));
        return signer;
    }
    TRY(const std::string account, text_member(json, "account"));
    TRY(signer.account, parse_account(account));
    if (const Json* const scopes = json.find("scopes")) {
        TRY(const std::string text, scopes->as_string());
        TRY(signer.scopes, neo::parse_scopes(text));
    }
    if ((signer.scopes & (neo::kScopeCustomGroups | neo::kScopeWitnessRules)) != 0) {
        return Error::invalid_argument("the simulator takes no groups and no rules");
    }
    const Json* const contracts = json.find("allowedcontracts");
    if (contracts == nullptr || contracts->is_null()) return signer;
    if (!contracts->is_array()) return Error::invalid_argument("allowedcontracts is no array");
    for (const Json& item : contracts->items()) {
        TRY(const std::string text, item.as_string());
        TRY(const neo::ScriptHash hash, neo::ScriptHash::parse(text));
        signer.allowed_contracts.push_back(hash);
    }
    return signer;
}

}  // namespace

void RpcWriter::base64(base::ByteView bytes) {
    const std::string text = base::base64_encode(bytes);
    if (flavour_ != NodeFlavour::CSharp || text.find('+') == std::string::npos) {
        json_.value(text);
        return;
    }
    std::string escaped = "\"";
    for (const char letter : text) {
        if (letter == '+') {
            escaped += "\\u002B";
        } else {
            escaped += letter;
        }
    }
    json_.raw(escaped + '"');
}

void RpcWriter::value(const Value& value) {
    json_.begin_object().key("type");
    switch (value.type) {
        case Value::Type::Null:
            json_.value("Any");
            break;
        case Value::Type::Boolean:
            json_.value("Boolean").member("value", value.boolean);
            break;
        case Value::Type::Integer:
            json_.value("Integer").member("value", value.integer.to_string());
            break;
        case Value::Type::Bytes:
            json_.value("ByteString").key("value");
            base64(value.bytes);
            break;
        case Value::Type::Array:
            json_.value("Array").key("value").begin_array();
            for (const Value& item : value.items) this->value(item);
            json_.end_array();
            break;
    }
    json_.end_object();
}

void RpcWriter::account_item(const std::optional<neo::ScriptHash>& account) {
    json_.begin_object();
    if (account.has_value()) {
        json_.member("type", "ByteString").key("value");
        base64(account->wire());
    } else {
        json_.member("type", "Any");
    }
    json_.end_object();
}

void RpcWriter::event(const TransferEvent& event) {
    json_.begin_object().member("contract", event.contract.to_string());
    json_.member("eventname", "Transfer").key("state").begin_object();
    json_.member("type", "Array").key("value").begin_array();
    account_item(event.from);
    account_item(event.to);
    json_.begin_object().member("type", "Integer").member("value", event.amount.to_string());
    json_.end_object().end_array().end_object().end_object();
}

void RpcWriter::execution(const Execution& execution) {
    json_.key("stack").begin_array();
    for (const Value& item : execution.stack) value(item);
    json_.end_array().key("notifications").begin_array();
    if (execution.state == VmState::Halt || flavour_ == NodeFlavour::NeoGo105) {
        for (const TransferEvent& one : execution.events) event(one);
    }
    json_.end_array().key("exception");
    if (execution.exception.empty()) {
        json_.null();
    } else {
        json_.value(execution.exception);
    }
}

void RpcWriter::signer(const neo::Signer& signer) {
    json_.begin_object().member("account", signer.account.to_string());
    json_.member("scopes", neo::scopes_to_string(signer.scopes));
    if ((signer.scopes & neo::kScopeCustomContracts) != 0) {
        json_.key("allowedcontracts").begin_array();
        for (const neo::ScriptHash& hash : signer.allowed_contracts) json_.value(hash.to_string());
        json_.end_array();
    }
    if ((signer.scopes & neo::kScopeCustomGroups) != 0) {
        json_.key("allowedgroups").begin_array();
        for (const crypto::P256PublicKey& key : signer.allowed_groups) json_.value(key.to_hex());
        json_.end_array();
    }
    json_.end_object();
}

void RpcWriter::attribute(const neo::Attribute& attribute) {
    json_.begin_object().member("type", neo::attribute_name(attribute));
    if (const auto* const conflict = std::get_if<neo::Conflicts>(&attribute)) {
        json_.member("hash", conflict->hash.to_string());
    } else if (const auto* const before = std::get_if<neo::NotValidBefore>(&attribute)) {
        json_.member("height", std::uint64_t{before->height});
    }
    json_.end_object();
}

void RpcWriter::transaction(const neo::Transaction& transaction, std::size_t size_bytes) {
    json_.member("hash", neo::hash(transaction).to_string());
    json_.member("size", static_cast<std::uint64_t>(size_bytes));
    json_.member("version", std::uint64_t{transaction.version});
    json_.member("nonce", std::uint64_t{transaction.nonce});
    json_.member("sender", neo::Address(transaction.signers.front().account).to_string());
    json_.member("sysfee", std::to_string(transaction.system_fee));
    json_.member("netfee", std::to_string(transaction.network_fee));
    json_.member("validuntilblock", std::uint64_t{transaction.valid_until_block});
    json_.key("attributes").begin_array();
    for (const neo::Attribute& one : transaction.attributes) attribute(one);
    json_.end_array().key("signers").begin_array();
    for (const neo::Signer& one : transaction.signers) signer(one);
    json_.end_array().key("script");
    base64(transaction.script);
    json_.key("witnesses").begin_array();
    for (const neo::Witness& witness : transaction.witnesses) {
        json_.begin_object().key("invocation");
        base64(witness.invocation);
        json_.key("verification");
        base64(witness.verification);
        json_.end_object();
    }
    json_.end_array();
}

Result<neo::ScriptHash> parse_account(std::string_view text) {
    if (text.size() == neo::Address::kTextLength) {
        TRY(const neo::Address address, neo::Address::parse(text));
        return address.script_hash();
    }
    return neo::ScriptHash::parse(text);
}

Result<std::vector<neo::Signer>> parse_signers(const Json& json) {
    std::vector<neo::Signer> out;
    if (json.is_null()) return out;
    if (!json.is_array()) return Error::invalid_argument("signers must be an array");
    if (json.size() > neo::kSignersMax) return Error::invalid_argument("too many signers");
    for (const Json& item : json.items()) {
        TRY(auto signer, parse_signer(item));
        for (const neo::Signer& other : out) {
            if (other.account == signer.account) {
                return Error::invalid_argument("a signer stands twice");
            }
        }
        out.push_back(std::move(signer));
    }
    return out;
}

Result<Value> parse_parameter(const Json& json) {
    TRY(const std::string type, text_member(json, "type"));
    const Json* const value = json.find("value");
    if (type == "Any" && (value == nullptr || value->is_null())) return Value::null();
    if (value == nullptr) return Error::invalid_argument("value is missing");
    if (type != "Array") return parse_scalar(type, *value);
    if (!value->is_array()) return Error::invalid_argument("an Array needs an array");
    std::vector<Value> items;
    for (const Json& item : value->items()) {
        TRY(auto parsed, parse_parameter(item));
        items.push_back(std::move(parsed));
    }
    return Value::of_array(std::move(items));
}

}  // namespace adyton::localchain::internal

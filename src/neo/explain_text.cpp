#include <fmt/format.h>

#include "neo/address.h"
#include "neo/contract_names.h"
#include "neo/explain.h"
#include "neo/script.h"
#include "neo/token.h"

namespace adyton::neo {
namespace {

using base::Json;

Json text(std::string value) {
    return Json::string(std::move(value));
}

std::string address_of(const ScriptHash& hash) {
    return Address(hash).to_string();
}

const Token* find_token(const ScriptHash& contract) {
    for (const Token& token : well_known_tokens()) {
        if (token.contract == contract) return &token;
    }
    return nullptr;
}

// A contract as people know it: "GAS", "PolicyContract (0x...)", "0x...".
std::string contract_label(const ScriptHash& contract) {
    if (const Token* const token = find_token(contract)) return std::string(token->symbol);
    const std::string_view name = native_contract_name(contract);
    if (name.empty()) return contract.to_string();
    return fmt::format("{} ({})", name, contract.to_string());
}

// "2.5 GAS"; of other tokens the smallest unit, because their decimals are not in the bytes.
std::string quantity(const Nep17Transfer& transfer) {
    if (const Token* const token = find_token(transfer.token)) {
        return fmt::format("{} {}", decimal_text(transfer.amount, token->decimals), token->symbol);
    }
    return fmt::format(
        "{} (smallest unit) of token {}", transfer.amount.to_string(), transfer.token.to_string());
}

std::string gas_text(std::int64_t datoshi) {
    return decimal_text(base::Amount(static_cast<std::uint64_t>(datoshi)), kGasDecimals) + " GAS";
}

std::string flags_text(std::uint8_t flags) {
    switch (flags) {
        case kCallNone:
            return "None";
        case kCallReadOnly:
            return "ReadOnly";
        case kCallReadStates | kCallWriteStates:
            return "States";
        case kCallAll:
            return "All";
        default:
            break;
    }
    std::string out;
    const auto add = [&](std::uint8_t flag, const char* name) {
        if ((flags & flag) == 0) return;
        out += out.empty() ? "" : ", ";
        out += name;
    };
    add(kCallReadStates, "ReadStates");
    add(kCallWriteStates, "WriteStates");
    add(kCallAllowCall, "AllowCall");
    add(kCallAllowNotify, "AllowNotify");
    return out;
}

const char* kind_text(ContractCall::Kind kind) {
    switch (kind) {
        case ContractCall::Kind::Nep17:
            return "nep17_transfer";
        case ContractCall::Kind::Nep11:
            return "nep11_transfer";
        case ContractCall::Kind::Read:
            return "read";
        case ContractCall::Kind::Other:
            break;
    }
    return "other";
}

std::string scope_meaning(const Signer& signer, bool sender) {
    const std::string pays = sender ? "pays the fees; " : "";
    if (signer.scopes == kScopeNone) return pays + "lets no contract act for it";
    if (signer.scopes == kScopeGlobal) return pays + "lets EVERY contract that runs act for it";
    std::string out = pays + "lets act for it: ";
    std::string list;
    const auto add = [&](std::uint8_t scope, const std::string& who) {
        if ((signer.scopes & scope) != 0) list += (list.empty() ? "" : "; ") + who;
    };
    add(kScopeCalledByEntry, "the contracts called here");
    std::string contracts;
    for (const ScriptHash& contract : signer.allowed_contracts) {
        contracts += (contracts.empty() ? "" : ", ") + contract_label(contract);
    }
    add(kScopeCustomContracts, "whoever calls them, the contracts " + contracts);
    add(kScopeCustomGroups, fmt::format(
                                "the contracts of {} group{}", signer.allowed_groups.size(),
                                signer.allowed_groups.size() == 1 ? "" : "s"));
    add(kScopeWitnessRules,
        fmt::format(
            "what {} rule{} allow", signer.rules.size(), signer.rules.size() == 1 ? "" : "s"));
    return out + list;
}

std::string_view condition_name(WitnessCondition::Type type) {
    using Type = WitnessCondition::Type;
    switch (type) {
        case Type::Boolean:
            return "Boolean";
        case Type::Not:
            return "Not";
        case Type::And:
            return "And";
        case Type::Or:
            return "Or";
        case Type::ScriptHash:
            return "ScriptHash";
        case Type::Group:
            return "Group";
        case Type::CalledByEntry:
            return "CalledByEntry";
        case Type::CalledByContract:
            return "CalledByContract";
        case Type::CalledByGroup:
            return "CalledByGroup";
    }
    return "";
}

// The member names of JSON-RPC.
Json condition_json(const WitnessCondition& condition) {
    using Type = WitnessCondition::Type;
    auto out = Json::object().set("type", text(std::string(condition_name(condition.type))));
    switch (condition.type) {
        case Type::Boolean:
            out.set("expression", Json::boolean(condition.boolean));
            break;
        case Type::Not:
            for (const auto& inner : condition.conditions) {
                out.set("expression", condition_json(inner));
            }
            break;
        case Type::And:
        case Type::Or: {
            auto list = Json::array();
            for (const auto& inner : condition.conditions) list.push_back(condition_json(inner));
            out.set("expressions", std::move(list));
            break;
        }
        case Type::ScriptHash:
        case Type::CalledByContract:
            out.set("hash", text(condition.hash.to_string()));
            break;
        case Type::Group:
        case Type::CalledByGroup:
            for (const auto& key : condition.group) out.set("group", text(key.to_hex()));
            break;
        case Type::CalledByEntry:
            break;
    }
    return out;
}

Json signer_json(const Signer& signer, bool sender) {
    auto out = Json::object()
                   .set("account", text(signer.account.to_string()))
                   .set("address", text(address_of(signer.account)))
                   .set("scopes", text(scopes_to_string(signer.scopes)))
                   .set("pays_fees", Json::boolean(sender))
                   .set("meaning", text(scope_meaning(signer, sender)));
    if ((signer.scopes & kScopeCustomContracts) != 0) {
        auto list = Json::array();
        for (const auto& contract : signer.allowed_contracts) {
            list.push_back(text(contract.to_string()));
        }
        out.set("allowed_contracts", std::move(list));
    }
    if ((signer.scopes & kScopeCustomGroups) != 0) {
        auto list = Json::array();
        for (const auto& group : signer.allowed_groups) list.push_back(text(group.to_hex()));
        out.set("allowed_groups", std::move(list));
    }
    if ((signer.scopes & kScopeWitnessRules) != 0) {
        auto list = Json::array();
        for (const WitnessRule& rule : signer.rules) {
            list.push_back(Json::object()
                               .set("action", text(rule.allow ? "Allow" : "Deny"))
                               .set("condition", condition_json(rule.condition)));
        }
        out.set("rules", std::move(list));
    }
    return out;
}

struct AttributeJson {
    Json out;

    Json operator()(const HighPriority&) { return std::move(out); }
    Json operator()(const OracleResponse& response) {
        out.set("id", text(std::to_string(response.id)));
        out.set("code", Json::unsigned_integer(response.code));
        out.set("result", text(base::base64_encode(response.result)));
        return std::move(out);
    }
    Json operator()(const NotValidBefore& attribute) {
        out.set("height", Json::unsigned_integer(attribute.height));
        return std::move(out);
    }
    Json operator()(const Conflicts& attribute) {
        out.set("hash", text(attribute.hash.to_string()));
        return std::move(out);
    }
    Json operator()(const NotaryAssisted& attribute) {
        out.set("keys", Json::unsigned_integer(attribute.keys));
        return std::move(out);
    }
};

Json attribute_json(const Attribute& attribute) {
    AttributeJson visitor{Json::object()};
    visitor.out.set("type", text(std::string(attribute_name(attribute))));
    return std::visit(std::move(visitor), attribute);
}

Json call_json(const ContractCall& call) {
    auto arguments = Json::array();
    for (const Value& value : call.arguments) arguments.push_back(to_json(value));
    auto out = Json::object()
                   .set("contract", text(call.contract.to_string()))
                   .set("method", text(call.method))
                   .set("call_flags", text(flags_text(call.flags)))
                   .set("arguments", std::move(arguments))
                   .set("asserted", Json::boolean(call.asserted))
                   .set("kind", text(kind_text(call.kind)))
                   .set("offset", Json::unsigned_integer(call.offset));
    const std::string_view name = native_contract_name(call.contract);
    if (!name.empty()) out.set("contract_name", text(std::string(name)));
    return out;
}

Json transfer_json(const Nep17Transfer& transfer) {
    auto out = Json::object()
                   .set("standard", text("NEP-17"))
                   .set("token", text(transfer.token.to_string()))
                   .set("from", text(address_of(transfer.from)))
                   .set("to", text(address_of(transfer.to)))
                   .set("amount", text(transfer.amount.to_string()))
                   .set("data", to_json(transfer.data));
    if (const Token* const token = find_token(transfer.token)) {
        out.set("symbol", text(std::string(token->symbol)));
        out.set("decimals", Json::integer(token->decimals));
    }
    return out;
}

Json transfer_json(const Nep11Transfer& transfer) {
    auto out = Json::object()
                   .set("standard", text("NEP-11"))
                   .set("token", text(transfer.contract.to_string()))
                   .set("to", text(address_of(transfer.to)))
                   .set("token_id", text(base::hex_encode(transfer.token_id)))
                   .set("data", to_json(transfer.data));
    if (transfer.from) out.set("from", text(address_of(*transfer.from)));
    if (transfer.amount) out.set("amount", text(transfer.amount->to_string()));
    return out;
}

void append_call(std::string& out, const Explanation& explanation, const ContractCall& call) {
    switch (call.kind) {
        case ContractCall::Kind::Nep17: {
            const Nep17Transfer& transfer = explanation.transfers[call.transfer_index];
            out += fmt::format(
                "transfer {} from {} to {}", quantity(transfer), address_of(transfer.from),
                address_of(transfer.to));
            if (transfer.data.type != Value::Type::Null) out += ", data " + to_text(transfer.data);
            break;
        }
        case ContractCall::Kind::Nep11: {
            const Nep11Transfer& transfer = explanation.nft_transfers[call.transfer_index];
            out += fmt::format(
                "transfer NFT {} of {} to {}", to_text(Value::of_bytes(transfer.token_id)),
                transfer.contract.to_string(), address_of(transfer.to));
            if (transfer.from) out += " from " + address_of(*transfer.from);
            if (transfer.amount) out += ", amount " + transfer.amount->to_string();
            if (transfer.data.type != Value::Type::Null) out += ", data " + to_text(transfer.data);
            break;
        }
        case ContractCall::Kind::Read:
        case ContractCall::Kind::Other: {
            out += call.kind == ContractCall::Kind::Read ? "read " : "CALL ";
            out += fmt::format(
                "{} of {} with (", to_text(Value::of_text(call.method)),
                contract_label(call.contract));
            for (std::size_t i = 0; i < call.arguments.size(); ++i) {
                out += (i > 0 ? ", " : "") + to_text(call.arguments[i]);
            }
            out += "), call flags " + flags_text(call.flags);
            break;
        }
    }
    if (call.kind != ContractCall::Kind::Read && !call.asserted) out += " (result not checked)";
}

void append_attributes(std::string& out, const Explanation& explanation) {
    for (const Attribute& attribute : explanation.attributes) {
        out += fmt::format("Attribute    {}", attribute_name(attribute));
        if (const auto* const conflicts = std::get_if<Conflicts>(&attribute)) {
            out += " with " + conflicts->hash.to_string();
        } else if (const auto* const before = std::get_if<NotValidBefore>(&attribute)) {
            out += fmt::format(" {}", before->height);
        }
        out += "\n";
    }
}

}  // namespace

Json to_json(const Explanation& explanation) {
    auto out = Json::object()
                   .set("hash", text(explanation.hash.to_string()))
                   .set("understood", Json::boolean(explanation.understood))
                   .set("decoded", Json::boolean(explanation.decoded));
    if (!explanation.reason.empty()) out.set("reason", text(explanation.reason));
    auto transfers = Json::array();
    for (const auto& transfer : explanation.transfers) transfers.push_back(transfer_json(transfer));
    for (const auto& nft : explanation.nft_transfers) transfers.push_back(transfer_json(nft));
    auto calls = Json::array();
    for (const ContractCall& call : explanation.calls) calls.push_back(call_json(call));
    auto signers = Json::array();
    for (const Signer& signer : explanation.signers) {
        signers.push_back(signer_json(signer, &signer == &explanation.signers.front()));
    }
    auto attributes = Json::array();
    for (const auto& attribute : explanation.attributes) {
        attributes.push_back(attribute_json(attribute));
    }
    auto warnings = Json::array();
    for (const std::string& warning : explanation.warnings) warnings.push_back(text(warning));
    out.set("transfers", std::move(transfers)).set("calls", std::move(calls));
    out.set("signers", std::move(signers)).set("attributes", std::move(attributes));
    out.set("sender", text(address_of(explanation.sender())));
    out.set("system_fee", text(std::to_string(explanation.system_fee)));
    out.set("network_fee", text(std::to_string(explanation.network_fee)));
    out.set("fees", text(std::to_string(explanation.fees())));
    out.set("valid_until_block", Json::unsigned_integer(explanation.valid_until_block));
    out.set("nonce", Json::unsigned_integer(explanation.nonce));
    out.set("version", Json::unsigned_integer(explanation.version));
    out.set("script_bytes", Json::unsigned_integer(explanation.script_bytes));
    out.set("warnings", std::move(warnings));
    if (!explanation.decoded) {
        auto listing = Json::array();
        for (const std::string& line : explanation.listing) listing.push_back(text(line));
        out.set("script", std::move(listing));
    }
    return out;
}

std::string to_text(const Explanation& explanation) {
    std::string out = fmt::format("Transaction  {}\n", explanation.hash.to_string());
    out += explanation.understood
               ? "Understood   yes: what leaves the signers is listed here, and nothing else\n"
               : fmt::format("Understood   NO: {}\n", explanation.reason);
    std::size_t number = 0;
    for (const ContractCall& call : explanation.calls) {
        out += fmt::format("{:<11}{:>2}. ", number == 0 ? "Does" : "", number + 1);
        append_call(out, explanation, call);
        out += "\n";
        ++number;
    }
    if (explanation.calls.empty() && explanation.decoded) out += "Does         nothing\n";
    for (const Signer& signer : explanation.signers) {
        out += fmt::format(
            "Signer       {}, scope {}: {}\n", address_of(signer.account),
            scopes_to_string(signer.scopes),
            scope_meaning(signer, &signer == &explanation.signers.front()));
    }
    append_attributes(out, explanation);
    out += fmt::format(
        "Fees         {} (system {}, network {}), paid by {}\n", gas_text(explanation.fees()),
        gas_text(explanation.system_fee), gas_text(explanation.network_fee),
        address_of(explanation.sender()));
    out += fmt::format(
        "Valid        up to block {}, nonce {}\n", explanation.valid_until_block,
        explanation.nonce);
    for (const std::string& warning : explanation.warnings) out += "Warning      " + warning + "\n";
    if (!explanation.decoded) {
        out += fmt::format("Script       {} bytes\n", explanation.script_bytes);
        for (const std::string& line : explanation.listing) out += "             " + line + "\n";
    }
    return out;
}

}  // namespace adyton::neo

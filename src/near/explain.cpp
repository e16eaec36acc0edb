#include <fmt/format.h>

#include "near/delegate.h"
#include "near/transaction.h"

// Transactions and delegates in words.
namespace adyton::near {
namespace {

using base::Json;

// A name that somebody else chose: as it is when it is a plain word, else in quotes and escaped, so
// that it cannot pretend to be another line or another word.
std::string shown(std::string_view name) {
    constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    if (!name.empty() && name.find_first_not_of(kPlain) == std::string_view::npos) {
        return std::string(name);
    }
    std::string out = "\"";
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    return out + "\"";
}

std::string describe_permission(const AccessKeyPermission& permission) {
    if (std::holds_alternative<FullAccess>(permission)) return "FULL ACCESS";
    if (const auto* const call = std::get_if<FunctionCallPermission>(&permission)) {
        std::string methods = "every method";
        if (!call->method_names.empty()) {
            methods.clear();
            for (const std::string& name : call->method_names) {
                methods += (methods.empty() ? "" : ", ") + shown(name);
            }
        }
        return fmt::format(
            "may call {} of {}, allowance {}", methods, call->receiver_id.text(),
            call->allowance.has_value() ? call->allowance->to_string() + " yocto" : "UNLIMITED");
    }
    return "a gas key: " + to_json(permission).dump();
}

std::string describe(const CreateAccount&) {
    return "create the receiver's account";
}

std::string describe(const DeployContract& action) {
    return fmt::format(
        "deploy a contract of {} bytes, SHA-256 {}", action.code.size(),
        crypto::sha256(action.code).to_hex());
}

std::string describe(const FunctionCall& action) {
    const auto args = base::as_text(action.args);
    return fmt::format(
        "call {} with {}, gas {}, deposit {} yocto", shown(action.method_name),
        base::is_valid_utf8(args) ? Json::string(std::string(args)).dump_pretty()
                                  : "base64 " + base::base64_encode(action.args),
        action.gas.to_string(), action.deposit.to_string());
}

std::string describe(const Transfer& action) {
    return fmt::format("transfer {} yocto", action.deposit.to_string());
}

std::string describe(const Stake& action) {
    return fmt::format(
        "stake {} yocto with {}", action.stake.to_string(), action.public_key.to_string());
}

std::string describe(const AddKey& action) {
    return fmt::format(
        "add key {}: {}", action.public_key.to_string(),
        describe_permission(action.access_key.permission));
}

std::string describe(const DeleteKey& action) {
    return fmt::format("delete key {}", action.public_key.to_string());
}

std::string describe(const DeleteAccount& action) {
    return fmt::format(
        "DELETE THE ACCOUNT and send all it holds to {}", action.beneficiary_id.text());
}

std::string describe(const DeployGlobalContract& action) {
    return fmt::format(
        "publish a global contract of {} bytes by its {}, SHA-256 {}", action.code.size(),
        action.deploy_mode == GlobalContractDeployMode::ByCodeHash ? "code hash" : "account",
        crypto::sha256(action.code).to_hex());
}

std::string describe(const UseGlobalContract& action) {
    return "use a global contract: " + to_json(PlainAction(action)).dump();
}

std::string describe(const DeterministicStateInit& action) {
    return fmt::format(
        "initialise a deterministic account with {} entries, deposit {} yocto", action.data.size(),
        action.deposit.to_string());
}

std::string describe(const TransferToGasKey& action) {
    return fmt::format(
        "move {} yocto to gas key {}", action.deposit.to_string(), action.public_key.to_string());
}

std::string describe(const WithdrawFromGasKey& action) {
    return fmt::format(
        "take {} yocto from gas key {}", action.amount.to_string(), action.public_key.to_string());
}

std::string describe(const SignedDelegate& action) {
    const DelegateAction& inner = action.delegate_action;
    std::string out = fmt::format(
        "carry out for {} on {} ({}):", inner.sender_id.text(), inner.receiver_id.text(),
        verify(action) ? "signature valid" : "SIGNATURE WRONG");
    for (const PlainAction& one : inner.actions) {
        out += "\n      " + std::visit([](const auto& kind) { return describe(kind); }, one);
    }
    return out;
}

}  // namespace

std::string explain(const Transaction& transaction) {
    std::string out = fmt::format(
        "hash        {}\nsigner      {}\nkey         {}\nnonce       {}\nreceiver    {}\n"
        "block hash  {}\n",
        hash(transaction).to_string(), transaction.signer_id.text(),
        transaction.public_key.to_string(), transaction.nonce, transaction.receiver_id.text(),
        transaction.block_hash.to_string());
    std::size_t number = 0;
    for (const Action& action : transaction.actions) {
        out += fmt::format(
            "action {}    {}\n", ++number,
            std::visit([](const auto& kind) { return describe(kind); }, action));
    }
    return out;
}

std::string explain(const SignedDelegate& signed_delegate) {
    const DelegateAction& action = signed_delegate.delegate_action;
    std::string out = fmt::format(
        "hash        {}\nsender      {}\nkey         {}\nnonce       {}\nreceiver    {}\n"
        "valid until block {}\nsignature   {}\n",
        hash(action).to_string(), action.sender_id.text(), action.public_key.to_string(),
        action.nonce, action.receiver_id.text(), action.max_block_height,
        verify(signed_delegate) ? "valid" : "WRONG");
    std::size_t number = 0;
    for (const PlainAction& one : action.actions) {
        out += fmt::format(
            "action {}    {}\n", ++number,
            std::visit([](const auto& kind) { return describe(kind); }, one));
    }
    return out;
}

}  // namespace adyton::near

#include "policy/near_facts.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/bytes.h"
#include "near/amounts.h"

namespace adyton::policy {
namespace {

using base::Json;

std::string nep141(const near::AccountId& contract) {
    return "nep141:" + contract.text();
}

// Arguments of a call as a JSON object whose members are all known; null otherwise.
std::optional<Json> read_arguments(
    const base::Bytes& args, std::initializer_list<std::string_view> known) {
    auto json = Json::parse(base::as_text(args));
    if (!json || !json->is_object()) return std::nullopt;
    for (const auto& [name, value] : json->members()) {
        if (std::find(known.begin(), known.end(), name) == known.end()) return std::nullopt;
    }
    return std::move(*json);
}

std::optional<Amount> read_amount(const Json& arguments, std::string_view name) {
    const Json* const member = arguments.find(name);
    if (member == nullptr || !member->is_string()) return std::nullopt;
    const auto amount = near::parse_u128(member->string_value());
    return amount ? std::optional<Amount>(*amount) : std::nullopt;
}

std::optional<std::string> read_account(const Json& arguments, std::string_view name) {
    const Json* const member = arguments.find(name);
    if (member == nullptr || !member->is_string()) return std::nullopt;
    const auto account = near::AccountId::parse(member->string_value());
    return account ? std::optional<std::string>(account->text()) : std::nullopt;
}

bool is_optional_text(const Json& arguments, std::string_view name) {
    const Json* const member = arguments.find(name);
    return member == nullptr || member->is_null() || member->is_string();
}

ActionKind kind_of(std::string_view intent) {
    if (intent == near::TransferIntent::kName) return ActionKind::IntentsTransfer;
    if (intent == near::TokenDiffIntent::kName) return ActionKind::IntentsSwap;
    if (intent == near::StorageDepositIntent::kName) return ActionKind::IntentsStorage;
    if (intent == near::AuthCallIntent::kName) return ActionKind::IntentsAuthCall;
    for (const std::string_view name :
         {near::FtWithdrawIntent::kName, near::NftWithdrawIntent::kName,
          near::MtWithdrawIntent::kName, near::NativeWithdrawIntent::kName}) {
        if (intent == name) return ActionKind::IntentsWithdraw;
    }
    for (const std::string_view name :
         {near::AddPublicKeyIntent::kName, near::RemovePublicKeyIntent::kName,
          near::SetAuthByPredecessorIdIntent::kName}) {
        if (intent == name) return ActionKind::IntentsKeys;
    }
    return ActionKind::Unknown;
}

void take_over(const near::IntentFacts& intent, const std::string& account, Action& action) {
    action.kind = kind_of(intent.kind);
    for (const near::IntentMovement& outflow : intent.outflows) {
        action.movements.push_back(
            {outflow.token, account, outflow.to ? outflow.to->text() : std::string(),
             outflow.amount});
    }
    if (intent.called_contract) action.detail = "calls " + intent.called_contract->text();
}

// Builds the facts of one transaction or delegate.
class Reader {
public:
    Reader(
        const near::AccountId& account, const near::AccountId& receiver, const NearNetwork& network)
        : account_(account), receiver_(receiver), network_(network) {
        facts_.chain = network.chain;
        facts_.account = account.text();
    }

    void read(const near::PlainAction& action) {
        std::visit([this](const auto& each) { add(each); }, action);
    }
    void not_understood(std::string reason) {
        facts_.understood = false;
        facts_.reason = reason;
        plain(ActionKind::Unknown, std::move(reason));
    }
    ActionFacts take() { return std::move(facts_); }

private:
    Action& plain(ActionKind kind, std::string detail) {
        Action& action = facts_.actions.emplace_back();
        action.kind = kind;
        action.detail = std::move(detail);
        return action;
    }
    void pay(Action& action, near::YoctoNear amount) {
        action.movements.push_back(
            {std::string(kNativeToken), account_.text(), receiver_.text(), amount.amount()});
    }

    void add(const near::CreateAccount&) {
        plain(ActionKind::CreateAccount, "creates " + receiver_.text());
    }
    void add(const near::DeployContract&) { plain(ActionKind::Deploy, "deploys a contract"); }
    void add(const near::FunctionCall& call);
    void add(const near::Transfer& transfer) {
        pay(plain(ActionKind::Transfer, ""), transfer.deposit);
    }
    void add(const near::Stake& stake) {
        plain(ActionKind::Stake, "stakes " + stake.stake.to_string());
    }
    void add(const near::AddKey& key) {
        plain(ActionKind::AddKey, "adds the key " + key.public_key.to_string());
    }
    void add(const near::DeleteKey& key) {
        plain(ActionKind::DeleteKey, "deletes the key " + key.public_key.to_string());
    }
    void add(const near::DeleteAccount& account) {
        plain(ActionKind::DeleteAccount, "all goes to " + account.beneficiary_id.text());
    }
    void add(const near::DeployGlobalContract&) {
        plain(ActionKind::Deploy, "deploys a contract for everybody");
    }
    void add(const near::UseGlobalContract&) { plain(ActionKind::Deploy, "takes over a contract"); }
    void add(const near::DeterministicStateInit& init) {
        pay(plain(ActionKind::Deploy, "creates a deterministic account"), init.deposit);
    }
    void add(const near::TransferToGasKey& transfer) {
        pay(plain(ActionKind::AddKey, "pays into a gas key"), transfer.deposit);
    }
    void add(const near::WithdrawFromGasKey&) {
        plain(ActionKind::DeleteKey, "takes from a gas key");
    }

    // Each says whether it read the call to the end.
    bool read_token_call(const near::FunctionCall& call, Action& action);
    bool read_ft_transfer(const near::FunctionCall& call, Action& action);
    bool read_ft_transfer_call(const near::FunctionCall& call, Action& action);
    bool read_nft_transfer(const near::FunctionCall& call, Action& action);
    bool read_near_withdraw(const near::FunctionCall& call, Action& action);
    bool read_storage_deposit(const near::FunctionCall& call);
    bool read_intents_call(const near::FunctionCall& call, Action& action);
    bool read_mt_transfer(const near::FunctionCall& call, Action& action);
    bool read_withdrawal(const near::FunctionCall& call, Action& action);

    const near::AccountId& account_;
    const near::AccountId& receiver_;
    const NearNetwork& network_;
    ActionFacts facts_;
};

void Reader::add(const near::FunctionCall& call) {
    Action& action = facts_.actions.emplace_back();
    action.kind = ActionKind::Call;
    action.call.emplace();
    action.call->receiver = receiver_.text();
    action.call->method = call.method_name;
    action.call->deposit = call.deposit.amount();
    action.call->gas = call.gas.units();
    const bool known = receiver_ == network_.intents ? read_intents_call(call, action)
                                                     : read_token_call(call, action);
    action.call->opaque = !known;
}

bool Reader::read_token_call(const near::FunctionCall& call, Action& action) {
    if (call.method_name == "ft_transfer") return read_ft_transfer(call, action);
    if (call.method_name == "ft_transfer_call") return read_ft_transfer_call(call, action);
    if (call.method_name == "nft_transfer") return read_nft_transfer(call, action);
    if (call.method_name == "storage_deposit") return read_storage_deposit(call);
    if (receiver_ != network_.wrap) return false;
    if (call.method_name == "near_withdraw") return read_near_withdraw(call, action);
    // The deposit is all.
    return call.method_name == "near_deposit" &&
           (call.args.empty() || read_arguments(call.args, {}).has_value());
}

bool Reader::read_ft_transfer(const near::FunctionCall& call, Action& action) {
    const auto arguments = read_arguments(call.args, {"receiver_id", "amount", "memo"});
    if (!arguments || !is_optional_text(*arguments, "memo")) return false;
    const auto to = read_account(*arguments, "receiver_id");
    const auto amount = read_amount(*arguments, "amount");
    if (!to || !amount) return false;
    action.movements.push_back({nep141(receiver_), account_.text(), *to, *amount});
    return true;
}

bool Reader::read_ft_transfer_call(const near::FunctionCall& call, Action& action) {
    const auto arguments = read_arguments(call.args, {"receiver_id", "amount", "memo", "msg"});
    if (!arguments || !is_optional_text(*arguments, "memo")) return false;
    const auto to = read_account(*arguments, "receiver_id");
    const auto amount = read_amount(*arguments, "amount");
    const Json* const msg = arguments->find("msg");
    if (!to || !amount || msg == nullptr || !msg->is_string()) return false;
    // The message is the receiver's business: it acts with tokens that have left already. Only
    // what is credited to the account itself is a deposit of its own.
    const bool own = msg->string_value().empty() || msg->string_value() == account_.text();
    if (*to == network_.intents.text() && own) action.kind = ActionKind::IntentsDeposit;
    action.movements.push_back({nep141(receiver_), account_.text(), *to, *amount});
    return true;
}

bool Reader::read_nft_transfer(const near::FunctionCall& call, Action& action) {
    const auto arguments =
        read_arguments(call.args, {"receiver_id", "token_id", "approval_id", "memo"});
    if (!arguments || !is_optional_text(*arguments, "memo")) return false;
    const auto to = read_account(*arguments, "receiver_id");
    const Json* const token = arguments->find("token_id");
    if (!to || token == nullptr || !token->is_string()) return false;
    action.movements.push_back(
        {"nep171:" + receiver_.text() + ":" + token->string_value(), account_.text(), *to,
         Amount(1)});
    return true;
}

bool Reader::read_near_withdraw(const near::FunctionCall& call, Action& action) {
    const auto arguments = read_arguments(call.args, {"amount"});
    const auto amount = arguments ? read_amount(*arguments, "amount") : std::nullopt;
    if (!amount) return false;
    action.movements.push_back({nep141(receiver_), account_.text(), account_.text(), *amount});
    return true;
}

bool Reader::read_storage_deposit(const near::FunctionCall& call) {
    return call.args.empty() ||
           read_arguments(call.args, {"account_id", "registration_only"}).has_value();
}

bool Reader::read_intents_call(const near::FunctionCall& call, Action& action) {
    const std::string& method = call.method_name;
    if (method == "execute_intents") {
        return near::parse_execute_intents_args(call.args).has_value();
    }
    if (method == "mt_transfer") return read_mt_transfer(call, action);
    if (method == near::FtWithdrawIntent::kName || method == near::NftWithdrawIntent::kName ||
        method == near::MtWithdrawIntent::kName) {
        return read_withdrawal(call, action);
    }
    for (const std::string_view name :
         {"add_public_key", "remove_public_key", "invalidate_nonces",
          "enable_auth_by_predecessor_id", "disable_auth_by_predecessor_id"}) {
        if (method != name) continue;
        action.kind = ActionKind::IntentsKeys;
        return true;
    }
    return false;
}

bool Reader::read_mt_transfer(const near::FunctionCall& call, Action& action) {
    const auto arguments =
        read_arguments(call.args, {"receiver_id", "token_id", "amount", "memo", "approval"});
    if (!arguments || !is_optional_text(*arguments, "memo")) return false;
    const Json* const approval = arguments->find("approval");
    if (approval != nullptr && !approval->is_null()) return false;
    const auto to = read_account(*arguments, "receiver_id");
    const auto amount = read_amount(*arguments, "amount");
    const Json* const id = arguments->find("token_id");
    const auto token = id != nullptr && id->is_string()
                           ? near::TokenId::parse(id->string_value())
                           : Result<near::TokenId>(Error::invalid_argument(""));
    if (!to || !amount || !token) return false;
    action.kind = ActionKind::IntentsTransfer;
    action.movements.push_back({token->text(), account_.text(), *to, *amount});
    return true;
}

// The arguments are the members of the intent of the same name.
bool Reader::read_withdrawal(const near::FunctionCall& call, Action& action) {
    auto json = Json::parse(base::as_text(call.args));
    if (!json || !json->is_object() || json->find("intent") != nullptr) return false;
    json->set("intent", Json::string(call.method_name));
    const near::IntentFacts intent =
        near::facts_of(near::parse_intent(*json), account_, network_.wrap);
    if (!intent.understood) return false;
    take_over(intent, account_.text(), action);
    return true;
}

}  // namespace

NearNetwork NearNetwork::mainnet() {
    return {
        "near:mainnet", near::AccountId::parse("intents.near").value(),
        near::AccountId::parse("wrap.near").value()};
}

ActionFacts facts_of(
    const near::AccountId& account, const near::AccountId& receiver,
    std::span<const near::PlainAction> actions, const NearNetwork& network) {
    Reader reader(account, receiver, network);
    for (const near::PlainAction& action : actions) reader.read(action);
    return reader.take();
}

ActionFacts facts_of(const near::DelegateAction& delegate, const NearNetwork& network) {
    return facts_of(delegate.sender_id, delegate.receiver_id, delegate.actions, network);
}

ActionFacts facts_of(const near::Transaction& transaction, const NearNetwork& network) {
    Reader reader(transaction.signer_id, transaction.receiver_id, network);
    for (const near::Action& action : transaction.actions) {
        std::visit(
            [&reader](const auto& each) {
                using Each = std::decay_t<decltype(each)>;
                if constexpr (std::is_same_v<Each, near::SignedDelegate>) {
                    reader.not_understood("it carries somebody else's signed delegate");
                } else {
                    reader.read(near::PlainAction(each));
                }
            },
            action);
    }
    return reader.take();
}

ActionFacts facts_of(
    const near::AccountId& account, const near::MessagePayload& payload,
    const NearNetwork& network) {
    ActionFacts facts;
    facts.chain = network.chain;
    facts.account = account.text();
    const auto call_of = [&payload](std::string method) {
        ContractCall call;
        call.receiver = payload.recipient;
        call.method = std::move(method);
        return call;
    };
    if (payload.recipient != network.intents.text()) {
        Action& action = facts.actions.emplace_back();
        action.kind = ActionKind::SignMessage;
        action.call = call_of("");
        return facts;
    }
    const auto refuse = [&facts](std::string reason) {
        facts.understood = false;
        facts.reason = std::move(reason);
    };
    const auto message = near::parse_intents_message(payload.message);
    if (!message) {
        facts.actions.emplace_back();
        refuse(message.error().message());
        return facts;
    }
    if (message->signer_id != account) refuse("the message is of another signer");
    if (!message->unknown_members.empty()) refuse("the message has members that are not known");
    for (const near::IntentFacts& intent : near::facts_of(*message, network.wrap)) {
        Action& action = facts.actions.emplace_back();
        take_over(intent, account.text(), action);
        action.call = call_of("execute_intents");
        if (!intent.understood) refuse(intent.reason);
    }
    return facts;
}

}  // namespace adyton::policy

#include "localchain/contracts/wrap.h"

#include <fmt/format.h>

#include <map>

#include "localchain/contracts/json_args.h"

namespace adyton::localchain {
namespace {

using base::Amount;
using base::Json;

constexpr near::Gas kOwnGas = near::Gas::from_tgas(2);
constexpr near::Gas kResolveGas = near::Gas::from_tgas(5);
constexpr near::Gas kTransferCallGas = near::Gas::from_tgas(30);
constexpr near::Gas kKeptGas = near::Gas::from_tgas(12);  // of ft_transfer_call, for the rest
const std::string kSupply = "supply";

Error panic(std::string text) {
    return Error::unprocessable(std::move(text));
}

// 0.00125 NEAR
Amount registration_fee() {
    return near::parse_u128("1250000000000000000000").value();
}

std::string balance_key(const near::AccountId& id) {
    return "b:" + id.text();
}

bool is_registered(NearCall& call, const near::AccountId& id) {
    return call.storage().get(balance_key(id)).has_value();
}

Result<void> require_registered(NearCall& call, const near::AccountId& id) {
    if (is_registered(call, id)) return {};
    return panic("The account " + id.text() + " is not registered");
}

Result<void> add(NearCall& call, const near::AccountId& id, Amount amount) {
    TRY_VOID(require_registered(call, id));
    const auto sum = stored_amount(call.storage(), balance_key(id)).plus(amount);
    if (!sum.has_value()) return panic("Balance overflow");
    call.storage().set(balance_key(id), sum->to_string());
    return {};
}

Result<void> take(NearCall& call, const near::AccountId& id, Amount amount) {
    TRY_VOID(require_registered(call, id));
    const auto left = stored_amount(call.storage(), balance_key(id)).minus(amount);
    if (!left.has_value()) return panic("The account doesn't have enough balance");
    call.storage().set(balance_key(id), left->to_string());
    return {};
}

void log_event(NearCall& call, std::string_view event, const std::string& data) {
    call.log(fmt::format(
        R"(EVENT_JSON:{{"standard":"nep141","version":"1.0.0","event":"{}","data":[{}]}})", event,
        data));
}

// --- wrapping ------------------------------------------------------------------------------------

Result<std::string> near_deposit(NearCall& call) {
    Amount amount = call.deposit().amount();
    const near::AccountId& id = call.predecessor();
    if (!is_registered(call, id)) {
        const auto left = amount.minus(registration_fee());
        if (!left.has_value()) return panic("ERR_DEPOSIT_TOO_SMALL");
        amount = *left;
        call.storage().set(balance_key(id), "0");
    }
    TRY_VOID(add(call, id, amount));
    const Amount supply = stored_amount(call.storage(), kSupply);
    call.storage().set(kSupply, supply.plus(amount).value_or(supply).to_string());
    log_event(
        call, "ft_mint",
        fmt::format(R"({{"owner_id":"{}","amount":"{}"}})", id.text(), amount.to_string()));
    return std::string();
}

Result<std::string> near_withdraw(NearCall& call) {
    TRY_VOID(require_one_yocto(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const Amount amount, args.amount("amount"));
    const near::AccountId& id = call.predecessor();
    TRY_VOID(take(call, id, amount));
    const Amount supply = stored_amount(call.storage(), kSupply);
    call.storage().set(kSupply, supply.minus(amount).value_or(Amount()).to_string());
    log_event(
        call, "ft_burn",
        fmt::format(R"({{"owner_id":"{}","amount":"{}"}})", id.text(), amount.to_string()));
    // The yocto that was attached goes back too.
    const auto paid = amount.plus(Amount(1));
    if (!paid.has_value()) return panic("Balance overflow");
    TRY(const auto promise, call.transfer(id, near::YoctoNear(*paid)));
    call.return_promise(promise);
    return std::string();
}

// --- NEP-141 -------------------------------------------------------------------------------------

Result<void> move(
    NearCall& call, const near::AccountId& from, const near::AccountId& to, Amount amount) {
    if (from == to) return panic("Sender and receiver should be different");
    if (amount == Amount()) return panic("The amount should be a positive number");
    TRY_VOID(take(call, from, amount));
    TRY_VOID(add(call, to, amount));
    log_event(
        call, "ft_transfer",
        fmt::format(
            R"({{"old_owner_id":"{}","new_owner_id":"{}","amount":"{}"}})", from.text(), to.text(),
            amount.to_string()));
    return {};
}

Result<std::string> ft_transfer(NearCall& call) {
    TRY_VOID(require_one_yocto(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId receiver, args.account("receiver_id"));
    TRY(const Amount amount, args.amount("amount"));
    TRY_VOID(move(call, call.predecessor(), receiver, amount));
    return std::string();
}

Result<std::string> ft_transfer_call(NearCall& call) {
    TRY_VOID(require_one_yocto(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId receiver, args.account("receiver_id"));
    TRY(const Amount amount, args.amount("amount"));
    TRY(const std::string msg, args.text("msg"));
    if (call.gas_left() < kTransferCallGas) return panic("More gas is required");
    TRY_VOID(move(call, call.predecessor(), receiver, amount));
    const near::Gas inner(call.gas_left().units() - kKeptGas.units());
    NearCall::Call tell{
        receiver,
        "ft_on_transfer",
        fmt::format(
            R"({{"sender_id":"{}","amount":"{}","msg":{}}})", call.predecessor().text(),
            amount.to_string(), quoted(msg)),
        {},
        inner};
    TRY(const auto told, call.call(std::move(tell)));
    NearCall::Call resolve{
        call.current_account(),
        "ft_resolve_transfer",
        fmt::format(
            R"({{"sender_id":"{}","receiver_id":"{}","amount":"{}"}})", call.predecessor().text(),
            receiver.text(), amount.to_string()),
        {},
        kResolveGas};
    TRY(const auto resolved, call.then(told, std::move(resolve)));
    call.return_promise(resolved);
    return std::string();
}

// What the receiver did not use goes back as far as it still has it.
Result<std::string> ft_resolve_transfer(NearCall& call) {
    TRY_VOID(require_own_call(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId sender, args.account("sender_id"));
    TRY(const near::AccountId receiver, args.account("receiver_id"));
    TRY(const Amount amount, args.amount("amount"));
    Amount unused = amount;
    if (!call.promise_results().empty() && call.promise_results().front().succeeded) {
        const auto said = Json::parse(base::as_text(call.promise_results().front().value));
        if (said && said->is_string()) {
            const auto number = near::parse_u128(said->string_value());
            if (number) unused = std::min(*number, amount);
        }
    }
    const Amount there = stored_amount(call.storage(), balance_key(receiver));
    const Amount refund = std::min(unused, there);
    if (refund != Amount() && is_registered(call, sender)) {
        TRY_VOID(move(call, receiver, sender, refund));
        return quoted(amount.minus(refund).value_or(Amount()).to_string());
    }
    return quoted(amount.to_string());
}

Result<std::string> ft_balance_of(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId id, args.account("account_id"));
    return quoted(stored_amount(call.storage(), balance_key(id)).to_string());
}

Result<std::string> ft_total_supply(NearCall& call) {
    return quoted(stored_amount(call.storage(), kSupply).to_string());
}

Result<std::string> ft_metadata(NearCall&) {
    return std::string(
        R"({"spec":"ft-1.0.0","name":"Wrapped NEAR fungible token","symbol":"wNEAR",)"
        R"("icon":null,"reference":null,"reference_hash":null,"decimals":24})");
}

// --- NEP-145 -------------------------------------------------------------------------------------

std::string storage_balance() {
    return fmt::format(R"({{"total":"{}","available":"0"}})", registration_fee().to_string());
}

Result<std::string> storage_deposit(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    near::AccountId id = call.predecessor();
    if (args.find("account_id") != nullptr) {
        TRY(id, args.account("account_id"));
    }
    Amount back = call.deposit().amount();
    if (is_registered(call, id)) {
        call.log("The account is already registered, refunding the deposit");
    } else {
        const auto left = back.minus(registration_fee());
        if (!left.has_value()) {
            return panic("The attached deposit is less than the minimum storage balance");
        }
        back = *left;
        call.storage().set(balance_key(id), "0");
    }
    if (back != Amount()) {
        TRY_VOID(call.transfer(call.predecessor(), near::YoctoNear(back)));
    }
    return storage_balance();
}

Result<std::string> storage_unregister(NearCall& call) {
    TRY_VOID(require_one_yocto(call));
    const near::AccountId& id = call.predecessor();
    if (!is_registered(call, id)) return std::string("false");
    if (stored_amount(call.storage(), balance_key(id)) != Amount()) {
        return panic("Can't unregister the account with the positive balance without force");
    }
    call.storage().remove(balance_key(id));
    const Amount back = registration_fee().plus(Amount(1)).value();
    TRY_VOID(call.transfer(id, near::YoctoNear(back)));
    return std::string("true");
}

Result<std::string> storage_balance_of(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId id, args.account("account_id"));
    return is_registered(call, id) ? storage_balance() : std::string("null");
}

Result<std::string> storage_balance_bounds(NearCall&) {
    const std::string fee = registration_fee().to_string();
    return fmt::format(R"({{"min":"{}","max":"{}"}})", fee, fee);
}

struct MethodInfo {
    Result<std::string> (*run)(NearCall&);
    bool is_view;
};

}  // namespace

void WrapContract::deploy(const near::AccountId&, NearStorage& storage) const {
    Amount supply;
    for (const auto& [id, amount] : holders_) {
        storage.set(balance_key(id), amount.to_string());
        supply = supply.plus(amount).value();
    }
    storage.set(kSupply, supply.to_string());
}

Result<std::string> WrapContract::run(NearCall& call) const {
    static const std::map<std::string_view, MethodInfo> kMethods = {
        {"near_deposit", {near_deposit, false}},
        {"near_withdraw", {near_withdraw, false}},
        {"ft_transfer", {ft_transfer, false}},
        {"ft_transfer_call", {ft_transfer_call, false}},
        {"ft_resolve_transfer", {ft_resolve_transfer, false}},
        {"storage_deposit", {storage_deposit, false}},
        {"storage_unregister", {storage_unregister, false}},
        {"ft_balance_of", {ft_balance_of, true}},
        {"ft_total_supply", {ft_total_supply, true}},
        {"ft_metadata", {ft_metadata, true}},
        {"storage_balance_of", {storage_balance_of, true}},
        {"storage_balance_bounds", {storage_balance_bounds, true}},
    };
    const auto found = kMethods.find(call.method());
    if (found == kMethods.end()) return Error::not_found("no such method");
    if (call.is_view() && !found->second.is_view) {
        return Error::unprocessable("ProhibitedInView", "view");
    }
    TRY_VOID(call.burn(kOwnGas));
    return found->second.run(call);
}

}  // namespace adyton::localchain

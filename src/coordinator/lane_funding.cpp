#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "coordinator/internal/lanes.h"
#include "coordinator/lane_request.h"
#include "near/compact_json.h"

// What the steps of the funding lane and of the direct-user lane are as transactions, by what the
// chain says now (near.md 8.1 and 8.2).
namespace adyton::coordinator {

using base::Amount;
using base::Json;

namespace {

constexpr std::string_view kFtPrefix = "nep141:";
constexpr std::string_view kIntentsSuffix = ":intents";
constexpr std::string_view kNative = "native";
constexpr std::string_view kCount = "get_count";

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

std::string param(const LaneSegment& segment, std::string_view name) {
    const Json* const found = segment.params.find(name);
    return found != nullptr && found->is_string() ? found->string_value() : std::string();
}

// The contract said no, or there is none: the same when asked again.
bool is_answer(const Error& error) {
    return error.code() == ErrorCode::Unprocessable || error.code() == ErrorCode::NotFound;
}

std::string account_args(const std::string& account) {
    return near::compact_json(Json::object().set("account_id", text(account)));
}

std::string too_little(std::string_view what, const Amount& there, const Amount& needed) {
    return fmt::format("{} is {}, {} are needed", what, there.to_string(), needed.to_string());
}

Amount amount_of(const std::string& digits) {
    const auto amount = near::parse_u128(digits);
    return amount ? *amount : Amount();  // checked when the request came
}

std::string ft_transfer_call_args(const std::string& receiver, const std::string& amount) {
    return near::compact_json(Json::object()
                                  .set("receiver_id", text(receiver))
                                  .set("amount", text(amount))
                                  .set("msg", text("")));
}

}  // namespace

LaneTransaction Lanes::own_call(
    const Work& work, const std::string& receiver, LaneCall call) const {
    LaneTransaction out;
    out.signer_id = work.flight.state.wallet_account;
    out.public_key = work.flight.state.wallet_key;
    out.receiver_id = receiver;
    out.calls.push_back(std::move(call));
    return out;
}

namespace {

Result<void> check_height(const LanesState& state, std::uint64_t height) {
    for (const LaneSegment& segment : state.segments) {
        for (const LaneTransaction& tx : segment.transactions) {
            if (tx.last_height > height) {
                return Error::unavailable("the node does not know yet what an earlier step did");
            }
        }
    }
    return {};
}

}  // namespace

Task<Result<Amount>> Lanes::token_balance(
    const Work& work, std::string token, std::string account) {
    CO_TRY(const auto contract, near::AccountId::parse(token));
    const std::string args = account_args(account);
    const auto bytes = base::as_bytes(args);
    auto asking = core_.parts.chain.call_function(
        contract, "ft_balance_of", base::Bytes(bytes.begin(), bytes.end()));
    CO_TRY(const auto view, co_await std::move(asking));
    CO_TRY_VOID(check_height(work.state, view.block_height));
    const auto answer = Json::parse(base::as_text(view.result));
    const auto amount =
        near::parse_u128(answer && answer->is_string() ? answer->string_value() : "-");
    if (!amount) co_return Error::unprocessable(token + ".ft_balance_of cannot be read");
    co_return *amount;
}

Task<Result<Amount>> Lanes::intents_balance(
    const Work& work, std::string token, std::string account) {
    const std::string name = std::string(kFtPrefix) + token;
    auto asking = core_.facts.intents_balances(std::move(account), {name});
    CO_TRY(const auto there, co_await std::move(asking));
    CO_TRY_VOID(check_height(work.state, there.block_height));
    co_return there.amounts.at(name);
}

Task<Result<Amount>> Lanes::native_balance(const Work& work, std::string account) {
    CO_TRY(const auto id, near::AccountId::parse(account));
    auto finding = core_.parts.chain.find_account(id);
    CO_TRY(const auto there, co_await std::move(finding));
    if (!there) co_return Amount();
    CO_TRY_VOID(check_height(work.state, there->block_height));
    co_return there->amount.amount();
}

Task<Result<void>> Lanes::add_registration(
    Work& work, const std::string& token, const std::string& account, Intended& out) {
    CO_TRY(const auto contract, near::AccountId::parse(token));
    auto asking = core_.facts.view(contract, "storage_balance_of", account_args(account));
    const auto there = co_await std::move(asking);
    if (!there && !is_answer(there.error())) co_return there.error();
    if (!there) {
        out.failure = fmt::format("{}: {}", token, cut_text(there.error().message(), 200));
        co_return Result<void>();
    }
    if (!there->is_null()) co_return Result<void>();
    auto bounding = core_.facts.view(contract, "storage_balance_bounds", "{}");
    const auto bounds = co_await std::move(bounding);
    if (!bounds && !is_answer(bounds.error())) co_return bounds.error();
    const Json* const least = bounds && bounds->is_object() ? bounds->find("min") : nullptr;
    const auto price =
        near::parse_u128(least != nullptr && least->is_string() ? least->string_value() : "-");
    if (!price) {
        out.failure = token + ".storage_balance_bounds cannot be read";
        co_return Result<void>();
    }
    const Amount most = core_.options.storage_deposit_max.amount();
    if (*price > most) {
        out.failure = fmt::format(
            "{} asks {} yoctoNEAR to register an account, more than {}", token, price->to_string(),
            most.to_string());
        co_return Result<void>();
    }
    const Json args = Json::object()
                          .set("account_id", text(account))
                          .set("registration_only", Json::boolean(true));
    out.transactions.push_back(own_call(
        work, token,
        {"storage_deposit", near::compact_json(args), kFundingGas, price->to_string()}));
    co_return Result<void>();
}

Task<Result<Lanes::Intended>> Lanes::intend(Work& work, const LaneSegment& segment, Look look) {
    if (segment.lane == Lane::DirectUser) {
        auto doing = intend_user_calls(work, segment);
        co_return co_await std::move(doing);
    }
    const bool views = segment.kind == "view" || segment.kind == "funding.balance_check";
    if (views) {
        auto doing = intend_view(work, segment, look);
        co_return co_await std::move(doing);
    }
    // Whoever signs must exist.
    CO_TRY(const auto wallet, near::AccountId::parse(work.flight.state.wallet_account));
    auto finding = core_.parts.chain.find_account(wallet);
    CO_TRY(const auto account, co_await std::move(finding));
    if (!account) {
        Intended out;
        out.failure = "wallet account is not funded";
        co_return out;
    }
    Task<Result<Intended>> doing;
    if (segment.kind == "funding.wrap_near") {
        doing = intend_wrap(work, segment, look);
    } else if (segment.kind == "funding.storage_deposit") {
        doing = intend_storage(work, segment);
    } else if (segment.kind == "funding.intents_deposit") {
        doing = intend_deposit(work, segment, look);
    } else if (segment.kind == "funding.unwrap_near") {
        doing = intend_unwrap(work, segment, look);
    } else if (segment.kind == "funding.intents_withdraw") {
        doing = intend_withdraw(work, segment, look);
    } else {
        Intended out;
        out.transactions.push_back(
            own_call(work, param(segment, "receiver_id"), segment.calls.front()));
        out.balances = {std::string(kNative)};
        co_return out;
    }
    co_return co_await std::move(doing);
}

// Registered first, so that all of the amount is minted.
Task<Result<Lanes::Intended>> Lanes::intend_wrap(
    Work& work, const LaneSegment& segment, Look look) {
    Intended out;
    const std::string wrap = core_.options.wrap_contract.text();
    const std::string account = work.flight.state.wallet_account;
    auto registering = add_registration(work, wrap, account, out);
    CO_TRY_VOID(co_await std::move(registering));
    if (out.failure) co_return out;
    const std::string digits = param(segment, "amount");
    Amount needed = core_.options.gas_reserve.amount();
    for (const std::string& more :
         {digits, out.transactions.empty() ? "0" : out.transactions.front().calls[0].deposit}) {
        const auto sum = needed.plus(amount_of(more));
        if (!sum) {
            out.failure = "the amount is too large";
            co_return out;
        }
        needed = *sum;
    }
    if (look == Look::Now) {
        auto asking = native_balance(work, account);
        CO_TRY(const Amount held, co_await std::move(asking));
        if (held < needed) {
            out.failure = too_little("the wallet's balance in yoctoNEAR", held, needed);
            co_return out;
        }
    }
    out.transactions.push_back(own_call(work, wrap, {"near_deposit", "{}", kFundingGas, digits}));
    out.balances = {std::string(kNative), std::string(kFtPrefix) + wrap};
    co_return out;
}

Task<Result<Lanes::Intended>> Lanes::intend_storage(Work& work, const LaneSegment& segment) {
    Intended out;
    std::string account = param(segment, "account_id");
    if (account.empty()) account = work.flight.state.wallet_account;
    const std::string token = param(segment, "token");
    auto registering = add_registration(work, token, account, out);
    CO_TRY_VOID(co_await std::move(registering));
    if (!out.failure && out.transactions.empty()) {
        out.skip = true;
        out.note = "already_registered";
    }
    out.balances = {std::string(kNative)};
    co_return out;
}

Task<Result<Lanes::Intended>> Lanes::intend_deposit(
    Work& work, const LaneSegment& segment, Look look) {
    Intended out;
    const std::string token = param(segment, "token");
    const std::string amount = param(segment, "amount");
    const std::string intents = core_.options.intents_contract.text();
    if (look == Look::Now) {
        auto asking = token_balance(work, token, work.flight.state.wallet_account);
        const auto held = co_await std::move(asking);
        if (!held && !is_answer(held.error())) co_return held.error();
        if (!held) out.failure = cut_text(held.error().message(), 300);
        if (held && *held < amount_of(amount)) {
            out.failure = too_little("the wallet's balance of " + token, *held, amount_of(amount));
        }
        if (out.failure) co_return out;
    }
    auto registering = add_registration(work, token, intents, out);
    CO_TRY_VOID(co_await std::move(registering));
    if (out.failure) co_return out;
    out.transactions.push_back(own_call(
        work, token,
        {"ft_transfer_call", ft_transfer_call_args(intents, amount), kDepositGas, "1"}));
    const std::string name = std::string(kFtPrefix) + token;
    out.balances = {name, name + std::string(kIntentsSuffix)};
    co_return out;
}

Task<Result<Lanes::Intended>> Lanes::intend_unwrap(
    Work& work, const LaneSegment& segment, Look look) {
    Intended out;
    const std::string wrap = core_.options.wrap_contract.text();
    const std::string amount = param(segment, "amount");
    if (look == Look::Now) {
        auto asking = token_balance(work, wrap, work.flight.state.wallet_account);
        const auto held = co_await std::move(asking);
        if (!held && !is_answer(held.error())) co_return held.error();
        const Amount there = held ? *held : Amount();
        if (there < amount_of(amount)) {
            out.failure = too_little("the wallet's balance of " + wrap, there, amount_of(amount));
            co_return out;
        }
    }
    const Json args = Json::object().set("amount", text(amount));
    out.transactions.push_back(
        own_call(work, wrap, {"near_withdraw", near::compact_json(args), kFundingGas, "1"}));
    out.balances = {std::string(kNative), std::string(kFtPrefix) + wrap};
    co_return out;
}

Task<Result<Lanes::Intended>> Lanes::intend_withdraw(
    Work& work, const LaneSegment& segment, Look look) {
    Intended out;
    const std::string token = param(segment, "token");
    const std::string amount = param(segment, "amount");
    const std::string wallet = work.flight.state.wallet_account;
    std::string receiver = param(segment, "receiver_id");
    if (receiver.empty()) receiver = wallet;
    const std::string name = std::string(kFtPrefix) + token;
    if (look == Look::Now) {
        auto asking = intents_balance(work, token, wallet);
        CO_TRY(const Amount held, co_await std::move(asking));
        if (held < amount_of(amount)) {
            out.failure = too_little(
                "the wallet's balance inside the intents contract", held, amount_of(amount));
            co_return out;
        }
    }
    auto registering = add_registration(work, token, receiver, out);
    CO_TRY_VOID(co_await std::move(registering));
    if (!out.failure && !out.transactions.empty() && receiver != wallet) {
        out.failure = fmt::format("{} is not registered on {}", receiver, token);
    }
    if (out.failure) co_return out;
    const Json args = Json::object()
                          .set("token", text(token))
                          .set("receiver_id", text(receiver))
                          .set("amount", text(amount));
    out.transactions.push_back(own_call(
        work, core_.options.intents_contract.text(),
        {"ft_withdraw", near::compact_json(args), kWithdrawGas, "1"}));
    out.balances = {name, name + std::string(kIntentsSuffix)};
    co_return out;
}

// A step that only looks: done as soon as it is answered.
Task<Result<Lanes::Intended>> Lanes::intend_view(
    Work& work, const LaneSegment& segment, Look look) {
    Intended out;
    if (look == Look::Ahead) co_return out;
    if (segment.kind == "view") {
        const LaneCall call = segment.calls.front();
        CO_TRY(const auto contract, near::AccountId::parse(param(segment, "receiver_id")));
        auto asking = core_.facts.view(
            contract, call.method_name, call.args.empty() ? std::string("{}") : call.args);
        const auto answer = co_await std::move(asking);
        if (!answer && !is_answer(answer.error())) co_return answer.error();
        if (!answer) out.failure = cut_text(answer.error().message());
        if (answer) out.result = *answer;
        co_return out;
    }
    std::string account = param(segment, "account_id");
    if (account.empty()) account = work.flight.state.wallet_account;
    const std::string token = param(segment, "token");
    const std::string source = param(segment, "source");
    Amount balance;
    if (token == kNative) {
        auto asking = native_balance(work, account);
        CO_TRY(balance, co_await std::move(asking));
    } else if (source == "intents") {
        auto asking = intents_balance(work, token, account);
        CO_TRY(balance, co_await std::move(asking));
    } else {
        auto asking = token_balance(work, token, account);
        const auto there = co_await std::move(asking);
        if (!there && !is_answer(there.error())) co_return there.error();
        if (there) balance = *there;
    }
    out.result = Json::object()
                     .set("balance", text(balance.to_string()))
                     .set("token", text(token))
                     .set("account_id", text(account))
                     .set("source", text(source));
    co_return out;
}

Task<Result<Lanes::Intended>> Lanes::intend_user_calls(Work& work, const LaneSegment& segment) {
    DirectUserScope scope;
    scope.user_id = param(segment, "user_id");
    scope.registry_id = param(segment, "registry_id");
    scope.receiver_id = param(segment, "receiver_id");
    const std::vector<Json>& names = segment.params.find("method_names")->items();
    for (const Json& name : names) scope.method_names.push_back(name.string_value());
    auto looking = core_.key_status(work.flight.record.wallet_id, scope);
    CO_TRY(const auto status, co_await std::move(looking));
    Intended out;
    if (!status.installed) {
        out.failure = "the user's key is not installed: " + status.reasons.front();
        co_return out;
    }
    LaneTransaction tx;
    tx.signer_id = scope.user_id;
    tx.public_key = status.key.public_key;
    tx.receiver_id = scope.receiver_id;
    tx.calls = segment.calls;
    out.transactions.push_back(std::move(tx));
    out.result = Json::object().set("key_label", text(status.key.key_label));
    // The counter proof's own measure; other contracts have none.
    if (scope.method_names == counter_proof_scope().method_names) {
        out.balances = {std::string(kCount)};
    }
    co_return out;
}

// "native", "nep141:TOKEN", "nep141:TOKEN:intents" and "get_count" of the segment's receiver.
Task<Result<Lanes::Balances>> Lanes::read_balances(Work& work, std::vector<std::string> names) {
    Balances out;
    const std::string wallet = work.flight.state.wallet_account;
    bool first = true;
    for (const std::string& name : names) {
        std::string amount;
        std::uint64_t height = 0;
        if (name == kNative) {
            CO_TRY(const auto id, near::AccountId::parse(wallet));
            auto finding = core_.parts.chain.find_account(id);
            CO_TRY(const auto there, co_await std::move(finding));
            if (!there) continue;
            amount = there->amount.to_string();
            height = there->block_height;
        } else if (name.ends_with(kIntentsSuffix)) {
            const std::string token = name.substr(0, name.size() - kIntentsSuffix.size());
            auto asking = core_.facts.intents_balances(wallet, {token});
            CO_TRY(const auto there, co_await std::move(asking));
            amount = there.amounts.at(token).to_string();
            height = there.block_height;
        } else {
            const bool counts = name == kCount;
            const std::string contract =
                counts ? param(work.segment(), "receiver_id") : name.substr(kFtPrefix.size());
            CO_TRY(const auto id, near::AccountId::parse(contract));
            const std::string args = counts ? std::string("{}") : account_args(wallet);
            const auto bytes = base::as_bytes(args);
            auto asking = core_.parts.chain.call_function(
                id, counts ? "get_count" : "ft_balance_of",
                base::Bytes(bytes.begin(), bytes.end()));
            const auto view = co_await std::move(asking);
            if (!view && !is_answer(view.error())) co_return view.error();
            if (!view) continue;
            const auto json = Json::parse(base::as_text(view->result));
            if (!json || (!json->is_string() && !json->is_number())) continue;
            amount = json->is_string() ? json->string_value() : json->number_text();
            height = view->block_height;
        }
        out.amounts.set(name, text(amount));
        out.height = first ? height : std::min(out.height, height);
        first = false;
    }
    if (!first) {
        CO_TRY_VOID(check_height(work.state, out.height));
    }
    co_return out;
}

}  // namespace adyton::coordinator

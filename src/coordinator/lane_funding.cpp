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

Task<Result<Lanes::Seen>> Lanes::look_at(
    const Work& work, std::string contract, std::string method, std::string args) {
    CO_TRY(const auto id, near::AccountId::parse(contract));
    const auto bytes = base::as_bytes(args);
    base::Bytes arguments(bytes.begin(), bytes.end());
    auto asking = core_.bug(kLaneBelieveAnyState)
                      ? core_.parts.chain.call_function(id, method, std::move(arguments))
                      : core_.parts.chain.call_agreed_function(id, method, std::move(arguments));
    CO_TRY(const auto view, co_await std::move(asking));
    CO_TRY_VOID(check_height(work.state, view.block_height));
    auto answer = Json::parse(base::as_text(view.result));
    if (!answer) {
        co_return Error::corrupt_data(
            fmt::format("the answer of {}.{} is no JSON", contract, method));
    }
    co_return Seen{*std::move(answer), view.block_height};
}

Task<Result<Lanes::Held>> Lanes::amount_at(
    const Work& work, std::string contract, std::string method, std::string args) {
    auto looking = look_at(work, contract, method, std::move(args));
    CO_TRY(const Seen seen, co_await std::move(looking));
    const auto amount =
        near::parse_u128(seen.answer.is_string() ? seen.answer.string_value() : std::string("-"));
    if (!amount) {
        co_return Error::unprocessable(fmt::format("{}.{} cannot be read", contract, method));
    }
    co_return Held{*amount, seen.height};
}

Task<Result<Lanes::Held>> Lanes::token_balance(
    const Work& work, std::string token, std::string account) {
    return amount_at(work, std::move(token), "ft_balance_of", account_args(account));
}

Task<Result<Lanes::Held>> Lanes::intents_balance(
    const Work& work, std::string token, std::string account) {
    Json args = Json::object();
    args.set("account_id", text(account));
    args.set("token_id", text(std::string(kFtPrefix) + token));
    return amount_at(
        work, core_.options.intents_contract.text(), "mt_balance_of", near::compact_json(args));
}

Task<Result<Lanes::Held>> Lanes::native_balance(const Work& work, std::string account) {
    CO_TRY(const auto id, near::AccountId::parse(account));
    auto finding = core_.parts.chain.find_agreed_account(id);
    CO_TRY(const auto there, co_await std::move(finding));
    if (!there) co_return Held{};
    CO_TRY_VOID(check_height(work.state, there->block_height));
    co_return Held{there->amount.amount(), there->block_height};
}

Task<Result<void>> Lanes::add_registration(
    Work& work, const std::string& token, const std::string& account, Intended& out) {
    auto asking = look_at(work, token, "storage_balance_of", account_args(account));
    const auto there = co_await std::move(asking);
    if (!there && !is_answer(there.error())) co_return there.error();
    if (!there) {
        out.failure = fmt::format("{}: {}", token, cut_text(there.error().message(), 200));
        co_return Result<void>();
    }
    if (!there->answer.is_null()) co_return Result<void>();
    auto bounding = look_at(work, token, "storage_balance_bounds", "{}");
    const auto bounds = co_await std::move(bounding);
    if (!bounds && !is_answer(bounds.error())) co_return bounds.error();
    const Json* const least = bounds ? bounds->answer.find("min") : nullptr;
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
    auto finding = core_.parts.chain.find_agreed_account(wallet);
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
        CO_TRY(const Held held, co_await std::move(asking));
        if (held.amount < needed) {
            out.failure = too_little("the wallet's balance in yoctoNEAR", held.amount, needed);
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
        if (held && held->amount < amount_of(amount)) {
            out.failure =
                too_little("the wallet's balance of " + token, held->amount, amount_of(amount));
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
        const Amount there = held ? held->amount : Amount();
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
        CO_TRY(const Held held, co_await std::move(asking));
        if (held.amount < amount_of(amount)) {
            out.failure = too_little(
                "the wallet's balance inside the intents contract", held.amount, amount_of(amount));
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
        auto asking = look_at(
            work, param(segment, "receiver_id"), call.method_name,
            call.args.empty() ? std::string("{}") : call.args);
        const auto answer = co_await std::move(asking);
        if (!answer && !is_answer(answer.error())) co_return answer.error();
        if (!answer) out.failure = cut_text(answer.error().message());
        if (answer) out.result = answer->answer;
        co_return out;
    }
    std::string account = param(segment, "account_id");
    if (account.empty()) account = work.flight.state.wallet_account;
    const std::string token = param(segment, "token");
    const std::string source = param(segment, "source");
    auto asking = token == kNative      ? native_balance(work, account)
                  : source == "intents" ? intents_balance(work, token, account)
                                        : token_balance(work, token, account);
    const auto there = co_await std::move(asking);
    // Who is unknown to a token has nothing of it.
    const bool of_token = token != kNative && source != "intents";
    if (!there && !(of_token && is_answer(there.error()))) co_return there.error();
    const Amount balance = there ? there->amount : Amount();
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
Task<Result<Lanes::Held>> Lanes::balance_named(Work& work, std::string name) {
    const std::string wallet = work.flight.state.wallet_account;
    if (name == kNative) return native_balance(work, wallet);
    if (name == kCount) return count_of_receiver(work, param(work.segment(), "receiver_id"));
    if (!name.ends_with(kIntentsSuffix)) {
        return token_balance(work, name.substr(kFtPrefix.size()), wallet);
    }
    const std::size_t length = name.size() - kFtPrefix.size() - kIntentsSuffix.size();
    return intents_balance(work, name.substr(kFtPrefix.size(), length), wallet);
}

Task<Result<Lanes::Held>> Lanes::count_of_receiver(const Work& work, std::string receiver) {
    auto looking = look_at(work, receiver, std::string(kCount), "{}");
    CO_TRY(const Seen seen, co_await std::move(looking));
    const auto count = seen.answer.as_uint64();
    if (!count) co_return Error::unprocessable(receiver + ".get_count cannot be read");
    co_return Held{Amount(*count), seen.height};
}

Task<Result<Lanes::Balances>> Lanes::read_balances(Work& work, std::vector<std::string> names) {
    Balances out;
    bool first = true;
    for (const std::string& name : names) {
        auto asking = balance_named(work, name);
        const auto held = co_await std::move(asking);
        if (!held && !is_answer(held.error())) co_return held.error();
        if (!held) continue;
        out.amounts.set(name, text(held->amount.to_string()));
        out.height = first ? held->height : std::min(out.height, held->height);
        first = false;
    }
    co_return out;
}

}  // namespace adyton::coordinator

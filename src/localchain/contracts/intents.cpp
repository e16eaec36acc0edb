#include "localchain/contracts/intents.h"

#include <fmt/format.h>

#include <map>

#include "localchain/contracts/json_args.h"
#include "near/compact_json.h"
#include "near/intents.h"

namespace adyton::localchain {
namespace {

using base::Amount;
using base::Json;

constexpr near::Gas kBaseGas = near::Gas::from_tgas(4);
constexpr near::Gas kPayloadGas = near::Gas::from_tgas(5);
constexpr near::Gas kTokenGas = near::Gas::from_tgas(15);      // ft_transfer at a token
constexpr near::Gas kTokenCallGas = near::Gas::from_tgas(50);  // ft_transfer_call
constexpr near::Gas kResolveGas = near::Gas::from_tgas(8);
constexpr near::Gas kViewGas = near::Gas::from_tgas(1);
const std::string kWrap = "wrap";
const std::string kSalt = "salt";

Error panic(std::string text) {
    return Error::unprocessable(std::move(text));
}
Error not_modelled(std::string_view what) {
    return panic(fmt::format("SIMULATOR: {} is not modelled", what));
}
Error insufficient() {
    return panic("insufficient balance or overflow");
}

std::string balance_key(std::string_view account, std::string_view token) {
    return fmt::format("b:{}|{}", account, token);
}
std::string nonce_key(const near::AccountId& account, const near::MessageNonce& nonce) {
    return fmt::format("n:{}|{}", account.text(), nonce.to_base64());
}
std::string key_key(const near::AccountId& account, const std::string& key) {
    return fmt::format("k:{}|{}", account.text(), key);
}

near::YoctoNear one_yocto() {
    return near::YoctoNear(Amount(1));
}

class Books {
public:
    explicit Books(NearCall& call) : call_(call) {}

    Amount balance(std::string_view account, std::string_view token) const {
        return stored_amount(call_.storage(), balance_key(account, token));
    }
    Result<void> add(std::string_view account, std::string_view token, Amount amount) {
        const auto sum = balance(account, token).plus(amount);
        if (!sum.has_value()) return insufficient();
        call_.storage().set(balance_key(account, token), sum->to_string());
        return {};
    }
    Result<void> take(std::string_view account, std::string_view token, Amount amount) {
        const auto left = balance(account, token).minus(amount);
        if (!left.has_value()) return insufficient();
        call_.storage().set(balance_key(account, token), left->to_string());
        return {};
    }

    // An implicit account's own key counts until it is removed.
    bool has_key(const near::AccountId& account, const std::string& key) const {
        const auto stored = call_.storage().get(key_key(account, key));
        if (stored.has_value()) return *stored == "1";
        const auto own = account.implicit_key();
        return own.has_value() && near::PublicKey(*own).to_string() == key;
    }
    void set_key(const near::AccountId& account, const std::string& key, bool present) {
        call_.storage().set(key_key(account, key), present ? "1" : "0");
    }

private:
    NearCall& call_;
};

void log_event(
    NearCall& call, std::string_view standard, std::string_view version, std::string_view event,
    const std::string& data) {
    call.log(fmt::format(
        R"(EVENT_JSON:{{"standard":"{}","version":"{}","event":"{}","data":[{}]}})", standard,
        version, event, data));
}

// One call of execute_intents or simulate_intents: the payloads in order, and what they left
// unmatched.
class Engine {
public:
    Engine(NearCall& call, bool simulating) : call_(call), books_(call), simulating_(simulating) {}

    Result<void> run(const Json& payloads) {
        for (const Json& json : payloads.items()) {
            TRY_VOID(call_.burn(kPayloadGas));
            TRY_VOID(run_payload(json));
        }
        if (!executed_.empty()) {
            log_event(
                call_, "dip4", "0.4.3", "intents_executed",
                fmt::format("{}", fmt::join(executed_, ",")));
        }
        return {};
    }

    // {"token":"-5"}: what does not sum to zero. Empty: all does.
    std::string unmatched() const {
        std::vector<std::string> out;
        for (const auto& [token, sum] : deltas_) {
            if (sum.positive == sum.negative) continue;
            const bool negative = sum.positive < sum.negative;
            const Amount size = negative ? sum.negative.minus(sum.positive).value()
                                         : sum.positive.minus(sum.negative).value();
            out.push_back(
                fmt::format("{}:\"{}{}\"", quoted(token), negative ? "-" : "", size.to_string()));
        }
        return out.empty() ? std::string() : fmt::format("{{{}}}", fmt::join(out, ","));
    }
    const std::vector<std::string>& executed() const { return executed_; }
    std::optional<base::Timestamp> deadline_min() const { return deadline_min_; }

private:
    struct Sum {
        Amount positive;
        Amount negative;
    };

    base::Timestamp now() const {
        return base::Timestamp(std::chrono::microseconds(
            static_cast<std::int64_t>(call_.block_timestamp_ns() / 1000)));
    }

    Result<void> run_payload(const Json& json) {
        const auto payload = near::parse_multi_payload(json);
        if (!payload) return panic("JSON: " + payload.error().message());
        if (!payload->nep413.has_value()) {
            return not_modelled("a payload of standard " + payload->standard);
        }
        const near::SignedMessage& message = *payload->nep413;
        if (!near::verify(message)) return panic("invalid signature");
        const auto parsed = near::parse_intents_message(message.payload.message);
        if (!parsed) return panic("JSON: " + parsed.error().message());
        if (message.payload.recipient != call_.current_account().text()) {
            return panic("wrong verifying_contract");
        }
        if (now() > parsed->deadline) return panic("deadline has expired");
        const std::string key = message.public_key.to_string();
        if (!books_.has_key(parsed->signer_id, key)) {
            return panic(fmt::format(
                "public key '{}' doesn't exist for account '{}'", key, parsed->signer_id.text()));
        }
        TRY_VOID(use_nonce(*parsed, message.payload.nonce));
        if (!deadline_min_.has_value() || parsed->deadline < *deadline_min_) {
            deadline_min_ = parsed->deadline;
        }
        for (const near::Intent& intent : parsed->intents) {
            TRY_VOID(
                std::visit([&](const auto& one) { return apply(parsed->signer_id, one); }, intent));
        }
        executed_.push_back(fmt::format(
            R"({{"intent_hash":"{}","account_id":"{}","nonce":"{}"}})",
            near::hash(message.payload).to_string(), parsed->signer_id.text(),
            message.payload.nonce.to_base64()));
        return {};
    }

    Result<void> use_nonce(const near::IntentsMessage& message, const near::MessageNonce& nonce) {
        if (const auto versioned = near::VersionedNonce::find_in(nonce)) {
            if (versioned->salt.to_string() != call_.storage().get(kSalt)) {
                return panic("invalid salt");
            }
            const auto deadline = std::chrono::duration_cast<std::chrono::nanoseconds>(
                message.deadline.time_since_epoch());
            if (deadline.count() > versioned->deadline_ns) {
                return panic("deadline is greater than nonce");
            }
            if (static_cast<std::int64_t>(call_.block_timestamp_ns()) > versioned->deadline_ns) {
                return panic("nonce was already expired");
            }
        }
        const std::string key = nonce_key(message.signer_id, nonce);
        if (call_.storage().get(key).has_value()) return panic("nonce was already used");
        call_.storage().set(key, "1");
        return {};
    }

    Result<void> apply(const near::AccountId& signer, const near::TransferIntent& intent) {
        if (intent.msg.has_value()) return not_modelled("a transfer with a message");
        if (intent.tokens.empty() || intent.receiver_id == signer) return panic("invalid intent");
        std::vector<std::string> ids;
        std::vector<std::string> amounts;
        for (const near::TokenAmount& one : intent.tokens) {
            if (one.amount == Amount()) return panic("invalid intent");
            TRY_VOID(books_.take(signer.text(), one.token.text(), one.amount));
            TRY_VOID(books_.add(intent.receiver_id.text(), one.token.text(), one.amount));
            ids.push_back(quoted(one.token.text()));
            amounts.push_back(quoted(one.amount.to_string()));
        }
        log_event(
            call_, "nep245", "1.0.0", "mt_transfer",
            fmt::format(
                R"({{"old_owner_id":"{}","new_owner_id":"{}","token_ids":[{}],"amounts":[{}]}})",
                signer.text(), intent.receiver_id.text(), fmt::join(ids, ","),
                fmt::join(amounts, ",")));
        return {};
    }

    Result<void> apply(const near::AccountId& signer, const near::TokenDiffIntent& intent) {
        if (intent.diff.empty()) return panic("invalid intent");
        for (const auto& change : intent.diff) {
            if (change.delta.is_zero()) return panic("invalid intent");
            const Amount size = change.delta.magnitude();
            Sum& sum = deltas_[change.token.text()];
            Amount& side = change.delta.is_negative() ? sum.negative : sum.positive;
            const auto more = side.plus(size);
            if (!more.has_value()) return insufficient();
            side = *more;
            if (change.delta.is_negative()) {
                TRY_VOID(books_.take(signer.text(), change.token.text(), size));
            } else {
                TRY_VOID(books_.add(signer.text(), change.token.text(), size));
            }
        }
        log_event(
            call_, "dip4", "0.4.3", "token_diff",
            fmt::format(R"({{"account_id":"{}"}})", signer.text()));
        return {};
    }

    Result<void> apply(const near::AccountId& signer, const near::FtWithdrawIntent& intent) {
        if (intent.options.storage_deposit.has_value()) {
            return not_modelled("a storage deposit inside a withdrawal");
        }
        return withdraw(signer, intent);
    }

public:
    // Takes the tokens, sends them, and gives them back if that fails. The promise is the caller's
    // to return.
    Result<void> withdraw(const near::AccountId& signer, const near::FtWithdrawIntent& intent) {
        if (intent.amount == Amount()) return panic("invalid intent");
        const std::string token = near::TokenId::nep141(intent.token).text();
        TRY_VOID(books_.take(signer.text(), token, intent.amount));
        log_event(
            call_, "nep245", "1.0.0", "mt_burn",
            fmt::format(
                R"({{"owner_id":"{}","token_ids":[{}],"amounts":["{}"],"memo":"withdraw"}})",
                signer.text(), quoted(token), intent.amount.to_string()));
        if (simulating_) return {};
        const bool calls = intent.options.msg.has_value();
        std::string args = fmt::format(
            R"({{"receiver_id":"{}","amount":"{}")", intent.receiver_id.text(),
            intent.amount.to_string());
        if (intent.options.memo.has_value()) {
            args += fmt::format(R"(,"memo":{})", quoted(*intent.options.memo));
        }
        if (calls) args += fmt::format(R"(,"msg":{})", quoted(*intent.options.msg));
        args += '}';
        NearCall::Call send{
            intent.token, calls ? "ft_transfer_call" : "ft_transfer", std::move(args), one_yocto(),
            calls ? kTokenCallGas : kTokenGas};
        TRY(const auto sent, call_.call(std::move(send)));
        NearCall::Call resolve{
            call_.current_account(),
            "ft_resolve_withdraw",
            fmt::format(
                R"({{"token":"{}","owner_id":"{}","amount":"{}","is_call":{}}})",
                intent.token.text(), signer.text(), intent.amount.to_string(), calls),
            {},
            kResolveGas};
        TRY(last_promise_, call_.then(sent, std::move(resolve)));
        return {};
    }
    std::optional<NearCall::Promise> last_promise() const { return last_promise_; }

private:
    std::string wrap() const { return call_.storage().get(kWrap).value(); }

    // wNEAR of the signer becomes NEAR of the contract; `method` of ours then uses it.
    Result<void> unwrap_then(
        const near::AccountId& signer, near::YoctoNear amount, std::string method,
        std::string args) {
        TRY_VOID(books_.take(signer.text(), "nep141:" + wrap(), amount.amount()));
        if (simulating_) return {};
        NearCall::Call unwrap{
            near::AccountId::parse(wrap()).value(), "near_withdraw",
            fmt::format(R"({{"amount":"{}"}})", amount.to_string()), one_yocto(), kTokenGas};
        TRY(const auto unwrapped, call_.call(std::move(unwrap)));
        NearCall::Call use{
            call_.current_account(),
            std::move(method),
            std::move(args),
            {},
            near::Gas::from_tgas(25)};
        TRY(last_promise_, call_.then(unwrapped, std::move(use)));
        return {};
    }

    Result<void> apply(const near::AccountId& signer, const near::NativeWithdrawIntent& intent) {
        return unwrap_then(
            signer, intent.amount, "do_native_withdraw",
            fmt::format(
                R"({{"receiver_id":"{}","amount":"{}"}})", intent.receiver_id.text(),
                intent.amount.to_string()));
    }

    Result<void> apply(const near::AccountId& signer, const near::StorageDepositIntent& intent) {
        return unwrap_then(
            signer, intent.amount, "do_storage_deposit",
            fmt::format(
                R"({{"contract_id":"{}","account_id":"{}","amount":"{}"}})",
                intent.contract_id.text(), intent.deposit_for_account_id.text(),
                intent.amount.to_string()));
    }

    Result<void> apply(const near::AccountId& signer, const near::AddPublicKeyIntent& intent) {
        if (books_.has_key(signer, intent.public_key)) {
            return panic(fmt::format(
                "public key '{}' already exists for account '{}'", intent.public_key,
                signer.text()));
        }
        books_.set_key(signer, intent.public_key, true);
        return {};
    }
    Result<void> apply(const near::AccountId& signer, const near::RemovePublicKeyIntent& intent) {
        if (!books_.has_key(signer, intent.public_key)) {
            return panic(fmt::format(
                "public key '{}' doesn't exist for account '{}'", intent.public_key,
                signer.text()));
        }
        books_.set_key(signer, intent.public_key, false);
        return {};
    }
    Result<void> apply(
        const near::AccountId& signer, const near::SetAuthByPredecessorIdIntent& intent) {
        call_.storage().set("auth:" + signer.text(), intent.enabled ? "1" : "0");
        return {};
    }
    Result<void> apply(const near::AccountId&, const near::UnknownIntent& intent) {
        return panic("JSON: " + intent.reason);
    }
    template <typename Other>
    Result<void> apply(const near::AccountId&, const Other&) {
        return not_modelled(Other::kName);
    }

    NearCall& call_;
    Books books_;
    const bool simulating_;
    std::map<std::string, Sum> deltas_;
    std::vector<std::string> executed_;
    std::optional<base::Timestamp> deadline_min_;
    std::optional<NearCall::Promise> last_promise_;
};

// --- methods -------------------------------------------------------------------------------------

Result<const Json*> signed_payloads(const JsonArgs& args, std::string_view name) {
    const Json* const list = args.find(name);
    if (list == nullptr || !list->is_array()) return JsonArgs::broken();
    return list;
}

Result<void> run_all(Engine& engine, const Json& payloads) {
    TRY_VOID(engine.run(payloads));
    const std::string unmatched = engine.unmatched();
    if (unmatched.empty()) return {};
    return panic(fmt::format(
        R"(invariant violated: {{"error":"unmatched_deltas","unmatched_deltas":{}}})", unmatched));
}

Result<std::string> execute_intents(NearCall& call) {
    TRY_VOID(refuse_deposit(call));
    TRY_VOID(call.burn(kBaseGas));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const Json* const payloads, signed_payloads(args, "signed"));
    Engine engine(call, false);
    TRY_VOID(run_all(engine, *payloads));
    return std::string();
}

Result<std::string> simulate_intents(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const Json* const payloads, signed_payloads(args, "signed"));
    Engine engine(call, true);
    TRY_VOID(engine.run(*payloads));
    const std::string unmatched = engine.unmatched();
    const auto deadline = engine.deadline_min();
    return fmt::format(
        R"({{"intents_executed":[{}],"min_deadline":{},"invariant_violated":{},)"
        R"("state":{{"fee":0,"current_salt":"{}"}}}})",
        fmt::join(engine.executed(), ","),
        deadline.has_value() ? quoted(near::deadline_text(*deadline)) : "null",
        unmatched.empty()
            ? "null"
            : fmt::format(R"({{"error":"unmatched_deltas","unmatched_deltas":{}}})", unmatched),
        call.storage().get(kSalt).value());
}

// A deposit from a token's contract. `msg`: empty, an account, or {"receiver_id",
// "execute_intents","refund_if_fails"}.
Result<std::string> ft_on_transfer(NearCall& call) {
    TRY_VOID(call.burn(kBaseGas));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(near::AccountId receiver, args.account("sender_id"));
    TRY(const Amount amount, args.amount("amount"));
    TRY(const std::string msg, args.text("msg"));
    Json list = Json::array();
    if (msg.starts_with("{")) {
        const base::ByteView bytes = base::as_bytes(msg);
        TRY(const JsonArgs inner, JsonArgs::parse(bytes));
        if (inner.find("receiver_id") != nullptr) {
            TRY(receiver, inner.account("receiver_id"));
        }
        if (inner.find("execute_intents") != nullptr) {
            TRY(const Json* const payloads, signed_payloads(inner, "execute_intents"));
            list = *payloads;
            const Json* const refund = inner.find("refund_if_fails");
            const bool refunds =
                refund != nullptr && refund->is_boolean() && refund->boolean_value();
            if (list.size() > 0 && !refunds) {
                return not_modelled("a deposit that keeps what failing intents leave");
            }
        }
    } else if (!msg.empty()) {
        auto parsed = near::AccountId::parse(msg);
        if (!parsed) return panic("JSON: msg is no account id");
        receiver = *std::move(parsed);
    }
    Books books(call);
    const std::string token = "nep141:" + call.predecessor().text();
    TRY_VOID(books.add(receiver.text(), token, amount));
    log_event(
        call, "nep245", "1.0.0", "mt_mint",
        fmt::format(
            R"({{"owner_id":"{}","token_ids":[{}],"amounts":["{}"],"memo":"deposit"}})",
            receiver.text(), quoted(token), amount.to_string()));
    Engine engine(call, false);
    TRY_VOID(run_all(engine, list));
    return std::string("\"0\"");
}

Result<std::string> ft_withdraw(NearCall& call) {
    TRY_VOID(require_one_yocto(call));
    TRY_VOID(call.burn(kBaseGas));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId token, args.account("token"));
    TRY(const near::AccountId receiver, args.account("receiver_id"));
    TRY(const Amount amount, args.amount("amount"));
    near::FtWithdrawIntent intent{token, receiver, amount, {}};
    intent.options.memo = args.optional_text("memo");
    intent.options.msg = args.optional_text("msg");
    Engine engine(call, false);
    TRY_VOID(engine.withdraw(call.predecessor(), intent));
    call.return_promise(*engine.last_promise());
    return std::string();
}

// Answers how much left the contract.
Result<std::string> ft_resolve_withdraw(NearCall& call) {
    TRY_VOID(require_own_call(call));
    TRY_VOID(call.burn(kViewGas));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId token, args.account("token"));
    TRY(const near::AccountId owner, args.account("owner_id"));
    TRY(const Amount amount, args.amount("amount"));
    TRY(const bool is_call, args.flag("is_call"));
    Amount used;
    if (!call.promise_results().empty() && call.promise_results().front().succeeded) {
        used = amount;
        if (is_call) {
            const auto said = Json::parse(base::as_text(call.promise_results().front().value));
            const auto number = said && said->is_string() ? near::parse_u128(said->string_value())
                                                          : Result<Amount>(JsonArgs::broken());
            used = number ? std::min(*number, amount) : Amount();
        }
    }
    const Amount refund = amount.minus(used).value();
    if (refund != Amount()) {
        Books books(call);
        TRY_VOID(books.add(owner.text(), "nep141:" + token.text(), refund));
        log_event(
            call, "nep245", "1.0.0", "mt_mint",
            fmt::format(
                R"({{"owner_id":"{}","token_ids":["nep141:{}"],"amounts":["{}"],"memo":"refund"}})",
                owner.text(), token.text(), refund.to_string()));
    }
    return quoted(used.to_string());
}

Result<void> require_unwrapped(const NearCall& call) {
    const auto& results = call.promise_results();
    if (results.size() == 1 && results.front().succeeded) return {};
    return panic("wNEAR could not be unwrapped");
}

Result<std::string> do_native_withdraw(NearCall& call) {
    TRY_VOID(require_own_call(call));
    TRY_VOID(require_unwrapped(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId receiver, args.account("receiver_id"));
    TRY(const Amount amount, args.amount("amount"));
    TRY(const auto promise, call.transfer(receiver, near::YoctoNear(amount)));
    call.return_promise(promise);
    return std::string();
}

Result<std::string> do_storage_deposit(NearCall& call) {
    TRY_VOID(require_own_call(call));
    TRY_VOID(require_unwrapped(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId contract, args.account("contract_id"));
    TRY(const near::AccountId account, args.account("account_id"));
    TRY(const Amount amount, args.amount("amount"));
    NearCall::Call deposit{
        contract, "storage_deposit", fmt::format(R"({{"account_id":"{}"}})", account.text()),
        near::YoctoNear(amount), near::Gas::from_tgas(10)};
    TRY(const auto promise, call.call(std::move(deposit)));
    call.return_promise(promise);
    return std::string();
}

Result<std::string> mt_transfer(NearCall& call) {
    TRY_VOID(require_one_yocto(call));
    TRY_VOID(call.burn(kBaseGas));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId receiver, args.account("receiver_id"));
    TRY(const std::string token, args.text("token_id"));
    TRY(const Amount amount, args.amount("amount"));
    if (receiver == call.predecessor() || amount == Amount()) return panic("invalid intent");
    Books books(call);
    TRY_VOID(books.take(call.predecessor().text(), token, amount));
    TRY_VOID(books.add(receiver.text(), token, amount));
    log_event(
        call, "nep245", "1.0.0", "mt_transfer",
        fmt::format(
            R"({{"old_owner_id":"{}","new_owner_id":"{}","token_ids":[{}],"amounts":["{}"]}})",
            call.predecessor().text(), receiver.text(), quoted(token), amount.to_string()));
    return std::string();
}

Result<std::string> change_key(NearCall& call, bool adds) {
    TRY_VOID(require_one_yocto(call));
    TRY_VOID(call.burn(kViewGas));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::string key, args.text("public_key"));
    Books books(call);
    if (books.has_key(call.predecessor(), key) == adds) {
        return panic(fmt::format(
            "public key '{}' {} for account '{}'", key, adds ? "already exists" : "doesn't exist",
            call.predecessor().text()));
    }
    books.set_key(call.predecessor(), key, adds);
    return std::string();
}

Result<std::string> mt_balance_of(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId account, args.account("account_id"));
    TRY(const std::string token, args.text("token_id"));
    return quoted(Books(call).balance(account.text(), token).to_string());
}

Result<std::string> mt_batch_balance_of(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId account, args.account("account_id"));
    const Json* const tokens = args.find("token_ids");
    if (tokens == nullptr || !tokens->is_array()) return JsonArgs::broken();
    std::vector<std::string> out;
    for (const Json& token : tokens->items()) {
        if (!token.is_string()) return JsonArgs::broken();
        const Amount balance = Books(call).balance(account.text(), token.string_value());
        out.push_back(quoted(balance.to_string()));
    }
    return fmt::format("[{}]", fmt::join(out, ","));
}

Result<std::string> is_nonce_used(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId account, args.account("account_id"));
    TRY(const std::string base64, args.text("nonce"));
    const auto nonce = near::MessageNonce::parse_base64(base64);
    if (!nonce) return JsonArgs::broken();
    const bool used = call.storage().get(nonce_key(account, *nonce)).has_value();
    return std::string(used ? "true" : "false");
}

Result<std::string> has_public_key(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId account, args.account("account_id"));
    TRY(const std::string key, args.text("public_key"));
    return std::string(Books(call).has_key(account, key) ? "true" : "false");
}

Result<std::string> is_valid_salt(NearCall& call) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::string salt, args.text("salt"));
    return std::string(call.storage().get(kSalt) == salt ? "true" : "false");
}

struct MethodInfo {
    Result<std::string> (*run)(NearCall&);
    bool is_view;
};

}  // namespace

void IntentsContract::deploy(const near::AccountId&, NearStorage& storage) const {
    storage.set(kWrap, wrap_.text());
    storage.set(kSalt, salt_.to_string());
    for (const Balance& one : balances_) {
        storage.set(balance_key(one.account.text(), one.token), one.amount.to_string());
    }
}

Result<std::string> IntentsContract::run(NearCall& call) const {
    static const std::map<std::string_view, MethodInfo> kMethods = {
        {"execute_intents", {execute_intents, false}},
        {"ft_on_transfer", {ft_on_transfer, false}},
        {"ft_withdraw", {ft_withdraw, false}},
        {"ft_resolve_withdraw", {ft_resolve_withdraw, false}},
        {"do_native_withdraw", {do_native_withdraw, false}},
        {"do_storage_deposit", {do_storage_deposit, false}},
        {"mt_transfer", {mt_transfer, false}},
        {"add_public_key", {[](NearCall& c) { return change_key(c, true); }, false}},
        {"remove_public_key", {[](NearCall& c) { return change_key(c, false); }, false}},
        {"simulate_intents", {simulate_intents, true}},
        {"mt_balance_of", {mt_balance_of, true}},
        {"mt_batch_balance_of", {mt_batch_balance_of, true}},
        {"is_nonce_used", {is_nonce_used, true}},
        {"has_public_key", {has_public_key, true}},
        {"is_valid_salt", {is_valid_salt, true}},
        {"current_salt",
         {[](NearCall& c) -> Result<std::string> { return quoted(c.storage().get(kSalt).value()); },
          true}},
    };
    const auto found = kMethods.find(call.method());
    if (found == kMethods.end()) return Error::not_found("no such method");
    if (call.is_view() && !found->second.is_view) {
        return Error::unprocessable("ProhibitedInView", "view");
    }
    TRY_VOID(call.burn(kViewGas));
    return found->second.run(call);
}

}  // namespace adyton::localchain

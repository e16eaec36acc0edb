#include "localchain/contracts/gate.h"

#include <fmt/format.h>

#include <map>

#include "localchain/contracts/json_args.h"
#include "near/compact_json.h"
#include "near/delegate.h"

namespace adyton::localchain {
namespace {

using base::Json;

constexpr near::Gas kSubmitGas = near::Gas::from_tgas(5);  // beside the 2 of reading
constexpr near::Gas kResumeGas = near::Gas::from_tgas(5);
constexpr near::Gas kCallbackGas = near::Gas::from_tgas(4);
constexpr near::Gas kContinueGas = near::Gas::from_tgas(3);
constexpr near::Gas kAdminGas = near::Gas::from_tgas(2);
constexpr near::Gas kYieldReserve = near::Gas::from_tgas(200);
constexpr near::Gas kContinueReserve = near::Gas::from_tgas(60);

const std::string kTail = GateContract::kTailKey;

Error panic(std::string text) {
    return Error::unprocessable(std::move(text));
}

struct Tier {
    std::uint32_t cap = 0;
    base::Amount fee;
};

struct PendingIntent {
    near::ReceiptId data_id;
    std::string sender;
    std::string receiver;
    std::string method;
    std::uint64_t nonce = 0;
    std::uint64_t expires_at = 0;
    std::uint64_t submitted_at = 0;
};

std::string pending_key(std::uint64_t id) {
    return fmt::format("p:{:020}", id);
}

// The gate's state, each part under a key of its own.
class State {
public:
    explicit State(NearStorage& storage) : storage_(storage) {}

    std::string text(const std::string& key) const { return storage_.get(key).value_or(""); }
    bool is_relayer(const near::AccountId& id) const {
        return storage_.get("r:" + id.text()).has_value();
    }
    std::uint64_t counter(const std::string& name) const {
        return stored_number(storage_, "s:" + name);
    }
    std::uint64_t add_one(const std::string& name) {
        const std::uint64_t before = counter(name);
        storage_.set("s:" + name, std::to_string(before + 1));
        return before;
    }

    std::vector<std::uint64_t> tail() const {
        std::vector<std::uint64_t> out;
        std::string rest = text(kTail);
        while (!rest.empty()) {
            const std::size_t comma = rest.find(',');
            out.push_back(near::parse_u64(rest.substr(0, comma)).value());
            rest.erase(0, comma == std::string::npos ? rest.size() : comma + 1);
        }
        return out;
    }
    void set_tail(const std::vector<std::uint64_t>& ids) {
        storage_.set(kTail, fmt::format("{}", fmt::join(ids, ",")));
    }

    std::optional<PendingIntent> pending(std::uint64_t id) const {
        const auto row = storage_.get(pending_key(id));
        if (!row.has_value()) return std::nullopt;
        const Json json = Json::parse(*row).value();
        return PendingIntent{
            near::ReceiptId::parse(json.find("data_id")->string_value()).value(),
            json.find("sender")->string_value(),
            json.find("receiver")->string_value(),
            json.find("method")->string_value(),
            json.find("nonce")->as_uint64().value(),
            json.find("expires_at")->as_uint64().value(),
            json.find("submitted_at")->as_uint64().value()};
    }
    void set_pending(std::uint64_t id, const PendingIntent& row) {
        storage_.set(
            pending_key(id), Json::object()
                                 .set("data_id", Json::string(row.data_id.to_string()))
                                 .set("sender", Json::string(row.sender))
                                 .set("receiver", Json::string(row.receiver))
                                 .set("method", Json::string(row.method))
                                 .set("nonce", Json::unsigned_integer(row.nonce))
                                 .set("expires_at", Json::unsigned_integer(row.expires_at))
                                 .set("submitted_at", Json::unsigned_integer(row.submitted_at))
                                 .dump());
    }
    void remove_pending(std::uint64_t id) { storage_.remove(pending_key(id)); }
    std::vector<std::uint64_t> pending_ids() const {
        std::vector<std::uint64_t> out;
        for (const std::string& key : storage_.keys("p:")) {
            const std::size_t digits = key.find_first_not_of('0', 2);
            const std::string number = digits == std::string::npos ? "0" : key.substr(digits);
            out.push_back(near::parse_u64(number).value());
        }
        return out;
    }

    std::vector<Tier> tiers() const {
        std::vector<Tier> out;
        const Json json = Json::parse(text("tiers")).value();
        for (const Json& item : json.items()) {
            const auto cap = static_cast<std::uint32_t>(item.items()[0].as_uint64().value());
            out.push_back({cap, near::parse_u128(item.items()[1].string_value()).value()});
        }
        return out;
    }

    NearStorage& storage() { return storage_; }

private:
    NearStorage& storage_;
};

using Method = Result<std::string> (*)(NearCall&, State&);

Result<void> require_owner(const NearCall& call, const State& state) {
    TRY_VOID(refuse_deposit(call));
    if (call.predecessor().text() == state.text("owner")) return {};
    return panic("owner-only");
}

// --- owner ---------------------------------------------------------------------------------------

Result<std::string> add_relayer(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId id, args.account("account_id"));
    TRY_VOID(require_owner(call, state));
    state.storage().set("r:" + id.text(), "1");
    call.log(fmt::format(R"(trace:{{"ev":"relayer_added","account":"{}"}})", id.text()));
    return std::string();
}

Result<std::string> remove_relayer(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId id, args.account("account_id"));
    TRY_VOID(require_owner(call, state));
    state.storage().remove("r:" + id.text());
    call.log(fmt::format(R"(trace:{{"ev":"relayer_removed","account":"{}"}})", id.text()));
    return std::string();
}

Result<std::string> set_approver(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId id, args.account("approver_id"));
    TRY_VOID(require_owner(call, state));
    state.storage().set("approver", id.text());
    call.log(fmt::format(R"(trace:{{"ev":"approver_set","account":"{}"}})", id.text()));
    return std::string();
}

Result<std::string> set_fee_tiers(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    const Json* const tiers = args.find("tiers");
    if (tiers == nullptr || !tiers->is_array()) return JsonArgs::broken();
    std::vector<std::uint64_t> caps;
    for (const Json& item : tiers->items()) {
        if (!item.is_array() || item.size() != 2 || !item.items()[1].is_string()) {
            return JsonArgs::broken();
        }
        const auto cap = item.items()[0].as_uint64();
        const auto fee = near::parse_u128(item.items()[1].string_value());
        if (!cap || *cap > UINT32_MAX || !fee) return JsonArgs::broken();
        caps.push_back(*cap);
    }
    TRY_VOID(require_owner(call, state));
    if (caps.empty()) return panic("fee tiers must be non-empty");
    std::uint64_t before = 0;
    for (const std::uint64_t cap : caps) {
        if (cap == 0) return panic("fee tier cap must be > 0");
        if (cap <= before) return panic("fee tier caps must be strictly ascending");
        before = cap;
    }
    state.storage().set("tiers", near::compact_json(*tiers));
    call.log(fmt::format(
        R"(trace:{{"ev":"fee_tiers_set","tiers_len":{},"max_cap":{}}})", caps.size(), before));
    return std::string();
}

Result<std::string> withdraw_fees(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const base::Amount amount, args.amount("amount"));
    TRY(const near::AccountId to, args.account("to"));
    TRY_VOID(require_owner(call, state));
    const base::Amount collected = stored_amount(state.storage(), "f:collected");
    const base::Amount withdrawn = stored_amount(state.storage(), "f:withdrawn");
    const base::Amount available = collected.minus(withdrawn).value_or(base::Amount());
    if (amount > available) {
        return panic(fmt::format(
            "insufficient fee balance: requested {}, available {}", amount.to_string(),
            available.to_string()));
    }
    state.storage().set("f:withdrawn", withdrawn.plus(amount).value().to_string());
    call.log(fmt::format(
        R"(trace:{{"ev":"fees_withdrawn","amount":"{}","to":"{}"}})", amount.to_string(),
        to.text()));
    TRY(const auto promise, call.transfer(to, near::YoctoNear(amount)));
    call.return_promise(promise);
    return std::string();
}

Result<std::string> reset_batch_tail(NearCall& call, State& state) {
    TRY_VOID(require_owner(call, state));
    const std::size_t cleared = state.tail().size();
    state.set_tail({});
    call.log(fmt::format(R"(trace:{{"ev":"batch_tail_reset","cleared":{}}})", cleared));
    return std::string();
}

// --- submit --------------------------------------------------------------------------------------

Error invalid_delegate(std::string_view why) {
    return panic(fmt::format("invalid SignedDelegateAction: {}", why));
}

// What the gate itself can read of NEP-366: FunctionCalls and ed25519 alone, with its own words.
class DelegateReader {
public:
    explicit DelegateReader(base::ByteView bytes) : in_(bytes) {}

    Result<near::SignedDelegate> read() {
        TRY(auto sender, account());
        TRY(auto receiver, account());
        TRY(const std::uint32_t count, get(in_.u32("")));
        std::vector<near::PlainAction> actions;
        for (std::uint32_t i = 0; i < count; ++i) {
            TRY(auto action, call());
            actions.push_back(std::move(action));
        }
        TRY(const std::uint64_t nonce, get(in_.u64("")));
        TRY(const std::uint64_t max_block_height, get(in_.u64("")));
        TRY(const base::ByteView key_bytes, tagged("public key", 32));
        const auto key = near::PublicKey::from_bytes(near::KeyType::Ed25519, key_bytes);
        TRY(const base::ByteView signature_bytes, tagged("signature", 64));
        const auto signature = near::Signature::from_bytes(near::KeyType::Ed25519, signature_bytes);
        if (in_.remaining() > 0) return invalid_delegate("Not all bytes read");
        near::DelegateAction action{std::move(sender),  std::move(receiver),
                                    std::move(actions), nonce,
                                    max_block_height,   *key};
        return near::SignedDelegate{std::move(action), *signature};
    }

private:
    template <typename T>
    static Result<T> get(Result<T> read) {
        if (!read) return invalid_delegate("Unexpected length of input");
        return read;
    }
    Result<near::AccountId> account() {
        TRY(const std::string text, get(in_.string("")));
        auto parsed = near::AccountId::parse(text);
        if (!parsed) return invalid_delegate("invalid value: \"" + text + "\", not an account id");
        return *std::move(parsed);
    }
    Result<near::PlainAction> call() {
        TRY(const std::uint8_t tag, get(in_.u8("")));
        if (tag == near::SignedDelegate::kIndex) {
            return invalid_delegate("nested DelegateAction forbidden (NEP-366)");
        }
        if (tag != near::FunctionCall::kIndex) {
            return invalid_delegate(
                fmt::format("action variant {} not supported in v0.1 (only FunctionCall)", tag));
        }
        near::FunctionCall out;
        TRY(out.method_name, get(in_.string("")));
        TRY(out.args, get(in_.bytes("")));
        TRY(const std::uint64_t gas, get(in_.u64("")));
        TRY(const base::Amount deposit, get(in_.u128("")));
        out.gas = near::Gas(gas);
        out.deposit = near::YoctoNear(deposit);
        return near::PlainAction(std::move(out));
    }
    Result<base::ByteView> tagged(std::string_view what, std::size_t size) {
        TRY(const std::uint8_t tag, get(in_.u8("")));
        if (tag != 0) {
            return invalid_delegate(
                fmt::format("expected ed25519 {} (tag 0), got tag {}", what, tag));
        }
        return get(in_.fixed(size, ""));
    }

    near::BorshReader in_;
};

std::string callback_args(
    std::uint64_t id, const near::AccountId& receiver, const near::FunctionCall& inner) {
    return near::compact_json(Json::object()
                                  .set("intent_id", Json::string(std::to_string(id)))
                                  .set("receiver", Json::string(receiver.text()))
                                  .set("method", Json::string(inner.method_name))
                                  .set("args", Json::string(base::base64_encode(inner.args)))
                                  .set("deposit", Json::string(inner.deposit.to_string()))
                                  .set("gas", Json::string(inner.gas.to_string())));
}

Result<std::string> submit_intent(NearCall& call, State& state) {
    TRY_VOID(refuse_deposit(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::string base64, args.text("signed_delegate"));
    const auto bytes = base::base64_decode(base64);
    if (!bytes) return JsonArgs::broken();
    if (!state.is_relayer(call.predecessor())) return panic("caller is not a whitelisted relayer");
    TRY(const near::SignedDelegate signed_delegate, DelegateReader(*bytes).read());
    if (!near::verify(signed_delegate)) return panic("signature verification failed");
    const near::DelegateAction& delegate = signed_delegate.delegate_action;
    if (delegate.max_block_height <= call.block_height()) {
        return panic("intent expired (max_block_height <= current block)");
    }
    const std::string used = fmt::format("n:{}|{}", delegate.sender_id.text(), delegate.nonce);
    if (state.storage().get(used).has_value()) {
        return panic("nonce already used for this sender (replay rejected)");
    }
    if (delegate.actions.size() != 1) {
        return panic("v0.1 gate requires exactly one action per delegate");
    }
    const auto& inner = std::get<near::FunctionCall>(delegate.actions.front());
    TRY_VOID(call.burn(kSubmitGas));
    const std::uint64_t id = state.add_one("next");
    state.storage().set(used, std::to_string(call.block_height()));
    state.add_one("submitted");
    std::string callback = callback_args(id, delegate.receiver_id, inner);
    TRY(const auto yielded,
        call.yield({"on_intent_resumed", std::move(callback), kYieldReserve, true}));
    state.set_pending(
        id, {yielded.second, delegate.sender_id.text(), delegate.receiver_id.text(),
             inner.method_name, delegate.nonce, delegate.max_block_height, call.block_height()});
    call.log(fmt::format(
        R"(trace:{{"ev":"intent_submitted","id":{},"sender":"{}","receiver":"{}","method":"{}","nonce":{}}})",
        id, delegate.sender_id.text(), delegate.receiver_id.text(), inner.method_name,
        delegate.nonce));
    call.return_promise(yielded.first);
    return std::string();
}

// --- resume --------------------------------------------------------------------------------------

Result<void> charge_fee(NearCall& call, State& state, std::size_t n) {
    const std::vector<Tier> tiers = state.tiers();
    const Tier* tier = nullptr;
    for (const Tier& one : tiers) {
        if (n <= one.cap) {
            tier = &one;
            break;
        }
    }
    if (tier == nullptr) {
        return panic(fmt::format("batch size {} exceeds max fee tier ({})", n, tiers.back().cap));
    }
    if (call.deposit().amount() < tier->fee) {
        return panic(fmt::format(
            "insufficient fee: required {} yocto for batch of {}, got {}", tier->fee.to_string(), n,
            call.deposit().to_string()));
    }
    const auto collected = stored_amount(state.storage(), "f:collected").plus(tier->fee);
    if (!collected.has_value()) return panic("fees_collected_total overflow");
    state.storage().set("f:collected", collected->to_string());
    call.log(fmt::format(
        R"(trace:{{"ev":"fee_charged","n":{},"amount":"{}","tier_cap":{}}})", n,
        tier->fee.to_string(), tier->cap));
    return {};
}

base::Bytes resume_signal(
    bool approve, std::optional<std::uint64_t> seq, std::optional<std::uint64_t> next) {
    const std::string text = fmt::format(
        R"({{"approve":{},"sequence_number":{},"next_intent_id":{}}})", approve,
        seq.has_value() ? std::to_string(*seq) : "null",
        next.has_value() ? quoted(std::to_string(*next)) : "null");
    const base::ByteView bytes = base::as_bytes(text);
    return {bytes.begin(), bytes.end()};
}

Result<std::string> resume_intent(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::uint64_t id, args.number("intent_id"));
    TRY(const bool approve, args.flag("approve"));
    if (call.predecessor().text() != state.text("approver")) {
        return panic("only approver can resume");
    }
    TRY_VOID(call.burn(kResumeGas));
    TRY_VOID(charge_fee(call, state, 1));
    const auto pending = state.pending(id);
    if (!pending.has_value()) return panic("unknown intent_id");
    state.remove_pending(id);
    if (!call.resume(pending->data_id, resume_signal(approve, std::nullopt, std::nullopt))) {
        return panic("resume failed (not found or expired)");
    }
    call.log(fmt::format(R"(trace:{{"ev":"intent_resumed","id":{},"approve":{}}})", id, approve));
    return std::string();
}

Result<std::string> resume_batch_chained(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::vector<std::uint64_t> ids, args.numbers("intent_ids"));
    if (call.predecessor().text() != state.text("approver")) {
        return panic("only approver can batch-resume");
    }
    TRY_VOID(call.burn(kResumeGas));
    if (ids.empty()) return panic("batch must not be empty");
    if (!state.tail().empty()) {
        return panic("a chained batch is already in flight; owner must reset_batch_tail if stuck");
    }
    TRY_VOID(charge_fee(call, state, ids.size()));
    for (const std::uint64_t id : ids) {
        if (!state.pending(id).has_value()) {
            return panic(fmt::format("unknown intent_id {} in batch", id));
        }
    }
    const std::uint64_t batch_id = state.add_one("batch") + 1;
    state.set_tail({ids.begin() + 1, ids.end()});
    const PendingIntent first = *state.pending(ids.front());
    state.remove_pending(ids.front());
    const auto next = ids.size() > 1 ? std::optional(ids[1]) : std::nullopt;
    if (!call.resume(first.data_id, resume_signal(true, 0, next))) {
        return panic("resume failed for first (not found or expired)");
    }
    call.log(fmt::format(
        R"(trace:{{"ev":"batch_started","batch_id":{},"n":{},"first_id":{}}})", batch_id,
        ids.size(), ids.front()));
    return std::string();
}

Result<std::string> continue_chain(NearCall& call, State& state) {
    TRY_VOID(require_own_call(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::uint64_t next_id, args.number("next_id"));
    TRY(const std::uint32_t next_seq, args.integer("next_seq"));
    TRY_VOID(call.burn(kContinueGas));
    std::vector<std::uint64_t> tail = state.tail();
    if (tail.empty()) return panic("batch_chain_tail empty but expected next_id");
    if (tail.front() != next_id) {
        return panic("chain tail mismatch (state drifted from expected next_id)");
    }
    tail.erase(tail.begin());
    state.set_tail(tail);
    const auto pending = state.pending(next_id);
    if (!pending.has_value()) return panic("unknown next_id in continue_chain");
    state.remove_pending(next_id);
    const auto after = tail.empty() ? std::nullopt : std::optional(tail.front());
    if (!call.resume(pending->data_id, resume_signal(true, next_seq, after))) {
        return panic("resume failed in continue_chain");
    }
    call.log(fmt::format(
        R"(trace:{{"ev":"chain_continued","next_id":{},"next_seq":{},"tail_remaining":{}}})",
        next_id, next_seq, tail.size()));
    return std::string();
}

// --- callback ------------------------------------------------------------------------------------

Result<std::string> resolve_error(
    NearCall& call, State& state, std::uint64_t id, std::string_view reason) {
    call.log(fmt::format(R"(trace:{{"ev":"intent_resolved_err","id":{},{}}})", id, reason));
    state.add_one("rejected");
    return std::string();
}

Result<NearCall::Promise> dispatch(
    NearCall& call, const JsonArgs& args, const Json& signal, std::optional<std::uint64_t> seq) {
    TRY(const near::AccountId receiver, args.account("receiver"));
    TRY(const std::string method, args.text("method"));
    TRY(const std::string inner_base64, args.text("args"));
    TRY(const base::Amount deposit, args.amount("deposit"));
    TRY(const std::uint64_t gas, args.number("gas"));
    const auto inner = base::base64_decode(inner_base64);
    if (!inner) return JsonArgs::broken();
    std::string inner_text(base::as_text(*inner));
    NearCall::Call target{
        receiver, method, std::move(inner_text), near::YoctoNear(deposit), near::Gas(gas)};
    TRY(const auto promise, call.call(std::move(target)));
    const Json* const next = signal.find("next_intent_id");
    if (next == nullptr || !next->is_string()) return promise;
    const std::uint64_t next_seq = seq.has_value() ? *seq + 1 : 1;
    NearCall::Call chained{
        call.current_account(),
        "continue_chain",
        fmt::format(R"({{"next_id":{},"next_seq":{}}})", quoted(next->string_value()), next_seq),
        {},
        kContinueReserve};
    return call.then(promise, std::move(chained));
}

Result<std::string> on_intent_resumed(NearCall& call, State& state) {
    TRY_VOID(require_own_call(call));
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::uint64_t id, args.number("intent_id"));
    TRY(const std::string receiver, args.text("receiver"));
    TRY(const std::string method, args.text("method"));
    TRY_VOID(call.burn(kCallbackGas));
    state.remove_pending(id);
    if (call.promise_results().size() != 1) return panic("one promise result expected");
    const NearPromiseResult& result = call.promise_results().front();
    if (!result.succeeded) {
        return resolve_error(call, state, id, R"("reason":"timeout","detail":"Failed")");
    }
    const auto signal = Json::parse(base::as_text(result.value));
    const Json* const approve = signal ? signal->find("approve") : nullptr;
    if (approve == nullptr || !approve->is_boolean()) return JsonArgs::broken();
    if (!approve->boolean_value()) {
        return resolve_error(call, state, id, R"("reason":"rejected")");
    }
    std::optional<std::uint64_t> seq;
    const Json* const number = signal->find("sequence_number");
    if (number != nullptr && number->is_number()) seq = number->as_uint64().value();
    call.log(fmt::format(
        R"(trace:{{"ev":"intent_dispatched","id":{},"receiver":"{}","method":"{}","seq":{}}})", id,
        receiver, method, seq.has_value() ? std::to_string(*seq) : "null"));
    state.add_one("dispatched");
    TRY(const auto promise, dispatch(call, args, *signal, seq));
    call.return_promise(promise);
    return std::string();
}

// --- views ---------------------------------------------------------------------------------------

std::string quoted_numbers(const std::vector<std::uint64_t>& numbers) {
    std::vector<std::string> out;
    for (const std::uint64_t number : numbers) out.push_back(quoted(std::to_string(number)));
    return fmt::format("[{}]", fmt::join(out, ","));
}

Result<std::string> get_pending(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const std::uint64_t id, args.number("intent_id"));
    const auto row = state.pending(id);
    if (!row.has_value()) return std::string("null");
    return near::compact_json(
        Json::object()
            .set("intent_id", Json::string(std::to_string(id)))
            .set("sender", Json::string(row->sender))
            .set("receiver_id", Json::string(row->receiver))
            .set("method", Json::string(row->method))
            .set("nonce", Json::string(std::to_string(row->nonce)))
            .set("expires_at_block", Json::string(std::to_string(row->expires_at)))
            .set("submitted_at_block", Json::string(std::to_string(row->submitted_at))));
}

Result<std::string> is_relayer(NearCall& call, State& state) {
    TRY(const JsonArgs args, JsonArgs::parse(call.args()));
    TRY(const near::AccountId id, args.account("account_id"));
    return std::string(state.is_relayer(id) ? "true" : "false");
}

Result<std::string> stats(NearCall&, State& state) {
    return quoted_numbers(
        {state.counter("submitted"), state.counter("dispatched"), state.counter("rejected"),
         state.counter("next"), state.counter("batch")});
}

Result<std::string> get_fee_stats(NearCall&, State& state) {
    return fmt::format(
        "[{},{}]", quoted(stored_amount(state.storage(), "f:collected").to_string()),
        quoted(stored_amount(state.storage(), "f:withdrawn").to_string()));
}

struct MethodInfo {
    Method run;
    bool is_view = false;
    near::Gas gas = {};  // burnt first; zero: the method burns itself, after its checks
};

const std::map<std::string_view, MethodInfo>& methods() {
    static const std::map<std::string_view, MethodInfo> kMethods = {
        {"add_relayer", {add_relayer, false, kAdminGas}},
        {"remove_relayer", {remove_relayer, false, kAdminGas}},
        {"set_approver", {set_approver, false, kAdminGas}},
        {"set_fee_tiers", {set_fee_tiers, false, kAdminGas}},
        {"withdraw_fees", {withdraw_fees, false, kAdminGas}},
        {"reset_batch_tail", {reset_batch_tail, false, kAdminGas}},
        {"submit_intent", {submit_intent, false, near::Gas::from_tgas(2)}},
        {"resume_intent", {resume_intent, false, {}}},
        {"resume_batch_chained", {resume_batch_chained, false, {}}},
        {"continue_chain", {continue_chain, false, {}}},
        {"on_intent_resumed", {on_intent_resumed, false, {}}},
        {"get_owner",
         {[](NearCall&, State& s) -> Result<std::string> { return quoted(s.text("owner")); },
          true}},
        {"get_approver",
         {[](NearCall&, State& s) -> Result<std::string> { return quoted(s.text("approver")); },
          true}},
        {"is_relayer", {is_relayer, true}},
        {"list_pending",
         {[](NearCall&, State& s) -> Result<std::string> {
              return quoted_numbers(s.pending_ids());
          },
          true}},
        {"get_pending", {get_pending, true}},
        {"stats", {stats, true}},
        {"get_batch_tail",
         {[](NearCall&, State& s) -> Result<std::string> { return quoted_numbers(s.tail()); },
          true}},
        {"get_fee_tiers",
         {[](NearCall&, State& s) -> Result<std::string> { return s.text("tiers"); }, true}},
        {"get_fee_stats", {get_fee_stats, true}},
    };
    return kMethods;
}

}  // namespace

void GateContract::deploy(const near::AccountId&, NearStorage& storage) const {
    storage.set("owner", people_.owner.text());
    storage.set("approver", people_.approver.text());
    for (const near::AccountId& relayer : people_.relayers) storage.set("r:" + relayer.text(), "1");
    storage.set(
        "tiers", R"([[3,"30000000000000000000000"],[6,"50000000000000000000000"],)"
                 R"([12,"60000000000000000000000"]])");
}

Result<std::string> GateContract::run(NearCall& call) const {
    const auto found = methods().find(call.method());
    if (found == methods().end()) return Error::not_found("no such method");
    if (call.is_view() && !found->second.is_view) {
        return Error::unprocessable("ProhibitedInView", "view");
    }
    TRY_VOID(call.burn(found->second.gas));
    State state(call.storage());
    return found->second.run(call, state);
}

}  // namespace adyton::localchain

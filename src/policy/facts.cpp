#include "policy/facts.h"

#include <array>
#include <charconv>
#include <utility>

#include "crypto/transcript.h"
#include "policy/internal/reading.h"

namespace adyton::policy {
namespace {

using base::Json;
using internal::check_members;
using internal::parse_amount;
using internal::parse_flag;
using internal::wrong;

constexpr std::array<std::string_view, kActionKindCount> kKindNames = {
    "call",           "transfer",        "nft_transfer",      "direct_user",
    "sign_message",   "intents_deposit", "intents_transfer",  "intents_withdraw",
    "intents_swap",   "intents_storage", "intents_auth_call", "intents_keys",
    "create_account", "add_key",         "delete_key",        "stake",
    "deploy",         "delete",          "sign_digest",       "unknown",
};

Json to_json(const ContractCall& call) {
    Json out = Json::object();
    out.set("receiver", Json::string(call.receiver));
    out.set("method", Json::string(call.method));
    out.set("deposit", Json::string(call.deposit.to_string()));
    if (call.gas != 0) out.set("gas", Json::string(std::to_string(call.gas)));
    if (call.opaque) out.set("opaque", Json::boolean(true));
    return out;
}

Json to_json(const Movement& movement) {
    Json out = Json::object();
    out.set("token", Json::string(movement.token));
    out.set("from", Json::string(movement.from));
    if (!movement.to.empty()) out.set("to", Json::string(movement.to));
    out.set("amount", Json::string(movement.amount.to_string()));
    return out;
}

Json to_json(const Action& action) {
    Json out = Json::object();
    out.set("kind", Json::string(std::string(to_string(action.kind))));
    if (action.call) out.set("call", to_json(*action.call));
    if (!action.movements.empty()) {
        Json movements = Json::array();
        for (const Movement& movement : action.movements) movements.push_back(to_json(movement));
        out.set("movements", std::move(movements));
    }
    if (!action.detail.empty()) out.set("detail", Json::string(action.detail));
    return out;
}

// A text member; absent: empty.
Result<std::string> parse_text(const Json& object, std::string_view name, const std::string& path) {
    const Json* const member = object.find(name);
    if (member == nullptr) return std::string();
    const bool good =
        member->is_string() && member->string_value().size() <= ActionFacts::kTextBytesMax;
    if (!good) return wrong(path + "." + std::string(name), "must be a text, up to 4096 bytes");
    return member->string_value();
}

Result<std::uint64_t> parse_gas(const Json& json, const std::string& path) {
    TRY(const Amount amount, parse_amount(json, path));
    if (amount.high_64() != 0) return wrong(path, "must be below 2^64");
    return amount.low_64();
}

Result<ContractCall> parse_call(const Json& json, const std::string& path) {
    TRY_VOID(check_members(json, path, {"receiver", "method", "deposit", "gas", "opaque"}));
    ContractCall call;
    TRY(call.receiver, parse_text(json, "receiver", path));
    TRY(call.method, parse_text(json, "method", path));
    if (call.receiver.empty()) return wrong(path + ".receiver", "must be there");
    if (const Json* const deposit = json.find("deposit"); deposit != nullptr) {
        TRY(call.deposit, parse_amount(*deposit, path + ".deposit"));
    }
    if (const Json* const gas = json.find("gas"); gas != nullptr) {
        TRY(call.gas, parse_gas(*gas, path + ".gas"));
    }
    if (const Json* const opaque = json.find("opaque"); opaque != nullptr) {
        TRY(call.opaque, parse_flag(*opaque, path + ".opaque"));
    }
    return call;
}

Result<Movement> parse_movement(const Json& json, const std::string& path) {
    TRY_VOID(check_members(json, path, {"token", "from", "to", "amount"}));
    Movement movement;
    TRY(movement.token, parse_text(json, "token", path));
    TRY(movement.from, parse_text(json, "from", path));
    TRY(movement.to, parse_text(json, "to", path));
    if (movement.token.empty()) return wrong(path + ".token", "must be there");
    const Json* const amount = json.find("amount");
    if (amount == nullptr) return wrong(path + ".amount", "must be there");
    TRY(movement.amount, parse_amount(*amount, path + ".amount"));
    return movement;
}

Result<const std::vector<Json>*> parse_list(
    const Json& object, std::string_view name, const std::string& path, std::size_t count_max) {
    static const std::vector<Json> kNone;
    const Json* const list = object.find(name);
    if (list == nullptr) return &kNone;
    if (!list->is_array() || list->items().size() > count_max) {
        return wrong(
            path + "." + std::string(name), "must be a list, up to " + std::to_string(count_max));
    }
    return &list->items();
}

Result<Action> parse_action(const Json& json, const std::string& path) {
    TRY_VOID(check_members(json, path, {"kind", "call", "movements", "detail"}));
    Action action;
    TRY(const std::string kind, parse_text(json, "kind", path));
    const auto parsed = parse_action_kind(kind);
    if (!parsed) return wrong(path + ".kind", parsed.error().message());
    action.kind = *parsed;
    if (const Json* const call = json.find("call"); call != nullptr) {
        TRY(action.call, parse_call(*call, path + ".call"));
    }
    TRY(const auto* movements, parse_list(json, "movements", path, ActionFacts::kMovementsMax));
    for (std::size_t i = 0; i < movements->size(); ++i) {
        TRY(Movement movement,
            parse_movement((*movements)[i], path + ".movements[" + std::to_string(i) + "]"));
        action.movements.push_back(std::move(movement));
    }
    TRY(action.detail, parse_text(json, "detail", path));
    return action;
}

Result<Fee> parse_fee(const Json& json, const std::string& path) {
    TRY_VOID(check_members(json, path, {"token", "amount"}));
    Fee fee;
    TRY(fee.token, parse_text(json, "token", path));
    const Json* const amount = json.find("amount");
    if (fee.token.empty() || amount == nullptr) return wrong(path, "names a token and an amount");
    TRY(fee.amount, parse_amount(*amount, path + ".amount"));
    return fee;
}

void add_number(base::Bytes& out, Amount number) {
    for (const std::uint64_t half : {number.high_64(), number.low_64()}) {
        for (int shift = 56; shift >= 0; shift -= 8) {
            out.push_back(static_cast<std::uint8_t>(half >> static_cast<unsigned>(shift)));
        }
    }
}

void add_text(base::Bytes& out, std::string_view text) {
    add_number(out, Amount(text.size()));
    out.insert(out.end(), text.begin(), text.end());
}

// The actions as bytes that read in one way only: lengths and counts in front.
base::Bytes flat(const Action& action) {
    base::Bytes out;
    add_text(out, to_string(action.kind));
    out.push_back(action.call ? 1 : 0);
    if (action.call) {
        add_text(out, action.call->receiver);
        add_text(out, action.call->method);
        add_number(out, action.call->deposit);
        add_number(out, Amount(action.call->gas));
        out.push_back(action.call->opaque ? 1 : 0);
    }
    add_number(out, Amount(action.movements.size()));
    for (const Movement& movement : action.movements) {
        add_text(out, movement.token);
        add_text(out, movement.from);
        add_text(out, movement.to);
        add_number(out, movement.amount);
    }
    return out;
}

}  // namespace

std::string_view to_string(ActionKind kind) {
    return kKindNames[static_cast<std::size_t>(kind)];
}

Result<ActionKind> parse_action_kind(std::string_view text) {
    for (std::size_t i = 0; i < kKindNames.size(); ++i) {
        if (kKindNames[i] == text) return static_cast<ActionKind>(i);
    }
    return Error::invalid_argument(
        "unknown operation " + internal::shown(text) +
        internal::hint(text, {kKindNames.begin(), kKindNames.end()}));
}

Json to_json(const ActionFacts& facts) {
    Json out = Json::object();
    out.set("chain", Json::string(facts.chain));
    out.set("account", Json::string(facts.account));
    Json actions = Json::array();
    for (const Action& action : facts.actions) actions.push_back(to_json(action));
    out.set("actions", std::move(actions));
    if (!facts.fees.empty()) {
        Json fees = Json::array();
        for (const Fee& fee : facts.fees) {
            fees.push_back(Json::object()
                               .set("token", Json::string(fee.token))
                               .set("amount", Json::string(fee.amount.to_string())));
        }
        out.set("fees", std::move(fees));
    }
    out.set("understood", Json::boolean(facts.understood));
    if (!facts.reason.empty()) out.set("reason", Json::string(facts.reason));
    return out;
}

Result<ActionFacts> parse_facts(const Json& json) {
    TRY_VOID(check_members(
        json, "facts", {"chain", "account", "actions", "fees", "understood", "reason"}));
    ActionFacts facts;
    TRY(facts.chain, parse_text(json, "chain", "facts"));
    TRY(facts.account, parse_text(json, "account", "facts"));
    if (facts.chain.empty()) return wrong("facts.chain", "must be there");
    TRY(const auto* actions, parse_list(json, "actions", "facts", ActionFacts::kActionsMax));
    for (std::size_t i = 0; i < actions->size(); ++i) {
        TRY(Action action, parse_action((*actions)[i], "facts.actions[" + std::to_string(i) + "]"));
        facts.actions.push_back(std::move(action));
    }
    TRY(const auto* fees, parse_list(json, "fees", "facts", ActionFacts::kActionsMax));
    for (std::size_t i = 0; i < fees->size(); ++i) {
        TRY(Fee fee, parse_fee((*fees)[i], "facts.fees[" + std::to_string(i) + "]"));
        facts.fees.push_back(std::move(fee));
    }
    if (const Json* const understood = json.find("understood"); understood != nullptr) {
        TRY(facts.understood, parse_flag(*understood, "facts.understood"));
    }
    TRY(facts.reason, parse_text(json, "reason", "facts"));
    return facts;
}

crypto::Sha256Digest digest_of(const ActionFacts& facts) {
    crypto::Sha256 actions;
    base::Bytes count;
    add_number(count, Amount(facts.actions.size()));
    actions.update(count);
    for (const Action& action : facts.actions) {
        const base::Bytes bytes = flat(action);
        base::Bytes length;
        add_number(length, Amount(bytes.size()));
        actions.update(length);
        actions.update(bytes);
    }
    base::Bytes fees;
    for (const Fee& fee : facts.fees) {
        add_text(fees, fee.token);
        add_number(fees, fee.amount);
    }
    crypto::Transcript transcript("policy-facts");
    transcript.add(1, facts.chain).add(2, facts.account);
    transcript.add(3, actions.finish().view()).add(4, fees);
    transcript.add_u64(5, facts.understood ? 1 : 0);
    return transcript.sha256();
}

}  // namespace adyton::policy

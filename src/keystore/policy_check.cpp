#include "keystore/policy_check.h"

#include <array>
#include <chrono>
#include <optional>

#include "base/check.h"
#include "keystore/approvals.h"
#include "keystore/order.h"
#include "keystore/prepared.h"
#include "keystore/wallet_id.h"
#include "near/compact_json.h"
#include "near/intents.h"
#include "near/policy_blob.h"

namespace adyton::keystore {
namespace {

using base::Json;
using policy::Verdict;

constexpr std::size_t kPolicyTextBytesMax = 256 * 1024;
constexpr std::string_view kFtPrefix = "nep141:";

Error bad(std::string text) {
    return Error::invalid_argument(std::move(text));
}

// The members of an action; absent and null are the same.
class ActionReader {
public:
    explicit ActionReader(const Json& action) : action_(action) {}

    Result<std::optional<std::string>> text(std::string_view name) const {
        const Json* const found = action_.find(name);
        if (found == nullptr || found->is_null()) return std::optional<std::string>();
        if (!found->is_string()) return bad("action." + std::string(name) + " must be a string");
        return std::optional<std::string>(found->string_value());
    }
    Result<std::string> required(std::string_view name) const {
        TRY(auto found, text(name));
        if (!found || found->empty()) {
            return bad("action." + std::string(name) + " is required");
        }
        return *std::move(found);
    }
    // The first of two names.
    Result<std::string> required(std::string_view name, std::string_view other) const {
        TRY(auto found, text(name));
        if (found && !found->empty()) return *std::move(found);
        return required(other);
    }
    Result<near::AccountId> account(std::string_view name, std::string_view other) const {
        TRY(const auto found, required(name, other));
        return parse_account("action." + std::string(name), found);
    }
    Result<near::YoctoNear> amount(std::string_view name, std::string_view other) const {
        TRY(auto found, text(name));
        if (!found) {
            TRY(found, text(other));
        }
        if (!found) return near::YoctoNear();
        return parse_amount("action." + std::string(name), *found);
    }

private:
    const Json& action_;
};

Json text(std::string_view value) {
    return Json::string(std::string(value));
}

base::Bytes bytes_of(const std::string& value) {
    const auto view = base::as_bytes(value);
    return {view.begin(), view.end()};
}

policy::ActionFacts facts_of_one(
    const near::AccountId& account, const near::AccountId& receiver, near::PlainAction action,
    const policy::NearNetwork& network) {
    const std::array<near::PlainAction, 1> actions = {std::move(action)};
    return policy::facts_of(account, receiver, actions, network);
}

// A call of a token's contract as the keystore's callers make it.
policy::ActionFacts token_call(
    const near::AccountId& account, const near::AccountId& token, std::string method,
    const Json& args, const policy::NearNetwork& network) {
    return facts_of_one(
        account, token,
        near::FunctionCall{
            std::move(method), bytes_of(near::compact_json(args)), near::Gas(),
            near::YoctoNear(base::Amount(1))},
        network);
}

Result<near::AccountId> token_contract(const ActionReader& read) {
    TRY(std::string token, read.required("token"));
    if (token.starts_with(kFtPrefix)) token.erase(0, kFtPrefix.size());
    return parse_account("action.token", token);
}

std::string token_id(std::string token) {
    return token.find(':') == std::string::npos ? std::string(kFtPrefix) + token : token;
}

Result<policy::ActionFacts> call_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(const auto receiver, read.account("receiver_id", "to"));
    TRY(auto method, read.required("method_name"));
    TRY(const auto deposit, read.amount("deposit", "amount"));
    api::CallArgs args;
    TRY(args.args_json, read.text("args_json"));
    TRY(args.args_base64, read.text("args_base64"));
    if (args.args_json && args.args_base64) {
        return bad("provide exactly one of args_base64 or args_json");
    }
    const bool carries_nothing = !args.args_json && !args.args_base64 &&
                                 receiver == network.intents && method == "execute_intents";
    if (carries_nothing) args.args_json = R"({"signed":[]})";
    TRY(auto bytes, call_args(args));
    return facts_of_one(
        account, receiver,
        near::FunctionCall{std::move(method), std::move(bytes), near::Gas(), deposit}, network);
}

Result<policy::ActionFacts> transfer_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(const auto to, read.account("to", "receiver_id"));
    TRY(const auto amount, read.amount("amount", "deposit"));
    TRY(const auto token, read.text("token"));
    if (!token || *token == policy::kNativeToken) {
        return facts_of_one(account, to, near::Transfer{amount}, network);
    }
    TRY(const auto contract, token_contract(read));
    return token_call(
        account, contract, "ft_transfer",
        Json::object().set("receiver_id", text(to.text())).set("amount", text(amount.to_string())),
        network);
}

Result<policy::ActionFacts> deposit_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(const auto contract, token_contract(read));
    TRY(const auto amount, read.amount("amount", "amount"));
    return token_call(
        account, contract, "ft_transfer_call",
        Json::object()
            .set("receiver_id", text(network.intents.text()))
            .set("amount", text(amount.to_string()))
            .set("msg", text("")),
        network);
}

// The facts of one intent, in the message that would be signed.
policy::ActionFacts intent_facts(
    const near::AccountId& account, Json intent, const policy::NearNetwork& network) {
    Json intents = Json::array();
    intents.push_back(std::move(intent));
    near::MessagePayload payload;
    payload.message = near::intents_message_text(account, "2100-01-01T00:00:00.000Z", intents);
    payload.recipient = network.intents.text();
    return policy::facts_of(account, payload, network);
}

Result<policy::ActionFacts> intents_transfer_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(const auto to, read.account("to", "receiver_id"));
    TRY(auto token, read.required("token"));
    TRY(const auto amount, read.amount("amount", "amount"));
    Json intent = Json::object();
    intent.set("intent", text("transfer")).set("receiver_id", text(to.text()));
    intent.set("tokens", Json::object().set(token_id(std::move(token)), text(amount.to_string())));
    return intent_facts(account, std::move(intent), network);
}

Result<policy::ActionFacts> intents_withdraw_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(const auto to, read.account("to", "receiver_id"));
    TRY(const auto amount, read.amount("amount", "amount"));
    TRY(const auto token, read.text("token"));
    Json intent = Json::object();
    if (!token || *token == policy::kNativeToken) {
        intent.set("intent", text("native_withdraw"));
    } else {
        TRY(const auto contract, token_contract(read));
        intent.set("intent", text("ft_withdraw")).set("token", text(contract.text()));
    }
    intent.set("receiver_id", text(to.text())).set("amount", text(amount.to_string()));
    return intent_facts(account, std::move(intent), network);
}

Result<policy::ActionFacts> intents_swap_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(auto token_in, read.required("token_in", "token"));
    TRY(auto token_out, read.required("token_out"));
    TRY(const auto amount_in, read.amount("amount", "amount_in"));
    TRY(const auto amount_out, read.amount("min_amount_out", "amount_out"));
    Json diff = Json::object();
    diff.set(token_id(std::move(token_in)), text("-" + amount_in.to_string()));
    if (!amount_out.is_zero()) {
        diff.set(token_id(std::move(token_out)), text(amount_out.to_string()));
    }
    Json intent = Json::object();
    intent.set("intent", text("token_diff")).set("diff", std::move(diff));
    return intent_facts(account, std::move(intent), network);
}

Result<policy::ActionFacts> direct_user_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(auto facts, call_facts(read, account, network));
    for (policy::Action& action : facts.actions) {
        if (action.kind == policy::ActionKind::Call) action.kind = policy::ActionKind::DirectUser;
    }
    return facts;
}

Result<policy::ActionFacts> delete_facts(
    const ActionReader& read, const near::AccountId& account, const policy::NearNetwork& network) {
    TRY(auto beneficiary, read.account("beneficiary_id", "to"));
    return facts_of_one(account, account, near::DeleteAccount{std::move(beneficiary)}, network);
}

// The wallet's own payloads in the arguments of a described call.
Result<std::vector<CarriedPayload>> carried_by_action(
    const Json& action, const near::AccountId& account, const near::PublicKey& own,
    const policy::NearNetwork& network) {
    const ActionReader read(action);
    TRY(const auto type, read.required("type"));
    if (type != "call") return std::vector<CarriedPayload>();
    TRY(const auto receiver, read.account("receiver_id", "to"));
    near::FunctionCall call;
    TRY(call.method_name, read.required("method_name"));
    api::CallArgs args;
    TRY(args.args_json, read.text("args_json"));
    TRY(args.args_base64, read.text("args_base64"));
    TRY(call.args, call_args(args));
    return carried_by(call, receiver, account, own, network);
}

using Mapping = Result<policy::ActionFacts> (*)(
    const ActionReader&, const near::AccountId&, const policy::NearNetwork&);
constexpr std::array<std::pair<std::string_view, Mapping>, 8> kMappings = {{
    {"call", &call_facts},
    {"direct_user", &direct_user_facts},
    {"transfer", &transfer_facts},
    {"intents_transfer", &intents_transfer_facts},
    {"intents_withdraw", &intents_withdraw_facts},
    {"intents_deposit", &deposit_facts},
    {"intents_swap", &intents_swap_facts},
    {"delete", &delete_facts},
}};

Result<policy::TokenCaps> read_totals(const Json& usage, std::string_view window) {
    policy::TokenCaps out;
    const Json* const totals = usage.find(window);
    if (totals == nullptr || totals->is_null()) return out;
    if (!totals->is_object() || totals->size() > 1000) {
        return bad("current_usage." + std::string(window) + " must be an object of amounts");
    }
    for (const auto& [token, amount] : totals->members()) {
        const auto parsed = near::parse_u128(amount.is_string() ? amount.string_value() : "-");
        if (!parsed) {
            return bad("current_usage." + std::string(window) + " has a malformed amount");
        }
        out.emplace(token, *parsed);
    }
    return out;
}

// What one policy says to the facts, its counters looked at and left alone.
struct Ask {
    const policy::ValuePolicy& rules;
    const policy::ActionFacts& facts;
    const policy::ClaimedUsage& claimed;
    const std::string& subject;
};
Result<Verdict> ask(storage::Transaction& tx, const Ask& question) {
    TRY(const base::Timestamp now, tx.now());
    Verdict verdict = policy::evaluate(
        question.rules, {question.facts, question.subject, now, &question.claimed});
    if (verdict.denied() || verdict.charges.empty()) return verdict;
    TRY(const auto refusal, policy::probe(tx, verdict.charges));
    if (!refusal) return verdict;
    verdict.outcome = Verdict::Outcome::Denied;
    verdict.rule = refusal->rule;
    verdict.reason = "policy_limit";
    verdict.message = refusal->to_error().message();
    return verdict;
}

// The stricter of two answers.
const Verdict& stricter(const Verdict& a, const Verdict& b) {
    const auto rank = [](const Verdict& verdict) {
        if (verdict.denied()) return std::pair(2, std::int64_t{0});
        const bool approval = verdict.outcome == Verdict::Outcome::NeedsApproval;
        return std::pair(approval ? 1 : 0, verdict.approvals_required);
    };
    return rank(b) > rank(a) ? b : a;
}

api::CheckPolicyResponse answer_of(const Verdict& verdict, bool frozen) {
    api::CheckPolicyResponse out;
    out.frozen = frozen;
    out.allowed = !frozen && !verdict.denied();
    out.rule = frozen ? "frozen" : verdict.rule;
    if (frozen) {
        out.reason = "wallet_frozen";
    } else if (verdict.denied()) {
        out.reason = verdict.message;
    }
    if (out.allowed && verdict.outcome == Verdict::Outcome::NeedsApproval) {
        out.requires_approval = true;
        out.required_approvals = verdict.approvals_required;
        out.reason = verdict.message;
    }
    return out;
}

near::AccountId account_of(
    const KeystoreContext& keystore, const std::string& wallet_id, std::uint32_t version) {
    return near::AccountId::implicit(keystore.keys.public_key(KeyName::wallet(wallet_id, version)));
}

}  // namespace

Result<policy::ActionFacts> facts_of_action(
    const Json& action, const near::AccountId& account, const policy::NearNetwork& network) {
    const ActionReader read(action);
    TRY(const auto type, read.required("type"));
    for (const auto& [name, mapping] : kMappings) {
        if (name == type) return mapping(read, account, network);
    }
    return bad(
        "action.type is none of call, direct_user, transfer, intents_transfer, intents_withdraw, "
        "intents_deposit, intents_swap and delete");
}

Result<policy::ClaimedUsage> claimed_usage(const Json& action) {
    policy::ClaimedUsage out;
    const Json* const usage = action.find("current_usage");
    if (usage == nullptr || usage->is_null()) return out;
    if (!usage->is_object()) return bad("current_usage must be an object");
    const auto put = [&](policy::CapWindow window) -> Result<void> {
        TRY(out.spent[static_cast<std::size_t>(window)],
            read_totals(*usage, policy::to_string(window)));
        return {};
    };
    TRY_VOID(put(policy::CapWindow::Hour));
    TRY_VOID(put(policy::CapWindow::Day));
    TRY_VOID(put(policy::CapWindow::Month));
    if (const Json* const count = usage->find("hourly_tx_count"); count && !count->is_null()) {
        const auto number = count->as_int64();
        if (!number || *number < 0) return bad("current_usage.hourly_tx_count is malformed");
        out.hourly_count = *number;
    }
    return out;
}

Task<Result<api::CheckPolicyResponse>> check_policy(
    const KeystoreContext& keystore, api::CheckPolicyRequest request, std::uint32_t version) {
    CO_TRY_VOID(check_wallet_id(request.wallet_id));
    const near::AccountId account = account_of(keystore, request.wallet_id, version);
    CO_TRY(
        const auto described, facts_of_action(request.action, account, keystore.options.network));
    const near::PublicKey wallet_key(
        keystore.keys.public_key(KeyName::wallet(request.wallet_id, version)));
    CO_TRY(
        const auto carried,
        carried_by_action(request.action, account, wallet_key, keystore.options.network));
    CO_TRY(const auto claimed, claimed_usage(request.action));
    Json given;
    std::optional<policy::ValuePolicy> given_rules;
    if (request.encrypted_policy_data) {
        CO_TRY(given, decrypt_policy(keystore, request.wallet_id, *request.encrypted_policy_data));
        auto parsed = policy::ValuePolicy::parse_any(given);
        if (!parsed) {
            co_return std::move(parsed).error().with_context("Invalid encrypted_policy_data");
        }
        given_rules = *std::move(parsed);
    }
    const std::string subject = subject_of(request.wallet_id);
    auto unit = [&](storage::Transaction& tx) -> Result<api::CheckPolicyResponse> {
        std::vector<const CarriedPayload*> fresh;
        TRY(const auto facts, with_fresh_payloads(tx, described, carried, fresh));
        TRY(const auto stored, keystore.policies.load(tx, subject));
        // A policy that comes with the request stands in for one that is not stored.
        const bool only_given = given_rules && stored.policy == nullptr;
        const policy::ValuePolicy& own =
            only_given ? *given_rules : policy_for(stored, keystore.options);
        TRY(Verdict verdict, ask(tx, {own, facts, claimed, subject}));
        if (stored.policy == nullptr && !only_given && verdict.denied()) {
            verdict.message = "no policy is stored for the wallet: " + verdict.message;
        }
        bool frozen = stored.frozen;
        if (given_rules && !only_given) {
            TRY(const Verdict other, ask(tx, {*given_rules, facts, claimed, subject}));
            verdict = stricter(verdict, other);
        }
        if (given_rules) frozen = frozen || given_rules->frozen;
        return answer_of(verdict, frozen);
    };
    auto read = keystore.database.read(std::move(unit));
    CO_TRY(auto answer, co_await std::move(read));
    answer.policy = std::move(given);
    co_return answer;
}

Task<Result<Json>> test_policy(
    const KeystoreContext& keystore, PolicyTest test, std::uint32_t version) {
    CO_TRY_VOID(check_wallet_id(test.wallet_id));
    const near::AccountId account = account_of(keystore, test.wallet_id, version);
    policy::ActionFacts facts;
    if (test.facts.is_object() == test.action.is_object()) {
        co_return bad("give exactly one of action and facts");
    }
    if (test.facts.is_object()) {
        CO_TRY(facts, policy::parse_facts(test.facts));
    } else {
        CO_TRY(facts, facts_of_action(test.action, account, keystore.options.network));
    }
    policy::ClaimedUsage claimed;
    if (test.action.is_object()) {
        CO_TRY(claimed, claimed_usage(test.action));
    }
    std::optional<policy::ValuePolicy> given;
    if (!test.policy.is_null()) {
        CO_TRY(given, policy::ValuePolicy::parse_any(test.policy));
    }
    const std::string subject = subject_of(test.wallet_id);
    auto unit = [&](storage::Transaction& tx) -> Result<Json> {
        TRY(const auto stored, keystore.policies.load(tx, subject));
        const policy::ValuePolicy& rules = given ? *given : policy_for(stored, keystore.options);
        TRY(const Verdict verdict, ask(tx, {rules, facts, claimed, subject}));
        Json out = policy::to_json(verdict);
        out.set("facts", policy::to_json(facts));
        out.set("frozen", Json::boolean(stored.frozen || rules.frozen));
        out.set("policy_digest", text(policy::digest_of(rules).to_hex()));
        if (!given) out.set("policy_version", Json::integer(stored.version));
        return out;
    };
    auto read = keystore.database.read(std::move(unit));
    co_return co_await std::move(read);
}

Result<std::string> encrypt_policy(
    const KeystoreContext& keystore, const api::EncryptPolicyRequest& request) {
    TRY_VOID(check_wallet_id(request.wallet_id));
    if (request.policy_json.size() > kPolicyTextBytesMax) return bad("policy_json is too long");
    auto json = Json::parse(request.policy_json);
    if (!json) return bad("Invalid policy_json: " + json.error().message());
    auto rules = policy::ValuePolicy::parse_any(*json);
    if (!rules) return bad("Invalid policy_json: " + rules.error().message());
    const auto key = keystore.keys.policy_blob_key(request.wallet_id);
    return base::base64_encode(
        near::seal_policy(key.public_key(), base::as_bytes(request.policy_json), keystore.random));
}

Result<Json> decrypt_policy(
    const KeystoreContext& keystore, const std::string& wallet_id, const std::string& base64) {
    if (base64.size() > 2 * near::kPolicyBlobBytesMax) {
        return bad("encrypted_policy_data is too long");
    }
    const auto blob = base::base64_decode(base64);
    if (!blob) return bad("Invalid encrypted_policy_data: " + blob.error().message());
    const auto opened = near::open_policy(keystore.keys.policy_blob_key(wallet_id), *blob);
    if (!opened) return bad("Invalid encrypted_policy_data: " + opened.error().message());
    auto json = Json::parse(base::as_text(*opened));
    if (!json || !json->is_object()) {
        return bad("Invalid encrypted_policy_data: it holds no JSON object");
    }
    return json;
}

Task<Result<api::SignPolicyResponse>> sign_policy(
    const KeystoreContext& keystore, CallerContext caller, api::SignPolicyRequest request,
    std::uint32_t version) {
    CO_TRY_VOID(check_wallet_id(request.wallet_id));
    CO_TRY(const Json json, decrypt_policy(keystore, request.wallet_id, request.encrypted_data));
    auto rules = policy::ValuePolicy::parse_any(json);
    if (!rules) co_return bad("Invalid encrypted_data: " + rules.error().message());
    const auto digest = crypto::sha256(base::as_bytes(request.encrypted_data));
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        TRY(const auto stored, keystore.policies.load_to_sign(tx, subject_of(request.wallet_id)));
        if (stored.frozen) return Error::permission_denied("wallet_frozen", "wallet_frozen");
        return record(tx, keystore, "keystore.sign", caller.actor, [&](base::JsonWriter& out) {
            out.member("wallet_id", std::string_view(request.wallet_id));
            out.member("operation", std::string_view("sign_policy"));
            out.member("key_version", std::int64_t{version});
            out.member("payload_hash", std::string_view(digest.to_hex()));
            out.member("trace_id", std::string_view(caller.trace_id));
        });
    };
    auto write = keystore.database.write(std::move(unit), keystore.options.sign_durability);
    CO_TRY_VOID(co_await std::move(write));
    const KeyName name = KeyName::wallet(request.wallet_id, version);
    CO_TRY(const auto signature, keystore.keys.sign(name, digest));
    co_return api::SignPolicyResponse{
        base::hex_encode(signature.bytes), base::hex_encode(keystore.keys.public_key(name).bytes)};
}

}  // namespace adyton::keystore

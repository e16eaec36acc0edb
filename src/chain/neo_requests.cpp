#include "chain/internal/neo_requests.h"

#include <limits>
#include <utility>

#include "neo/script.h"

namespace adyton::chain::internal {
namespace {

neo::ScriptHash native(std::string_view text) {
    const Result<neo::ScriptHash> hash = neo::ScriptHash::parse(text);
    CHECK(hash.has_value());
    return *hash;
}

const neo::ScriptHash& ledger_contract() {
    static const neo::ScriptHash kHash = native("0xda65b600f7124ce6c79950c1772a36403104f2be");
    return kHash;
}

const neo::ScriptHash& policy_contract() {
    static const neo::ScriptHash kHash = native("0xcc5e4edd9f5f8dba8bb65734541df7a1c081c67b");
    return kHash;
}

base::Json named(std::string_view type) {
    return base::Json::object().set("type", base::Json::string(std::string(type)));
}

base::Json condition_json(const neo::WitnessCondition& condition);

base::Json conditions_json(const std::vector<neo::WitnessCondition>& conditions) {
    base::Json out = base::Json::array();
    for (const auto& one : conditions) out.push_back(condition_json(one));
    return out;
}

base::Json hash_json(const neo::ScriptHash& hash) {
    return base::Json::string(hash.to_string());
}

base::Json group_json(const neo::WitnessCondition& condition) {
    CHECK(condition.group.size() == 1);
    return base::Json::string(condition.group.front().to_hex());
}

base::Json condition_json(const neo::WitnessCondition& condition) {
    using Type = neo::WitnessCondition::Type;
    switch (condition.type) {
        case Type::Boolean:
            return named("Boolean").set("expression", base::Json::boolean(condition.boolean));
        case Type::Not:
            CHECK(condition.conditions.size() == 1);
            return named("Not").set("expression", condition_json(condition.conditions.front()));
        case Type::And:
            return named("And").set("expressions", conditions_json(condition.conditions));
        case Type::Or:
            return named("Or").set("expressions", conditions_json(condition.conditions));
        case Type::ScriptHash:
            return named("ScriptHash").set("hash", hash_json(condition.hash));
        case Type::Group:
            return named("Group").set("group", group_json(condition));
        case Type::CalledByEntry:
            return named("CalledByEntry");
        case Type::CalledByContract:
            return named("CalledByContract").set("hash", hash_json(condition.hash));
        case Type::CalledByGroup:
            return named("CalledByGroup").set("group", group_json(condition));
    }
    CHECK(false);
    return {};
}

base::Json signer_json(const neo::Signer& signer) {
    base::Json out = base::Json::object();
    out.set("account", hash_json(signer.account));
    out.set("scopes", base::Json::string(neo::scopes_to_string(signer.scopes)));
    if ((signer.scopes & neo::kScopeCustomContracts) != 0) {
        base::Json list = base::Json::array();
        for (const auto& contract : signer.allowed_contracts) list.push_back(hash_json(contract));
        out.set("allowedcontracts", std::move(list));
    }
    if ((signer.scopes & neo::kScopeCustomGroups) != 0) {
        base::Json list = base::Json::array();
        for (const auto& group : signer.allowed_groups) {
            list.push_back(base::Json::string(group.to_hex()));
        }
        out.set("allowedgroups", std::move(list));
    }
    if ((signer.scopes & neo::kScopeWitnessRules) != 0) {
        base::Json list = base::Json::array();
        for (const auto& rule : signer.rules) {
            base::Json one = base::Json::object();
            one.set("action", base::Json::string(rule.allow ? "Allow" : "Deny"));
            one.set("condition", condition_json(rule.condition));
            list.push_back(std::move(one));
        }
        out.set("rules", std::move(list));
    }
    return out;
}

Error no_answer_of_ours() {
    return Error::corrupt_data("the script left something else on the stack than it should");
}

}  // namespace

base::Json signers_json(const std::vector<neo::Signer>& signers) {
    base::Json out = base::Json::array();
    for (const auto& signer : signers) out.push_back(signer_json(signer));
    return out;
}

base::Bytes balances_script(std::span<const BalanceQuery> queries) {
    neo::ScriptBuilder script;
    script.call(ledger_contract(), "currentIndex", neo::kCallReadOnly, {});
    for (const auto& query : queries) {
        script.call(
            query.token, "balanceOf", neo::kCallReadOnly, {neo::Value::of_hash(query.account)});
    }
    return script.take();
}

Result<HeightAndBalances> read_balances(const Invocation& invocation, std::size_t count) {
    if (invocation.state != VmState::Halt) {
        return Error::unprocessable("balanceOf faults: " + invocation.exception);
    }
    if (invocation.stack.size() != count + 1) return no_answer_of_ours();
    const Result<base::Amount> height = invocation.stack.front().as_amount();
    constexpr auto kHeightMax = std::numeric_limits<std::uint32_t>::max();
    if (!height || *height > base::Amount(kHeightMax)) return no_answer_of_ours();
    HeightAndBalances out;
    out.height = static_cast<std::uint32_t>(height->low_64());
    for (std::size_t i = 0; i < count; ++i) {
        const StackItem& item = invocation.stack[i + 1];
        if (item.type == StackItem::Type::Integer) {
            out.amounts.push_back(item.as_amount());
        } else {
            out.amounts.emplace_back(Error::unprocessable("balanceOf gives no integer"));
        }
    }
    return out;
}

base::Bytes symbol_script(const neo::ScriptHash& token) {
    neo::ScriptBuilder script;
    script.call(token, "symbol", neo::kCallReadOnly, {});
    return script.take();
}

Result<std::string> read_symbol(const Invocation& invocation) {
    if (invocation.state != VmState::Halt) {
        return Error::unprocessable("symbol faults: " + invocation.exception.substr(0, 300));
    }
    if (invocation.stack.size() != 1) return no_answer_of_ours();
    const StackItem& item = invocation.stack.front();
    std::string text(item.bytes.begin(), item.bytes.end());
    if (item.type != StackItem::Type::ByteString || !is_token_symbol(text)) {
        return Error::unprocessable("symbol gives no symbol");
    }
    return text;
}

base::Bytes policy_script() {
    neo::ScriptBuilder script;
    script.call(policy_contract(), "getFeePerByte", neo::kCallReadOnly, {});
    script.call(policy_contract(), "getExecFeeFactor", neo::kCallReadOnly, {});
    return script.take();
}

Result<neo::FeePolicy> read_policy(const Invocation& invocation) {
    if (invocation.state != VmState::Halt || invocation.stack.size() != 2) {
        return no_answer_of_ours();
    }
    neo::FeePolicy out;
    const Result<std::int64_t> per_byte = invocation.stack[0].integer.as_int64();
    const Result<std::int64_t> factor = invocation.stack[1].integer.as_int64();
    for (const StackItem& item : invocation.stack) {
        if (item.type != StackItem::Type::Integer || item.integer.is_negative()) {
            return no_answer_of_ours();
        }
    }
    if (!per_byte || !factor) return no_answer_of_ours();
    out.fee_per_byte = *per_byte;
    out.exec_fee_factor = *factor;
    return out;
}

SendOutcome outcome_of_refusal(const RpcError& error) {
    using Kind = SendOutcome::Kind;
    using Advice = SendOutcome::Advice;
    SendOutcome out;
    out.code = error.code;
    out.text = error.to_string();
    const auto refused = [&out](Advice advice) {
        out.kind = Kind::Refused;
        out.advice = advice;
        return out;
    };
    switch (error.code) {
        case -501:
        case -503:
            out.kind = Kind::AlreadyKnown;
            return out;
        case -502:
        case -511:
            return refused(Advice::Later);
        case -504:
            return refused(Advice::FeeTooLow);
        case -510:
            return refused(Advice::Expired);
        case -500:
        case -505:
        case -506:
        case -507:
        case -508:
        case -509:
        case -512:
        case -32602:
            return refused(Advice::Never);
        default:
            // -32603 and what we don't know: it may have come after the node took the bytes.
            out.kind = Kind::Unknown;
            return out;
    }
}

SendOutcome outcome_of_result(
    const Result<neo::TransactionHash>& sent, const neo::TransactionHash& ours) {
    SendOutcome out;
    if (!sent) {
        out.text = "the endpoint's answer cannot be read: " + sent.error().message();
    } else if (*sent != ours) {
        out.text = "the endpoint names another hash: " + sent->to_string();
    } else {
        out.kind = SendOutcome::Kind::Accepted;
    }
    return out;
}

}  // namespace adyton::chain::internal

#include "pool/clear_signing.h"

#include <algorithm>

#include "base/cut_text.h"
#include "neo/transaction.h"
#include "neo/verification_script.h"
#include "policy/neo_facts.h"
#include "policy/service_verdict.h"

namespace adyton::pool {
namespace {

constexpr std::size_t kListedTextMax = 80;  // of one name in an audit record

// The same for the same charges: a rule that changed counts anew.
std::string digest_of(const std::vector<policy::Charge>& charges) {
    std::string text;
    base::JsonWriter out(text);
    out.begin_array();
    for (const policy::Charge& charge : charges) {
        out.begin_array();
        out.value(std::string_view(charge.limit.subject));
        out.value(std::string_view(charge.limit.metric));
        out.value(std::int64_t{charge.limit.window.count()});
        out.value(static_cast<std::int64_t>(charge.limit.kind));
        out.value(std::string_view(charge.limit.max.to_string()));
        out.value(std::string_view(charge.limit.rule));
        out.value(std::string_view(charge.amount.to_string()));
        out.end_array();
    }
    out.end_array();
    return crypto::sha256(base::as_bytes(text)).to_hex().substr(0, 16);
}

std::string reservation_id(
    const ClearItem& item, const ClearGrant& grant, const std::string& account_id) {
    return "sign:" + base::hex_encode(item.explanation.hash.wire()) + ":" + account_id + ":" +
           digest_of(grant.charges);
}

// Refusals of reserve() that are about this item alone.
bool is_refusal(const Error& error) {
    return error.reason() == "reservation_reused" || error.code() == ErrorCode::Unprocessable;
}

// Contracts choose such names. Cut at a character, and without those that no record may hold.
std::string listed(const std::string& text) {
    std::string out(base::cut_text(text, kListedTextMax));
    for (char& c : out) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) c = '?';
    }
    return out;
}

void write_calls(
    base::JsonWriter& out, const std::vector<policy::Action>& actions, std::size_t listed_max) {
    std::size_t count = 0;
    out.key("calls").begin_array();
    for (const policy::Action& action : actions) {
        if (!action.call) continue;
        if (++count > listed_max) continue;
        out.begin_object();
        out.member("contract", std::string_view(listed(action.call->receiver)));
        out.member("method", std::string_view(listed(action.call->method)));
        out.end_object();
    }
    out.end_array();
    if (count > listed_max) out.member("calls_in_all", static_cast<std::int64_t>(count));
}

void write_movements(
    base::JsonWriter& out, const std::vector<policy::Action>& actions, std::size_t listed_max) {
    std::size_t count = 0;
    out.key("moves").begin_array();
    for (const policy::Action& action : actions) {
        for (const policy::Movement& movement : action.movements) {
            if (++count > listed_max) continue;
            out.begin_object();
            out.member("token", std::string_view(listed(movement.token)));
            out.member("to", std::string_view(listed(movement.to)));
            out.member("amount", std::string_view(movement.amount.to_string()));
            out.end_object();
        }
    }
    out.end_array();
    if (count > listed_max) out.member("moves_in_all", static_cast<std::int64_t>(count));
}

}  // namespace

bool asks_for_transaction(const api::SignItem& item) {
    return !item.transaction.empty() || item.network.has_value();
}

Result<ClearItem> read_clear_item(const PoolContext& pool, const api::SignItem& item) {
    if (!item.tx_hash.empty() || item.network_magic) {
        return Error::invalid_argument(
            "give either tx_hash (with network_magic) or transaction (with network)",
            "exactly_one");
    }
    if (item.account_id.empty() || item.transaction.empty() || !item.network) {
        return Error::invalid_argument(
            "account_id, transaction and network required", "missing_field");
    }
    if (!pool.options.network) {
        return Error::invalid_argument(
            "no Neo network is configured here (neo.network)", "no_network");
    }
    ClearItem out;
    out.network = neo::NetworkMagic{*item.network};
    if (out.network != *pool.options.network) {
        return Error::invalid_argument(
            "this pool signs for network " +
                std::to_string(static_cast<std::uint32_t>(*pool.options.network)) + " only",
            "wrong_network");
    }
    const auto transaction = neo::parse_unsigned_transaction(item.transaction);
    if (!transaction) {
        return Error::invalid_argument(
            "not an unsigned Neo N3 transaction: " + transaction.error().message(),
            "bad_transaction");
    }
    out.explanation = neo::explain(*transaction);
    out.digest = neo::sign_data_digest(out.network, out.explanation.hash);
    return out;
}

Result<ClearGrant> judge_clear_item(
    const PoolContext& pool, const CallContext& call, const ClearItem& item, const KeyRecord& key,
    base::Timestamp now) {
    TRY(const auto public_key, pool.signer.public_key(key));
    const neo::ScriptHash account = neo::account_script_hash(public_key);
    if (item.explanation.find_signer(account) == nullptr) {
        return Error::invalid_argument(
            "the account is not a signer of the transaction", "not_a_signer");
    }
    if (neo::effect_on(item.explanation, account).fees > pool.options.sign_fees_max) {
        return Error::unprocessable(
            "the transaction's fees are above " + std::to_string(pool.options.sign_fees_max) +
                " datoshi (neo.sign_fees_max)",
            "fee_too_high");
    }
    ClearGrant grant;
    grant.facts =
        policy::facts_of(item.explanation, account, static_cast<std::uint32_t>(item.network));
    auto verdict = policy::evaluate(
        pool.policy, call.service, policy::Operation::SignTransaction, grant.facts, now);
    if (verdict.outcome != policy::Verdict::Outcome::Allowed) return verdict.to_error();
    grant.rule = std::move(verdict.rule);
    grant.charges = std::move(verdict.charges);
    return grant;
}

Result<std::optional<Error>> charge_clear_item(
    storage::Transaction& tx, CallContext& call, const ClearItem& item, const ClearGrant& grant,
    const std::string& account_id) {
    if (grant.charges.empty()) return std::optional<Error>();
    const std::string id = reservation_id(item, grant, account_id);
    auto refusal = policy::reserve(tx, id, grant.charges);
    if (!refusal) {
        if (!is_refusal(refusal.error())) return std::move(refusal).error();
        return std::optional<Error>(std::move(refusal).error());
    }
    if (*refusal) return std::optional<Error>(refused_by(**refusal, call));
    TRY_VOID(policy::commit_reservation(tx, id));
    return std::optional<Error>();
}

void write_clear_members(
    base::JsonWriter& out, const ClearItem& item, const ClearGrant& grant, std::size_t listed_max) {
    out.member("tx_hash", std::string_view(item.explanation.hash.to_string()));
    out.member("network", static_cast<std::int64_t>(static_cast<std::uint32_t>(item.network)));
    out.member("understood", grant.facts.understood);
    out.member("valid_until_block", static_cast<std::int64_t>(item.explanation.valid_until_block));
    write_movements(out, grant.facts.actions, listed_max);
    write_calls(out, grant.facts.actions, listed_max);
    for (const policy::Fee& fee : grant.facts.fees) {
        out.member("fees", std::string_view(fee.amount.to_string()));
    }
    out.member("facts", std::string_view(policy::digest_of(grant.facts).to_hex()));
    out.member("rule", std::string_view(grant.rule));
}

}  // namespace adyton::pool

#include "pool/balances.h"

#include "crypto/uuid.h"
#include "neo/script_hash.h"
#include "pool/lock_check.h"

namespace adyton::pool {
namespace {

Error out_of_range() {
    return Error::unprocessable(
        "the balance would leave 0 to 9007199254740991", "amount_out_of_range");
}

Result<std::int64_t> changed(std::int64_t old_amount, const api::BalanceRequest& request) {
    if (request.absolute) {
        if (*request.absolute < 0 || *request.absolute > api::kTrackedBalanceMax) {
            return out_of_range();
        }
        return *request.absolute;
    }
    // old_amount is 0 to 2^53 - 1, so only a huge delta could overflow.
    if (request.delta > api::kTrackedBalanceMax) return out_of_range();
    if (request.delta < -old_amount) {
        return Error::conflict("insufficient balance", "insufficient_balance");
    }
    const std::int64_t amount = old_amount + request.delta;
    if (amount > api::kTrackedBalanceMax) return out_of_range();
    return amount;
}

struct Target {
    BalanceKey key;
    std::int64_t decimals = 8;
    bool any_contract = false;  // a token without a usual contract, and none named
};

Result<Target> target_of(const std::string& id, const api::BalanceRequest& request) {
    Target target;
    const TokenDefaults defaults = token_defaults(request.token);
    target.key = {id, request.token, defaults.script_hash};
    target.decimals = defaults.decimals;
    target.any_contract = defaults.script_hash.empty() && request.script_hash.empty();
    if (!request.script_hash.empty()) {
        const auto hash = neo::ScriptHash::parse(request.script_hash);
        if (!hash) {
            return Error::invalid_argument("script_hash must be 40 hex digits", "bad_script_hash");
        }
        target.key.script_hash = hash->to_string();
    }
    return target;
}

Result<std::string> apply(
    storage::Transaction& tx, const PoolContext& pool, const CallContext& call,
    const api::BalanceRequest& request, Target target) {
    TRY(const auto lock, accounts::find_lock(tx, target.key.account_id, call.service));
    if (!lock) return unknown_account();
    TRY(const auto now, tx.now());
    TRY_VOID(check_lock(*lock, {call.service, "", {}}, now));
    TRY(const auto row, accounts::find_balance(tx, target.key, target.any_contract));
    if (row) target.key.script_hash = row->script_hash;
    const std::int64_t old_amount = row ? row->amount : 0;
    TRY(const std::int64_t new_amount, changed(old_amount, request));

    TRY_VOID(accounts::write_balance(tx, target.key, new_amount, target.decimals));
    TRY(const std::int64_t tx_count, accounts::count_use(tx, target.key.account_id));
    TRY_VOID(record(tx, pool, "pool.balance", call.service, [&](base::JsonWriter& out) {
        out.member("account_id", std::string_view(target.key.account_id));
        out.member("token", std::string_view(target.key.token_type));
        out.member("script_hash", std::string_view(target.key.script_hash));
        out.member("old_balance", old_amount).member("new_balance", new_amount);
        out.member("tx_count", tx_count);
        out.member("trace_id", std::string_view(call.trace_id));
    }));
    return api::to_json_text(api::BalanceResponse{
        target.key.account_id, request.token, old_amount, new_amount, tx_count, request.form});
}

}  // namespace

Task<Result<std::string>> update_balance(
    const PoolContext& pool, CallContext& call, api::BalanceRequest request) {
    CO_TRY_VOID(pool.policy.check(call.service, policy::Operation::UpdateBalance));
    const auto id = crypto::canonical_uuid(request.account_id);
    if (!id) co_return unknown_account();
    CO_TRY(const Target target, target_of(*id, request));
    auto unit = [&](storage::Transaction& tx) {
        return once(tx, pool, call, Remember::Refusals, [&] {
            return apply(tx, pool, call, request, target);
        });
    };
    auto write = pool.database.write(std::move(unit));
    CO_TRY(auto decided, co_await std::move(write));
    co_return std::move(decided).take();
}

}  // namespace adyton::pool

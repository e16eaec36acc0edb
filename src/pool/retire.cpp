#include <algorithm>
#include <set>
#include <utility>

#include "crypto/uuid.h"
#include "neo/address.h"
#include "neo/nep17.h"
#include "neo/token.h"
#include "neo/transaction.h"
#include "neo/witness.h"
#include "pool/pool_service.h"
#include "pool/reconcile.h"

// Retiring accounts: swept, and deleted when they are empty.
namespace adyton::pool {
namespace {

constexpr std::int64_t kAccountsAtOnce = 20;
constexpr const char* kActor = "system:pool-workers";

// GAS, NEO, the configured tokens and every other that the pool knows to have been on it.
std::vector<neo::ScriptHash> tokens_of(
    const RetiringAccount& account, const std::vector<ConfiguredToken>& configured) {
    std::set<neo::ScriptHash> tokens{neo::gas_token().contract, neo::neo_token().contract};
    for (const ConfiguredToken& token : configured) tokens.insert(token.contract);
    for (const std::string& text : account.script_hashes) {
        const auto hash = neo::ScriptHash::parse(text);
        if (hash) tokens.insert(*hash);
    }
    return {tokens.begin(), tokens.end()};
}

Allocation sweep_lock(const PoolContext& pool, const std::string& lock_id, base::Timestamp now) {
    Allocation allocation;
    allocation.lock_id = lock_id;
    allocation.service_id = std::string(kServiceId);
    allocation.purpose = "sweep of a retiring account";
    allocation.created_at = now;
    const auto life =
        std::chrono::duration_cast<std::chrono::microseconds>(pool.options.reconcile.sweep_lock);
    allocation.expires_at = now + life;
    allocation.ttl_seconds = std::chrono::duration_cast<std::chrono::seconds>(life).count();
    return allocation;
}

}  // namespace

Task<Result<std::int64_t>> Reconciler::retire(WorkerGuard guard) {
    std::int64_t handled = 0;
    const bool wanted = pool_.options.delete_retiring || pool_.options.reconcile.sweep_to;
    std::string after = "00000000-0000-0000-0000-000000000000";
    while (wanted && !guard.stopped()) {
        auto look = [&after](storage::Transaction& tx) {
            return chain_balances::list_retiring(tx, after, kAccountsAtOnce);
        };
        auto read = pool_.database.read(std::move(look));
        CO_TRY(const std::vector<RetiringAccount> found, co_await std::move(read));
        if (found.empty()) break;
        after = found.back().key.id;
        for (const RetiringAccount& account : found) {
            if (guard.stopped()) break;
            auto one = retire_one(guard, account);
            CO_TRY(const bool done, co_await std::move(one));
            if (done) ++handled;
        }
    }
    co_return handled;
}

Task<Result<bool>> Reconciler::retire_one(const WorkerGuard& guard, RetiringAccount account) {
    const auto address = neo::Address::parse(account.address);
    if (!address) co_return false;
    std::vector<chain::BalanceQuery> queries;
    for (const neo::ScriptHash& token : tokens_of(account, pool_.options.transfers.tokens)) {
        queries.push_back({token, address->script_hash()});
    }
    const std::size_t asked = sources();
    auto asking = chain_.balances(queries, std::max<std::size_t>(1, asked));
    const std::vector<chain::BalanceReading> readings = co_await std::move(asking);
    std::vector<Holding> holdings;
    std::uint32_t height = 0;
    for (std::size_t i = 0; i < readings.size(); ++i) {
        if (readings[i].kind != chain::BalanceReading::Kind::Agreed) {
            unreadable_.add();
            co_return false;  // not known is not empty
        }
        height = i == 0 ? readings[i].height : std::min(height, readings[i].height);
        if (readings[i].amount != base::Amount()) {
            holdings.push_back({queries[i].token, readings[i].amount});
        }
    }
    if (!holdings.empty()) {
        auto sweeping = sweep(guard, account, std::move(holdings));
        co_return co_await std::move(sweeping);
    }
    if (!pool_.options.delete_retiring || asked < 2) co_return false;
    auto deleting = delete_empty(guard, account, height);
    co_return co_await std::move(deleting);
}

Task<Result<bool>> Reconciler::delete_empty(
    const WorkerGuard& guard, const RetiringAccount& account, std::uint32_t height) {
    auto unit = [&](storage::Transaction& tx) -> Result<bool> {
        TRY_VOID(guard.enter(tx));
        TRY(const bool deleted, chain_balances::delete_retired(tx, account.key.id));
        if (!deleted) return false;
        const std::vector<std::string> ids{account.key.id};
        TRY_VOID(record_ids(tx, pool_, "pool.delete", kActor, ids, [&](base::JsonWriter& out) {
            out.member("empty_at_block", static_cast<std::int64_t>(height));
        }));
        return true;
    };
    auto write = pool_.database.write(std::move(unit));
    CO_TRY(const bool deleted, co_await std::move(write));
    if (deleted) pool_.metrics.accounts_deleted.add();
    co_return deleted;
}

Task<Result<bool>> Reconciler::sweep(
    const WorkerGuard& guard, const RetiringAccount& account, std::vector<Holding> holdings) {
    if (!pool_.options.reconcile.sweep_to) co_return false;
    const std::string lock_id = crypto::uuid_v4(pool_.random);
    auto unit = [&](storage::Transaction& tx) -> Result<bool> {
        TRY_VOID(guard.enter(tx));
        TRY(const auto now, tx.now());
        TRY(const bool locked,
            chain_balances::lock_retiring(tx, sweep_lock(pool_, lock_id, now), account.key.id));
        if (!locked) return false;
        TRY_VOID(record(tx, pool_, "pool.sweep", kActor, [&](base::JsonWriter& out) {
            out.member("account_id", std::string_view(account.key.id));
            out.member("lock_id", std::string_view(lock_id));
            const neo::Address to(*pool_.options.reconcile.sweep_to);
            out.member("to", std::string_view(to.to_string()));
        }));
        return true;
    };
    auto write = pool_.database.write(std::move(unit));
    CO_TRY(const bool locked, co_await std::move(write));
    if (!locked) co_return false;
    auto sweeping = sweep_locked(account, lock_id, std::move(holdings));
    const Result<void> swept = co_await std::move(sweeping);
    if (!swept) {
        pool_.logger.warning(
            "a retiring account is not swept",
            {{"account_id", account.key.id}, {"cause", swept.error().message()}});
    }
    // A transfer under way keeps the account from the next sweep by itself.
    auto release = [&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(accounts::release_lock(tx, lock_id));
        return {};
    };
    auto releasing = pool_.database.write(std::move(release));
    CO_TRY_VOID(co_await std::move(releasing));
    co_return swept.has_value();
}

// Other tokens first: their fees come out of the account's own GAS, which goes last and whole.
Task<Result<void>> Reconciler::sweep_locked(
    const RetiringAccount& account, const std::string& lock_id, std::vector<Holding> holdings) {
    const neo::ScriptHash& gas = neo::gas_token().contract;
    for (const Holding& holding : holdings) {
        if (holding.token == gas) continue;
        auto sending = send(account, lock_id, holding);
        CO_TRY(const bool landed, co_await std::move(sending));
        if (!landed) co_return Result<void>();  // the next run goes on
    }
    const auto address = neo::Address::parse(account.address);
    CHECK(address.has_value());
    auto asking =
        chain_.balances({{gas, address->script_hash()}}, std::max<std::size_t>(1, sources()));
    const std::vector<chain::BalanceReading> readings = co_await std::move(asking);
    if (readings.front().kind != chain::BalanceReading::Kind::Agreed) {
        co_return Error::unavailable("its GAS is not known: " + readings.front().reason);
    }
    if (readings.front().amount == base::Amount()) co_return Result<void>();
    auto reckoning = sweepable_gas(account, readings.front().amount);
    CO_TRY(const base::Amount amount, co_await std::move(reckoning));
    auto sending = send(account, lock_id, {gas, amount});
    CO_TRY_VOID(co_await std::move(sending));
    co_return Result<void>();
}

// The balance without the fees of moving it. Conflict: they are more than that.
Task<Result<base::Amount>> Reconciler::sweepable_gas(
    const RetiringAccount& account, base::Amount balance) {
    CO_TRY(const auto key, pool_.signer.public_key(account.key));
    neo::Transaction transaction;
    transaction.valid_until_block = 1;
    transaction.witnesses.push_back(neo::unsigned_single_signature_witness(key));
    transaction.signers.resize(1);
    transaction.signers.front().account =
        neo::ScriptHash::of_script(transaction.witnesses.front().verification);
    base::Amount amount = balance;
    base::Amount fees;
    // Twice: a smaller amount may take fewer bytes.
    for (int round = 0; round < 2; ++round) {
        transaction.script = neo::nep17_transfer_script(neo::Nep17Transfer{
            neo::gas_token().contract, transaction.signers.front().account,
            *pool_.options.reconcile.sweep_to, amount, neo::Value::null()});
        auto simulating = chain_.invoke_script(transaction.script, transaction.signers);
        CO_TRY(const chain::Invocation simulated, co_await std::move(simulating));
        if (simulated.state != chain::VmState::Halt) {
            co_return Error::unprocessable("the sweep would fail: " + simulated.exception);
        }
        // As for every transfer, and so that the sum of the fees stays in its range.
        if (simulated.gas_consumed < 0 ||
            simulated.gas_consumed > pool_.options.transfers.system_fee_max) {
            co_return Error::unprocessable(
                "the sweep would cost " + std::to_string(simulated.gas_consumed) + " datoshi",
                "fee_too_high");
        }
        transaction.system_fee = simulated.gas_consumed;
        auto pricing = chain_.network_fee(transaction);
        CO_TRY(const std::int64_t network_fee, co_await std::move(pricing));
        fees = base::Amount(static_cast<std::uint64_t>(simulated.gas_consumed + network_fee));
        const auto rest = balance.minus(fees);
        if (!rest || *rest == base::Amount()) {
            co_return Error::conflict("its GAS does not pay for moving it", "insufficient_balance");
        }
        amount = *rest;
    }
    co_return amount;
}

// One token to the target, as every other transfer. Whether it has landed within the wait.
Task<Result<bool>> Reconciler::send(
    const RetiringAccount& account, const std::string& lock_id, Holding holding) {
    CallContext call;
    call.service = std::string(kServiceId);
    call.trace_id = "sweep-" + lock_id;
    api::TransferRequest request;
    request.service_id = call.service;
    request.account_id = account.key.id;
    request.to_address = neo::Address(*pool_.options.reconcile.sweep_to).to_string();
    request.amount = holding.amount;
    request.form = api::AmountForm::Text;
    request.token_address = holding.token.to_string();
    request.lock_id = lock_id;
    request.wait_seconds = pool_.options.reconcile.sweep_wait_seconds;
    auto moving = transfers_.transfer(call, std::move(request));
    CO_TRY(const TransferAnswer answer, co_await std::move(moving));
    sweeps_.add();
    co_return answer.transfer.status == api::TransferStatus::Confirmed;
}

}  // namespace adyton::pool

#include "pool/reconcile.h"

#include <algorithm>
#include <utility>

#include "neo/address.h"

// Tracked balances against the chain. Retiring accounts: retire.cpp.
namespace adyton::pool {
namespace {

constexpr std::int64_t kRowsAtOnce = 50;
constexpr const char* kActor = "system:pool-reconcile";
const BalanceKey kStart{"00000000-0000-0000-0000-000000000000", "", ""};

void write_balance_members(
    base::JsonWriter& out, const TrackedBalance& tracked, const chain::BalanceReading& reading) {
    out.member("account_id", std::string_view(tracked.key.account_id));
    out.member("token", std::string_view(tracked.key.token_type));
    out.member("script_hash", std::string_view(tracked.key.script_hash));
    out.member("tracked", tracked.amount);
    out.member("on_chain", std::string_view(reading.amount.to_string()));
    out.member("block_index", static_cast<std::int64_t>(reading.height));
}

// The queries for rows whose address and contract read; `rows` loses the others.
std::vector<chain::BalanceQuery> queries_for(std::vector<TrackedBalance>& rows) {
    std::vector<chain::BalanceQuery> queries;
    std::vector<TrackedBalance> kept;
    for (TrackedBalance& row : rows) {
        const auto token = neo::ScriptHash::parse(row.key.script_hash);
        const auto address = neo::Address::parse(row.address);
        if (!token || !address) continue;
        queries.push_back({*token, address->script_hash()});
        kept.push_back(std::move(row));
    }
    rows = std::move(kept);
    return queries;
}

}  // namespace

Reconciler::Reconciler(
    const PoolContext& pool, chain::NeoClient& chain, Transfers& transfers,
    service::MetricsRegistry& metrics)
    : pool_(pool),
      chain_(chain),
      transfers_(transfers),
      compared_(metrics.counter(
          "adyton_pool_balances_compared_total", "Tracked balances compared with the chain.")),
      drifts_(metrics.counter(
          "adyton_pool_balance_drifts_total", "Tracked balances found to be not the chain's.")),
      unreadable_(metrics.counter(
          "adyton_pool_balances_unreadable_total",
          "Balances that the nodes did not tell, or not the same of.")),
      open_drifts_(metrics.gauge(
          "adyton_pool_balance_drifts", "Tracked balances that are not the chain's now.")),
      sweeps_(metrics.counter("adyton_pool_sweeps_total", "Transfers out of retiring accounts.")),
      cursor_(kStart) {}

std::size_t Reconciler::sources() const {
    return std::min<std::size_t>(2, chain_.endpoints().size());
}

base::Json Reconciler::info() const {
    base::Json out = base::Json::object();
    out.set("compared", base::Json::integer(last_compared_));
    out.set("unreadable", base::Json::integer(last_unreadable_));
    out.set("drifts", base::Json::integer(last_drifts_));
    base::Json shown = base::Json::array();
    const std::lock_guard lock(mutex_);
    for (const Drift& drift : shown_) {
        base::Json one = base::Json::object();
        one.set("account_id", base::Json::string(drift.key.account_id));
        one.set("token", base::Json::string(drift.key.token_type));
        one.set("script_hash", base::Json::string(drift.key.script_hash));
        one.set("tracked", base::Json::integer(drift.tracked));
        one.set("on_chain", base::Json::string(drift.on_chain.to_string()));
        one.set("block_index", base::Json::unsigned_integer(drift.height));
        shown.push_back(std::move(one));
    }
    out.set("first_drifts", std::move(shown));
    return out;
}

Task<Result<std::int64_t>> Reconciler::reconcile(WorkerGuard guard) {
    std::int64_t total = 0;
    last_unreadable_ = 0;
    while (total < pool_.options.reconcile.rows && !guard.stopped()) {
        auto look = [this](storage::Transaction& tx) {
            return chain_balances::list_tracked(tx, cursor_, kRowsAtOnce);
        };
        auto read = pool_.database.read(std::move(look));
        CO_TRY(const std::vector<TrackedBalance> rows, co_await std::move(read));
        if (rows.empty()) {
            cursor_ = kStart;
            break;
        }
        auto comparing = compare(guard, rows);
        CO_TRY(const std::int64_t flagged, co_await std::move(comparing));
        drifts_.add(static_cast<std::uint64_t>(flagged));
        cursor_ = rows.back().key;
        total += static_cast<std::int64_t>(rows.size());
    }
    std::vector<Drift> drifts;
    std::int64_t open = 0;
    auto count = [&](storage::Transaction& tx) -> Result<void> {
        TRY(open, chain_balances::count_drifts(tx));
        TRY(drifts, chain_balances::list_drifts(tx, kDriftsShown));
        return {};
    };
    auto counting = pool_.database.read(std::move(count));
    CO_TRY_VOID(co_await std::move(counting));
    {
        const std::lock_guard lock(mutex_);
        shown_ = std::move(drifts);
    }
    open_drifts_.set(open);
    last_drifts_ = open;
    last_compared_ = total;
    compared_.add(static_cast<std::uint64_t>(total));
    co_return total;
}

Task<Result<std::int64_t>> Reconciler::compare(
    const WorkerGuard& guard, const std::vector<TrackedBalance>& given) {
    std::vector<TrackedBalance> rows = given;
    std::vector<chain::BalanceQuery> queries = queries_for(rows);
    auto asking = chain_.balances(std::move(queries), std::max<std::size_t>(1, sources()));
    const std::vector<chain::BalanceReading> readings = co_await std::move(asking);
    CHECK(readings.size() == rows.size());
    bool changes = false;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (readings[i].kind != chain::BalanceReading::Kind::Agreed) {
            ++last_unreadable_;
            unreadable_.add();
            continue;
        }
        const bool same =
            readings[i].amount == base::Amount(static_cast<std::uint64_t>(rows[i].amount));
        changes = changes || !same || rows[i].drift_seen > 0;
    }
    std::int64_t flagged = 0;
    if (!changes) co_return flagged;
    auto unit = [&](storage::Transaction& tx) -> Result<void> {
        flagged = 0;
        return settle(tx, guard, rows, readings, flagged);
    };
    auto write = pool_.database.write(std::move(unit));
    CO_TRY_VOID(co_await std::move(write));
    co_return flagged;
}

Result<void> Reconciler::settle(
    storage::Transaction& tx, const WorkerGuard& guard, const std::vector<TrackedBalance>& rows,
    const std::vector<chain::BalanceReading>& readings, std::int64_t& flagged) {
    TRY_VOID(guard.enter(tx));
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const TrackedBalance& tracked = rows[i];
        if (readings[i].kind != chain::BalanceReading::Kind::Agreed) continue;
        const bool same =
            readings[i].amount == base::Amount(static_cast<std::uint64_t>(tracked.amount));
        if (same && tracked.drift_seen == 0) continue;
        // What moved meanwhile is looked at in the next run.
        TRY(const bool unmoved, chain_balances::is_unmoved(tx, tracked));
        if (!unmoved) continue;
        if (same) {
            TRY_VOID(note_equal(tx, tracked));
            continue;
        }
        TRY(const bool flag, note_difference(tx, tracked, readings[i]));
        if (flag) ++flagged;
    }
    return {};
}

Result<void> Reconciler::note_equal(storage::Transaction& tx, const TrackedBalance& tracked) {
    TRY(const bool gone, chain_balances::forget_drift(tx, tracked.key));
    if (!gone || tracked.drift_seen < kDriftReadings) return {};
    return record(tx, pool_, "pool.balance_drift_over", kActor, [&](base::JsonWriter& out) {
        out.member("account_id", std::string_view(tracked.key.account_id));
        out.member("token", std::string_view(tracked.key.token_type));
        out.member("script_hash", std::string_view(tracked.key.script_hash));
        out.member("tracked", tracked.amount);
    });
}

// True: it has become a drift now.
Result<bool> Reconciler::note_difference(
    storage::Transaction& tx, const TrackedBalance& tracked, const chain::BalanceReading& reading) {
    TRY(const auto before, chain_balances::find_drift(tx, tracked.key));
    Drift drift{tracked.key, tracked.amount, reading.amount, reading.height, 1};
    if (before) drift.seen = std::min(before->seen + 1, kDriftReadings);
    const bool flag = drift.seen == kDriftReadings && (!before || before->seen < kDriftReadings);
    const base::Amount most(static_cast<std::uint64_t>(api::kTrackedBalanceMax));
    const bool adopt = flag && pool_.options.reconcile.mode == ReconcileOptions::Mode::Adopt &&
                       reading.amount <= most;
    if (flag) {
        TRY_VOID(record(tx, pool_, "pool.balance_drift", kActor, [&](base::JsonWriter& out) {
            write_balance_members(out, tracked, reading);
            out.member("adopted", adopt);
        }));
        pool_.logger.warning(
            "a tracked balance is not the chain's", {{"account_id", tracked.key.account_id},
                                                     {"token", tracked.key.token_type},
                                                     {"tracked", tracked.amount},
                                                     {"on_chain", reading.amount.to_string()}});
    }
    if (adopt) {
        TRY_VOID(accounts::write_balance(
            tx, tracked.key, static_cast<std::int64_t>(reading.amount.low_64()), tracked.decimals));
        TRY_VOID(chain_balances::forget_drift(tx, tracked.key));
        return flag;
    }
    const bool news = !before || before->seen != drift.seen || before->tracked != drift.tracked ||
                      before->on_chain != drift.on_chain;
    if (news) {
        TRY_VOID(chain_balances::put_drift(tx, drift));
    }
    return flag;
}

}  // namespace adyton::pool

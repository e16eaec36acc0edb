#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "policy/internal/usage.h"
#include "policy/reservation.h"

namespace adyton::policy {
namespace {

using internal::to_micros;

// One counter: subject, metric, window length and window start in microseconds. Sorted, so that
// units which lock several do it in one order.
using CounterKey = std::tuple<std::string, std::string, std::int64_t, std::int64_t>;

CounterKey key_of(const Limit& limit, base::Timestamp now) {
    CHECK(limit.kind == WindowKind::Fixed);
    const internal::CounterId id = internal::counter_of(limit, now);
    return {limit.subject, limit.metric, id.window_us, id.start_us};
}

Result<std::int64_t> read_rate(storage::Transaction& tx, const CounterKey& key) {
    const auto& [subject, metric, window, start] = key;
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT used FROM policy_rates WHERE subject = $1 AND metric = $2 AND window_us = $3 "
            "AND window_start_us = $4",
            {subject, metric, window, start}));
    return rows.empty() ? Result<std::int64_t>(0) : rows.integer(0, 0);
}

Result<void> take_back_rate(storage::Transaction& tx, const CounterKey& key, std::int64_t amount) {
    const auto& [subject, metric, window, start] = key;
    TRY_VOID(tx.execute(
        "UPDATE policy_rates SET used = used - $5 WHERE subject = $1 AND metric = $2 "
        "AND window_us = $3 AND window_start_us = $4",
        {subject, metric, window, start, amount}));
    return {};
}

}  // namespace

Result<std::optional<Refusal>> consume(
    storage::Transaction& tx, const Limit& limit, std::int64_t amount) {
    internal::check_limit(limit);
    CHECK(amount > 0);
    constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    CHECK(limit.max <= Amount(kMax));
    TRY(const base::Timestamp now, tx.now());
    const CounterKey key = key_of(limit, now);
    if (const auto room = limit.max.minus(Amount(static_cast<std::uint64_t>(amount)))) {
        const auto& [subject, metric, window, start] = key;
        TRY(const std::int64_t counted,
            tx.execute(
                "INSERT INTO policy_rates (subject, metric, window_us, window_start_us, used) "
                "VALUES ($1, $2, $3, $4, $5) "
                "ON CONFLICT (subject, metric, window_us, window_start_us) DO UPDATE "
                "SET used = policy_rates.used + excluded.used WHERE policy_rates.used <= $6",
                {subject, metric, window, start, amount,
                 static_cast<std::int64_t>(room->low_64())}));
        if (counted == 1) return std::optional<Refusal>();
    }
    TRY(const std::int64_t used, read_rate(tx, key));
    return std::optional<Refusal>(
        internal::refusal_of(limit, Amount(static_cast<std::uint64_t>(used)), now));
}

Result<std::optional<Refusal>> consume_all(
    storage::Transaction& tx, std::span<const Consumption> items) {
    TRY(const base::Timestamp now, tx.now());
    std::vector<const Consumption*> order;
    order.reserve(items.size());
    for (const Consumption& item : items) order.push_back(&item);
    std::sort(order.begin(), order.end(), [now](const auto* a, const auto* b) {
        return key_of(a->limit, now) < key_of(b->limit, now);
    });
    for (std::size_t i = 0; i < order.size(); ++i) {
        TRY(std::optional<Refusal> refusal, consume(tx, order[i]->limit, order[i]->amount));
        if (!refusal) continue;
        for (std::size_t j = 0; j < i; ++j) {
            TRY_VOID(take_back_rate(tx, key_of(order[j]->limit, now), order[j]->amount));
        }
        return refusal;
    }
    return std::optional<Refusal>();
}

Result<std::int64_t> remove_ended_rates(storage::Transaction& tx, std::int64_t count) {
    TRY(const base::Timestamp now, tx.now());
    return tx.execute(
        "DELETE FROM policy_rates WHERE (subject, metric, window_us, window_start_us) IN ("
        "SELECT subject, metric, window_us, window_start_us FROM policy_rates "
        "WHERE window_us > 0 AND window_start_us + window_us <= $1 LIMIT $2)",
        {to_micros(now), count});
}

Result<void> serialize(
    storage::Transaction& tx, const std::string& subject, const std::string& metric) {
    if (tx.dialect() == storage::Dialect::Sqlite) return {};  // one writer
    TRY_VOID(tx.execute(
        "INSERT INTO policy_serial (subject, metric) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        {subject, metric}));
    TRY_VOID(tx.query(
        "SELECT 1 FROM policy_serial WHERE subject = $1 AND metric = $2 FOR UPDATE",
        {subject, metric}));
    return {};
}

}  // namespace adyton::policy

#include "policy/reservation.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace adyton::policy {
namespace {

constexpr std::size_t kSubjectBytesMax = 256;
constexpr std::size_t kMetricBytesMax = 128;
constexpr std::size_t kIdBytesMax = 128;

// One counter: subject, metric, window length and window start in microseconds. Sorted, so that
// units which lock several do it in one order.
using CounterKey = std::tuple<std::string, std::string, std::int64_t, std::int64_t>;

std::int64_t to_micros(base::Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}
std::int64_t to_micros(base::Timestamp time) {
    return time.time_since_epoch().count();
}

void check_limit(const Limit& limit) {
    CHECK(!limit.subject.empty() && limit.subject.size() <= kSubjectBytesMax);
    CHECK(!limit.metric.empty() && limit.metric.size() <= kMetricBytesMax);
    CHECK(limit.window >= base::Duration::zero());
    CHECK(limit.window == std::chrono::microseconds(to_micros(limit.window)));
}

CounterKey key_of(const Limit& limit, base::Timestamp now) {
    const std::int64_t window = to_micros(limit.window);
    const std::int64_t start = window == 0 ? 0 : to_micros(now) / window * window;
    return {limit.subject, limit.metric, window, start};
}

Refusal refusal_of(const Limit& limit, Amount used, base::Timestamp now) {
    Refusal out{limit.subject, limit.metric, limit.rule, limit.max, used, limit.window, {}};
    if (limit.window > base::Duration::zero()) {
        const CounterKey key = key_of(limit, now);
        const std::int64_t end = std::get<2>(key) + std::get<3>(key);
        out.retry_after = std::chrono::microseconds(end - to_micros(now));
    }
    return out;
}

// --- Rates ---

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

// --- Totals ---

// Locks the counter's row (it is there afterwards) and reads it.
Result<Amount> lock_total(storage::Transaction& tx, const CounterKey& key) {
    const auto& [subject, metric, window, start] = key;
    TRY_VOID(tx.execute(
        "INSERT INTO policy_totals (subject, metric, window_us, window_start_us, used) "
        "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        {subject, metric, window, start, Amount().to_padded()}));
    const std::string sql =
        "SELECT used FROM policy_totals WHERE subject = $1 AND metric = $2 AND window_us = $3 "
        "AND window_start_us = $4" +
        std::string(tx.fragment(storage::Fragment::ForUpdate));
    TRY(const storage::Rows rows, tx.query(sql, {subject, metric, window, start}));
    if (rows.empty()) return Error::corrupt_data("a usage counter is gone");
    TRY(const std::string text, rows.text(0, 0));
    const auto used = Amount::parse(text);
    if (!used) return Error::corrupt_data("a usage counter is malformed");
    return *used;
}

Result<void> write_total(storage::Transaction& tx, const CounterKey& key, Amount used) {
    const auto& [subject, metric, window, start] = key;
    TRY_VOID(tx.execute(
        "UPDATE policy_totals SET used = $5 WHERE subject = $1 AND metric = $2 "
        "AND window_us = $3 AND window_start_us = $4",
        {subject, metric, window, start, used.to_padded()}));
    return {};
}

struct StoredCharge {
    CounterKey key;
    Amount amount;
    bool operator==(const StoredCharge&) const = default;
};

Result<std::vector<StoredCharge>> read_charges(
    storage::Transaction& tx, const std::string& reservation_id) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT subject, metric, window_us, window_start_us, amount "
            "FROM policy_reservation_charges WHERE reservation_id = $1 ORDER BY position",
            {reservation_id}));
    std::vector<StoredCharge> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        StoredCharge charge;
        TRY(std::get<0>(charge.key), rows.text(i, 0));
        TRY(std::get<1>(charge.key), rows.text(i, 1));
        TRY(std::get<2>(charge.key), rows.integer(i, 2));
        TRY(std::get<3>(charge.key), rows.integer(i, 3));
        TRY(const std::string amount, rows.text(i, 4));
        const auto parsed = Amount::parse(amount);
        if (!parsed) return Error::corrupt_data("a reserved amount is malformed");
        charge.amount = *parsed;
        out.push_back(std::move(charge));
    }
    return out;
}

Result<void> write_charges(
    storage::Transaction& tx, const std::string& id, std::span<const Charge> charges,
    base::Timestamp now) {
    std::int64_t position = 0;
    for (const Charge& charge : charges) {
        const auto [subject, metric, window, start] = key_of(charge.limit, now);
        TRY_VOID(tx.execute(
            "INSERT INTO policy_reservation_charges "
            "(reservation_id, position, subject, metric, window_us, window_start_us, amount) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            {id, position, subject, metric, window, start, charge.amount.to_padded()}));
        ++position;
    }
    return {};
}

std::string_view to_string(ReservationState state) {
    switch (state) {
        case ReservationState::Reserved:
            return "reserved";
        case ReservationState::Committed:
            return "committed";
        case ReservationState::GivenBack:
            return "given_back";
    }
    return "";
}

Result<Reservation> read_reservation(const storage::Rows& rows, std::size_t row) {
    Reservation out;
    TRY(out.id, rows.text(row, 0));
    TRY(const std::string state, rows.text(row, 1));
    TRY(const std::int64_t created, rows.integer(row, 2));
    out.created_at = base::Timestamp(std::chrono::microseconds(created));
    for (const auto known :
         {ReservationState::Reserved, ReservationState::Committed, ReservationState::GivenBack}) {
        if (state != to_string(known)) continue;
        out.state = known;
        return out;
    }
    return Error::corrupt_data("a reservation has an unknown state");
}

Result<Reservation> lock_reservation(storage::Transaction& tx, const std::string& id) {
    const std::string sql = "SELECT id, state, created_us FROM policy_reservations WHERE id = $1" +
                            std::string(tx.fragment(storage::Fragment::ForUpdate));
    TRY(const storage::Rows rows, tx.query(sql, {id}));
    if (rows.empty()) return Error::not_found("no such reservation");
    return read_reservation(rows, 0);
}

Result<void> write_state(storage::Transaction& tx, const std::string& id, ReservationState state) {
    TRY_VOID(tx.execute(
        "UPDATE policy_reservations SET state = $2 WHERE id = $1",
        {id, std::string(to_string(state))}));
    return {};
}

// A repetition: fine if it asks for what was reserved. The windows are those of the first time.
Result<void> check_repetition(
    storage::Transaction& tx, const std::string& id, std::span<const Charge> charges) {
    TRY(const Reservation reservation, lock_reservation(tx, id));
    TRY(const std::vector<StoredCharge> stored, read_charges(tx, id));
    const bool same = std::equal(
        stored.begin(), stored.end(), charges.begin(), charges.end(),
        [](const StoredCharge& old, const Charge& charge) {
            return std::get<0>(old.key) == charge.limit.subject &&
                   std::get<1>(old.key) == charge.limit.metric &&
                   std::get<2>(old.key) == to_micros(charge.limit.window) &&
                   old.amount == charge.amount;
        });
    if (!same || reservation.state == ReservationState::GivenBack) {
        return Error::conflict(
            same ? "the reservation was given back"
                 : "the reservation id was used for something else",
            "reservation_reused");
    }
    return {};
}

}  // namespace

Error Refusal::to_error() const {
    std::string message = "limit of rule \"" + rule + "\" reached: " + used.to_string() + " of " +
                          max.to_string() + " " + metric + " used";
    const bool windowed = window > base::Duration::zero();
    if (windowed) message += " in " + base::to_go_duration(window);
    return Error::resource_exhausted(std::move(message), windowed ? "policy_rate" : "policy_total");
}

Result<std::optional<Refusal>> consume(
    storage::Transaction& tx, const Limit& limit, std::int64_t amount) {
    check_limit(limit);
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
    return std::optional<Refusal>(refusal_of(limit, Amount(static_cast<std::uint64_t>(used)), now));
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

Result<std::optional<Refusal>> reserve(
    storage::Transaction& tx, const std::string& id, std::span<const Charge> charges) {
    CHECK(!id.empty() && id.size() <= kIdBytesMax);
    for (const Charge& charge : charges) check_limit(charge.limit);
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t inserted,
        tx.execute(
            "INSERT INTO policy_reservations (id, state, created_us) VALUES ($1, 'reserved', $2) "
            "ON CONFLICT DO NOTHING",
            {id, to_micros(now)}));
    if (inserted == 0) {
        TRY_VOID(check_repetition(tx, id, charges));
        return std::optional<Refusal>();
    }
    std::map<CounterKey, Amount> totals;
    for (const Charge& charge : charges) totals.emplace(key_of(charge.limit, now), Amount());
    for (auto& [key, used] : totals) {
        TRY(used, lock_total(tx, key));
    }
    for (const Charge& charge : charges) {
        Amount& used = totals.at(key_of(charge.limit, now));
        const std::optional<Amount> sum = used.plus(charge.amount);
        if (!sum) return Error::unprocessable("the reserved sum is above 2^128 - 1");
        if (*sum > charge.limit.max) {
            TRY_VOID(tx.execute("DELETE FROM policy_reservations WHERE id = $1", {id}));
            return std::optional<Refusal>(refusal_of(charge.limit, used, now));
        }
        used = *sum;
    }
    for (const auto& [key, used] : totals) {
        TRY_VOID(write_total(tx, key, used));
    }
    TRY_VOID(write_charges(tx, id, charges, now));
    return std::optional<Refusal>();
}

Result<void> commit_reservation(storage::Transaction& tx, const std::string& id) {
    TRY(const Reservation reservation, lock_reservation(tx, id));
    if (reservation.state == ReservationState::GivenBack) {
        return Error::conflict("the reservation was given back", "reservation_given_back");
    }
    return write_state(tx, id, ReservationState::Committed);
}

Result<void> give_back_reservation(storage::Transaction& tx, const std::string& id) {
    TRY(const Reservation reservation, lock_reservation(tx, id));
    if (reservation.state == ReservationState::GivenBack) return {};
    if (reservation.state == ReservationState::Committed) {
        return Error::conflict("the reservation was committed", "reservation_committed");
    }
    TRY(std::vector<StoredCharge> charges, read_charges(tx, id));
    std::sort(charges.begin(), charges.end(), [](const StoredCharge& a, const StoredCharge& b) {
        return a.key < b.key;
    });
    for (const StoredCharge& charge : charges) {
        TRY(const Amount used, lock_total(tx, charge.key));
        const std::optional<Amount> rest = used.minus(charge.amount);
        if (!rest) return Error::corrupt_data("a usage counter is below what was reserved");
        TRY_VOID(write_total(tx, charge.key, *rest));
    }
    return write_state(tx, id, ReservationState::GivenBack);
}

Result<Reservation> find_reservation(storage::Transaction& tx, const std::string& id) {
    TRY(const storage::Rows rows,
        tx.query("SELECT id, state, created_us FROM policy_reservations WHERE id = $1", {id}));
    if (rows.empty()) return Error::not_found("no such reservation");
    return read_reservation(rows, 0);
}

Result<std::vector<Reservation>> list_undecided_reservations(
    storage::Transaction& tx, base::Timestamp before, std::int64_t count) {
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT id, state, created_us FROM policy_reservations WHERE state = 'reserved' "
            "AND created_us < $1 ORDER BY created_us, id LIMIT $2",
            {to_micros(before), count}));
    std::vector<Reservation> out;
    out.reserve(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        TRY(Reservation reservation, read_reservation(rows, i));
        out.push_back(std::move(reservation));
    }
    return out;
}

Result<Amount> reserved_total(storage::Transaction& tx, const Limit& limit) {
    check_limit(limit);
    TRY(const base::Timestamp now, tx.now());
    const auto [subject, metric, window, start] = key_of(limit, now);
    TRY(const storage::Rows rows,
        tx.query(
            "SELECT used FROM policy_totals WHERE subject = $1 AND metric = $2 "
            "AND window_us = $3 AND window_start_us = $4",
            {subject, metric, window, start}));
    if (rows.empty()) return Amount();
    TRY(const std::string text, rows.text(0, 0));
    const auto used = Amount::parse(text);
    if (!used) return Error::corrupt_data("a usage counter is malformed");
    return *used;
}

}  // namespace adyton::policy

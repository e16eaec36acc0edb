#include "policy/reservation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "policy/internal/locked_query.h"
#include "policy/internal/usage.h"

namespace adyton::policy {
namespace {

using internal::query_locked;
using internal::StoredCharge;
using internal::to_micros;
using internal::Usage;

constexpr std::size_t kIdBytesMax = 128;

// Sorted by subject, so that units which lock several do it in one order.
using Usages = std::map<std::string, Usage>;

Result<std::optional<Usage>> read_usage(
    storage::Transaction& tx, const std::string& subject, std::string_view lock) {
    TRY(const storage::Rows rows,
        query_locked(tx, "SELECT counters FROM policy_usage WHERE subject = $1", lock, {subject}));
    if (rows.empty()) return std::optional<Usage>();
    TRY(const base::Bytes counters, rows.bytes(0, 0));
    TRY(Usage usage, Usage::decode(counters));
    return std::optional<Usage>(std::move(usage));
}

// Nobody else changes it until the unit ends.
Result<Usage> lock_usage(storage::Transaction& tx, const std::string& subject) {
    const std::string_view lock = tx.fragment(storage::Fragment::ForUpdate);
    TRY(std::optional<Usage> usage, read_usage(tx, subject, lock));
    if (usage) return std::move(*usage);
    if (tx.dialect() == storage::Dialect::Sqlite) return Usage();  // one writer
    TRY_VOID(tx.execute(
        "INSERT INTO policy_usage (subject, counters) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        {subject, Usage().encode()}));
    TRY(usage, read_usage(tx, subject, lock));
    if (!usage) return Error::corrupt_data("a usage row is gone");
    return std::move(*usage);
}

// Nearly always the row is there, and an update alone takes half as long.
Result<void> write_usage(storage::Transaction& tx, const std::string& subject, const Usage& usage) {
    const base::Bytes counters = usage.encode();
    TRY(const std::int64_t updated,
        tx.execute(
            "UPDATE policy_usage SET counters = $2 WHERE subject = $1", {subject, counters}));
    if (updated == 1) return {};
    TRY_VOID(tx.execute(
        "INSERT INTO policy_usage (subject, counters) VALUES ($1, $2)", {subject, counters}));
    return {};
}

Result<std::vector<StoredCharge>> read_charges(storage::Transaction& tx, const std::string& id) {
    TRY(const storage::Rows rows,
        tx.query("SELECT charges FROM policy_reservations WHERE id = $1", {id}));
    if (rows.empty()) return Error::not_found("no such reservation");
    TRY(const base::Bytes charges, rows.bytes(0, 0));
    return internal::decode_charges(charges);
}

std::vector<StoredCharge> stored(std::span<const Charge> charges, base::Timestamp now) {
    std::vector<StoredCharge> out;
    out.reserve(charges.size());
    for (const Charge& charge : charges) {
        out.push_back(
            {charge.limit.subject, internal::counter_of(charge.limit, now), charge.amount});
    }
    return out;
}

// Null: all charges fit, and `usages` holds them.
Result<std::optional<Refusal>> charge_all(
    Usages& usages, std::span<const Charge> charges, base::Timestamp now) {
    for (const Charge& charge : charges) {
        TRY(std::optional<Refusal> refusal,
            usages.at(charge.limit.subject).add(charge.limit, charge.amount, now));
        if (refusal) return refusal;
    }
    return std::optional<Refusal>();
}

// From the windows they were charged in.
Result<void> take_back(storage::Transaction& tx, const std::vector<StoredCharge>& charges) {
    Usages usages;
    for (const StoredCharge& charge : charges) usages.try_emplace(charge.subject);
    for (auto& [subject, usage] : usages) {
        TRY(usage, lock_usage(tx, subject));
    }
    for (const StoredCharge& charge : charges) {
        if (charge.amount == Amount()) continue;
        TRY_VOID(usages.at(charge.subject).take_back(charge.counter, charge.amount));
    }
    for (const auto& [subject, usage] : usages) {
        TRY_VOID(write_usage(tx, subject, usage));
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
    TRY(const storage::Rows rows,
        query_locked(
            tx, "SELECT id, state, created_us FROM policy_reservations WHERE id = $1",
            tx.fragment(storage::Fragment::ForUpdate), {id}));
    if (rows.empty()) return Error::not_found("no such reservation");
    return read_reservation(rows, 0);
}

// A repetition: fine if it asks for what was reserved. The windows are those of the first time.
Result<void> check_repetition(
    storage::Transaction& tx, const std::string& id, std::span<const Charge> charges) {
    TRY(const Reservation reservation, lock_reservation(tx, id));
    TRY(const std::vector<StoredCharge> then, read_charges(tx, id));
    const std::vector<StoredCharge> now = stored(charges, reservation.created_at);
    // Created in the same unit as it was charged, under the same clock: the windows are the same.
    if (then != now || reservation.state == ReservationState::GivenBack) {
        return Error::conflict(
            then == now ? "the reservation was given back"
                        : "the reservation id was used for something else",
            "reservation_reused");
    }
    return {};
}

}  // namespace

std::string describe_window(const Limit& limit) {
    if (limit.kind == WindowKind::Month) return "month";
    if (limit.window == base::Duration::zero()) return "total";
    const std::string length = base::to_go_duration(limit.window);
    return limit.kind == WindowKind::Rolling ? "rolling " + length : length;
}

Error Refusal::to_error() const {
    std::string message = "limit of rule \"" + rule + "\" reached: " + used.to_string() + " of " +
                          max.to_string() + " " + metric + " used";
    const bool total = kind == WindowKind::Fixed && window == base::Duration::zero();
    if (!total) message += " in " + describe_window({subject, metric, window, max, rule, kind});
    return Error::resource_exhausted(std::move(message), total ? "policy_total" : "policy_rate");
}

Result<std::optional<Refusal>> reserve(
    storage::Transaction& tx, const std::string& id, std::span<const Charge> charges) {
    CHECK(!id.empty() && id.size() <= kIdBytesMax);
    for (const Charge& charge : charges) internal::check_limit(charge.limit);
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::int64_t inserted,
        tx.execute(
            "INSERT INTO policy_reservations (id, state, created_us, charges) "
            "VALUES ($1, 'reserved', $2, $3) ON CONFLICT DO NOTHING",
            {id, to_micros(now), internal::encode_charges(stored(charges, now))}));
    if (inserted == 0) {
        TRY_VOID(check_repetition(tx, id, charges));
        return std::optional<Refusal>();
    }
    Usages usages;
    for (const Charge& charge : charges) usages.try_emplace(charge.limit.subject);
    for (auto& [subject, usage] : usages) {
        TRY(usage, lock_usage(tx, subject));
        usage.forget_ended(now);
    }
    TRY(std::optional<Refusal> refusal, charge_all(usages, charges, now));
    if (refusal) {
        TRY_VOID(tx.execute("DELETE FROM policy_reservations WHERE id = $1", {id}));
        return refusal;
    }
    for (const auto& [subject, usage] : usages) {
        TRY_VOID(write_usage(tx, subject, usage));
    }
    return std::optional<Refusal>();
}

Result<std::optional<Refusal>> probe(storage::Transaction& tx, std::span<const Charge> charges) {
    TRY(const base::Timestamp now, tx.now());
    Usages usages;
    for (const Charge& charge : charges) {
        internal::check_limit(charge.limit);
        usages.try_emplace(charge.limit.subject);
    }
    for (auto& [subject, usage] : usages) {
        TRY(const std::optional<Usage> found, read_usage(tx, subject, ""));
        if (found) usage = *found;
    }
    return charge_all(usages, charges, now);
}

Result<void> commit_reservation(storage::Transaction& tx, const std::string& id) {
    TRY(const std::int64_t changed,
        tx.execute(
            "UPDATE policy_reservations SET state = 'committed' WHERE id = $1 "
            "AND state <> 'given_back'",
            {id}));
    if (changed == 1) return {};
    TRY_VOID(lock_reservation(tx, id));  // NotFound
    return Error::conflict("the reservation was given back", "reservation_given_back");
}

Result<void> give_back_reservation(storage::Transaction& tx, const std::string& id) {
    TRY(const Reservation reservation, lock_reservation(tx, id));
    if (reservation.state == ReservationState::GivenBack) return {};
    if (reservation.state == ReservationState::Committed) {
        return Error::conflict("the reservation was committed", "reservation_committed");
    }
    TRY(const std::vector<StoredCharge> charges, read_charges(tx, id));
    TRY_VOID(take_back(tx, charges));
    TRY_VOID(tx.execute("UPDATE policy_reservations SET state = 'given_back' WHERE id = $1", {id}));
    return {};
}

Result<void> commit_failed_reservation(
    storage::Transaction& tx, const std::string& id, const FeesUsed& fees) {
    TRY(const Reservation reservation, lock_reservation(tx, id));
    if (reservation.state == ReservationState::Committed) return {};
    if (reservation.state == ReservationState::GivenBack) {
        return Error::conflict("the reservation was given back", "reservation_given_back");
    }
    TRY(std::vector<StoredCharge> charges, read_charges(tx, id));
    std::erase_if(charges, [](const StoredCharge& charge) {
        return charge.counter.metric.ends_with(kRateMetric);
    });
    const std::string fee_metric = std::string(kSpendMetric) + fees.token;
    for (StoredCharge& charge : charges) {
        if (charge.counter.metric != fee_metric) continue;
        charge.amount = charge.amount.minus(fees.amount).value_or(Amount());
    }
    TRY_VOID(take_back(tx, charges));
    return commit_reservation(tx, id);
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

Result<std::int64_t> remove_decided_reservations(
    storage::Transaction& tx, base::Timestamp before, std::int64_t count) {
    return tx.execute(
        "DELETE FROM policy_reservations WHERE id IN (SELECT id FROM policy_reservations "
        "WHERE state <> 'reserved' AND created_us < $1 ORDER BY created_us LIMIT $2)",
        {to_micros(before), count});
}

Result<Amount> reserved_total(storage::Transaction& tx, const Limit& limit) {
    internal::check_limit(limit);
    TRY(const base::Timestamp now, tx.now());
    TRY(const std::optional<Usage> usage, read_usage(tx, limit.subject, ""));
    if (!usage) return Amount();
    return usage->used(limit, now);
}

}  // namespace adyton::policy

#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/amount.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/database.h"

// Limits that hold exactly, however many callers and instances there are: usage is counted in the
// database, inside the unit of work that has the effect, under the database's clock.
namespace adyton::policy {

using base::Amount;

enum class WindowKind : std::uint8_t {
    // Begins at multiples of its length since 1970 (UTC), so hours and days are those of the clock:
    // up to twice the maximum can fall around a border. Length zero: no window, a total.
    Fixed,
    // A calendar month in UTC; the length is not looked at.
    Month,
    // The current slice of time and those that began within the window before it, for reservations
    // only: no stretch of the window's length holds more than the maximum. Slices of a minute for
    // windows up to an hour, else of 15 minutes; windows are multiples of them, up to 31 days.
    Rolling,
};

// How much of what, by whom, in which time.
struct Limit {
    std::string subject;      // "service:neocompute"; 1 to 256 characters
    std::string metric;       // "signatures", "gas"; 1 to 256 characters
    base::Duration window{};  // whole microseconds
    Amount max;
    std::string rule;  // named in the refusal
    WindowKind kind = WindowKind::Fixed;
};

// "1h0m0s", "month", "rolling 1h0m0s", "total".
std::string describe_window(const Limit& limit);

struct Refusal {
    std::string subject;
    std::string metric;
    std::string rule;
    Amount max;
    Amount used;  // before this attempt
    base::Duration window{};
    base::Duration retry_after{};  // until the window (or slice) ends; zero for totals
    WindowKind kind = WindowKind::Fixed;

    // ResourceExhausted, reason "policy_rate" (windows) or "policy_total".
    Error to_error() const;
};

// --- Rates: counted and forgotten. ---

// Counts `amount` (CHECK: above 0) against the limit, whose max must be below 2^63 (CHECK). Null:
// granted. A refusal counts nothing, and the unit may still commit (say, an audit record).
// One statement.
Result<std::optional<Refusal>> consume(
    storage::Transaction& tx, const Limit& limit, std::int64_t amount);
// Several at once: all or none. The first one that refuses, by subject and metric, is given.
struct Consumption {
    Limit limit;
    std::int64_t amount = 1;
};
Result<std::optional<Refusal>> consume_all(
    storage::Transaction& tx, std::span<const Consumption> items);
// Forgets up to `count` windows that ended; how many went.
Result<std::int64_t> remove_ended_rates(storage::Transaction& tx, std::int64_t count);

// Until this unit of work commits, no other that calls this for the same subject and metric passes:
// what is counted afterwards (held locks, say) stays true.
Result<void> serialize(
    storage::Transaction& tx, const std::string& subject, const std::string& metric);

// --- Reservations: counted, then committed or given back. ---
//
// All counters of a subject are one row, so a reservation costs three statements however many caps
// it is charged to, and units of one subject follow one another. Counters of a window that ended
// are kept for another length of it (an hour at least), for a clock that is set back.

struct Charge {
    Limit limit;
    Amount amount;
};

enum class ReservationState { Reserved, Committed, GivenBack };

struct Reservation {
    std::string id;
    ReservationState state = ReservationState::Reserved;
    base::Timestamp created_at;
};

// Reserves all charges under `id` (1 to 128 characters, chosen by the caller: a repetition of the
// same id with the same charges changes nothing). Null: reserved. A refusal reserves nothing.
// Conflict, reason "reservation_reused": the id was used with other charges or is given back.
// Unprocessable: a sum passes 2^128 - 1, or the subject has over 10,000 counters.
Result<std::optional<Refusal>> reserve(
    storage::Transaction& tx, const std::string& id, std::span<const Charge> charges);
// What reserve() would say to a new id, changing nothing: for questions. Also in a read unit.
Result<std::optional<Refusal>> probe(storage::Transaction& tx, std::span<const Charge> charges);
// The effect happened: the usage stays. Doing it twice is fine. NotFound. Conflict, reason
// "reservation_given_back".
Result<void> commit_reservation(storage::Transaction& tx, const std::string& id);
// The effect will never happen: usage returns to the windows it was charged in. Doing it twice is
// fine. NotFound. Conflict, reason "reservation_committed".
Result<void> give_back_reservation(storage::Transaction& tx, const std::string& id);

// How metrics of rates end, and how those of amounts go on with their token.
inline constexpr std::string_view kRateMetric = "operations";
inline constexpr std::string_view kSpendMetric = "spend ";

// What a failed attempt used all the same: fees, of the policy's own caps (rules count none).
struct FeesUsed {
    std::string token;
    Amount amount;
};
// It was tried and failed for good: as give_back_reservation(), but rates (metrics that end with
// kRateMetric) and fees stay counted, and the reservation is committed.
Result<void> commit_failed_reservation(
    storage::Transaction& tx, const std::string& id, const FeesUsed& fees);

// NotFound.
Result<Reservation> find_reservation(storage::Transaction& tx, const std::string& id);
// Undecided ones older than `before`, oldest first: for a worker that asks the chain.
Result<std::vector<Reservation>> list_undecided_reservations(
    storage::Transaction& tx, base::Timestamp before, std::int64_t count);
// Forgets up to `count` decided ones that were made before `before`: their ids can then be used
// anew, so keep them as long as their requests may be repeated. How many went.
Result<std::int64_t> remove_decided_reservations(
    storage::Transaction& tx, base::Timestamp before, std::int64_t count);
// What stands against a limit now, reservations included (not for rates).
Result<Amount> reserved_total(storage::Transaction& tx, const Limit& limit);

}  // namespace adyton::policy

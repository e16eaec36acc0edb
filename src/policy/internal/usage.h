#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "policy/reservation.h"

// The counters of reservations, apart from the database.
namespace adyton::policy::internal {

// One window of one metric. Rolling windows have a counter a slice.
struct CounterId {
    std::string metric;
    WindowKind kind = WindowKind::Fixed;
    std::int64_t window_us = 0;  // 0 for totals and months
    std::int64_t start_us = 0;
    auto operator<=>(const CounterId&) const = default;
};

CounterId counter_of(const Limit& limit, base::Timestamp now);
// When nothing counts it any more; null: never.
std::optional<std::int64_t> end_of(const CounterId& id);
Refusal refusal_of(const Limit& limit, Amount used, base::Timestamp now);
void check_limit(const Limit& limit);  // CHECKs its form

inline std::int64_t to_micros(base::Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}
inline std::int64_t to_micros(base::Timestamp time) {
    return time.time_since_epoch().count();
}

// All counters of one subject.
class Usage {
public:
    static constexpr std::size_t kCountersMax = 10'000;

    Usage() = default;
    // Version 1, count (u32), then for each, sorted: metric (u16 length), kind (u8), window, start
    // (i64), amount (16 bytes); all big endian. CorruptData: anything else.
    static Result<Usage> decode(base::ByteView bytes);
    base::Bytes encode() const;

    // What counts against the limit at that time.
    Result<Amount> used(const Limit& limit, base::Timestamp now) const;
    // Null: added. Unprocessable: a sum passes 2^128 - 1.
    Result<std::optional<Refusal>> add(const Limit& limit, Amount amount, base::Timestamp now);
    // A counter that was forgotten meanwhile is left alone. CorruptData: less stands there.
    Result<void> take_back(const CounterId& id, Amount amount);
    // Drops what ended longer ago than its window is long, an hour at least.
    void forget_ended(base::Timestamp now);

    std::size_t size() const { return counters_.size(); }
    bool operator==(const Usage&) const = default;

private:
    std::map<CounterId, Amount> counters_;
};

// What a reservation was charged.
struct StoredCharge {
    std::string subject;
    CounterId counter;
    Amount amount;
    bool operator==(const StoredCharge&) const = default;
};
base::Bytes encode_charges(const std::vector<StoredCharge>& charges);
Result<std::vector<StoredCharge>> decode_charges(base::ByteView bytes);

}  // namespace adyton::policy::internal

#include "policy/internal/usage.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/check.h"

namespace adyton::policy::internal {
namespace {

constexpr std::size_t kSubjectBytesMax = 256;
constexpr std::size_t kMetricBytesMax = 256;
constexpr std::uint8_t kVersion = 1;
constexpr std::int64_t kHourMicros = std::int64_t{3600} * 1'000'000;
constexpr std::int64_t kMinuteMicros = std::int64_t{60} * 1'000'000;
constexpr base::Duration kRollingMax = std::chrono::hours(24 * 31);

std::int64_t slice_of(std::int64_t window_us) {
    return window_us <= kHourMicros ? kMinuteMicros : 15 * kMinuteMicros;
}

std::chrono::year_month month_of(base::Timestamp time) {
    const std::chrono::year_month_day date(std::chrono::floor<std::chrono::days>(time));
    return date.year() / date.month();
}

std::int64_t start_of(std::chrono::year_month month) {
    return to_micros(base::Timestamp(std::chrono::sys_days(month / 1)));
}

void put_number(base::Bytes& out, std::uint64_t number, int bytes) {
    for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
        out.push_back(static_cast<std::uint8_t>(number >> static_cast<unsigned>(shift)));
    }
}

void put_text(base::Bytes& out, const std::string& text) {
    put_number(out, text.size(), 2);
    out.insert(out.end(), text.begin(), text.end());
}

void put_counter(base::Bytes& out, const CounterId& id, Amount amount) {
    put_text(out, id.metric);
    put_number(out, static_cast<std::uint64_t>(id.kind), 1);
    put_number(out, static_cast<std::uint64_t>(id.window_us), 8);
    put_number(out, static_cast<std::uint64_t>(id.start_us), 8);
    put_number(out, amount.high_64(), 8);
    put_number(out, amount.low_64(), 8);
}

class Reader {
public:
    explicit Reader(base::ByteView bytes) : bytes_(bytes) {}

    std::uint64_t number(std::size_t count) {
        std::uint64_t out = 0;
        for (const std::uint8_t byte : take(count)) out = out << 8U | byte;
        return out;
    }
    std::string text() { return std::string(base::as_text(take(number(2)))); }
    std::pair<CounterId, Amount> counter() {
        CounterId id;
        id.metric = text();
        const std::uint64_t kind = number(1);
        if (kind > static_cast<std::uint64_t>(WindowKind::Rolling)) good_ = false;
        id.kind = static_cast<WindowKind>(kind);
        id.window_us = static_cast<std::int64_t>(number(8));
        id.start_us = static_cast<std::int64_t>(number(8));
        const std::uint64_t high = number(8);
        return {std::move(id), Amount::from_halves(high, number(8))};
    }
    bool good() const { return good_; }
    bool at_end() const { return good_ && bytes_.empty(); }

private:
    base::ByteView take(std::size_t count) {
        if (!good_ || count > bytes_.size()) {
            good_ = false;
            return {};
        }
        const base::ByteView out = bytes_.first(count);
        bytes_ = bytes_.subspan(count);
        return out;
    }

    base::ByteView bytes_;
    bool good_ = true;
};

}  // namespace

void check_limit(const Limit& limit) {
    CHECK(!limit.subject.empty() && limit.subject.size() <= kSubjectBytesMax);
    CHECK(!limit.metric.empty() && limit.metric.size() <= kMetricBytesMax);
    CHECK(limit.window >= base::Duration::zero());
    CHECK(limit.window == std::chrono::microseconds(to_micros(limit.window)));
    if (limit.kind != WindowKind::Rolling) return;
    CHECK(limit.window > base::Duration::zero() && limit.window <= kRollingMax);
    CHECK(to_micros(limit.window) % slice_of(to_micros(limit.window)) == 0);
}

CounterId counter_of(const Limit& limit, base::Timestamp now) {
    const std::int64_t window = to_micros(limit.window);
    switch (limit.kind) {
        case WindowKind::Month:
            return {limit.metric, limit.kind, 0, start_of(month_of(now))};
        case WindowKind::Rolling: {
            const std::int64_t slice = slice_of(window);
            return {limit.metric, limit.kind, window, to_micros(now) / slice * slice};
        }
        case WindowKind::Fixed:
            break;
    }
    const std::int64_t start = window == 0 ? 0 : to_micros(now) / window * window;
    return {limit.metric, WindowKind::Fixed, window, start};
}

std::optional<std::int64_t> end_of(const CounterId& id) {
    switch (id.kind) {
        case WindowKind::Month: {
            const base::Timestamp start{std::chrono::microseconds(id.start_us)};
            return start_of(month_of(start) + std::chrono::months(1));
        }
        case WindowKind::Rolling:
            return id.start_us + slice_of(id.window_us) + id.window_us;
        case WindowKind::Fixed:
            break;
    }
    if (id.window_us == 0) return std::nullopt;
    return id.start_us + id.window_us;
}

Refusal refusal_of(const Limit& limit, Amount used, base::Timestamp now) {
    Refusal out;
    out.subject = limit.subject;
    out.metric = limit.metric;
    out.rule = limit.rule;
    out.max = limit.max;
    out.used = used;
    out.window = limit.window;
    out.kind = limit.kind;
    const CounterId id = counter_of(limit, now);
    if (limit.kind == WindowKind::Rolling) {
        const std::int64_t end = id.start_us + slice_of(id.window_us);
        out.retry_after = std::chrono::microseconds(end - to_micros(now));
    } else if (const auto end = end_of(id)) {
        out.retry_after = std::chrono::microseconds(*end - to_micros(now));
    }
    return out;
}

Result<Usage> Usage::decode(base::ByteView bytes) {
    Reader reader(bytes);
    Usage out;
    const std::uint64_t version = reader.number(1);
    const std::uint64_t count = reader.number(4);
    for (std::uint64_t i = 0; i < count && reader.good(); ++i) {
        auto [id, amount] = reader.counter();
        const bool sorted = out.counters_.empty() || out.counters_.rbegin()->first < id;
        if (!sorted) return Error::corrupt_data("the usage counters are not sorted");
        out.counters_.emplace_hint(out.counters_.end(), std::move(id), amount);
    }
    if (version != kVersion || !reader.at_end()) {
        return Error::corrupt_data("the usage counters are malformed");
    }
    return out;
}

base::Bytes Usage::encode() const {
    base::Bytes out;
    put_number(out, kVersion, 1);
    put_number(out, counters_.size(), 4);
    for (const auto& [id, amount] : counters_) put_counter(out, id, amount);
    return out;
}

Result<Amount> Usage::used(const Limit& limit, base::Timestamp now) const {
    const CounterId id = counter_of(limit, now);
    if (limit.kind != WindowKind::Rolling) {
        const auto found = counters_.find(id);
        return found == counters_.end() ? Amount() : found->second;
    }
    // Slices later than now count too: the clock may have been set back.
    CounterId oldest = id;
    oldest.start_us -= id.window_us;
    Amount sum;
    for (auto at = counters_.lower_bound(oldest); at != counters_.end(); ++at) {
        const CounterId& slice = at->first;
        const bool same =
            slice.metric == id.metric && slice.kind == id.kind && slice.window_us == id.window_us;
        if (!same) break;
        const std::optional<Amount> more = sum.plus(at->second);
        if (!more) return Error::unprocessable("the reserved sum is above 2^128 - 1");
        sum = *more;
    }
    return sum;
}

Result<std::optional<Refusal>> Usage::add(const Limit& limit, Amount amount, base::Timestamp now) {
    TRY(const Amount before, used(limit, now));
    const std::optional<Amount> sum = before.plus(amount);
    if (!sum) return Error::unprocessable("the reserved sum is above 2^128 - 1");
    if (*sum > limit.max) return std::optional<Refusal>(refusal_of(limit, before, now));
    if (amount == Amount()) return std::optional<Refusal>();
    Amount& counter = counters_[counter_of(limit, now)];
    const std::optional<Amount> counted = counter.plus(amount);
    CHECK(counted);  // at most the sum
    counter = *counted;
    if (counters_.size() > kCountersMax) {
        return Error::unprocessable("the subject has too many usage counters");
    }
    return std::optional<Refusal>();
}

Result<void> Usage::take_back(const CounterId& id, Amount amount) {
    const auto found = counters_.find(id);
    const bool forgettable = end_of(id).has_value();
    if (found == counters_.end() && forgettable) return {};
    const std::optional<Amount> rest =
        found == counters_.end() ? std::nullopt : found->second.minus(amount);
    if (!rest) return Error::corrupt_data("a usage counter is below what was reserved");
    if (*rest == Amount()) {
        counters_.erase(found);
    } else {
        found->second = *rest;
    }
    return {};
}

void Usage::forget_ended(base::Timestamp now) {
    for (auto at = counters_.begin(); at != counters_.end();) {
        const std::optional<std::int64_t> end = end_of(at->first);
        const std::int64_t length = end ? *end - at->first.start_us : 0;
        const bool ended = end && *end + std::max(length, kHourMicros) <= to_micros(now);
        at = ended ? counters_.erase(at) : std::next(at);
    }
}

base::Bytes encode_charges(const std::vector<StoredCharge>& charges) {
    base::Bytes out;
    put_number(out, kVersion, 1);
    put_number(out, charges.size(), 4);
    for (const StoredCharge& charge : charges) {
        put_text(out, charge.subject);
        put_counter(out, charge.counter, charge.amount);
    }
    return out;
}

Result<std::vector<StoredCharge>> decode_charges(base::ByteView bytes) {
    Reader reader(bytes);
    std::vector<StoredCharge> out;
    const std::uint64_t version = reader.number(1);
    const std::uint64_t count = reader.number(4);
    for (std::uint64_t i = 0; i < count && reader.good(); ++i) {
        StoredCharge charge;
        charge.subject = reader.text();
        std::tie(charge.counter, charge.amount) = reader.counter();
        out.push_back(std::move(charge));
    }
    if (version != kVersion || !reader.at_end()) {
        return Error::corrupt_data("the charges of a reservation are malformed");
    }
    return out;
}

}  // namespace adyton::policy::internal

#include "service/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>

#include "base/check.h"

namespace adyton::service {
namespace {

constexpr std::int64_t kMicrosecond = 1'000;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

std::vector<std::int64_t> latency_bounds() {
    return {50 * kMicrosecond,   100 * kMicrosecond,
            250 * kMicrosecond,  500 * kMicrosecond,
            kMillisecond,        2500 * kMicrosecond,
            5 * kMillisecond,    10 * kMillisecond,
            25 * kMillisecond,   50 * kMillisecond,
            100 * kMillisecond,  250 * kMillisecond,
            500 * kMillisecond,  kSecond,
            2500 * kMillisecond, 5 * kSecond,
            10 * kSecond,        30 * kSecond};
}

bool is_name(std::string_view name, bool colons) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    return std::all_of(name.begin(), name.end(), [&](char c) {
        return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
               (c >= 'A' && c <= 'Z') || (colons && c == ':');
    });
}

bool is_label(const std::pair<std::string, std::string>& label) {
    return is_name(label.first, false) && !label.first.starts_with("__");
}

prometheus::ClientMetric::Histogram to_prometheus(const Histogram& histogram) {
    prometheus::ClientMetric::Histogram out;
    for (std::size_t i = 0; i <= histogram.bounds().size(); ++i) {
        out.sample_count += histogram.bucket(i);
        const bool last = i == histogram.bounds().size();
        out.bucket.push_back(
            {out.sample_count,
             last ? std::numeric_limits<double>::infinity()
                  : static_cast<double>(histogram.bounds()[i]) / histogram.units_per_one()});
    }
    out.sample_sum = static_cast<double>(histogram.sum()) / histogram.units_per_one();
    return out;
}

}  // namespace

Histogram::Histogram(std::vector<std::int64_t> bounds, double units_per_one)
    : bounds_(std::move(bounds)), units_per_one_(units_per_one), buckets_(bounds_.size() + 1) {
    CHECK(!bounds_.empty() && std::is_sorted(bounds_.begin(), bounds_.end()));
    CHECK(units_per_one_ > 0);
}

void Histogram::observe(std::int64_t value) {
    std::size_t index = 0;
    while (index < bounds_.size() && value > bounds_[index]) ++index;
    buckets_[index].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
}

std::uint64_t Histogram::count() const {
    std::uint64_t total = 0;
    for (const auto& bucket : buckets_) total += bucket.load(std::memory_order_relaxed);
    return total;
}

// Exactly one of the four is there.
struct MetricsRegistry::Series {
    Labels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> callback;
};

struct MetricsRegistry::Family {
    std::string name;
    std::string help;
    Type type = Type::Counter;
    std::vector<std::unique_ptr<Series>> series;
};

MetricsRegistry::MetricsRegistry() = default;
MetricsRegistry::~MetricsRegistry() = default;

MetricsRegistry::Family& MetricsRegistry::family(
    std::string_view name, std::string_view help, Type type) {
    for (const auto& known : families_) {
        if (known->name != name) continue;
        CHECK(known->type == type);
        return *known;
    }
    CHECK(is_name(name, true));
    Family& added = *families_.emplace_back(std::make_unique<Family>());
    added.name = std::string(name);
    added.help = std::string(help);
    added.type = type;
    return added;
}

MetricsRegistry::Series& MetricsRegistry::series(Family& family, Labels labels) {
    CHECK(std::all_of(labels.begin(), labels.end(), is_label));
    for (const auto& known : family.series) {
        if (known->labels == labels) return *known;
    }
    Series& added = *family.series.emplace_back(std::make_unique<Series>());
    added.labels = std::move(labels);
    return added;
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help, Labels labels) {
    const std::lock_guard lock(mutex_);
    Series& found = series(family(name, help, Type::Counter), std::move(labels));
    if (!found.counter) found.counter = std::make_unique<Counter>();
    return *found.counter;
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help, Labels labels) {
    const std::lock_guard lock(mutex_);
    Series& found = series(family(name, help, Type::Gauge), std::move(labels));
    CHECK(!found.callback);
    if (!found.gauge) found.gauge = std::make_unique<Gauge>();
    return *found.gauge;
}

Histogram& MetricsRegistry::latency(std::string_view name, std::string_view help, Labels labels) {
    return add_histogram(
        name, help, latency_bounds(), static_cast<double>(kSecond), std::move(labels));
}

Histogram& MetricsRegistry::histogram(
    std::string_view name, std::string_view help, std::vector<std::int64_t> bounds, Labels labels) {
    return add_histogram(name, help, std::move(bounds), 1.0, std::move(labels));
}

Histogram& MetricsRegistry::add_histogram(
    std::string_view name, std::string_view help, std::vector<std::int64_t> bounds,
    double units_per_one, Labels labels) {
    const std::lock_guard lock(mutex_);
    Series& found = series(family(name, help, Type::Histogram), std::move(labels));
    if (!found.histogram) {
        found.histogram = std::make_unique<Histogram>(std::move(bounds), units_per_one);
    }
    return *found.histogram;
}

void MetricsRegistry::gauge_callback(
    std::string_view name, std::string_view help, Labels labels, std::function<double()> value) {
    CHECK(value);
    const std::lock_guard lock(mutex_);
    Series& found = series(family(name, help, Type::Gauge), std::move(labels));
    CHECK(!found.gauge);
    found.callback = std::move(value);
}

struct MetricsRegistry::Scrape {
    std::vector<prometheus::MetricFamily> families;

    prometheus::MetricFamily& family(const Family& like);
};

prometheus::MetricFamily& MetricsRegistry::Scrape::family(const Family& like) {
    const auto type = like.type == Type::Counter ? prometheus::MetricType::Counter
                      : like.type == Type::Gauge ? prometheus::MetricType::Gauge
                                                 : prometheus::MetricType::Histogram;
    for (prometheus::MetricFamily& known : families) {
        if (known.name != like.name) continue;
        CHECK(known.type == type);
        return known;
    }
    prometheus::MetricFamily& added = families.emplace_back();
    added.name = like.name;
    added.help = like.help;
    added.type = type;
    return added;
}

void MetricsRegistry::scrape(const Labels& labels, Scrape& out) const {
    const std::lock_guard lock(mutex_);
    for (const auto& known : families_) {
        prometheus::MetricFamily& family = out.family(*known);
        for (const auto& item : known->series) {
            prometheus::ClientMetric metric;
            for (const auto& [name, value] : labels) metric.label.push_back({name, value});
            for (const auto& [name, value] : item->labels) metric.label.push_back({name, value});
            if (item->counter) metric.counter.value = static_cast<double>(item->counter->value());
            if (item->gauge) metric.gauge.value = static_cast<double>(item->gauge->value());
            if (item->callback) metric.gauge.value = item->callback();
            if (item->histogram) metric.histogram = to_prometheus(*item->histogram);
            family.metric.push_back(std::move(metric));
        }
    }
    for (const Attached& other : attached_) {
        Labels all = labels;
        all.insert(all.end(), other.labels.begin(), other.labels.end());
        other.registry->scrape(all, out);
    }
}

void MetricsRegistry::attach(Labels labels, const MetricsRegistry& other) {
    CHECK(&other != this);
    CHECK(std::all_of(labels.begin(), labels.end(), is_label));
    const std::lock_guard lock(mutex_);
    attached_.push_back({std::move(labels), &other});
}

std::string MetricsRegistry::text() const {
    Scrape all;
    scrape({}, all);
    // Two overloads share the name, one of them hidden behind the base class.
    const prometheus::TextSerializer serializer;
    return serializer.prometheus::Serializer::Serialize(all.families);
}

}  // namespace adyton::service

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

// Metrics in the Prometheus text format. Look a metric up once and keep the reference: counting is
// then one relaxed atomic addition. No secret and nothing a caller chooses goes into a label, or
// the number of series would have no limit.

namespace adyton::service {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Only rises. Thread safe.
class Counter {
public:
    void add(std::uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
    std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// A level. Thread safe.
class Gauge {
public:
    void set(std::int64_t value) { value_.store(value, std::memory_order_relaxed); }
    void add(std::int64_t amount) { value_.fetch_add(amount, std::memory_order_relaxed); }
    std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::int64_t> value_{0};
};

// A distribution in fixed buckets, of durations or of plain numbers. Thread safe; a scrape may see
// an observation in its bucket before it sees it in the sum.
class Histogram {
public:
    // Upper bounds, rising, inclusive, in the observed unit; the scrape divides by `units_per_one`.
    Histogram(std::vector<std::int64_t> bounds, double units_per_one);

    void observe(std::int64_t value);
    void observe(base::Duration duration) { observe(duration.count()); }

    std::uint64_t count() const;
    const std::vector<std::int64_t>& bounds() const { return bounds_; }
    double units_per_one() const { return units_per_one_; }
    // Not cumulative; one more than bounds().
    std::uint64_t bucket(std::size_t index) const {
        return buckets_[index].load(std::memory_order_relaxed);
    }
    std::int64_t sum() const { return sum_.load(std::memory_order_relaxed); }

private:
    std::vector<std::int64_t> bounds_;
    double units_per_one_;
    std::vector<std::atomic<std::uint64_t>> buckets_;
    std::atomic<std::int64_t> sum_{0};
};

// All metrics of a process. Metrics live as long as the registry. Thread safe.
//
// Asking again for the same name and labels gives the same metric. Names and label names must be
// Prometheus ones and one name has one type: CHECKed, they are literals of ours.
class MetricsRegistry {
public:
    MetricsRegistry();
    ~MetricsRegistry();
    MetricsRegistry(const MetricsRegistry&) = delete;
    MetricsRegistry& operator=(const MetricsRegistry&) = delete;

    // By convention the name ends in "_total".
    Counter& counter(std::string_view name, std::string_view help, Labels labels = {});
    Gauge& gauge(std::string_view name, std::string_view help, Labels labels = {});
    // Seconds; observe base::Duration. Buckets from 50 us to 30 s.
    Histogram& latency(std::string_view name, std::string_view help, Labels labels = {});
    // Plain numbers.
    Histogram& histogram(
        std::string_view name, std::string_view help, std::vector<std::int64_t> bounds,
        Labels labels = {});
    // Asked at each scrape, on the thread that scrapes; must neither block nor use this registry.
    // Asked for again, it replaces the former.
    void gauge_callback(
        std::string_view name, std::string_view help, Labels labels, std::function<double()> value);

    // Shows the other registry's metrics with this one's, each with `labels` added: several
    // services in one process behind one listener. `other` must outlive this registry. CHECKs that
    // it is another one; two that show each other, or a name of two types, are bugs as well.
    void attach(Labels labels, const MetricsRegistry& other);

    // The exposition text, format 0.0.4.
    std::string text() const;
    static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

private:
    enum class Type { Counter, Gauge, Histogram };
    struct Series;
    struct Family;
    struct Scrape;  // families as the library serializes them
    struct Attached {
        Labels labels;
        const MetricsRegistry* registry;
    };

    // With the lock held.
    Family& family(std::string_view name, std::string_view help, Type type);
    static Series& series(Family& family, Labels labels);
    Histogram& add_histogram(
        std::string_view name, std::string_view help, std::vector<std::int64_t> bounds,
        double units_per_one, Labels labels);

    // What there is, with `labels` added to each series, into the families of the same name.
    void scrape(const Labels& labels, Scrape& out) const;

    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Family>> families_;
    std::vector<Attached> attached_;
};

}  // namespace adyton::service

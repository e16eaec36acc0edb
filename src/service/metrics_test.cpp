#include "service/metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace adyton::service {
namespace {

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(MetricsTest, CountersGaugesAndHistogramsAreExposedInTheTextFormat) {
    MetricsRegistry registry;
    registry.counter("adyton_things_total", "Things.", {{"kind", "a"}}).add(3);
    registry.counter("adyton_things_total", "Things.", {{"kind", "b"}}).add();
    registry.gauge("adyton_level", "Level.").set(-7);
    registry.gauge_callback("adyton_asked", "Asked.", {}, [] { return 2.5; });
    Histogram& sizes = registry.histogram("adyton_sizes", "Sizes.", {1, 10});
    for (const std::int64_t size : {0, 1, 2, 10, 11}) sizes.observe(size);
    const std::string text = registry.text();
    for (const char* line :
         {"# HELP adyton_things_total Things.", "# TYPE adyton_things_total counter",
          "adyton_things_total{kind=\"a\"} 3", "adyton_things_total{kind=\"b\"} 1",
          "# TYPE adyton_level gauge", "adyton_level -7", "adyton_asked 2.5",
          "# TYPE adyton_sizes histogram", "adyton_sizes_bucket{le=\"1\"} 2",
          "adyton_sizes_bucket{le=\"10\"} 4", "adyton_sizes_bucket{le=\"+Inf\"} 5",
          "adyton_sizes_sum 24", "adyton_sizes_count 5"}) {
        EXPECT_TRUE(has_line(text, line)) << line << " in\n" << text;
    }
}

TEST(MetricsTest, LatenciesAreExposedInSeconds) {
    MetricsRegistry registry;
    Histogram& latency = registry.latency("adyton_wait_seconds", "Waits.");
    latency.observe(std::chrono::milliseconds(1));
    latency.observe(std::chrono::milliseconds(1500));
    latency.observe(std::chrono::hours(1));
    const std::string text = registry.text();
    EXPECT_TRUE(has_line(text, "adyton_wait_seconds_bucket{le=\"0.0005\"} 0")) << text;
    EXPECT_TRUE(has_line(text, "adyton_wait_seconds_bucket{le=\"0.001\"} 1")) << text;
    EXPECT_TRUE(has_line(text, "adyton_wait_seconds_bucket{le=\"2.5\"} 2")) << text;
    EXPECT_TRUE(has_line(text, "adyton_wait_seconds_bucket{le=\"30\"} 2")) << text;
    EXPECT_TRUE(has_line(text, "adyton_wait_seconds_bucket{le=\"+Inf\"} 3")) << text;
    EXPECT_TRUE(has_line(text, "adyton_wait_seconds_sum 3601.501")) << text;
}

TEST(MetricsTest, AskingAgainGivesTheSameMetric) {
    MetricsRegistry registry;
    Counter& counter = registry.counter("adyton_a_total", "A.", {{"x", "1"}});
    EXPECT_EQ(&registry.counter("adyton_a_total", "A.", {{"x", "1"}}), &counter);
    EXPECT_NE(&registry.counter("adyton_a_total", "A.", {{"x", "2"}}), &counter);
}

TEST(MetricsTest, AnAttachedRegistryIsShownUnderItsLabelsInTheSameFamilies) {
    MetricsRegistry keystore;
    keystore.counter("adyton_a_total", "A.", {{"x", "1"}}).add(2);
    keystore.counter("adyton_k_total", "K.").add(3);
    MetricsRegistry pool;
    pool.counter("adyton_a_total", "A.", {{"x", "1"}}).add();
    pool.attach({{"service", "keystore"}}, keystore);
    keystore.counter("adyton_later_total", "Later.").add(4);
    const std::string text = pool.text();
    EXPECT_TRUE(has_line(text, "adyton_a_total{x=\"1\"} 1")) << text;
    EXPECT_TRUE(has_line(text, "adyton_a_total{service=\"keystore\",x=\"1\"} 2")) << text;
    EXPECT_TRUE(has_line(text, "adyton_k_total{service=\"keystore\"} 3")) << text;
    EXPECT_TRUE(has_line(text, "adyton_later_total{service=\"keystore\"} 4")) << text;
    const std::string type = "# TYPE adyton_a_total counter";
    EXPECT_EQ(text.find(type), text.rfind(type)) << "one family, declared once";
    EXPECT_FALSE(has_line(keystore.text(), "adyton_a_total{x=\"1\"} 1"));
}

TEST(MetricsTest, LabelValuesAreEscaped) {
    MetricsRegistry registry;
    registry.counter("adyton_a_total", "A.", {{"x", "a\"b\\c\nd"}}).add();
    EXPECT_TRUE(has_line(registry.text(), "adyton_a_total{x=\"a\\\"b\\\\c\\nd\"} 1"))
        << registry.text();
}

TEST(MetricsDeathTest, ANameOfTwoTypesOrNoNameAtAllIsABug) {
    MetricsRegistry registry;
    registry.counter("adyton_a_total", "A.");
    EXPECT_DEATH(registry.gauge("adyton_a_total", "A."), "type");
    EXPECT_DEATH(registry.counter("9lives", "A."), "is_name");
    EXPECT_DEATH(registry.attach({}, registry), "other");
    EXPECT_DEATH(registry.counter("adyton_b_total", "B.", {{"a-b", "x"}}), "is_label");
}

TEST(MetricsTest, NoCountIsLostBetweenThreads) {
    MetricsRegistry registry;
    Counter& counter = registry.counter("adyton_a_total", "A.");
    Histogram& histogram = registry.histogram("adyton_h", "H.", {10});
    std::vector<std::thread> threads;  // lint-allow(thread): the contention under test
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10'000; ++i) {
                counter.add();
                histogram.observe(i % 20);
                if (i % 1000 == 0) (void)registry.text();
            }
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(counter.value(), 40'000U);
    EXPECT_EQ(histogram.count(), 40'000U);
    EXPECT_EQ(histogram.bucket(0), 22'000U);
}

}  // namespace
}  // namespace adyton::service

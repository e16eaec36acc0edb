#include "base/log.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "base/json.h"

namespace adyton::base {
namespace {

TEST(LoggerTest, WritesOneJsonObjectALineAndKeepsItsLevel) {
    const std::string path = testing::TempDir() + "/log_test_" + std::to_string(::getpid());
    {
        const auto logger = create_logger({LogLevel::Info, path});
        ASSERT_TRUE(logger);
        (*logger)->debug("hidden");
        (*logger)->info("first \"line\"\n", {{"count", 7}, {"ok", true}, {"name", "a<b"}});
        (*logger)->warning("second", {{"ratio", 0.5}});
    }
    std::ifstream file(path);
    std::string line;
    std::vector<Json> lines;
    while (std::getline(file, line)) {
        auto json = Json::parse(line);
        ASSERT_TRUE(json) << line;
        lines.push_back(std::move(*json));
    }
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].find("message")->string_value(), "first \"line\"\n");
    EXPECT_EQ(lines[0].find("count")->number_text(), "7");
    EXPECT_EQ(lines[1].find("level")->string_value(), "warning");
    EXPECT_EQ(lines[1].find("ratio")->number_text(), "0.5");
    std::remove(path.c_str());
}

TEST(LoggerTest, RefusesAFileItCannotOpenAndAnUnknownLevel) {
    EXPECT_EQ(
        create_logger({LogLevel::Info, "/nonexistent/adyton.log"}).error().code(),
        ErrorCode::Unavailable);
    EXPECT_FALSE(parse_log_level("loud"));
    EXPECT_TRUE(parse_log_level("warn"));
}

}  // namespace
}  // namespace adyton::base

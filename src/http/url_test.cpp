#include "http/url.h"

#include <gtest/gtest.h>

namespace adyton::http {
namespace {

TEST(UrlTest, PartsAreFound) {
    const auto url = Url::parse("https://Pool.Example:8085/accounts?service_id=a%20b&x=1");
    ASSERT_TRUE(url);
    EXPECT_TRUE(url->tls);
    EXPECT_EQ(url->host, "pool.example");
    EXPECT_EQ(url->port, 8085);
    EXPECT_EQ(url->target, "/accounts?service_id=a%20b&x=1");
    EXPECT_EQ(url->authority(), "pool.example:8085");
}

TEST(UrlTest, TheSchemeGivesThePort) {
    EXPECT_EQ(Url::parse("http://a")->port, 80);
    EXPECT_EQ(Url::parse("https://a")->port, 443);
    EXPECT_EQ(Url::parse("https://a:443/")->authority(), "a");
    EXPECT_EQ(Url::parse("http://a:443/")->authority(), "a:443");
    EXPECT_EQ(Url::parse("http://a?x")->target, "/?x");
}

TEST(UrlTest, AddressesAreHosts) {
    const auto six = Url::parse("http://[::1]:80/");
    ASSERT_TRUE(six);
    EXPECT_EQ(six->host, "::1");
    EXPECT_EQ(six->authority(), "[::1]");
    EXPECT_EQ(Url::parse("http://127.0.0.1:1/")->host, "127.0.0.1");
}

TEST(UrlTest, WhatIsNoHttpUrlIsRefused) {
    for (const char* text :
         {"",
          "http",
          "http:/a",
          "ftp://a",
          "http://",
          "http:///x",
          "http://a:0/",
          "http://a:65536/",
          "http://a:/",
          "http://a:1x/",
          "http://u@a/",
          "http://u:p@a/",
          "http://a b/",
          "http://a/b c",
          "http://a/#f",
          "http://a/\xc3\xa4",
          "http://a/\r\nX: y",
          "http://[::1",
          "http://[::1]x/",
          "http://[zz]/",
          "http://a/{x}",
          "//a/b",
          "/a",
          "http://a\\b/"}) {
        const auto url = Url::parse(text);
        ASSERT_FALSE(url) << text;
        EXPECT_EQ(url.error().code(), ErrorCode::InvalidArgument) << text;
    }
    EXPECT_FALSE(Url::parse("http://a/" + std::string(Url::kTextLengthMax, 'x')));
}

TEST(UrlTest, EveryByteSurvivesEncodingAndDecoding) {
    std::string text = "a/b?c=d&e+f g%h\xe2\x82\xac~-._";
    EXPECT_EQ(percent_encode("a/b \xe2\x82\xac"), "a%2Fb%20%E2%82%AC");
    EXPECT_EQ(percent_decode(percent_encode(text), PlusSign::Space).value(), text);
    EXPECT_EQ(percent_decode(percent_encode(text), PlusSign::Literal).value(), text);
}

TEST(UrlTest, BadEscapesAreRefused) {
    for (const char* text :
         {"%", "%1", "%g0", "%0g", "a%", "%%41", "%00", "%ff", "%c3", "%ed%a0%80", "%c0%af"}) {
        EXPECT_FALSE(percent_decode(text, PlusSign::Literal)) << text;
    }
}

TEST(QueryTest, PairsKeepOrderAndDuplicates) {
    Parameters query;
    ASSERT_TRUE(parse_query("a=1&b=&c&a=2&&=x&d=a+b%2Bc", 16, query));
    ASSERT_EQ(query.size(), 6U);
    EXPECT_EQ(query.find("a"), "1");
    EXPECT_EQ(query.find_all("a"), (std::vector<std::string_view>{"1", "2"}));
    EXPECT_EQ(query.find("b"), "");
    EXPECT_EQ(query.find("c"), "");
    EXPECT_EQ(query.find("d"), "a b+c");
    EXPECT_FALSE(query.find("e"));
    EXPECT_FALSE(query.find_single("a"));
    EXPECT_EQ(query.find_single("a").error().code(), ErrorCode::InvalidArgument);
    EXPECT_EQ(query.find_single("d").value(), "a b+c");
    EXPECT_FALSE(query.find_single("e").value());
}

TEST(QueryTest, TheCountIsLimited) {
    Parameters query;
    EXPECT_TRUE(parse_query("a&b&c", 3, query));
    const auto over = parse_query("a&b&c&d", 3, query);
    ASSERT_FALSE(over);
    EXPECT_EQ(over.error().code(), ErrorCode::TooLarge);
}

TEST(QueryTest, WhatMustBeEncodedIsRefused) {
    Parameters query;
    for (const char* text : {"a=%zz", "a=%00", "a=\xff", "a=<", "a= b", "a#b", "%ff=1"}) {
        EXPECT_FALSE(parse_query(text, 16, query)) << text;
    }
}

TEST(PathTest, SegmentsAreDecoded) {
    std::string path;
    ASSERT_TRUE(parse_path("/jobs/a%20b/%E2%82%AC", path));
    EXPECT_EQ(path, "/jobs/a b/\xe2\x82\xac");
    ASSERT_TRUE(parse_path("/", path));
    EXPECT_EQ(path, "/");
    ASSERT_TRUE(parse_path("/a/.../..b/.c", path));
    EXPECT_EQ(path, "/a/.../..b/.c");
}

TEST(PathTest, WhatChangesTheShapeOfAPathIsRefused) {
    std::string path;
    for (const char* text : {"",       "a",     "/a%2fb", "/a%2Fb",  "/a%5cb", "/%00",  "/a%0a",
                             "/a%7f",  "/.",    "/..",    "/a/../b", "/a/./b", "/a/..", "/%2e%2e/b",
                             "/a/%2e", "/.%2e", "/a b",   "/a\\b",   "/\xff",  "/%ff",  "/%c0%ae",
                             "/a%",    "/a%4",  "/a%xy",  "/a?b",    "/a#b",   "/a<b"}) {
        const auto parsed = parse_path(text, path);
        ASSERT_FALSE(parsed) << text;
        EXPECT_EQ(parsed.error().code(), ErrorCode::InvalidArgument) << text;
    }
}

}  // namespace
}  // namespace adyton::http

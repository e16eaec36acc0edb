#include "compute/host/script_url.h"

#include <gtest/gtest.h>

namespace adyton::compute::host {
namespace {

std::string href(std::string_view text, std::string_view base = {}) {
    std::optional<ScriptUrl> against;
    if (!base.empty()) against = *parse_script_url(base, nullptr);
    const auto url = parse_script_url(text, against ? &*against : nullptr);
    return url ? url->href() : "refused";
}

TEST(ScriptUrlTest, AbsoluteUrlsComeOutNormalised) {
    EXPECT_EQ(
        href("HTTPS://User:p%40ss@EXAMPLE.org:443/a/./b/../c?x=1 2#f<"),
        "https://User:p%40ss@example.org/a/c?x=1%202#f%3C");
    EXPECT_EQ(href("http://example.org"), "http://example.org/");
    EXPECT_EQ(href("http:\\\\example.org\\a\\b"), "http://example.org/a/b");
    EXPECT_EQ(href("http://example.org:8080/"), "http://example.org:8080/");
    EXPECT_EQ(href("  http://example.org/\n "), "http://example.org/");
    EXPECT_EQ(href("http://a/%2e%2E/x"), "http://a/x");
    EXPECT_EQ(href("data:text/plain,hi"), "data:text/plain,hi");
}

TEST(ScriptUrlTest, EverySpellingOfAnIpv4AddressIsTheSameAddress) {
    for (const char* host :
         {"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.0.0.1",
          "127.0.0.1.", "%31%32%37.0.0.1"}) {
        EXPECT_EQ(href(std::string("http://") + host + "/"), "http://127.0.0.1/") << host;
    }
    for (const char* host : {"256.0.0.1", "1.2.3.4.5", "0x100000000", "1.2.3.09", "127.0.0.1x.1"}) {
        EXPECT_EQ(href(std::string("http://") + host + "/"), "refused") << host;
    }
    EXPECT_EQ(href("http://[0:0::1]/"), "http://[::1]/");
    EXPECT_EQ(href("http://[::g]/"), "refused");
}

TEST(ScriptUrlTest, ReferencesAreResolvedLikeRfc3986Says) {
    const std::string_view base = "http://a/b/c/d;p?q";
    EXPECT_EQ(href("g", base), "http://a/b/c/g");
    EXPECT_EQ(href("./g/", base), "http://a/b/c/g/");
    EXPECT_EQ(href("/g", base), "http://a/g");
    EXPECT_EQ(href("//g", base), "http://g/");
    EXPECT_EQ(href("?y", base), "http://a/b/c/d;p?y");
    EXPECT_EQ(href("#s", base), "http://a/b/c/d;p?q#s");
    EXPECT_EQ(href("", base), "http://a/b/c/d;p?q");
    EXPECT_EQ(href("../../../g", base), "http://a/g");
    EXPECT_EQ(href("..", base), "http://a/b/");
    EXPECT_EQ(href("g", "data:x"), "refused");
}

TEST(ScriptUrlTest, WhatIsNoUrlIsRefused) {
    for (const char* text :
         {"", "x", "/a", "http://", "http://a b/", "http://a:99999/", "http://a:x/", "http://<>/",
          "http://\xC3\xA9/", "1http://a/", "http://[::1", "http://a%00b/"}) {
        EXPECT_EQ(href(text), "refused") << text;
    }
}

TEST(ScriptUrlTest, FormsAreEncodedAndDecoded) {
    EXPECT_EQ(form_encoded("a b&c=\xC3\xA9~*"), "a+b%26c%3D%C3%A9%7E*");
    EXPECT_EQ(form_decoded("a+b%26c%3D%C3%A9%7E*%zz"), "a b&c=\xC3\xA9~*%zz");
}

}  // namespace
}  // namespace adyton::compute::host

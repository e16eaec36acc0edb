#include "apps/near_tool_commands.h"

#include <gtest/gtest.h>

#include "apps/command_test_support.h"

namespace adyton::apps {
namespace {

// Cases of tests/vectors/near/transactions.json, delegate_actions.json.
const char* const kTransfer =
    "CgAAAGFsaWNlLm5lYXIAxmhgQjW6GTPKY/9f45w27Y2lWeDPZrXDdy9PvxrcqqllIBYlcbAAAAgAAABib2IubmVhcl/"
    "GgpgI50JwTYpKWThe1OKkI6F1bjwm6ZtnecjP1nBvAQAAAAMBAAAAAAAAAAAAAAAAAAAAAFpVsPocVuOB/U5/upf1jNGI3"
    "idezbAbXemK3N2dXI7frkap7D1fOsy/EPfzMxfdFAQsz5eSgICnA/I+qtWNawI=";
const char* const kDelegate =
    "QAAAADAyYjViZWM1MzBlZDliYWNjNjRhOGNmY2IxMzliMmZjNTFlOGQyZTNiOGRkZWMxZjliN2JlYTIzN2ZhZWYzN2YMAA"
    "AAaW50ZW50cy5uZWFyAQAAAAIPAAAAZXhlY3V0ZV9pbnRlbnRzDQAAAHsic2lnbmVkIjpbXX0AQHoQ81oAAAAAAAAAAAAA"
    "AAAAAAAAAAA1dDsU6U8GACQ9nQsAAAAAAAK1vsUw7ZusxkqM/LE5svxR6NLjuN3sH5t76iN/rvN/AP7G+KLToDySuy8N0d"
    "yIhGZyFxSGAyecpTWbLgaJN9wx+frdlaqu46Cqs46WfvzKX2EVJcpdMdT3T2LHABlf9gY=";
const char* const kMessage =
    R"({"signer_id":"alice.near","deadline":"2026-04-24T20:00:00.000Z","intents":[)"
    R"({"intent":"transfer","receiver_id":"bob.near","tokens":{"nep141:wrap.near":"5"}},)"
    R"({"intent":"mint"}]})";

Outcome run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "tool");
    return run_command(arguments);
}

TEST(NearToolCommandsTest, ATransactionIsExplained) {
    const auto words = run({"near-tx", "explain", kTransfer});
    EXPECT_EQ(words.exit, Exit::Ok) << words.err;
    EXPECT_NE(words.out.find("J2RAAuHzLzxKZLJJi2QTEddqGiyuzwtFUKxYzkfPqugn"), std::string::npos);
    EXPECT_NE(words.out.find("transfer 1 yocto"), std::string::npos) << words.out;
    EXPECT_NE(words.out.find("signature   valid"), std::string::npos) << words.out;
    const auto json = base::Json::parse(run({"near-tx", "explain", kTransfer, "--json"}).out);
    ASSERT_TRUE(json);
    EXPECT_EQ(json->find("receiver_id")->string_value(), "bob.near");
    EXPECT_TRUE(json->find("signature_valid")->boolean_value());
}

TEST(NearToolCommandsTest, ADelegateIsExplainedAndHeldAgainstTheGate) {
    const auto good = run({"near-delegate", "explain", kDelegate, "--height", "194854179"});
    EXPECT_EQ(good.exit, Exit::Ok) << good.err;
    EXPECT_NE(good.out.find("call execute_intents"), std::string::npos) << good.out;
    EXPECT_NE(good.out.find("would take it"), std::string::npos) << good.out;
    const auto late = run({"near-delegate", "explain", kDelegate, "--height", "194854180"});
    EXPECT_NE(late.out.find("refuses"), std::string::npos) << late.out;
}

TEST(NearToolCommandsTest, IntentsAreExplained) {
    const auto words = run({"near-intents", "explain", kMessage});
    EXPECT_EQ(words.exit, Exit::Ok) << words.err;
    EXPECT_NE(words.out.find("gives 5 of nep141:wrap.near to bob.near"), std::string::npos)
        << words.out;
    EXPECT_NE(words.out.find("NOT UNDERSTOOD"), std::string::npos) << words.out;
}

TEST(NearToolCommandsTest, WhatIsNotReadIsRefused) {
    for (const char* command : {"near-tx", "near-delegate", "near-intents"}) {
        EXPECT_EQ(run({command, "explain", "AAAA"}).exit, Exit::Failed) << command;
        EXPECT_EQ(run({command, "explain", "x", "--file", "y"}).exit, Exit::Failed) << command;
        EXPECT_EQ(run({command, "explain", "--file", "/does/not/exist"}).exit, Exit::Failed);
    }
}

}  // namespace
}  // namespace adyton::apps

#include "apps/console.h"

#include <gtest/gtest.h>

#include <sstream>

namespace adyton::apps {
namespace {

TEST(TableTest, ColumnsAreAlignedAndLinesEndWithoutBlanks) {
    Table table({{"ADDRESS"}, {"TX", Table::Align::Right}, {"NOTE"}});
    table.add({"NPz", "5", ""});
    table.add({"NPzYFBbw", "1234", "é"});
    EXPECT_EQ(
        table.to_string(),
        "ADDRESS     TX  NOTE\n"
        "NPz          5\n"
        "NPzYFBbw  1234  é\n");
}

TEST(TableTest, CellsCannotDriveATerminal) {
    Table table({{"A"}});
    table.add({"x\x1b[31m\n\xC2\x9Bm"});
    EXPECT_EQ(table.to_string(), "A\nx?[31m??m\n");
}

TEST(ConsoleTest, AnswersAndErrorsGoToDifferentStreams) {
    std::ostringstream out;
    std::ostringstream err;
    Console console(out, err, Console::Kind::Plain);
    console.print("answer");
    console.fail(Error::conflict("the account is not locked", "not_locked"), false);
    console.flush();
    EXPECT_EQ(out.str(), "answer\n");
    EXPECT_EQ(err.str(), "error: the account is not locked (not_locked)\n");
}

TEST(ConsoleTest, EachProblemOfAConfigurationHasItsLine) {
    std::ostringstream out;
    std::ostringstream err;
    Console console(out, err, Console::Kind::Plain);
    console.fail(Error::invalid_argument("a.b: too small\nc.d: \x1b[2Junknown\n"), false);
    EXPECT_EQ(err.str(), "error: a.b: too small\n       c.d: ?[2Junknown\n");
}

TEST(ConsoleTest, AFailureForProgramsIsOneJsonLine) {
    std::ostringstream out;
    std::ostringstream err;
    Console console(out, err, Console::Kind::Plain);
    console.fail(Error::not_found("no such\naccount"), true);
    const auto parsed = base::Json::parse(err.str());
    ASSERT_TRUE(parsed);
    ASSERT_NE(parsed->find("error"), nullptr);
    EXPECT_EQ(parsed->find("error")->find("code")->string_value(), "not_found");
    EXPECT_EQ(parsed->find("error")->find("reason"), nullptr);
    EXPECT_EQ(out.str(), "");
}

TEST(ConsoleTest, ProgressIsOneLineATenthWhereNothingCanBeOverwritten) {
    std::ostringstream out;
    std::ostringstream err;
    Console console(out, err, Console::Kind::Plain);
    for (std::uint64_t done = 0; done <= 1000; ++done) console.progress("accounts", done, 1000);
    console.end_progress();
    const std::string text = err.str();
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 11);
    EXPECT_NE(text.find("accounts 1,000 of 1,000 (100 %)"), std::string::npos);
}

TEST(ConsoleTest, NumbersAreReadable) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1000), "1,000");
    EXPECT_EQ(grouped(12345678), "12,345,678");
    EXPECT_EQ(counted(1, "account"), "1 account");
    EXPECT_EQ(counted(0, "account"), "0 accounts");
}

}  // namespace
}  // namespace adyton::apps

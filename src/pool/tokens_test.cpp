#include "pool/tokens.h"

#include <gtest/gtest.h>

#include <map>

#include "base/check.h"
#include "base/sim_executor.h"
#include "chain/neo_client.h"
#include "neo/token.h"

namespace adyton::pool {
namespace {

neo::ScriptHash contract(std::string_view name) {
    return neo::ScriptHash::of_script(base::as_bytes(name));
}

// A chain that is asked for symbols alone.
class SymbolChain final : public chain::NeoClient {
public:
    std::map<neo::ScriptHash, Result<std::string>> symbols;
    int asked = 0;

    Task<Result<std::string>> token_symbol(neo::ScriptHash token) override {
        ++asked;
        const auto found = symbols.find(token);
        if (found == symbols.end()) co_return Error::unavailable("no node answers");
        co_return found->second;
    }
    Task<Result<chain::NeoNetwork>> network() override {
        return never<Result<chain::NeoNetwork>>();
    }
    neo::NetworkMagic magic() const override { return {}; }
    Task<Result<std::uint32_t>> block_count() override { return never<Result<std::uint32_t>>(); }
    Task<Result<chain::Invocation>> invoke_script(base::Bytes, std::vector<neo::Signer>) override {
        return never<Result<chain::Invocation>>();
    }
    Task<Result<std::int64_t>> network_fee(const neo::Transaction&) override {
        return never<Result<std::int64_t>>();
    }
    Task<chain::SendOutcome> send(base::Bytes, neo::TransactionHash, unsigned) override {
        return never<chain::SendOutcome>();
    }
    Task<Result<chain::TransactionFate>> fate(neo::TransactionHash, std::uint32_t) override {
        return never<Result<chain::TransactionFate>>();
    }
    Task<Result<base::Amount>> balance(neo::ScriptHash, neo::ScriptHash) override {
        return never<Result<base::Amount>>();
    }
    Task<std::vector<chain::BalanceReading>> balances(
        std::vector<chain::BalanceQuery>, std::size_t) override {
        return never<std::vector<chain::BalanceReading>>();
    }
    std::vector<chain::EndpointStatus> endpoints() const override { return {}; }

private:
    template <typename T>
    static Task<T> never() {
        CHECK(false);
    }
};

class TokenBookTest : public ::testing::Test {
protected:
    Result<neo::ScriptHash> find(const std::string& symbol) {
        return executor.run_until_done(book->find(symbol));
    }
    void open(const std::vector<std::string>& entries) {
        book = std::make_unique<TokenBook>(chain, parse_configured_tokens(entries).value());
    }
    std::string reason(const std::string& symbol) {
        const auto found = find(symbol);
        return found ? "" : std::string(found.error().reason());
    }

    base::SimExecutor executor{1};
    SymbolChain chain;
    std::unique_ptr<TokenBook> book;
};

TEST_F(TokenBookTest, ASymbolThatTheOperatorWroteDecidesWithoutAskingAnybody) {
    open({"FLM=" + contract("flamingo").to_string(), "b=" + contract("b").to_string()});
    EXPECT_EQ(find("FLM").value(), contract("flamingo"));
    EXPECT_EQ(find("b").value(), contract("b"));
    EXPECT_EQ(chain.asked, 0);
    EXPECT_EQ(reason("flm"), "unknown_token") << "letter by letter";
    EXPECT_EQ(reason("B"), "unknown_token");
    EXPECT_EQ(reason(""), "unknown_token");
    EXPECT_EQ(reason("FLM "), "unknown_token");
}

TEST_F(TokenBookTest, OtherwiseTheOnlyContractThatCallsItselfSoIsIt) {
    open(
        {contract("one").to_string(), contract("two").to_string(),
         "X=" + contract("x").to_string()});
    chain.symbols.emplace(contract("one"), std::string("ONE"));
    chain.symbols.emplace(contract("two"), std::string("TWO"));
    EXPECT_EQ(find("TWO").value(), contract("two"));
    EXPECT_EQ(find("ONE").value(), contract("one"));
    EXPECT_EQ(chain.asked, 2) << "once each";
    EXPECT_EQ(reason("THREE"), "unknown_token");
    EXPECT_EQ(chain.asked, 2);
}

TEST_F(TokenBookTest, TwoContractsOfOneNameAreNoToken) {
    open({contract("one").to_string(), contract("two").to_string()});
    chain.symbols.emplace(contract("one"), std::string("USD"));
    chain.symbols.emplace(contract("two"), std::string("USD"));
    EXPECT_EQ(reason("USD"), "ambiguous_token");
    open({"USD=" + contract("one").to_string(), contract("two").to_string()});
    EXPECT_EQ(find("USD").value(), contract("one")) << "the operator said which";
}

TEST_F(TokenBookTest, AContractThatCannotBeAskedMightBeTheOne) {
    open({contract("one").to_string(), contract("two").to_string()});
    chain.symbols.emplace(contract("one"), std::string("USD"));
    const auto found = find("USD");
    ASSERT_FALSE(found) << "the other one may have the same name";
    EXPECT_EQ(found.error().code(), ErrorCode::Unavailable);
    chain.symbols.emplace(contract("two"), Error::unprocessable("symbol faults"));
    EXPECT_EQ(find("USD").value(), contract("one"));
}

TEST(ConfiguredTokensTest, WhatContradictsItselfIsRefusedWithItsPlace) {
    const std::string one = contract("one").to_string();
    const std::string two = contract("two").to_string();
    const std::string gas(neo::kGasScriptHashText);
    const std::vector<std::vector<std::string>> kBad = {
        {""},
        {"FLM"},
        {"FLM="},
        {"=" + one},
        {"A B=" + one},
        {"FLM=0x12"},
        {one + "=" + two},
        {"GAS=" + one},
        {"neo=" + one},
        {"A=" + one, "A=" + two},
        {"A=" + one, one},
        {"A=" + one, "B=" + one},
        {std::string(33, 'A') + "=" + one}};
    for (const auto& entries : kBad) {
        const auto parsed = parse_configured_tokens(entries);
        ASSERT_FALSE(parsed) << entries.back();
        EXPECT_EQ(parsed.error().code(), ErrorCode::InvalidArgument);
        EXPECT_EQ(
            parsed.error().message().rfind("entry " + std::to_string(entries.size()) + ":", 0), 0U)
            << parsed.error().message();
    }
    const std::vector<std::string> good = {"A=" + one, "a=" + two, "GAS=" + gas};
    EXPECT_TRUE(parse_configured_tokens(good));
    EXPECT_TRUE(parse_configured_tokens({}));
}

}  // namespace
}  // namespace adyton::pool

#include "pool/transfer.h"

#include <gtest/gtest.h>

#include <functional>

#include "neo/transaction.h"
#include "neo/witness.h"
#include "policy/reservation.h"
#include "pool/chain_balances.h"
#include "pool/internal/transfer_core.h"
#include "pool/transfer_test_support.h"
#include "pool/workers.h"
#include "workflow/journal.h"

namespace adyton::pool {
namespace {

using api::TransferStatus;
using localchain::FaultRule;
using localchain::NodeFault;

std::string id_of(const TestAnswer& answer) {
    return answer.at("transfer_id").is_string() ? answer.at("transfer_id").string_value() : "";
}

// A client whose nodes leave something out of the events of what they executed, or make it up.
class TamperingClient final : public chain::NeoClient {
public:
    explicit TamperingClient(chain::NeoClient& inner) : inner_(inner) {}
    std::function<void(std::vector<chain::Notification>&)> tamper;
    std::string exception;  // not empty: every simulation ends with it

    Task<Result<chain::NeoNetwork>> network() override { return inner_.network(); }
    neo::NetworkMagic magic() const override { return inner_.magic(); }
    Task<Result<std::uint32_t>> block_count() override { return inner_.block_count(); }
    Task<Result<chain::Invocation>> invoke_script(
        base::Bytes script, std::vector<neo::Signer> signers) override {
        if (!exception.empty()) return fault();
        return inner_.invoke_script(std::move(script), std::move(signers));
    }
    Task<Result<std::int64_t>> network_fee(const neo::Transaction& transaction) override {
        return inner_.network_fee(transaction);
    }
    Task<chain::SendOutcome> send(
        base::Bytes bytes, neo::TransactionHash hash, unsigned attempt) override {
        return inner_.send(std::move(bytes), hash, attempt);
    }
    Task<Result<chain::TransactionFate>> fate(
        neo::TransactionHash hash, std::uint32_t valid_until_block) override {
        auto asking = inner_.fate(hash, valid_until_block);
        auto fate = co_await std::move(asking);
        if (fate && tamper) tamper(fate->notifications);
        co_return fate;
    }
    Task<Result<base::Amount>> balance(neo::ScriptHash token, neo::ScriptHash account) override {
        return inner_.balance(token, account);
    }
    Task<std::vector<chain::BalanceReading>> balances(
        std::vector<chain::BalanceQuery> queries, std::size_t sources) override {
        return inner_.balances(std::move(queries), sources);
    }
    Task<Result<std::string>> token_symbol(neo::ScriptHash token) override {
        return inner_.token_symbol(token);
    }
    std::vector<chain::EndpointStatus> endpoints() const override { return inner_.endpoints(); }

private:
    Task<Result<chain::Invocation>> fault() {
        chain::Invocation faulted;
        faulted.state = chain::VmState::Fault;
        faulted.exception = exception;
        co_return faulted;
    }

    chain::NeoClient& inner_;
};

// The Transfer event of a token, as nodes tell it.
chain::Notification transfer_event(
    const neo::ScriptHash& token, const neo::ScriptHash& from, const neo::ScriptHash& to,
    const std::string& amount, const std::string& name = "Transfer") {
    const auto bytes = [](const neo::ScriptHash& hash) {
        chain::StackItem item;
        item.type = chain::StackItem::Type::ByteString;
        item.bytes.assign(hash.wire().begin(), hash.wire().end());
        return item;
    };
    chain::StackItem number;
    number.type = chain::StackItem::Type::Integer;
    number.integer = neo::Integer::parse(amount).value();
    chain::Notification notification;
    notification.contract = token;
    notification.event = name;
    notification.state.type = chain::StackItem::Type::Array;
    notification.state.items = {bytes(from), bytes(to), number};
    return notification;
}

TEST(TransferEventTest, OnlyTheTokensOwnEventWithFromToAndAmountCounts) {
    TransferRecord record;
    record.token = TransferChain::gas();
    record.from = TransferChain::token();  // any two accounts
    record.to = TransferChain::stranger();
    record.amount = base::Amount(77);
    const auto seen = [&](const chain::Notification& notification) {
        return has_transfer_event({notification}, record);
    };
    EXPECT_TRUE(seen(transfer_event(record.token, record.from, record.to, "77")));
    EXPECT_FALSE(seen(transfer_event(TransferChain::neo(), record.from, record.to, "77")));
    EXPECT_FALSE(seen(transfer_event(record.token, record.to, record.from, "77")));
    EXPECT_FALSE(seen(transfer_event(record.token, record.from, record.from, "77")));
    EXPECT_FALSE(seen(transfer_event(record.token, record.from, record.to, "76")));
    EXPECT_FALSE(seen(transfer_event(record.token, record.from, record.to, "-77")));
    EXPECT_FALSE(seen(transfer_event(record.token, record.from, record.to, "77", "transfer")));
    EXPECT_FALSE(has_transfer_event({}, record));
    EXPECT_TRUE(has_transfer_event(
        {transfer_event(TransferChain::neo(), record.from, record.to, "77"),
         transfer_event(record.token, record.from, record.to, "77")},
        record));
}

TEST_P(TransferTest, ExecutedWithoutItsEventIsNoSuccess) {
    TamperingClient tampering(chain().client());
    tampering.tamper = [](std::vector<chain::Notification>& events) { events.clear(); };
    TestPoolOptions options = quick_pool();
    options.neo = &tampering;
    connect(options);
    const auto account = funded(1).at(0);
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Failed);
    EXPECT_EQ(done.reason, "executed, but the token's contract reports no such transfer");
    stop();
}

TEST_P(TransferTest, GasArrivesAndTheAnswerKeepsTheSeedsShape) {
    connect();
    const auto account = funded(1).at(0);
    const auto answer = transfer(account.id, "123456789");
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(answer.at("account_id").string_value(), account.id);
    EXPECT_EQ(answer.at("to_address").string_value(), address_text());
    EXPECT_EQ(answer.at("amount").number_text(), "123456789");
    EXPECT_EQ(answer.at("tx_hash").string_value().substr(0, 2), "0x");
    EXPECT_EQ(answer.at("status").string_value(), "broadcast");
    EXPECT_EQ(ledger().pool_size(), 1U);
    const auto transfer = finish(id_of(answer));
    EXPECT_EQ(transfer.status, TransferStatus::Confirmed) << transfer.reason;
    EXPECT_EQ(
        chain().balance(TransferChain::gas(), TransferChain::stranger()), base::Amount(123456789));
    const auto left = 10 * kOneGas - 123456789 -
                      static_cast<std::uint64_t>(transfer.system_fee + transfer.network_fee);
    EXPECT_EQ(chain().balance(TransferChain::gas(), hash_of(account)), base::Amount(left));
    ASSERT_TRUE(transfer.block_index);
    const auto hash = neo::TransactionHash::parse(transfer.tx_hash).value();
    ASSERT_NE(ledger().find_confirmed(hash), nullptr);
    EXPECT_EQ(ledger().find_confirmed(hash)->block_index, *transfer.block_index);
    EXPECT_EQ(audit_bodies("pool.transfer").size(), 1U);
    EXPECT_EQ(audit_bodies("pool.transfer_final").size(), 1U);
}

TEST_P(TransferTest, NeoAndAnyOtherTokenByHashWithDataAndTextAmounts) {
    connect();
    const auto account = funded(1).at(0);
    ASSERT_TRUE(ledger().pay(
        TransferChain::token(), hash_of(account),
        base::Amount::parse("5000000000000000000000").value()));
    block();
    const auto neo = transfer(account.id, "7", R"(,"token_address":"neo")");
    ASSERT_EQ(neo.status, 200) << neo.text;
    EXPECT_EQ(finish(id_of(neo)).status, TransferStatus::Confirmed);
    const auto other = transfer(
        account.id, "\"4000000000000000000000\"",
        R"(,"token_address":")" + TransferChain::token().to_string() + R"(","data":"memo 17")");
    ASSERT_EQ(other.status, 200) << other.text;
    EXPECT_EQ(other.at("amount").string_value(), "4000000000000000000000");
    const auto done = finish(id_of(other));
    EXPECT_EQ(done.status, TransferStatus::Confirmed) << done.reason;
    EXPECT_EQ(done.data, "memo 17");
    EXPECT_EQ(
        chain().balance(TransferChain::token(), TransferChain::stranger()).to_string(),
        "4000000000000000000000");
    EXPECT_EQ(chain().balance(TransferChain::neo(), TransferChain::stranger()), base::Amount(7));
}

TEST_P(TransferTest, ASponsorPaysTheFeesOfAnAccountWithoutGas) {
    connect();
    const auto accounts = request(2).accounts;
    chain().fund(hash_of(accounts[0]), 0, 50);
    chain().fund(hash_of(accounts[1]), 5 * kOneGas, 0);
    const auto poor = transfer(accounts[0].id, "20", R"(,"token_address":"NEO")");
    EXPECT_EQ(poor.status, 409) << poor.text;
    EXPECT_EQ(poor.reason(), "insufficient_balance");
    const auto answer = transfer(
        accounts[0].id, "20",
        R"(,"token_address":"NEO","fee_account_id":")" + accounts[1].id + "\"");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Confirmed) << done.reason;
    EXPECT_EQ(done.fee_account_id, accounts[1].id);
    EXPECT_EQ(chain().balance(TransferChain::neo(), TransferChain::stranger()), base::Amount(20));
    const auto bytes = number("SELECT length(tx_bytes) FROM pool_transfers");
    EXPECT_GT(bytes, 250);
    const auto hash = neo::TransactionHash::parse(done.tx_hash).value();
    const auto transaction = neo::parse_transaction(ledger().find_confirmed(hash)->bytes).value();
    ASSERT_EQ(transaction.signers.size(), 2U);
    EXPECT_EQ(transaction.signers[0].scopes, neo::kScopeNone);
    EXPECT_EQ(transaction.signers[0].account, hash_of(accounts[1]));
    EXPECT_EQ(transaction.signers[1].scopes, neo::kScopeCalledByEntry);
}

policy::RuleSet transfer_rule(const std::string& members) {
    const std::string rules =
        R"({"default":"deny","rules":[)"
        R"({"name":"rest","effect":"allow","services":["*"],)"
        R"("operations":["request_accounts","list_accounts","release_accounts"]},)"
        R"({"name":"payments","effect":"allow","services":["svc"],"operations":["transfer"],)" +
        members + "}]}";
    auto parsed = policy::RuleSet::parse(base::Json::parse(rules).value());
    EXPECT_TRUE(parsed) << parsed.error().message();
    return parsed ? *std::move(parsed) : policy::RuleSet::deny_all();
}

TEST_P(TransferTest, ASponsoredTransferIsJudgedByWhatItMovesAndCountsOnce) {
    TestPoolOptions options = quick_pool();
    options.rules = transfer_rule(
        R"("tokens":["NEO"],"destinations":[")" + address_text() +
        R"("],"limits":{"rate_per_day":1})");
    connect(options);
    const auto accounts = funded(2);
    const std::string payer = R"(,"fee_account_id":")" + accounts[1].id + "\"";
    const auto elsewhere = post(
        "/transfer", R"({"account_id":")" + accounts[0].id + R"(","to_address":")" +
                         accounts[1].address + R"(","amount":1,"token_address":"NEO")" + payer +
                         "}");
    EXPECT_EQ(elsewhere.status, 403) << elsewhere.text;
    EXPECT_EQ(elsewhere.reason(), "policy_denied");
    EXPECT_EQ(transfer(accounts[0].id, "1", payer).reason(), "policy_denied") << "GAS";
    const auto inside = transfer(accounts[0].id, "1", R"(,"token_address":"NEO")" + payer);
    ASSERT_EQ(inside.status, 200) << inside.text;
    EXPECT_EQ(finish(id_of(inside)).status, TransferStatus::Confirmed);
    const auto second = transfer(accounts[0].id, "1", R"(,"token_address":"NEO")" + payer);
    EXPECT_EQ(second.status, 429) << second.text;
    EXPECT_EQ(second.reason(), "policy_rate");
}

TEST_P(TransferTest, TheFeesOfASponsorAreJudgedWithTheTransfer) {
    TestPoolOptions options = quick_pool();
    options.rules =
        transfer_rule(R"("tokens":["NEO"],"limits":{"fee_per_transaction":{"GAS":"1"}})");
    connect(options);
    const auto accounts = funded(2);
    const auto refused = transfer(
        accounts[0].id, "1",
        R"(,"token_address":"NEO","fee_account_id":")" + accounts[1].id + "\"");
    EXPECT_EQ(refused.status, 403) << refused.text;
    EXPECT_EQ(refused.reason(), "policy_limit");
}

TEST_P(TransferTest, WhoDoesNotHoldTheLockMovesNothing) {
    connect();
    const auto account = funded(1).at(0);
    const auto foreign = transfer(account.id, "1", {}, {}, "thief");
    EXPECT_EQ(foreign.status, 403);
    EXPECT_EQ(foreign.reason(), "not_locker");
    const auto stale = transfer(account.id, "1", R"(,"fencing":99)");
    EXPECT_EQ(stale.status, 409);
    EXPECT_EQ(stale.reason(), "stale_fencing");
    EXPECT_EQ(transfer("5a8e3f5e-1111-4222-8333-444455556666", "1").status, 404);
    // Somebody else's account pays no fees.
    const auto other = request(1, "other").accounts.at(0);
    chain().fund(hash_of(other), 5 * kOneGas, 0);
    const auto sponsored = transfer(account.id, "1", R"(,"fee_account_id":")" + other.id + "\"");
    EXPECT_EQ(sponsored.status, 403);
    EXPECT_EQ(sponsored.reason(), "not_locker");
    EXPECT_EQ(number("SELECT count(*) FROM pool_transfers"), 0);
    EXPECT_EQ(ledger().pool_size(), 0U);
}

TEST_P(TransferTest, MalformedRequestsAreRefusedBeforeTheChainIsAsked) {
    connect();
    const auto account = funded(1).at(0);
    const auto calls = chain().node(0).calls() + chain().node(1).calls();
    const auto bad = [&](const std::string& body) {
        const auto answer = post("/transfer", body);
        EXPECT_EQ(answer.status, 400) << body << answer.text;
        return answer.reason();
    };
    const std::string start = R"({"account_id":")" + account.id + R"(",)";
    EXPECT_EQ(
        bad(start + R"("to_address":"ALq7AWrhAueN6mJNqk6FHJjnsEoPRytLdW","amount":1})"),
        "bad_address");
    EXPECT_EQ(bad(start + R"("to_address":"N","amount":1})"), "bad_address");
    EXPECT_EQ(
        bad(start + R"("to_address":")" + address_text() +
            R"(","amount":1,"token_address":"BTC"})"),
        "unknown_token");
    EXPECT_EQ(
        bad(start + R"("to_address":")" + address_text() +
            R"(","amount":1,"token_address":"   "})"),
        "unknown_token");
    bad(start + R"("to_address":")" + address_text() + R"(","amount":0})");
    bad(start + R"("to_address":")" + address_text() + R"(","amount":1.5})");
    EXPECT_EQ(chain().node(0).calls() + chain().node(1).calls(), calls);
}

TEST_P(TransferTest, TooLittleMoneyIsSaidAndNothingIsSent) {
    connect();
    const auto account = funded(1, kOneGas).at(0);
    const auto all = transfer(account.id, std::to_string(kOneGas));  // nothing left for the fees
    EXPECT_EQ(all.status, 409) << all.text;
    EXPECT_EQ(all.reason(), "insufficient_balance");
    const auto more = transfer(account.id, std::to_string(2 * kOneGas));
    EXPECT_EQ(more.status, 409) << more.text;
    EXPECT_EQ(more.reason(), "insufficient_balance");
    const auto items = transfer(account.id, "101", R"(,"token_address":"NEO")");
    EXPECT_EQ(items.status, 409) << items.text;
    EXPECT_EQ(items.reason(), "insufficient_balance");
    EXPECT_EQ(number("SELECT count(*) FROM pool_transfers"), 0);
    EXPECT_EQ(number("SELECT sum(unfinished_transfers) FROM pool_accounts"), 0);
}

TEST_P(TransferTest, AContractThatIsNotThereIsNoMatterOfTryingLater) {
    connect();
    const auto account = funded(1).at(0);
    const auto answer =
        transfer(account.id, "1", R"(,"token_address":"0x)" + std::string(40, '1') + "\"");
    EXPECT_EQ(answer.status, 422) << answer.text;
    EXPECT_EQ(answer.reason(), "transfer_would_fail");
    EXPECT_EQ(number("SELECT count(*) FROM pool_transfers"), 0);
}

TEST_P(TransferTest, WhatASimulationSaysIsCutAtACharacter) {
    TamperingClient tampering(chain().client());
    tampering.exception = "x";
    for (int i = 0; i < 400; ++i) tampering.exception += "\u00e4";
    TestPoolOptions options = quick_pool();
    options.neo = &tampering;
    connect(options);
    const auto account = funded(1).at(0);
    const auto answer = transfer(account.id, "1");
    EXPECT_EQ(answer.status, 422);
    EXPECT_EQ(answer.reason(), "transfer_would_fail") << "its body is JSON";
    stop();
}

TEST_P(TransferTest, UnconfirmedTransfersCountAgainstTheBalance) {
    connect();
    const auto account = funded(1, 10 * kOneGas).at(0);
    const auto first = transfer(account.id, std::to_string(6 * kOneGas));
    ASSERT_EQ(first.status, 200) << first.text;
    const auto second = transfer(account.id, std::to_string(6 * kOneGas));
    EXPECT_EQ(second.status, 409) << second.text;
    EXPECT_EQ(second.reason(), "balance_reserved");
    const auto third = transfer(account.id, std::to_string(3 * kOneGas));
    EXPECT_EQ(third.status, 200) << third.text;
    EXPECT_EQ(finish(id_of(first)).status, TransferStatus::Confirmed);
    EXPECT_EQ(finish(id_of(third)).status, TransferStatus::Confirmed);
    // NEO is counted the same way.
    const auto some = transfer(account.id, "60", R"(,"token_address":"NEO")");
    ASSERT_EQ(some.status, 200) << some.text;
    const auto rest = transfer(account.id, "60", R"(,"token_address":"NEO")");
    EXPECT_EQ(rest.reason(), "balance_reserved") << rest.text;
    EXPECT_EQ(finish(id_of(some)).status, TransferStatus::Confirmed);
}

TEST_P(TransferTest, AnIdempotencyKeyMovesItsAmountOnce) {
    connect();
    const auto account = funded(1).at(0);
    const auto first = transfer(account.id, "1000", {}, "key-1");
    ASSERT_EQ(first.status, 200) << first.text;
    const auto again = transfer(account.id, "1000", {}, "key-1");
    ASSERT_EQ(again.status, 200) << again.text;
    EXPECT_EQ(id_of(again), id_of(first));
    EXPECT_EQ(again.headers.find("Idempotency-Replayed").value_or(""), "true");
    const auto changed = transfer(account.id, "1001", {}, "key-1");
    EXPECT_EQ(changed.status, 409);
    EXPECT_EQ(changed.reason(), "idempotency_key_reused");
    finish(id_of(first));
    const auto late = transfer(account.id, "1000", {}, "key-1");
    ASSERT_EQ(late.status, 200);
    EXPECT_EQ(late.at("status").string_value(), "confirmed");  // where it stands now
    EXPECT_EQ(chain().balance(TransferChain::gas(), TransferChain::stranger()), base::Amount(1000));
}

TEST_P(TransferTest, ARepetitionIsAnsweredWithoutAskingWhatItsSymbolMeans) {
    TestPoolOptions options = quick_pool();
    const std::vector<std::string> entries = {TransferChain::token().to_string()};
    options.pool.transfers.tokens = parse_configured_tokens(entries).value();
    connect(options);
    const auto account = funded(1).at(0);
    ASSERT_TRUE(ledger().pay(TransferChain::token(), hash_of(account), base::Amount(5000)));
    block();
    const std::string token = R"(,"token_address":"TEST")";
    const auto first = transfer(account.id, "17", token, "key-1");
    ASSERT_EQ(first.status, 200) << first.text;
    EXPECT_EQ(finish(id_of(first)).status, TransferStatus::Confirmed);
    stop();
    close();
    options.pool.transfers.tokens.clear();
    connect(options);
    const auto again = transfer(account.id, "17", token, "key-1");
    EXPECT_EQ(again.status, 200) << again.text;
    EXPECT_EQ(again.headers.find("Idempotency-Replayed").value_or(""), "true");
    EXPECT_EQ(transfer(account.id, "17", token, "key-2").reason(), "unknown_token");
}

TEST_P(TransferTest, ConcurrentRepetitionsMakeOneTransfer) {
    connect();
    const auto account = funded(1).at(0);
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 16; ++i) {
        calls.push_back(pool().call(
            {"POST",
             "/transfer",
             "svc",
             R"({"account_id":")" + account.id + R"(","to_address":")" + address_text() +
                 R"(","amount":500})",
             {{"Idempotency-Key", "same"}}}));
    }
    const auto answers = test().run_all(std::move(calls));
    for (const auto& answer : answers) {
        EXPECT_EQ(answer.status, 200) << answer.text;
        EXPECT_EQ(id_of(answer), id_of(answers.front()));
    }
    EXPECT_EQ(number("SELECT count(*) FROM pool_transfers"), 1);
    finish(id_of(answers.front()));
    EXPECT_EQ(chain().balance(TransferChain::gas(), TransferChain::stranger()), base::Amount(500));
}

TEST_P(TransferTest, ConcurrentTransfersOfOneAccountNeverOverdrawIt) {
    connect();
    const auto account = funded(1, 5 * kOneGas).at(0);
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 12; ++i) {
        calls.push_back(pool().call(
            {"POST",
             "/transfer",
             "svc",
             R"({"account_id":")" + account.id + R"(","to_address":")" + address_text() +
                 R"(","amount":100000000})",
             {}}));
    }
    const auto answers = test().run_all(std::move(calls));
    std::vector<std::string> accepted;
    for (const auto& answer : answers) {
        if (answer.status == 200) {
            accepted.push_back(id_of(answer));
        } else {
            EXPECT_EQ(answer.reason(), "balance_reserved") << answer.text;
        }
    }
    EXPECT_EQ(accepted.size(), 4U);  // 1 GAS and about 0.11 of fees each
    for (const auto& id : accepted) EXPECT_EQ(finish(id).status, TransferStatus::Confirmed);
    EXPECT_EQ(
        chain().balance(TransferChain::gas(), TransferChain::stranger()),
        base::Amount(4 * kOneGas));
}

TEST_P(TransferTest, ALostAnswerIsResolvedByHash) {
    connect();
    const auto account = funded(1).at(0);
    chain().order({.fault = NodeFault::LoseAnswer, .method = "sendrawtransaction"});
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 202) << "no node is known to have it" << answer.text;
    EXPECT_EQ(answer.at("status").string_value(), "unknown");
    EXPECT_EQ(finish(id_of(answer)).status, TransferStatus::Confirmed);
    EXPECT_EQ(chain().balance(TransferChain::gas(), TransferChain::stranger()), base::Amount(1000));
}

TEST_P(TransferTest, WhatANodeForgetsIsSentAgainByteForByte) {
    connect();
    const auto account = funded(1).at(0);
    FaultRule rule;
    rule.fault = NodeFault::Swallow;
    rule.method = "sendrawtransaction";
    rule.count = 1;
    chain().node(0).order(rule);
    chain().node(1).order(rule);
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    EXPECT_EQ(ledger().pool_size(), 0U);
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Confirmed) << done.reason;
    EXPECT_EQ(done.tx_hash, answer.at("tx_hash").string_value());
}

TEST_P(TransferTest, WhatTheFirstNodeSwallowsForEverIsSentAgainToTheOthers) {
    connect();
    const auto account = funded(1).at(0);
    FaultRule rule;
    rule.fault = NodeFault::Swallow;
    rule.method = "sendrawtransaction";
    rule.count = FaultRule::kForever;
    chain().node(0).order(rule);
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Confirmed) << done.reason;
}

TEST_P(TransferTest, WhatAnotherProcessRecordedMeanwhileCountsWhenATransferComesBack) {
    connect();
    const auto account = funded(1).at(0);
    chain().order(
        {.fault = NodeFault::Swallow,
         .method = "sendrawtransaction",
         .count = FaultRule::kForever});
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const std::string id = id_of(answer);
    // Taken away, driven elsewhere to a refusal, and given back.
    ASSERT_TRUE(run(database().write([&](storage::Transaction& tx) -> Result<void> {
        TRY_VOID(workflow::pause_run(tx, id, "other"));
        TRY_VOID(transfers::set_status(tx, id, TransferStatus::Unknown, "refused (-504): fee", {}));
        TRY_VOID(workflow::resume_run(tx, id, "other"));
        return {};
    })));
    const auto done = finish(id);
    EXPECT_EQ(done.status, TransferStatus::Failed) << "not what this process last knew: expired";
    EXPECT_EQ(done.reason, "refused (-504): fee");
}

TEST(TransferBoardTest, AnEntryCountsOnlyUnderTheFencingItWasPutWith) {
    TransferBoard board;
    TransferRecord record;
    record.id = "one";
    record.reason = "refused";
    board.put(record, 4);
    EXPECT_EQ(board.find_driven("one", 4)->reason, "refused");
    EXPECT_FALSE(board.find_driven("one", 5));
    EXPECT_FALSE(board.find_driven("two", 4));
    record.reason.clear();
    board.changed(record);
    EXPECT_EQ(board.find_driven("one", 4)->reason, "");
    record.status = TransferStatus::Expired;
    board.changed(record);
    EXPECT_FALSE(board.find("one"));
}

TEST(TransferBoardTest, AFullBoardStillTakesNewsOfWhatItHas) {
    TransferBoard board;
    TransferRecord record;
    for (std::size_t i = 0; i < TransferBoard::kRecordsMax; ++i) {
        record.id = std::to_string(i);
        board.put(record, 1);
    }
    record.id = "one more";
    board.put(record, 1);
    EXPECT_FALSE(board.find("one more"));
    record.id = "7";
    record.reason = "news";
    board.put(record, 2);
    EXPECT_EQ(board.find_driven("7", 2)->reason, "news");
}

TEST_P(TransferTest, TheJournalOfAFinalTransferIsForgottenAfterItsTimeAndItsRecordStays) {
    TestPoolOptions options = quick_pool();
    connect(options);
    const auto account = funded(1).at(0);
    const auto answer = transfer(account.id, "1000");
    EXPECT_EQ(finish(id_of(answer)).status, TransferStatus::Confirmed);
    const auto clean = [this] { return run(clean_up(pool().context(), {})); };
    ASSERT_TRUE(clean());
    EXPECT_EQ(number("SELECT count(*) FROM workflow_runs"), 1) << "it is not a month old";
    stop();
    close();
    options.pool.transfers.runs_keep = base::Duration(0);
    options.pool.closed_allocations_keep = std::chrono::hours(24);
    connect(options);
    const auto open = transfer(account.id, "1000");
    ASSERT_EQ(open.status, 200) << open.text;
    ASSERT_TRUE(clean());
    EXPECT_EQ(number("SELECT count(*) FROM workflow_runs"), 1) << "the unfinished one";
    EXPECT_EQ(find(id_of(answer)).status, TransferStatus::Confirmed);
    EXPECT_EQ(finish(id_of(open)).status, TransferStatus::Confirmed);
}

TEST_P(TransferTest, ConfiguredTokensAreKnownBySymbolAndNoOthers) {
    TestPoolOptions options = quick_pool();
    const std::vector<std::string> entries = {TransferChain::token().to_string()};
    options.pool.transfers.tokens = parse_configured_tokens(entries).value();
    connect(options);
    const auto account = funded(1).at(0);
    ASSERT_TRUE(ledger().pay(TransferChain::token(), hash_of(account), base::Amount(5000)));
    block();
    const auto sent = transfer(account.id, "17", R"(,"token_address":"TEST")");
    ASSERT_EQ(sent.status, 200) << sent.text;
    EXPECT_EQ(sent.at("token_address").string_value(), TransferChain::token().to_string());
    EXPECT_EQ(finish(id_of(sent)).status, TransferStatus::Confirmed);
    EXPECT_EQ(chain().balance(TransferChain::token(), TransferChain::stranger()), base::Amount(17));
    for (const char* const other : {"test", "TES", "TEST2", "FLM", "TE ST"}) {
        const auto refused =
            transfer(account.id, "17", std::string(R"(,"token_address":")") + other + "\"");
        EXPECT_EQ(refused.status, 400) << other << refused.text;
        EXPECT_EQ(refused.reason(), "unknown_token") << other;
    }
    // Where the nodes cannot be asked, an unknown symbol is no "unknown token".
    stop();
    close();
    connect(options);
    chain().order(
        {.fault = NodeFault::RpcError, .method = "invokescript", .count = FaultRule::kForever});
    EXPECT_EQ(transfer(account.id, "17", R"(,"token_address":"TEST")").status, 503);
}

TEST_P(TransferTest, NodesThatAreDownGive202AndTheTransferLandsLater) {
    TestPoolOptions options = quick_pool();
    options.pool.transfers.broadcast_wait = std::chrono::milliseconds(300);
    connect(options);
    const auto account = funded(1).at(0);
    chain().order(
        {.fault = NodeFault::LoseRequest,
         .method = "sendrawtransaction",
         .count = FaultRule::kForever});
    const auto answer = transfer(account.id, "1000");
    EXPECT_EQ(answer.status, 202) << answer.text;
    EXPECT_EQ(ledger().pool_size(), 0U);
    chain().clear_faults();
    EXPECT_EQ(finish(id_of(answer)).status, TransferStatus::Confirmed);
}

// A node without the plugin of application logs, say.
TEST_P(TransferTest, WhyTheFateOfATransferIsNotKnownIsSaidUntilItIs) {
    connect();
    const auto account = funded(1).at(0);
    chain().order(
        {.fault = NodeFault::RpcError,
         .method = "getapplicationlog",
         .count = FaultRule::kForever,
         .code = -32601,
         .text = "Method not found"});
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    for (int i = 0; i < 100 && find(id_of(answer)).reason.empty(); ++i) {
        pass(std::chrono::milliseconds(25));
    }
    const auto waiting = find(id_of(answer));
    EXPECT_EQ(waiting.status, TransferStatus::Broadcast);
    EXPECT_EQ(waiting.reason.substr(0, 15), "not known yet: ") << waiting.reason;
    EXPECT_NE(waiting.reason.find("Method not found"), std::string::npos) << waiting.reason;
    chain().clear_faults();
    for (int i = 0; i < 100 && !find(id_of(answer)).reason.empty(); ++i) {
        pass(std::chrono::milliseconds(25));
    }
    EXPECT_EQ(find(id_of(answer)).reason, "");
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Confirmed);
    EXPECT_EQ(done.reason, "");
}

TEST_P(TransferTest, WhatExpiresWhileItsFateWasNotKnownIsNoRefusal) {
    connect();
    const auto account = funded(1).at(0);
    chain().order(
        {.fault = NodeFault::Swallow,
         .method = "sendrawtransaction",
         .count = FaultRule::kForever});
    chain().order(
        {.fault = NodeFault::RpcError,
         .method = "getapplicationlog",
         .count = FaultRule::kForever});
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    for (int i = 0; i < 100 && find(id_of(answer)).reason.empty(); ++i) {
        pass(std::chrono::milliseconds(25));
    }
    EXPECT_NE(find(id_of(answer)).reason, "");
    for (int i = 0; i < 20; ++i) block();  // past its last one
    chain().clear_faults();
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Expired);
    EXPECT_EQ(done.reason.substr(0, 11), "in no block") << done.reason;
}

TEST_P(TransferTest, WhyNoNodeTakesATransferIsSaid) {
    connect();
    const auto account = funded(1).at(0);
    chain().order(
        {.fault = NodeFault::RpcError,
         .method = "sendrawtransaction",
         .count = FaultRule::kForever,
         .code = -502,
         .text = "memory pool is full"});
    const auto answer = transfer(account.id, "1000");
    EXPECT_EQ(answer.status, 202) << answer.text;
    EXPECT_EQ(answer.at("status").string_value(), "prepared");
    const auto waiting = find(id_of(answer));
    EXPECT_EQ(waiting.reason.substr(0, 14), "not sent yet: ") << waiting.reason;
    EXPECT_NE(waiting.reason.find("-502"), std::string::npos) << waiting.reason;
    chain().clear_faults();
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Confirmed);
    EXPECT_EQ(done.reason, "");
}

TEST_P(TransferTest, WhatNeverLandsExpiresAndGivesItsMoneyBack) {
    connect();
    const auto account = funded(1, 10 * kOneGas).at(0);
    chain().order(
        {.fault = NodeFault::Swallow,
         .method = "sendrawtransaction",
         .count = FaultRule::kForever});
    const auto answer = transfer(account.id, std::to_string(8 * kOneGas));
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto done = finish(id_of(answer));
    EXPECT_EQ(done.status, TransferStatus::Expired);
    EXPECT_FALSE(done.block_index);
    EXPECT_EQ(number("SELECT sum(unfinished_transfers) FROM pool_accounts"), 0);
    chain().clear_faults();
    const auto again = transfer(account.id, std::to_string(8 * kOneGas));
    ASSERT_EQ(again.status, 200) << again.text;
    EXPECT_EQ(finish(id_of(again)).status, TransferStatus::Confirmed);
    EXPECT_EQ(
        chain().balance(TransferChain::gas(), TransferChain::stranger()),
        base::Amount(8 * kOneGas));
}

TEST_P(TransferTest, AFaultOnChainIsAFailureThatCostsItsFees) {
    connect();
    const auto account = funded(1, 10 * kOneGas).at(0);
    const auto answer = transfer(account.id, "60", R"(,"token_address":"NEO")");
    ASSERT_EQ(answer.status, 200) << answer.text;
    // The NEO goes elsewhere before the block, past our own books: signed with /sign, say.
    const auto hash = neo::TransactionHash::parse(answer.at("tx_hash").string_value()).value();
    const base::Bytes bytes = *ledger().find_pooled(hash);
    ASSERT_TRUE(ledger().drop_from_pool(hash));
    execute("UPDATE pool_transfers SET amount = '0'");
    const auto other = transfer(account.id, "50", R"(,"token_address":"NEO")");
    ASSERT_EQ(other.status, 200) << other.text;
    block();
    execute("UPDATE pool_transfers SET amount = '60' WHERE id = '" + id_of(answer) + "'");
    ASSERT_TRUE(ledger().submit(bytes, localchain::NodeFlavour::NeoGo).accepted());
    EXPECT_EQ(finish(id_of(other)).status, TransferStatus::Confirmed);
    const auto failed = finish(id_of(answer));
    EXPECT_EQ(failed.status, TransferStatus::Failed);
    EXPECT_EQ(failed.reason.substr(0, 5), "FAULT") << failed.reason;
    EXPECT_TRUE(failed.block_index);
    EXPECT_EQ(chain().balance(TransferChain::neo(), TransferChain::stranger()), base::Amount(50));
    EXPECT_EQ(number("SELECT sum(unfinished_transfers) FROM pool_accounts"), 0);
}

TEST_P(TransferTest, AFaultOnChainGivesItsAmountBackAndStaysCounted) {
    TestPoolOptions options = quick_pool();
    options.rules = transfer_rule(
        R"("limits":{"rate_per_day":2,"daily":{"NEO":"1000"},"total":{"NEO":"1000"}})");
    connect(options);
    const auto account = funded(1, 10 * kOneGas).at(0);
    const auto answer = transfer(account.id, "60", R"(,"token_address":"NEO")");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto hash = neo::TransactionHash::parse(answer.at("tx_hash").string_value()).value();
    const base::Bytes bytes = *ledger().find_pooled(hash);
    ASSERT_TRUE(ledger().drop_from_pool(hash));
    execute("UPDATE pool_transfers SET amount = '0'");
    const auto other = transfer(account.id, "50", R"(,"token_address":"NEO")");
    ASSERT_EQ(other.status, 200) << other.text;
    block();
    execute("UPDATE pool_transfers SET amount = '60' WHERE id = '" + id_of(answer) + "'");
    ASSERT_TRUE(ledger().submit(bytes, localchain::NodeFlavour::NeoGo).accepted());
    EXPECT_EQ(finish(id_of(answer)).status, TransferStatus::Failed);
    EXPECT_EQ(finish(id_of(other)).status, TransferStatus::Confirmed);
    const auto used = [&](const std::string& what, base::Duration window) {
        const policy::Limit limit{
            "service:svc", "rule \"payments\" " + what, window, base::Amount(1000), "payments"};
        return run(database().read(
                       [&](storage::Transaction& tx) { return policy::reserved_total(tx, limit); }))
            .value();
    };
    const std::string neo = "spend " + TransferChain::neo().to_string();
    EXPECT_EQ(used(neo, std::chrono::hours(24)), base::Amount(50));
    EXPECT_EQ(used(neo, {}), base::Amount(50));
    EXPECT_EQ(used("operations", std::chrono::hours(24)), base::Amount(2));
    const auto third = transfer(account.id, "1", R"(,"token_address":"NEO")");
    EXPECT_EQ(third.status, 429) << "it was in a block and cost its fees" << third.text;
}

TEST_P(TransferTest, AReleasedAccountRestsUntilItsTransfersAreFinal) {
    connect();
    const auto account = funded(1).at(0);
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto released = post("/release", R"({"account_ids":[")" + account.id + R"("]})");
    ASSERT_EQ(released.status, 200);
    // Nobody gets it: a new account is made instead.
    EXPECT_NE(request(1, "other").accounts.at(0).id, account.id);
    execute("UPDATE pool_accounts SET is_retiring = true WHERE id = '" + account.id + "'");
    execute("UPDATE pool_account_balances SET amount = 0");
    const auto retire = [&] {
        return run(database().write([&](storage::Transaction& tx) {
                   return chain_balances::delete_retired(tx, account.id);
               }))
            .value();
    };
    EXPECT_FALSE(retire());
    EXPECT_EQ(finish(id_of(answer)).status, TransferStatus::Confirmed);
    EXPECT_TRUE(retire());
}

TEST_P(TransferTest, TrackedBalancesFollowWhatExecuted) {
    connect();
    const auto accounts = funded(2);
    for (const auto& account : accounts) {
        ASSERT_EQ(
            post("/balance", R"({"account_id":")" + account.id + R"(","absolute":1000000000})")
                .status,
            200);
    }
    const std::string body = R"({"account_id":")" + accounts[0].id + R"(","to_address":")" +
                             hash_of(accounts[1]).to_string() + R"(","amount":250000000})";
    const auto answer = post("/transfer", body);
    ASSERT_EQ(answer.status, 200) << answer.text;
    const auto done = finish(id_of(answer));
    ASSERT_EQ(done.status, TransferStatus::Confirmed);
    const auto tracked = [&](const api::AccountInfo& account) {
        return number(
            "SELECT amount FROM pool_account_balances WHERE token_type = 'GAS' AND account_id = '" +
            account.id + "'");
    };
    EXPECT_EQ(tracked(accounts[1]), 1'250'000'000);
    EXPECT_EQ(tracked(accounts[0]), 750'000'000 - done.system_fee - done.network_fee);
}

TEST_P(TransferTest, TransfersAreListedNewestFirstInPagesAndOnlyToTheirService) {
    connect();
    const auto accounts = funded(2);
    std::vector<std::string> ids;
    for (std::size_t i = 0; i < 5; ++i) {
        const auto answer = transfer(accounts[i % 2].id, std::to_string(100 + i));
        ASSERT_EQ(answer.status, 200) << answer.text;
        ids.insert(ids.begin(), id_of(answer));
        pass(std::chrono::milliseconds(5));
    }
    std::vector<std::string> seen;
    std::string cursor;
    do {
        const auto page = get("/transfers?limit=2&cursor=" + cursor);
        ASSERT_EQ(page.status, 200) << page.text;
        const auto parsed = api::parse_transfers_response(page.body).value();
        EXPECT_LE(parsed.transfers.size(), 2U);
        for (const auto& transfer : parsed.transfers) seen.push_back(transfer.transfer_id);
        cursor = parsed.next_cursor;
    } while (!cursor.empty());
    EXPECT_EQ(seen, ids);
    const auto of_one = get("/transfers?account_id=" + accounts[0].id);
    EXPECT_EQ(api::parse_transfers_response(of_one.body).value().transfers.size(), 3U);
    EXPECT_EQ(
        api::parse_transfers_response(get("/transfers?status=confirmed").body)
            .value()
            .transfers.size(),
        0U);
    for (const auto& id : ids) finish(id);
    EXPECT_EQ(
        api::parse_transfers_response(get("/transfers?status=confirmed").body)
            .value()
            .transfers.size(),
        5U);
    EXPECT_EQ(
        api::parse_transfers_response(get("/transfers", "other").body).value().transfers.size(),
        0U);
    EXPECT_EQ(get("/transfers/" + ids[0], "other").status, 404);
    EXPECT_EQ(get("/transfers/nothing").status, 404);
    EXPECT_EQ(get("/transfers?cursor=bad").status, 400);
    EXPECT_EQ(get("/transfers?status=sent").status, 400);
}

TEST_P(TransferTest, ARestartTakesUnfinishedTransfersUpAgain) {
    connect();
    const auto account = funded(1).at(0);
    const auto answer = transfer(account.id, "1000");
    ASSERT_EQ(answer.status, 200) << answer.text;
    stop();
    close();
    block();
    connect();
    EXPECT_EQ(finish(id_of(answer)).status, TransferStatus::Confirmed);
}

TEST_P(TransferTest, AFrozenAccountAndADenyingRuleMoveNothing) {
    TestPoolOptions options = quick_pool();
    options.rules = policy::RuleSet::allow_all();
    policy::Rule rule;
    rule.name = "no-transfers";
    rule.effect = policy::Effect::Deny;
    rule.services = {"weak"};
    rule.operations = {policy::Operation::Transfer};
    options.rules.rules.push_back(rule);
    connect(options);
    const auto account = funded(1).at(0);
    const auto weak = request(1, "weak").accounts.at(0);
    const auto denied = transfer(weak.id, "1", {}, {}, "weak");
    EXPECT_EQ(denied.status, 403) << denied.text;
    EXPECT_EQ(denied.reason(), "policy_denied");
    EXPECT_EQ(audit_bodies("policy.refused").size(), 1U);
    ASSERT_EQ(
        post("/freeze", R"({"scope":"account","subject":")" + account.id + R"(","reason":"x"})")
            .status,
        200);
    EXPECT_EQ(transfer(account.id, "1").status, 423);
    EXPECT_EQ(number("SELECT count(*) FROM pool_transfers"), 0);
}

TEST_P(TransferTest, CapsAndDestinationsAreJudgedOnWhatTheBytesDo) {
    TestPoolOptions options = quick_pool();
    options.rules = transfer_rule(
        R"("destinations":[")" + address_text() +
        R"("],"limits":{"per_transaction":{"GAS":"1000"},"daily":{"GAS":"2500"}})");
    connect(options);
    const auto account = funded(1).at(0);
    const auto big = transfer(account.id, "1001");
    EXPECT_TRUE(big.status == 403 || big.status == 429) << big.text;
    EXPECT_EQ(big.reason().substr(0, 7), "policy_") << big.text;
    const auto elsewhere = post(
        "/transfer", R"({"account_id":")" + account.id + R"(","to_address":")" + account.address +
                         R"(","amount":1})");
    EXPECT_EQ(elsewhere.status, 403) << elsewhere.text;
    std::vector<Task<TestAnswer>> calls;
    for (int i = 0; i < 8; ++i) {
        calls.push_back(pool().call(
            {"POST",
             "/transfer",
             "svc",
             R"({"account_id":")" + account.id + R"(","to_address":")" + address_text() +
                 R"(","amount":1000})",
             {}}));
    }
    const auto answers = test().run_all(std::move(calls));
    std::vector<std::string> accepted;
    for (const auto& answer : answers) {
        if (answer.status == 200) {
            accepted.push_back(id_of(answer));
        } else {
            EXPECT_EQ(answer.reason().substr(0, 7), "policy_") << answer.text;
        }
    }
    EXPECT_EQ(accepted.size(), 2U);
    for (const auto& id : accepted) EXPECT_EQ(finish(id).status, TransferStatus::Confirmed);
    // What expires gives its part of the day back.
    chain().order(
        {.fault = NodeFault::Swallow,
         .method = "sendrawtransaction",
         .count = FaultRule::kForever});
    const auto lost = transfer(account.id, "500");
    ASSERT_EQ(lost.status, 200) << lost.text;
    EXPECT_EQ(transfer(account.id, "500").reason().substr(0, 7), "policy_");
    EXPECT_EQ(finish(id_of(lost)).status, TransferStatus::Expired);
    chain().clear_faults();
    const auto last = transfer(account.id, "500");
    ASSERT_EQ(last.status, 200) << last.text;
    EXPECT_EQ(finish(id_of(last)).status, TransferStatus::Confirmed);
    EXPECT_EQ(chain().balance(TransferChain::gas(), TransferChain::stranger()), base::Amount(2500));
}

TEST_P(TransferTest, WithoutAChainTransfersAreUnavailable) {
    open();
    const auto account = request(1).accounts.at(0);
    const auto answer = transfer(account.id, "1");
    EXPECT_EQ(answer.status, 503);
    EXPECT_EQ(answer.reason(), "chain_not_configured");
}

TEST_P(TransferTest, ALongWaitAnswersWithTheEnd) {
    connect();
    const auto account = funded(1).at(0);
    std::vector<Task<TestAnswer>> calls;
    constexpr auto kBlocks = [](base::Executor* executor,
                                localchain::NeoChain* chain) -> Task<TestAnswer> {
        for (int i = 0; i < 8; ++i) {
            auto pause = base::sleep_for(*executor, std::chrono::milliseconds(60));
            co_await std::move(pause);
            chain->produce_block();
        }
        co_return TestAnswer{};
    };
    calls.push_back(pool().call(
        {"POST",
         "/transfer",
         "svc",
         R"({"account_id":")" + account.id + R"(","to_address":")" + address_text() +
             R"(","amount":500,"wait_seconds":10})",
         {}}));
    calls.push_back(kBlocks(&executor(), &ledger()));
    const auto answers = test().run_all(std::move(calls));
    ASSERT_EQ(answers[0].status, 200) << answers[0].text;
    EXPECT_EQ(answers[0].at("status").string_value(), "confirmed");
}

ADYTON_ON_ALL_DATABASES(TransferTest);

}  // namespace
}  // namespace adyton::pool

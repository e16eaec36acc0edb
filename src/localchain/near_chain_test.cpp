#include "localchain/near_chain.h"

#include <gtest/gtest.h>

#include "localchain/near_test_support.h"

namespace adyton::localchain {
namespace {

using testing::account_id;
using testing::in_near;
using testing::near_test_key;
using testing::yocto;

class NearChainTest : public testing::LocalNearTest {};

TEST_F(NearChainTest, BlocksFollowOneAnotherInHeightTimeAndHash) {
    const NearBlockRecord first = chain_->head();
    produce(3);
    EXPECT_EQ(chain_->height(), first.height + 3);
    for (std::uint64_t height = first.height + 1; height <= chain_->height(); ++height) {
        const NearBlockRecord* const block = chain_->find_block(height);
        ASSERT_NE(block, nullptr);
        const NearBlockRecord* const before = chain_->find_block(height - 1);
        EXPECT_EQ(block->previous, before->hash);
        EXPECT_EQ(block->previous_height, before->height);
        EXPECT_GT(block->timestamp_ns, before->timestamp_ns);
        EXPECT_EQ(chain_->find_block(block->hash), block);
    }
    EXPECT_EQ(chain_->final_height(), chain_->height() - 2);
}

TEST_F(NearChainTest, SkippedHeightsAreNoBlocks) {
    const std::uint64_t before = chain_->height();
    chain_->skip_heights(5);
    chain_->produce_block();
    EXPECT_EQ(chain_->height(), before + 6);
    EXPECT_EQ(chain_->find_block(before + 3), nullptr);
    EXPECT_EQ(chain_->block_at_or_below(before + 3).height, before);
    EXPECT_EQ(chain_->head().previous_height, before);
}

TEST_F(NearChainTest, ATransferIsIncludedThenExecutedInTheNextBlock) {
    const base::Amount before = balance(bob_);
    const auto hash = send(alice_, alice_key_, bob_, {near::Transfer{in_near(3)}});
    chain_->produce_block();
    const NearTransactionRecord* const record = chain_->find_transaction(hash);
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->height, chain_->height());
    EXPECT_TRUE(record->outcomes.empty());
    EXPECT_EQ(balance(bob_), before);
    expect_balanced_books();
    chain_->produce_block();
    EXPECT_EQ(balance(bob_), before.plus(in_near(3).amount()));
    EXPECT_EQ(failure_of(hash), "");
    EXPECT_EQ(chain_->find_transaction(hash)->finished_at, chain_->height());
    expect_balanced_books();
}

TEST_F(NearChainTest, AReceiptToOneselfRunsInTheSameBlock) {
    const near::PublicKey fresh(near_test_key(9).public_key());
    near::FunctionCallPermission permission{in_near(1), counter_, {"increase"}};
    send(
        alice_, alice_key_, alice_,
        {near::AddKey{fresh, near::AccessKey{0, std::move(permission)}}});
    chain_->produce_block();
    const auto key = chain_->access_key_at(alice_, fresh, chain_->height());
    ASSERT_TRUE(key.has_value());
    EXPECT_EQ(key->nonce, (chain_->height() - 1) * 1'000'000);
}

TEST_F(NearChainTest, EachRuleOfValidityHasItsOwnRefusal) {
    const auto good = [this](std::vector<near::Action> actions, const Plan& plan) {
        return sign(alice_, alice_key_, bob_, std::move(actions), plan);
    };
    const std::vector<near::Action> pay = {near::Transfer{in_near(1)}};
    const std::uint64_t nonce = nonce_of(alice_, alice_key_);
    EXPECT_EQ(refusal(good(pay, {.nonce = nonce})), "InvalidNonce");
    EXPECT_EQ(refusal(good(pay, {.nonce = chain_->height() * 1'000'000})), "NonceTooLarge");
    EXPECT_EQ(refusal(good(pay, {.nonce = chain_->height() * 1'000'000 - 1})), "");
    EXPECT_EQ(refusal(good(pay, {.block_hash = near::BlockHash{}})), "Expired");
    const near::PublicKey strange(near_test_key(5).public_key());
    EXPECT_EQ(refusal(good(pay, {.named_key = strange})), "InvalidSignature");
    EXPECT_EQ(refusal(sign(alice_, bob_key_, bob_, pay)), "AccessKeyNotFound");
    const auto nobody = near_test_key(7);
    const auto nobody_id = near::AccountId::implicit(nobody.public_key());
    EXPECT_EQ(refusal(sign(nobody_id, nobody, bob_, pay)), "SignerDoesNotExist");
    EXPECT_EQ(refusal(good({near::Transfer{in_near(101)}}, {})), "NotEnoughBalance");
    EXPECT_EQ(
        refusal(good({near::FunctionCall{"f", {}, near::Gas(0), {}}}, {})),
        "FunctionCallZeroAttachedGas");
    EXPECT_EQ(
        refusal(good(call("f", "{}", near::Gas::from_tgas(301)), {})), "TotalPrepaidGasExceeded");
    EXPECT_EQ(refusal(good({near::Stake{in_near(1), strange}}, {})), "UnsupportedProtocolFeature");
    auto tampered = good(pay, {});
    tampered.transaction.receiver_id = counter_;
    EXPECT_EQ(refusal(tampered), "InvalidSignature");
    const auto answer = chain_->submit(base::as_bytes("no transaction"));
    EXPECT_FALSE(answer.hash.has_value());
    EXPECT_FALSE(answer.parse_error.empty());
}

TEST_F(NearChainTest, ABlockHashAgesOutOfItsWindow) {
    NearChainOptions options = standard_options();
    options.transaction_validity_blocks = 5;
    make_chain(std::move(options), standard_network());
    const near::BlockHash old = chain_->head().hash;
    produce(5);
    const std::vector<near::Action> pay = {near::Transfer{in_near(1)}};
    EXPECT_EQ(refusal(sign(alice_, alice_key_, bob_, pay, {.block_hash = old})), "");
    chain_->skip_heights(0);
    const auto late = sign(alice_, alice_key_, bob_, pay, {.block_hash = old});
    produce(1);
    EXPECT_EQ(refusal(late), "Expired");
}

TEST_F(NearChainTest, WhatWasValidAndExpiresInThePoolIsDroppedWithoutAWord) {
    NearChainOptions options = standard_options();
    options.transaction_validity_blocks = 3;
    make_chain(std::move(options), standard_network());
    const auto transaction = sign(
        alice_, alice_key_, bob_, {near::Transfer{in_near(1)}},
        {.block_hash = chain_->head().hash});
    ASSERT_EQ(refusal(transaction), "");
    chain_->skip_heights(3);
    chain_->produce_block();
    EXPECT_EQ(chain_->find_transaction(near::hash(transaction.transaction)), nullptr);
    EXPECT_EQ(chain_->pool_size(), 0U);
}

TEST_F(NearChainTest, OneKeysTransactionsLandInTheOrderOfTheirNonces) {
    const std::uint64_t nonce = nonce_of(alice_, alice_key_);
    const auto second =
        sign(alice_, alice_key_, bob_, {near::Transfer{in_near(2)}}, {.nonce = nonce + 2});
    const auto first =
        sign(alice_, alice_key_, bob_, {near::Transfer{in_near(1)}}, {.nonce = nonce + 1});
    const auto again =
        sign(alice_, alice_key_, bob_, {near::Transfer{in_near(3)}}, {.nonce = nonce + 2});
    for (const auto* one : {&second, &first, &again}) ASSERT_EQ(refusal(*one), "");
    produce(3);
    const auto* const landed = chain_->find_transaction(near::hash(second.transaction));
    ASSERT_NE(landed, nullptr);
    const auto* const before = chain_->find_transaction(near::hash(first.transaction));
    ASSERT_NE(before, nullptr);
    EXPECT_EQ(landed->height, before->height);
    const NearBlockRecord* const block = chain_->find_block(landed->height);
    ASSERT_EQ(block->transactions.size(), 2U);
    EXPECT_EQ(block->transactions[0], before->hash);
    // Two with one nonce: only one can ever land.
    EXPECT_EQ(chain_->find_transaction(near::hash(again.transaction)), nullptr);
    EXPECT_EQ(refusal(first), "InvalidNonce");
}

TEST_F(NearChainTest, ALimitedKeyDoesOnlyWhatItMay) {
    const auto key = near_test_key(9);
    near::FunctionCallPermission permission{in_near(1), counter_, {"increase"}};
    send(
        alice_, alice_key_, alice_,
        {near::AddKey{near::PublicKey(key.public_key()), near::AccessKey{0, permission}}});
    produce(2);
    const auto plan = [&](const near::AccountId& receiver, std::vector<near::Action> actions) {
        return refusal(sign(alice_, key, receiver, std::move(actions)));
    };
    EXPECT_EQ(plan(bob_, {near::Transfer{in_near(1)}}), "RequiresFullAccess");
    EXPECT_EQ(plan(wrap_, call("increase", "{}")), "ReceiverMismatch");
    EXPECT_EQ(plan(counter_, call("fail", "{}")), "MethodNameMismatch");
    EXPECT_EQ(
        plan(counter_, call("increase", "{}", near::Gas::from_tgas(30), yocto("1"))),
        "DepositWithFunctionCall");
    EXPECT_EQ(plan(counter_, call("increase", "{}")), "");
    produce(3);
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), base::Json::integer(1));
}

TEST_F(NearChainTest, AnAllowanceIsSpentOnGasAndGivenBackWithIt) {
    const auto key = near_test_key(9);
    const near::PublicKey public_key(key.public_key());
    // Enough for one prepayment of 30 Tgas (about 0.0032 NEAR) at a time, not for two.
    near::FunctionCallPermission permission{yocto("5000000000000000000000"), counter_, {}};
    send(alice_, alice_key_, alice_, {near::AddKey{public_key, near::AccessKey{0, permission}}});
    produce(2);
    const auto allowance = [&] {
        const auto row = chain_->access_key_at(alice_, public_key, chain_->height());
        const auto& limited = std::get<near::FunctionCallPermission>(row->permission);
        return limited.allowance->amount();
    };
    const base::Amount full = allowance();
    send(alice_, key, counter_, call("increase", "{}"));
    produce(1);
    const base::Amount locked = allowance();
    EXPECT_LT(locked, full);
    EXPECT_EQ(refusal(sign(alice_, key, counter_, call("increase", "{}"))), "NotEnoughAllowance");
    produce(3);
    EXPECT_GT(allowance(), locked);
    EXPECT_LT(allowance(), full);
    EXPECT_EQ(refusal(sign(alice_, key, counter_, call("increase", "{}"))), "");
    expect_balanced_books();
}

TEST_F(NearChainTest, GasBoughtAndNotUsedComesBackInAReceiptOfItsOwn) {
    const base::Amount before = balance(alice_);
    const auto hash =
        send(alice_, alice_key_, counter_, call("increase", "{}", near::Gas::from_tgas(300)));
    produce(1);
    const base::Amount locked = before.minus(balance(alice_)).value();
    EXPECT_GT(locked, yocto("30000000000000000000000").amount());
    produce(3);
    const NearTransactionRecord& record = *chain_->find_transaction(hash);
    base::Amount burnt = record.outcome.tokens_burnt.amount();
    for (const NearOutcome& one : record.outcomes) {
        burnt = burnt.plus(one.tokens_burnt.amount()).value();
    }
    EXPECT_EQ(before.minus(balance(alice_)), burnt);
    ASSERT_EQ(record.outcomes.size(), 2U);
    EXPECT_TRUE(record.outcomes[1].is_refund);
    EXPECT_EQ(record.receipts[1].predecessor.text(), "system");
    expect_balanced_books();
}

TEST_F(NearChainTest, AFailedReceiptLeavesNothingBehindAndGivesTheDepositBack) {
    const base::Amount before = balance(counter_);
    const auto hash = send(
        alice_, alice_key_, counter_, call("fail", "{}", near::Gas::from_tgas(30), in_near(5)));
    produce(4);
    EXPECT_EQ(failure_of(hash), "Smart contract panicked: ordered failure");
    EXPECT_EQ(balance(counter_), before);
    EXPECT_GT(balance(alice_), in_near(99).amount());
    const auto missing = send(alice_, alice_key_, counter_, call("nothing", "{}"));
    const auto nowhere = send(alice_, alice_key_, bob_, call("f", "{}"));
    const auto nobody =
        send(alice_, alice_key_, account_id("nobody.near"), {near::Transfer{in_near(1)}});
    const auto dry =
        send(alice_, alice_key_, counter_, call("increase", "{}", near::Gas::from_tgas(1)));
    produce(3);
    EXPECT_EQ(
        failure_of(missing), R"({"FunctionCallError":{"MethodResolveError":"MethodNotFound"}})");
    EXPECT_NE(failure_of(nowhere).find("CodeDoesNotExist"), std::string::npos);
    EXPECT_NE(failure_of(nobody).find("AccountDoesNotExist"), std::string::npos);
    EXPECT_EQ(failure_of(dry), "Exceeded the prepaid gas.");
    expect_balanced_books();
}

TEST_F(NearChainTest, ActionsOfOneReceiptSucceedTogetherOrNotAtAll) {
    std::vector<near::Action> actions = call("increase", "{}");
    for (near::Action& action : call("fail", "{}")) actions.push_back(std::move(action));
    send(alice_, alice_key_, counter_, std::move(actions));
    produce(3);
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), base::Json::integer(0));
    expect_balanced_books();
}

TEST_F(NearChainTest, ATransferMakesAnImplicitAccountWithItsOwnKey) {
    const auto key = near_test_key(8);
    const auto id = near::AccountId::implicit(key.public_key());
    EXPECT_FALSE(chain_->account(id).has_value());
    send(alice_, alice_key_, id, {near::Transfer{in_near(2)}});
    produce(2);
    EXPECT_EQ(balance(id), in_near(2).amount());
    send(id, key, bob_, {near::Transfer{in_near(1)}});
    produce(2);
    EXPECT_EQ(balance(bob_), in_near(101).amount());
}

TEST_F(NearChainTest, AccountsAreMadeBelowTheirParentsAndDeletedByThemselves) {
    const auto owner = key_of(names_.user);
    const auto user = account_id(names_.user);
    const auto child = account_id("child." + names_.user);
    const near::PublicKey key(near_test_key(4).public_key());
    const auto made = send(
        user, owner, child,
        {near::CreateAccount{}, near::Transfer{in_near(1)},
         near::AddKey{key, near::AccessKey{0, near::FullAccess{}}}});
    const auto refused = send(user, owner, account_id("other.near"), {near::CreateAccount{}});
    const auto foreign = send(alice_, alice_key_, user, {near::DeleteKey{key}});
    produce(3);
    EXPECT_EQ(failure_of(made), "");
    EXPECT_EQ(balance(child), in_near(1).amount());
    EXPECT_NE(failure_of(refused).find("CreateAccountNotAllowed"), std::string::npos);
    EXPECT_NE(failure_of(foreign).find("ActorNoPermission"), std::string::npos);
    const base::Amount before = balance(bob_);
    send(child, near_test_key(4), child, {near::DeleteAccount{bob_}});
    produce(3);
    EXPECT_FALSE(chain_->account(child).has_value());
    EXPECT_FALSE(chain_->access_key_at(child, key, chain_->height()).has_value());
    EXPECT_GT(balance(bob_), before);
    expect_balanced_books();
}

TEST_F(NearChainTest, ADelegateIsCarriedOutForItsSenderAndPaidForByAnother) {
    near::DelegateAction action{
        alice_,
        counter_,
        {near::FunctionCall{"increase", {}, near::Gas::from_tgas(20), {}}},
        nonce_of(alice_, alice_key_) + 1,
        chain_->height() + 10,
        near::PublicKey(alice_key_.public_key())};
    const auto good = near::sign(action, alice_key_).value();
    const base::Amount before = balance(alice_);
    const auto hash = send(bob_, bob_key_, alice_, {good});
    produce(5);
    EXPECT_EQ(failure_of(hash), "");
    EXPECT_EQ(chain_->view(counter_, "get_count").value(), base::Json::integer(1));
    EXPECT_EQ(balance(alice_), before);
    EXPECT_EQ(nonce_of(alice_, alice_key_), action.nonce);
    const NearTransactionRecord& record = *chain_->find_transaction(hash);
    EXPECT_EQ(record.outcomes[0].kind, NearOutcome::Kind::Receipt);
    EXPECT_NE(record.outcomes[1].logs.front().find(alice_.text()), std::string::npos);
    expect_balanced_books();

    const auto again = send(bob_, bob_key_, alice_, {good});
    action.nonce = 1'776'712'345'678'901;  // microseconds: beyond every native window
    const auto later = send(bob_, bob_key_, alice_, {near::sign(action, alice_key_).value()});
    action.nonce = nonce_of(alice_, alice_key_) + 5;
    action.max_block_height = chain_->height();
    const auto expired = send(bob_, bob_key_, alice_, {near::sign(action, alice_key_).value()});
    const auto misdirected = send(bob_, bob_key_, counter_, {good});
    auto forged = good;
    forged.delegate_action.nonce += 10;
    const auto unsigned_one = send(bob_, bob_key_, alice_, {forged});
    produce(3);
    EXPECT_NE(failure_of(again).find("DelegateActionInvalidNonce"), std::string::npos);
    EXPECT_NE(failure_of(later).find("DelegateActionNonceTooLarge"), std::string::npos);
    EXPECT_EQ(failure_of(expired), R"("DelegateActionExpired")");
    EXPECT_NE(
        failure_of(misdirected).find("DelegateActionSenderDoesNotMatchTxReceiver"),
        std::string::npos);
    EXPECT_EQ(failure_of(unsigned_one), R"("DelegateActionInvalidSignature")");
    expect_balanced_books();
}

TEST_F(NearChainTest, TheSameCallsGiveTheSameHashesAndAnyOtherDoNot) {
    const auto run = [this](std::uint64_t seed, std::uint64_t pay) {
        last_nonces_.clear();
        NearChainOptions options = standard_options();
        options.seed = seed;
        make_chain(std::move(options), standard_network());
        send(alice_, alice_key_, bob_, {near::Transfer{in_near(pay)}});
        send(bob_, bob_key_, counter_, call("increase", "{}"));
        produce(5);
        return chain_->trace_hash();
    };
    const auto first = run(1, 1);
    EXPECT_EQ(first, run(1, 1));
    EXPECT_NE(first, run(2, 1));
    EXPECT_NE(first, run(1, 2));
}

TEST_F(NearChainTest, ATimerMakesBlocksInVirtualTimeUntilItIsStopped) {
    const std::uint64_t before = chain_->height();
    chain_->start();
    executor_.run_for(std::chrono::milliseconds(600 * 10 + 1));
    EXPECT_EQ(chain_->height(), before + 10);
    chain_->delay_next_block(std::chrono::seconds(60));
    executor_.run_for(std::chrono::seconds(30));
    EXPECT_LE(chain_->height(), before + 11);
    executor_.run_for(std::chrono::seconds(35));
    EXPECT_GT(chain_->height(), before + 11);
    chain_->stop();
    const std::uint64_t stopped = chain_->height();
    executor_.run_for(std::chrono::seconds(60));
    EXPECT_EQ(chain_->height(), stopped);
}

TEST_F(NearChainTest, InstantBlocksComeWithWorkAndEndWhenAllIsFinal) {
    chain_->start_instant();
    executor_.run();
    const std::uint64_t idle = chain_->height();
    executor_.run();
    EXPECT_EQ(chain_->height(), idle);
    const auto hash = send(alice_, alice_key_, counter_, call("increase", "{}"));
    executor_.run();
    const NearTransactionRecord* const record = chain_->find_transaction(hash);
    ASSERT_NE(record, nullptr);
    EXPECT_GT(record->finished_at, 0U);
    EXPECT_GE(chain_->final_height(), record->finished_at);
    EXPECT_EQ(failure_of(hash), "");
}

TEST_F(NearChainTest, OrderedReceiptFailuresStrikeTheCallsTheyName) {
    chain_->order({.receiver = counter_, .method = "increase", .skip = 1, .count = 1});
    const auto first = send(alice_, alice_key_, counter_, call("increase", "{}"));
    const auto second = send(alice_, alice_key_, counter_, call("increase", "{}"));
    const auto third = send(alice_, alice_key_, counter_, call("increase", "{}"));
    produce(3);
    EXPECT_EQ(failure_of(first), "");
    EXPECT_EQ(failure_of(second), "Smart contract panicked: ordered by a test");
    EXPECT_EQ(failure_of(third), "");
    EXPECT_EQ(chain_->receipts_failed_by_order(), 1U);
    expect_balanced_books();
}

TEST_F(NearChainTest, TheStateOfPastHeightsCanBeRead) {
    const std::uint64_t before = chain_->height();
    send(alice_, alice_key_, bob_, {near::Transfer{in_near(1)}});
    produce(4);
    EXPECT_EQ(chain_->account_at(bob_, before)->amount, in_near(100));
    EXPECT_EQ(chain_->account_at(bob_, chain_->height())->amount, in_near(101));
}

TEST_F(NearChainTest, FinishedTransactionsAreForgottenByANodeThatIsNoArchive) {
    NearChainOptions options = standard_options();
    options.garbage_collect_blocks = 10;
    make_chain(std::move(options), standard_network());
    const auto hash = send(alice_, alice_key_, bob_, {near::Transfer{in_near(1)}});
    produce(5);
    EXPECT_NE(chain_->find_transaction(hash), nullptr);
    produce(10);
    EXPECT_EQ(chain_->find_transaction(hash), nullptr);
}

TEST_F(NearChainTest, GenesisWithTwoAccountsOfOneNameIsRefused) {
    NearChainOptions options;
    options.genesis.push_back({alice_, in_near(1)});
    options.genesis.push_back({alice_, in_near(2)});
    const auto made = NearChain::create(std::move(options), executor_);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::InvalidArgument);
}

}  // namespace
}  // namespace adyton::localchain
